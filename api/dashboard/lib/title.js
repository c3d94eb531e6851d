// The name of the page in the browser's tabs.

import { useEffect } from "../vendor/htm/standalone.module.js";

export function useTitle(title) {
  useEffect(() => {
    document.title = `${title} · Caravel`;
  }, [title]);
}
