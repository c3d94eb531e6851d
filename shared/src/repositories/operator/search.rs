//! What a text that an operator typed or pasted can mean, and which relays, groups and jobs it finds.
//!
//! A text may mean several things at once; all that it finds counts.

use sqlx::QueryBuilder;

use super::{
    Snapshot,
    group::{self, Among},
};
use crate::domain::{JobId, Pubkey, RelayId, ZooidDomain};

/// Longest text to search for, in bytes.
pub const SEARCH_MAX_BYTES: usize = 256;

/// Shortest beginning of a relay id: fewer characters say nothing.
const ID_PREFIX_MIN: usize = 4;

/// Characters of an id.
const ID_CHARS: usize = 26;

/// Most relays that one meaning of a text finds, in the order of what it is the beginning of.
const RELAYS_MAX: u32 = 1_000;

/// Most failure groups that a text finds.
const GROUPS_MAX: u32 = 200;

/// What a text can mean by its form.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Meanings {
    /// The beginning of a relay's id, or all of it.
    id: Option<String>,
    /// A tenant's key.
    tenant: Option<Pubkey>,
    /// A job.
    job: Option<JobId>,
    /// The beginning of a subdomain.
    subdomain: Option<String>,
    /// A subdomain, and the beginning of the domain it is under.
    host: Option<(String, String)>,
    /// The beginning of a domain of a tenant's own.
    custom_domain: Option<String>,
    /// Part of an error's text.
    error: Option<String>,
}

/// What a text has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Matches {
    /// Relays, sorted.
    pub(super) relays: Vec<RelayId>,
    /// Failure groups.
    pub(super) groups: Vec<i64>,
    /// The job it names.
    pub(super) job: Option<JobId>,
}

impl Meanings {
    fn of(text: &str) -> Self {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let tenant: Option<Pubkey> = text.parse().ok();
        let job: Option<JobId> = text.parse().ok();
        // A key or a job's id is nothing else.
        let is_open = tenant.is_none() && job.is_none() && !text.is_empty();
        let is_word = |extra: &[u8]| {
            lower.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || extra.contains(&byte)
            })
        };
        let id = is_open && is_word(b"") && (ID_PREFIX_MIN..=ID_CHARS).contains(&lower.len());
        let domain = is_open && is_word(b"-.:");
        let host = lower
            .split_once('.')
            .filter(|_| domain)
            .map(|(subdomain, domain)| (subdomain.to_owned(), domain.to_owned()));
        Self {
            id: id.then(|| lower.clone()),
            tenant,
            job,
            subdomain: (is_open && is_word(b"-")).then(|| lower.clone()),
            host,
            custom_domain: domain.then(|| lower.clone()),
            error: is_open.then_some(lower),
        }
    }
}

/// All that `text` finds; its errors `among` these groups.
pub(super) async fn find(
    snapshot: &mut Snapshot,
    text: &str,
    targets: &[ZooidDomain],
    among: Among,
) -> Result<Matches, sqlx::Error> {
    let meanings = Meanings::of(text);
    let mut relays = Vec::new();
    if let Some(id) = &meanings.id {
        relays.extend(beginning(snapshot, "relay.id", "", id).await?);
    }
    if let Some(tenant) = &meanings.tenant {
        relays.extend(of_tenant(snapshot, tenant).await?);
    }
    if let Some(job) = &meanings.job {
        relays.extend(of_job(snapshot, job).await?);
    }
    for target in targets {
        if let Some(subdomain) = &meanings.subdomain {
            relays.extend(under(snapshot, target, subdomain).await?);
        }
        if let Some((subdomain, domain)) = &meanings.host
            && target.as_str().starts_with(domain)
        {
            relays.extend(at_host(snapshot, target, subdomain).await?);
        }
    }
    if let Some(domain) = &meanings.custom_domain {
        relays.extend(
            beginning(
                snapshot,
                "relay.custom_domain",
                "relay.custom_domain <> '' AND relay.gone_at IS NULL AND ",
                domain,
            )
            .await?,
        );
    }
    let groups = match &meanings.error {
        Some(error) => group::containing(snapshot, error, among, GROUPS_MAX).await?,
        None => Vec::new(),
    };
    relays.sort_unstable();
    relays.dedup();
    Ok(Matches {
        relays,
        groups,
        job: meanings.job,
    })
}

type Ids = Vec<(String,)>;

