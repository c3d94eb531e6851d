//! `caravel rotate-secrets`.

use std::process::ExitCode;

use serde::Serialize;
use shared::{
    command::{Refused, Rotation},
    config::RotationConfig,
};

use super::{arguments::OutputArgs, commands, configured, output};

/// What was done.
#[derive(Serialize)]
struct View {
    key_id: String,
    relay_secrets: u64,
    wallet_urls: u64,
    refused: Vec<RefusedView>,
}

#[derive(Serialize)]
struct RefusedView {
    entity: &'static str,
    id: String,
    reason: String,
}

/// Seals stored secrets anew.
pub async fn rotate(arguments: &OutputArgs) -> anyhow::Result<ExitCode> {
    let config = configured(RotationConfig::load, |config| &config.shell)?;
    let key_id = config.sealer.key_id().to_owned();
    let (db, command) = commands(&config.shell, config.sealer).await?;
    let rotation = command.rotate_secrets().await?;
    db.close().await;
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
