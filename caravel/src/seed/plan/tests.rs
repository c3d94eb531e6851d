use std::collections::{BTreeMap, HashSet};

use super::*;

const NOW: i64 = 1_800_000_000_000;

fn plan(relays: usize, attempts: usize, seed: u64) -> Plan {
    Plan::make(Wanted {
        relays,
        attempts,
        seed,
        now: NOW,
    })
}

fn attempts_of(plan: &Plan) -> BTreeMap<usize, Vec<(i64, Attempt)>> {
    let mut attempts: BTreeMap<usize, Vec<(i64, Attempt)>> = BTreeMap::new();
    for event in &plan.events {
        if let What::Attempt(attempt) = &event.what {
            let of_relay = attempts.entry(event.relay).or_default();
            of_relay.push((event.at, attempt.clone()));
        }
    }
    attempts
}

const SIZES: [(usize, usize); 7] = [
    (1, 1),
    (1, 100),
    (3, 0),
    (40, 200),
    (60, 20),
    (500, 5_000),
    (2_000, 2_500),
];

#[test]
fn there_are_exactly_as_many_relays_and_attempts_as_asked_for() {
    for (relays, attempts) in SIZES {
        for seed in 0..5 {
            let plan = plan(relays, attempts, seed);

            let planned: usize = attempts_of(&plan).values().map(Vec::len).sum();
            assert_eq!(
                (plan.relays.len(), planned),
                (relays, attempts),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn a_relays_attempts_follow_each_other_and_none_lies_ahead() {
    for (relays, attempts) in SIZES {
        let plan = plan(relays, attempts, 3);
        let created: Vec<(usize, i64)> = plan
            .events
            .iter()
            .filter(|event| matches!(event.what, What::Created))
            .map(|event| (event.relay, event.at))
            .collect();
        for (relay, attempts) in attempts_of(&plan) {
            let mut free_from = created[relay].1;
            for (index, (began, attempt)) in attempts.iter().enumerate() {
                assert_eq!(attempt.number, i64::try_from(index).unwrap() + 1);
                assert!(*began >= free_from && attempt.ended >= *began);
                free_from = attempt.ended;
            }
            assert!(free_from <= NOW, "{relay} of {relays} ends in the future");
        }
        assert!(created.iter().map(|(relay, _)| *relay).eq(0..relays));
        assert!(created.iter().all(|(_, at)| *at >= NOW - HISTORY));
        assert!(plan.events.is_sorted_by_key(|event| event.at));
    }
}

#[test]
fn what_a_relay_says_in_the_end_follows_from_its_attempts() {
    let plan = plan(2_000, 9_000, 1);
    let attempts = attempts_of(&plan);
    for (place, relay) in plan.relays.iter().enumerate() {
        let of_relay = attempts.get(&place).map_or(&[][..], Vec::as_slice);
        let accepted = of_relay
            .iter()
            .filter(|(_, attempt)| attempt.cause.is_none())
            .map(|(_, attempt)| (attempt.generation, attempt.ended))
            .next_back();
        assert_eq!(relay.accepted, accepted);
        let is_in_step = accepted.is_some_and(|(generation, _)| generation == relay.generation);
        assert_eq!(is_in_step, relay.fate == Fate::Synced, "{relay:?}");
        let of_last_job = of_relay
            .iter()
            .filter(|(_, attempt)| attempt.job == relay.job)
            .count();
        assert_eq!(relay.attempts, i64::try_from(of_last_job).unwrap());
        let generations: i64 = plan
            .events
            .iter()
            .filter(|event| event.relay == place && !matches!(event.what, What::Attempt(_)))
            .map(|_| 1)
            .sum();
        assert_eq!(relay.generation, generations);
    }
}

#[test]
fn every_fate_is_there_among_fifty_and_pairs_name_each_other() {
    let plan = plan(50, 500, 1);

    let fates: HashSet<Fate> = plan.relays.iter().map(|relay| relay.fate).collect();
    assert_eq!(fates.len(), 10);
    for (place, relay) in plan.relays.iter().enumerate() {
        let is_of_pair = matches!(relay.fate, Fate::Leaving | Fate::Blocked);
        assert_eq!(relay.partner.is_some(), is_of_pair);
        if let Some(partner) = relay.partner {
            assert_eq!(plan.relays[partner].partner, Some(place));
            assert_eq!(plan.relays[partner].target, relay.target);
        }
    }
}

#[test]
fn a_seed_gives_the_same_plan_and_another_one_another() {
    let told = |seed| -> Vec<String> {
        let plan = plan(100, 1_000, seed);
        let relays = plan.relays.iter().map(|relay| format!("{relay:?}"));
        let events = plan.events.iter().map(|event| format!("{event:?}"));
        relays.chain(events).collect()
    };

    assert_eq!(told(7), told(7));
    assert_ne!(told(7), told(8));
}
