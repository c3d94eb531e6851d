//! The description of the API, for programs and for people.

use api::CODES;
use api::routes::table;
use serde_json::Value;

use crate::harness::*;

#[tokio::test]
async fn the_description_has_every_route_and_every_code() {
    let api = start_empty(&[]).await;

    let answer = api.get("/openapi.json").send_raw().await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    let description: Value = answer.json().await.unwrap();

    assert_eq!(description["openapi"], "3.1.0");
    let mut described = 0;
    for entry in table() {
        let method = entry.method.as_str().to_ascii_lowercase();
        let operation = &description["paths"][entry.path.replace("{*", "{")][&method];
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty(), "{method} {}", entry.path);
        let named = entry.path.matches('{').count();
        assert_eq!(operation["parameters"].as_array().unwrap().len(), named);
        described += 1;
    }
    let paths = description["paths"].as_object().unwrap().values();
    let operations: usize = paths.map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(operations, described);
    let codes = &description["components"]["schemas"]["Error"]["x-codes"];
    for code in CODES {
        assert_eq!(
            codes[code.code]["status"],
            code.status.as_u16(),
            "{}",
            code.code
        );
        assert_eq!(codes[code.code]["meaning"], code.meaning);
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let api = start_empty(&[]).await;

    let answer = api.get("/docs").send_raw().await;

    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let page = answer.text().await.unwrap();
    assert!(page.contains("openapi.json"));
    for outside in ["http://", "https://", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
}
