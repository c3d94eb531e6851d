// Attempts as a stack, newest first: what was sent, what came back, how long it took.

import { html } from "../vendor/htm/standalone.module.js";
import { duration } from "../lib/format.js";
import { href } from "../lib/router.js";
import { kindLabel } from "../lib/words.js";
import { Empty } from "../parts/notice.js";
import { Id, Outcome, Time } from "../parts/state.js";

/** The newest of one relay. */
export const Attempts = ({ attempts, relay }) => html`
  <section class="card" aria-labelledby="attempts-title">
    <h2 id="attempts-title">Attempts</h2>
    ${attempts.length === 0 && html`<${Empty} icon="pending" title="No attempt yet.">The first one is made when a worker takes its job.<//>`}
    <ol class="attempts">
      ${attempts.map((attempt, index) => html`<${Attempt} key=${attempt.id} attempt=${attempt} open=${index === 0} />`)}
    </ol>
    ${attempts.length > 0 && html`<p><a data-all-attempts href=${href("/dashboard/attempts", { relay })}>All attempts of this relay</a></p>`}
  </section>
`;

/** `ofMany`: beside attempts of other relays. */
export function Attempt({ attempt, open, ofMany = false }) {
  const { verb, http_status: status, kind, excerpt, trace } = attempt;
  return html`
    <li data-attempt=${attempt.number}>
      <details open=${open}>
        <summary>
          <b>#${attempt.number}</b>
          <${Outcome} outcome=${attempt.outcome} />
          <span class="call"><code>${verb ?? "no call"}</code> ${status !== null && html`<code class="status">${status}</code>`}${ofMany && html` <code class="host">${attempt.host}</code>`}</span>
          <span class="muted">${attempt.duration_ms !== null ? duration(attempt.duration_ms) : "runs"}</span>
          <span class="muted"><${Time} at=${attempt.started_at} /></span>
        </summary>
        <div class="attempt-body">
          ${attempt.message && html`<p class="message whole">${attempt.message}</p>`}
          ${excerpt && html`<p class="small muted">The answer, with secrets taken out:</p><pre class="excerpt" tabindex="0" aria-label="The answer's beginning">${excerpt}</pre>`}
          <dl class="facts">
            ${ofMany && html`<div><dt>Relay</dt><dd><a href=${`/dashboard/relays/${attempt.relay_id}`}>${attempt.host}</a></dd></div>`}
            ${kind && html`<div><dt>Kind</dt><dd>${kindLabel(kind)}</dd></div>`}
            <div><dt>Generation</dt><dd>${attempt.generation}</dd></div>
            <div><dt>Worker</dt><dd>${attempt.worker_id ? html`<${Id} id=${attempt.worker_id} what="worker's id" />` : "–"}</dd></div>
            <div><dt>Job</dt><dd><${Id} id=${attempt.job_id} what="job's id" /></dd></div>
            ${trace && html`<div><dt>Trace</dt><dd><${Id} id=${trace} what="trace id" /></dd></div>`}
          </dl>
        </div>
      </details>
    </li>
  `;
}
