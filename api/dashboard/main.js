// The page as a whole: who is signed in decides between the sign-in and the views, the path decides which view.

import { html, render, useEffect } from "./vendor/htm/standalone.module.js";
import { explain, findSession, Refused, unreachable } from "./lib/api.js";
import { startClock } from "./lib/clock.js";
import { startKeyboard } from "./lib/keyboard.js";
import { startLive } from "./lib/live.js";
import { followLinks, navigate, place } from "./lib/router.js";
import { clearSelection } from "./lib/selection.js";
import { session } from "./lib/session.js";
import { createStore, useStore } from "./lib/store.js";
import { Bulk } from "./parts/bulk.js";
import { Help, Question } from "./parts/dialog.js";
import { Header, PAGES, togglePause } from "./parts/header.js";
import { Empty, Loading } from "./parts/notice.js";
import { Toasts } from "./parts/toast.js";
import { Audit } from "./views/audit.js";
import { History } from "./views/history.js";
import { Overview } from "./views/overview.js";
import { Relay } from "./views/relay.js";
import { SignIn } from "./views/sign-in.js";
import { Syncs } from "./views/syncs.js";
import { Targets } from "./views/targets.js";

// How long after a failed first look the next one comes.
const AGAIN_MS = 2000;

/** Why nobody knows yet who is signed in. */
const startError = createStore(null);

async function start() {
  try {
    await findSession();
    startError.set(null);
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return;
    startError.set(explain(error));
    setTimeout(start, AGAIN_MS);
  }
}

function view(path) {
  const relay = path.match(/^\/dashboard\/relays\/([^/]+)$/);
  if (relay) return html`<${Relay} key=${relay[1]} id=${decodeURIComponent(relay[1])} />`;
  const views = {
    "/dashboard": Overview,
    "/dashboard/syncs": Syncs,
    "/dashboard/attempts": History,
    "/dashboard/targets": Targets,
    "/dashboard/audit": Audit,
  };
  const View = views[path.replace(/(.)\/$/, "$1")];
  return View ? html`<${View} />` : html`<${NotFound} />`;
}

function NotFound() {
  useEffect(() => {
    document.title = "No such page · Caravel";
  }, []);
  return html`
    <h1 tabindex="-1">There is no such page</h1>
    <${Empty} icon="warning" title="The address leads nowhere."><a href="/dashboard">Go to the overview</a><//>
  `;
}

function App() {
  const who = useStore(session);
  const path = useStore(place, (current) => current.path);
  const problem = useStore(startError);
  if (who === undefined) {
    return html`<main class="boot">${problem ? html`<p role="alert">${problem}</p>` : html`<${Loading} what="the dashboard" lines=${3} />`}</main>`;
  }
  if (who === null || path === "/dashboard/login") return html`<${SignIn} /><${Toasts} />`;
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    <${Header} />
    <main id="main">${view(path)}</main>
    <${Toasts} />
    <${Question} />
    <${Bulk} />
    <${Help} />
  `;
}

place.watch(clearSelection);
unreachable.watch((since) => since === null && startError.set(null));
followLinks();
startClock();
startLive();
startKeyboard({ go: (page) => navigate(PAGES[page][0]), togglePause, escape: clearSelection });
start();

const root = document.getElementById("app");
root.textContent = "";
render(html`<${App} />`, root);
