//! Tenants who create relays and edit them over HTTP, and an admin who removes some; and what they were told.
//!
//! Invariant: a tenant has one request under way. What was answered must be true for ever after; what was not answered may
//! have happened, now or later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use nostr::key::Keys;
use rand::RngExt as _;
use rand::rngs::StdRng;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use shared::clock::SystemClock;
use shared::zooid::nip98;
use tokio::time::{Instant, sleep};

use crate::fleet::Doors;
use crate::ground::{RELAY_DOMAIN, SERVER_URL};
use crate::plan::{Plan, Stream, millis};

/// How many there are.
pub const TENANTS: usize = 4;
/// How many relays each has.
const RELAYS: usize = 6;
/// How likely a relay is removed where it would be edited.
const REMOVED: f64 = 0.02;
/// How long they wait for an answer: an API may stand still.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long they wait before asking again where nothing listens.
const PAUSE: Duration = Duration::from_millis(20);

/// What a tenant knows of one relay.
#[derive(Debug, Default, Clone)]
pub struct Memory {
    /// The relay's id.
    pub id: String,
    /// The newest generation it was told of.
    pub generation: i64,
    /// What it last asked for and was answered, by field.
    pub answered: BTreeMap<&'static str, Value>,
    /// What it asked for without an answer, by field.
    pub unanswered: BTreeMap<&'static str, Vec<Value>>,
    /// Edits that were answered and changed something for sure.
    pub changes: u64,
    /// How far its removal came.
    pub removal: Removal,
}

/// How far the removal of a relay came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Nobody asked for it.
    #[default]
    None,
    /// It was asked for without an answer.
    Unanswered,
    /// It was answered.
    Done,
}

/// What the tenants know when all is over.
#[derive(Debug, Default)]
pub struct Memories {
    /// The relays whose creation was answered.
    pub relays: Vec<Memory>,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were not.
    pub unanswered: u64,
    /// Answers that should never be given, whatever is killed.
    pub findings: BTreeSet<String>,
}

/// Lets them live as planned. Answers what they remember.
pub async fn run(plan: Plan, doors: Arc<Doors>, admin: &Keys) -> anyhow::Result<Memories> {
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    let http = http.build().context("make a client")?;
    let tenants = (0..TENANTS).map(|number| {
        let chance = plan.chance(Stream::Tenant(number));
        let mut tenant = Tenant::new(number, chance, admin, &doors, &http);
        let end = Instant::now() + plan.length();
        tokio::spawn(async move {
            tenant.live(end).await?;
            anyhow::Ok(tenant.memories())
        })
    });
    let tenants: Vec<_> = tenants.collect();
    let mut all = Memories::default();
    for tenant in tenants {
        let memories = tenant.await??;
        all.relays.extend(memories.relays);
        all.answered += memories.answered;
        all.unanswered += memories.unanswered;
        all.findings.extend(memories.findings);
    }
    Ok(all)
}

struct Tenant {
    number: usize,
    keys: Keys,
    /// The admin whom the tenant asks to have relays removed.
    admin: Keys,
    chance: StdRng,
    doors: Arc<Doors>,
    http: reqwest::Client,
    /// Requests so far: they go to the doors in turn.
    asked: usize,
    relays: BTreeMap<usize, Memory>,
    totals: Memories,
}

/// What came of a request.
enum Answer {
    /// It was done, and this is the resource now.
    Done(Value),
    /// It was refused, with this code.
    Refused(u16, String),
    /// Nobody knows.
    None,
}

impl Tenant {
    fn new(
        number: usize,
        chance: StdRng,
        admin: &Keys,
        doors: &Arc<Doors>,
        http: &reqwest::Client,
    ) -> Self {
        Self {
            number,
            keys: Keys::generate(),
            admin: admin.clone(),
            chance,
            doors: Arc::clone(doors),
            http: http.clone(),
            asked: 0,
            relays: BTreeMap::new(),
            totals: Memories::default(),
        }
    }

