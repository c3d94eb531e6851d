//! Standard output as a demo uses it: plain lines, in modest colours where a terminal wants them.

use std::io::{self, Write as _};

use chrono::{DateTime, Local};
use clap::builder::styling::{AnsiColor, Style};
use shared::clock::{Clock as _, SystemClock};

const HEADING: Style = Style::new().bold();
const STORY: Style = AnsiColor::Cyan.on_default();
const ASIDE: Style = Style::new().dimmed();

/// Room for the name of a relay or tenant, so that what happened stands in a column.
const NAME_WIDTH: usize = 16;

/// How good the news is.
#[derive(Debug, Clone, Copy)]
pub enum Tone {
    /// Somebody asked for something.
    Neutral,
    /// zooid is in step.
    Good,
    /// Something went wrong.
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Neutral => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
        }
    }
}

/// Prints a line as it is.
pub fn line(text: &str) -> io::Result<()> {
    styled(Style::new(), text)
}

/// Prints what is more important than the lines around it.
pub fn heading(text: &str) -> io::Result<()> {
    styled(HEADING, text)
}

/// Prints what the story does next.
pub fn note(text: &str) -> io::Result<()> {
    styled(STORY, &format!("-- {text}"))
}

/// Prints what happened to whom, now, and how far everything is.
pub fn event(name: &str, tone: Tone, text: &str, progress: &str) -> io::Result<()> {
    let now: DateTime<Local> = SystemClock.now().into();
    let time = now.format("%H:%M:%S%.3f");
    let style = tone.style();
    writeln!(
        anstream::stdout(),
        "{ASIDE}{time}{ASIDE:#}  {name:NAME_WIDTH$} {style}{text}{style:#}  {ASIDE}{progress}{ASIDE:#}"
    )
}

fn styled(style: Style, text: &str) -> io::Result<()> {
    writeln!(anstream::stdout(), "{style}{text}{style:#}")
}
