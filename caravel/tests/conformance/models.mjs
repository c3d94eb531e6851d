// The models as clients read them: each field by name and JSON type. A server may have more fields; clients leave them alone.

import assert from "node:assert/strict";

const text = (value) => typeof value === "string";
const whole = (value) => Number.isSafeInteger(value);
const flag = (value) => value === 0 || value === 1;
const boolean = (value) => typeof value === "boolean";
const key = (value) => text(value) && /^[0-9a-f]{64}$/.test(value);
const orNull = (type) => (value) => value === null || type(value);
const oneOf = (...values) => (value) => values.includes(value);
const time = (value) => whole(value) && value > 1_600_000_000 && value < 10_000_000_000;

export const Plan = {
  id: oneOf("free", "basic", "growth"),
  name: text,
  amount: whole,
  hidden: boolean,
  members: orNull(whole),
  blossom: boolean,
  livekit: boolean,
};

export const Identity = { pubkey: key, is_admin: boolean };

export const Tenant = {
  pubkey: key,
  return_url: orNull(text),
  nwc_is_set: boolean,
  created_at: time,
  billing_anchor: orNull(time),
  stripe_customer_id: orNull(text),
  stripe_payment_method_id: orNull(text),
  stripe_subscription_id: orNull(text),
  nwc_error: orNull(text),
  stripe_error: orNull(text),
  past_due_at: orNull(time),
  churned_at: orNull(time),
};

/** The flags that a screen has a switch for, with what a new relay on the free plan starts with. */
export const DEFAULTS = {
  policy_public_read: 0,
  policy_public_write: 0,
  policy_public_join: 0,
  policy_strip_signatures: 0,
  groups_enabled: 1,
  management_enabled: 1,
  members_can_invite: 1,
  push_enabled: 1,
  blossom_enabled: 0,
  livekit_enabled: 0,
};

export const Relay = {
  id: text,
  tenant_pubkey: key,
  subdomain: text,
  zooid_domain: text,
  plan_id: oneOf("free", "basic", "growth"),
  status: oneOf("active", "inactive", "delinquent"),
  sync_error: text,
  synced: flag,
  custom_domain: text,
  custom_domain_verified: flag,
  info_name: text,
  info_icon: text,
  info_description: text,
  ...Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, flag])),
  generation: whole,
  synced_generation: whole,
  sync_state: oneOf("synced", "pending", "running", "retrying", "failed", "held", "paused", "quarantined"),
  next_attempt_at: orNull(time),
  live_at: orNull(time),
};

export const Activity = {
  id: text,
  tenant_pubkey: key,
  created_at: time,
  activity_type: text,
  resource_type: text,
  resource_id: text,
};

/** `value`, which must have each field of `model` with its type. */
export function read(model, value) {
  assert.equal(typeof value, "object");
  for (const [field, fits] of Object.entries(model)) {
    assert.ok(field in value, `${field} is missing in ${JSON.stringify(value)}`);
    assert.ok(fits(value[field]), `${field} is ${JSON.stringify(value[field])}`);
  }
  return value;
}

/** The same for a bare array. */
export function readAll(model, values) {
  assert.ok(Array.isArray(values), JSON.stringify(values));
  return values.map((value) => read(model, value));
}
