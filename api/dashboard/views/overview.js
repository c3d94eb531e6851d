// Is everything in step? Answered in one sentence, then in figures, then by cause; all of it above the fold of a laptop.

import { html, useMemo } from "../vendor/htm/standalone.module.js";
import { count, duration, many, share, shortened, timeOfDay } from "../lib/format.js";
import { useQuery } from "../lib/query.js";
import { here, href, navigate, place } from "../lib/router.js";
import { useStore } from "../lib/store.js";
import { useTitle } from "../lib/title.js";
import { NOT_SYNCED, STATES } from "../lib/words.js";
import { Chart } from "../parts/chart.js";
import { Icon } from "../parts/icon.js";
import { Answer, Empty } from "../parts/notice.js";
import { Since, Time } from "../parts/state.js";
import { Groups } from "./groups.js";
import { TargetLine } from "./target.js";

const SPANS = [
  [60, "1 h"],
  [180, "3 h"],
  [720, "12 h"],
  [1440, "24 h"],
  [10_080, "7 d"],
  [20_160, "14 d"],
];
// As many points as a chart of this size can show.
const POINTS = 180;
// The workers that are shown by name; all of them are on their own page.
const BEATS = 4;
// Heartbeats and rates change without an event.
const EVERY_MS = 10_000;

export function Overview() {
  useTitle("Overview");
  const params = useStore(place).query;
  const target = params.get("target") ?? "";
  const overview = useQuery(href("/operator/overview", { target }), { every: EVERY_MS });
  const groups = useQuery(href("/operator/groups", { target, limit: 4 }));
  const beats = useQuery("/operator/workers", { relevant: () => false, every: EVERY_MS });
  return html`
    <h1 tabindex="-1" class="visually-hidden">Overview</h1>
    ${target && html`<p class="chosen-target">Only <b>${target}</b>. <a href=${here({ target: null })}>Show all targets</a></p>`}
    <${Answer} query=${overview} what="the overview" lines=${8}>
      ${(data) => html`
        <div class="overview">
          <div class="column">
            <${InStep} data=${data} target=${target} />
            <${Figures} data=${data} />
            <${Charts} target=${target} minutes=${Number(params.get("minutes")) || 180} />
          </div>
          <div class="column">
            <section class="card" aria-labelledby="targets-title">
              <h2 id="targets-title"><a href="/dashboard/targets">Targets</a></h2>
              ${data.targets.length === 0 && html`<p class="muted">No relay has been created yet, so there is no target.</p>`}
              <ul class="target-lines">${data.targets.map((each) => html`<li key=${each.name}><${TargetLine} target=${each} /></li>`)}</ul>
            </section>
            <${Workers} workers=${data.workers} queue=${data.queue} beats=${beats.data?.items ?? []} />
            <section class="card" aria-labelledby="causes-title">
              <h2 id="causes-title">Causes</h2>
              <${Answer} query=${groups} what="the causes" lines=${3}>
                ${({ items }) => items.length === 0
                  ? html`<${Empty} title="Nothing fails.">No relay has a failure to show.<//>`
                  : html`<${Groups} groups=${items} brief />`}
              <//>
            </section>
          </div>
        </div>
      `}
    <//>
  `;
}

function InStep({ data, target }) {
  const { relays, oldest_out_of_step_since: since } = data;
  const out = relays.total - relays.synced;
  const stuck = relays.failed + relays.quarantined;
  const tone = out === 0 ? "good" : stuck > 0 ? "bad" : "warn";
  return html`
    <section class="card in-step" aria-label="In step">
      <p class=${`headline tone-${tone}`}>
        <${Icon} name=${{ good: "synced", bad: "failed", warn: "retrying" }[tone]} />
        <span>${headline(relays.total, out)}</span>
      </p>
      <p class="under">
        <b>${share(relays.synced, relays.total)}</b> synced
        ${out > 0 && since !== null && html`, the oldest has waited <b><${Since} at=${since} /></b>`}
      </p>
      <${StateBar} relays=${relays} target=${target} />
    </section>
  `;
}

function headline(total, out) {
  if (total === 0) return "There are no relays yet.";
  if (out === 0) return total === 1 ? "The one relay is in step." : `All ${count(total)} relays are in step.`;
  return `${count(out)} of ${many(total, "relay")} ${out === 1 ? "is" : "are"} not in step.`;
}

/** Every state's share as a bar, and as links with numbers. */
function StateBar({ relays, target }) {
  const present = Object.keys(STATES).filter((state) => relays[state] > 0);
  const ordered = [...present].reverse();
  return html`
    <div class="bar" aria-hidden="true">
      ${ordered.map((state) => html`<span key=${state} class=${`fill-${STATES[state].tone}`} style=${{ flexGrow: relays[state] }} />`)}
    </div>
    <ul class="legend">
      ${present.map(
        (state) => html`
          <li key=${state}>
            <a href=${href("/dashboard/syncs", { state, target })} class=${`tone-${STATES[state].tone}`} title=${STATES[state].means}>
              <${Icon} name=${state} /> ${STATES[state].label} <b>${count(relays[state])}</b>
            </a>
          </li>
        `,
      )}
      ${relays.total > relays.synced && html`<li><a href=${href("/dashboard/syncs", { state: NOT_SYNCED, target })}>All that are not synced</a></li>`}
    </ul>
  `;
}

