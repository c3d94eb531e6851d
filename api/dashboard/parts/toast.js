// Short messages about what a click did. Errors stay until they are closed.

import { html } from "../vendor/htm/standalone.module.js";
import { createStore, useStore } from "../lib/store.js";
import { Icon } from "./icon.js";

const SHOWN_MS = 7000;
const shown = createStore([]);
let last = 0;

/** Shows a sentence; `tone` is good, calm or bad. */
export function toast(text, tone) {
  last += 1;
  const id = last;
  shown.set([...shown.get(), { id, text, tone }].slice(-4));
  if (tone !== "bad") setTimeout(() => close(id), SHOWN_MS);
}

const close = (id) => shown.set(shown.get().filter((each) => each.id !== id));

export function Toasts() {
  const messages = useStore(shown);
  return html`
    <div class="toasts" role="status" aria-live="polite">
      ${messages.map(
        ({ id, text, tone }) => html`
          <div key=${id} class="toast tone-${tone}">
            <${Icon} name=${{ good: "synced", bad: "warning", calm: "pending" }[tone]} />
            <p>${text}</p>
            <button type="button" class="bare" aria-label="Close this message" onClick=${() => close(id)}><${Icon} name="failed" /></button>
          </div>
        `,
      )}
    </div>
  `;
}