    async fn live(&mut self, end: Instant) -> anyhow::Result<()> {
        while Instant::now() < end {
            sleep(millis(&mut self.chance, 5, 250)).await;
            let index = self.chance.random_range(0..RELAYS);
            if self.relays.contains_key(&index) {
                if self.chance.random_bool(REMOVED) {
                    self.remove(index).await?;
                } else {
                    self.edit(index).await?;
                }
            } else {
                self.create(index).await?;
            }
        }
        Ok(())
    }

    fn memories(mut self) -> Memories {
        self.totals.relays.extend(self.relays.into_values());
        self.totals
    }

    /// Creates a relay, or finds that an earlier request without an answer has done so.
    async fn create(&mut self, index: usize) -> anyhow::Result<()> {
        match self.ask(Method::POST, "/tenants", json!({})).await? {
            Answer::Done(_) => {}
            Answer::Refused(status, text) => {
                self.object("sign in", status, &text);
                return Ok(());
            }
            Answer::None => return Ok(()),
        }
        let subdomain = format!("t{}-r{index}", self.number);
        let relay = json!({
            "subdomain": subdomain,
            "zooid_domain": RELAY_DOMAIN,
            "plan_id": "growth",
            "info_name": "new",
        });
        let relay = match self.ask(Method::POST, "/relays", relay).await? {
            Answer::Done(relay) => relay,
            Answer::Refused(_, text) if text.contains("subdomain-exists") => {
                let mine = format!("/tenants/{}/relays", self.keys.public_key().to_hex());
                let Answer::Done(mine) = self.ask(Method::GET, &mine, Value::Null).await? else {
                    return Ok(());
                };
                let mine = mine.as_array().context("a list of relays")?;
                match mine.iter().find(|relay| relay["subdomain"] == subdomain) {
                    Some(found) => found.clone(),
                    // It is one that was removed, and zooid has not confirmed yet.
                    None => return Ok(()),
                }
            }
            Answer::Refused(status, text) => {
                self.object("create", status, &text);
                return Ok(());
            }
            Answer::None => return Ok(()),
        };
        let memory = Memory {
            id: relay["id"]
                .as_str()
                .context("the id of a relay")?
                .to_owned(),
            generation: relay["generation"].as_i64().context("its generation")?,
            ..Memory::default()
        };
        self.relays.insert(index, memory);
        Ok(())
    }

    /// Has a relay removed. Once that is answered, another one may take its name.
    async fn remove(&mut self, index: usize) -> anyhow::Result<()> {
        let memory = self.relays.get(&index).context("a relay to remove")?;
        let path = format!("/relays/{}", memory.id);
        match self.ask(Method::DELETE, &path, Value::Null).await? {
            Answer::Done(relay) => {
                if relay["removed_at"].is_null() {
                    let told = format!("{path}: asked for its removal, told {relay}");
                    self.totals.findings.insert(told);
                }
                self.bury(index);
            }
            Answer::Refused(status, text) => self.object("remove", status, &text),
            Answer::None => {
                let memory = self.relays.get_mut(&index).context("a relay to remove")?;
                memory.removal = Removal::Unanswered;
            }
        }
        Ok(())
    }

    /// Puts what is known of a removed relay aside.
    fn bury(&mut self, index: usize) {
        if let Some(memory) = self.relays.remove(&index) {
            self.totals.relays.push(Memory {
                removal: Removal::Done,
                ..memory
            });
        }
    }