fn parsed(ids: Ids) -> Result<Vec<RelayId>, sqlx::Error> {
    ids.into_iter()
        .map(|(id,)| id.parse())
        .collect::<Result<_, _>>()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Comes after everything that begins with `text`, in the byte order of lower-case names.
fn end_of(text: &str) -> String {
    format!("{text}\u{7f}")
}

/// Relays whose `column` begins with `text`. `condition` is that of its index.
async fn beginning(
    snapshot: &mut Snapshot,
    column: &'static str,
    condition: &'static str,
    text: &str,
) -> Result<Vec<RelayId>, sqlx::Error> {
    let mut query = QueryBuilder::new("SELECT relay.id FROM relay WHERE ");
    query
        .push(condition)
        .push(column)
        .push(" >= ")
        .push_bind(text.to_owned());
    query
        .push(" AND ")
        .push(column)
        .push(" < ")
        .push_bind(end_of(text));
    query
        .push(" ORDER BY ")
        .push(column)
        .push(" LIMIT ")
        .push_bind(RELAYS_MAX);
    parsed(snapshot.all(query).await?)
}

/// Names of relays that are gone are others' by now: those are found by id, tenant and job alone.
async fn under(
    snapshot: &mut Snapshot,
    target: &ZooidDomain,
    subdomain: &str,
) -> Result<Vec<RelayId>, sqlx::Error> {
    let mut query =
        QueryBuilder::new("SELECT id FROM relay WHERE gone_at IS NULL AND zooid_domain = ");
    query.push_bind(target.as_str().to_owned());
    query
        .push(" AND subdomain >= ")
        .push_bind(subdomain.to_owned());
    query.push(" AND subdomain < ").push_bind(end_of(subdomain));
    query
        .push(" ORDER BY subdomain LIMIT ")
        .push_bind(RELAYS_MAX);
    parsed(snapshot.all(query).await?)
}

async fn at_host(
    snapshot: &mut Snapshot,
    target: &ZooidDomain,
    subdomain: &str,
) -> Result<Vec<RelayId>, sqlx::Error> {
    let mut query =
        QueryBuilder::new("SELECT id FROM relay WHERE gone_at IS NULL AND zooid_domain = ");
    query.push_bind(target.as_str().to_owned());
    query
        .push(" AND subdomain = ")
        .push_bind(subdomain.to_owned());
    parsed(snapshot.all(query).await?)
}

async fn of_tenant(snapshot: &mut Snapshot, tenant: &Pubkey) -> Result<Vec<RelayId>, sqlx::Error> {
    let mut query = QueryBuilder::new("SELECT id FROM relay WHERE tenant_pubkey = ");
    query.push_bind(tenant.as_hex().to_owned());
    query.push(" ORDER BY id LIMIT ").push_bind(RELAYS_MAX);
    parsed(snapshot.all(query).await?)
}

/// By the key it holds while it waits or runs, or by its newest attempt.
async fn of_job(snapshot: &mut Snapshot, job: &JobId) -> Result<Vec<RelayId>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT replace(idempotency_key, ':running', '')
         FROM Jobs
         WHERE job_type = 'sync_relay'
           AND idempotency_key IS NOT NULL
           AND id = ",
    );
    query.push_bind(job.as_str().to_owned());
    let holding = parsed(snapshot.all(query).await?)?;
    if !holding.is_empty() {
        return Ok(holding);
    }
    let mut query = QueryBuilder::new("SELECT relay_id FROM sync_attempt WHERE job_id = ");
    query.push_bind(job.as_str().to_owned()).push(" LIMIT 1");
    parsed(snapshot.all(query).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
    const NPUB: &str = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6";

    #[test]
    fn a_key_in_either_form_is_a_tenant_and_nothing_else() {
        for text in [HEX, NPUB] {
            let meanings = Meanings::of(text);
            assert_eq!(meanings.tenant.unwrap().as_hex(), HEX);
            assert_eq!(
                (meanings.id, meanings.subdomain, meanings.error),
                (None, None, None)
            );
        }
    }

    #[test]
    fn the_case_tells_a_job_from_a_relay() {
        let job = Meanings::of("01J9ZX3V8QJ5S3R5T3N0V2K4M6");
        assert!(job.job.is_some() && job.id.is_none());

        let relay = Meanings::of(" 01j9zx3v8qj5s3r5t3n0v2k4m6 ");
        assert!(relay.job.is_none());
        assert_eq!(relay.id.as_deref(), Some("01j9zx3v8qj5s3r5t3n0v2k4m6"));
    }

    #[test]
    fn a_word_may_begin_an_id_or_a_name_or_stand_in_an_error() {
        let meanings = Meanings::of("Acme");
        for meaning in [
            meanings.id,
            meanings.subdomain,
            meanings.custom_domain,
            meanings.error,
        ] {
            assert_eq!(meaning.as_deref(), Some("acme"));
        }
        assert_eq!(Meanings::of("abc").id, None);
    }

    #[test]
    fn a_host_is_a_subdomain_under_the_beginning_of_a_domain() {
        let meanings = Meanings::of("acme.spaces.ex");
        assert_eq!(
            meanings.host,
            Some(("acme".to_owned(), "spaces.ex".to_owned()))
        );
        assert_eq!(meanings.subdomain, None);
        assert_eq!(meanings.custom_domain.as_deref(), Some("acme.spaces.ex"));
    }

    #[test]
    fn a_sentence_is_part_of_an_error_only() {
        let meanings = Meanings::of("connection refused (os error 111)");
        assert!(meanings.error.is_some());
        assert_eq!(
            (meanings.id, meanings.subdomain, meanings.host),
            (None, None, None)
        );
    }
}
