// One value that several parts of the page look at, and the hook that redraws a component when what it looks at changes.

import { useEffect, useState } from "../vendor/htm/standalone.module.js";

export function createStore(initial) {
  let value = initial;
  const watchers = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const watch of [...watchers]) watch(value);
    },
    /** Sets some fields of an object. */
    patch(fields) {
      this.set({ ...value, ...fields });
    },
    /** Calls back on every change, until the function it answers with is called. */
    watch(callback) {
      watchers.add(callback);
      return () => watchers.delete(callback);
    },
  };
}

/** The value, or what `select` makes of it; the component is redrawn when that changes. */
export function useStore(store, select = (value) => value) {
  const [, redraw] = useState(0);
  const selected = select(store.get());
  useEffect(() => {
    let last = selected;
    const look = () => {
      const next = select(store.get());
      if (Object.is(next, last)) return;
      last = next;
      redraw((count) => count + 1);
    };
    // It may have changed between the drawing and this effect.
    look();
    return store.watch(look);
  });
  return selected;
}
