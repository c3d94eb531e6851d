//! A zooid beside the API, and what a worker would have done.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nostr::prelude::*;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use shared::command::CommandError;
use shared::db::WriteTx;
use shared::domain::{ABSENT, AttemptId, FailureKind, Generation, SyncFailure, Verb};
use shared::queue::RetryPolicy;
use shared::queue::outcome::Run;
use shared::zooid::nip98;
use zooid_sim::{SimConfig, ZooidSim};

use crate::harness::*;

/// The API, and the zooid that it is configured for.
pub struct WithZooid {
    pub api: Api,
    pub sim: ZooidSim,
    signing: Keys,
    _folder: tempfile::TempDir,
}

pub async fn start_with_zooid(variables: &[(&str, &str)]) -> WithZooid {
    let folder = tempfile::tempdir().unwrap();
    let signing = Keys::generate();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs());
    let sim = ZooidSim::start(SimConfig {
        whitelist: vec![signing.public_key().to_hex()],
        clock: Arc::new(move || now),
        ..SimConfig::new(folder.path())
    })
    .await
    .unwrap();
    let (url, secret) = (sim.api_url(), signing.secret_key().to_secret_hex());
    let mut all = vec![("ZOOID_API_URL", &*url), ("ZOOID_API_SECRET", &*secret)];
    all.extend(variables);
    let api = start_with(&all).await;
    WithZooid {
        api,
        sim,
        signing,
        _folder: folder,
    }
}

impl WithZooid {
    /// A relay of `owner`'s that zooid has accepted, with so many members.
    pub async fn accepted(&self, subdomain: &str, plan: &str, members: usize) -> Value {
        let mut input = relay_input(subdomain);
        input["plan_id"] = json!(plan);
        let call = self.api.post("/relays").by(&self.api.owner).json(&input);
        let relay = call.send().await.data();
        let id = relay["id"].as_str().unwrap();
        self.put_into_zooid(id).await;
        let keys = (0..members).map(|_| Keys::generate().public_key().to_hex());
        self.sim.set_members(id, keys);
        mark_synced(&self.api, id).await;
        relay
    }

    async fn put_into_zooid(&self, id: &str) {
        let url = format!("{}/relay/{id}", self.sim.api_url());
        let body = json!({
            "host": format!("{id}.example.com"),
            "schema": format!("s_{id}"),
            "secret": "01".repeat(32),
            "info": {"pubkey": self.api.owner.public_key().to_hex()},
        })
        .to_string();
        let authorization = nip98::authorization(
            &self.api.clock,
            &self.signing,
            &url,
            Some("POST"),
            Some(body.as_bytes()),
        )
        .unwrap();
        let reply = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(url)
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), 201);
    }
}

/// Notes that zooid has the relay's newest generation, as a worker's turn does.
pub async fn mark_synced(api: &Api, id: &str) {
    let id = id.to_owned();
    api.db
        .write(async move |tx: &mut WriteTx| {
            sqlx::query(
                "UPDATE relay_sync
                 SET synced_generation = desired_generation, synced_at = $2, accepted = '{}'
                 WHERE relay_id = $1",
            )
            .bind(id)
            .bind(NOW * 1000)
            .execute(&mut *tx)
            .await?;
            Ok::<_, CommandError>(())
        })
        .await
        .unwrap();
}

/// Lets a worker take the relay's waiting job, as a claim does.
pub async fn claim(api: &Api, relay: &Value) -> Run {
    let id = relay["id"].as_str().unwrap().to_owned();
    let generation = relay["generation"].as_i64().unwrap();
    let (job, attempt): (String, i64) = api
        .db
        .write(async move |tx: &mut WriteTx| {
            sqlx::query(
                "INSERT INTO Workers (id, worker_type, storage_name)
                 VALUES ('w', 'sync_relay', 'caravel')
                 ON CONFLICT (id) DO NOTHING",
            )
            .execute(&mut *tx)
            .await?;
            let job: String = sqlx::query_scalar(
                "UPDATE Jobs
                 SET status = 'Running', lock_by = 'w', attempts = attempts + 1,
                     idempotency_key = idempotency_key || ':running'
                 WHERE idempotency_key = $1
                 RETURNING id",
            )
            .bind(&id)
            .fetch_one(&mut *tx)
            .await?;
            let attempt = sqlx::query_scalar(
                "INSERT INTO sync_attempt (relay_id, target, number, job_id, generation, worker_id, started_at)
                 SELECT relay_id, target, attempt_count + 1, $2, $3, 'w', $4
                 FROM relay_sync
                 WHERE relay_id = $1
                 RETURNING id",
            )
            .bind(&id)
            .bind(&job)
            .bind(generation)
            .bind(NOW * 1000)
            .fetch_one(&mut *tx)
            .await?;
            Ok::<_, CommandError>((job, attempt))
        })
        .await
        .unwrap();
    Run {
        job: job.parse().unwrap(),
        attempt: AttemptId::new(attempt),
        relay: relay["id"].as_str().unwrap().parse().unwrap(),
        target: RELAY_DOMAIN.parse().unwrap(),
        host: format!("{}.{RELAY_DOMAIN}", relay["subdomain"].as_str().unwrap()),
        generation: Generation::try_from(generation).unwrap(),
        attempts: 1,
        max_attempts: 25,
    }
}

/// Lets zooid accept the newest generation of the relay, in the eyes of a worker.
pub async fn accept(api: &Api, relay: &Value) {
    let run = claim(api, relay).await;
    api.command()
        .complete_relay_sync(run, Verb::Post, 201, "{}".to_owned())
        .await
        .unwrap();
}

/// Lets zooid confirm that it has no file of the removed relay, in the eyes of a worker.
pub async fn confirm_removal(api: &Api, relay: &Value) {
    let run = claim(api, relay).await;
    api.command()
        .complete_relay_sync(run, Verb::Delete, 200, ABSENT.to_owned())
        .await
        .unwrap();
}

/// Lets zooid refuse it for good.
pub async fn refuse(api: &Api, relay: &Value) {
    let run = claim(api, relay).await;
    let failure = SyncFailure {
        kind: FailureKind::Invalid,
        status: Some(400),
        message: "schema is required".to_owned(),
        excerpt: None,
        retry_after: None,
        taken: None,
    };
    let policy = RetryPolicy {
        base: Duration::from_secs(1),
        cap: Duration::from_mins(15),
        max_attempts: 25,
        call_deadline: Duration::from_secs(5),
        settle_after: Duration::from_mins(1),
    };
    api.command()
        .fail_relay_sync(policy, run, Some(Verb::Post), failure)
        .await
        .unwrap();
}
