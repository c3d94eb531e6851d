//! Turning relays off and on, and the log of it.

use serde_json::{Value, json};

use crate::harness::*;

struct Relay<'a> {
    api: &'a Api,
    id: String,
}

impl Relay<'_> {
    async fn post(&self, verb: &str, keys: &nostr::key::Keys) -> Reply {
        let path = format!("/relays/{}/{verb}", self.id);
        self.api.post(path).by(keys).send().await
    }

    async fn status(&self) -> Value {
        let path = format!("/relays/{}", self.id);
        let relay = self.api.get(path).by(&self.api.owner).send().await.data();
        relay["status"].clone()
    }

    async fn mark_delinquent(&self) {
        let path = format!("/relays/{}/delinquent", self.id);
        let marked = self.api.put(path).signing(&self.api.admin).send().await;
        assert_eq!(marked.status, 200);
    }
}

async fn relay(api: &Api) -> Relay<'_> {
    let id = api.relay("switch").await["id"].as_str().unwrap().to_owned();
    Relay { api, id }
}

#[tokio::test]
async fn turning_off_twice_and_on_twice_is_logged_once_each() {
    let api = start().await;
    let relay = relay(&api).await;

    let mut answers = Vec::new();
    for verb in ["deactivate", "deactivate", "reactivate", "reactivate"] {
        let data = relay.post(verb, &api.owner).await.data();
        answers.push((data["status"].clone(), data["generation"].clone()));
    }

    assert_eq!(
        answers,
        [
            (json!("inactive"), json!(2)),
            (json!("inactive"), json!(2)),
            (json!("active"), json!(3)),
            (json!("active"), json!(3)),
        ]
    );
    assert_eq!(
        api.activity_types(&relay.id).await,
        ["activate_relay", "deactivate_relay", "create_relay"]
    );
}

#[tokio::test]
async fn a_delinquent_relay_is_reactivated_by_admins_only() {
    let api = start().await;
    let relay = relay(&api).await;
    relay.mark_delinquent().await;

    let refused = relay.post("reactivate", &api.owner).await;
    assert_eq!(refused.outcome(), (422, "relay-delinquent"));
    assert_eq!(relay.status().await, "delinquent");

    let allowed = relay.post("reactivate", &api.admin).await;
    assert_eq!(allowed.data()["status"], "active");
}

#[tokio::test]
async fn deactivating_a_delinquent_relay_does_not_launder_it() {
    let api = start().await;
    let relay = relay(&api).await;
    relay.mark_delinquent().await;

    assert_eq!(relay.post("deactivate", &api.owner).await.status, 200);

    let refused = relay.post("reactivate", &api.owner).await;
    assert_eq!(refused.outcome(), (422, "relay-delinquent"));
}

#[tokio::test]
async fn an_activity_has_the_fields_that_clients_read() {
    let api = start().await;
    let relay = relay(&api).await;
    let path = format!("/relays/{}/activity", relay.id);

    let data = api.get(path).by(&api.owner).send().await.data();

    let id = &data["activity"][0]["id"];
    assert!(id.is_string());
    assert_eq!(
        data,
        json!({"activity": [{
            "id": id,
            "tenant_pubkey": api.owner.public_key().to_hex(),
            "created_at": NOW,
            "activity_type": "create_relay",
            "resource_type": "relay",
            "resource_id": relay.id,
        }]})
    );
}
