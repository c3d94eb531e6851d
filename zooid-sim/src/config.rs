//! One relay's configuration, as zooid reads it from JSON and keeps it in TOML (zooid.md, *Config*).
//!
//! Both formats pass through [`serde_json::Value`] and one reader with the rules of Go's decoder: an absent or null
//! field is its zero value, an unknown field is dropped, a wrong type is an error. A [`Config`] may hold anything of
//! the right types; [`Config::validate`] decides whether zooid would accept it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// A relay's configuration: the JSON body of POST and PUT, and the TOML file.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Config {
    /// The `Host` header the relay answers to, port included.
    pub host: String,
    /// Prefix of the relay's tables in zooid's own database.
    pub schema: String,
    /// The relay's secret key, 64 hex digits.
    pub secret: String,
    /// An inactive relay is stored, but not served.
    pub inactive: bool,
    /// What NIP-11 shows.
    pub info: Info,
    /// Who may read, write and join.
    pub policy: Policy,
    /// NIP-29 groups.
    pub groups: Switch,
    /// Push notifications.
    pub push: Switch,
    /// NIP-86 management.
    pub management: Switch,
    /// Media storage.
    pub blossom: Blossom,
    /// Audio and video rooms; on when `api_key` is not empty.
    pub livekit: Livekit,
    /// Roles by name; `member` applies to everybody.
    pub roles: BTreeMap<String, Role>,
}

/// The `info` section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Info {
    /// Name of the relay.
    pub name: String,
    /// URL of its icon.
    pub icon: String,
    /// Public key of its owner, 64 hex digits.
    pub pubkey: String,
    /// What it is for.
    pub description: String,
}

/// The `policy` section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "zooid's format")]
pub struct Policy {
    /// Anybody may read.
    pub public_read: bool,
    /// Anybody may write.
    pub public_write: bool,
    /// Anybody may join.
    pub public_join: bool,
    /// Signatures are removed from events given to those who do not manage the relay.
    pub strip_signatures: bool,
}

/// A section that is a single `enabled` flag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Switch {
    /// Whether it is on.
    pub enabled: bool,
}

/// The `blossom` section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Blossom {
    /// Whether it is on.
    pub enabled: bool,
    /// Whether reading needs authentication.
    pub authenticated_read: bool,
    /// `local` or `s3`; empty is saved as `local`.
    pub adapter: String,
    /// Where media is kept with the adapter `s3`.
    pub s3: S3,
}

/// The `blossom.s3` section.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct S3 {
    /// URL of the service.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Public half of the credentials.
    pub access_key: String,
    /// Secret half of the credentials.
    pub secret_key: String,
    /// Put before every key.
    pub key_prefix: String,
}

/// The `livekit` section.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Livekit {
    /// URL of the server.
    pub server_url: String,
    /// Public half of the credentials.
    pub api_key: String,
    /// Secret half of the credentials.
    pub api_secret: String,
}

/// One entry of the `roles` section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Role {
    /// Who has the role, each 64 hex digits.
    pub pubkeys: Vec<String>,
    /// Whether they may invite.
    pub can_invite: bool,
    /// Whether they may manage the relay.
    pub can_manage: bool,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("host", &self.host)
            .field("schema", &self.schema)
            .field("inactive", &self.inactive)
            .field("info", &self.info)
            .field("policy", &self.policy)
            .field("groups", &self.groups)
            .field("push", &self.push)
            .field("management", &self.management)
            .field("blossom", &self.blossom)
            .field("livekit", &self.livekit)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("bucket", &self.bucket)
            .field("key_prefix", &self.key_prefix)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Livekit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Livekit")
            .field("server_url", &self.server_url)
            .finish_non_exhaustive()
    }
}

/// A field has the wrong type; the words are those of Go's JSON decoder.
#[derive(Debug, thiserror::Error)]
#[error("json: cannot unmarshal {found} into Go {place} of type {wanted}")]
pub(crate) struct WrongType {
    found: &'static str,
    place: String,
    wanted: &'static str,
}

impl Config {
    /// Reads a configuration of any values but the right types.
    pub(crate) fn from_value(value: &Value) -> Result<Self, WrongType> {
        let root = Fields::of(value, String::new())?;
        let info = root.object("info")?;
        let policy = root.object("policy")?;
        let blossom = root.object("blossom")?;
        let s3 = blossom.object("s3")?;
        let livekit = root.object("livekit")?;
        Ok(Self {
            host: root.text("host")?,
            schema: root.text("schema")?,
            secret: root.text("secret")?,
            inactive: root.flag("inactive")?,
            info: Info {
                name: info.text("name")?,
                icon: info.text("icon")?,
                pubkey: info.text("pubkey")?,
                description: info.text("description")?,
            },
            policy: Policy {
                public_read: policy.flag("public_read")?,
                public_write: policy.flag("public_write")?,
                public_join: policy.flag("public_join")?,
                strip_signatures: policy.flag("strip_signatures")?,
            },
            groups: root.switch("groups")?,
            push: root.switch("push")?,
            management: root.switch("management")?,
            blossom: Blossom {
                enabled: blossom.flag("enabled")?,
                authenticated_read: blossom.flag("authenticated_read")?,
                adapter: blossom.text("adapter")?,
                s3: S3 {
                    endpoint: s3.text("endpoint")?,
                    region: s3.text("region")?,
                    bucket: s3.text("bucket")?,
                    access_key: s3.text("access_key")?,
                    secret_key: s3.text("secret_key")?,
                    key_prefix: s3.text("key_prefix")?,
                },
            },
            livekit: Livekit {
                server_url: livekit.text("server_url")?,
                api_key: livekit.text("api_key")?,
                api_secret: livekit.text("api_secret")?,
            },
            roles: root.roles()?,
        })
    }
}

