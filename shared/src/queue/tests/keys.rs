//! A random walk over everything that moves a job, checking the key scheme after every step.

use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::IndexedRandom};

use super::*;
use crate::queue::liveness::Observer;

const STEPS: usize = 100_000;
const STEPS_PER_WRITE: usize = 500;
const RELAYS: usize = 6;
const WORKERS: [&str; 3] = ["w0", "w1", "w2"];

/// What the walk remembers: the claims whose outcome has not been reported, the stale ones among them included.
struct Walk {
    rng: SmallRng,
    now: i64,
    monotonic: Duration,
    held: Vec<ClaimedSync>,
    late_outcomes: usize,
}

impl Walk {
    async fn step(&mut self, tx: &mut WriteTx) -> Outcome {
        let now = at(self.now);
        let relay = relay_id(self.rng.random_range(0..RELAYS));
        let worker = worker_id(WORKERS.choose(&mut self.rng).unwrap());
        match self.rng.random_range(0..100) {
            0..20 => edit(tx, now, &relay).await?,
            20..25 => enqueue_edit(tx, now, &relay).await?,
            25..50 => {
                let slots = self.rng.random_range(1..4);
                let claimed =
                    claim::claim(tx, now, &worker, &[target()], slots, Suspects::One).await?;
                self.held.extend(claimed);
            }
            50..85 => self.report(tx).await?,
            85..90 => self.lose_a_worker(tx).await?,
            90..93 => {
                // An operator releases all that is quarantined; what is then without a job is found by the periodic look.
                sqlx::query("UPDATE relay_sync SET quarantined_at = NULL, crashes = 0")
                    .execute(&mut *tx)
                    .await?;
                crate::queue::reconcile(tx, now, Duration::ZERO, POLICY.max_attempts).await?;
            }
            93..95 => {
                crate::queue::reconcile(tx, now, Duration::from_secs(5), POLICY.max_attempts)
                    .await?;
            }
            95..97 => {
                sqlx::query("DELETE FROM Jobs WHERE status IN ('Done', 'Killed')")
                    .execute(&mut *tx)
                    .await?;
            }
            _ => self.now += self.rng.random_range(0..5),
        }
        check(tx).await
    }

    /// Reports one to three held claims, in any order, accepted or not.
    async fn report(&mut self, tx: &mut WriteTx) -> Outcome {
        let mut finished = Vec::new();
        for _ in 0..self.rng.random_range(1..4) {
            if self.held.is_empty() {
                break;
            }
            let sync = self
                .held
                .swap_remove(self.rng.random_range(0..self.held.len()));
            finished.push(match self.rng.random_range(0..10) {
                0..6 => accepted(&sync),
                6..9 => refused(&sync),
                _ => Finished::new(&sync, End::NotStarted),
            });
        }
        self.late_outcomes += finished.len();
        let care = if self.rng.random() {
            Care::Together
        } else {
            Care::EachAlone
        };
        outcome::record(tx, at(self.now), &POLICY, &finished, care).await?;
        Ok(())
    }

    /// One worker falls silent for a lease while another watches; what it holds will be reported late.
    async fn lose_a_worker(&mut self, tx: &mut WriteTx) -> Outcome {
        let now = at(self.now);
        let [silent, watching]: [&&str; 2] = WORKERS
            .sample_array(&mut self.rng)
            .unwrap()
            .map(|name| WORKERS.iter().find(|worker| **worker == name).unwrap());
        let other = WORKERS
            .iter()
            .find(|name| *name != silent && *name != watching)
            .unwrap();
        liveness::beat(tx, now, &worker_id(silent), 100, 0).await?;
        let mut observer = Observer::new(Duration::from_secs(10));
        for _ in 0..=4 {
            self.monotonic += Duration::from_millis(2500);
            for alive in [other, watching] {
                liveness::beat(tx, now, &worker_id(alive), 100, 0).await?;
            }
            liveness::observe(
                tx,
                now,
                self.monotonic,
                &worker_id(watching),
                &mut observer,
                &POLICY,
                3,
            )
            .await?;
        }
        Ok(())
    }
}

/// One waiting and at most one running job a relay; keys, locks and statuses that agree; every running job with an open
/// attempt and no open attempt without one; every edited relay covered.
async fn check(tx: &mut WriteTx) -> Outcome {
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
         SELECT 'out of step without a job, a final failure or a quarantine: ' || relay_id
         FROM relay_sync
         WHERE synced_generation < desired_generation
           AND desired_generation > 1
           AND failed_generation IS NOT desired_generation
           AND quarantined_at IS NULL
           AND crashes = 0
           AND NOT EXISTS (
               SELECT 1 FROM Jobs WHERE idempotency_key IN (relay_id, relay_id || ':running')
           )
         LIMIT 1",
    )
    .fetch_optional(&mut *tx)
    .await?;
    assert_eq!(wrong, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_scheme_holds_under_a_random_walk() {
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let (_folder, db) = database().await;
    populate(&db, RELAYS, &WORKERS).await;
    let mut walk = Walk {
        rng: SmallRng::seed_from_u64(seed),
        now: 0,
        monotonic: Duration::ZERO,
        held: Vec::new(),
        late_outcomes: 0,
    };

    for _ in 0..STEPS / STEPS_PER_WRITE {
        walk = db
            .write(async move |tx: &mut WriteTx| -> Outcome<Walk> {
                for _ in 0..STEPS_PER_WRITE {
                    walk.step(tx).await?;
                }
                // The history would only slow the checks down.
                sqlx::query(
                    "DELETE FROM sync_attempt WHERE finished_at IS NOT NULL AND outcome <> 'lost'",
                )
                .execute(&mut *tx)
                .await?;
                Ok(walk)
            })
            .await
            .unwrap();
    }

    assert!(
        walk.late_outcomes > STEPS / 20,
        "the walk has to report outcomes"
    );
    // Quiet: everybody reports, nobody edits, an operator releases; all relays end in step.
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        let held: Vec<Finished> = walk.held.iter().map(accepted).collect();
        outcome::record(tx, at(walk.now), &POLICY, &held, Care::EachAlone).await?;
        sqlx::query("UPDATE relay_sync SET quarantined_at = NULL, crashes = 0")
            .execute(&mut *tx)
            .await?;
        for number in 0..RELAYS {
            edit(tx, at(walk.now), &relay_id(number)).await?;
        }
        loop {
            let later = at(walk.now + 10_000);
            let claimed =
                claim::claim(tx, later, &worker_id("w0"), &[target()], 100, Suspects::One).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            let finished: Vec<Finished> = claimed.iter().map(accepted).collect();
            outcome::record(tx, later, &POLICY, &finished, Care::Together).await?;
        }
    })
    .await
    .unwrap();
    let behind: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM relay_sync WHERE synced_generation < desired_generation",
    )
    .fetch_one(db.readers())
    .await
    .unwrap();
    assert_eq!(behind, 0);
}
