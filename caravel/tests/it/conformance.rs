//! A client that knows nothing but the contract of the API: `caravel/tests/conformance` does what hosting screens do, against
//! the real server and a zooid.

use crate::client::Client;
use crate::installation::{Installation, RELAY_DOMAIN};
use crate::npm::npm;

/// Where the client is.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosting_screens_work_for_a_client_written_from_the_contract_alone() {
    let installation = Installation::new()
        .await
        .with("SERVER_ALLOW_ORIGINS", "https://app.example.com");
    let (process, url) = installation.serving().await;
    let admin = installation.admin.secret_key().to_secret_hex();
    let zooid = format!("http://{}", installation.sim.admin_addr().unwrap());
    let variables = [
        ("CONFORMANCE_URL", &*url),
        ("CONFORMANCE_SERVER_URL", Client::SERVER_URL),
        ("CONFORMANCE_RELAY_DOMAIN", RELAY_DOMAIN),
        ("CONFORMANCE_ADMIN", &admin),
        ("CONFORMANCE_ZOOID", &zooid),
    ];

    npm(FOLDER, &["ci", "--no-audit", "--no-fund"], &[]).await;
    npm(FOLDER, &["test"], &variables).await;

    process.stopped().await;
}