function Figures({ data }) {
  const { latency, per_minute: rate } = data;
  const figures = [
    ["Latency p50", duration(latency.p50_ms)],
    ["Latency p95", duration(latency.p95_ms)],
    ["Latency p99", duration(latency.p99_ms)],
    ["Accepted / min", count(rate.accepted)],
    ["Failed / min", count(rate.failed + rate.lost), rate.failed + rate.lost > 0 ? "bad" : null],
    ["Waiting jobs", count(data.queue.waiting)],
  ];
  return html`
    <section aria-label="Figures">
      <dl class="figures" title=${`Latency: from the commit to zooid's acceptance, over ${latency.window_minutes} minutes, ${many(latency.syncs, "sync")}.`}>
        ${figures.map(([name, value, tone]) => html`<div key=${name} class="card"><dt>${name}</dt><dd class=${tone ? `tone-${tone}` : ""}>${value}</dd></div>`)}
      </dl>
    </section>
  `;
}

function Workers({ workers, queue, beats }) {
  const none = workers.alive === 0;
  return html`
    <section class="card" aria-labelledby="workers-title">
      <h2 id="workers-title"><a href="/dashboard/targets#workers">Workers</a></h2>
      <p class=${none ? "tone-bad" : ""}>
        ${none && html`<${Icon} name="warning" /> `}
        <b>${count(workers.alive)} alive</b>, ${count(workers.running)} of ${many(workers.slots, "slot")} busy${workers.dead > 0 ? `, ${count(workers.dead)} dead` : ""}.
        ${none && " Nothing is sent until one starts."}
      </p>
      <ul class="beats">
        ${beats.filter(({ alive }) => alive).slice(0, BEATS).map(({ id, beat_at: at }) => html`<li key=${id}><code title=${id}>${shortened(id, 10, 4)}</code> <span class="muted">last heartbeat <${Time} at=${at} /></span></li>`)}
      </ul>
      ${queue.paused_at !== null && html`<p class="tone-warn"><${Icon} name="paused" /> The queue has been paused <${Since} at=${queue.paused_at} />.</p>`}
      ${queue.waiting > 0 && queue.oldest_due_at !== null && html`<p class="muted">${many(queue.waiting, "job")} waiting, the oldest overdue <${Since} at=${queue.oldest_due_at} />.</p>`}
    </section>
  `;
}

function Charts({ target, minutes }) {
  const step = Math.max(1, Math.ceil(minutes / POINTS));
  const series = useQuery(href("/operator/series", { target, minutes, step }), { relevant: () => false, every: 30_000 });
  const failuresOf = (from, to) => navigate(href("/dashboard/syncs", { target, since: Math.round(from), until: Math.round(to) }));
  return html`
    <section class="card" aria-labelledby="time-title">
      <div class="card-head">
        <h2 id="time-title">Over time</h2>
        <nav class="segments" aria-label="Time shown">
          ${SPANS.map(([span, name]) => html`<a key=${span} href=${here({ minutes: span })} aria-current=${span === minutes ? "true" : null}>${name}</a>`)}
        </nav>
      </div>
      <${Answer} query=${series} what="the charts" lines=${5}>${(data) => html`<${Drawn} data=${data} onRange=${failuresOf} />`}<//>
    </section>
  `;
}

function Drawn({ data, onRange }) {
  const { points, step_minutes: step } = data;
  const per = { 1: "a minute", 60: "an hour" }[step] ?? `in ${step % 60 === 0 ? many(step / 60, "hour") : many(step, "minute")}`;
  const times = useMemo(() => points.map(({ at }) => at / 1000), [points]);
  const jobs = useMemo(() => [times, points.map((point) => point.accepted), points.map((point) => point.failed + point.lost)], [points]);
  const lag = useMemo(() => [times, ...["lag_p50_ms", "lag_p95_ms", "lag_p99_ms"].map((name) => points.map((point) => point[name]))], [points]);
  const failed = points.reduce((sum, point) => sum + point.failed + point.lost, 0);
  const accepted = points.reduce((sum, point) => sum + point.accepted, 0);
  const worst = points.reduce((most, point) => (point.failed + point.lost > most.failed + most.lost ? point : most), points[0] ?? { failed: 0, lost: 0 });
  const summary = `${count(accepted)} attempts accepted and ${count(failed)} failed${failed > 0 ? `, most of them about ${timeOfDay(worst.at)}` : ""}.`;
  return html`
    <div class="charts">
      <${Chart}
        title=${`Attempts ${per}`}
        summary=${summary}
        lines=${[{ label: "Accepted", tone: "chart-1", value: count }, { label: "Failed", tone: "chart-bad", bars: true, value: count }]}
        data=${jobs}
        axis=${count}
        onRange=${onRange}
      />
      <${Chart}
        title="From commit to accepted"
        summary=${`Sync latency over the same time: its median, 95th and 99th percentile.`}
        lines=${[{ label: "p50", tone: "chart-1", value: duration }, { label: "p95", tone: "chart-2", value: duration }, { label: "p99", tone: "chart-3", value: duration }]}
        data=${lag}
        axis=${duration}
        log
        onRange=${onRange}
      />
    </div>
    <p class="muted hint">${summary} Drag over a chart to list the relays whose last attempt was then.</p>
  `;
}
