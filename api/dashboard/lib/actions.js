// What operators can do to relays: the words for it, when it makes sense, and how it is asked of the server.

import { confirm } from "../parts/dialog.js";
import { toast } from "../parts/toast.js";
import { post } from "./api.js";
import { many } from "./format.js";
import { lookAgain } from "./live.js";

/**
 * `tells`: what will happen to one; `done` and `idle`: what happened, or why nothing did; `seen`: whether the server wants to
 * know which attempt this person has seen, so that a second click does nothing; `asks`: whether one alone is asked about.
 */
export const RELAY_ACTIONS = {
  retry: {
    label: "Retry",
    icon: "retrying",
    tells: "sends the newest settings again, starting from the first attempt",
    done: "enqueued again",
    idle: "a newer attempt is there already, nothing was enqueued",
    seen: true,
  },
  sync: {
    label: "Sync now",
    icon: "sync",
    tells: "sends the settings with a new generation, although zooid may have them",
    done: "enqueued with a new generation",
    idle: "a newer attempt is there already, nothing was enqueued",
    seen: true,
  },
  release: {
    label: "Release",
    icon: "release",
    tells: "lifts the quarantine, forgets the crashes and enqueues",
    done: "released and enqueued",
    idle: "was not in quarantine",
  },
  resume: {
    label: "Resume",
    icon: "running",
    tells: "lets its syncs go on",
    done: "resumed",
    idle: "was not paused",
  },
  pause: {
    label: "Pause",
    icon: "paused",
    tells: "holds its syncs back until it is resumed; one that runs is finished",
    done: "paused",
    idle: "was paused already",
  },
  cancel: {
    label: "Cancel",
    icon: "failed",
    tells: "gives its newest generation up: zooid keeps the older settings until an edit or a retry",
    done: "given up",
    idle: "had nothing to cancel",
    asks: true,
  },
};

const OFFERED = {
  failed: ["retry", "pause"],
  retrying: ["retry", "pause", "cancel"],
  held: ["retry", "pause", "cancel"],
  pending: ["sync", "pause", "cancel"],
  running: ["pause", "cancel"],
  paused: ["resume", "cancel"],
  quarantined: ["release", "pause"],
  synced: ["sync", "pause"],
};

/** The actions that make sense in a state, the likeliest first. */
export const offered = (state) => OFFERED[state] ?? [];

/** Acts on one relay, and says what came of it. */
export async function actOnRelay(name, sync) {
  const action = RELAY_ACTIONS[name];
  if (action.asks) {
    const sure = await confirm({
      title: `${action.label} the sync of ${sync.host}?`,
      text: `This ${action.tells}.`,
      yes: `${action.label} this sync`,
      no: "Leave it",
    });
    if (!sure) return;
  }
  const body = action.seen ? { seen_attempt: sync.last_attempt?.number ?? 0 } : {};
  const { affected } = await post(`/operator/relays/${sync.relay_id}/${name}`, body);
  toast(`${sync.host}: ${affected > 0 ? action.done : action.idle}.`, affected > 0 ? "good" : "calm");
  lookAgain();
}

/** Acts on something else after asking, where `question` is `{title, text, yes}` or null. */
export async function act(path, body, question, done) {
  if (question && !(await confirm(question))) return;
  const result = await post(path, body);
  toast(typeof done === "function" ? done(result) : done, "good");
  lookAgain();
}

/** "This sends … of 12 relays." */
export const tellsOfMany = (name, number) => `For each of ${many(number, "relay")}: ${RELAY_ACTIONS[name].tells}.`;
