// Every relay's sync: states on the left, causes above, rows below. The address says which rows, and nothing else does.

import { html } from "../vendor/htm/standalone.module.js";
import { now } from "../lib/clock.js";
import { exactTime, many } from "../lib/format.js";
import { useQuery } from "../lib/query.js";
import { here, href, listOf, navigate, place } from "../lib/router.js";
import { useStore } from "../lib/store.js";
import { useTitle } from "../lib/title.js";
import { ALL_KINDS, kindLabel, stateOf } from "../lib/words.js";
import { Icon } from "../parts/icon.js";
import { Answer, Empty, Pages } from "../parts/notice.js";
import { causes, Groups } from "./groups.js";
import { Rail } from "./rail.js";
import { Rows, SelectionBar } from "./rows.js";

const FILTERS = ["state", "kind", "target", "group", "q", "since", "until"];
const LISTS = ["state", "kind", "target", "group"];

/** Times to choose from: the name, and how long ago it began. */
const SINCE = [
  ["", "Any time", 0],
  ["15m", "Last 15 min", 900_000],
  ["1h", "Last hour", 3_600_000],
  ["24h", "Last 24 h", 86_400_000],
];

/** The filter as the bulk actions take it. */
function bulkFilter(params) {
  return Object.fromEntries(
    FILTERS.filter((name) => params[name]).map((name) => {
      if (LISTS.includes(name)) return [name, params[name].split(",")];
      return [name, name === "q" ? params[name] : Number(params[name])];
    }),
  );
}

export function Syncs() {
  const { query } = useStore(place);
  const params = Object.fromEntries([...query].filter(([name]) => [...FILTERS, "order", "cursor"].includes(name)));
  const filtered = FILTERS.some((name) => params[name]);
  useTitle(params.q ? `“${params.q}”` : "Syncs");
  const syncs = useQuery(href("/operator/syncs", params));
  const overview = useQuery(href("/operator/overview", { target: params.target }));
  // The causes of all that fails: a chosen one stays beside the others.
  const groups = useQuery(href("/operator/groups", { target: params.target, kind: params.kind, limit: 20 }));
  return html`
    <div class="syncs">
      <${Rail} overview=${overview} query=${query} />
      <div class="content">
        <h1 tabindex="-1">Syncs</h1>
        <${Causes} groups=${groups} query=${query} />
        <${Filters} query=${query} filtered=${filtered} />
        <${Answer} query=${syncs} what="the relays" lines=${10}>
          ${({ items, next }) => html`
            ${items.length === 0
              ? html`<${Nothing} params=${params} filtered=${filtered} total=${overview.data?.relays.total} />`
              : html`<${Rows} items=${items} stale=${syncs.stale} />`}
            <${Pages} next=${next} />
            <${SelectionBar} items=${items} filter=${bulkFilter(params)} filtered=${filtered} more=${Boolean(next || params.cursor)} />
          `}
        <//>
      </div>
    </div>
  `;
}

function Causes({ groups, query }) {
  const items = groups.data?.items ?? [];
  if (items.length === 0) return null;
  const chosen = query.get("group");
  // Open when a person looks for failures; a calm list is not pushed down by them.
  const looking = chosen !== null || listOf(query, "state").some((state) => ["failed", "retrying", "quarantined"].includes(state));
  return html`
    <details class="causes" open=${looking}>
      <summary>${causes(items, groups.data.next)}</summary>
      <${Groups} groups=${items} chosen=${chosen} />
    </details>
  `;
}

function Filters({ query, filtered }) {
  const set = (name) => (event) => navigate(here({ [name]: event.target.value }));
  const since = (event) => {
    const ago = SINCE.find(([name]) => name === event.target.value)?.[2];
    navigate(here({ since: ago ? now() - ago : null, until: null }));
  };
  const kinds = listOf(query, "kind");
  return html`
    <div class="filters">
      <label>Cause<select value=${kinds.length === 1 ? kinds[0] : ""} onChange=${set("kind")}>
        <option value="">Any</option>
        ${ALL_KINDS.map((kind) => html`<option key=${kind} value=${kind}>${kindLabel(kind)}</option>`)}
      </select></label>
      <label>Last attempt<select value=${query.get("since") ? "chosen" : ""} onChange=${since}>
        ${query.get("since") && html`<option value="chosen">Chosen time</option>`}
        ${SINCE.map(([name, label]) => html`<option key=${name} value=${name}>${label}</option>`)}
      </select></label>
      <label>Order<select value=${query.get("order") ?? "news"} onChange=${set("order")}>
        <option value="news">Newest attempt first</option>
        <option value="created">Oldest relay first</option>
      </select></label>
      ${filtered && html`<${Chips} query=${query} />`}
    </div>
  `;
}

/** Every filter that is on, each with a way to take it off. */
function Chips({ query }) {
  const words = {
    state: (value) => value.split(",").map((state) => stateOf(state).label).join(", "),
    kind: (value) => value.split(",").map(kindLabel).join(", "),
    target: (value) => value,
    group: (value) => `cause ${value}`,
    q: (value) => `“${value}”`,
    since: (value) => `since ${exactTime(Number(value))}`,
    until: (value) => `until ${exactTime(Number(value))}`,
  };
  return html`
    <ul class="chips" aria-label="Filters">
      ${FILTERS.filter((name) => query.get(name)).map(
        (name) => html`<li key=${name}><a href=${here({ [name]: null })} aria-label=${`Without the filter ${words[name](query.get(name))}`}>${words[name](query.get(name))} <${Icon} name="failed" /></a></li>`,
      )}
      <li><a class="plain" href="/dashboard/syncs">Clear all</a></li>
    </ul>
  `;
}

function Nothing({ params, filtered, total }) {
  if (params.q) {
    return html`<${Empty} icon="search" title=${`No relay matches “${params.q}”.`}>
      Searched were the beginnings of subdomains, hosts and relay ids, whole public keys and job ids, and the texts of current errors.
      ${FILTERS.some((name) => name !== "q" && params[name]) && html` Other filters are on, too. <a href=${href("/dashboard/syncs", { q: params.q })}>Search everywhere</a>`}
    <//>`;
  }
  if (params.state === "failed" || params.state === "quarantined") return html`<${Empty} title=${`Nothing is ${stateOf(params.state).label.toLowerCase()}.`}>${total ? `${many(total, "relay")} in all.` : ""}<//>`;
  if (filtered) return html`<${Empty} icon="search" title="No relay matches these filters."><a href="/dashboard/syncs">Show all</a><//>`;
  return html`<${Empty} icon="pending" title="There are no relays yet.">The first one appears here as soon as a tenant creates it.<//>`;
}
