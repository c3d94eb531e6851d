// The rows that are ticked. While there are any, nothing moves under the person's hand: the live stream is held.

import { hold } from "./live.js";
import { createStore } from "./store.js";

/** Relay ids. */
export const selection = createStore(new Set());

export function select(ids, on) {
  const next = new Set(selection.get());
  for (const id of ids) on ? next.add(id) : next.delete(id);
  selection.set(next);
  hold("selection", next.size > 0);
}

export const clearSelection = () => select([...selection.get()], false);
