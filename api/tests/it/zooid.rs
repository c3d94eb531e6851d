//! A zooid beside the API, and what a worker would have done.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nostr::prelude::*;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use shared::db::WriteTx;
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
            Ok::<_, shared::command::CommandError>(())
        })
        .await
        .unwrap();
}
