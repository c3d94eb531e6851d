// What is on every page: where one can go, the search, the live mark, who is signed in; and the line that says that the
// server does not answer.

import { html, useEffect, useRef, useState } from "../vendor/htm/standalone.module.js";
import { signOut } from "../lib/api.js";
import { clock } from "../lib/clock.js";
import { shortened, timeOfDay } from "../lib/format.js";
import { helpOpen } from "../lib/keyboard.js";
import { hold, live, liveMark, retry } from "../lib/live.js";
import { here, href, navigate, place } from "../lib/router.js";
import { clearSelection } from "../lib/selection.js";
import { session } from "../lib/session.js";
import { useStore } from "../lib/store.js";
import { ActionButton } from "./button.js";
import { Icon } from "./icon.js";

export const PAGES = [
  ["/dashboard", "Overview"],
  ["/dashboard/syncs", "Syncs"],
  ["/dashboard/attempts", "Attempts"],
  ["/dashboard/targets", "Workers and targets"],
  ["/dashboard/audit", "Audit"],
];

// Typing pauses this long before the list is asked for.
const TYPING_MS = 250;

export function Header() {
  const path = useStore(place, ({ path: current }) => current);
  return html`
    <header class="top">
      <a class="brand" href="/dashboard"><img src="/dashboard/assets/icon.svg" alt="" width="22" height="22" />Caravel</a>
      <nav aria-label="Pages">
        ${PAGES.map(
          ([address, name]) => html`
            <a key=${address} href=${address} aria-current=${address === path || (address.endsWith("syncs") && path.startsWith("/dashboard/relays/")) ? "page" : null}>${name}</a>
          `,
        )}
      </nav>
      <${Search} />
      <${LiveMark} />
      <${Account} />
    </header>
    <${Disconnected} />
  `;
}

function Search() {
  const query = useStore(place, (current) => current.query.get("q") ?? "");
  const [text, setText] = useState(query);
  const timer = useRef(null);
  const field = useRef(null);
  useEffect(() => {
    // The address changed by a link or the back button, not by this field.
    if (document.activeElement !== field.current) setText(query);
  }, [query]);

  function go(value, replace) {
    clearTimeout(timer.current);
    const onList = place.get().path === "/dashboard/syncs";
    const address = onList ? here({ q: value.trim() }) : href("/dashboard/syncs", { q: value.trim() });
    navigate(address, { replace: replace && onList });
  }

  function type(event) {
    const value = event.target.value;
    setText(value);
    clearTimeout(timer.current);
    const stillThere = () => place.get().path === "/dashboard/syncs";
    if (stillThere()) timer.current = setTimeout(() => stillThere() && go(value, true), TYPING_MS);
  }

  function submit(event) {
    event.preventDefault();
    go(text, false);
    field.current.blur();
  }

  return html`
    <form class="search" role="search" onSubmit=${submit}>
      <${Icon} name="search" />
      <input
        ref=${field}
        data-search
        type="search"
        name="q"
        autocomplete="off"
        spellcheck=${false}
        aria-label="Search relays by subdomain, host, public key, relay id, job id or error text"
        placeholder="Subdomain, host, key, id or error"
        value=${text}
        onInput=${type}
      />
      <kbd aria-hidden="true">/</kbd>
    </form>
  `;
}

const MARKS = {
  live: ["Live", "running", "Changes appear by themselves. Press to pause."],
  paused: ["Paused", "paused", "Nothing on this page moves. Press to go on."],
  disconnected: ["Disconnected", "offline", "No connection to the server. Press to try now."],
  connecting: ["Connecting", "sync", "Connecting to the server."],
};

/** Holds what arrives, or lets everything go on, whatever held it. */
export function togglePause() {
  const { link, held } = live.get();
  if (link === "down") {
    retry();
  } else if (held.length > 0) {
    clearSelection();
    hold("person", false);
  } else {
    hold("person", true);
  }
}

function LiveMark() {
  const state = useStore(live);
  const mark = liveMark(state);
  const [name, icon, tells] = MARKS[mark];
  const because = state.held.includes("selection") ? " while rows are selected" : "";
  return html`
    <div class="live" role="status">
      <button type="button" class=${`live-mark ${mark}`} data-live=${mark} onClick=${togglePause} title=${tells}>
        <${Icon} name=${icon} /><span>${name}</span><span class="because">${mark === "paused" ? because : ""}</span>
        ${mark === "paused" && state.waiting && html`<span class="dot" title="Something has changed meanwhile"><span class="visually-hidden">, something has changed</span></span>`}
      </button>
    </div>
  `;
}

function Account() {
  const who = useStore(session);
  return html`
    <details class="account">
      <summary>${who.role === "admin" ? "Admin" : "Read only"}<span class="visually-hidden">, account and help</span></summary>
      <div class="menu">
        <p><code title=${who.pubkey}>${shortened(who.pubkey, 8, 8)}</code></p>
        <p class="muted">${who.role === "admin" ? "May look and act." : "May look, but change nothing."}</p>
        <button type="button" class="button" onClick=${() => helpOpen.set(true)}>Keys <kbd>?</kbd></button>
        <${ActionButton} run=${signOut} free>Sign out<//>
      </div>
    </details>
  `;
}

function Disconnected() {
  const { link, downSince, retryAt } = useStore(live);
  const seconds = useStore(clock, () => (link === "down" && retryAt ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)) : null));
  return html`
    <div class="banner-place" role="alert">
      ${link === "down" &&
      html`
        <p class="banner tone-bad" data-disconnected>
          <${Icon} name="offline" />
          <span>The server does not answer. What you see is from ${timeOfDay(downSince)}. Trying again ${seconds > 0 ? `in ${seconds} s` : "now"}.</span>
          <button type="button" class="button" onClick=${retry}>Try now</button>
        </p>
      `}
    </div>
  `;
}