    async fn edit(&mut self, index: usize) -> anyhow::Result<()> {
        let (field, value) = self.draw_edit();
        let memory = self.relays.get(&index).context("a relay to edit")?;
        let path = format!("/relays/{}", memory.id);
        let answer = match (field, value.as_str()) {
            ("status", Some("active")) => {
                let path = format!("{path}/reactivate");
                self.ask(Method::POST, &path, Value::Null).await?
            }
            ("status", _) => {
                let path = format!("{path}/deactivate");
                self.ask(Method::POST, &path, Value::Null).await?
            }
            (_, _) => {
                let change = json!({ field: value.clone() });
                self.ask(Method::PUT, &path, change).await?
            }
        };
        let memory = self.relays.get_mut(&index).context("a relay to edit")?;
        let may_be_removed = memory.removal == Removal::Unanswered;
        match answer {
            Answer::Done(relay) => {
                let generation = relay["generation"].as_i64().context("its generation")?;
                if relay[field] != value || generation < memory.generation {
                    let told = format!("{path}: asked for {field} = {value}, told {relay}");
                    self.totals.findings.insert(told);
                    return Ok(());
                }
                // A text is never drawn twice, so it is a change for sure.
                memory.changes += u64::from(field.starts_with("info_"));
                memory.generation = generation;
                memory.answered.insert(field, value);
            }
            // The removal that was not answered has happened before the edit, or just before its write.
            Answer::Refused(404 | 409, _) if may_be_removed => self.bury(index),
            Answer::Refused(status, text) => self.object("edit", status, &text),
            Answer::None => memory.unanswered.entry(field).or_default().push(value),
        }
        Ok(())
    }

    fn draw_edit(&mut self) -> (&'static str, Value) {
        const FLAGS: [&str; 9] = [
            "policy_public_read",
            "policy_public_write",
            "policy_public_join",
            "policy_strip_signatures",
            "groups_enabled",
            "management_enabled",
            "members_can_invite",
            "blossom_enabled",
            "livekit_enabled",
        ];
        let text = format!("{:08x}", self.chance.random::<u32>());
        match self.chance.random_range(0..10) {
            0..4 => ("info_name", json!(text)),
            4..6 => ("info_description", json!(text)),
            6..9 => {
                let flag = self.chance.random_range(0..FLAGS.len());
                (FLAGS[flag], json!(self.chance.random_range(0..=1)))
            }
            _ if self.chance.random_bool(0.5) => ("status", json!("inactive")),
            _ => ("status", json!("active")),
        }
    }

    /// Notes a refusal that nothing explains.
    fn object(&mut self, what: &str, status: u16, text: &str) {
        let refusal = format!("{what}: refused with {status} {text}");
        self.totals.findings.insert(refusal);
    }

    /// Sends one request to an API that listens, whichever that is.
    async fn ask(&mut self, method: Method, path: &str, body: Value) -> anyhow::Result<Answer> {
        loop {
            let open = self.doors.open();
            self.asked += 1;
            let Some(door) = open.get(self.asked % open.len().max(1)) else {
                sleep(PAUSE).await;
                continue;
            };
            let authorization = self.authorization(&method, path)?;
            let request = self
                .http
                .request(method.clone(), format!("{door}{path}"))
                .header(AUTHORIZATION, authorization)
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string());
            let answer = match request.send().await {
                Ok(answer) => answer,
                // Nothing was sent.
                Err(error) if error.is_connect() => {
                    sleep(PAUSE).await;
                    continue;
                }
                Err(_) => {
                    self.totals.unanswered += 1;
                    return Ok(Answer::None);
                }
            };
            let status = answer.status();
            let Ok(text) = answer.text().await else {
                self.totals.unanswered += 1;
                return Ok(Answer::None);
            };
            self.totals.answered += 1;
            if !status.is_success() {
                return Ok(Answer::Refused(status.as_u16(), text));
            }
            let mut body: Value = serde_json::from_str(&text).context("read an answer")?;
            return Ok(Answer::Done(body["data"].take()));
        }
    }

    /// A tenant's session, or the admin's signature of this very request.
    fn authorization(&self, method: &Method, path: &str) -> anyhow::Result<String> {
        let signed = if *method == Method::DELETE {
            let url = format!("{SERVER_URL}{path}");
            let method = Some(method.as_str());
            nip98::authorization(&SystemClock, &self.admin, &url, method, None)
        } else {
            nip98::authorization(&SystemClock, &self.keys, SERVER_URL, None, None)
        };
        signed.context("sign a request")
    }
}
