//! Trouble that stays until an operator does something about it: there is something to see at the dashboard, and to repair.
//!
//! Invariant: [`clear_the_way`] and [`repair`] put right whatever stands, also what an earlier demo in the same folder left.

use anyhow::Context as _;
use nostr::key::Keys;
use reqwest::Method;
use serde_json::json;
use shared::{command::CommandError, db::WriteTx, domain::SyncState};

use super::{
    screen,
    stage::{SampleRelay, Stage},
    story::{Served, create},
};

/// The name that Ana wants, and the stranger's relay in zooid that has it.
const TAKEN: &str = "sunday-league";
const STRANGER: &str = "left-behind";

/// The relay whose key is damaged.
const DAMAGED: &str = "night-shift";

/// Whether the relay may be in trouble: it is better left alone until somebody repairs it.
pub fn is_in(relay: &SampleRelay) -> bool {
    relay.subdomain == TAKEN || relay.subdomain == DAMAGED
}

/// A relay is refused for good.
pub async fn conflict(stage: &Stage) -> anyhow::Result<()> {
    screen::note(
        "Somebody left a relay in zooid under the very name that Ana wants: it is given up",
    )?;
    let owner = Keys::generate();
    stage
        .squat(
            STRANGER,
            json!({
                "host": format!("{TAKEN}.{}", stage.keys.relay_domain()),
                "schema": "left_behind",
                "secret": owner.secret_key().to_secret_hex(),
                "info": { "name": "Left behind", "pubkey": owner.public_key().to_hex() },
            }),
        )
        .await?;
    let relay = create(stage, TAKEN, "Sunday League", 0, Served::ByZooid).await?;
    stage.failed(&relay).await
}

/// A relay fails by our own fault, until it is kept from the workers.
pub async fn quarantine(stage: &Stage) -> anyhow::Result<()> {
    screen::note(
        "By hand, the stored key of a new relay is damaged: three attempts fail by our own fault, and it is quarantined",
    )?;
    let operator = stage.keys.admin()?;
    // Nobody may send it before it is damaged.
    stage
        .call(
            &operator,
            Method::POST,
            "/operator/queue/pause",
            Some(json!({})),
        )
        .await?;
    let relay = create(stage, DAMAGED, "Night Shift", 2, Served::ByZooid).await?;
    run(stage, &relay, DAMAGE).await?;
    stage
        .call(
            &operator,
            Method::POST,
            "/operator/queue/resume",
            Some(json!({})),
        )
        .await?;
    stage.in_state(&relay, SyncState::Quarantined).await
}

/// Removes what they fail for: they go on as soon as an operator lets them.
pub async fn clear_the_way(stage: &Stage) -> anyhow::Result<()> {
    if stage.zooids.zooid.config(STRANGER).is_some() {
        stage.remove(STRANGER).await?;
    }
    for relay in stage.relays().await? {
        if relay.subdomain == DAMAGED {
            run(stage, &relay, MEND).await?;
        }
    }
    Ok(())
}

/// Does what the operator would do then.
pub async fn repair(stage: &Stage) -> anyhow::Result<()> {
    screen::note(
        "What stood in their way is removed: an operator retries sunday-league, and releases night-shift",
    )?;
    clear_the_way(stage).await?;
    let operator = stage.keys.admin()?;
    for relay in stage.relays().await? {
        let path = format!("/operator/relays/{}", relay.id);
        let (action, body) = match (relay.subdomain.as_str(), relay.sync_state.as_str()) {
            (TAKEN, "failed") => {
                let seen = stage.call(&operator, Method::GET, &path, None).await?;
                let attempt = &seen["data"]["sync"]["last_attempt"]["number"];
                ("retry", json!({ "seen_attempt": attempt }))
            }
            (DAMAGED, "quarantined") => ("release", json!({})),
            _ => continue,
        };
        let path = format!("{path}/{action}");
        stage
            .call(&operator, Method::POST, &path, Some(body))
            .await?;
        stage.relay_in_step(&relay).await?;
    }
    Ok(())
}

/// From now on it names a sealing key that nobody has: eight zeros in the place of the key's id.
const DAMAGE: &str = "
UPDATE relay
SET secret = 'v1.00000000' || substr(secret, length('v1.00000000') + 1)
WHERE id = $1";

/// As another relay's has it.
const MEND: &str = "
UPDATE relay
SET secret = (
    SELECT substr(whole.secret, 1, length('v1.00000000'))
    FROM relay AS whole
    WHERE whole.secret NOT LIKE 'v1.00000000.%'
    LIMIT 1
) || substr(secret, length('v1.00000000') + 1)
WHERE id = $1
  AND secret LIKE 'v1.00000000.%'";

async fn run(stage: &Stage, relay: &SampleRelay, statement: &'static str) -> anyhow::Result<()> {
    let id = relay.id.clone();
    stage
        .db
        .write(async move |tx: &mut WriteTx| -> Result<(), CommandError> {
            sqlx::query(statement).bind(id).execute(&mut *tx).await?;
            Ok(())
        })
        .await
        .context("damage or mend a stored key")
}
