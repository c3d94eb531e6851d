// A state as a badge, a time as people say it, an id that can be copied.

import { html } from "../vendor/htm/standalone.module.js";
import { clock } from "../lib/clock.js";
import { exactTime, lasting, relative, shortened } from "../lib/format.js";
import { useStore } from "../lib/store.js";
import { OUTCOMES, stateOf } from "../lib/words.js";
import { Icon } from "./icon.js";
import { toast } from "./toast.js";

export function State({ state }) {
  const { label, tone, means } = stateOf(state);
  return html`<span class="badge tone-${tone}" title=${means}><${Icon} name=${state} />${label}</span>`;
}

export function Outcome({ outcome }) {
  const { label, tone, icon } = OUTCOMES[outcome ?? "running"];
  return html`<span class="badge tone-${tone}"><${Icon} name=${icon} />${label}</span>`;
}

/** A moment: relative and ticking, the exact time on hover. `at` in milliseconds. */
export function Time({ at, none = "never" }) {
  const text = useStore(clock, (now) => (at === null || at === undefined ? none : relative(at, now)));
  if (at === null || at === undefined) return html`<span class="muted">${none}</span>`;
  return html`<time datetime=${new Date(at).toISOString()} title=${exactTime(at)}>${text}</time>`;
}

/** How long something has lasted: "for 4 min". */
export function Since({ at }) {
  const text = useStore(clock, (now) => `for ${lasting(at, now)}`);
  return html`<time datetime=${new Date(at).toISOString()} title=${`since ${exactTime(at)}`}>${text}</time>`;
}

/** When something is due: "in 32 s", and "due now" once that is over. */
export function Due({ at }) {
  const text = useStore(clock, (now) => (at <= now ? "due now" : relative(at, now)));
  return html`<time datetime=${new Date(at).toISOString()} title=${exactTime(at)}>${text}</time>`;
}

/** An id, shortened unless `whole`, with a button that copies it. */
export function Id({ id, what, whole = false }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(id);
      toast(`Copied the ${what}.`, "calm");
    } catch {
      toast(`The browser does not let this page copy. The ${what} is ${id}`, "calm");
    }
  };
  return html`
    <span class="id">
      <code title=${id}>${whole ? id : shortened(id)}</code>
      <button type="button" class="bare" onClick=${copy} aria-label=${`Copy the ${what} ${id}`}><${Icon} name="copy" /></button>
    </span>
  `;
}
