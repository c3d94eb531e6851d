//! Any interleaving of everything that can happen to a few relays, against a model of the world around the queue.
//!
//! The model (`world`) has what the queue cannot see: the workers with what they hold, calls still on their way, and the
//! zooid that carries them out in the order in which they arrive. After every step the tables must agree with one another
//! (`invariants`); in the end, when it has become quiet, every relay must be in zooid as its owner wants it, or in a state
//! that says by name why not.

mod invariants;
mod step;
mod world;

use proptest::{collection::vec, prelude::*, test_runner::TestCaseResult};

use super::*;
use step::{Step, step};
use world::World;

/// A database as it is after the first start, to begin each case with a copy.
struct Template {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl Template {
    async fn new() -> Self {
        let (folder, db) = database().await;
        populate(&db, world::RELAYS, &world::WORKERS).await;
        let path = db.path().to_owned();
        db.close().await;
        Self {
            _folder: folder,
            path,
        }
    }

    async fn copy(&self) -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        std::fs::copy(&self.path, &path).unwrap();
        let options = DatabaseOptions {
            path,
            synchronous: Synchronous::Normal,
            role: Role::Background,
        };
        (folder, Db::open(options).await.unwrap())
    }
}

/// Takes the steps, then lets everything come to rest.
async fn walk(template: &Template, steps: Vec<Step>) -> TestCaseResult {
    let (_folder, db) = template.copy().await;
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        let mut world = World::new();
        for step in steps {
            world.take(tx, step).await?;
            invariants::check(tx).await?;
        }
        world.come_to_rest(tx).await?;
        invariants::check(tx).await?;
        world.check_converged(tx).await
    })
    .await
    .unwrap();
    db.close().await;
    Ok(())
}

#[test]
fn any_interleaving_ends_in_step_or_in_a_state_that_says_why_not() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let template = runtime.block_on(Template::new());
    let config = ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(steps in vec(step(), 1..160))| {
        runtime.block_on(walk(&template, steps))?;
    });
}
