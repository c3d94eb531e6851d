//! What zooid holds in memory about its files: whose schema and host are taken, and which relay answers to which host.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::config::Config;
use crate::nip11::Document;

/// The files by their names, hosts and schemas.
#[derive(Default)]
pub(crate) struct Index {
    files: HashMap<String, Taken>,
    by_schema: HashMap<String, BTreeSet<String>>,
    by_host: HashMap<String, BTreeSet<String>>,
    serving: HashMap<String, Arc<Document>>,
}

struct Taken {
    schema: String,
    host: String,
}

/// Another file holds the same name. The texts are zooid's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Conflict {
    #[error("schema {0:?} is already in use")]
    Schema(String),
    #[error("host {0:?} is already in use")]
    Host(String),
}

impl Index {
    /// Takes a readable file in; `document` if it is served.
    pub(crate) fn load(&mut self, id: &str, config: &Config, document: Option<Document>) {
        let file = file_name(id);
        let taken = Taken {
            schema: config.schema.clone(),
            host: config.host.clone(),
        };
        self.by_schema
            .entry(taken.schema.clone())
            .or_default()
            .insert(file.clone());
        self.by_host
            .entry(taken.host.clone())
            .or_default()
            .insert(file.clone());
        if let Some(document) = document {
            self.serving.insert(taken.host.clone(), Arc::new(document));
        }
        self.files.insert(file, taken);
    }

    /// Forgets a file. Its host is served no more, even if another file has taken it over meanwhile, as in zooid.
    pub(crate) fn unload(&mut self, id: &str) {
        let file = file_name(id);
        if let Some(taken) = self.files.remove(&file) {
            forget(&mut self.by_schema, &taken.schema, &file);
            forget(&mut self.by_host, &taken.host, &file);
            self.serving.remove(&taken.host);
        }
    }

    /// The first other file, by name, that holds this schema or host; in one file the schema is looked at first.
    pub(crate) fn conflict(&self, id: &str, config: &Config) -> Option<Conflict> {
        let own = file_name(id);
        let first_other = |files: Option<&BTreeSet<String>>| {
            files.and_then(|files| files.iter().find(|file| **file != own).cloned())
        };
        let schema = first_other(self.by_schema.get(&config.schema));
        let host = first_other(self.by_host.get(&config.host));
        match (schema, host) {
            (Some(schema), Some(host)) if host < schema => {
                Some(Conflict::Host(config.host.clone()))
            }
            (Some(_), _) => Some(Conflict::Schema(config.schema.clone())),
            (None, Some(_)) => Some(Conflict::Host(config.host.clone())),
            (None, None) => None,
        }
    }

    /// The relay served at this host.
    pub(crate) fn serving(&self, host: &str) -> Option<Arc<Document>> {
        self.serving.get(host).cloned()
    }
}

/// zooid walks its folder in the order of file names, which is not quite that of ids.
fn file_name(id: &str) -> String {
    format!("{id}.toml")
}

fn forget(map: &mut HashMap<String, BTreeSet<String>>, key: &str, file: &str) {
    if let Some(files) = map.get_mut(key) {
        files.remove(file);
        if files.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(schema: &str, host: &str) -> Config {
        Config {
            schema: schema.into(),
            host: host.into(),
            ..Config::default()
        }
    }

    #[test]
    fn the_first_file_by_name_decides_what_is_in_use() {
        let mut index = Index::default();
        index.load("a", &config("one", "h1"), None);
        index.load("a-b", &config("two", "h2"), None);

        // `a-b.toml` comes before `a.toml`.
        assert_eq!(
            index.conflict("new", &config("one", "h2")),
            Some(Conflict::Host("h2".into()))
        );
        assert_eq!(
            index.conflict("new", &config("two", "h1")),
            Some(Conflict::Schema("two".into()))
        );
    }

    #[test]
    fn a_file_never_conflicts_with_itself() {
        let mut index = Index::default();
        index.load("a", &config("one", "h1"), None);

        assert_eq!(index.conflict("a", &config("one", "h1")), None);
    }

    #[test]
    fn what_is_unloaded_is_free_again() {
        let mut index = Index::default();
        index.load("a", &config("one", "h1"), None);
        index.unload("a");

        assert_eq!(index.conflict("b", &config("one", "h1")), None);
        assert!(index.by_schema.is_empty() && index.by_host.is_empty());
    }
}
