//! What operators read, over HTTP.

use serde_json::{Value, json};
use shared::db::{SqlError, WriteError, WriteTx};

use crate::harness::*;

#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// An attempt of every relay that failed: zooid could not be reached.
const UNREACHABLE: &[&str] = &[
    "INSERT INTO failure_group (fingerprint, target, kind, pattern, message, attempts, first_seen_at, last_seen_at)
     VALUES ('f', 'spaces.caravel.example', 'unreachable', 'cannot reach <host>', 'cannot reach zooid.internal', 1, 1, 2)",
    "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, target, failure_group_id, started_at)
     SELECT relay.id, 1, Jobs.id, 1, 'w', 'spaces.caravel.example', 1, 1799999990000
     FROM relay INNER JOIN Jobs ON Jobs.idempotency_key = relay.id ORDER BY relay.id",
    "UPDATE sync_attempt SET finished_at = 1799999991000, outcome = 'failed', kind = 'unreachable', verb = 'POST',
                             message = 'cannot reach zooid.internal'",
    "UPDATE relay_sync SET failure_kind = 'unreachable', sync_error = 'Later.', failure_group_id = 1, failure_streak = 1",
    "UPDATE Jobs SET attempts = 1, run_at = 1800000040",
];

/// A worker that has just beaten.
const ALIVE: &[&str] = &[
    "INSERT INTO Workers (id, worker_type, storage_name, last_seen) VALUES ('w', 'sync_relay', 'caravel', 0)",
    "INSERT INTO worker_heartbeat (worker_id, beat_at, started_at, pid, slots) VALUES ('w', 1799999999000, 1799999000000, 7, 16)",
];

/// zooid has accepted everything once, with these settings.
const ACCEPTED: &[&str] = &[
    r#"UPDATE relay_sync SET synced_generation = 1, synced_at = 1, accepted = '{"info":{"name":"Old"},"push":{"enabled":true}}'"#,
];

/// A worker has seen everything in effect, two seconds before now.
const LIVE: &[&str] = &[
    "INSERT INTO relay_observation (relay_id, target, due_at, live_generation, live_at, observed_generation, observed_at, observed)
     SELECT id, zooid_domain, 0, 1, 1799999998000, 1, 1799999998000,
         json_object('self', NULL, 'pubkey', tenant_pubkey, 'name', 'Old', 'icon', '', 'description', '')
     FROM relay",
];

