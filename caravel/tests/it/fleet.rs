//! Many processes on one database.

use futures::future::join_all;

use crate::installation::{Installation, create_relays, number, until_in_step};
use crate::process::Process;

#[tokio::test]
async fn four_workers_share_two_thousand_relays_and_never_meet_at_one() {
    let installation = Installation::new().await;
    let db = installation.db().await;
    create_relays(&installation, &db, 2000).await;

    let workers = join_all((0..4).map(async |_| installation.worker().await)).await;
    until_in_step(&db, 2000).await;

    let accepted = "SELECT count(DISTINCT relay_id) FROM sync_attempt WHERE outcome = 'accepted'";
    assert_eq!(number(&db, accepted).await, 2000);
    assert_eq!(installation.sim.max_overlap(), 1);
    let died = "SELECT count(*) FROM worker_heartbeat WHERE dead_at IS NOT NULL";
    assert_eq!(number(&db, died).await, 0);
    let busy = "SELECT count(DISTINCT worker_id) FROM sync_attempt";
    assert_eq!(number(&db, busy).await, 4);
    drop(workers);
}

#[tokio::test]
async fn ten_processes_that_start_at_once_on_an_empty_folder_all_come_up() {
    let installation = Installation::new().await;

    let processes: Vec<Process> = (0..10)
        .map(|number| ["api", "worker"][number % 2])
        .map(|program| Process::spawn(installation.program(&[program])))
        .collect();

    for (number, mut process) in processes.into_iter().enumerate() {
        let sign_of_life = ["listening on ", "worker "][number % 2];
        process.printed(sign_of_life).await;
    }
}
