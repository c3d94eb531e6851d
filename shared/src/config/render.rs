//! What zooid is told to give to relays: where blobs are stored, and which `LiveKit` carries calls.

use super::BaseUrl;
use super::reader::{Read, Reader};
use super::variable::{
    BLOSSOM_S3_ACCESS_KEY, BLOSSOM_S3_BUCKET, BLOSSOM_S3_ENDPOINT, BLOSSOM_S3_REGION,
    BLOSSOM_S3_SECRET_KEY, LIVEKIT_API_KEY, LIVEKIT_API_SECRET, LIVEKIT_URL,
};
use crate::crypto::SecretText;

/// Where zooid stores the blobs of its relays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlossomStorage {
    /// On its own disk.
    Local,
    /// In a bucket.
    S3(S3Config),
}

/// An S3 bucket; the values are those of zooid's `blossom.s3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Config {
    /// Where the service is, if it is not Amazon's.
    pub endpoint: Option<String>,
    /// The region of the bucket.
    pub region: String,
    /// The name of the bucket.
    pub bucket: String,
    /// Who writes to it.
    pub access_key: SecretText,
    /// The proof of that.
    pub secret_key: SecretText,
}

/// The `LiveKit` server that relays hand out tokens for; the values are those of zooid's `livekit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveKitConfig {
    /// The server.
    pub server_url: BaseUrl,
    /// Names the signer of tokens.
    pub api_key: SecretText,
    /// Signs them.
    pub api_secret: SecretText,
}

impl BlossomStorage {
    /// S3 as soon as region, bucket, access key and secret key are all set; else local, with a warning when some are.
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let endpoint = reader.optional(&BLOSSOM_S3_ENDPOINT, word);
        let region = reader.optional(&BLOSSOM_S3_REGION, word);
        let bucket = reader.optional(&BLOSSOM_S3_BUCKET, word);
        let access_key = reader.optional(&BLOSSOM_S3_ACCESS_KEY, secret_word);
        let secret_key = reader.optional(&BLOSSOM_S3_SECRET_KEY, secret_word);
        let needed = (region?, bucket?, access_key?, secret_key?);
        let endpoint = endpoint?;
        if let (Some(region), Some(bucket), Some(access_key), Some(secret_key)) = needed {
            return Ok(Self::S3(S3Config {
                endpoint,
                region,
                bucket,
                access_key,
                secret_key,
            }));
        }
        warn_of_partial_s3(reader);
        Ok(Self::Local)
    }
}

fn warn_of_partial_s3(reader: &mut Reader<'_>) {
    let (set, unset): (Vec<_>, Vec<_>) = [
        &BLOSSOM_S3_REGION,
        &BLOSSOM_S3_BUCKET,
        &BLOSSOM_S3_ACCESS_KEY,
        &BLOSSOM_S3_SECRET_KEY,
    ]
    .into_iter()
    .partition(|variable| reader.is_set(variable));
    if !set.is_empty() || reader.is_set(&BLOSSOM_S3_ENDPOINT) {
        let names: Vec<_> = unset.iter().map(|variable| variable.name).collect();
        reader.warn(format!(
            "blobs are stored on zooid's own disk: S3 also needs {}",
            names.join(", ")
        ));
    }
}

impl LiveKitConfig {
    /// Nothing when none of the three variables is set; once one is, all must be.
    pub(super) fn read_optional(reader: &mut Reader<'_>) -> Read<Option<Self>> {
        let any_set = [&LIVEKIT_URL, &LIVEKIT_API_KEY, &LIVEKIT_API_SECRET]
            .into_iter()
            .any(|variable| reader.is_set(variable));
        if !any_set {
            return Ok(None);
        }
        let server_url = reader.required(&LIVEKIT_URL, |text| {
            BaseUrl::parse(text, &["ws", "wss", "http", "https"])
        });
        let api_key = reader.required(&LIVEKIT_API_KEY, secret_word);
        let api_secret = reader.required(&LIVEKIT_API_SECRET, secret_word);
        Ok(Some(Self {
            server_url: server_url?,
            api_key: api_key?,
            api_secret: api_secret?,
        }))
    }
}

/// A text without blanks.
fn word(text: &str) -> Option<String> {
    (!text.contains(char::is_whitespace)).then(|| text.to_owned())
}

/// A secret without blanks.
fn secret_word(text: &str) -> Option<SecretText> {
    word(text).map(SecretText::new)
}
