//! Short runs of the chaos harness, which is a program of its own.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// How long the harness may take beyond its storm: a circuit that is open is probed once a minute.
const AFTER: Duration = Duration::from_mins(5);

#[tokio::test]
async fn nothing_is_lost_in_a_minute_of_chaos() {
    let run = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(["--seed", "1", "--minutes", "1"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(AFTER, run).await.unwrap().unwrap();

    let report = String::from_utf8(output.stdout).unwrap();
    let trouble = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{report}{trouble}");
    eprintln!("{report}");
    let kills = report
        .lines()
        .find_map(|line| line.strip_prefix("kills: "))
        .unwrap();
    assert!(kills.parse::<u32>().unwrap() >= 200, "{report}");
    // Every named step is listed with the kills there.
    assert!(report.contains("  at write.committed: "), "{report}");
    let never = report.lines().find(|line| line.ends_with(": 0"));
    assert_eq!(never, None, "{report}");
}

#[tokio::test]
async fn another_worker_makes_the_call_of_one_that_was_killed_in_it() {
    let run = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(["recovery", "--kills", "10", "--lanes", "5"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(AFTER, run).await.unwrap().unwrap();

    let report = String::from_utf8(output.stdout).unwrap();
    let trouble = String::from_utf8(output.stderr).unwrap();
    assert!(report.starts_with("recoveries: 10\n"), "{report}{trouble}");
    eprintln!("{report}");
}
