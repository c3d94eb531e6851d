// Where we are. The URL holds every filter, so that a link shows a colleague the same rows.

import { createStore } from "./store.js";

const read = () => ({ path: window.location.pathname, query: new URLSearchParams(window.location.search) });

/** `{path, query}` of the address bar. */
export const place = createStore(read());

/** An address from a path and parameters; empty ones are left out, lists are joined by commas. */
export function href(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    const text = Array.isArray(value) ? value.join(",") : value;
    if (text !== undefined && text !== null && text !== "") query.set(name, text);
  }
  // A comma needs no escape in a query, and people read these addresses.
  const text = query.toString().replaceAll("%2C", ",");
  return text ? `${path}?${text}` : path;
}

/** This page with other parameters. The page of a list starts over, for the list is another one. */
export function here(changes) {
  const { path, query } = place.get();
  return href(path, { ...Object.fromEntries(query), cursor: null, ...changes });
}

export function navigate(address, { replace = false } = {}) {
  const from = place.get().path;
  window.history[replace ? "replaceState" : "pushState"](null, "", address);
  place.set(read());
  if (place.get().path === from) return;
  window.scrollTo(0, 0);
  // A screen reader starts at the new page's heading; the heading takes focus but shows no ring.
  requestAnimationFrame(() => document.querySelector("main h1")?.focus({ preventScroll: true }));
}

/** The values of a parameter that takes several. */
export const listOf = (query, name) => (query.get(name) ?? "").split(",").filter(Boolean);

/** Plain links move within the page; everything else, new tabs included, is left to the browser. */
export function followLinks() {
  window.addEventListener("popstate", () => place.set(read()));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("a[href]");
    if (!link || link.target || link.origin !== window.location.origin) return;
    if (link.pathname !== "/dashboard" && !link.pathname.startsWith("/dashboard/")) return;
    // A jump within the page is the browser's.
    if (link.hash && link.pathname === window.location.pathname) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}
