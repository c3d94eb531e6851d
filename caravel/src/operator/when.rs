//! Times as people read them at a glance: how long ago, how long still.

use chrono::{DateTime, TimeDelta, Utc};

/// How far `at` (unix milliseconds) is from `now`, to the unit that matters: `12 s ago`, `in 3 min`.
pub fn relative(now: DateTime<Utc>, at: i64) -> String {
    let distance = TimeDelta::milliseconds(at - now.timestamp_millis());
    if distance > TimeDelta::zero() {
        format!("in {}", span(distance))
    } else {
        format!("{} ago", span(-distance))
    }
}

/// The same, or "" when there is no such time.
pub fn relative_or_blank(now: DateTime<Utc>, at: Option<i64>) -> String {
    at.map_or(String::new(), |at| relative(now, at))
}

/// `at` (unix milliseconds) on the calendar.
pub fn exact(at: i64) -> String {
    DateTime::from_timestamp_millis(at).map_or_else(
        || format!("{at} ms"),
        |time| time.format("%F %T UTC").to_string(),
    )
}

fn span(span: TimeDelta) -> String {
    match span.num_seconds() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_by_its_distance_in_the_unit_that_matters() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let told = |seconds: i64| relative(now, now.timestamp_millis() + seconds * 1000);

        assert_eq!(told(0), "0 s ago");
        assert_eq!(told(-119), "119 s ago");
        assert_eq!(told(-120), "2 min ago");
        assert_eq!(told(7_199), "in 119 min");
        assert_eq!(told(7_200), "in 2 h");
        assert_eq!(told(-200_000), "2 d ago");
        assert_eq!(exact(1_800_000_000_000), "2027-01-15 08:00:00 UTC");
    }
}
