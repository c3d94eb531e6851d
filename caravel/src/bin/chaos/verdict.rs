//! The verdict: zooid holds what is wanted, every answer still stands, nobody's secret changed, no two workers met, and the
//! database agrees with itself.

use std::collections::HashMap;

use anyhow::Context as _;
use serde_json::Value;
use shared::db::{DatabaseOptions, Db, Role, Synchronous, WriteTx};
use shared::domain::{RelayId, RelaySecret};
use shared::repositories::relay::{DesiredState, desired_states};
use shared::zooid::Renderer;
use sqlx::{Connection as _, SqliteConnection};

use crate::database;
use crate::desired::differences;
use crate::ground::Ground;
use crate::ledger::Entries;
use crate::overlap;
use crate::tenants::{Memories, Memory, Removal};

/// What must not be found in the database once all is quiet: what it means, and how to look for it.
const FLAWS: [(&str, &str); 15] = [
    (
        "a relay is out of step",
        "SELECT relay_id || ' (' || state || ', ' || sync_error || ')'
         FROM relay_sync
         WHERE synced_generation < desired_generation",
    ),
    (
        "a job has not ended",
        "SELECT id || ' ' || status
         FROM Jobs
         WHERE status NOT IN ('Done', 'Killed')",
    ),
    (
        "an ended job is still held",
        "SELECT id
         FROM Jobs
         WHERE status IN ('Done', 'Killed')
           AND (idempotency_key IS NOT NULL OR lock_by IS NOT NULL)",
    ),
    (
        "an attempt is open",
        "SELECT relay_id || ' ' || number
         FROM sync_attempt
         WHERE finished_at IS NULL",
    ),
    (
        "attempts are missing",
        "SELECT relay_id
         FROM relay_sync
         WHERE attempt_count <> (SELECT count(*)
                                 FROM sync_attempt
                                 WHERE sync_attempt.relay_id = relay_sync.relay_id)
            OR attempt_count <> (SELECT coalesce(max(number), 0)
                                 FROM sync_attempt
                                 WHERE sync_attempt.relay_id = relay_sync.relay_id)",
    ),
    (
        "what zooid accepted is no attempt's",
        "SELECT relay_id
         FROM relay_sync
         WHERE synced_generation <> (SELECT coalesce(max(generation), 0)
                                     FROM sync_attempt
                                     WHERE sync_attempt.relay_id = relay_sync.relay_id
                                       AND outcome = 'accepted')",
    ),
    (
        "the log of accepted syncs and the attempts disagree",
        "SELECT id
         FROM relay
         WHERE (SELECT count(*)
                FROM activity
                WHERE resource_type = 'relay'
                  AND resource_id = relay.id
                  AND activity_type = 'complete_relay_sync')
            <> (SELECT count(*)
                FROM sync_attempt
                WHERE relay_id = relay.id
                  AND outcome = 'accepted')",
    ),
    (
        "the log of failed syncs and the attempts disagree",
        "SELECT id
         FROM relay
         WHERE (SELECT count(*)
                FROM activity
                WHERE resource_type = 'relay'
                  AND resource_id = relay.id
                  AND activity_type = 'fail_relay_sync')
            <> (SELECT count(*)
                FROM sync_attempt
                WHERE relay_id = relay.id
                  AND outcome = 'failed')",
    ),
    (
        "a relay was not created once in the log",
        "SELECT id
         FROM relay
         WHERE 1 <> (SELECT count(*)
                     FROM activity
                     WHERE resource_type = 'relay'
                       AND resource_id = relay.id
                       AND activity_type = 'create_relay')",
    ),
    (
        "a relay's state is not what its rows say",
        "SELECT relay_id
         FROM relay_sync
         INNER JOIN relay_state USING (relay_id)
         WHERE relay_sync.state <> relay_state.state",
    ),
    (
        "relays are miscounted",
        "SELECT target || ' ' || state
         FROM relay_count
         WHERE relays <> (SELECT count(*)
                          FROM relay_sync
                          WHERE relay_sync.target = relay_count.target
                            AND relay_sync.state = relay_count.state)",
    ),
    (
        "a removed relay's names are not free, or a tombstone is not counted",
        "SELECT id
         FROM relay
         WHERE removed_at IS NOT NULL
           AND (gone_at IS NULL
                OR (SELECT relays FROM tombstone_count WHERE target = relay.zooid_domain)
                    <> (SELECT count(*) FROM relay AS gone WHERE gone.gone_at IS NOT NULL))",
    ),
    (
        "attempts are miscounted",
        "SELECT outcome || ' ' || kind
         FROM attempt_count
         WHERE attempts <> (SELECT count(*)
                            FROM sync_attempt
                            WHERE sync_attempt.target = attempt_count.target
                              AND sync_attempt.outcome = attempt_count.outcome
                              AND coalesce(sync_attempt.kind, '') = attempt_count.kind)",
    ),
    (
        "relays of a failure group are miscounted",
        "SELECT CAST(id AS TEXT)
         FROM failure_group
         WHERE relays <> (SELECT count(*)
                          FROM relay_sync
                          WHERE failure_group_id = failure_group.id)",
    ),
    (
        "a row refers to none",
        "SELECT \"table\" || ' ' || rowid
         FROM pragma_foreign_key_check",
    ),
];

