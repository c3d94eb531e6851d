//! The activity log.

use chrono::{DateTime, Utc};
use serde::Serialize;
use ulid::Ulid;

use crate::{
    db::WriteTx,
    domain::{Activity, ActivityType, Pubkey, RelayId, ResourceType},
};

/// One line to log: an element of the JSON array the statement binds.
#[derive(Debug, Serialize)]
struct Line<'a> {
    id: String,
    relay: &'a RelayId,
}

/// Logs that `activity_type` happened to each of `relays`, and announces it to followers after the commit.
///
/// # Errors
/// When the database refuses.
pub async fn log_for_relays(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    activity_type: ActivityType,
    relays: &[&RelayId],
) -> Result<(), sqlx::Error> {
    let lines: Vec<Line<'_>> = relays
        .iter()
        .map(|relay| Line {
            id: Ulid::from_parts(now.timestamp_millis().unsigned_abs(), rand::random())
                .to_string()
                .to_ascii_lowercase(),
            relay,
        })
        .collect();
    let lines = serde_json::to_string(&lines).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let logged: Vec<(i64, String, String, String)> = sqlx::query_as(
        "INSERT INTO activity (id, tenant_pubkey, created_at, activity_type, resource_type, resource_id)
         SELECT line.value ->> 'id', relay.tenant_pubkey, $2, $3, $4, relay.id
         FROM json_each($1) AS line
         CROSS JOIN relay ON relay.id = line.value ->> 'relay'
         RETURNING seq, id, tenant_pubkey, resource_id",
    )
    .bind(lines)
    .bind(now.timestamp())
    .bind(activity_type.as_str())
    .bind(ResourceType::Relay.as_str())
    .fetch_all(&mut *tx)
    .await?;
    for (seq, id, tenant_pubkey, resource_id) in logged {
        let tenant_pubkey = tenant_pubkey
            .parse::<Pubkey>()
            .map_err(|error| sqlx::Error::Decode(error.into()))?;
        tx.publish(Activity {
            seq,
            id,
            tenant_pubkey,
            created_at: now.timestamp(),
            activity_type,
            resource_type: ResourceType::Relay,
            resource_id,
        });
    }
    Ok(())
}
