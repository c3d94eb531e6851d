//! The folder of TOML files, which is all the state zooid keeps about its relays.
//!
//! A file is written in place: truncated, then filled, without rename, sync or lock, so a crash leaves it torn and two
//! writers lose updates. Files are small and never synced, so they are read and written without leaving the async
//! thread. After each change [`Store::reload`] brings the [`Index`] up to date from the file, not from what the caller
//! meant to write: with two writers the index still says what the disk says.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};

use crate::config::Config;
use crate::index::{Conflict, Index};
use crate::lock::lock;
use crate::merge::merge;
use crate::nip11::Document;

/// The configuration folder, and what was loaded from it.
pub(crate) struct Store {
    dir: PathBuf,
    index: Mutex<Index>,
    members: Mutex<HashMap<String, BTreeSet<String>>>,
}

/// A stored file could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0}")]
    Format(String),
}

/// A relay whose configuration takes the whole zooid process down when it is loaded.
#[derive(Debug, thiserror::Error)]
#[error("relay {id} brings zooid down: {flaw}")]
pub struct Fatal {
    /// The relay.
    pub id: String,
    flaw: &'static str,
}

/// Loading the folder failed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The folder could not be created or listed.
    #[error("load configurations from {dir}")]
    Io {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// One of the files would bring zooid down.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// How far a write gets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    /// To the end.
    Whole,
    /// The process dies after this many bytes.
    Torn(usize),
}

impl Store {
    /// A store on `dir`; nothing is loaded yet.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            index: Mutex::default(),
            members: Mutex::default(),
        }
    }

    /// Loads every file anew, as zooid does when it starts. Creates the folder if need be.
    pub(crate) fn load_all(&self) -> Result<(), LoadError> {
        let io_error = |source| LoadError::Io {
            dir: self.dir.clone(),
            source,
        };
        fs::create_dir_all(&self.dir).map_err(io_error)?;
        *lock(&self.index) = Index::default();
        for id in self.ids().map_err(io_error)? {
            self.reload(&id)?;
        }
        Ok(())
    }

    /// The ids that have a file, sorted by file name.
    pub(crate) fn ids(&self) -> io::Result<Vec<String>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && !entry.file_type()?.is_dir()
            {
                names.insert(name);
            }
        }
        Ok(names
            .iter()
            .filter_map(|name| name.strip_suffix(".toml"))
            .map(str::to_owned)
            .collect())
    }

    /// Whether the id has a file.
    pub(crate) fn exists(&self, id: &str) -> io::Result<bool> {
        fs::exists(self.path(id)?)
    }

    /// Reads the id's file from disk.
    pub(crate) fn read(&self, id: &str) -> Result<Config, Unreadable> {
        let text = fs::read_to_string(self.path(id)?)?;
        // The error's own text quotes the line, which may hold a secret.
        let value: Value =
            toml::from_str(&text).map_err(|e| Unreadable::Format(e.message().to_owned()))?;
        Config::from_value(&value).map_err(|e| Unreadable::Format(e.to_string()))
    }

    /// Whether another file than the id's own holds this schema or host.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub(crate) fn conflict(&self, id: &str, config: &Config) -> io::Result<Option<Conflict>> {
        fs::read_dir(&self.dir)?;
        Ok(lock(&self.index).conflict(id, config))
    }

    /// Truncates the id's file and writes the configuration into it, or the beginning of it.
    ///
    /// # Errors
    /// The file cannot be created or written.
    pub(crate) fn write(&self, id: &str, config: &Config, extent: Extent) -> io::Result<()> {
        let mut file = File::create(self.path(id)?)?;
        let text = toml::to_string(config).map_err(io::Error::other)?;
        let bytes = match extent {
            Extent::Whole => text.as_bytes(),
            Extent::Torn(kept) => &text.as_bytes()[..kept.min(text.len())],
        };
        file.write_all(bytes)
    }

    /// Merges `patch` into the id's file, whatever comes of it.
    ///
    /// # Errors
    /// The file is missing, or one of the two is no configuration.
    pub(crate) fn merge(&self, id: &str, patch: Map<String, Value>) -> io::Result<()> {
        let stored = self.read(id).map_err(|unreadable| match unreadable {
            Unreadable::Io(error) => error,
            Unreadable::Format(reason) => io::Error::other(reason),
        })?;
        let mut merged = serde_json::to_value(&stored).map_err(io::Error::other)?;
        if let Value::Object(stored) = &mut merged {
            merge(stored, patch);
        }
        let config = Config::from_value(&merged).map_err(io::Error::other)?;
        self.write(id, &config, Extent::Whole)
    }

    /// Shortens the id's file to its first bytes, as a crash in a write leaves it.
    pub(crate) fn tear(&self, id: &str, kept: u64) -> io::Result<()> {
        let file = File::options().write(true).open(self.path(id)?)?;
        file.set_len(kept.min(file.metadata()?.len()))
    }

    /// Removes the id's file.
    pub(crate) fn remove(&self, id: &str) -> io::Result<()> {
        fs::remove_file(self.path(id)?)
    }

    /// Makes the index agree with the id's file, as zooid's file watcher does after each change.
    ///
    /// # Errors
    /// The relay would bring zooid down; it is not served.
    pub(crate) fn reload(&self, id: &str) -> Result<(), Fatal> {
        let mut index = lock(&self.index);
        index.unload(id);
        let Ok(config) = self.read(id) else {
            return Ok(());
        };
        let document = if config.inactive || config.host.is_empty() || config.schema.is_empty() {
            None
        } else {
            Document::of(id, &config)
        };
        let flaw = document.as_ref().and_then(|_| config.fatal_flaw());
        index.load(id, &config, document.filter(|_| flaw.is_none()));
        match flaw {
            Some(flaw) => Err(Fatal {
                id: id.to_owned(),
                flaw,
            }),
            None => Ok(()),
        }
    }

    /// The relay served at this host.
    pub(crate) fn serving(&self, host: &str) -> Option<Arc<Document>> {
        lock(&self.index).serving(host)
    }

    /// The members of a relay, sorted. They are no part of its file and outlive it.
    pub(crate) fn members(&self, id: &str) -> Vec<String> {
        lock(&self.members)
            .get(id)
            .map(|members| members.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Replaces the members of a relay.
    pub(crate) fn set_members(&self, id: &str, members: impl IntoIterator<Item = String>) {
        lock(&self.members).insert(id.to_owned(), members.into_iter().collect());
    }

    /// The id's file. An id with a separator would lead out of the folder; zooid would follow it there, this store says
    /// that there is no such place.
    fn path(&self, id: &str) -> io::Result<PathBuf> {
        if id.contains(['/', '\0']) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(self.dir.join(format!("{id}.toml")))
    }
}
