// What hosting screens do, one flow after another, on a running API with a zooid behind it. Every answer is read field by
// field, as a client without our types would.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, until } from "./client.mjs";
import { Activity, DEFAULTS, Identity, Plan, Relay, Tenant, read, readAll } from "./models.mjs";

const { CONFORMANCE_RELAY_DOMAIN: DOMAIN, CONFORMANCE_ADMIN: ADMIN, CONFORMANCE_ZOOID: ZOOID } = process.env;

/** Somebody who has signed in. */
async function tenant() {
  const client = new Client();
  read(Tenant, await client.call("POST", "/tenants", {}));
  return client;
}

let relays = 0;

/** A relay with all defaults. */
async function created(client, plan_id = "free") {
  const input = { subdomain: `screen-${(relays += 1)}`, zooid_domain: DOMAIN, plan_id };
  return read(Relay, await client.call("POST", "/relays", input, 201));
}

/** The relay once zooid has its newest settings. */
function inStep(client, { id }) {
  return until("zooid has the relay", async () => {
    const relay = read(Relay, await client.call("GET", `/relays/${id}`));
    return relay.synced === 1 && relay.sync_state === "synced" && relay;
  });
}

const put = async (client, { id }, change) => read(Relay, await client.call("PUT", `/relays/${id}`, change));

async function activities(client, { id }) {
  const { activity } = await client.call("GET", `/relays/${id}/activity`);
  return readAll(Activity, activity);
}

test("plans are there before anybody signs in", async () => {
  const { status, json } = await new Client().answer("GET", "/plans", { signed: false });

  assert.equal(status, 200);
  const plans = readAll(Plan, json.data);
  assert.deepEqual(
    plans.map(({ id, amount, members, blossom, livekit }) => [id, id === "growth" ? "paid" : amount, members, blossom, livekit]),
    [
      ["free", 0, 10, false, false],
      ["basic", 500, 100, true, true],
      ["growth", "paid", null, true, true],
    ],
  );
  const one = await new Client().answer("GET", "/plans/basic", { signed: false });
  assert.deepEqual(one.json.data, plans[1]);
});

test("the first login makes a tenant, and every other one finds it", async () => {
  const client = new Client();
  const identity = read(Identity, await client.call("GET", "/identity"));
  assert.deepEqual([identity.pubkey, identity.is_admin], [client.pubkey, false]);
  assert.deepEqual(await client.refusal("GET", `/tenants/${client.pubkey}`), [404, "not-found"]);

  const first = read(Tenant, await client.call("POST", "/tenants", { return_url: "https://app.example.com/back" }));
  const again = read(Tenant, await client.call("POST", "/tenants", {}));

  assert.equal(first.pubkey, client.pubkey);
  assert.equal(first.nwc_is_set, false);
  assert.equal(first.return_url, "https://app.example.com/back");
  assert.deepEqual(again, first);
  assert.deepEqual(read(Tenant, await client.call("GET", `/tenants/${client.pubkey}`)), first);
  assert.deepEqual(await client.call("GET", `/tenants/${client.pubkey}/relays`), []);
  assert.deepEqual(await client.call("GET", `/tenants/${client.pubkey}/invoices`), []);
  assert.equal(await client.call("GET", `/tenants/${client.pubkey}/invoices/draft`), null);
  assert.deepEqual(read(Tenant, await client.call("POST", `/tenants/${client.pubkey}/reconcile`)), first);
});

test("a wallet is connected and disconnected, and never shown", async () => {
  const client = await tenant();
  const path = `/tenants/${client.pubkey}`;
  const nwc_url = `nostr+walletconnect://${client.pubkey}?relay=wss%3A%2F%2Frelay.example.com&secret=${"a1".repeat(32)}`;

  const connected = await client.call("PUT", path, { nwc_url });
  assert.equal(read(Tenant, connected).nwc_is_set, true);
  assert.ok(!JSON.stringify(connected).includes("a1a1"));
  assert.equal(read(Tenant, await client.call("PUT", path, { nwc_url: "" })).nwc_is_set, false);
  assert.deepEqual(await client.refusal("PUT", path, { nwc_url: "https://example.com" }), [422, "nwc-url-invalid"]);
});

test("a relay that is created with all defaults comes to life without another call", async () => {
  const client = await tenant();

  const relay = await created(client);

  assert.deepEqual(
    [relay.tenant_pubkey, relay.zooid_domain, relay.plan_id, relay.status, relay.sync_error, relay.custom_domain],
    [client.pubkey, DOMAIN, "free", "active", "", ""],
  );
  for (const [name, value] of Object.entries(DEFAULTS)) assert.equal(relay[name], value, name);
  const live = await inStep(client, relay);
  assert.deepEqual([live.sync_error, live.synced_generation], ["", live.generation]);
  const list = readAll(Relay, await client.call("GET", `/tenants/${client.pubkey}/relays`));
  assert.deepEqual(list, [live]);
});

