// The one place that talks to the server: the operator API's envelope, the CSRF token, and what goes wrong.

import { learnClock } from "./clock.js";
import { session } from "./session.js";
import { createStore } from "./store.js";

/** Milliseconds of the last request that found no server; null when the last one did. */
export const unreachable = createStore(null);

/** The server answered, and the answer is no. */
export class Refused extends Error {
  constructor(status, code, message, requestId) {
    super(message);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
  }
}

/** Nobody answered, or a gateway that found nobody. */
export class NoAnswer extends Error {}

// Long enough for a slow disk, short enough to notice a server that hangs.
const PATIENCE_MS = 20_000;

async function call(method, path, { body, headers = {}, signal } = {}) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    unreachable.set(Date.now());
    throw new NoAnswer("The server does not answer.", { cause: error });
  }
  const envelope = await response.json().catch(() => null);
  if (envelope === null && response.status >= 502) {
    unreachable.set(Date.now());
    throw new NoAnswer(`Something before the server answered ${response.status}.`);
  }
  unreachable.set(null);
  learnClock(response);
  if (response.ok) return envelope?.data ?? null;
  if (response.status === 401) session.set(null);
  throw new Refused(
    response.status,
    envelope?.code ?? "unknown",
    envelope?.error ?? `the server answered ${response.status}`,
    response.headers.get("x-request-id"),
  );
}

export const get = (path, signal) => call("GET", path, { signal });

/** Changes something. */
export const post = (path, body = {}) =>
  call("POST", path, { body, headers: { "X-CSRF-Token": session.get()?.csrf ?? "" } });

/** Who this browser is signed in as; signs nobody out by itself. */
export async function findSession() {
  session.set(await get("/dashboard/session"));
}

/** Signs in with a NIP-98 event of the browser's Nostr extension (NIP-07). */
export async function signInWithExtension() {
  const event = await window.nostr.signEvent({
    kind: 27235,
    created_at: Math.floor(Date.now() / 1000),
    tags: [
      ["u", `${window.location.origin}/dashboard/session`],
      ["method", "POST"],
    ],
    content: "",
  });
  const bytes = new TextEncoder().encode(JSON.stringify(event));
  const token = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  session.set(await call("POST", "/dashboard/session", { headers: { Authorization: `Nostr ${token}` } }));
}

/** Signs in with the token of a one-time link. */
export async function signInWithLink(token) {
  session.set(await call("POST", "/dashboard/session/link", { body: { token } }));
}

export async function signOut() {
  await call("DELETE", "/dashboard/session", { headers: { "X-CSRF-Token": session.get()?.csrf ?? "" } });
  session.set(null);
}

/** An error as a sentence for people. */
export function explain(error) {
  if (error instanceof NoAnswer) return `${error.message} The page tries again by itself.`;
  if (error instanceof Refused) {
    const text = error.message.charAt(0).toUpperCase() + error.message.slice(1);
    const sentence = /[.!?]$/.test(text) ? text : `${text}.`;
    return error.requestId && error.status >= 500 ? `${sentence} The log has more under ${error.requestId}.` : sentence;
  }
  return `The page made a mistake: ${error?.message ?? error}.`;
}
