//! What the tables must agree on after every step.

use super::*;

/// One waiting and at most one running job a relay; keys, locks and statuses that agree; every running job with an open
/// attempt and no open attempt without one; every relay covered, or with a reason not to be; states and counts that are
/// what they are made of.
pub(super) async fn check(tx: &mut WriteTx) -> Outcome {
    let wrong: Option<String> = sqlx::query_scalar(
        "SELECT 'two jobs in one state: ' || job
         FROM (
             SELECT job, count(*) AS jobs
             FROM Jobs
             WHERE status IN ('Pending', 'Running')
             GROUP BY job, status
         )
         WHERE jobs > 1
         UNION ALL
         SELECT 'status, key and lock disagree: ' || id
         FROM Jobs
         WHERE (status = 'Pending') <> (coalesce(idempotency_key, ':running') NOT LIKE '%:running')
            OR (status = 'Running') <> (coalesce(idempotency_key, '') LIKE '%:running')
            OR (status = 'Running') <> (lock_by IS NOT NULL)
            OR (status IN ('Done', 'Killed')) <> (idempotency_key IS NULL)
            OR status NOT IN ('Pending', 'Running', 'Done', 'Killed')
         UNION ALL
         SELECT 'running without an open attempt: ' || id
         FROM Jobs
         WHERE status = 'Running'
           AND NOT EXISTS (SELECT 1 FROM sync_attempt WHERE job_id = Jobs.id AND finished_at IS NULL)
         UNION ALL
         SELECT 'open attempt without a running job: ' || id
         FROM sync_attempt
         WHERE finished_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM Jobs WHERE Jobs.id = job_id AND status = 'Running')
         UNION ALL
         SELECT 'more attempts spent than made: ' || id
         FROM Jobs
         WHERE attempts > (SELECT count(*) FROM sync_attempt WHERE job_id = Jobs.id)
         UNION ALL
         SELECT 'state ' || relay_sync.state || ' should be ' || relay_state.state || ': ' || relay_sync.relay_id
         FROM relay_sync
         INNER JOIN relay_state ON relay_state.relay_id = relay_sync.relay_id
         WHERE relay_sync.state <> relay_state.state
         UNION ALL
         SELECT 'wrong count of ' || state
         FROM relay_count
         WHERE relays <> (SELECT count(*) FROM relay_sync WHERE relay_sync.state = relay_count.state)
         UNION ALL
         SELECT 'gone while something may bring it back: ' || relay.id
         FROM relay
         INNER JOIN relay_sync ON relay_sync.relay_id = relay.id
         WHERE relay.gone_at IS NOT NULL
           AND json_extract(relay_sync.accepted, '$.absent') IS NOT 1
         UNION ALL
         SELECT 'wrong count of tombstones of ' || target
         FROM tombstone_count
         WHERE relays <> (SELECT count(*) FROM relay WHERE gone_at IS NOT NULL)
         UNION ALL
         SELECT 'wrong count of group ' || id
         FROM failure_group
         WHERE relays <> (SELECT count(*) FROM relay_sync WHERE failure_group_id = failure_group.id)
         UNION ALL
         SELECT 'out of step since never: ' || relay_id
         FROM relay_sync
         WHERE (state = 'synced' AND dirty_since IS NOT NULL)
            OR (state IN ('pending', 'retrying') AND dirty_since IS NULL AND desired_generation > 1)
         LIMIT 1",
    )
    .fetch_optional(&mut *tx)
    .await?;
    assert_eq!(wrong, None);
    Ok(())
}