test("media and calls are on from the start on the plans that include them", async () => {
  const client = await tenant();
  for (const plan of ["basic", "growth"]) {
    const relay = await created(client, plan);
    assert.deepEqual([relay.blossom_enabled, relay.livekit_enabled], [1, 1], plan);
  }
});

test("what cannot be created is refused with a code and a sentence", async () => {
  const client = await tenant();
  const { subdomain } = await created(client);
  const valid = { subdomain: "fine", zooid_domain: DOMAIN, plan_id: "free" };
  for (const [change, code] of [
    [{ subdomain }, "subdomain-exists"],
    [{ subdomain: "-x" }, "subdomain-invalid"],
    [{ subdomain: "admin" }, "subdomain-reserved"],
    [{ zooid_domain: "elsewhere.example" }, "zooid-domain-unknown"],
    [{ plan_id: "gold" }, "plan-unknown"],
    [{ blossom_enabled: 1 }, "plan-feature"],
    [{ push_enabled: 2 }, "flag-invalid"],
    [{ subdomain: undefined }, "field-required"],
  ]) {
    assert.deepEqual(await client.refusal("POST", "/relays", { ...valid, ...change }), [422, code]);
  }
});

test("toggles in flight at once are all kept", async () => {
  const client = await tenant();
  const relay = await created(client, "basic");
  const names = Object.keys(DEFAULTS);

  const answers = await Promise.all(names.map((name) => put(client, relay, { [name]: 1 - relay[name] })));

  names.forEach((name, at) => assert.equal(answers[at][name], 1 - relay[name], name));
  const after = await inStep(client, relay);
  for (const name of names) assert.equal(after[name], 1 - relay[name], name);
});

test("a switch may be sent as a JSON boolean, and is read as a number", async () => {
  const client = await tenant();
  const relay = await created(client);
  assert.equal((await put(client, relay, { push_enabled: false })).push_enabled, 0);
  assert.equal((await put(client, relay, { push_enabled: true })).push_enabled, 1);
});

test("a relay is renamed, described, and moved to another subdomain", async () => {
  const client = await tenant();
  const relay = await inStep(client, await created(client));

  const named = await put(client, relay, { info_name: "Klub Größe", info_description: "one\ntwo", info_icon: "https://example.com/a.png" });
  assert.deepEqual([named.info_name, named.info_description, named.info_icon], ["Klub Größe", "one\ntwo", "https://example.com/a.png"]);
  const moved = await put(client, relay, { subdomain: `${relay.subdomain}-b`, zooid_domain: DOMAIN });
  assert.equal(moved.subdomain, `${relay.subdomain}-b`);
  assert.deepEqual(await client.refusal("PUT", `/relays/${relay.id}`, { zooid_domain: "elsewhere.example" }), [422, "zooid-domain-immutable"]);
  const live = await inStep(client, relay);
  assert.deepEqual([live.info_name, live.subdomain], [named.info_name, moved.subdomain]);
  const back = await put(client, relay, live);
  assert.deepEqual([back.generation, back.info_name], [live.generation, live.info_name]);
});

test("a plan goes up, and down once what it lacks is off", async () => {
  const client = await tenant();
  const relay = await inStep(client, await created(client));

  const up = await put(client, relay, { plan_id: "basic" });
  assert.deepEqual([up.plan_id, up.blossom_enabled, up.livekit_enabled], ["basic", 0, 0]);
  await put(client, relay, { blossom_enabled: 1 });
  assert.deepEqual(await client.refusal("PUT", `/relays/${relay.id}`, { plan_id: "free" }), [422, "plan-feature"]);
  const down = await put(client, relay, { plan_id: "free", blossom_enabled: 0, livekit_enabled: 0 });
  assert.deepEqual([down.plan_id, down.blossom_enabled, down.livekit_enabled], ["free", 0, 0]);
});

test("members come from zooid, and a plan for fewer is refused", async () => {
  const client = await tenant();
  const relay = await created(client, "basic");
  assert.deepEqual(Object.keys(await client.call("GET", `/relays/${relay.id}/members`)), ["members"]);
  await inStep(client, relay);
  const members = Array.from({ length: 11 }, () => new Client().pubkey).sort();
  const told = await fetch(`${ZOOID}/relays/${relay.id}/members`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(members),
  });
  assert.ok(told.ok, await told.text());

  assert.deepEqual(await client.call("GET", `/relays/${relay.id}/members`), { members });
  const down = { plan_id: "free", blossom_enabled: 0, livekit_enabled: 0 };
  const { status, json } = await client.answer("PUT", `/relays/${relay.id}`, { body: down });
  assert.deepEqual([status, json.code], [422, "plan-members"]);
  assert.match(json.error, /11/);
  assert.match(json.error, /10/);
});

