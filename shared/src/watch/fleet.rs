//! The figures of the fleet, as one scrape tells them.

use std::time::Duration;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use crate::{db::Db, queue::Fleet};

/// What was read for one scrape.
#[derive(Debug)]
pub(super) struct FleetCollector {
    fleet: Option<Fleet>,
    database_bytes: Option<u64>,
    wal_bytes: Option<u64>,
}

/// Names and values of labels.
type Labels<'a> = Vec<(&'static str, &'a str)>;

impl FleetCollector {
    pub(super) fn new(db: &Db, fleet: Option<Fleet>) -> Self {
        Self {
            fleet,
            database_bytes: std::fs::metadata(db.path()).ok().map(|file| file.len()),
            wal_bytes: db.wal_bytes().ok(),
        }
    }
}

impl Collector for FleetCollector {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut out = Out(encoder);
        let readable = i64::from(self.fleet.is_some());
        out.gauge(
            "caravel_database_readable",
            "Whether the database answered this scrape.",
            [(vec![], readable)],
        )?;
        out.gauge(
            "caravel_database_bytes",
            "Size of the database file.",
            self.database_bytes.map(|bytes| (vec![], whole(bytes))),
        )?;
        out.gauge(
            "caravel_wal_bytes",
            "Size of the write-ahead log's file.",
            self.wal_bytes.map(|bytes| (vec![], whole(bytes))),
        )?;
        match &self.fleet {
            Some(fleet) => {
                out.relays(fleet)?;
                out.queue(fleet)?;
                out.attempts(fleet)?;
                out.lags(fleet)
            }
            None => Ok(()),
        }
    }
}

/// Where a scrape is written to.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn relays(&mut self, fleet: &Fleet) -> Result<(), std::fmt::Error> {
        self.gauge(
            "caravel_relays",
            "Relays by target and state.",
            fleet.relays.iter().map(|(target, state, relays)| {
                (
                    vec![("target", target.as_str()), ("state", state.as_str())],
                    *relays,
                )
            }),
        )?;
        self.gauge(
            "caravel_relays_out_of_step",
            "Relays of which zooid has not the newest generation, given up ones included.",
            fleet
                .targets
                .iter()
                .map(|target| (vec![("target", target.name.as_str())], target.out_of_step)),
        )?;
        self.gauge(
            "caravel_relays_drifted",
            "Relays that do not answer as zooid accepted them, where workers look.",
            fleet
                .targets
                .iter()
                .map(|target| (vec![("target", target.name.as_str())], target.drifted)),
        )?;
        self.seconds(
            "caravel_out_of_step_oldest_seconds",
            "How long the first of the relays out of step has been so.",
            fleet
                .targets
                .iter()
                .map(|target| (target.name.as_str(), target.oldest_out_of_step)),
        )
    }

    fn queue(&mut self, fleet: &Fleet) -> Result<(), std::fmt::Error> {
        self.seconds(
            "caravel_oldest_due_seconds",
            "How long the oldest due job has waited that a worker may take.",
            fleet
                .targets
                .iter()
                .map(|target| (target.name.as_str(), target.oldest_due)),
        )?;
        self.gauge(
            "caravel_circuit_open",
            "Whether the target's circuit is open.",
            fleet.targets.iter().map(|target| {
                (
                    vec![("target", target.name.as_str())],
                    i64::from(target.is_open),
                )
            }),
        )?;
        self.gauge(
            "caravel_target_paused",
            "Whether an operator holds the target back.",
            fleet.targets.iter().map(|target| {
                (
                    vec![("target", target.name.as_str())],
                    i64::from(target.is_paused),
                )
            }),
        )?;
        self.gauge(
            "caravel_queue_paused",
            "Whether an operator holds every sync back.",
            [(vec![], i64::from(fleet.is_paused))],
        )?;
        let (workers, slots, running) = fleet.workers;
        self.gauge(
            "caravel_workers_alive",
            "Workers that beat in the last minute.",
            [(vec![], workers)],
        )?;
        self.gauge(
            "caravel_worker_slots",
            "Syncs that these workers may run at once.",
            [(vec![], slots)],
        )?;
        self.gauge(
            "caravel_syncs_running",
            "Syncs that these workers ran at their last beat.",
            [(vec![], running)],
        )
    }

    fn attempts(&mut self, fleet: &Fleet) -> Result<(), std::fmt::Error> {
        fn labels<'a>(target: &'a str, outcome: &'a str, kind: &'a str) -> Labels<'a> {
            vec![("target", target), ("outcome", outcome), ("kind", kind)]
        }
        let mut family = self.0.encode_descriptor(
            "caravel_attempts",
            "Attempts that ended, by outcome and failure kind.",
            None,
            MetricType::Counter,
        )?;
        for (target, outcome, kind, attempts, _) in &fleet.attempts {
            family
                .encode_family(&labels(target, outcome, kind))?
                .encode_counter::<NoLabelSet, _, u64>(&attempts.unsigned_abs(), None)?;
        }
        let mut family = self.0.encode_descriptor(
            "caravel_attempts_seconds",
            "Time that these attempts took together.",
            None,
            MetricType::Counter,
        )?;
        for (target, outcome, kind, _, total_ms) in &fleet.attempts {
            family
                .encode_family(&labels(target, outcome, kind))?
                .encode_counter::<NoLabelSet, _, u64>(&seconds(*total_ms), None)?;
        }
        Ok(())
    }

    fn lags(&mut self, fleet: &Fleet) -> Result<(), std::fmt::Error> {
        let mut family = self.0.encode_descriptor(
            "caravel_sync_lag_seconds",
            "Time from the first commit that zooid did not know of to zooid's acceptance of the newest.",
            None,
            MetricType::Histogram,
        )?;
        for lags in fleet.lags.chunk_by(|one, next| one.0 == next.0) {
            let buckets: Vec<(f64, u64)> = lags
                .iter()
                .map(|(_, upper_ms, syncs, _)| {
                    let upper = match *upper_ms {
                        // What the encoder takes for infinity.
                        i64::MAX => f64::MAX,
                        upper_ms => seconds(upper_ms),
                    };
                    (upper, syncs.unsigned_abs())
                })
                .collect();
            let syncs = buckets.iter().map(|(_, syncs)| syncs).sum();
            let total_ms = lags.iter().map(|(.., total_ms)| total_ms).sum();
            if let Some((target, ..)) = lags.first() {
                family
                    .encode_family(&vec![("target", target.as_str())])?
                    .encode_histogram::<NoLabelSet>(seconds(total_ms), syncs, &buckets, None)?;
            }
        }
        Ok(())
    }

    fn seconds<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (&'a str, Duration)>,
    ) -> Result<(), std::fmt::Error> {
        let mut family = self.family(name, help)?;
        for (target, value) in samples {
            family
                .encode_family(&vec![("target", target)])?
                .encode_gauge(&value.as_secs_f64())?;
        }
        Ok(())
    }

    fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, i64)>,
    ) -> Result<(), std::fmt::Error> {
        let mut family = self.family(name, help)?;
        for (labels, value) in samples {
            if labels.is_empty() {
                family.encode_gauge(&value)?;
            } else {
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
    ) -> Result<MetricEncoder<'s>, std::fmt::Error> {
        self.0
            .encode_descriptor(name, help, None, MetricType::Gauge)
    }
}

fn seconds(ms: i64) -> f64 {
    Duration::from_millis(ms.unsigned_abs()).as_secs_f64()
}

fn whole(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
