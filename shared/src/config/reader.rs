//! Reading variables, and collecting everything that is wrong with them.

use std::fmt;
use std::time::Duration;

use super::Source;
use super::variable::{Expected, Variable};

/// All that is wrong with a configuration, in the order in which it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

/// One thing that is wrong. It names variables and never repeats a value: a secret that was pasted into the wrong
/// variable would end up in a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not set, or empty, and must be.
    #[error("{name} is missing: expected {expected}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What belongs there.
        expected: Expected,
    },
    /// The variable is set to something else than what belongs there.
    #[error("{name} is malformed: expected {expected}")]
    Malformed {
        /// The variable.
        name: &'static str,
        /// What belongs there.
        expected: Expected,
    },
    /// One entry of a list is something else than what belongs there. It is named by its place: even where a name is
    /// expected, a secret may have been pasted.
    #[error("{name} is malformed in entry {position}: expected {expected}")]
    Entry {
        /// The variable.
        name: &'static str,
        /// Which entry, counted from 1.
        position: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// Two variables are well-formed, but not together.
    #[error("{name} and {other} disagree: {rule}")]
    Disagree {
        /// The variable to look at first.
        name: &'static str,
        /// The one it is bound to.
        other: &'static str,
        /// What must hold between them.
        rule: &'static str,
    },
    /// The file `.env` cannot be used.
    #[error(".env cannot be read: {reason}")]
    DotEnv {
        /// Where it goes wrong.
        reason: String,
    },
}

impl ConfigErrors {
    /// Each thing that is wrong.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

/// One line of introduction, then a line for each error.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        for error in self.iter() {
            write!(f, "\n  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// What was read, unless it was refused.
pub(super) type Read<T> = Result<T, Refused>;

/// The reader has recorded why there is no value.
#[derive(Debug)]
#[must_use]
pub(super) struct Refused;

/// Reads variables one after the other and remembers what was wrong.
///
/// A struct is built when all of its reads are done, so that the first error hides no other.
pub(super) struct Reader<'a> {
    source: &'a Source,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Runs `read` over the source: its result, or all that was wrong.
    pub fn load<T>(
        source: &'a Source,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Result<T, ConfigErrors> {
        let mut reader = Self {
            source,
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        read(&mut reader).map_err(|Refused| ConfigErrors(reader.errors))
    }

    /// A variable that must be set, or has a default.
    pub fn required<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Read<T> {
        let Some(value) = self.source.value(variable.name).or(variable.default) else {
            return Err(self.refuse(ConfigError::Missing {
                name: variable.name,
                expected: variable.expected,
            }));
        };
        self.parse(variable, value, parse)
    }

    /// A variable that may be missing; its default plays no part.
    pub fn optional<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Read<Option<T>> {
        match self.source.value(variable.name) {
            Some(value) => self.parse(variable, value, parse).map(Some),
            None => Ok(None),
        }
    }

    /// A whole number within the bounds of its variable.
    pub fn whole<T: TryFrom<u64>>(&mut self, variable: &Variable) -> Read<T> {
        self.required(variable, |text| {
            let number = text.parse().ok()?;
            let within = match variable.expected {
                Expected::Form(_) => true,
                Expected::Whole { from, to } => (from..=to).contains(&number),
            };
            within.then(|| T::try_from(number).ok())?
        })
    }

    /// A whole number of seconds.
    pub fn seconds(&mut self, variable: &Variable) -> Read<Duration> {
        self.whole(variable).map(Duration::from_secs)
    }

    /// A whole number of milliseconds.
    pub fn millis(&mut self, variable: &Variable) -> Read<Duration> {
        self.whole(variable).map(Duration::from_millis)
    }

    /// Whether the variable is set to anything at all.
    pub fn is_set(&self, variable: &Variable) -> bool {
        self.source.value(variable.name).is_some()
    }

    /// Records an error; the same one only once, for two programs in one process share variables.
    pub fn refuse(&mut self, error: ConfigError) -> Refused {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
        Refused
    }

    /// Records something that a person should know, though the program can run; the same only once.
    pub fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The warnings so far, which are then forgotten.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn parse<T>(
        &mut self,
        variable: &Variable,
        value: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Read<T> {
        // Replacement characters stand for bytes that were no UTF-8.
        let is_text = !value.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER);
        let parsed = if is_text { parse(value) } else { None };
        parsed.ok_or_else(|| {
            self.refuse(ConfigError::Malformed {
                name: variable.name,
                expected: variable.expected,
            })
        })
    }
}
