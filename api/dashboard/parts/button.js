// The button of everything that changes something: it works once at a time, says that it works, and shows who may not.

import { html, useRef, useState } from "../vendor/htm/standalone.module.js";
import { explain } from "../lib/api.js";
import { session, whyReadOnly } from "../lib/session.js";
import { useStore } from "../lib/store.js";
import { Icon } from "./icon.js";
import { toast } from "./toast.js";

/**
 * `run` is async. While it runs, further clicks are nothing. `label` is said by screen readers, `children` are shown. `free`:
 * everybody may.
 */
export function ActionButton({ run, icon, label, look = "", dataKey, free = false, children }) {
  const who = useStore(session);
  const [busy, setBusy] = useState(false);
  // State arrives with the next drawing; the second click of a double click is there before it.
  const running = useRef(false);
  const why = free ? null : whyReadOnly(who);

  async function click() {
    if (running.current) return;
    if (why) {
      toast(why, "calm");
      return;
    }
    running.current = true;
    setBusy(true);
    try {
      await run();
    } catch (error) {
      toast(explain(error), "bad");
    } finally {
      running.current = false;
      setBusy(false);
    }
  }

  // aria-disabled rather than disabled: the button keeps its focus, and its reason can be read.
  return html`
    <button
      type="button"
      class="button ${look} ${busy ? "busy" : ""}"
      aria-label=${label}
      aria-disabled=${why || busy ? "true" : null}
      aria-busy=${busy ? "true" : null}
      title=${why}
      data-key=${dataKey}
      onClick=${click}
    >
      ${icon && html`<${Icon} name=${icon} />`}<span>${children}</span>
    </button>
  `;
}
