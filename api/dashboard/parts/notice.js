// What stands where data should be: while it loads, when there is none, when it could not be had.

import { html } from "../vendor/htm/standalone.module.js";
import { href, place } from "../lib/router.js";
import { useStore } from "../lib/store.js";
import { Icon } from "./icon.js";

/** Grey lines in the place of rows; they appear only after a moment, so that a quick answer does not flicker. */
export const Loading = ({ what, lines = 6 }) => html`
  <div class="loading" role="status">
    <span class="visually-hidden">Loading ${what}.</span>
    ${Array.from({ length: lines }, (_, line) => html`<div key=${line} class="bone" />`)}
  </div>
`;

export const Empty = ({ title, children, icon = "synced" }) => html`
  <div class="notice"><${Icon} name=${icon} /><div><p class="notice-title">${title}</p><div class="muted">${children}</div></div></div>
`;

const Failure = ({ error, reload }) => html`
  <div class="notice tone-bad" role="alert">
    <${Icon} name="warning" />
    <div>
      <p class="notice-title">This could not be read.</p>
      <p>${error}</p>
      <button type="button" class="button" onClick=${reload}>Try again</button>
    </div>
  </div>
`;

/** Data, or what stands in its place. An error beside older data is a line above it. */
export function Answer({ query, what, lines, children }) {
  if (query.loading) return html`<${Loading} what=${what} lines=${lines} />`;
  if (query.data === null) return html`<${Failure} error=${query.error} reload=${query.reload} />`;
  return html`
    ${query.error && html`<p class="outdated tone-warn" role="status"><${Icon} name="warning" /> ${query.error} What you see is older.</p>`}
    ${children(query.data)}
  `;
}

/** Further pages of a list. The cursor is in the URL, so a page can be sent to a colleague, too. */
export function Pages({ next }) {
  const { path, query } = useStore(place);
  const params = Object.fromEntries(query);
  if (!next && !params.cursor) return null;
  return html`
    <nav class="pages" aria-label="Pages of this list">
      ${params.cursor && html`<a class="button" href=${href(path, { ...params, cursor: null })}>First page</a>`}
      ${next && html`<a class="button" href=${href(path, { ...params, cursor: next })}>Next page</a>`}
    </nav>
  `;
}
