//! Where the database is, and how durable a commit is.

use std::path::PathBuf;

use super::reader::{Read, Reader};
use super::variable::{DATABASE_SYNCHRONOUS, DATABASE_URL};

/// The `SQLite` database that API and workers share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// The database file; relative to the working directory unless it begins with `/`.
    pub path: PathBuf,
    /// When a commit counts as done.
    pub synchronous: Synchronous,
}

/// How far a commit waits for the disk (`SQLite`'s `PRAGMA synchronous` in WAL mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// Every commit is synced: an answered write survives a power failure.
    Full,
    /// Only checkpoints are synced: a power failure may undo the last commits, without corrupting anything.
    Normal,
}

impl DatabaseConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let path = reader.required(&DATABASE_URL, database_path);
        let synchronous = reader.required(&DATABASE_SYNCHRONOUS, |text| match text {
            "full" => Some(Synchronous::Full),
            "normal" => Some(Synchronous::Normal),
            _ => None,
        });
        Ok(Self {
            path: path?,
            synchronous: synchronous?,
        })
    }
}

/// The file that the URL names. Only a file: a database in memory is not shared, and options in the URL would bypass
/// how we open it.
fn database_path(url: &str) -> Option<PathBuf> {
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))?;
    // `:` begins SQLite's special names, such as `:memory:`; `file:` its own URLs.
    let special = path.starts_with(':') || path.starts_with("file:");
    let names_a_file = !path.is_empty() && !path.ends_with('/') && !path.contains(['?', '#', '%']);
    (names_a_file && !special).then(|| PathBuf::from(path))
}
