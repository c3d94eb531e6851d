//! Creating relays at command level: group commit against one transaction per create.

use std::time::Instant;

use futures::future::join_all;
use tokio::sync::Mutex;

use crate::{fixture::Fixture, stats::median, stock::count};

const CALLERS: usize = 32;
const CREATES_PER_CALLER: usize = 100;
const ROUNDS: usize = 5;

pub async fn run() {
    let (mut grouped, mut single, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let with_groups = rate(Grouping::Group).await;
        let one_by_one = rate(Grouping::OneByOne).await;
        grouped.push(with_groups);
        single.push(one_by_one);
        ratios.push(with_groups / one_by_one);
    }
    println!(
        "creates, {CALLERS} callers, synchronous FULL: {:.0}/s; one transaction per create {:.0}/s; ratio {:.2} (wanted: at least 2.5)",
        median(grouped),
        median(single),
        median(ratios)
    );
}

/// Whether creates may share a transaction.
#[derive(Clone, Copy)]
enum Grouping {
    Group,
    /// Each create waits for the one before it to be answered: a transaction and an fsync of its own.
    OneByOne,
}

async fn rate(grouping: Grouping) -> f64 {
    let fixture = Fixture::new().await;
    let turn = Mutex::new(());
    let began = Instant::now();
    join_all((0..CALLERS).map(async |caller| {
        for number in 0..CREATES_PER_CALLER {
            let _turn = match grouping {
                Grouping::Group => None,
                Grouping::OneByOne => Some(turn.lock().await),
            };
            fixture.create(&format!("c{caller}-{number}")).await;
        }
    }))
    .await;
    count(CALLERS * CREATES_PER_CALLER) / began.elapsed().as_secs_f64()
}
