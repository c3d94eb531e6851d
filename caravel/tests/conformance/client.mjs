// Somebody with a Nostr key who calls the API as hosting screens do: one signed event for the base URL, sent with every
// request (the session form of NIP-98, https://github.com/nostr-protocol/nips/blob/master/98.md).

import { randomBytes, createHash } from "node:crypto";
import { schnorr } from "@noble/curves/secp256k1.js";

/** Where the API listens, and what it believes to be called: clients sign the latter. */
const { CONFORMANCE_URL: URL_OF_API, CONFORMANCE_SERVER_URL: SERVER_URL } = process.env;

const hex = (bytes) => Buffer.from(bytes).toString("hex");

export class Client {
  #secret;
  #header;

  /** With a new key, or the one whose secret is given as hex. */
  constructor(secret = hex(randomBytes(32))) {
    this.#secret = Buffer.from(secret, "hex");
    this.pubkey = hex(schnorr.getPublicKey(this.#secret));
    this.#header = this.#sign([["u", SERVER_URL], ["method", "GET"]]);
  }

  #sign(tags) {
    const created_at = Math.floor(Date.now() / 1000);
    const [kind, content] = [27235, ""];
    const signed = JSON.stringify([0, this.pubkey, created_at, kind, tags, content]);
    const id = createHash("sha256").update(signed).digest();
    const sig = hex(schnorr.sign(id, this.#secret));
    const event = { id: hex(id), pubkey: this.pubkey, created_at, kind, tags, content, sig };
    return `Nostr ${Buffer.from(JSON.stringify(event)).toString("base64")}`;
  }

  /** The answer as it is: status, headers, and the JSON that it must be. */
  async answer(method, path, { body, headers = {}, own = false, signed = true } = {}) {
    const authorization = own
      ? this.#sign([["u", `${SERVER_URL}${path}`], ["method", method]])
      : this.#header;
    const response = await fetch(`${URL_OF_API}${path}`, {
      method,
      headers: {
        ...(signed && { Authorization: authorization }),
        "Content-Type": "application/json",
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    let json;
    try {
      json = JSON.parse(text);
    } catch {
      throw new Error(`${method} ${path}: ${response.status} without JSON: ${text}`);
    }
    return { status: response.status, headers: response.headers, json };
  }

  /** The data of a success. */
  async call(method, path, body, status = 200) {
    const answer = await this.answer(method, path, { body });
    if (answer.status !== status || answer.json.code !== "ok" || !("data" in answer.json)) {
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.json)}`);
    }
    return answer.json.data;
  }

  /** Status and code of a refusal, which has a sentence for a person and nothing of our insides. */
  async refusal(method, path, body, options = {}) {
    const { status, json } = await this.answer(method, path, { body, ...options });
    if (typeof json.error !== "string" || !/^[A-Z].*[.]$|^[a-z_]+ .+/u.test(json.error) || "data" in json) {
      throw new Error(`${method} ${path}: no refusal: ${status} ${JSON.stringify(json)}`);
    }
    return [status, json.code];
  }
}

/** Looks until `done`, at most for a minute. */
export async function until(what, done) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const found = await done();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