/// Everything that should not be.
pub async fn judge(
    ground: &Ground,
    entries: &Entries,
    memories: &Memories,
) -> anyhow::Result<Vec<String>> {
    let mut findings: Vec<String> = memories.findings.iter().cloned().collect();
    findings.extend(
        entries
            .deserters
            .iter()
            .map(|how| format!("a process ended by itself: {how}")),
    );
    let mut connection = database::open(&ground.database()).await?;
    let integrity: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_all(&mut connection)
        .await?;
    if integrity != ["ok"] {
        findings.extend(integrity);
    }
    for (meaning, sql) in FLAWS {
        let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await?;
        findings.extend(found.iter().map(|found| format!("{meaning}: {found}")));
    }
    for memory in &memories.relays {
        findings.extend(broken_promises(&mut connection, memory).await?);
    }
    let attempts = overlap::attempts(&mut connection).await?;
    connection.close().await?;
    let records = ground.sim.records();
    findings.extend(overlap::find(&records, &attempts, entries, ground.origin));
    findings.extend(compare_with_zooid(ground).await?);
    Ok(findings)
}

/// What a tenant was told, and is not so.
async fn broken_promises(
    connection: &mut SqliteConnection,
    memory: &Memory,
) -> anyhow::Result<Vec<String>> {
    let id = &memory.id;
    let row: Option<(i64, bool, String)> = sqlx::query_as(
        "SELECT
             generation,
             removed_at IS NOT NULL,
             json_object(
                 'status', status, 'info_name', info_name, 'info_description', info_description,
                 'policy_public_read', policy_public_read, 'policy_public_write', policy_public_write,
                 'policy_public_join', policy_public_join, 'policy_strip_signatures', policy_strip_signatures,
                 'groups_enabled', groups_enabled, 'management_enabled', management_enabled,
                 'members_can_invite', members_can_invite, 'blossom_enabled', blossom_enabled,
                 'livekit_enabled', livekit_enabled
             )
         FROM relay
         WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(&mut *connection)
    .await?;
    let Some((generation, is_removed, fields)) = row else {
        return Ok(vec![format!(
            "{id}: its creation was answered, and it is gone"
        )]);
    };
    let mut broken = Vec::new();
    if generation < memory.generation {
        broken.push(format!(
            "{id}: generation {} was answered, and it has {generation}",
            memory.generation
        ));
    }
    match (memory.removal, is_removed) {
        (Removal::None, true) => broken.push(format!("{id}: nobody asked for its removal")),
        (Removal::Done, false) => broken.push(format!("{id}: its removal was answered")),
        (Removal::None, false) | (Removal::Unanswered, _) | (Removal::Done, true) => {}
    }
    let fields: Value = serde_json::from_str(&fields).context("read a relay's fields")?;
    for (field, answered) in &memory.answered {
        let found = &fields[field];
        let unanswered = memory.unanswered.get(field);
        // What was never answered may have happened at any time since.
        let may_be = unanswered.is_some_and(|values| values.contains(found));
        if found != answered && !may_be {
            broken.push(format!(
                "{id}: {field} = {answered} was answered, and it is {found}"
            ));
        }
    }
    let logged: i64 = sqlx::query_scalar(
        "SELECT count(*)
         FROM activity
         WHERE resource_type = 'relay'
           AND resource_id = $1
           AND activity_type IN ('update_relay', 'activate_relay', 'deactivate_relay')",
    )
    .bind(id)
    .fetch_one(connection)
    .await?;
    if u64::try_from(logged)? < memory.changes {
        broken.push(format!(
            "{id}: {} changes were answered, and {logged} are in the log",
            memory.changes
        ));
    }
    Ok(broken)
}

/// How zooid's files differ from what is wanted, and from themselves over time.
async fn compare_with_zooid(ground: &Ground) -> anyhow::Result<Vec<String>> {
    let config = ground.worker_config()?;
    let target = config.targets.first().context("find the one zooid")?;
    let renderer = Renderer::new(
        &target.zooid.api_url,
        config.storage.clone(),
        config.livekit.clone(),
        config.sealer.clone(),
    );
    let mut findings = Vec::new();
    for (id, state) in desired(ground).await? {
        if state.desired.is_removed {
            if ground.zooid_file(&id).exists() {
                findings.push(format!("{id} was removed, and zooid has a file of it"));
            }
            continue;
        }
        let plain = config.sealer.open(&state.secret, id.as_str())?;
        let secret = RelaySecret::parse(&plain).context("read a relay's secret")?;
        match ground.sim.config(id.as_str()) {
            Some(file) => {
                let wanted = renderer.full_body(&state.desired, &secret);
                let found = serde_json::to_value(file)?;
                let differing = differences(&wanted, &found);
                findings.extend(
                    differing
                        .iter()
                        .map(|what| format!("{id} in zooid: {what}")),
                );
            }
            None => findings.push(format!("{id}: zooid has no readable file")),
        }
        for call in ground.sim.calls(id.as_str()) {
            let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
            let sent = body.get("secret");
            if sent.is_some_and(|sent| sent != secret.expose()) {
                findings.push(format!("{id}: a {:?} carried another secret", call.verb));
            }
        }
    }
    Ok(findings)
}

async fn desired(ground: &Ground) -> anyhow::Result<HashMap<RelayId, DesiredState>> {
    let db = Db::open(DatabaseOptions {
        path: ground.database(),
        synchronous: Synchronous::Full,
        role: Role::Interactive,
    })
    .await?;
    let states = db
        .write(async move |tx: &mut WriteTx| {
            let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM relay")
                .fetch_all(&mut *tx)
                .await?;
            let ids: Vec<RelayId> = ids
                .iter()
                .map(|id| id.parse())
                .collect::<Result<_, _>>()
                .context("read a relay's id")?;
            let states = desired_states(tx, &ids).await?;
            anyhow::ensure!(states.len() == ids.len(), "a relay cannot be read");
            Ok(states)
        })
        .await?;
    db.close().await;
    Ok(states)
}
