// One action on many relays. The server counts first and hands out a token; agreeing sends exactly what was counted, so a
// second click, or a filter that matches others by now, changes nothing.

import { html, useEffect, useState } from "../vendor/htm/standalone.module.js";
import { RELAY_ACTIONS, tellsOfMany } from "../lib/actions.js";
import { explain, post } from "../lib/api.js";
import { many } from "../lib/format.js";
import { lookAgain } from "../lib/live.js";
import { clearSelection } from "../lib/selection.js";
import { createStore, useStore } from "../lib/store.js";
import { ActionButton } from "./button.js";
import { Modal } from "./dialog.js";
import { Loading } from "./notice.js";
import { State } from "./state.js";
import { toast } from "./toast.js";

const asked = createStore(null);

/** Asks about `action` (retry, sync, …) on what `filter` matches; `what` says that in words. */
export const askBulk = (action, filter, what) => asked.set({ action, filter, what });

export function Bulk() {
  const current = useStore(asked);
  return current && html`<${BulkDialog} ...${current} />`;
}

function BulkDialog({ action, filter, what }) {
  const [preview, setPreview] = useState(null);
  const [error, setError] = useState(null);
  const { label, done } = RELAY_ACTIONS[action];
  const close = () => asked.set(null);

  useEffect(() => {
    let open = true;
    post("/operator/bulk/preview", { action, filter }).then(
      (answer) => open && setPreview(answer),
      (failure) => open && setError(explain(failure)),
    );
    return () => {
      open = false;
    };
  }, []);

  async function run() {
    const { token, affected } = preview;
    let result;
    try {
      result = await post("/operator/bulk", { action, filter, token, expected: affected });
    } catch (failure) {
      // Said here and not beside the page, which this dialog covers.
      setPreview(null);
      setError(explain(failure));
      return;
    }
    close();
    clearSelection();
    toast(`${many(result.affected, "relay")} ${done}. The audit log has it as action ${result.action_id}.`, "good");
    lookAgain();
  }

  return html`
    <${Modal} title=${`${label}: ${what}`} close=${close}>
      ${error && html`<p class="tone-bad" role="alert">${error}</p>`}
      ${!error && !preview && html`<${Loading} what="how many relays this affects" lines=${2} />`}
      ${preview && html`<${Preview} action=${action} preview=${preview} />`}
      <div class="buttons">
        <button type="button" class="button" onClick=${close}>Leave it</button>
        ${preview?.affected > 0 &&
        html`<${ActionButton} look="primary" run=${run} label=${`${label} ${many(preview.affected, "relay")}`}>${label} ${many(preview.affected, "relay")}<//>`}
      </div>
    <//>
  `;
}

function Preview({ action, preview }) {
  if (preview.affected === 0) return html`<p>No relay that matches can take this action now.</p>`;
  const more = preview.affected - preview.sample.length;
  return html`
    <p>${tellsOfMany(action, preview.affected)} What they cause runs after what people have asked for one by one.</p>
    <ul class="sample">
      ${preview.sample.map((sync) => html`<li key=${sync.relay_id}><${State} state=${sync.state} /> <code>${sync.host}</code></li>`)}
      ${more > 0 && html`<li class="muted">and ${many(more, "other")}</li>`}
    </ul>
  `;
}
