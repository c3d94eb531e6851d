//! What supervisors and monitoring are told.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};

use crate::harness::*;

const TOKEN: &str = "a-token-of-20-letters";

#[tokio::test]
async fn an_api_is_ready_until_its_database_is_another_file() {
    let api = start().await;
    assert_eq!(api.get("/readyz").send().await.outcome(), (200, "ok"));

    std::fs::rename(api.db.path(), api.dir.path().join("moved.db")).unwrap();

    let reply = api.get("/readyz").send().await;
    assert_eq!(reply.outcome(), (503, "database-replaced"));
    assert!(reply.headers.contains_key("retry-after"));
    // It lives all the same.
    assert_eq!(api.get("/healthz").send().await.status, 200);
}

#[tokio::test]
async fn metrics_are_for_whoever_knows_the_token() {
    let api = start_with(&[("METRICS_TOKEN", TOKEN)]).await;
    let ask = async |header: &str| {
        let call = api.get("/metrics").authorization(header);
        call.send_raw().await
    };

    let told = ask(&format!("Bearer {TOKEN}")).await;

    assert_eq!(told.status(), 200);
    assert_eq!(
        told.headers()[CONTENT_TYPE],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(told.text().await.unwrap().ends_with("# EOF\n"));
    assert_eq!(ask("Bearer another-token-altogether").await.status(), 404);
    let signed = api.session(&api.admin);
    assert_eq!(ask(&signed).await.status(), 404);
    let nobody = api.get("/metrics").send().await;
    assert_eq!(nobody.outcome(), (404, "not-found"));
}

#[tokio::test]
async fn requests_are_counted_by_route_and_nothing_that_a_client_makes_up() {
    let api = start_with(&[("METRICS_TOKEN", TOKEN)]).await;
    api.relay("counted").await;
    api.get("/plans/free").send().await;
    api.get("/made-up-path").send().await;
    api.call("MADEUP", "/plans").send().await;

    let scrape = async || {
        let call = api.get("/metrics");
        let call = call.header(AUTHORIZATION, format!("Bearer {TOKEN}").parse().unwrap());
        call.send_raw().await.text().await.unwrap()
    };
    let text = tokio::time::timeout(Duration::from_secs(20), scrape())
        .await
        .unwrap();

    for labels in [
        r#"method="GET",route="/plans/{id}",status="200""#,
        r#"method="POST",route="/relays",status="201""#,
        r#"method="GET",route="none",status="404""#,
        r#"method="other",route="/plans",status="405""#,
    ] {
        let counted = format!("caravel_http_request_seconds_count{{{labels}}} ");
        assert!(text.contains(&counted), "no {counted} in {text}");
    }
    assert!(!text.to_lowercase().contains("made"), "{text}");
    assert!(!text.contains("counted"), "{text}");
    assert!(!text.contains(&api.owner.public_key().to_hex()), "{text}");
}
