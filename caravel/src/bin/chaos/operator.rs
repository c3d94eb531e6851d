//! The operator, with the repairs that docs/operations.md names: releases quarantines, tries given-up relays again,
//! asks whether zooid is back, and sends once more what zooid has lost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::Connection as _;
use tokio::sync::{mpsc, watch};

use crate::database;

/// Between two looks.
const ROUND: Duration = Duration::from_millis(500);

/// How long a circuit is left to itself: the first probe is made by then. Later ones are up to a minute apart, in which
/// nothing would happen that could go wrong.
const OPEN: Duration = Duration::from_secs(7);

/// What the operator did.
#[derive(Debug, Default)]
pub struct Repairs {
    /// Quarantines that were released.
    pub released: u64,
    /// Relays that were given up, and tried again.
    pub retried: u64,
    /// Probes of targets that were asked for.
    pub probed: u64,
    /// Relays whose file was lost, and sent once more.
    pub resent: u64,
}

/// Looks after the database until `over`. `lost` names the relays whose files zooid lost.
pub async fn run(
    database: PathBuf,
    mut lost: mpsc::UnboundedReceiver<String>,
    mut over: watch::Receiver<bool>,
) -> Repairs {
    let mut repairs = Repairs::default();
    let mut to_resend: Vec<String> = Vec::new();
    loop {
        while let Ok(relay) = lost.try_recv() {
            to_resend.push(relay);
        }
        // Nothing is there yet, or somebody else writes for too long: there is another round.
        if let Err(error) = repair(&database, &mut to_resend, &mut repairs).await {
            tracing::debug!(%error, "the operator could not look after the database");
        }
        let next_round = tokio::time::timeout(ROUND, over.wait_for(|over| *over));
        if next_round.await.is_ok() {
            return repairs;
        }
    }
}

async fn repair(
    path: &Path,
    to_resend: &mut Vec<String>,
    repairs: &mut Repairs,
) -> Result<(), sqlx::Error> {
    // Opened for each round, so that at times nobody has the file open: the next process recovers the WAL then.
    let mut connection = database::open(path).await?;
    let released = sqlx::query(
        "UPDATE relay_sync
         SET quarantined_at = NULL, crashes = 0, faults = 0
         WHERE quarantined_at IS NOT NULL",
    )
    .execute(&mut connection)
    .await?;
    repairs.released += released.rows_affected();
    let retried = sqlx::query(
        "UPDATE relay_sync
         SET failed_generation = NULL
         WHERE failed_generation = desired_generation",
    )
    .execute(&mut connection)
    .await?;
    repairs.retried += retried.rows_affected();
    let probed = sqlx::query(
        "UPDATE target
         SET probe_requested_at = unixepoch() * 1000
         WHERE circuit_state = 'open'
           AND circuit_since < unixepoch() * 1000 - $1
           AND probe_requested_at IS NULL",
    )
    .bind(i64::try_from(OPEN.as_millis()).unwrap_or(i64::MAX))
    .execute(&mut connection)
    .await?;
    repairs.probed += probed.rows_affected();
    while let Some(relay) = to_resend.last() {
        let resent = sqlx::query(
            "UPDATE relay
             SET generation = generation + 1
             WHERE id = $1",
        )
        .bind(relay)
        .execute(&mut connection)
        .await?;
        repairs.resent += resent.rows_affected();
        to_resend.pop();
    }
    connection.close().await
}
