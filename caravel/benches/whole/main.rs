//! Benchmarks of the whole: `cargo bench -p caravel`, or `cargo bench -p caravel -- pickup drain` for some of them.
//!
//! Absolute figures belong to the machine they were taken on. Every ratio is against a baseline measured in the same run,
//! and what is reported is the median of several rounds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking and reports on its standard output"
)]

mod creates;
mod drain;
mod fairness;
mod fixture;
mod held;
mod idle;
mod noop_worker;
mod pages;
mod pickup;
mod stats;
mod stock;

/// The sections, in the order they run.
const SECTIONS: [&str; 7] = [
    "pickup", "drain", "creates", "fairness", "held", "idle", "pages",
];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if let [child, database, slots] = arguments.as_slice()
        && child == noop_worker::ARGUMENT
    {
        runtime.block_on(noop_worker::run(database, slots.parse().unwrap()));
        return;
    }
    if let Some(unknown) = arguments
        .iter()
        .find(|name| !SECTIONS.contains(&name.as_str()))
    {
        println!(
            "there is no section {unknown}; there are {}",
            SECTIONS.join(", ")
        );
        std::process::exit(2);
    }
    println!("{}", stats::machine());
    for section in SECTIONS {
        if !arguments.is_empty() && !arguments.iter().any(|name| name == section) {
            continue;
        }
        println!("\n== {section}");
        match section {
            "pickup" => runtime.block_on(pickup::run()),
            "drain" => runtime.block_on(drain::run()),
            "creates" => runtime.block_on(creates::run()),
            "fairness" => runtime.block_on(fairness::run()),
            "held" => runtime.block_on(held::run()),
            "idle" => runtime.block_on(idle::run()),
            "pages" => runtime.block_on(pages::run()),
            other => unreachable!("{other} has no benchmark"),
        }
    }
}
