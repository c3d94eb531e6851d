// The states with their counts, and the targets. Counts come from the database's own counters and follow every change.

import { html } from "../vendor/htm/standalone.module.js";
import { count } from "../lib/format.js";
import { here, listOf } from "../lib/router.js";
import { NOT_SYNCED, STATES } from "../lib/words.js";
import { Icon } from "../parts/icon.js";

const same = (one, other) => one.length === other.length && one.every((each) => other.includes(each));

export function Rail({ overview, query }) {
  const chosen = listOf(query, "state");
  const relays = overview.data?.relays;
  const targets = overview.data?.targets ?? [];
  const target = query.get("target");
  return html`
    <nav class="rail" aria-label="States">
      <ul>
        <${Choice} address=${here({ state: null })} on=${chosen.length === 0} number=${relays?.total}>All<//>
        <${Choice} address=${here({ state: NOT_SYNCED })} on=${same(chosen, NOT_SYNCED)} number=${relays && relays.total - relays.synced}>Not synced<//>
        ${Object.entries(STATES).map(
          ([state, { label, tone, means }]) => html`
            <${Choice} key=${state} address=${here({ state: chosen.length === 1 && chosen[0] === state ? null : state })} on=${same(chosen, [state])} number=${relays?.[state]} tone=${tone} icon=${state} title=${means}>${label}<//>
          `,
        )}
      </ul>
      ${(targets.length > 1 || target) &&
      html`
        <h2>Targets</h2>
        <ul>
          <${Choice} address=${here({ target: null })} on=${!target}>All<//>
          ${targets.map(({ name }) => html`<${Choice} key=${name} address=${here({ target: name })} on=${target === name}>${name}<//>`)}
        </ul>
      `}
    </nav>
  `;
}

const Choice = ({ address, on, number, tone, icon, title, children }) => html`
  <li>
    <a href=${address} aria-current=${on ? "true" : null} title=${title} class=${number === 0 ? "none" : ""} data-state=${icon}>
      <span class=${tone && number > 0 ? `tone-${tone}` : ""}>${icon && html`<${Icon} name=${icon} />`}</span>
      <span class="choice">${children}</span>
      ${number !== undefined && html`<b>${count(number)}</b>`}
    </a>
  </li>
`;
