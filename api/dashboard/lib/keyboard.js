// Keys. Focus is the cursor: j and k move it from row to row, so Enter, Tab and a screen reader go on from there.

import { createStore } from "./store.js";

const STORED = "caravel.keys";

/** Whether single keys act; people who dictate or whose keys slip turn them off in the help. */
export const keysOn = createStore(readStored());
/** Whether the help is open. */
export const helpOpen = createStore(false);

function readStored() {
  try {
    return window.localStorage.getItem(STORED) !== "off";
  } catch {
    return true;
  }
}

export function setKeys(on) {
  keysOn.set(on);
  try {
    window.localStorage.setItem(STORED, on ? "on" : "off");
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

export const KEYS = [
  ["/", "Search"],
  ["j, k", "Next row, previous row"],
  ["Enter", "Open the row"],
  ["r", "Retry the row, or the relay that is open"],
  ["x", "Select the row"],
  ["p", "Pause what arrives live, or let it go on"],
  ["1 to 5", "Overview, syncs, attempts, workers and targets, audit"],
  ["Esc", "Leave the search, clear the selection, close a dialog"],
  ["?", "This help"],
];

const rows = () => [...document.querySelectorAll("[data-row]")];
const currentRow = () => document.activeElement?.closest("[data-row]");

function move(step) {
  const all = rows();
  if (all.length === 0) return;
  const at = all.indexOf(currentRow());
  const next = at === -1 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
  const target = all[next].querySelector("[data-row-focus]") ?? all[next];
  target.focus();
  all[next].scrollIntoView({ block: "nearest" });
}

function press(selector) {
  const within = currentRow() ?? (rows().length === 0 || document.querySelector("[data-page-keys]") ? document : null);
  within?.querySelector(selector)?.click();
}

const typing = (element) =>
  element.isContentEditable || element.matches("textarea, select, input:not([type=checkbox]):not([type=radio])");

/** `go(n)` opens the nth page, `togglePause()` holds the live stream, `escape()` clears the selection. */
export function startKeyboard({ go, togglePause, escape }) {
  const commands = {
    "/": () => document.querySelector("[data-search]")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    r: () => press("[data-key=retry]"),
    x: () => press("[data-key=select]"),
    p: togglePause,
    "?": () => helpOpen.set(true),
    1: () => go(0),
    2: () => go(1),
    3: () => go(2),
    4: () => go(3),
    5: () => go(4),
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      if (typing(event.target)) event.target.blur();
      else escape();
      return;
    }
    if (typing(event.target) || !keysOn.get()) return;
    const command = commands[event.key];
    if (!command) return;
    event.preventDefault();
    command();
  });
}
