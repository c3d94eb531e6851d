//! Looks at relays: what makes one due, whose it is, and what follows from it.

use super::*;
use crate::{
    domain::{DriftField, Observation, RelayDocument},
    queue::observation::{self, DueLook, Enrolled, PERIOD, Recorded},
};

const LEASE: Duration = Duration::from_secs(17);
/// A period in seconds.
const CHECK: i64 = 900;

pub(super) fn drifted() -> Observation {
    Observation {
        drift: vec![DriftField::Name],
        document: Some(RelayDocument::default()),
    }
}

fn in_effect() -> Observation {
    Observation {
        drift: Vec::new(),
        document: Some(RelayDocument::default()),
    }
}

/// All that a look is made of, for the one relay there is.
pub(super) async fn look_once(tx: &mut WriteTx, now: DateTime<Utc>, seen: &Observation) -> Outcome {
    observation::begin(tx, now).await?;
    observation::unwatched(&mut *tx, None).await?;
    let enrolled = [Enrolled {
        relay: relay_id(0),
        due_at: 0,
    }];
    observation::enrol(tx, &enrolled).await?;
    observation::any_due(&mut *tx, now, &target()).await?;
    for look in observation::take_due(tx, now, &target(), 1, LEASE).await? {
        observation::record(tx, now, &look.ticket, seen, 3).await?;
        observation::put_off(tx, now, &look.ticket).await?;
    }
    Ok(())
}

/// One relay that zooid has accepted while somebody followed.
async fn accepted_relay() -> (tempfile::TempDir, Db) {
    let (folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    begin(&db, at(0)).await;
    accept(&db, at(0)).await;
    (folder, db)
}

async fn begin(db: &Db, now: DateTime<Utc>) {
    db.write(async move |tx: &mut WriteTx| -> Outcome { Ok(observation::begin(tx, now).await?) })
        .await
        .unwrap();
}

/// zooid accepts a newer generation of the relay.
async fn accept(db: &Db, now: DateTime<Utc>) {
    db.write(async move |tx: &mut WriteTx| edit(tx, now, &relay_id(0)).await)
        .await
        .unwrap();
    accept_what_waits(db, now).await;
}

async fn accept_what_waits(db: &Db, now: DateTime<Utc>) {
    let claimed = claim_all(db, now, "w", 1).await;
    record(db, now, claimed.iter().map(super::accepted).collect()).await;
}

/// Follows what was accepted, as each worker does. Answers whether there was anything.
async fn follow(db: &Db, now: DateTime<Utc>) -> bool {
    let Some(unread) = observation::unread(db.readers()).await.unwrap() else {
        return false;
    };
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        Ok(observation::follow(tx, now, &unread).await?)
    })
    .await
    .unwrap();
    true
}

/// Takes what is due, as each worker does.
async fn take(db: &Db, now: DateTime<Utc>) -> Vec<DueLook> {
    if !observation::any_due(db.readers(), now, &target())
        .await
        .unwrap()
    {
        return Vec::new();
    }
    db.write(async move |tx: &mut WriteTx| -> Outcome<_> {
        Ok(observation::take_due(tx, now, &target(), 8, LEASE).await?)
    })
    .await
    .unwrap()
}

