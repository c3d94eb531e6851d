// What is wanted against what zooid last accepted, field by field, and the request that would make them the same.

import { html, useState } from "../vendor/htm/standalone.module.js";
import { many } from "../lib/format.js";

/** A value as people compare it. Secrets have none here: the server never sends them. */
function shown(value, { secret, changed }) {
  if (secret) return html`<span class="muted">${changed ? "secret, changed" : "secret"}</span>`;
  if (value === null || value === undefined) return html`<span class="muted">not set</span>`;
  return html`<code>${typeof value === "string" ? value || "“”" : JSON.stringify(value)}</code>`;
}

/** How it is known that zooid has it, where somebody looks: what was seen is told when it is something else. */
function Evidence({ field }) {
  if (field.evidence === "assumed") return html` <span class="muted small">assumed</span>`;
  if (field.evidence !== "observed") return null;
  return field.observed === field.accepted
    ? html` <span class="muted small">observed</span>`
    : html` <span class="tag">seen instead</span> ${shown(field.observed, field)}`;
}

export function Diff({ diff, sync, observation }) {
  const [all, setAll] = useState(false);
  const changed = diff.filter((field) => field.changed || (field.evidence === "observed" && field.observed !== field.accepted));
  const rest = diff.length - changed.length;
  const visible = all ? diff : changed;
  return html`
    <section class="card" aria-labelledby="diff-title" data-diff>
      <div class="card-head">
        <h2 id="diff-title">Wanted and accepted</h2>
        ${rest > 0 && html`<button type="button" class="button" aria-expanded=${all ? "true" : "false"} onClick=${() => setAll(!all)}>${all ? "Only what differs" : `Show ${many(rest, "field")} that agree`}</button>`}
      </div>
      <p class="muted">
        ${sync.synced_generation === 0
          ? "zooid has never accepted this relay; everything is new to it."
          : changed.length === 0
            ? "Nothing differs."
            : `${many(changed.length, "field")} ${changed.length === 1 ? "differs" : "differ"} from generation ${sync.synced_generation}.`}
        ${observation && sync.synced_generation > 0 && " Observed fields were seen at the relay's host; of the others zooid only said that it accepted them."}
      </p>
      ${visible.length > 0 &&
      html`
        <table class="diff" role="table" aria-label="Settings">
          <thead role="rowgroup"><tr role="row"><th role="columnheader">Field</th><th role="columnheader">Accepted by zooid</th><th role="columnheader">Wanted</th></tr></thead>
          <tbody role="rowgroup">
            ${visible.map(
              (field) => html`
                <tr key=${field.field} role="row" class=${field.changed ? "changed" : ""}>
                  <th role="rowheader" scope="row"><code>${field.field}</code>${field.changed && html` <span class="tag">differs</span>`}</th>
                  <td role="cell" data-label="Accepted">${shown(field.accepted, field)}${observation && html`<${Evidence} field=${field} />`}</td>
                  <td role="cell" data-label="Wanted">${shown(field.desired, field)}</td>
                </tr>
              `,
            )}
          </tbody>
        </table>
      `}
    </section>
  `;
}

export const NextRequest = ({ request }) =>
  request &&
  html`
    <section class="card" aria-labelledby="next-title" data-next-request>
      <h2 id="next-title">What the next attempt sends</h2>
      <p><code>${request.verb} ${request.path}</code></p>
      ${request.body !== null && html`<pre class="excerpt" tabindex="0" aria-label="Body of the next request">${typeof request.body === "string" ? request.body : JSON.stringify(request.body, null, 2)}</pre>`}
    </section>
  `;
