//! The API reference says what the code does.

use api::CODES;
use api::routes::table;

const REFERENCE: &str = include_str!("../../../docs/http-api.md");

#[test]
fn the_reference_has_a_row_for_every_route() {
    for entry in table() {
        let row = format!("| `{} {}` | {} |", entry.method, entry.path, entry.access);
        assert!(REFERENCE.contains(&row), "no row {row}");
    }
}

#[test]
fn the_reference_has_a_row_for_every_code() {
    for code in CODES {
        let row = format!(
            "| `{}` | {} | {} |",
            code.code,
            code.status.as_u16(),
            code.meaning
        );
        assert!(REFERENCE.contains(&row), "no row {row}");
    }
}