async fn tell(db: &Db, now: DateTime<Utc>, look: &DueLook, seen: Observation) -> Recorded {
    let ticket = look.ticket.clone();
    db.write(async move |tx: &mut WriteTx| -> Outcome<_> {
        Ok(observation::record(tx, now, &ticket, &seen, 3).await?)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn what_zooid_accepts_is_due_at_once_and_taken_once() {
    let (_folder, db) = accepted_relay().await;

    let unread = observation::unread(db.readers()).await.unwrap().unwrap();
    assert!(follow(&db, at(1)).await);
    // Another worker that read the same.
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        Ok(observation::follow(tx, at(500), &unread).await?)
    })
    .await
    .unwrap();
    assert!(!follow(&db, at(2)).await);

    let looks = take(&db, at(2)).await;
    assert_eq!(looks.len(), 1);
    assert_eq!(looks[0].desired.generation.get(), 2);
    assert_eq!(take(&db, at(3)).await.len(), 0);
    // Its worker died.
    assert_eq!(take(&db, at(2 + 17)).await.len(), 1);
}

#[tokio::test]
async fn a_relay_is_live_since_it_was_first_seen_so_at_its_generation() {
    let (_folder, db) = accepted_relay().await;
    let live = "SELECT live_generation || ' ' || (live_at / 1000) FROM relay_observation";
    follow(&db, at(1)).await;
    for now in [1, 1 + CHECK] {
        let looks = take(&db, at(now)).await;
        assert_eq!(
            tell(&db, at(now), &looks[0], in_effect()).await,
            Recorded::Live
        );
        assert_eq!(one(&db, live).await, "2 1800000001");
    }

    accept(&db, at(2000)).await;
    follow(&db, at(2001)).await;
    let looks = take(&db, at(2001)).await;
    tell(&db, at(2003), &looks[0], in_effect()).await;

    assert_eq!(one(&db, live).await, "3 1800002003");
}

#[tokio::test]
async fn a_look_counts_only_while_it_is_its_own_and_the_relay_is_as_it_was() {
    let (_folder, db) = accepted_relay().await;
    follow(&db, at(1)).await;
    let late = take(&db, at(1)).await;
    let taken_over = take(&db, at(20)).await;

    assert_eq!(
        tell(&db, at(21), &late[0], drifted()).await,
        Recorded::Outdated
    );
    db.write(async move |tx: &mut WriteTx| edit(tx, at(22), &relay_id(0)).await)
        .await
        .unwrap();
    assert_eq!(
        tell(&db, at(23), &taken_over[0], drifted()).await,
        Recorded::Outdated
    );

    assert_eq!(
        one(&db, "SELECT observed_at FROM relay_observation").await,
        "NULL"
    );
    // Out of step, it is left to the acceptance that is to come.
    assert_eq!(take(&db, at(40)).await.len(), 0);
    accept_what_waits(&db, at(41)).await;
    follow(&db, at(41)).await;
    assert_eq!(take(&db, at(41)).await.len(), 1);
}

#[tokio::test]
async fn a_relay_that_differs_is_sent_again_at_most_once_a_period() {
    let (_folder, db) = accepted_relay().await;
    let healed = "SELECT generation || ' ' || heals FROM relay INNER JOIN relay_observation ON relay_id = relay.id";
    follow(&db, at(1)).await;
    let looks = take(&db, at(1)).await;
    assert_eq!(
        tell(&db, at(11), &looks[0], drifted()).await,
        Recorded::Healing
    );
    assert_eq!(one(&db, healed).await, "3 1");
    assert_eq!(
        one(&db, "SELECT priority FROM Jobs WHERE status = 'Pending'").await,
        "0"
    );

    accept_what_waits(&db, at(12)).await;
    follow(&db, at(12)).await;
    let looks = take(&db, at(12)).await;
    assert_eq!(
        tell(&db, at(22), &looks[0], drifted()).await,
        Recorded::Drifted
    );
    assert_eq!(one(&db, healed).await, "3 1");
    assert_eq!(take(&db, at(21 + CHECK)).await.len(), 0);
    let looks = take(&db, at(22 + CHECK)).await;
    assert_eq!(
        tell(&db, at(32 + CHECK), &looks[0], drifted()).await,
        Recorded::Healing
    );

    assert_eq!(one(&db, healed).await, "4 2");
    assert_eq!(
        one(&db, "SELECT drift_since / 1000 FROM relay_observation").await,
        "1800000011"
    );
    assert_eq!(PERIOD.as_secs(), CHECK.unsigned_abs());
}

#[tokio::test]
async fn a_host_that_tells_nothing_is_left_for_a_minute_and_a_held_target_altogether() {
    let (_folder, db) = accepted_relay().await;
    follow(&db, at(1)).await;
    let looks = take(&db, at(1)).await;
    let ticket = looks[0].ticket.clone();
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        Ok(observation::put_off(tx, at(11), &ticket).await?)
    })
    .await
    .unwrap();

    assert_eq!(take(&db, at(70)).await.len(), 0);
    run_sql(
        &db,
        "INSERT INTO target (name, circuit_state, circuit_since, next_probe_at) VALUES ('relays.example.com', 'open', 0, 0)",
    )
    .await;
    assert_eq!(take(&db, at(71)).await.len(), 0);
    run_sql(
        &db,
        "UPDATE target SET circuit_state = 'closed', next_probe_at = NULL",
    )
    .await;
    assert_eq!(take(&db, at(71)).await.len(), 1);
    assert_eq!(
        one(&db, "SELECT drift FROM relay_observation").await,
        "NULL"
    );
}

#[tokio::test]
async fn what_was_accepted_before_anybody_looked_is_found_and_added() {
    let (_folder, db) = database().await;
    populate(&db, 2, &["w"]).await;
    accept(&db, at(0)).await;
    begin(&db, at(10)).await;
    assert!(!follow(&db, at(10)).await);

    let found = observation::unwatched(db.readers(), None).await.unwrap();
    assert_eq!(found, [relay_id(0)]);
    let enrolled = found.into_iter().map(|relay| Enrolled {
        relay,
        due_at: at(20).timestamp_millis(),
    });
    let enrolled: Vec<Enrolled> = enrolled.collect();
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        Ok(observation::enrol(tx, &enrolled).await?)
    })
    .await
    .unwrap();

    assert_eq!(
        observation::unwatched(db.readers(), None).await.unwrap(),
        []
    );
    assert_eq!(take(&db, at(19)).await.len(), 0);
    assert_eq!(take(&db, at(20)).await.len(), 1);
}

#[tokio::test]
async fn a_removed_relay_is_not_looked_at_whoever_has_its_host() {
    let (_folder, db) = accepted_relay().await;
    follow(&db, at(1)).await;

    run_sql(&db, "UPDATE relay SET removed_at = 1").await;
    assert_eq!(take(&db, at(2)).await.len(), 0);

    // zooid confirms.
    accept(&db, at(3)).await;
    assert!(follow(&db, at(4)).await);
    assert_eq!(take(&db, at(5)).await.len(), 0);
}
