// Who did what, newest first.

import { html } from "../vendor/htm/standalone.module.js";
import { count, shortened } from "../lib/format.js";
import { useQuery } from "../lib/query.js";
import { here, href, navigate, place } from "../lib/router.js";
import { useStore } from "../lib/store.js";
import { useTitle } from "../lib/title.js";
import { Answer, Empty, Pages } from "../parts/notice.js";
import { Time } from "../parts/state.js";

const FILTERS = [
  ["actor", "Actor", "Public key"],
  ["action", "Action", "retry, pause_target …"],
  ["resource_type", "What", "relay, target, queue, bulk"],
  ["resource_id", "Id", "Relay id or target"],
];

export function Audit() {
  useTitle("Audit");
  const { query } = useStore(place);
  const params = Object.fromEntries([...query].filter(([name]) => name === "cursor" || FILTERS.some(([each]) => each === name)));
  const audit = useQuery(href("/operator/audit", params));
  const filtered = FILTERS.some(([name]) => params[name]);
  function filter(event) {
    event.preventDefault();
    navigate(here(Object.fromEntries(new FormData(event.target))));
  }
  return html`
    <h1 tabindex="-1">Audit</h1>
    <form class="filters" onSubmit=${filter} key=${query.toString()}>
      ${FILTERS.map(([name, label, hint]) => html`<label key=${name}>${label}<input name=${name} placeholder=${hint} defaultValue=${query.get(name) ?? ""} value=${query.get(name) ?? ""} autocomplete="off" spellcheck=${false} /></label>`)}
      <button class="button">Filter</button>
      ${filtered && html`<a class="button" href="/dashboard/audit">All</a>`}
    </form>
    <${Answer} query=${audit} what="the audit log">
      ${({ items, next }) => html`
        ${items.length === 0 &&
        html`<${Empty} icon="pending" title=${filtered ? "Nothing matches." : "Nobody has done anything yet."}>Each action of an operator leaves one line here.<//>`}
        <ul class=${`rows ${audit.stale ? "stale" : ""}`}>${items.map((action) => html`<${Action} key=${action.seq} action=${action} />`)}</ul>
        <${Pages} next=${next} />
      `}
    <//>
  `;
}

/** What an action was about, as a link where there is a page. */
function Resource({ type, id }) {
  if (type === "relay") return html`<a data-row-focus href=${`/dashboard/relays/${id}`}>relay <code title=${id}>${shortened(id)}</code></a>`;
  if (type === "target") return html`<a data-row-focus href="/dashboard/targets">target <code>${id}</code></a>`;
  return html`<span>${type} <code>${id}</code></span>`;
}

/** One line; `seq` is the number that messages call "action". */
export const Action = ({ action }) => html`
  <li class="action" data-row tabindex="-1">
    <span class="muted">#${action.seq}</span>
    <b>${action.action}</b>
    <${Resource} type=${action.resource_type} id=${action.resource_id} />
    <span>${count(action.affected)} affected</span>
    <span class="muted">by <a href=${href("/dashboard/audit", { actor: action.actor })}><code title=${action.actor}>${shortened(action.actor, 8, 4)}</code></a> <${Time} at=${action.acted_at} /></span>
    ${detail(action.detail) && html`<span class="detail muted">${detail(action.detail)}</span>`}
  </li>
`;

/** Details are a sentence or an object. */
function detail(value) {
  if (!value) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
