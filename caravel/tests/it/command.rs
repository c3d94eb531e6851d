//! An operator's command: what it prints, and how it ends.

use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::process::Command;

use crate::installation::Installation;
use crate::wait::soon;

/// What a command prints that must succeed.
pub async fn told(command: Command) -> String {
    let output = ended(command).await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The same, for one that prints JSON.
pub async fn told_json(command: Command) -> Value {
    serde_json::from_str(&told(command).await).unwrap()
}

/// What a command says on standard error that fails with 1.
pub async fn refused(command: Command) -> String {
    let output = ended(command).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

pub async fn ended(mut command: Command) -> Output {
    // Nobody is there to be asked.
    command.stdin(Stdio::null());
    soon("the end of a command", command.output())
        .await
        .unwrap()
}

impl Installation {
    pub async fn told(&self, arguments: &[&str]) -> String {
        told(self.program(arguments)).await
    }

    pub async fn told_json(&self, arguments: &[&str]) -> Value {
        told_json(self.program(arguments)).await
    }

    pub async fn refused(&self, arguments: &[&str]) -> String {
        refused(self.program(arguments)).await
    }
}
