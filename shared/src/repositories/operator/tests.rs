//! What operators' reads cost: each finds its rows by an index in the order of its answer, or reads a small table.

use super::{
    Snapshot,
    attempt_list::{self, AttemptFilter},
    audit::{self, AuditFilter},
    count,
    group::{self, GroupFilter},
    job, marks, observation,
    rollup::{self, Minutes},
    sync_list::{self, SyncCursor, SyncFilter, SyncOrder, SyncPage},
    target, worker,
};
use crate::{
    db::{Db, SqlError, WriteError, WriteTx},
    domain::{AttemptId, FailureKind, RelayId, SyncState},
    repositories::plans::{database, detours},
};

/// Tables that hold a row a target, or a row of rollups for each minute or hour of the window that is read.
const SMALL: [&str; 7] = [
    "relay_count",
    "tombstone_count",
    "target",
    "sync_minute",
    "sync_lag",
    "sync_hour",
    "sync_lag_hour",
];

#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

fn relay() -> RelayId {
    "01j00000000000000000000000".parse().unwrap()
}

/// One relay in every state that is stored, so that every range is looked at.
async fn populate(db: &Db) {
    db.write(async move |tx: &mut WriteTx| -> Result<(), TestError> {
        for state in SyncState::ALL {
            sqlx::query("INSERT INTO relay_count (target, state, relays) VALUES ('spaces.example.com', $1, 1)")
                .bind(state.as_str())
                .execute(&mut *tx)
                .await?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

fn sync_filters() -> Vec<SyncFilter> {
    let by = |change: fn(&mut SyncFilter)| {
        let mut filter = SyncFilter::default();
        change(&mut filter);
        filter
    };
    vec![
        SyncFilter::default(),
        by(|filter| filter.states = vec![SyncState::Held]),
        by(|filter| filter.kinds = vec![FailureKind::Invalid]),
        by(|filter| filter.groups = vec![1]),
        by(|filter| filter.targets = vec!["spaces.example.com".parse().unwrap()]),
        by(|filter| filter.since = Some(1)),
        by(|filter| filter.until = Some(1)),
        by(|filter| filter.q = Some("acme".to_owned())),
        by(|filter| filter.q = Some("acme.spaces.example".to_owned())),
        by(|filter| filter.q = Some("01J9ZX3V8QJ5S3R5T3N0V2K4M6".to_owned())),
        by(|filter| {
            filter.q =
                Some("3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d".to_owned());
        }),
    ]
}

fn attempt_filters() -> Vec<AttemptFilter> {
    let by = |change: fn(&mut AttemptFilter)| {
        let mut filter = AttemptFilter::default();
        change(&mut filter);
        filter
    };
    vec![
        AttemptFilter::default(),
        by(|filter| filter.relay = Some(relay())),
        by(|filter| filter.job = Some("01J9ZX3V8QJ5S3R5T3N0V2K4M6".parse().unwrap())),
        by(|filter| filter.worker = Some("w".parse().unwrap())),
        by(|filter| filter.kinds = vec![FailureKind::Invalid]),
        by(|filter| filter.groups = vec![1]),
        by(|filter| filter.targets = vec!["spaces.example.com".parse().unwrap()]),
        by(|filter| filter.q = Some("refused by".to_owned())),
    ]
}

async fn reads(db: &Db) -> Result<Vec<String>, sqlx::Error> {
    let mut snapshot = Snapshot::of(db.readers()).await?;
    let target = "spaces.example.com".parse().unwrap();
    for filter in sync_filters() {
        for (order, cursor) in [
            (SyncOrder::News, "5-01j00000000000000000000000"),
            (SyncOrder::Created, "01j00000000000000000000000"),
        ] {
            for after in [None, Some(SyncCursor::parse(cursor, order).unwrap())] {
                let page = SyncPage {
                    order,
                    after,
                    limit: 50,
                };
                sync_list::list(&mut snapshot, &filter, &page).await?;
            }
        }
    }
    for filter in attempt_filters() {
        for after in [None, Some(AttemptId::new(9))] {
            attempt_list::list(&mut snapshot, &filter, after, 50).await?;
        }
    }
    for after in [None, Some("3-1".parse().unwrap())] {
        group::list(&mut snapshot, &GroupFilter::default(), after, 50).await?;
    }
    count::oldest_out_of_step(&mut snapshot, &target).await?;
    job::of_relay(&mut snapshot, &relay()).await?;
    job::first_due(&mut snapshot, &target, 0).await?;
    marks::marks(&mut snapshot, &relay()).await?;
    observation::of_relay(&mut snapshot, &relay()).await?;
    worker::newest(&mut snapshot).await?;
    worker::running(&mut snapshot).await?;
    target::all(&mut snapshot).await?;
    target::queue_paused_at(&mut snapshot).await?;
    let on_relay = AuditFilter {
        resource_type: Some("relay".to_owned()),
        resource_id: Some("r".to_owned()),
        ..AuditFilter::default()
    };
    for filter in [AuditFilter::default(), on_relay] {
        audit::list(&mut snapshot, &filter, None, 50).await?;
    }
    let minutes = Minutes {
        from: 60,
        until: 120,
        step: 60,
    };
    for stretch in rollup::stretches(&mut snapshot, minutes).await? {
        for target in [None, Some(&target)] {
            rollup::ended(&mut snapshot, stretch, target).await?;
            rollup::lags(&mut snapshot, stretch, target).await?;
        }
    }
    Ok(snapshot.ran.into_iter().collect())
}

/// What a step of a plan may do although it looks like a detour: it reads a small table, or groups what it has read of a
/// window, or takes rows from a bounded look or from the values it was given.
fn is_bounded(step: &str) -> bool {
    let of_small = SMALL.iter().any(|table| {
        step.strip_prefix("SCAN ")
            .is_some_and(|rest| rest == *table || rest.starts_with(&format!("{table} ")))
    });
    of_small
        || step == "USE TEMP B-TREE FOR GROUP BY"
        || step == "SCAN looked_at"
        || step.starts_with("SCAN json_each")
}

#[tokio::test]
async fn every_read_of_operators_goes_by_an_index_or_is_bounded() {
    let (_folder, db) = database().await;
    populate(&db).await;

    let reads = reads(&db).await.unwrap();

    assert!(reads.len() > 60, "only {} reads", reads.len());
    for read in reads {
        let mut detours = detours(&db, &read).await;
        detours.retain(|step| !is_bounded(step));
        assert_eq!(detours, Vec::<String>::new(), "{read}");
    }
}
