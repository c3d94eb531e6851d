//! What ended over time, and how long relays were out of step: the points of a chart, and percentiles.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Viewpoint;
use crate::{
    domain::ZooidDomain,
    query::{Query, QueryError},
    repositories::operator::{
        Snapshot,
        rollup::{self, Ended, LagRow, Minutes},
    },
};

/// The greatest bound that is shown: what took longer is a day or more.
const BOUND_MAX_MS: i64 = 86_400_000;

/// Milliseconds of a minute.
pub(super) const MINUTE_MS: i64 = 60_000;

/// The longest range whose points may be any number of minutes: two days. The points of longer ones are whole hours, for
/// which sums are kept.
const BY_MINUTES_MAX: u32 = 2880;

/// How far back a series goes, and how finely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesRange {
    /// How many minutes up to the present one.
    pub minutes: u32,
    /// Minutes of one point; rounded up to whole hours where the range is longer than two days.
    pub step: u32,
}

impl SeriesRange {
    /// Minutes of one point, as they are answered.
    fn whole_step(self) -> u32 {
        let step = self.step.max(1);
        if self.minutes > BY_MINUTES_MAX {
            step.next_multiple_of(60)
        } else {
            step
        }
    }
}

/// What ended over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Series {
    /// Minutes of one point.
    pub step_minutes: u32,
    /// Every point, those without anything included, the oldest first. The last one is not over yet.
    pub points: Vec<Point>,
}

/// The minutes of one point together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Point {
    /// When it begins, in unix milliseconds: a multiple of its length.
    pub at: i64,
    /// The attempts that ended.
    #[serde(flatten)]
    pub ended: Ended,
    /// Half of the relays that came into step had been out of it for at most so long.
    pub lag_p50_ms: Option<i64>,
    /// 95 of 100 of them.
    pub lag_p95_ms: Option<i64>,
    /// 99 of 100 of them.
    pub lag_p99_ms: Option<i64>,
}

/// How many relays came into step, by the upper bound of how long they had been out of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram(BTreeMap<i64, u64>);

impl Histogram {
    pub(super) fn add(&mut self, row: &LagRow) {
        *self.0.entry(row.upper_ms).or_default() += row.syncs();
    }

    /// How many there are.
    pub(super) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The upper bound of the bucket that the percentile falls into; `None` when there are none.
    pub(super) fn percentile(&self, percent: u64) -> Option<i64> {
        let rank = (self.total() * percent).div_ceil(100);
        let mut seen = 0;
        self.0
            .iter()
            .find(|(_, syncs)| {
                seen += **syncs;
                seen >= rank
            })
            .map(|(upper_ms, _)| (*upper_ms).min(BOUND_MAX_MS))
    }
}

impl Query {
    /// What ended in each point of `range`, at one target or at all.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn series(
        &self,
        view: &Viewpoint,
        range: SeriesRange,
        target: Option<&ZooidDomain>,
    ) -> Result<Series, QueryError> {
        let step_minutes = range.whole_step();
        let step = i64::from(step_minutes);
        let last = view.now_ms().div_euclid(MINUTE_MS).div_euclid(step);
        let first = last + 1 - i64::from(range.minutes.max(1).div_ceil(step_minutes));
        let minutes = Minutes {
            from: first * step,
            until: (last + 1) * step,
            step,
        };
        let mut snapshot = Snapshot::of(&self.readers).await?;
        let mut ended: BTreeMap<i64, Ended> = BTreeMap::new();
        let mut lags: BTreeMap<i64, Histogram> = BTreeMap::new();
        for stretch in rollup::stretches(&mut snapshot, minutes).await? {
            for row in rollup::ended(&mut snapshot, stretch, target).await? {
                *ended.entry(row.slot).or_default() += row.ended();
            }
            for row in rollup::lags(&mut snapshot, stretch, target).await? {
                lags.entry(row.slot).or_default().add(&row);
            }
        }
        let points = (first..=last)
            .map(|slot| {
                let lag = |percent| lags.get(&slot)?.percentile(percent);
                Point {
                    at: slot * step * MINUTE_MS,
                    ended: ended.get(&slot).copied().unwrap_or_default(),
                    lag_p50_ms: lag(50),
                    lag_p95_ms: lag(95),
                    lag_p99_ms: lag(99),
                }
            })
            .collect();
        Ok(Series {
            step_minutes,
            points,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(of: &[(i64, u64)]) -> Histogram {
        Histogram(of.iter().copied().collect())
    }

    #[test]
    fn a_percentile_is_the_bound_of_the_bucket_it_falls_into() {
        let lags = histogram(&[(10, 90), (100, 9), (1000, 1)]);
        assert_eq!(lags.percentile(50), Some(10));
        assert_eq!(lags.percentile(90), Some(10));
        assert_eq!(lags.percentile(95), Some(100));
        assert_eq!(lags.percentile(99), Some(100));
        assert_eq!(lags.percentile(100), Some(1000));
    }

    #[test]
    fn one_relay_is_every_percentile_and_none_is_no_percentile() {
        assert_eq!(histogram(&[(70, 1)]).percentile(50), Some(70));
        assert_eq!(histogram(&[(70, 1)]).percentile(99), Some(70));
        assert_eq!(histogram(&[]).percentile(50), None);
    }

    #[test]
    fn what_took_longer_than_a_day_is_shown_as_a_day() {
        assert_eq!(histogram(&[(i64::MAX, 1)]).percentile(50), Some(86_400_000));
    }
}
