// Questions and the keyboard's help, in the browser's own modal dialog: it keeps the focus inside and gives it back.

import { html, useEffect, useRef } from "../vendor/htm/standalone.module.js";
import { helpOpen, KEYS, keysOn, setKeys } from "../lib/keyboard.js";
import { createStore, useStore } from "../lib/store.js";

const question = createStore(null);

/** Asks `{title, text, yes, no?}`; answers whether the person agreed. */
export const confirm = (asked) => new Promise((resolve) => question.set({ ...asked, resolve }));

/** A modal dialog that is open as long as it is drawn. */
export function Modal({ title, close, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    const element = dialog.current;
    element.showModal();
    return () => {
      element.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    close();
  };
  return html`
    <dialog ref=${dialog} aria-labelledby="dialog-title" onCancel=${cancel}>
      <h2 id="dialog-title">${title}</h2>
      ${children}
    </dialog>
  `;
}

/** The question that waits for an answer, if there is one. */
export function Question() {
  const asked = useStore(question);
  if (!asked) return null;
  const answer = (agreed) => {
    question.set(null);
    asked.resolve(agreed);
  };
  return html`
    <${Modal} title=${asked.title} close=${() => answer(false)}>
      <p>${asked.text}</p>
      <div class="buttons">
        <button type="button" class="button" onClick=${() => answer(false)}>${asked.no ?? "Leave it"}</button>
        <button type="button" class="button primary" onClick=${() => answer(true)}>${asked.yes}</button>
      </div>
    <//>
  `;
}

export function Help() {
  const open = useStore(helpOpen);
  const on = useStore(keysOn);
  if (!open) return null;
  return html`
    <${Modal} title="Keys" close=${() => helpOpen.set(false)}>
      <dl class="keys">
        ${KEYS.map(([key, means]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${means}</dd></div>`)}
      </dl>
      <label class="check"><input type="checkbox" checked=${on} onChange=${(event) => setKeys(event.target.checked)} /> Single keys act on this page</label>
      <div class="buttons"><button type="button" class="button" onClick=${() => helpOpen.set(false)}>Close</button></div>
    <//>
  `;
}
