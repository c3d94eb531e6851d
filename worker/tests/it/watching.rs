//! What a worker that runs alone answers over HTTP.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use shared::{
    crypto::SecretText,
    watch::{Health, WatchedWorker},
};
use tokio::net::TcpListener;
use worker::http::{Watched, serve};

use crate::fixture::{Fixture, SYNCED, accepted, domain};

struct Listening {
    address: String,
    client: reqwest::Client,
}

impl Listening {
    /// A worker at work, and its listener.
    async fn start(fixture: &Fixture, metrics_token: Option<&str>) -> Self {
        let worker = fixture
            .start(2, Duration::from_secs(30), async |_| accepted())
            .await;
        let clock = Arc::new(fixture.clock.clone());
        let health = Health::new(fixture.db.clone(), clock.clone());
        health.watch(WatchedWorker {
            id: worker.id.clone(),
            targets: vec![domain()],
            lease: Duration::from_secs(10),
            max_due: Duration::from_mins(1),
        });
        let watched = Watched {
            db: fixture.db.clone(),
            clock,
            health,
            metrics_token: metrics_token.map(SecretText::new),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(serve(listener, watched, fixture.stop.clone()));
        Self {
            address,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }

    /// Status and code.
    async fn outcome(&self, path: &str) -> (u16, String) {
        let response = self.get(path).send().await.unwrap();
        let status = response.status().as_u16();
        let json: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        (status, json["code"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_worker_that_works_is_ready_and_one_whose_database_is_gone_is_not() {
    let fixture = Fixture::new().await;
    let worker = Listening::start(&fixture, None).await;
    fixture.create("first").await;
    fixture.until(1, SYNCED).await;

    assert_eq!(worker.outcome("/healthz").await, (200, "ok".to_owned()));
    assert_eq!(worker.outcome("/readyz").await, (200, "ok".to_owned()));
    assert_eq!(
        worker.outcome("/nothing").await,
        (404, "not-found".to_owned())
    );

    std::fs::remove_file(fixture.db.path()).unwrap();
    assert_eq!(
        worker.outcome("/readyz").await,
        (503, "database-replaced".to_owned())
    );
}

#[tokio::test]
async fn metrics_are_for_everybody_there_unless_there_is_a_token() {
    let fixture = Fixture::new().await;
    let open = Listening::start(&fixture, None).await;
    let text = open.get("/metrics").send().await.unwrap().text().await;
    assert!(text.unwrap().contains("\ncaravel_workers_alive 1\n"));

    let fixture = Fixture::new().await;
    let closed = Listening::start(&fixture, Some("a-token-of-20-letters")).await;
    assert_eq!(closed.outcome("/metrics").await.0, 404);
    let ask = closed
        .get("/metrics")
        .header("authorization", "Bearer a-token-of-20-letters");
    assert_eq!(ask.send().await.unwrap().status(), 200);
}