/// Since a second ago it shows another name, and has been sent again.
const DRIFTED: &[&str] = &[r#"UPDATE relay_observation
       SET observed_at = 1799999999000, observed = json_set(observed, '$.name', 'Other'), drift_since = 1799999999000,
           drift = '["name"]', healed_at = 1799999999000, heals = 1"#];

impl Api {
    async fn read(&self, path: &str) -> Value {
        self.get(path).signing(&self.reader).send().await.data()
    }

    /// Arranges what only workers write.
    async fn sql(&self, statements: &'static [&'static str]) {
        self.db
            .write(async move |tx: &mut WriteTx| -> Result<(), TestError> {
                for statement in statements {
                    sqlx::query(*statement).execute(&mut *tx).await?;
                }
                Ok(())
            })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_waiting_relay_is_listed_with_its_job() {
    let api = start().await;
    let relay = api.relay("waiting").await;

    let list = api.read("/operator/syncs").await;

    let mut expected = json!({
        "relay_id": relay["id"],
        "tenant_pubkey": relay["tenant_pubkey"],
        "subdomain": "waiting",
        "zooid_domain": RELAY_DOMAIN,
        "host": format!("waiting.{RELAY_DOMAIN}"),
        "name": "",
        "status": "active",
        "state": "pending",
        "sync_error": "",
        "generation": 1,
        "synced_generation": 0,
        "failed_generation": null,
        "failure": null,
        "attempts": 0,
        "max_attempts": 25,
        "next_attempt_at": NOW,
        "live_at": null,
        "out_of_step_since": null,
        "last_attempt": null,
        "removed_at": null,
    });
    // Set by the write that made it dirty, where that is known.
    expected["out_of_step_since"] = list["items"][0]["out_of_step_since"].clone();
    assert_eq!(list, json!({"items": [expected], "next": null}));
}

#[tokio::test]
async fn a_failed_relay_is_found_by_every_filter_and_text_that_fits_and_no_other() {
    let api = start().await;
    let relay = api.relay("acme").await;
    api.sql(UNREACHABLE).await;
    let id = relay["id"].as_str().unwrap();
    let tenant = relay["tenant_pubkey"].as_str().unwrap();
    let attempts = api.read("/operator/attempts").await;
    let job = attempts["items"][0]["job_id"].as_str().unwrap();
    let found = async |query: String| {
        let list = api.read(&format!("/operator/syncs?{query}")).await;
        list["items"].as_array().unwrap().len()
    };

    for query in [
        "state=retrying,failed".to_owned(),
        "kind=unreachable".to_owned(),
        "group=1&order=created".to_owned(),
        format!("target={RELAY_DOMAIN}"),
        "since=1799999990000".to_owned(),
        "until=1799999990001".to_owned(),
        format!("q={id}"),
        format!("q={}", &id[..6]),
        format!("q={tenant}"),
        format!("q={job}"),
        "q=ac".to_owned(),
        format!("q=acme.{RELAY_DOMAIN}"),
        "q=cannot%20reach".to_owned(),
        "q=cannot%20reach&order=created".to_owned(),
        "q=acme&state=retrying&kind=unreachable&group=1".to_owned(),
    ] {
        assert_eq!(found(query.clone()).await, 1, "{query}");
    }
    for query in [
        "state=pending".to_owned(),
        "kind=conflict".to_owned(),
        "group=2".to_owned(),
        "target=rooms.example.com".to_owned(),
        "since=1799999990001".to_owned(),
        "until=1799999990000".to_owned(),
        "q=cme".to_owned(),
        "q=zooid%20is%20fine".to_owned(),
        format!("q=other.{RELAY_DOMAIN}"),
        "q=acme&state=pending".to_owned(),
        "q=acme&kind=conflict&order=created".to_owned(),
    ] {
        assert_eq!(found(query.clone()).await, 0, "{query}");
    }
}

#[tokio::test]
async fn a_filter_that_cannot_be_is_refused_by_its_name() {
    let api = start().await;
    for (path, field) in [
        ("/operator/syncs?state=lost", "state"),
        ("/operator/syncs?kind=invalid,odd", "kind"),
        ("/operator/syncs?group=one", "group"),
        ("/operator/syncs?limit=0", "limit"),
        ("/operator/syncs?limit=201", "limit"),
        ("/operator/syncs?since=now", "since"),
        ("/operator/syncs?order=name", "order"),
        ("/operator/syncs?cursor=7", "cursor"),
        ("/operator/syncs?states=failed", "states"),
        ("/operator/series?step=0", "step"),
        ("/operator/series?minutes=20161", "minutes"),
        ("/operator/attempts?outcome=good", "outcome"),
        ("/operator/groups?cursor=x", "cursor"),
        ("/operator/workers?target=x", "target"),
    ] {
        let reply = api.get(path).signing(&api.admin).send().await;
        assert_eq!(reply.outcome(), (422, "filter-invalid"), "{path}");
        assert_eq!(reply.json["field"], field, "{path}");
    }
}

#[tokio::test]
async fn one_page_follows_the_other() {
    let api = start().await;
    for subdomain in ["a", "b", "c", "d", "e"] {
        api.relay(subdomain).await;
    }
    for order in ["news", "created"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/operator/syncs?limit=2&order={order}&cursor={cursor}");
            let page = api.read(&path).await;
            let items = page["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item["subdomain"].clone()));
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        let mut names: Vec<&str> = seen.iter().map(|name| name.as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "b", "c", "d", "e"], "{order}");
    }
}

#[tokio::test]
async fn the_overview_counts_what_the_lists_show() {
    let api = start().await;
    api.relay("acme").await;
    api.relay("club").await;
    api.sql(UNREACHABLE).await;
    api.sql(ALIVE).await;
    api.sql(&["INSERT INTO target (name, circuit_since, paused_at) VALUES ('spaces.caravel.example', 1, 1799999999)"]).await;

    let overview = api.read("/operator/overview").await;

    assert_eq!(overview["relays"]["total"], 2);
    assert_eq!(overview["relays"]["held"], 2);
    assert_eq!(overview["relays"]["retrying"], 0);
    assert_eq!(overview["queue"]["waiting"], 2);
    assert_eq!(overview["queue"]["oldest_due_at"], Value::Null);
    assert_eq!(
        overview["workers"],
        json!({"alive": 1, "dead": 0, "stopped": 0, "slots": 16, "running": 0})
    );
    assert_eq!(
        overview["per_minute"],
        json!({"accepted": 0, "failed": 2, "lost": 0})
    );
    assert_eq!(overview["targets"][0]["paused_at"], 1_799_999_999_000_i64);
    assert_eq!(overview["now"], NOW * 1000);
    let held = api.read("/operator/syncs?state=held").await;
    assert_eq!(held["items"].as_array().unwrap().len(), 2);
    let elsewhere = api
        .read("/operator/overview?target=rooms.example.com")
        .await;
    assert_eq!(elsewhere["relays"]["total"], 0);
}

#[tokio::test]
async fn a_series_has_every_point_and_percentiles_of_its_lags() {
    let api = start().await;
    api.sql(&[
        "INSERT INTO sync_minute (minute, target, accepted, failed, lost) VALUES (29999998, 't', 4, 1, 0), (29999999, 't', 2, 0, 1)",
        "INSERT INTO sync_lag (minute, target, upper_ms, syncs) VALUES (29999998, 't', 70, 99), (29999999, 't', 500, 1)",
    ])
    .await;

    let series = api.read("/operator/series?minutes=10&step=5").await;

    assert_eq!(
        series,
        json!({"step_minutes": 5, "points": [
            {
                "at": 29_999_995 * 60_000_i64, "accepted": 6, "failed": 1, "lost": 1,
                "lag_p50_ms": 70, "lag_p95_ms": 70, "lag_p99_ms": 70,
            },
            {
                "at": 30_000_000 * 60_000_i64, "accepted": 0, "failed": 0, "lost": 0,
                "lag_p50_ms": null, "lag_p95_ms": null, "lag_p99_ms": null,
            },
        ]})
    );
}

#[tokio::test]
async fn failures_are_grouped_by_cause() {
    let api = start().await;
    api.relay("acme").await;
    api.relay("club").await;
    api.sql(UNREACHABLE).await;

    let groups = api.read("/operator/groups?kind=unreachable").await;

    let group = &groups["items"][0];
    assert_eq!(
        (&group["relays"], &group["kind"]),
        (&json!(2), &json!("unreachable"))
    );
    assert_eq!(group["message"], "cannot reach zooid.internal");
    assert!(group["next_step"].as_str().unwrap().ends_with('.'));
    assert_eq!(
        api.read("/operator/groups?kind=conflict").await["items"],
        json!([])
    );
}

#[tokio::test]
async fn attempts_are_listed_newest_first_and_narrowed() {
    let api = start().await;
    api.relay("acme").await;
    let club = api.relay("club").await;
    api.sql(UNREACHABLE).await;
    let count = async |query: &str| {
        let list = api.read(&format!("/operator/attempts?{query}")).await;
        list["items"].as_array().unwrap().len()
    };

    let all = api.read("/operator/attempts").await;

    assert_eq!(all["items"][0]["id"], 2);
    assert_eq!(all["items"][0]["duration_ms"], 1000);
    let id = club["id"].as_str().unwrap();
    let of_club = api.read(&format!("/operator/attempts?relay={id}")).await;
    let job = of_club["items"][0]["job_id"].as_str().unwrap();
    for (query, expected) in [
        ("outcome=failed,lost", 2),
        ("outcome=accepted", 0),
        ("worker=w", 2),
        ("worker=x", 0),
        ("kind=unreachable&group=1", 2),
        ("target=spaces.caravel.example", 2),
        (&format!("relay={id}"), 1),
        (&format!("job={job}"), 1),
        (&format!("relay={id}&job={job}"), 1),
        ("q=club", 1),
        ("q=reach", 2),
        (&format!("q=club&relay={id}"), 1),
        ("since=1799999990001", 0),
        ("until=1799999990001", 2),
    ] {
        assert_eq!(count(query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_relay_is_explained_with_what_it_would_be_sent() {
    let api = start().await;
    let relay = api.relay("acme").await;
    api.sql(UNREACHABLE).await;
    api.sql(ALIVE).await;
    let path = format!("/operator/relays/{}", relay["id"].as_str().unwrap());

    let report = api.read(&path).await;

    assert_eq!(report["explanation"]["code"], "retrying");
    assert_eq!(
        report["explanation"]["sentence"],
        "Waiting until 08:00:40 UTC (in 40 s) for attempt 2 of 25; the last one failed: zooid cannot be reached, or a \
         gateway before it says so."
    );
    assert_eq!(report["job"]["state"], "waiting");
    assert_eq!(report["attempts"].as_array().unwrap().len(), 1);
    let events: Vec<&Value> = report["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["event"])
        .collect();
    assert_eq!(events, ["attempt", "failed", "created", "enqueued"]);
    let next = &report["next_request"];
    assert_eq!(next["verb"], "POST");
    assert_eq!(next["body"]["secret"], "<secret>");
    assert_eq!(next["body"]["host"], format!("acme.{RELAY_DOMAIN}"));
    assert!(
        report["diff"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["changed"] == true)
    );
    let unknown = api.get("/operator/relays/01j00000000000000000000000");
    assert_eq!(
        unknown.signing(&api.admin).send().await.outcome(),
        (404, "not-found")
    );
}

#[tokio::test]
async fn a_relay_in_step_is_to_be_sent_nothing_and_shows_what_differs() {
    let api = start().await;
    let relay = api.relay("acme").await;
    api.sql(ACCEPTED).await;
    let path = format!("/operator/relays/{}", relay["id"].as_str().unwrap());

    let report = api.read(&path).await;

    assert_eq!(report["explanation"]["code"], "in_step");
    assert_eq!(report["next_request"], Value::Null);
    let row = |field: &str| {
        let rows = report["diff"].as_array().unwrap();
        rows.iter()
            .find(|row| row["field"] == field)
            .unwrap()
            .clone()
    };
    assert_eq!(
        row("info.name"),
        json!({
            "field": "info.name", "desired": "", "accepted": "Old", "changed": true, "secret": false, "evidence": "assumed",
            "observed": null,
        })
    );
    assert_eq!(row("push.enabled")["changed"], false);
}

#[tokio::test]
async fn what_was_seen_of_a_relay_is_told_to_its_tenant_and_field_by_field_to_operators() {
    let api = start().await;
    let relay = api.relay("acme").await;
    api.sql(ACCEPTED).await;
    let id = relay["id"].as_str().unwrap();
    let (path, sync) = (format!("/relays/{id}"), format!("/relays/{id}/sync"));
    let live_at = async || {
        let relay = api.get(&path).by(&api.owner).send().await.data();
        let sync = api.get(&sync).by(&api.owner).send().await.data();
        (relay["live_at"].clone(), sync["live_at"].clone())
    };
    let explained = format!("/operator{path}");
    assert_eq!(api.read(&explained).await["observation"], Value::Null);

    api.sql(LIVE).await;
    assert_eq!(live_at().await, (json!(NOW - 2), json!(NOW - 2)));
    let report = api.read(&explained).await;
    assert_eq!(report["explanation"]["code"], "in_step");
    let evidence: Vec<(&str, &Value)> = report["diff"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["evidence"] == "observed")
        .map(|row| (row["field"].as_str().unwrap(), &row["observed"]))
        .collect();
    assert_eq!(
        evidence,
        [
            ("info.description", &json!("")),
            ("info.icon", &json!("")),
            ("info.name", &json!("Old")),
            ("info.pubkey", &relay["tenant_pubkey"]),
        ]
    );

    api.sql(DRIFTED).await;
    assert_eq!(live_at().await, (Value::Null, Value::Null));
    let report = api.read(&explained).await;
    assert_eq!(report["explanation"]["code"], "drifted");
    assert_eq!(
        report["observation"],
        json!({
            "live_generation": 1,
            "live_at": 1_799_999_998_000_i64,
            "observed_generation": 1,
            "observed_at": 1_799_999_999_000_i64,
            "document": {
                "self": null, "pubkey": relay["tenant_pubkey"], "name": "Other", "icon": "", "description": "",
            },
            "drift_since": 1_799_999_999_000_i64,
            "drift": ["name"],
            "healed_at": 1_799_999_999_000_i64,
            "heals": 1,
        })
    );
}

#[tokio::test]
async fn secrets_of_the_installation_are_compared_and_never_shown() {
    let livekit = [
        ("LIVEKIT_URL", "wss://rooms.example.com"),
        ("LIVEKIT_API_KEY", "lk-key-word"),
        ("LIVEKIT_API_SECRET", "lk-secret-word"),
    ];
    let api = start_with(&livekit).await;
    let mut input = relay_input("acme");
    input["plan_id"] = json!("basic");
    let created = api
        .post("/relays")
        .signing(&api.owner)
        .json(&input)
        .send()
        .await
        .data();
    let path = format!("/operator/relays/{}", created["id"].as_str().unwrap());

    let report = api.read(&path).await;

    let rows = report["diff"].as_array().unwrap();
    let secret = rows
        .iter()
        .find(|row| row["field"] == "livekit.api_secret")
        .unwrap();
    assert_eq!(
        secret,
        &json!({
            "field": "livekit.api_secret", "desired": null, "accepted": null, "changed": true, "secret": true, "evidence": null,
            "observed": null,
        })
    );
    assert_eq!(
        report["next_request"]["body"]["livekit"]["api_key"],
        "<secret>"
    );
    assert_eq!(
        report["next_request"]["body"]["blossom"]["adapter"],
        "configured at the worker"
    );
    assert!(!report.to_string().contains("-word"));
}

#[tokio::test]
async fn a_worker_that_fell_silent_is_not_alive_even_if_nobody_noticed() {
    let api = start().await;
    api.sql(ALIVE).await;
    let alive = async || api.read("/operator/workers").await["items"][0]["alive"].clone();

    assert_eq!(alive().await, true);
    api.clock.advance(std::time::Duration::from_secs(20));
    assert_eq!(alive().await, false);
    assert_eq!(api.read("/operator/overview").await["workers"]["dead"], 1);
}

#[tokio::test]
async fn the_record_of_actions_is_read_newest_first_and_narrowed() {
    let api = start().await;
    api.sql(&[
        "INSERT INTO operator_action (id, acted_at, actor, action, resource_type, resource_id, affected, detail)
         VALUES ('a', 1, 'shell', 'pause', 'queue', '', 1, '{}'), ('b', 2, 'shell', 'retry', 'relay', 'r', 1, '{\"why\":1}')",
    ])
    .await;

    let all = api.read("/operator/audit?limit=1").await;
    let rest = api.read("/operator/audit?limit=1&cursor=2").await;
    let relays = api
        .read("/operator/audit?resource_type=relay&resource_id=r&actor=shell&action=retry")
        .await;

    assert_eq!(
        (&all["items"][0]["id"], &all["next"]),
        (&json!("b"), &json!("2"))
    );
    assert_eq!(all["items"][0]["detail"], json!({"why": 1}));
    assert_eq!(
        (&rest["items"][0]["id"], &rest["next"]),
        (&json!("a"), &Value::Null)
    );
    assert_eq!(relays["items"].as_array().unwrap().len(), 1);
}
