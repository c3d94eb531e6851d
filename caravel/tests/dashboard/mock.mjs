// A stand-in for the operator API, for looking at the dashboard and for writing its tests before the server has all of it.
// It also answers POST /control/{name}, with which tests set their scene: the same calls that the real server's harness has.
//
//   node mock.mjs [port]     MOCK_LIVE=1 makes relays fail and recover by themselves

import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const ASSETS = fileURLToPath(new URL("../../../api/dashboard/", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const CSP = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
const ADMIN = "c4f5e7a75a8ce3683d529cff06368439c529e5243c6b125ba68789198856cac7";
const STATES = ["synced", "pending", "running", "retrying", "failed", "held", "paused", "quarantined"];
const KINDS = {
  unreachable: ["zooid cannot be reached, or a gateway before it says so.", "Check that zooid runs and that ZOOID_API_URL reaches it. Jobs are held meanwhile; probe the target to resume at once."],
  conflict: ["Another configuration in zooid has this host or schema.", "Give one of the two another host, or remove the configuration that zooid should not have. Then retry."],
  invalid: ["zooid refused the configuration, although our own rules let it pass.", "Report it as a defect of our validation. Edit the setting that the answer names; the edit is sent at once."],
  server_error: ["zooid, or a proxy before it, answered with an unexpected error.", "Look at zooid's log at the time of the attempt."],
  our_fault: ["The attempt failed inside Caravel.", "Look at the worker's log at the time of the attempt; after three in a row the relay is quarantined until released."],
  cancelled: ["An operator gave this generation up.", "Retry to send it after all."],
};
const now = () => Date.now();
const hex = (text) => createHash("sha256").update(text).digest("hex");
const ulid = () => (now().toString(32) + randomBytes(16).toString("hex")).slice(0, 26).replace(/[ilou]/g, "z");

class World {
  relays = new Map();
  groups = new Map();
  actions = [];
  seq = 0;
  attemptId = 0;
  clients = new Set();
  sessions = new Map();
  links = new Map();
  tokens = new Map();
  queuePaused = null;
  targets = new Map();
  broken = new Map();
  relaysSeen = 0;

  addTarget(name) {
    this.targets.set(name, { name, url: `http://${name}:3334`, circuit_state: "closed", circuit_since: now() - 8 * 3_600_000, circuit_reason: "", failures: 0, next_probe_at: null, probe_requested_at: null, probed_at: now() - 8 * 3_600_000, probe_error: "", paused_at: null, not_before: null, workers_alive: 2 });
  }

  addRelay(subdomain, target, ago = 0) {
    this.relaysSeen += 1;
    const created = now() - ago;
    const relay = { id: ulid(), subdomain, target, host: `${subdomain}.${target}`, name: subdomain.split("-").map((word) => word[0].toUpperCase() + word.slice(1)).join(" "), tenant: hex(`tenant ${subdomain.length % 7}`), state: "synced", generation: 1, synced: 1, failedGeneration: null, failure: null, failures: 0, next: null, since: null, created, attempts: [], job: null };
    relay.attempts.push(this.attempt(relay, { outcome: "accepted", status: 201, verb: "POST", at: created + 40 }));
    this.relays.set(relay.id, relay);
    return relay;
  }

  attempt(relay, { outcome, status, verb = "PATCH", at = now(), kind = null, message = "", excerpt = null }) {
    this.attemptId += 1;
    return { id: this.attemptId, relay_id: relay.id, host: relay.host, number: relay.attempts.length + 1, job_id: hex(relay.id).slice(0, 26), generation: relay.generation, worker_id: "01kworker0a7f3e9cc2b4d8e1f6", trace: hex(`trace ${this.attemptId}`).slice(0, 32), target: relay.target, verb, http_status: status, outcome, kind, message, excerpt, started_at: at, finished_at: outcome ? at + 23 : null, duration_ms: outcome ? 23 : null };
  }

  /** The next attempt of a relay fails. */
  fail(relay, { kind, status, message, pattern, excerpt = null, final = false, at = now() }) {
    if (relay.synced === relay.generation) relay.generation += 1;
    relay.since ??= at - 60_000;
    relay.attempts.push(this.attempt(relay, { outcome: "failed", status, kind, message, excerpt, at }));
    this.leaveGroup(relay);
    const key = `${relay.target} ${kind} ${pattern}`;
    let group = [...this.groups.values()].find((each) => each.key === key);
    if (!group) {
      group = { key, id: this.groups.size + 1, target: relay.target, kind, http_status: status, pattern, message, attempts: 0, relays: 0, first_seen_at: at, last_seen_at: at };
      this.groups.set(group.id, group);
    }
    group.relays += 1;
    group.attempts += 1;
    group.last_seen_at = Math.max(group.last_seen_at, at);
    relay.failure = { kind, message, group };
    relay.failures += 1;
    relay.failedGeneration = final ? relay.generation : null;
    relay.state = final ? "failed" : "retrying";
    relay.next = final ? null : now() + 30_000 * relay.failures;
    this.changed(relay);
  }

  leaveGroup(relay) {
    if (relay.failure) relay.failure.group.relays -= 1;
    relay.failure = null;
  }

  accept(relay) {
    relay.synced = relay.generation;
    relay.attempts.push(this.attempt(relay, { outcome: "accepted", status: 200 }));
    this.leaveGroup(relay);
    Object.assign(relay, { state: "synced", failedGeneration: null, failures: 0, next: null, since: null });
    this.changed(relay);
  }

  /** What a worker does with a relay that is enqueued: runs for a moment, then the outcome of the day. */
  run(relay) {
    relay.state = "pending";
    this.changed(relay);
    setTimeout(() => {
      if (relay.state !== "pending") return;
      relay.state = "running";
      this.changed(relay);
      setTimeout(() => {
        const fault = this.broken.get(relay.subdomain);
        if (fault) this.fail(relay, fault);
        else this.accept(relay);
      }, 250);
    }, 250);
  }

  changed(relay) {
    this.send("changed", { relays: [relay.id], targets: [], counts: true });
  }

  send(event, data) {
    this.seq += 1;
    for (const response of this.clients) response.write(`id: ${this.seq}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  audit(action, type, id, affected, detail = "") {
    this.actions.unshift({ seq: this.actions.length + 1, id: ulid(), acted_at: now(), actor: ADMIN, action, resource_type: type, resource_id: id, affected, detail });
    return this.actions[0].seq;
  }

  counts(target) {
    const counts = { total: 0, ...Object.fromEntries(STATES.map((state) => [state, 0])) };
    for (const relay of this.relays.values()) {
      if (target && relay.target !== target) continue;
      counts.total += 1;
      counts[relay.state] += 1;
    }
    return counts;
  }
}

const sentenceOf = (kind) => KINDS[kind][0];

function sync(relay) {
  const { failure } = relay;
  const working = relay.state !== "synced";
  return {
    relay_id: relay.id, tenant_pubkey: relay.tenant, subdomain: relay.subdomain, zooid_domain: relay.target, host: relay.host, name: relay.name, status: "active", state: relay.state, sync_error: failure ? "The relay server had a problem." : "",
    generation: relay.generation, synced_generation: relay.synced, failed_generation: relay.failedGeneration,
    failure: failure && { kind: failure.kind, sentence: sentenceOf(failure.kind), next_step: KINDS[failure.kind][1], message: failure.message, group_id: failure.group.id },
    attempts: working ? Math.min(relay.failures, 12) : null, max_attempts: working ? 12 : null, next_attempt_at: relay.next && Math.floor(relay.next / 1000), out_of_step_since: relay.since, last_attempt: relay.attempts.at(-1) ?? null,
  };
}

const EXPLAINED = {
  synced: ["in_step", "zooid has the newest settings."],
  pending: ["waiting_turn", "It waits for its turn; nothing is in its way."],
  running: ["running", "Worker 01kworker0a7f3e9cc2b4d8e1f6 is sending it now."],
  retrying: ["retrying", "The last attempt failed, and it is tried again by itself."],
  failed: ["failed_final", "zooid refused these settings for good; only an edit or a retry starts over."],
  held: ["circuit_open", "Its target cannot be reached; it is sent once a probe succeeds."],
  paused: ["paused", "An operator holds its syncs back."],
  quarantined: ["quarantined", "It took three workers down in a row and is kept from them until released."],
};

function explained(world, relay) {
  const row = sync(relay);
  const [code, sentence] = EXPLAINED[relay.state];
  const last = relay.attempts.at(-1);
  const out = relay.generation > relay.synced;
  return {
    sync: row,
    explanation: { code, sentence, next_step: row.failure?.next_step ?? (relay.state === "quarantined" ? "Look at the logs of the workers that died, then release it." : null), since: relay.since },
    job: out && relay.state !== "failed" ? { id: last.job_id, state: relay.state === "running" ? "running" : "waiting", attempts: relay.failures, max_attempts: 12, run_at: Math.floor((relay.next ?? now()) / 1000), priority: 0, locked_by: relay.state === "running" ? last.worker_id : null, locked_at: relay.state === "running" ? now() : null, trace: last.trace } : null,
    timeline: [{ at: relay.created, event: "created", detail: "by its tenant" }, ...relay.attempts.slice(-12).flatMap((each) => [{ at: each.started_at, event: "claimed", detail: `attempt ${each.number}` }, { at: each.finished_at ?? each.started_at, event: each.outcome ?? "running", detail: each.message }])].slice(-50),
    attempts: [...relay.attempts].reverse().slice(0, 20),
    diff: [
      { field: "info.name", desired: relay.name, accepted: out ? "Older name" : relay.name, changed: out, secret: false },
      { field: "info.description", desired: "A place for people who like long walks and short notes.", accepted: out ? "" : "A place for people who like long walks and short notes.", changed: out, secret: false },
      { field: "blossom.s3.secret_key", desired: null, accepted: null, changed: out, secret: true },
      { field: "secret", desired: null, accepted: null, changed: false, secret: true },
      { field: "policy.public_read", desired: true, accepted: true, changed: false, secret: false },
      { field: "groups.enabled", desired: true, accepted: true, changed: false, secret: false },
    ],
    next_request: out ? { verb: "PATCH", path: `/relay/${relay.id}`, body: { host: relay.host, info: { name: relay.name }, blossom: { s3: { secret_key: "<secret>" } } } } : null,
    activity: [{ id: ulid(), tenant_pubkey: relay.tenant, created_at: Math.floor(relay.created / 1000), activity_type: "create_relay", resource_type: "relay", resource_id: relay.id }],
    actions: world.actions.filter((action) => action.resource_id === relay.id).slice(0, 20),
  };
}

const list = (value) => (Array.isArray(value) ? value.map(String) : (value ?? "").split(",")).filter(Boolean);

function matching(world, filter) {
  const [states, kinds, targets, groups] = ["state", "kind", "target", "group"].map((name) => list(filter[name]));
  const ids = filter.relays && new Set(filter.relays);
  const q = (filter.q ?? "").trim().toLowerCase();
  const found = (relay) => relay.id === q || (q.length >= 4 && relay.id.startsWith(q)) || relay.host.startsWith(q) || relay.tenant === q || relay.attempts.some((each) => each.job_id === q) || (relay.failure?.message.toLowerCase().includes(q) ?? false);
  return [...world.relays.values()].filter((relay) => {
    const last = relay.attempts.at(-1)?.started_at ?? 0;
    return (
      (states.length === 0 || states.includes(relay.state)) && (kinds.length === 0 || kinds.includes(relay.failure?.kind)) && (targets.length === 0 || targets.includes(relay.target)) && (groups.length === 0 || groups.includes(String(relay.failure?.group.id))) &&
      (!ids || ids.has(relay.id)) && (!q || found(relay)) && (!filter.since || last >= Number(filter.since)) && (!filter.until || last < Number(filter.until))
    );
  });
}

const APPLICABLE = {
  retry: (relay) => !["synced", "quarantined", "running"].includes(relay.state),
  sync: (relay) => relay.state !== "quarantined",
  cancel: (relay) => ["retrying", "pending", "held", "paused"].includes(relay.state),
  pause: (relay) => relay.state !== "paused",
  resume: (relay) => relay.state === "paused",
  release: (relay) => relay.state === "quarantined",
};

function apply(world, action, relay) {
  if (action === "retry" || action === "resume" || action === "release") return world.run(relay);
  if (action === "sync") {
    relay.generation += 1;
    return world.run(relay);
  }
  relay.state = action === "pause" ? "paused" : "failed";
  return world.changed(relay);
}

class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

const targetView = (world, target) => ({ ...target, relays: world.counts(target.name) });

function page(items, query) {
  const limit = Number(query.get("limit") ?? 50);
  const start = Number(query.get("cursor") ?? 0);
  return { items: items.slice(start, start + limit), next: start + limit < items.length ? String(start + limit) : null };
}

function read(world, path, query) {
  const target = query.get("target");
  if (path === "/operator/overview") {
    const relays = world.counts(target);
    const since = [...world.relays.values()].filter((relay) => relay.since).map((relay) => relay.since);
    const targets = [...world.targets.values()].filter((each) => !target || each.name === target).map((each) => targetView(world, each));
    return { relays, oldest_out_of_step_since: since.length ? Math.min(...since) : null, latency: { window_minutes: 60, p50_ms: 22, p95_ms: 220, p99_ms: 1300, syncs: 842 }, per_minute: { accepted: 14, failed: relays.failed + relays.retrying > 0 ? 3 : 0, lost: 0 }, targets, workers: { alive: 2, dead: 1, stopped: 3, slots: 8, running: relays.running }, queue: { paused_at: world.queuePaused, waiting: relays.pending + relays.retrying, oldest_due_at: null }, now: now() };
  }
  if (path === "/operator/series") {
    const minutes = Number(query.get("minutes") ?? 180);
    const step = Number(query.get("step") ?? 1);
    const size = step * 60_000;
    const end = Math.floor(now() / size) * size;
    const points = Array.from({ length: Math.floor(minutes / step) }, (_, index) => {
      const at = end - (Math.floor(minutes / step) - index) * size;
      const wave = Math.sin(at / 1_700_000) + Math.sin(at / 523_000) * 0.6;
      const trouble = Math.max(0, Math.sin(at / 2_900_000 + 2) - 0.82) * 60;
      return { at, accepted: Math.round((14 + wave * 6) * step), failed: Math.round(trouble * step), lost: 0, lag_p50_ms: 20 + Math.round(wave * 5), lag_p95_ms: Math.round(180 + wave * 60 + trouble * 300), lag_p99_ms: Math.round(900 + wave * 300 + trouble * 4000) };
    });
    return { step_minutes: step, points };
  }
  if (path === "/operator/syncs") {
    const order = query.get("order") === "created" ? (a, b) => a.created - b.created : (a, b) => (b.attempts.at(-1)?.id ?? 0) - (a.attempts.at(-1)?.id ?? 0);
    const result = page(matching(world, Object.fromEntries(query)).sort(order), query);
    return { ...result, items: result.items.map(sync) };
  }
  if (path === "/operator/groups") {
    const items = [...world.groups.values()].filter((group) => group.relays > 0 && (!target || group.target === target) && (!query.get("kind") || query.get("kind") === group.kind)).sort((a, b) => b.relays - a.relays);
    return page(items.map(({ key, ...group }) => ({ ...group, sentence: sentenceOf(group.kind), next_step: KINDS[group.kind][1] })), query);
  }
  if (path.startsWith("/operator/relays/")) {
    const relay = world.relays.get(path.split("/")[3]);
    if (!relay) throw new Refusal(404, "not-found", "there is no such relay");
    return explained(world, relay);
  }
  if (path === "/operator/targets") return page([...world.targets.values()].map((each) => targetView(world, each)), query);
  if (path === "/operator/workers") {
    const running = [...world.relays.values()].filter((relay) => relay.state === "running").slice(0, 6).map((relay) => ({ relay_id: relay.id, host: relay.host, job_id: relay.attempts.at(-1).job_id, attempt_number: relay.attempts.length + 1, since: now() - 900 }));
    const worker = (id, rest) => ({ id, pid: 4100, started_at: now() - 86_400_000, beat_at: now() - 1200, stopped_at: null, dead_at: null, alive: true, slots: 4, running: [], ...rest });
    return page([worker("01kworker0a7f3e9cc2b4d8e1f6", { running }), worker("01kworker1b8a4c7dd3e5f9a2b7", { pid: 4101 }), worker("01kworker2c9b5d8ee4f6a0b3c8", { pid: 3920, alive: false, dead_at: now() - 7_200_000, beat_at: now() - 7_230_000 }), worker("01kworker3d0c6e9ff5a7b1c4d9", { pid: 3001, alive: false, stopped_at: now() - 90_000_000 })], query);
  }
  if (path === "/operator/audit") return page(world.actions.filter((action) => ["actor", "action", "resource_type", "resource_id"].every((name) => !query.get(name) || action[name] === query.get(name))), query);
  throw new Refusal(404, "not-found", "there is no such route");
}

function write(world, path, body) {
  const [, , what, name, verb] = path.split("/");
  if (what === "relays") {
    const relay = world.relays.get(name);
    if (!relay) throw new Refusal(404, "not-found", "there is no such relay");
    if (verb === "retry" || verb === "sync") {
      if (relay.state === "quarantined") throw new Refusal(409, "relay-quarantined", "the relay is quarantined: release it first");
      if (verb === "retry" && relay.state === "synced") throw new Refusal(409, "relay-in-step", "the relay is in step already");
      if (relay.attempts.length > body.seen_attempt || ["pending", "running"].includes(relay.state)) return { affected: 0, sync: sync(relay) };
    } else if (!APPLICABLE[verb](relay)) return { affected: 0 };
    apply(world, verb, relay);
    return { affected: 1, action_id: world.audit(verb, "relay", relay.id, 1), sync: sync(relay) };
  }
  if (what === "targets") {
    const target = world.targets.get(decodeURIComponent(name));
    if (verb === "pause") target.paused_at ??= now();
    if (verb === "resume") target.paused_at = null;
    if (verb === "probe") Object.assign(target, { circuit_state: "closed", circuit_since: now(), probed_at: now(), failures: 0, next_probe_at: null });
    world.send("changed", { relays: [], targets: [target.name], counts: false });
    return { affected: 1, action_id: world.audit(`${verb}_target`, "target", target.name, 1) };
  }
  if (what === "queue") {
    world.queuePaused = name === "pause" ? now() : null;
    world.send("changed", { relays: [], targets: [], counts: true });
    return { affected: 1, action_id: world.audit(`${name}_queue`, "queue", "sync", 1) };
  }
  if (what === "reconcile") return { affected: body.all ? world.relays.size : 0, action_id: 0 };
  if (what === "bulk") {
    const chosen = matching(world, body.filter).filter(APPLICABLE[body.action]);
    if (name === "preview") {
      const token = randomBytes(12).toString("hex");
      world.tokens.set(token, null);
      return { affected: chosen.length, token, sample: chosen.slice(0, 5).map(sync) };
    }
    const first = world.tokens.get(body.token);
    if (first) return first;
    if (chosen.length !== body.expected) throw new Refusal(409, "bulk-changed", `${chosen.length} relays match by now`);
    const result = { affected: chosen.length, action_id: world.audit(`bulk_${body.action}`, "bulk", body.token, chosen.length, body.filter) };
    world.tokens.set(body.token, result);
    chosen.forEach((relay) => apply(world, body.action, relay));
    return result;
  }
  throw new Refusal(404, "not-found", "there is no such route");
}

/** How tests set their scene; the harness of the real server has the same calls. */
function control(world, name, body, base) {
  if (name === "relay") {
    const relay = world.addRelay(body.subdomain, [...world.targets.keys()][0]);
    if (body.fails) {
      const message = 'zooid answered 400: invalid relay: info.icon "not-a-url"';
      const fault = { kind: "invalid", status: 400, message, pattern: "zooid answered 400: invalid relay: info.icon …", excerpt: `{"error":"invalid relay: info.icon \\"not-a-url\\"","secret":"<secret>"}`, final: true };
      world.broken.set(relay.subdomain, fault);
      world.fail(relay, fault);
    }
    return { relay_id: relay.id, host: relay.host };
  }
  if (name === "heal") {
    world.broken.clear();
    return {};
  }
  if (name === "failures") {
    const target = [...world.targets.keys()][0];
    const faults = [
      { kind: "server_error", status: 500, pattern: "zooid answered 500: short write", message: "zooid answered 500: short write", excerpt: '{"error":"short write"}' },
      { kind: "conflict", status: 409, pattern: "zooid answered 409: relay host … already exists", message: "zooid answered 409: relay host already exists", excerpt: null },
      { kind: "invalid", status: 400, pattern: "zooid answered 400: invalid schema …", message: "zooid answered 400: invalid schema x-1", excerpt: null },
    ];
    const per = [Math.round(body.relays * 0.6), Math.round(body.relays * 0.3)];
    per.push(body.relays - per[0] - per[1]);
    faults.forEach((fault, index) => {
      for (let each = 0; each < per[index]; each += 1) world.fail(world.addRelay(`${body.prefix}-${index}-${each}`, target, 3_600_000), { ...fault, final: true });
    });
    return { causes: faults.map(({ pattern }, index) => ({ pattern, relays: per[index] })) };
  }
  if (name === "login-link") {
    const token = randomBytes(16).toString("hex");
    world.links.set(token, body.role ?? null);
    return { url: `${base}/dashboard/login#token=${token}` };
  }
  if (name === "sign") return { ...body.event, pubkey: ADMIN, id: hex(JSON.stringify(body.event)), sig: "0".repeat(128) };
  throw new Refusal(404, "not-found", "there is no such control");
}

async function bodyOf(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : {};
}

/** A world as on a middling day. */
export function populate(world, size) {
  const words = ["amber", "bakery", "cobalt", "delta", "ember", "fjord", "garden", "harbour", "indigo", "juniper", "kiln", "lagoon", "meadow", "north", "orchard", "pebble", "quarry", "river", "saffron", "timber"];
  const domains = ["relays.example.com", "spaces.example.org"];
  domains.forEach((name) => world.addTarget(name));
  for (let index = 0; index < size; index += 1) world.addRelay(`${words[index % 20]}-${words[Math.floor(index / 20) % 20]}${index >= 400 ? `-${index}` : ""}`, domains[index % 4 === 3 ? 1 : 0], 4 * 86_400_000 - index * 60_000);
  const relays = [...world.relays.values()];
  const at = now() - 9 * 60_000;
  relays.slice(0, 21).forEach((relay, index) => world.fail(relay, { kind: "server_error", status: 500, message: "zooid answered 500: failed to write config: no space left on device", pattern: "zooid answered 500: failed to write config: no space left on device", excerpt: '{"error":"failed to write config: open /var/lib/zooid/config/01k….toml: no space left on device"}', at: at + index * 9000 }));
  relays.slice(30, 37).forEach((relay, index) => world.fail(relay, { kind: "conflict", status: 409, message: `zooid answered 409: host ${relay.host} is already in use`, pattern: "zooid answered 409: host … is already in use", excerpt: '{"error":"host is already in use"}', final: true, at: at - 5_000_000 + index * 100_000 }));
  relays.slice(40, 43).forEach((relay) => world.fail(relay, { kind: "our_fault", status: null, message: "cannot render the settings of blossom.s3.region", pattern: "cannot render the settings of …", at: at - 900_000 }));
  relays.slice(40, 42).forEach((relay) => (relay.state = "quarantined"));
  relays.slice(50, 54).forEach((relay) => Object.assign(relay, { state: "held", generation: 2, since: now() - 200_000 }));
  relays.slice(54, 56).forEach((relay) => Object.assign(relay, { state: "paused", generation: 3, since: now() - 5_200_000 }));
  relays.slice(56, 60).forEach((relay) => Object.assign(relay, { state: "pending", generation: 2, since: now() - 900 }));
  relays.slice(60, 62).forEach((relay) => Object.assign(relay, { state: "running", generation: 2, since: now() - 1500 }));
  Object.assign(world.targets.get(domains[1]), { circuit_state: "open", circuit_since: now() - 340_000, circuit_reason: "five failures in a row: connection refused", failures: 5, next_probe_at: now() + 24_000 });
  world.audit("retry", "relay", relays[30].id, 1);
  world.audit("pause", "relay", relays[54].id, 1);
  world.audit("bulk_retry", "bulk", "group 1", 120, { group: ["1"] });
  world.audit("probe_target", "target", domains[1], 1);
}

export function createMock({ role = "admin", live = false, relays = 320 } = {}) {
  const world = new World();
  populate(world, relays);
  if (live) {
    setInterval(() => {
      const all = [...world.relays.values()];
      const relay = all[Math.floor(Math.random() * all.length)];
      if (relay.state === "synced" || relay.state === "retrying") {
        relay.generation += 1;
        relay.since ??= now();
        world.run(relay);
      }
    }, 1500).unref();
  }
  const sockets = new Set();
  const handler = async (request, response) => {
    const url = new URL(request.url, "http://mock");
    const answer = (status, data, headers = {}) => {
      response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers });
      response.end(JSON.stringify(data));
    };
    try {
      const cookie = /caravel_session=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
      const session = world.sessions.get(cookie);
      const signIn = (as) => {
        const id = randomBytes(16).toString("hex");
        world.sessions.set(id, { pubkey: ADMIN, role: as ?? role, csrf: randomBytes(16).toString("hex"), expires_at: now() + 43_200_000 });
        answer(200, { data: world.sessions.get(id), code: "ok" }, { "Set-Cookie": `caravel_session=${id}; HttpOnly; SameSite=Strict; Path=/` });
      };
      const { pathname: path } = url;
      if (path === "/dashboard/session") {
        if (request.method === "POST") return (request.headers.authorization ?? "").startsWith("Nostr ") ? signIn() : answer(401, { error: "not signed", code: "unauthorized" });
        if (request.method === "DELETE") return world.sessions.delete(cookie), answer(200, { data: {}, code: "ok" });
        return session ? answer(200, { data: session, code: "ok" }) : answer(401, { error: "nobody is signed in", code: "unauthorized" });
      }
      if (path === "/dashboard/session/link") {
        const { token } = await bodyOf(request);
        const known = world.links.has(token);
        const as = world.links.get(token);
        world.links.delete(token);
        return known ? signIn(as) : answer(401, { error: "this link was used already or is too old", code: "unauthorized" });
      }
      if (path.startsWith("/dashboard/assets/") || path === "/dashboard" || path.startsWith("/dashboard/")) {
        const name = path.startsWith("/dashboard/assets/") ? normalize(path.slice(18)) : "index.html";
        const bytes = await readFile(join(ASSETS, name)).catch(() => null);
        if (!bytes || name.startsWith("..")) return answer(404, { error: "there is no such file", code: "not-found" });
        response.writeHead(200, { "Content-Type": TYPES[extname(name)] ?? "text/plain", "Content-Encoding": "gzip", "Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-cache" });
        return response.end(gzipSync(bytes));
      }
      if (!session) return answer(401, { error: "the request is not signed as the route asks for", code: "unauthorized" });
      if (path === "/events") {
        response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
        response.write(`id: ${world.seq}\nevent: hello\ndata: {"seq":${world.seq}}\n\n`);
        world.clients.add(response);
        const beat = setInterval(() => response.write(": still here\n\n"), 15_000);
        request.on("close", () => (clearInterval(beat), world.clients.delete(response)));
        return undefined;
      }
      if (request.method === "GET") return answer(200, { data: read(world, path, url.searchParams), code: "ok" });
      if (request.headers["x-csrf-token"] !== session.csrf) return answer(403, { error: "the CSRF token is missing or wrong", code: "forbidden" });
      if (session.role !== "admin") return answer(403, { error: "the signer may only read", code: "forbidden" });
      return answer(200, { data: write(world, path, await bodyOf(request)), code: "ok" });
    } catch (error) {
      if (error instanceof Refusal) return answer(error.status, { error: error.message, code: error.code });
      console.error(error);
      return answer(500, { error: "something is wrong on our side", code: "internal" }, { "x-request-id": "01kmock" });
    }
  };
  let server = null;
  const start = (port) =>
    new Promise((resolve) => {
      server = createServer(handler);
      server.on("connection", (socket) => (sockets.add(socket), socket.on("close", () => sockets.delete(socket))));
      server.listen(port, "127.0.0.1", () => resolve(server.address().port));
    });
  const stop = () =>
    new Promise((resolve) => {
      server.close(resolve);
      sockets.forEach((socket) => socket.destroy());
    });
  return { start, stop, world, control: (name, body, base) => control(world, name, body, base) };
}

/** The mock and the server that tests set their scene with, on ports of their own. */
export async function serveMock(port = 0, controlPort = 0, options = {}) {
  const mock = createMock(options);
  const taken = await mock.start(port);
  const base = `http://localhost:${taken}`;
  const controls = createServer(async (request, response) => {
    try {
      const name = new URL(request.url, "http://mock").pathname.slice(1);
      const body = await bodyOf(request);
      const data = name === "stop" ? await mock.stop() : name === "start" ? await mock.start(taken) : mock.control(name, body, base);
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(JSON.stringify(data ?? {}));
    } catch (error) {
      response.writeHead(500);
      response.end(String(error));
    }
  });
  await new Promise((resolve) => controls.listen(controlPort, "127.0.0.1", resolve));
  return { base, control: `http://localhost:${controls.address().port}`, close: () => (controls.close(), mock.stop()) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { base, control: controlBase } = await serveMock(Number(process.argv[2] ?? 8099), Number(process.argv[3] ?? 8098), { live: Boolean(process.env.MOCK_LIVE), role: process.env.MOCK_ROLE ?? "admin" });
  console.log(`${base}/dashboard, its scene is set at ${controlBase}`);
}
