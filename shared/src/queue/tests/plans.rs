//! What the queue's statements cost beside a long history: none may scan `Jobs`.

use super::*;
use crate::queue::{claim::PEEK, liveness::Observer};

const FINISHED: i64 = 200_000;

async fn with_history() -> (tempfile::TempDir, Db) {
    let (folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        sqlx::query(
            "INSERT INTO Jobs (id, job, job_type, status, attempts, run_at, done_at, priority, metadata)
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $1)
             SELECT printf('01J%023d', n), CAST('{}' AS BLOB), 'sync_relay', 'Done', 1, n, n, 20,
                 '{\"target\":\"relays.example.com\"}'
             FROM number",
        )
        .bind(FINISHED)
        .execute(&mut *tx)
        .await?;
        sqlx::query("ANALYZE").execute(&mut *tx).await?;
        Ok(())
    })
    .await
    .unwrap();
    (folder, db)
}

/// The lines of the plan that read a whole table or index of jobs.
async fn scans(db: &Db, sql: String) -> Vec<String> {
    let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    sqlx::query(explained)
        .fetch_all(db.readers())
        .await
        .unwrap()
        .iter()
        .map(|row| row.get::<String, _>("detail"))
        .filter(|detail| {
            detail.starts_with("SCAN Jobs")
                || detail.starts_with("SCAN sync_attempt")
                || detail.starts_with("SCAN twin")
        })
        .collect()
}

/// Every statement of the queue, as they ran in one pass through its life.
async fn statements(db: &Db) -> Vec<String> {
    let mut ran: Vec<String> = db
        .write(async move |tx: &mut WriteTx| -> Outcome<_> {
            let (me, relay) = (worker_id("w"), relay_id(0));
            liveness::register(tx, at(0), &worker_id("silent"), 1).await?;
            edit(tx, at(0), &relay).await?;
            for end in [accepted, refused, |sync: &ClaimedSync| {
                Finished::new(sync, End::NotStarted)
            }] {
                edit(tx, at(0), &relay).await?;
                let claimed = claim::claim(tx, at(60), &me, &[target()], 1, Suspects::One).await?;
                outcome::record(tx, at(60), &POLICY, &[end(&claimed[0])], Care::Together).await?;
            }
            let lost = claim::claim(
                tx,
                at(120),
                &worker_id("silent"),
                &[target()],
                1,
                Suspects::One,
            )
            .await?;
            let mut observer = Observer::new(Duration::from_secs(10));
            for look in 0..=4 {
                liveness::beat(tx, at(120), &me, 100, 0).await?;
                let monotonic = Duration::from_millis(2500) * look;
                liveness::observe(tx, at(120), monotonic, &me, &mut observer, &POLICY, 3).await?;
            }
            outcome::record(tx, at(121), &POLICY, &[accepted(&lost[0])], Care::EachAlone).await?;
            crate::queue::reconcile(tx, at(121), Duration::from_secs(30), 3).await?;
            let seen = observation::drifted();
            observation::look_once(tx, at(122), &seen).await?;
            observation::look_once(tx, at(123), &seen).await?;
            liveness::sign_off(tx, at(121), &me).await?;
            let ran = tx.ran.iter().flat_map(|text| text.split(";\n"));
            Ok(ran.map(str::to_owned).collect())
        })
        .await
        .unwrap();
    ran.push(PEEK.to_owned());
    ran
}

#[tokio::test]
async fn no_statement_of_the_queue_scans_the_history() {
    let (_folder, db) = with_history().await;
    let finished: i64 = sqlx::query_scalar("SELECT count(*) FROM Jobs WHERE status = 'Done'")
        .fetch_one(db.readers())
        .await
        .unwrap();
    assert_eq!(finished, FINISHED);

    let statements = statements(&db).await;

    assert!(
        statements.len() > 25,
        "only {} statements ran",
        statements.len()
    );
    for statement in statements {
        assert_eq!(
            scans(&db, statement.clone()).await,
            Vec::<String>::new(),
            "{statement}"
        );
    }
    // The probe itself can tell.
    let scan = "SELECT * FROM Jobs WHERE done_at > 5".to_owned();
    assert_ne!(scans(&db, scan).await, Vec::<String>::new());
}
