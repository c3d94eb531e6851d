//! A configuration that cannot be used.

use tokio::process::Command;

use crate::installation::program;
use crate::wait::soon;

/// What its owner meant for another variable.
const SECRET: &str = "nsec-that-was-mistyped";

async fn refused(mut command: Command) -> String {
    let folder = tempfile::tempdir().unwrap();
    command.current_dir(folder.path());
    let output = soon("the end of a process", command.output())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(output.stdout, b"");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn each_program_names_all_that_is_wrong_and_repeats_no_value() {
    let required = [
        "CARAVEL_SECRETS_KEY is malformed",
        "RELAY_DOMAIN is missing",
    ];
    let api = ["SERVER_URL is missing", "SERVER_PORT is malformed"];
    let worker = [
        "ZOOID_API_URL is missing",
        "ZOOID_API_SECRET is malformed",
        "WORKER_CONCURRENCY is malformed",
        "ZOOID_TIMEOUT_MS and WORKER_LEASE_SECONDS disagree",
    ];
    for (subcommand, expected) in [
        ("api", [&required[..], &api].concat()),
        ("worker", [&required[..], &worker].concat()),
        ("serve", [&required[..], &api, &worker].concat()),
    ] {
        let mut command = program(&[subcommand]);
        command
            .env("CARAVEL_SECRETS_KEY", SECRET)
            .env("ZOOID_API_SECRET", SECRET)
            .env("SERVER_PORT", "many")
            .env("WORKER_CONCURRENCY", "0")
            .env("ZOOID_TIMEOUT_MS", "10000");

        let said = refused(command).await;

        for error in expected {
            assert!(
                said.contains(error),
                "{subcommand} does not say {error}: {said}"
            );
        }
        assert!(!said.contains(SECRET), "{said}");
    }
}
