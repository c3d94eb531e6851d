// The server's clock, as far as its answers tell it. What the page calls "4 min ago" does not depend on this computer's.

import { createStore } from "./store.js";

// Date headers have whole seconds, and answers take time: a smaller difference than this is none.
const NOTICEABLE_MS = 3000;

let ahead = 0;

/** Milliseconds of the server's clock, as of the last tick. */
export const clock = createStore(Date.now());

/** Learns the difference from an answer. */
export function learnClock(response) {
  const served = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(served)) return;
  const difference = served - Date.now();
  ahead = Math.abs(difference) < NOTICEABLE_MS ? 0 : difference;
}

export const now = () => Date.now() + ahead;

export function startClock() {
  setInterval(() => {
    if (!document.hidden) clock.set(now());
  }, 1000);
  document.addEventListener("visibilitychange", () => clock.set(now()));
}
