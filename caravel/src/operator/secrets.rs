//! `caravel rotate-secrets`.

use std::process::ExitCode;

use serde::Serialize;
use shared::{
    command::operator::{Refused, Rotation},
    config::ActingConfig,
};

use super::{act::by_shell, arguments::OutputArgs, output, shell::Acting};

/// What was done.
#[derive(Serialize)]
struct View {
    key_id: String,
    relay_secrets: u64,
    wallet_urls: u64,
    refused: Vec<RefusedView>,
    action_id: Option<String>,
}

#[derive(Serialize)]
struct RefusedView {
    entity: &'static str,
    id: String,
    reason: String,
}

/// Seals stored secrets anew.
pub async fn rotate(config: ActingConfig, arguments: OutputArgs) -> anyhow::Result<ExitCode> {
    let key_id = config.sealer.key_id().to_owned();
    let acting = Acting::begin(config).await?;
    let rotation = acting.command.rotate_secrets(by_shell()).await?;
    acting.end().await;
    let view = View::new(key_id, rotation);
    if arguments.json {
        output::json(&view)?;
    } else {
        view.print()?;
    }
    match view.refused.len() {
        0 => return Ok(ExitCode::SUCCESS),
        1 => eprintln!("1 value could not be opened and is as it was"),
        more => eprintln!("{more} values could not be opened and are as they were"),
    }
    Ok(ExitCode::FAILURE)
}

impl View {
    fn new(key_id: String, rotation: Rotation) -> Self {
        let refused = |value: Refused| RefusedView {
            entity: value.entity,
            id: value.id,
            reason: value.reason.to_string(),
        };
        Self {
            key_id,
            relay_secrets: rotation.relay_secrets,
            wallet_urls: rotation.wallet_urls,
            refused: rotation.refused.into_iter().map(refused).collect(),
            action_id: rotation.action_id,
        }
    }

    fn print(&self) -> anyhow::Result<()> {
        output::line(&format!(
            "sealed anew under key {}: {} relay keys, {} wallet URLs",
            self.key_id, self.relay_secrets, self.wallet_urls
        ))?;
        if self.refused.is_empty() {
            return Ok(());
        }
        output::table(
            ["OWNER", "ID", "WHY NOT"],
            self.refused.iter().map(|value| {
                [
                    value.entity.into(),
                    value.id.as_str().into(),
                    value.reason.as_str().into(),
                ]
            }),
        )
    }
}
