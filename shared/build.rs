//! Makes Cargo see a new file in `migrations/`: the macro that embeds them watches only those it found.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
