// Failures by cause: what a person repairs is a cause, not two thousand rows.

import { html, useState } from "../vendor/htm/standalone.module.js";
import { count, many } from "../lib/format.js";
import { here, href } from "../lib/router.js";
import { kindLabel } from "../lib/words.js";
import { ActionButton } from "../parts/button.js";
import { askBulk } from "../parts/bulk.js";
import { Time } from "../parts/state.js";

// As many as leave room for the rows below them.
const FIRST = 3;

/** "3 causes behind 2,000 failures" */
export const causes = (groups, more) => {
  const relays = groups.reduce((sum, group) => sum + group.relays, 0);
  return `${more ? "More than " : ""}${many(groups.length, "cause")} behind ${many(relays, "failure")}`;
};

/** `brief`: for the overview; `chosen`: the id of the one that filters the rows. */
export function Groups({ groups, brief = false, chosen = null }) {
  const [all, setAll] = useState(false);
  const first = groups.filter((group, index) => index < FIRST || String(group.id) === chosen);
  const shown = brief || all ? groups : first;
  return html`
    <ul class="groups">${shown.map((group) => html`<${Group} key=${group.id} group=${group} brief=${brief} chosen=${String(group.id) === chosen} />`)}</ul>
    ${!brief && first.length < groups.length && html`<button type="button" class="button more" aria-expanded=${all ? "true" : "false"} onClick=${() => setAll(!all)}>${all ? "Fewer causes" : `${many(groups.length - first.length, "more cause")}`}</button>`}
  `;
}

function Group({ group, brief, chosen }) {
  const address = brief ? href("/dashboard/syncs", { group: group.id }) : here({ group: chosen ? null : group.id });
  const retry = () => askBulk("retry", { group: [String(group.id)] }, `all relays that fail with “${group.pattern}”`);
  return html`
    <li class=${`group ${chosen ? "chosen" : ""}`} data-group=${group.id}>
      <a class="group-link" href=${address} aria-current=${chosen ? "true" : null}>
        <span class="group-count tone-bad"><b>${count(group.relays)}</b> ${group.relays === 1 ? "relay" : "relays"}</span>
        <span class="group-text">
          <span class="group-pattern">${group.pattern}</span>
          <span class="muted">${group.sentence}</span>
          ${!brief &&
          html`
            <span class="group-more muted">
              <span class="tag">${kindLabel(group.kind)}${group.http_status ? ` ${group.http_status}` : ""}</span>
              <span>${group.target}</span>
              <span>first <${Time} at=${group.first_seen_at} />, last <${Time} at=${group.last_seen_at} /></span>
              <span>${many(group.attempts, "attempt")}</span>
            </span>
          `}
        </span>
      </a>
      ${!brief &&
      html`
        ${chosen && html`<p class="group-next"><b>What to do:</b> ${group.next_step}</p>`}
        <div class="group-actions">
          <${ActionButton} icon="retrying" run=${async () => retry()} label=${`Retry all ${many(group.relays, "relay")} with this cause`}>Retry all<//>
        </div>
      `}
    </li>
  `;
}