test("a relay is turned off and on, however often it is asked for", async () => {
  const client = await tenant();
  const relay = await inStep(client, await created(client));
  const turn = async (how) => read(Relay, await client.call("POST", `/relays/${relay.id}/${how}`));

  for (const [how, status] of [["deactivate", "inactive"], ["reactivate", "active"]]) {
    assert.equal((await turn(how)).status, status);
    assert.equal((await turn(how)).status, status);
    assert.equal((await inStep(client, relay)).status, status);
  }

  const log = await activities(client, relay);
  const turns = log.map(({ activity_type }) => activity_type).filter((type) => /^(de)?activate_relay$/.test(type));
  assert.deepEqual(turns, ["activate_relay", "deactivate_relay"]);
});

test("a relay that is off for want of payment tells its tenant so", async () => {
  const client = await tenant();
  const relay = await created(client);
  const admin = new Client(ADMIN);
  const billing = await admin.answer("PUT", `/relays/${relay.id}/delinquent`, { own: true });
  assert.equal(billing.status, 200, JSON.stringify(billing.json));

  assert.equal(read(Relay, await client.call("GET", `/relays/${relay.id}`)).status, "delinquent");
  assert.deepEqual(await client.refusal("POST", `/relays/${relay.id}/reactivate`), [422, "relay-delinquent"]);
  const settled = await admin.answer("POST", `/relays/${relay.id}/reactivate`);
  assert.equal(read(Relay, settled.json.data).status, "active");
});

test("the log of a relay has what happened, newest first", async () => {
  const client = await tenant();
  const relay = await inStep(client, await created(client));
  await put(client, relay, { info_name: "Logged" });
  await inStep(client, relay);

  const log = await activities(client, relay);

  assert.deepEqual(
    log.map(({ activity_type }) => activity_type),
    ["complete_relay_sync", "update_relay", "complete_relay_sync", "create_relay"],
  );
  for (const { tenant_pubkey, resource_type, resource_id } of log) {
    assert.deepEqual([tenant_pubkey, resource_type, resource_id], [client.pubkey, "relay", relay.id]);
  }
  const times = log.map(({ created_at }) => created_at);
  assert.deepEqual(times, [...times].sort((one, other) => other - one));
});

test("others are kept out, in words", async () => {
  const [owner, other] = [await tenant(), await tenant()];
  const relay = await created(owner);

  assert.deepEqual(await other.refusal("GET", `/relays/${relay.id}`), [403, "forbidden"]);
  assert.deepEqual(await other.refusal("PUT", `/relays/${relay.id}`, { info_name: "Mine" }), [403, "forbidden"]);
  assert.deepEqual(await other.refusal("GET", `/tenants/${owner.pubkey}`), [403, "forbidden"]);
  assert.deepEqual(await other.refusal("GET", "/relays"), [403, "forbidden"]);
  assert.deepEqual(await other.refusal("GET", "/tenants"), [403, "forbidden"]);
  assert.deepEqual(await owner.refusal("GET", `/relays/${relay.id}`, undefined, { signed: false }), [401, "unauthorized"]);
  assert.deepEqual(await owner.refusal("GET", `/relays/${"0".repeat(26)}`), [404, "not-found"]);
  assert.deepEqual(await owner.refusal("GET", "/nothing"), [404, "not-found"]);
});

test("an admin lists all, in bare arrays and in pages", async () => {
  const client = await tenant();
  await created(client);
  const admin = new Client(ADMIN);
  assert.equal(read(Identity, await admin.call("GET", "/identity")).is_admin, true);

  const all = readAll(Relay, await admin.call("GET", "/relays"));
  readAll(Tenant, await admin.call("GET", "/tenants"));
  assert.ok(all.length >= 1);

  const page = await admin.answer("GET", `/relays?tenant=${client.pubkey}&limit=1`);
  assert.equal(readAll(Relay, page.json.data).length, 1);
});

test("a browser of another origin may call", async () => {
  const response = await fetch(`${process.env.CONFORMANCE_URL}/relays`, {
    method: "OPTIONS",
    headers: {
      Origin: "https://app.example.com",
      "Access-Control-Request-Method": "PUT",
      "Access-Control-Request-Headers": "authorization, content-type, prefer, idempotency-key, if-match, last-event-id",
    },
  });

  assert.ok(response.ok, String(response.status));
  assert.equal(response.headers.get("access-control-allow-origin"), "https://app.example.com");
  for (const method of ["GET", "POST", "PUT", "DELETE"]) {
    assert.ok(response.headers.get("access-control-allow-methods").includes(method), method);
  }
});
