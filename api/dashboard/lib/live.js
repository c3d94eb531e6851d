// The stream of changes (GET /events). Views ask again for what they show when something of it changed; nothing is drawn
// from the stream itself, so a missed event costs a delay and never shows a wrong row.

import { findSession, NoAnswer, Refused, unreachable } from "./api.js";
import { session } from "./session.js";
import { createStore } from "./store.js";

// Reconnecting: soon at first, then with patience. Each is shortened at random by up to a fifth, so that many open pages
// do not come back in one instant.
const PAUSES_MS = [500, 1000, 2000, 4000, 8000, 15_000];
// Changes are gathered for this long before views ask again.
const GATHER_MS = 700;
// A page that nobody has looked at for this long gives its connection back: browsers allow six for each server, and an
// operator opens more tabs than that.
const UNSEEN_MS = 5000;

/**
 * `link`: connecting | open | down; `downSince` and `retryAt` in this computer's milliseconds; `held`: why deliveries wait
 * (names of reasons); `waiting`: something changed meanwhile.
 */
export const live = createStore({ link: "connecting", downSince: null, retryAt: null, held: [], waiting: false });

/** live | paused | disconnected | connecting, as the mark in the header says. */
export const liveMark = ({ link, held }) => {
  if (link === "down") return "disconnected";
  if (held.length > 0) return "paused";
  return link === "open" ? "live" : "connecting";
};

const listeners = new Set();
let source = null;
let failures = 0;
let retryTimer = null;
let unseenTimer = null;
// Whether events may have been missed since the views last asked.
let missed = false;
let gathered = null;
let gatherTimer = null;

/** Calls back with `{all, relays: Set, targets: Set, counts}` when something may have changed. */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Holds deliveries for a reason, or lets them go. */
export function hold(reason, on) {
  const held = live.get().held.filter((each) => each !== reason);
  if (on) held.push(reason);
  if (held.length === live.get().held.length) return;
  live.patch({ held });
  if (held.length === 0) deliver();
}

const nothing = () => ({ all: false, relays: new Set(), targets: new Set(), counts: false });

function gather(change) {
  gathered ??= nothing();
  gathered.all ||= change.all ?? false;
  gathered.counts ||= change.counts ?? false;
  for (const relay of change.relays ?? []) gathered.relays.add(relay);
  for (const target of change.targets ?? []) gathered.targets.add(target);
  gatherTimer ??= setTimeout(deliver, GATHER_MS);
}

function deliver() {
  clearTimeout(gatherTimer);
  gatherTimer = null;
  if (!gathered) return;
  if (live.get().held.length > 0) {
    live.patch({ waiting: true });
    return;
  }
  // A page nobody looks at asks for nothing; it does so when it is looked at.
  if (document.hidden) return;
  const change = gathered;
  gathered = null;
  live.patch({ waiting: false });
  for (const listener of [...listeners]) listener(change);
}

/** Tells views to look again at once, on hold or not: this person has just changed something. */
export function lookAgain() {
  for (const listener of [...listeners]) listener({ ...nothing(), all: true });
}

function open() {
  clearTimeout(retryTimer);
  source?.close();
  source = new EventSource("/events");
  source.addEventListener("hello", () => {
    failures = 0;
    live.patch({ link: "open", downSince: null, retryAt: null });
    // What happened meanwhile is unknown: everything is asked for again.
    if (missed) gather({ all: true });
    missed = false;
  });
  source.addEventListener("changed", (event) => gather(JSON.parse(event.data)));
  source.addEventListener("activity", (event) => gather({ relays: [JSON.parse(event.data).relay_id], counts: true }));
  // The browser's own reconnecting gives up on some answers and says nothing: ours does neither.
  source.onerror = () => lost();
}

function lost() {
  source?.close();
  source = null;
  missed = true;
  clearTimeout(retryTimer);
  const pause = PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)] * (1 - Math.random() / 5);
  failures += 1;
  live.patch({ link: "down", downSince: live.get().downSince ?? Date.now(), retryAt: Date.now() + pause });
  retryTimer = setTimeout(retry, pause);
}

/** Tries to connect now. A plain request goes first: it can tell "nobody there" from "signed out". */
export async function retry() {
  clearTimeout(retryTimer);
  try {
    await findSession();
    open();
  } catch (error) {
    if (error instanceof Refused && error.status === 401) stopLive();
    else if (error instanceof NoAnswer || error instanceof Refused) lost();
    else throw error;
  }
}

function stopLive() {
  clearTimeout(retryTimer);
  source?.close();
  source = null;
  failures = 0;
  live.patch({ link: "connecting", downSince: null, retryAt: null });
}

/** Gives the connection back until somebody looks again. */
function rest() {
  if (!source) return;
  stopLive();
  missed = true;
}

function seen() {
  clearTimeout(unseenTimer);
  if (session.get() && !source && live.get().link !== "down") open();
  deliver();
}

/** Follows the session: connected while somebody is signed in, and looks. */
export function startLive() {
  const follow = (who) => {
    if (who && !source && live.get().link !== "down") open();
    if (!who && source) stopLive();
  };
  session.watch(follow);
  follow(session.get());
  unreachable.watch((since) => {
    if (since !== null && live.get().link === "open") lost();
  });
  window.addEventListener("online", () => live.get().link === "down" && retry());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) unseenTimer = setTimeout(rest, UNSEEN_MS);
    else seen();
  });
  // A page that is left may be kept for the back button, with its connections.
  window.addEventListener("pagehide", rest);
  window.addEventListener("pageshow", (event) => event.persisted && seen());
}
