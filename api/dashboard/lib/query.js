// Reads for views: asked at once, asked again when something changed, and the old answer stays until the new one is there.

import { useEffect, useRef, useState } from "../vendor/htm/standalone.module.js";
import { explain, get } from "./api.js";
import { live, onChange } from "./live.js";

/**
 * `{data, error, loading, stale, reload}` of a GET. `path` null asks nothing. `relevant(change)` says which changes call for
 * another look; `every` asks again after so many milliseconds, for what no event tells.
 */
export function useQuery(path, { relevant = () => true, every = 0 } = {}) {
  const [state, setState] = useState({ path: null, data: null, error: null });
  const current = useRef({ relevant, controller: null, again: false, path });
  current.current.relevant = relevant;
  current.current.path = path;

  async function load() {
    const asked = current.current.path;
    if (asked === null) return;
    // A slow answer is waited for: asking anew with every change would never get one.
    if (current.current.controller) {
      current.current.again = true;
      return;
    }
    const controller = new AbortController();
    current.current.controller = controller;
    current.current.again = false;
    try {
      const data = await get(asked, controller.signal);
      if (!controller.signal.aborted) setState({ path: asked, data, error: null });
    } catch (error) {
      if (controller.signal.aborted) return;
      // An answer to another question would be wrong beside this error; an older answer to the same one is still something.
      setState((before) => ({ path: asked, data: before.path === asked ? before.data : null, error: explain(error) }));
    }
    if (controller.signal.aborted) return;
    current.current.controller = null;
    if (current.current.again) load();
  }

  useEffect(() => {
    load();
    return () => {
      current.current.controller?.abort();
      current.current.controller = null;
    };
  }, [path]);

  useEffect(() => onChange((change) => (change.all || current.current.relevant(change)) && load()), []);

  useEffect(() => {
    if (!every) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden && live.get().held.length === 0 && live.get().link === "open") load();
    }, every);
    return () => clearInterval(timer);
  }, [every]);

  return {
    data: state.data,
    error: state.error,
    loading: state.data === null && state.error === null,
    stale: state.path !== path,
    reload: load,
  };
}
