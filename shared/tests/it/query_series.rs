//! A chart over days, read from hours where those are summed.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use shared::{
    clock::{ManualClock, SharedClock},
    query::operator::{Series, SeriesRange, Viewpoint},
    queue::sum_hours,
};

use crate::fixture::Fixture;

/// Half past an hour, ten days after the first minute that has something.
const NOW: i64 = 1_800_000_000 + 10 * 86_400 + 1800;

/// Something in each minute of ten days and a half hour, at two targets.
const HISTORY: [&str; 2] = [
    "WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 10 * 1440 + 30)
     INSERT INTO sync_minute (minute, target, accepted, failed, lost)
     SELECT 30000000 + n, target.value, n % 7, n % 3, n % 2
     FROM number CROSS JOIN json_each('[\"a.example.com\", \"b.example.com\"]') AS target",
    "INSERT INTO sync_lag (minute, target, upper_ms, syncs)
     SELECT minute, target, 10 * (1 + minute % 9), 1 + minute % 4 FROM sync_minute",
];

async fn series(fixture: &Fixture, minutes: u32, step: u32, target: Option<&str>) -> Series {
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    let view = Viewpoint::new(now, Duration::from_secs(10));
    let target = target.map(|name| name.parse().unwrap());
    fixture
        .query
        .series(&view, SeriesRange { minutes, step }, target.as_ref())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_long_series_is_the_same_from_hours_as_from_their_minutes() {
    let fixture = Fixture::new().await;
    for statement in HISTORY {
        fixture.sql(statement).await;
    }
    let asked = [
        (14_400, 120, None),
        (14_400, 120, Some("b.example.com")),
        (20_160, 1440, None),
        (600, 60, None),
    ];
    let mut by_minutes = Vec::new();
    for (minutes, step, target) in asked {
        by_minutes.push(series(&fixture, minutes, step, target).await);
    }

    let clock: SharedClock = Arc::new(ManualClock::new(DateTime::from_timestamp(NOW, 0).unwrap()));
    let summed = sum_hours(&fixture.db, &clock, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(summed, 240);
    // Nothing but the hours can answer for them now.
    for statement in [
        "DELETE FROM sync_minute WHERE minute < 30000000 + 240 * 60",
        "DELETE FROM sync_lag WHERE minute < 30000000 + 240 * 60",
    ] {
        fixture.sql(statement).await;
    }

    for ((minutes, step, target), expected) in asked.into_iter().zip(by_minutes) {
        let by_hours = series(&fixture, minutes, step, target).await;
        assert!(by_hours.points.iter().any(|point| point.ended.lost > 0));
        assert_eq!(by_hours, expected, "{minutes} by {step}");
    }
}

#[tokio::test]
async fn the_points_of_a_series_over_days_are_whole_hours() {
    let fixture = Fixture::new().await;
    for (minutes, step, answered, points) in [
        (2880, 7, 7, 412),
        (2881, 7, 60, 49),
        (20_160, 112, 120, 168),
        (20_160, 1440, 1440, 14),
    ] {
        let series = series(&fixture, minutes, step, None).await;

        assert_eq!(series.step_minutes, answered);
        assert_eq!(series.points.len(), points);
        assert_eq!(series.points[0].at % (i64::from(answered) * 60_000), 0);
    }
}
