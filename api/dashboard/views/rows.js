// The rows: what is wrong stands in the row, beside what can be done about it.

import { html, useEffect, useRef } from "../vendor/htm/standalone.module.js";
import { actOnRelay, offered, RELAY_ACTIONS } from "../lib/actions.js";
import { many, shortened } from "../lib/format.js";
import { clearSelection, select, selection } from "../lib/selection.js";
import { useStore } from "../lib/store.js";
import { ActionButton } from "../parts/button.js";
import { askBulk } from "../parts/bulk.js";
import { Due, Since, State, Time } from "../parts/state.js";

// The server takes this many named relays in one action (operator API); pages are smaller.
const SELECTED_MAX = 1000;

export function Rows({ items, stale }) {
  const chosen = useStore(selection);
  const ids = items.map(({ relay_id: id }) => id);
  const ticked = ids.filter((id) => chosen.has(id)).length;
  const head = useRef(null);
  useEffect(() => {
    head.current.indeterminate = ticked > 0 && ticked < ids.length;
  });
  // Roles are said out loud: the narrow layout turns cells into blocks, and browsers then forget that this is a table.
  return html`
    <table class=${`syncs-table ${stale ? "stale" : ""}`} role="table" aria-label="Relays" aria-busy=${stale ? "true" : null}>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" class="c-select"><input ref=${head} type="checkbox" aria-label="Select all rows of this page" checked=${ticked > 0 && ticked === ids.length} onChange=${(event) => select(ids, event.target.checked)} /></th>
          <th role="columnheader" class="c-state">State</th>
          <th role="columnheader" class="c-relay">Relay</th>
          <th role="columnheader" class="c-cause">Why</th>
          <th role="columnheader" class="c-generation"><abbr title="Generation: applied of desired">Gen.</abbr></th>
          <th role="columnheader" class="c-attempt">Attempt</th>
          <th role="columnheader" class="c-action"><span class="visually-hidden">Action</span></th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${items.map((sync) => html`<${Row} key=${sync.relay_id} sync=${sync} ticked=${chosen.has(sync.relay_id)} />`)}
      </tbody>
    </table>
  `;
}

function Row({ sync, ticked }) {
  const { relay_id: id, failure } = sync;
  const [first] = offered(sync.state);
  return html`
    <tr role="row" data-row data-relay=${id} data-row-state=${sync.state} class=${ticked ? "ticked" : ""}>
      <td role="cell" class="c-select"><input type="checkbox" data-key="select" aria-label=${`Select ${sync.host}`} checked=${ticked} onChange=${(event) => select([id], event.target.checked)} /></td>
      <td role="cell" class="c-state"><${State} state=${sync.state} /></td>
      <td role="cell" class="c-relay">
        <a class="name" data-row-focus href=${`/dashboard/relays/${id}`}>${sync.name || sync.subdomain}</a>
        <span class="host"><code>${sync.host}</code></span>
        <span class="muted small">tenant <code title=${sync.tenant_pubkey}>${shortened(sync.tenant_pubkey, 8, 4)}</code>${!sync.host.endsWith(sync.zooid_domain) && ` · ${sync.zooid_domain}`}${sync.removed_at !== null ? " · removed" : sync.status !== "active" && ` · ${sync.status}`}</span>
      </td>
      <td role="cell" class="c-cause">
        ${failure
          ? html`<p>${failure.sentence}</p><p class="message" title=${failure.message}>${failure.message}</p>`
          : html`<span class="muted">${quiet(sync)}</span>`}
        ${sync.out_of_step_since !== null && html`<p class="muted small">not in step <${Since} at=${sync.out_of_step_since} /></p>`}
      </td>
      <td role="cell" class="c-generation"><abbr title=${`zooid has generation ${sync.synced_generation}; ${sync.generation} is wanted`}>${sync.synced_generation}/${sync.generation}</abbr></td>
      <td role="cell" class="c-attempt"><${Attempt} sync=${sync} /></td>
      <td role="cell" class="c-action">
        ${first && html`<${ActionButton} icon=${RELAY_ACTIONS[first].icon} dataKey=${first} label=${`${RELAY_ACTIONS[first].label} ${sync.host}`} run=${() => actOnRelay(first, sync)}>${RELAY_ACTIONS[first].label}<//>`}
      </td>
    </tr>
  `;
}

/** What a row without a failure says. */
function quiet(sync) {
  const words = {
    synced: "In step.",
    pending: "Waits for its turn.",
    running: "A worker is sending it.",
    paused: "An operator holds it back.",
    quarantined: "Kept from the workers.",
    held: "Waits for something else first.",
    retrying: "Is tried again.",
    failed: "Given up.",
  };
  return words[sync.state] ?? "";
}

function Attempt({ sync }) {
  const { attempts, max_attempts: most, next_attempt_at: next, last_attempt: last } = sync;
  return html`
    ${attempts !== null && most !== null && sync.state !== "synced" && html`<span>${attempts} of ${most}</span>`}
    ${next !== null && sync.state !== "synced" && html`<span>next <${Due} at=${next * 1000} /></span>`}
    <span class="muted small">${last ? html`last <${Time} at=${last.started_at} />` : "never tried"}</span>
  `;
}

/** What can be done with the rows that are ticked, or with everything that matches. */
export function SelectionBar({ items, filter, filtered, more }) {
  const chosen = useStore(selection);
  if (chosen.size === 0) return null;
  const ids = [...chosen];
  const whole = items.length > 0 && items.every(({ relay_id: id }) => chosen.has(id));
  const ask = (action) => askBulk(action, { relays: ids }, many(ids.length, "selected relay"));
  const askAll = (event) => {
    const action = event.target.value;
    event.target.value = "";
    if (action) askBulk(action, filter, filtered ? "everything that matches" : "every relay");
  };
  return html`
    <section class="selection-bar" aria-label="Selected rows">
      <p role="status"><b>${many(ids.length, "row")}</b> selected, the page holds still.</p>
      <div class="buttons">
        ${Object.entries(RELAY_ACTIONS).map(
          ([name, action]) => html`<${ActionButton} key=${name} icon=${action.icon} run=${async () => ask(name)} label=${`${action.label} ${many(ids.length, "selected relay")}`}>${action.label}<//>`,
        )}
        ${whole && more && html`
          <select aria-label="Do something with everything that matches" onChange=${askAll}>
            <option value="">Everything that matches…</option>
            ${Object.entries(RELAY_ACTIONS).map(([name, action]) => html`<option key=${name} value=${name}>${action.label}</option>`)}
          </select>
        `}
        <button type="button" class="button" onClick=${clearSelection}>Clear</button>
      </div>
      ${ids.length > SELECTED_MAX && html`<p class="tone-warn">At most ${SELECTED_MAX} rows can be taken one by one.</p>`}
    </section>
  `;
}
