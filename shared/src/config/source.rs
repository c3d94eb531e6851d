//! Where variables come from. The only file that reads the process environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use super::{ConfigError, ConfigErrors};

/// The variables a program was started with: a snapshot, so that nothing depends on when it is read.
#[derive(Clone, Default)]
pub struct Source {
    variables: BTreeMap<String, String>,
}

impl Source {
    /// The process environment, completed by the file `.env` in the working directory where there is one. The
    /// environment wins.
    ///
    /// # Errors
    ///
    /// `.env` cannot be read, or has an entry that is no assignment.
    pub fn from_process() -> Result<Self, ConfigErrors> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is where configuration reads the environment"
        )]
        let environment = std::env::vars_os();
        Self::layered(Path::new(".env"), environment)
    }

    fn layered(
        dot_env: &Path,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigErrors> {
        let mut source = Self::from_dot_env(dot_env)?;
        for (name, value) in environment {
            // What is not UTF-8 gets replacement characters, which the reader refuses by the variable's name.
            let value = value.to_string_lossy().into_owned();
            source
                .variables
                .insert(name.to_string_lossy().into_owned(), value);
        }
        Ok(source)
    }

    fn from_dot_env(path: &Path) -> Result<Self, ConfigErrors> {
        let mut source = Self::default();
        let entries = match dotenvy::from_path_iter(path) {
            Ok(entries) => entries,
            Err(error) if error.not_found() => return Ok(source),
            Err(error) => return Err(unreadable(&error, None)),
        };
        let mut last = None;
        for entry in entries {
            let (name, value) = entry.map_err(|error| unreadable(&error, last.as_deref()))?;
            last = Some(name.clone());
            source.variables.insert(name, value);
        }
        Ok(source)
    }

    /// The value without the blanks around it. An empty one counts as not set.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }
}

/// dotenvy's own message quotes the entry, which may hold a secret: say only where it is.
fn unreadable(error: &dotenvy::Error, last: Option<&str>) -> ConfigErrors {
    let reason = match (error, last) {
        (dotenvy::Error::Io(error), _) => error.to_string(),
        (_, Some(name)) => format!("the entry after {name} is not of the form NAME=value"),
        (_, None) => "the first entry is not of the form NAME=value".to_owned(),
    };
    ConfigErrors::from(ConfigError::DotEnv { reason })
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Source {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self { variables }
    }
}

/// Names only: the values may be secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    /// The source of a `.env` with this text and an environment with these variables.
    fn layered(dot_env: &str, environment: &[(&str, &str)]) -> Result<Source, ConfigErrors> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        std::fs::write(&path, dot_env).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Source::layered(&path, environment)
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let source = layered("A=file\nB='file # $x'\n", &[("A", "environment")]).unwrap();

        assert_eq!(source.value("A"), Some("environment"));
        assert_eq!(source.value("B"), Some("file # $x"));
    }

    #[test]
    fn no_file_is_no_error() {
        let source = Source::layered(Path::new("no/such/file"), iter::empty()).unwrap();

        assert_eq!(source.value("A"), None);
    }

    #[test]
    fn a_broken_file_is_reported_by_place_without_being_quoted() {
        let error = layered("A=1\nopen sesame\n", &[]).unwrap_err().to_string();

        assert!(error.contains("the entry after A"), "{error}");
        assert!(!error.contains("sesame"), "{error}");
    }

    #[test]
    fn blanks_around_a_value_are_dropped_and_nothing_is_not_a_value() {
        let source = Source::from_iter([("A", " x "), ("B", "  ")]);

        assert_eq!(source.value("A"), Some("x"));
        assert_eq!(source.value("B"), None);
    }
}
