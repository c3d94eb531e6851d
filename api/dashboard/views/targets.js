// Workers and targets: who does the work, whom it is done to, and what holds it up.

import { html } from "../vendor/htm/standalone.module.js";
import { act } from "../lib/actions.js";
import { many, shortened } from "../lib/format.js";
import { useQuery } from "../lib/query.js";
import { href } from "../lib/router.js";
import { useTitle } from "../lib/title.js";
import { ActionButton } from "../parts/button.js";
import { Icon } from "../parts/icon.js";
import { Answer, Empty } from "../parts/notice.js";
import { Since, Time } from "../parts/state.js";
import { TargetCard } from "./target.js";

// Heartbeats change without an event.
const EVERY_MS = 5000;

export function Targets() {
  useTitle("Workers and targets");
  const overview = useQuery("/operator/overview", { every: EVERY_MS });
  const targets = useQuery("/operator/targets", { every: EVERY_MS });
  const workers = useQuery("/operator/workers", { every: EVERY_MS });
  return html`
    <h1 tabindex="-1">Workers and targets</h1>
    ${overview.data && html`<${Queue} overview=${overview.data} />`}
    <section aria-labelledby="targets-title">
      <h2 id="targets-title">Targets</h2>
      <${Answer} query=${targets} what="the targets">
        ${({ items }) => items.length === 0
          ? html`<${Empty} icon="pending" title="No targets yet.">A target is there with the first relay of its domain.<//>`
          : html`<div class="targets">${items.map((target) => html`<${TargetCard} key=${target.name} target=${target} />`)}</div>`}
      <//>
    </section>
    <section aria-labelledby="workers">
      <h2 id="workers">Workers</h2>
      <${Answer} query=${workers} what="the workers">
        ${({ items }) => items.length === 0
          ? html`<${Empty} icon="warning" title="No worker has ever run.">Start one: <code>caravel-worker</code>, or <code>caravel serve</code> for an API with a worker.<//>`
          : html`<ul class="rows workers">${items.map((worker) => html`<${Worker} key=${worker.id} worker=${worker} />`)}</ul>`}
      <//>
    </section>
  `;
}

function Queue({ overview }) {
  const { queue, relays } = overview;
  const paused = queue.paused_at !== null;
  const pause = () =>
    act("/operator/queue/pause", {}, { title: "Pause the whole queue?", text: `No sync of any target starts until it is resumed: ${many(relays.total, "relay")}. What runs is finished.`, yes: "Pause the queue" }, "The queue is paused.");
  const resume = () => act("/operator/queue/resume", {}, null, "The queue is resumed.");
  const look = () => act("/operator/reconcile", { all: false }, null, ({ affected }) => (affected > 0 ? `${many(affected, "relay")} had no job and got one.` : "Every relay that is not in step has its job."));
  const everything = () =>
    act(
      "/operator/reconcile",
      { all: true },
      { title: "Send every relay again?", text: `Each of ${many(relays.total, "relay")} gets a new generation and is sent, after what people have asked for. Do this when zooid lost its files.`, yes: `Send ${many(relays.total, "relay")}` },
      ({ affected }) => `${many(affected, "relay")} enqueued.`,
    );
  return html`
    <section class="card queue" aria-labelledby="queue-title">
      <div>
        <h2 id="queue-title">Queue</h2>
        <p>
          ${paused
            ? html`<span class="tone-warn"><${Icon} name="paused" /> Paused <${Since} at=${queue.paused_at} /></span>, `
            : html`<span class="tone-good"><${Icon} name="running" /> Open</span>, `}
          ${many(queue.waiting, "job")} waiting${queue.oldest_due_at !== null && html`, the oldest overdue <${Since} at=${queue.oldest_due_at} />`}.
        </p>
      </div>
      <div class="buttons">
        <${ActionButton} icon="search" run=${look} label="Reconcile: look for relays that are out of step and have no job">Reconcile<//>
        <${ActionButton} icon="sync" run=${everything} label="Send everything again: every relay, with a new generation">Send everything again<//>
        ${paused
          ? html`<${ActionButton} icon="running" look="primary" run=${resume}>Resume the queue<//>`
          : html`<${ActionButton} icon="paused" run=${pause}>Pause the queue<//>`}
      </div>
    </section>
  `;
}

function fate(worker) {
  if (worker.alive) return ["good", "synced", "Alive"];
  if (worker.dead_at !== null) return ["bad", "failed", "Dead"];
  return ["calm", "paused", "Stopped"];
}

function Worker({ worker }) {
  const [tone, icon, word] = fate(worker);
  return html`
    <li class="worker" data-row tabindex="-1">
      <span class=${`badge tone-${tone}`}><${Icon} name=${icon} />${word}</span>
      <span><code title=${worker.id}>${shortened(worker.id, 10, 4)}</code> <span class="muted">process ${worker.pid}</span></span>
      <span class="muted">
        ${worker.alive && html`last heartbeat <${Time} at=${worker.beat_at} />, started <${Time} at=${worker.started_at} />`}
        ${!worker.alive && worker.dead_at !== null && html`found dead <${Time} at=${worker.dead_at} />, last heartbeat <${Time} at=${worker.beat_at} />`}
        ${!worker.alive && worker.dead_at === null && html`stopped <${Time} at=${worker.stopped_at} />`}
      </span>
      ${worker.alive && html`<span><${Slots} worker=${worker} /></span>`}
      <a href=${href("/dashboard/attempts", { worker: worker.id })} aria-label=${`Attempts of worker ${worker.id}`}>Attempts</a>
      ${worker.running.length > 0 &&
      html`
        <ul class="running">
          ${worker.running.map((job) => html`<li key=${job.job_id}><a href=${`/dashboard/relays/${job.relay_id}`}>${job.host}</a> <span class="muted">attempt ${job.attempt_number}, <${Since} at=${job.since} /></span></li>`)}
        </ul>
      `}
    </li>
  `;
}

/** Busy slots as squares, and as words. */
const Slots = ({ worker }) => html`
  <span class="slots" aria-hidden="true">${Array.from({ length: Math.min(worker.slots, 32) }, (_, slot) => html`<i key=${slot} class=${slot < worker.running.length ? "busy" : ""} />`)}</span>
  <span class="muted">${worker.running.length} of ${many(worker.slots, "slot")} busy</span>
`;
