// A target: the zooid that serves a domain. One line for the overview, one card with everything for its own page.

import { html } from "../vendor/htm/standalone.module.js";
import { act } from "../lib/actions.js";
import { now } from "../lib/clock.js";
import { capital, count, many, share } from "../lib/format.js";
import { href } from "../lib/router.js";
import { NOT_SYNCED, STATES } from "../lib/words.js";
import { ActionButton } from "../parts/button.js";
import { Icon } from "../parts/icon.js";
import { Due, Since, Time } from "../parts/state.js";

/** What matters most about it: `[tone, icon, word]`. */
function condition(target) {
  if (target.paused_at !== null) return ["warn", "paused", "Paused"];
  if (target.circuit_state === "open") return ["bad", "warning", "Unreachable"];
  if (target.workers_alive === 0) return ["bad", "warning", "No worker"];
  if (target.not_before !== null && target.not_before > now()) return ["warn", "held", "Waits as asked"];
  if (target.failures > 0) return ["warn", "warning", "Failing"];
  return ["good", "synced", "Reachable"];
}

function Condition({ target }) {
  const [tone, icon, word] = condition(target);
  return html`<span class=${`badge tone-${tone}`}><${Icon} name=${icon} />${word}</span>`;
}

/** Since when, and until when. */
function Why({ target }) {
  if (target.paused_at !== null) return html`An operator has paused it <${Since} at=${target.paused_at} />.`;
  if (target.circuit_state === "open") {
    return html`
      ${capital(target.circuit_reason) || "It does not answer"}, <${Since} at=${target.circuit_since} />.
      ${target.next_probe_at !== null && html` Next probe <${Due} at=${target.next_probe_at} />.`}
    `;
  }
  if (target.workers_alive === 0) return "No worker that serves it is alive.";
  if (target.not_before !== null && target.not_before > now()) return html`It asked us to wait; on <${Due} at=${target.not_before} />.`;
  if (target.failures > 0) return `${many(target.failures, "failure")} in a row; the fifth opens its circuit.`;
  return html`Its circuit has been closed${target.circuit_since !== null && html` <${Since} at=${target.circuit_since} />`}.`;
}

export const TargetLine = ({ target }) => html`
  <div class="target-line">
    <a class="name" href=${href("/dashboard", { target: target.name })} title="Show this target alone">${target.name}</a>
    <${Condition} target=${target} />
    <span class="why muted">${share(target.relays.synced, target.relays.total)} of ${many(target.relays.total, "relay")} synced. <${Why} target=${target} /></span>
  </div>
`;

export function TargetCard({ target }) {
  const path = `/operator/targets/${encodeURIComponent(target.name)}`;
  const out = target.relays.total - target.relays.synced;
  const pause = () =>
    act(`${path}/pause`, {}, { title: `Pause ${target.name}?`, text: `Nothing is sent for its ${many(target.relays.total, "relay")} until it is resumed. What runs is finished.`, yes: "Pause this target" }, `${target.name} is paused.`);
  const resume = () => act(`${path}/resume`, {}, null, `${target.name} is resumed.`);
  const probe = () => act(`${path}/probe`, {}, null, `A worker probes ${target.name} now.`);
  return html`
    <article class="card target" aria-label=${target.name} data-target=${target.name}>
      <div class="card-head">
        <h3>${target.name}</h3>
        <${Condition} target=${target} />
      </div>
      <p><${Why} target=${target} /></p>
      <dl class="facts">
        <div><dt>URL</dt><dd><code>${target.url}</code></dd></div>
        <div><dt>Relays</dt><dd><a href=${href("/dashboard/syncs", { target: target.name })}>${count(target.relays.total)}</a>, ${share(target.relays.synced, target.relays.total)} synced${out > 0 && html`, <a href=${href("/dashboard/syncs", { target: target.name, state: NOT_SYNCED })}>${count(out)} not</a>`}</dd></div>
        <div><dt>Workers alive</dt><dd>${count(target.workers_alive)}</dd></div>
        <div><dt>Last probe</dt><dd><${Time} at=${target.probed_at} />${target.probe_requested_at !== null && html`, asked for <${Time} at=${target.probe_requested_at} />`}${target.probe_error && html`: <span class="tone-bad">${target.probe_error}</span>`}</dd></div>
      </dl>
      <ul class="legend">
        ${Object.keys(STATES)
          .filter((state) => target.relays[state] > 0)
          .map((state) => html`<li key=${state}><a class=${`tone-${STATES[state].tone}`} href=${href("/dashboard/syncs", { target: target.name, state })}><${Icon} name=${state} /> ${STATES[state].label} <b>${count(target.relays[state])}</b></a></li>`)}
      </ul>
      <div class="buttons left">
        <${ActionButton} icon="probe" run=${probe} label=${`Probe now: ${target.name}`}>Probe now<//>
        ${target.paused_at === null
          ? html`<${ActionButton} icon="paused" run=${pause} label=${`Pause ${target.name}`}>Pause<//>`
          : html`<${ActionButton} icon="running" look="primary" run=${resume} label=${`Resume ${target.name}`}>Resume<//>`}
      </div>
    </article>
  `;
}
