//! Standard output: tables for people, JSON for scripts.
//!
//! Invariant: text that comes from elsewhere (a message of zooid's, a name that a tenant chose) reaches a terminal without
//! its control characters, which could move the cursor or hide what is printed.

use std::io::{self, Write as _};

use anstream::ColorChoice;
use clap::builder::styling::Style;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};
use serde::Serialize;

/// Prints `value` as JSON.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(writeln!(io::stdout(), "{text}")?)
}

/// Prints a line of text.
pub fn line(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{}", printable(text))?)
}

/// Prints what the lines after it are about.
pub fn heading(text: &str) -> anyhow::Result<()> {
    let style = Style::new().bold();
    Ok(writeln!(anstream::stdout(), "\n{style}{text}{style:#}")?)
}

/// Prints a table with these columns: as wide as the terminal, or as its contents where there is none.
pub fn table<const N: usize>(
    columns: [&str; N],
    rows: impl IntoIterator<Item = [Text; N]>,
) -> anyhow::Result<()> {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(columns.map(|name| Cell::new(name).add_attribute(Attribute::Bold)))
        .add_rows(rows.into_iter().map(|row| row.map(Cell::from)));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if styled() {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    Ok(writeln!(io::stdout(), "{}", table.trim_fmt())?)
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    text: String,
    tone: Tone,
}

/// How good the news is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Neither.
    Neutral,
    /// As it should be.
    Good,
    /// On its way, or held back.
    Uneasy,
    /// Somebody should look.
    Bad,
}

impl Text {
    /// Text in a tone.
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            text: printable(text.as_ref()),
            tone,
        }
    }
}

impl<T: ToString> From<T> for Text {
    fn from(value: T) -> Self {
        Self::new(value.to_string(), Tone::Neutral)
    }
}

impl From<Text> for Cell {
    fn from(text: Text) -> Self {
        let cell = Self::new_owned(text.text);
        match text.tone {
            Tone::Neutral => cell,
            Tone::Good => cell.fg(Color::Green),
            Tone::Uneasy => cell.fg(Color::Yellow),
            Tone::Bad => cell.fg(Color::Red),
        }
    }
}

/// Whether standard output takes colours: a terminal, unless `NO_COLOR` or its like says otherwise.
fn styled() -> bool {
    match anstream::AutoStream::choice(&io::stdout()) {
        ColorChoice::Never => false,
        ColorChoice::Auto | ColorChoice::AlwaysAnsi | ColorChoice::Always => true,
    }
}

/// `text` in one line, with a blank in the place of each control character.
fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\r\nc"), "a [2Jb  c");
        assert_eq!(Text::from("x\u{7}y"), Text::new("x y", Tone::Neutral));
    }
}
