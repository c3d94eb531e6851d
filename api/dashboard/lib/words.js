// States, failure kinds and outcomes in words: one table for the whole page. Colours follow `tone`, and never speak alone.

/** In the order of urgency in which people look for them. */
export const STATES = {
  failed: { label: "Failed", tone: "bad", means: "Given up: an edit or an operator starts over." },
  quarantined: { label: "Quarantined", tone: "odd", means: "Kept from the workers, because it took some of them down." },
  retrying: { label: "Retrying", tone: "warn", means: "Failed, and is tried again at the time shown." },
  held: { label: "Held", tone: "warn", means: "Waits for another relay, for its target or for the queue." },
  pending: { label: "Waiting", tone: "info", means: "Waits for its turn." },
  running: { label: "Running", tone: "info", means: "A worker is at it." },
  paused: { label: "Paused", tone: "calm", means: "An operator holds it back." },
  synced: { label: "Synced", tone: "good", means: "zooid has the newest settings." },
};

export const NOT_SYNCED = Object.keys(STATES).filter((state) => state !== "synced");

export const stateOf = (state) => STATES[state] ?? { label: state, tone: "calm", means: "" };

const KINDS = {
  unreachable: "Unreachable",
  outcome_unknown: "No answer",
  throttled: "Throttled",
  credentials_refused: "Signature refused",
  key_not_allowed: "Key not allowed",
  blocked: "Host still taken",
  conflict: "Conflict",
  invalid: "Refused settings",
  target_disk: "zooid's disk",
  server_error: "Server error",
  our_fault: "Our fault",
  worker_lost: "Worker lost",
  cancelled: "Cancelled",
};

export const ALL_KINDS = Object.keys(KINDS);
export const kindLabel = (kind) => KINDS[kind] ?? kind;

export const OUTCOMES = {
  accepted: { label: "Accepted", tone: "good", icon: "synced" },
  failed: { label: "Failed", tone: "bad", icon: "failed" },
  lost: { label: "Lost", tone: "odd", icon: "quarantined" },
  released: { label: "Released", tone: "calm", icon: "paused" },
  running: { label: "Running", tone: "info", icon: "running" },
};
