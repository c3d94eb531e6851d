//! Hosts, paths and verbs, before anybody is asked who they are.

use reqwest::header::HOST;

use crate::harness::*;

#[tokio::test]
async fn an_unknown_path_is_404_in_plain_text_before_authentication() {
    let harness = start().await;
    for path in [
        "/",
        "/relay",
        "/relay/",
        "/relay/a/b",
        "/relay/a/members/",
        "/health",
    ] {
        for method in ["GET", "POST"] {
            let reply = send(harness.request(method, path)).await;

            assert_eq!(reply.status, 404, "{method} {path}");
            assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
            assert_eq!(reply.body, "404 page not found\n");
        }
    }
}

#[tokio::test]
async fn a_wrong_verb_is_405_in_plain_text_before_authentication() {
    let harness = start().await;
    for (method, path, allow) in [
        ("GET", "/relay/a", "DELETE, PATCH, POST, PUT"),
        ("OPTIONS", "/relay/a", "DELETE, PATCH, POST, PUT"),
        ("POST", "/relay/a/members", "GET, HEAD"),
        ("DELETE", "/relay/a/members", "GET, HEAD"),
    ] {
        let reply = send(harness.request(method, path)).await;

        assert_eq!(reply.status, 405, "{method} {path}");
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(reply.header("allow"), allow);
        assert_eq!(reply.body, "Method Not Allowed\n");
    }
}

#[tokio::test]
async fn only_the_exact_host_leads_to_the_management_api() {
    let harness = start().await;
    let port = harness.sim.addr().port();
    for host in [
        format!("localhost:{port}"),
        "127.0.0.1".to_owned(),
        "unknown.example.com".to_owned(),
    ] {
        let request = harness
            .signed_request("POST", "/relay/a")
            .header(HOST, &host);
        let reply = send(request).await;

        assert_eq!(reply.status, 404, "{host}");
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(reply.body, "Not Found\n");
    }
}

#[tokio::test]
async fn a_configured_api_host_is_compared_with_its_case() {
    let dir = tempfile::TempDir::new().unwrap();
    let sim = zooid_sim::ZooidSim::start(zooid_sim::SimConfig {
        api_host: Some("api.example.com".to_owned()),
        ..config_for(&dir)
    })
    .await
    .unwrap();
    let harness = Harness {
        sim,
        dir,
        client: client(),
    };
    let members = |host: &str| {
        let url = format!("http://{host}/relay/a/members");
        harness
            .request("GET", "/relay/a/members")
            .header(HOST, host)
            .header("authorization", signed("GET", &url))
    };

    assert_eq!(
        send(members("api.example.com")).await.error(),
        (404, "relay not found".to_owned())
    );
    assert_eq!(send(members("API.example.com")).await.body, "Not Found\n");
    assert_eq!(
        send(members("api.example.com:80")).await.body,
        "Not Found\n"
    );
}

#[tokio::test]
async fn an_id_is_percent_decoded() {
    let harness = start().await;
    let url = harness.url("/relay/a b");
    let request = harness
        .request("POST", "/relay/a%20b")
        .header("authorization", signed("POST", &url))
        .body(relay("ab").to_string());

    let reply = send(request).await;

    assert_eq!(reply.status, 201, "{}", reply.body);
    assert!(harness.file("a b").exists());
}

#[tokio::test]
async fn an_id_never_leads_out_of_the_folder() {
    let dir = tempfile::TempDir::new().unwrap();
    let sim = zooid_sim::ZooidSim::start(zooid_sim::SimConfig {
        config_dir: dir.path().join("config"),
        ..config_for(&dir)
    })
    .await
    .unwrap();
    let harness = Harness {
        sim,
        dir,
        client: client(),
    };
    let url = harness.url("/relay/../escaped");
    let request = harness
        .request("POST", "/relay/..%2Fescaped")
        .header("authorization", signed("POST", &url))
        .body(relay("escaped").to_string());

    let (status, text) = send(request).await.error();

    assert_eq!(status, 500);
    assert!(text.starts_with("failed to write config: "), "{text}");
    assert!(!harness.file("escaped").exists());
}