/// The fields of one JSON object, with its place for error messages. Null counts as an object without fields.
struct Fields<'a> {
    map: Option<&'a Map<String, Value>>,
    path: String,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value, path: String) -> Result<Self, WrongType> {
        match value {
            Value::Null => Ok(Self { map: None, path }),
            Value::Object(map) => Ok(Self {
                map: Some(map),
                path,
            }),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(wrong_type(value, &path, "object"))
            }
        }
    }

    fn get(&self, key: &str) -> (&'a Value, String) {
        let value = self
            .map
            .and_then(|map| map.get(key))
            .unwrap_or(&Value::Null);
        let path = if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        (value, path)
    }

    fn object(&self, key: &str) -> Result<Self, WrongType> {
        let (value, path) = self.get(key);
        Self::of(value, path)
    }

    fn text(&self, key: &str) -> Result<String, WrongType> {
        let (value, path) = self.get(key);
        text(value, &path)
    }

    fn flag(&self, key: &str) -> Result<bool, WrongType> {
        match self.get(key) {
            (Value::Null, _) => Ok(false),
            (Value::Bool(flag), _) => Ok(*flag),
            (value, path) => Err(wrong_type(value, &path, "bool")),
        }
    }

    fn switch(&self, key: &str) -> Result<Switch, WrongType> {
        Ok(Switch {
            enabled: self.object(key)?.flag("enabled")?,
        })
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, WrongType> {
        match self.get(key) {
            (Value::Null, _) => Ok(Vec::new()),
            (Value::Array(values), path) => values.iter().map(|v| text(v, &path)).collect(),
            (value, path) => Err(wrong_type(value, &path, "[]string")),
        }
    }

    fn roles(&self) -> Result<BTreeMap<String, Role>, WrongType> {
        let roles = self.object("roles")?;
        let mut read = BTreeMap::new();
        for name in roles.map.into_iter().flat_map(Map::keys) {
            let role = roles.object(name)?;
            read.insert(
                name.clone(),
                Role {
                    pubkeys: role.texts("pubkeys")?,
                    can_invite: role.flag("can_invite")?,
                    can_manage: role.flag("can_manage")?,
                },
            );
        }
        Ok(read)
    }
}

fn text(value: &Value, path: &str) -> Result<String, WrongType> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(wrong_type(value, path, "string"))
        }
    }
}

fn wrong_type(value: &Value, path: &str, wanted: &'static str) -> WrongType {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let place = if path.is_empty() {
        "value".to_owned()
    } else {
        format!("struct field Config.{path}")
    };
    WrongType {
        found,
        place,
        wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_and_null_fields_are_zero_and_unknown_ones_are_dropped() {
        let read =
            Config::from_value(&json!({"host": null, "blossom": null, "colour": {"a": [1]}}));

        assert_eq!(read.unwrap(), Config::default());
    }

    #[test]
    fn an_array_never_stands_for_an_object() {
        for body in [
            json!([]),
            json!({"policy": [true, true, true, true]}),
            json!({"info": ["name", "icon", "pubkey", "description"]}),
            json!({"roles": {"admin": [["aa"], true, true]}}),
        ] {
            assert!(Config::from_value(&body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_wrong_type_names_the_field() {
        let error = Config::from_value(&json!({"blossom": {"s3": {"bucket": 5}}})).unwrap_err();

        assert_eq!(
            error.to_string(),
            "json: cannot unmarshal number into Go struct field Config.blossom.s3.bucket of type string"
        );
    }

    #[test]
    fn debug_output_has_no_secret() {
        let config = Config {
            secret: "secret-1".into(),
            blossom: Blossom {
                s3: S3 {
                    access_key: "secret-2".into(),
                    secret_key: "secret-3".into(),
                    ..S3::default()
                },
                ..Blossom::default()
            },
            livekit: Livekit {
                api_key: "secret-4".into(),
                api_secret: "secret-5".into(),
                ..Livekit::default()
            },
            ..Config::default()
        };

        assert!(!format!("{config:?}").contains("secret-"));
    }
}
