//! What clients ask of billing, and what the billing system writes down.

use serde_json::{Value, json};

use crate::harness::*;

impl Api {
    /// What the billing system sends.
    async fn bill(&self, method: &str, path: &str, body: Value) -> Reply {
        self.call(method, path)
            .signing(&self.admin)
            .json(&body)
            .send()
            .await
    }
}

#[tokio::test]
async fn there_are_no_invoices_and_reconciling_answers_the_tenant() {
    let api = start().await;
    let tenant = format!("/tenants/{}", api.owner.public_key().to_hex());
    let by_owner = |method: &str, path: &str| {
        api.call(method, format!("{tenant}{path}"))
            .by(&api.owner)
            .send()
    };

    assert_eq!(by_owner("GET", "/invoices").await.data(), json!([]));
    assert_eq!(by_owner("GET", "/invoices/draft").await.data(), Value::Null);
    let known = by_owner("GET", "").await.data();
    assert_eq!(by_owner("POST", "/reconcile").await.data(), known);
}

#[tokio::test]
async fn what_billing_says_of_a_tenant_is_read_back_until_it_is_taken_back() {
    let api = start().await;
    let tenant = format!("/tenants/{}", api.owner.public_key().to_hex());
    for (what, body, field, value) in [
        ("past-due", json!({}), "past_due_at", json!(NOW)),
        (
            "subscription",
            json!({"id": "sub_1"}),
            "stripe_subscription_id",
            json!("sub_1"),
        ),
        (
            "nwc-error",
            json!({"message": "No balance."}),
            "nwc_error",
            json!("No balance."),
        ),
    ] {
        let path = format!("{tenant}/{what}");

        let set = api.bill("PUT", &path, body).await.data();
        assert_eq!(set[field], value, "{what}");
        let read = api.get(&tenant).by(&api.owner).send().await.data();
        assert_eq!(read, set, "{what}");
        let cleared = api.bill("DELETE", &path, json!({})).await.data();
        assert_eq!(cleared[field], Value::Null, "{what}");
    }
}

#[tokio::test]
async fn a_subscription_item_is_noted_without_a_sync() {
    let api = start().await;
    let relay = api.relay("paid").await;
    let path = format!(
        "/relays/{}/subscription-item",
        relay["id"].as_str().unwrap()
    );

    let set = api.bill("PUT", &path, json!({"id": "si_1"})).await.data();
    let cleared = api.bill("DELETE", &path, json!({})).await.data();

    assert_eq!(set["stripe_subscription_item_id"], "si_1");
    assert_eq!(cleared["stripe_subscription_item_id"], Value::Null);
    assert_eq!(cleared["generation"], 1);
}

#[tokio::test]
async fn a_payment_revives_what_was_delinquent_and_never_what_its_owner_turned_off() {
    let api = start().await;
    let relay = api.relay("late").await;
    let id = relay["id"].as_str().unwrap();
    let path = format!("/relays/{id}/delinquent");

    let off = api.bill("PUT", &path, json!({})).await.data();
    let on = api.bill("DELETE", &path, json!({})).await.data();
    assert_eq!(
        (&off["status"], &on["status"]),
        (&json!("delinquent"), &json!("active"))
    );

    let deactivate = api.post(format!("/relays/{id}/deactivate"));
    deactivate.by(&api.owner).send().await.data();
    for method in ["PUT", "DELETE"] {
        let relay = api.bill(method, &path, json!({})).await.data();
        assert_eq!(relay["status"], "inactive", "{method}");
    }
}

#[tokio::test]
async fn what_names_nothing_is_404_and_what_says_nothing_is_422() {
    let api = start().await;
    let nobody = api.stranger.public_key().to_hex();
    let owner = api.owner.public_key().to_hex();
    for (path, body, expected) in [
        (
            format!("/tenants/{nobody}/past-due"),
            json!({}),
            (404, "not-found"),
        ),
        (
            format!("/tenants/{nobody}/subscription"),
            json!({"id": "sub_1"}),
            (404, "not-found"),
        ),
        (
            "/relays/01j00000000000000000000000/delinquent".to_owned(),
            json!({}),
            (404, "not-found"),
        ),
        (
            format!("/tenants/{owner}/subscription"),
            json!({}),
            (422, "field-required"),
        ),
        (
            format!("/tenants/{owner}/nwc-error"),
            json!({"message": "two\nlines"}),
            (422, "field-invalid"),
        ),
    ] {
        let reply = api.bill("PUT", &path, body).await;
        assert_eq!(reply.outcome(), expected, "{path}");
    }
}

#[tokio::test]
async fn what_billing_does_is_on_record_with_who_did_it_and_only_once() {
    let api = start().await;
    let relay = api.relay("billed").await;
    let id = relay["id"].as_str().unwrap();
    let owner = api.owner.public_key().to_hex();
    let (tenant, relay) = (format!("/tenants/{owner}"), format!("/relays/{id}"));
    let calls = [
        (&tenant, "past-due", json!({}), "past_due"),
        (
            &tenant,
            "subscription",
            json!({"id": "sub_1"}),
            "subscription",
        ),
        (
            &tenant,
            "nwc-error",
            json!({"message": "No balance."}),
            "nwc_error",
        ),
        (
            &relay,
            "subscription-item",
            json!({"id": "si_1"}),
            "subscription",
        ),
    ];
    let mut expected = Vec::new();
    for (base, what, body, name) in &calls {
        for (method, verb) in [("PUT", "set"), ("PUT", "set"), ("DELETE", "clear")] {
            let path = format!("{base}/{what}");
            api.bill(method, &path, body.clone()).await.data();
            expected.push(format!("{verb}_{name}"));
        }
    }
    for (method, action) in [("PUT", "mark_delinquent"), ("DELETE", "settle")] {
        for _ in 0..2 {
            let path = format!("{relay}/delinquent");
            api.bill(method, &path, json!({})).await.data();
            expected.push(action.to_owned());
        }
    }
    // What is so already is not done again.
    expected.dedup();

    let audit = api.get("/operator/audit").signing(&api.reader).send();
    let audit = audit.await.data();

    let mut lines = audit["items"].as_array().unwrap().clone();
    lines.reverse();
    let actions: Vec<_> = lines.iter().map(|line| line["action"].clone()).collect();
    assert_eq!(json!(actions), json!(expected));
    for line in &lines {
        assert_eq!(line["actor"], json!(api.admin.public_key().to_hex()));
        assert_eq!(line["affected"], 1);
        let known = [(json!("tenant"), json!(owner)), (json!("relay"), json!(id))];
        let of = (line["resource_type"].clone(), line["resource_id"].clone());
        assert!(known.contains(&of), "{line}");
        assert!(line["detail"]["trace"].is_string(), "{line}");
    }
    assert_eq!(lines[2]["detail"]["id"], "sub_1");
    assert!(!audit.to_string().contains("No balance."));
}
