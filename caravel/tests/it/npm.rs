//! Tests that are written for Node.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// The longest that the tests of one folder take together.
const PATIENCE: Duration = Duration::from_mins(10);

/// Runs npm in `folder`; it must succeed.
pub async fn npm(folder: &str, arguments: &[&str], variables: &[(&str, &str)]) {
    let running = Command::new("npm")
        .args(arguments)
        .current_dir(folder)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, running)
        .await
        .unwrap_or_else(|_| panic!("npm {arguments:?} takes too long"))
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "npm {arguments:?}: {out}{err}");
}
