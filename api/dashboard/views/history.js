// Attempts of all relays, or of one, page by page down to the oldest that is kept.

import { html } from "../vendor/htm/standalone.module.js";
import { now } from "../lib/clock.js";
import { exactTime, shortened } from "../lib/format.js";
import { useQuery } from "../lib/query.js";
import { here, href, navigate, place } from "../lib/router.js";
import { useStore } from "../lib/store.js";
import { useTitle } from "../lib/title.js";
import { ALL_KINDS, kindLabel, OUTCOMES } from "../lib/words.js";
import { Icon } from "../parts/icon.js";
import { Answer, Empty, Pages } from "../parts/notice.js";
import { Attempt } from "./attempts.js";

const FILTERS = ["relay", "worker", "job", "outcome", "kind", "target", "group", "since", "until"];

const ENDED = [
  ["", "Any"],
  ["accepted", "Accepted"],
  ["failed,lost", "Failed or lost"],
  ["lost", "Lost"],
  ["released", "Released"],
];

/** Times to choose from: the name, and how long ago it ended. */
const BEFORE = [
  ["", "Now", 0],
  ["1h", "An hour ago", 3_600_000],
  ["24h", "A day ago", 86_400_000],
  ["7d", "A week ago", 604_800_000],
];

export function History() {
  const { query } = useStore(place);
  const params = Object.fromEntries([...query].filter(([name]) => [...FILTERS, "cursor"].includes(name)));
  const attempts = useQuery(href("/operator/attempts", params), {
    // An older page does not change.
    relevant: ({ relays }) => !params.cursor && (!params.relay || relays.has(params.relay)),
  });
  const first = attempts.data?.items[0];
  useTitle(params.relay && first ? `Attempts of ${first.host}` : "Attempts");
  return html`
    <h1 tabindex="-1">Attempts</h1>
    ${params.relay && html`<p class="host">Of <a href=${`/dashboard/relays/${params.relay}`}><code>${first?.host ?? params.relay}</code></a> alone.</p>`}
    <${Filters} query=${query} />
    <${Answer} query=${attempts} what="the attempts" lines=${10}>
      ${({ items, next }) => html`
        ${items.length === 0 && html`<${Nothing} next=${next} params=${params} />`}
        <ol class=${`card attempts history ${attempts.stale ? "stale" : ""}`} hidden=${items.length === 0}>
          ${items.map((attempt) => html`<${Attempt} key=${attempt.id} attempt=${attempt} open=${false} ofMany />`)}
        </ol>
        <${Pages} next=${next} />
      `}
    <//>
  `;
}

function Nothing({ next, params }) {
  // The server looks at so many rows for a page, and a rare match may lie further back.
  if (next) return html`<${Empty} icon="search" title="Nothing on this page matches.">The search goes on with the next page.<//>`;
  if (Object.keys(params).length > 0) return html`<${Empty} icon="search" title="No attempt matches these filters."><a href="/dashboard/attempts">Show all</a><//>`;
  return html`<${Empty} icon="pending" title="No attempt yet.">The first one is made when a worker takes a job.<//>`;
}

function Filters({ query }) {
  const set = (name) => (event) => navigate(here({ [name]: event.target.value }));
  const before = (event) => {
    const ago = BEFORE.find(([name]) => name === event.target.value)?.[2];
    navigate(here({ until: ago ? now() - ago : null, since: null }));
  };
  const chosen = FILTERS.filter((name) => query.get(name));
  const named = (name) => (query.get(name)?.includes(",") ? "" : (query.get(name) ?? ""));
  return html`
    <div class="filters">
      <label>Ended<select value=${query.get("outcome") ?? ""} onChange=${set("outcome")}>
        ${ENDED.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}
      </select></label>
      <label>Cause<select value=${named("kind")} onChange=${set("kind")}>
        <option value="">Any</option>
        ${ALL_KINDS.map((kind) => html`<option key=${kind} value=${kind}>${kindLabel(kind)}</option>`)}
      </select></label>
      <label>From<select value=${query.get("until") ? "chosen" : ""} onChange=${before}>
        ${query.get("until") && html`<option value="chosen">Chosen time</option>`}
        ${BEFORE.map(([name, label]) => html`<option key=${name} value=${name}>${label}</option>`)}
      </select></label>
      ${chosen.length > 0 && html`<${Chips} chosen=${chosen} query=${query} />`}
    </div>
  `;
}

/** Every filter that is on, each with a way to take it off. */
function Chips({ chosen, query }) {
  const words = {
    relay: (value) => `relay ${shortened(value)}`,
    worker: (value) => `worker ${shortened(value)}`,
    job: (value) => `job ${shortened(value)}`,
    outcome: (value) => value.split(",").map((outcome) => OUTCOMES[outcome]?.label ?? outcome).join(", "),
    kind: (value) => value.split(",").map(kindLabel).join(", "),
    target: (value) => value,
    group: (value) => `cause ${value}`,
    since: (value) => `since ${exactTime(Number(value))}`,
    until: (value) => `until ${exactTime(Number(value))}`,
  };
  return html`
    <ul class="chips" aria-label="Filters">
      ${chosen.map((name) => {
        const text = words[name](query.get(name));
        return html`<li key=${name}><a href=${here({ [name]: null })} aria-label=${`Without the filter ${text}`}>${text} <${Icon} name="failed" /></a></li>`;
      })}
      <li><a class="plain" href="/dashboard/attempts">Clear all</a></li>
    </ul>
  `;
}
