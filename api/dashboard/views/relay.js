// One relay: why it is not in step, in one sentence; then everything that led there, and what can be done.

import { html } from "../vendor/htm/standalone.module.js";
import { actOnRelay, offered, RELAY_ACTIONS } from "../lib/actions.js";
import { capital, duration } from "../lib/format.js";
import { useQuery } from "../lib/query.js";
import { useTitle } from "../lib/title.js";
import { stateOf } from "../lib/words.js";
import { ActionButton } from "../parts/button.js";
import { Icon } from "../parts/icon.js";
import { Answer, Empty } from "../parts/notice.js";
import { Due, Id, Since, State, Time } from "../parts/state.js";
import { Attempts } from "./attempts.js";
import { Action } from "./audit.js";
import { Diff, NextRequest } from "./diff.js";

export function Relay({ id }) {
  const relay = useQuery(`/operator/relays/${encodeURIComponent(id)}`, { relevant: ({ relays, targets }) => relays.has(id) || targets.size > 0 });
  const sync = relay.data?.sync;
  useTitle(sync ? sync.host : "Relay");
  return html`
    <${Answer} query=${relay} what="the relay" lines=${8}>
      ${(data) => html`
        <div class="relay" data-page-keys data-relay=${id}>
          <${Heading} sync=${data.sync} />
          <${Explanation} data=${data} />
          <div class="halves">
            <div class="column">
              <${Attempts} attempts=${data.attempts} />
            </div>
            <div class="column">
              <${Facts} sync=${data.sync} job=${data.job} customDomain=${data.custom_domain} />
              <${Timeline} events=${data.timeline} />
            </div>
          </div>
          <${Diff} diff=${data.diff} sync=${data.sync} />
          <${NextRequest} request=${data.next_request} />
          <div class="halves">
            <${Activity} activity=${data.activity} />
            <${Actions} actions=${data.actions} id=${id} />
          </div>
        </div>
      `}
    <//>
  `;
}

const Heading = ({ sync }) => html`
  <div class="relay-head">
    <div>
      <p class="crumb"><a href="/dashboard/syncs">Syncs</a></p>
      <h1 tabindex="-1">${sync.name || sync.subdomain}</h1>
      <p class="host"><code>${sync.host}</code>${sync.status !== "active" && html` <span class="tag">${sync.status}</span>`}</p>
    </div>
    <${State} state=${sync.state} />
  </div>
`;

function Explanation({ data }) {
  const { sync, explanation } = data;
  const { tone } = stateOf(sync.state);
  const failure = explanation.code === "in_step" ? null : sync.failure;
  return html`
    <section class=${`card explanation edge-${tone}`} aria-labelledby="why-title" data-explanation=${explanation.code}>
      <h2 id="why-title" class="visually-hidden">Why</h2>
      <p class="sentence"><${Icon} name=${sync.state} /> ${explanation.sentence}</p>
      ${explanation.since && html`<p class="muted">It has been so <${Since} at=${explanation.since} />.</p>`}
      ${failure && html`<p>${failure.sentence}</p><p class="message whole">${failure.message}</p>`}
      ${explanation.next_step && html`<p class="next-step"><b>What to do:</b> ${explanation.next_step}</p>`}
      <div class="buttons left">
        ${offered(sync.state).map(
          (name, index) => html`
            <${ActionButton} key=${name} look=${index === 0 ? "primary" : ""} icon=${RELAY_ACTIONS[name].icon} dataKey=${name} label=${`${RELAY_ACTIONS[name].label} ${sync.host}`} run=${() => actOnRelay(name, sync)}>${RELAY_ACTIONS[name].label}<//>
          `,
        )}
      </div>
    </section>
  `;
}

function Facts({ sync, job, customDomain }) {
  return html`
    <section class="card" aria-labelledby="facts-title">
      <h2 id="facts-title">Now</h2>
      <dl class="facts">
        <div><dt>Generation</dt><dd>zooid has <b>${sync.synced_generation}</b>, wanted is <b>${sync.generation}</b>${sync.failed_generation !== null && html`, given up <b>${sync.failed_generation}</b>`}</dd></div>
        ${sync.attempts !== null && html`<div><dt>Attempt</dt><dd>${sync.attempts} of ${sync.max_attempts}</dd></div>`}
        ${sync.next_attempt_at !== null && html`<div><dt>Next try</dt><dd><${Due} at=${sync.next_attempt_at * 1000} /></dd></div>`}
        ${sync.out_of_step_since !== null && html`<div><dt>Not in step</dt><dd><${Since} at=${sync.out_of_step_since} /></dd></div>`}
        ${customDomain && html`<div><dt>Custom domain</dt><dd>${customDomain.sentence}</dd></div>`}
        <div><dt>Target</dt><dd><a href="/dashboard/targets">${sync.zooid_domain}</a></dd></div>
        <div><dt>Tenant</dt><dd><${Id} id=${sync.tenant_pubkey} what="tenant's key" /></dd></div>
        <div><dt>Relay</dt><dd><${Id} id=${sync.relay_id} what="relay's id" whole /></dd></div>
        ${job && html`<div><dt>Job</dt><dd><${Id} id=${job.id} what="job's id" whole /> <span class="muted">${job.state}, priority ${job.priority}</span></dd></div>`}
        ${job?.locked_by && html`<div><dt>Worker</dt><dd><${Id} id=${job.locked_by} what="worker's id" /> ${job.locked_at && html`<span class="muted"><${Since} at=${job.locked_at} /></span>`}</dd></div>`}
        ${job?.trace && html`<div><dt>Trace</dt><dd><${Id} id=${job.trace} what="trace id" /></dd></div>`}
      </dl>
    </section>
  `;
}

/** Oldest first; between two lines stands how long it took. */
const Timeline = ({ events }) => html`
  <section class="card" aria-labelledby="timeline-title">
    <h2 id="timeline-title">Timeline</h2>
    ${events.length === 0 && html`<${Empty} icon="pending" title="Nothing has happened yet." />`}
    <ol class="timeline">
      ${events.map(
        ({ at, event, detail }, index) => html`
          <li key=${`${at} ${index}`} class=${`event-${event}`}>
            <span class="event"><b>${capital(event.replaceAll("_", " "))}</b>${detail && html` <span>${detail}</span>`}</span>
            <span class="muted small"><${Time} at=${at} />${index > 0 && at > events[index - 1].at && html`, after ${duration(at - events[index - 1].at)}`}</span>
          </li>
        `,
      )}
    </ol>
  </section>
`;

const Activity = ({ activity }) => html`
  <section class="card" aria-labelledby="activity-title">
    <h2 id="activity-title">Activity</h2>
    ${activity.length === 0 && html`<p class="muted">None.</p>`}
    <ul class="lines">
      ${activity.map(
        (each) => html`<li key=${each.id}>${capital(each.activity_type.replaceAll("_", " "))} <span class="muted small"><${Time} at=${each.created_at * 1000} /></span></li>`,
      )}
    </ul>
  </section>
`;

const Actions = ({ actions, id }) => html`
  <section class="card" aria-labelledby="actions-title">
    <h2 id="actions-title"><a href=${`/dashboard/audit?resource_type=relay&resource_id=${id}`}>What operators did</a></h2>
    ${actions.length === 0 && html`<p class="muted">Nothing.</p>`}
    <ul class="rows plain">${actions.map((action) => html`<${Action} key=${action.seq} action=${action} />`)}</ul>
  </section>
`;
