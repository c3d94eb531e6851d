//! Which failures are one and the same, so that a thousand relays behind a broken zooid are one line on a screen.
//!
//! Invariant: a pattern is bounded, is its own pattern, and shows nothing that the message does not.

use std::net::{Ipv6Addr, SocketAddrV6};

use sha2::{Digest as _, Sha256};

use super::failure::FailureKind;

/// Longest pattern, in characters.
const PATTERN_MAX_CHARS: usize = 300;

/// The most of a message that is read, in bytes: enough for what is shown, however much of it is replaced.
const MESSAGE_MAX_BYTES: usize = 4096;

/// Shortest run of letters and digits mixed that is taken for an id or a key.
const ID_MIN_CHARS: usize = 16;

/// Shortest run of hex digits, letters among them, that is taken for a number.
const HEX_MIN_CHARS: usize = 8;

/// Characters of a ULID.
const ULID_CHARS: usize = 26;

/// The sections of a zooid configuration: `blossom.s3.bucket` is no host name (zooid.md, Config).
const SECTIONS: [&str; 9] = [
    "info",
    "policy",
    "groups",
    "push",
    "management",
    "blossom",
    "s3",
    "livekit",
    "roles",
];

/// The methods of our calls: a zooid that is down is down for each of them.
const VERBS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

const TEXT: &str = "<text>";
const URL: &str = "<url>";
const HOST: &str = "<host>";
const PATH: &str = "<path>";
const VERB: &str = "<verb>";
/// For numbers, durations, hex and ids alike: an id may happen to be digits only.
const NUMBER: &str = "<n>";

/// Those that stand within words; the others stand for whole ones.
const WITHIN_WORDS: [&str; 2] = [VERB, NUMBER];

/// The message with what differs from relay to relay and from time to time replaced: quoted texts, URLs, host names and
/// addresses, paths, verbs, ids, hex and numbers.
///
/// At most 300 characters, on one line. The pattern of a pattern is the pattern.
#[must_use]
pub fn pattern(message: &str) -> String {
    let mut rest = &message[..message.floor_char_boundary(MESSAGE_MAX_BYTES)];
    let mut pattern = String::new();
    let mut room = PATTERN_MAX_CHARS;
    while let Some((token, after)) = next_token(rest, pattern.chars().next_back()) {
        rest = after;
        // Whole tokens only: half a word could be read as something else.
        match room.checked_sub(token.chars().count()) {
            Some(left) => room = left,
            None => break,
        }
        pattern.push_str(&token);
    }
    pattern.trim().to_owned()
}

/// What failures of one cause at one target have in common: 16 hex digits, the first 8 bytes of SHA-256 over all of it.
#[must_use]
pub fn fingerprint(target: &str, kind: FailureKind, status: Option<u16>, pattern: &str) -> String {
    let status = status.map(|status| status.to_string()).unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [target, kind.as_str(), &status, pattern] {
        // With its length before it, no part can pass for the end of the one before.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..8])
}

/// The pattern of what `rest` begins with, and what follows. `before` is the character that the pattern ends with so far.
fn next_token(rest: &str, before: Option<char>) -> Option<(String, &str)> {
    let first = rest.chars().next()?;
    let blank = rest.trim_start_matches(|char: char| char.is_whitespace() || char.is_control());
    if blank.len() < rest.len() {
        return Some((" ".to_owned(), blank));
    }
    if let Some(after) = quoted(rest, first, before) {
        return Some((TEXT.to_owned(), after));
    }
    let word = &rest[..word_len(rest)];
    if word.is_empty() {
        let (delimiter, after) = rest.split_at(first.len_utf8());
        return Some((delimiter.to_owned(), after));
    }
    Some((word_pattern(word, before), &rest[word.len()..]))
}

/// What follows the quoted text that `rest` begins with. An apostrophe within or after a word quotes nothing.
fn quoted(rest: &str, quote: char, before: Option<char>) -> Option<&str> {
    let is_apostrophe = || before.is_some_and(|char| char.is_alphanumeric() || char == '>');
    match quote {
        '"' | '`' => {}
        '\'' if !is_apostrophe() => {}
        _ => return None,
    }
    rest[1..].split_once(quote).map(|(_, after)| after)
}

/// How long the word is that `rest` begins with. Placeholders are part of it, so that a pattern reads as the message did.
fn word_len(rest: &str) -> usize {
    let mut len = 0;
    while let Some(char) = rest[len..].chars().next() {
        len += match placeholder_at(&rest[len..]) {
            Some(placeholder) => placeholder.len(),
            None if char.is_alphanumeric() || "._-:/@%~?=&+#,;!$*".contains(char) => {
                char.len_utf8()
            }
            None => return len,
        };
    }
    len
}

fn placeholder_at(text: &str) -> Option<&'static str> {
    WITHIN_WORDS
        .into_iter()
        .find(|placeholder| text.starts_with(placeholder))
}

fn word_pattern(word: &str, before: Option<char>) -> String {
    let core = word.trim_end_matches(['.', ',', ':', ';', '!', '?', '-']);
    let end = &word[core.len()..];
    // `</p>` is HTML.
    let is_path = core.len() > 1 && core.starts_with('/') && before != Some('<');
    let whole = if core.contains("://") {
        URL
    } else if is_path {
        PATH
    } else if is_host(core) {
        HOST
    } else {
        return parts_pattern(word);
    };
    format!("{whole}{end}")
}

/// A host name or an address, with or without a port.
fn is_host(text: &str) -> bool {
    if text.parse::<Ipv6Addr>().is_ok() || text.parse::<SocketAddrV6>().is_ok() {
        return true;
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let labels: Vec<&str> = name.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let is_name = match labels.as_slice() {
        ["localhost"] => true,
        [.., section, field] => {
            field.len() >= 2
                && field.bytes().all(|byte| byte.is_ascii_lowercase())
                && !SECTIONS.contains(section)
        }
        [..] => false,
    };
    let is_address = labels.len() == 4 && labels.iter().all(|label| label.parse::<u8>().is_ok());
    labels.iter().all(is_label)
        && (is_name || is_address)
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// A word that is nothing as a whole, with what varies in it replaced.
fn parts_pattern(word: &str) -> String {
    let mut rest = word;
    let mut pattern = String::new();
    while let Some(first) = rest.chars().next() {
        let (kept, len) = if let Some(placeholder) = placeholder_at(rest) {
            (placeholder, placeholder.len())
        } else if first.is_alphanumeric() {
            let part = &rest[..part_len(rest)];
            (part_pattern(part), part.len())
        } else {
            (&rest[..first.len_utf8()], first.len_utf8())
        };
        pattern.push_str(kept);
        rest = &rest[len..];
    }
    pattern
}

/// Letters and digits; `1.5s` and `1,000` are one part.
fn part_len(rest: &str) -> usize {
    let mut before = ' ';
    let mut chars = rest.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let is_point = before.is_ascii_digit()
            && matches!(char, '.' | ',')
            && chars.peek().is_some_and(|(_, next)| next.is_ascii_digit());
        if !char.is_alphanumeric() && !is_point {
            return at;
        }
        before = char;
    }
    rest.len()
}

fn part_pattern(part: &str) -> &str {
    if VERBS.contains(&part) {
        VERB
    } else if part.starts_with(|char: char| char.is_ascii_digit()) || is_id(part) {
        NUMBER
    } else {
        part
    }
}

/// A ULID, a run of hex, or letters and digits too many for a word. `s3` and `sha256` are words.
fn is_id(part: &str) -> bool {
    let has_digits = part.bytes().any(|byte| byte.is_ascii_digit());
    let is_hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Crockford's alphabet leaves out the letters that few words do without.
    let is_ulid = part.len() == ULID_CHARS
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() && !b"ilouILOU".contains(&byte));
    is_ulid || has_digits && (part.len() >= ID_MIN_CHARS || is_hex && part.len() >= HEX_MIN_CHARS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_cause_at_many_relays_is_one_pattern() {
        for (texts, expected) in [
            (
                [
                    r#"conflict: POST was answered 409: host "mine.example.com" is already in use"#,
                    r#"conflict: PATCH was answered 409: host "x.example.org:3334" is already in use"#,
                ],
                "conflict: <verb> was answered <n>: host <text> is already in use",
            ),
            (
                [
                    "failed to write config: open /config/01k0aaaaaaaaaaaaaaaaaaaaaa.toml: no space left",
                    "failed to write config: open /etc/zooid/b.toml: no space left",
                ],
                "failed to write config: open <path>: no space left",
            ),
            (
                [
                    "dial tcp 10.0.0.7:3334->[::1]:80: lookup zooid.internal: timeout after 1.5s",
                    "dial tcp 10.1.0.12:43->[fe80::12a]:8080: lookup a.b.example.com: timeout after 30s",
                ],
                "dial tcp <host>-><host_in_brackets>: lookup <host>: timeout after <n>",
            ),
            (
                [
                    "error for url (http://zooid:3334/relay/01k0?x=1): relay 01k0zzzzzzzzzzzzzzzzzzzzzz, trace 8f3a1c0d",
                    "error for url (https://example.com): relay bbbbbbbbbbbbbbbbbbbbbbbbbb, trace 12345678",
                ],
                "error for url (<url>): relay <n>, trace <n>",
            ),
            (
                [
                    "key npub14f8usejl26twx0dhuxjh9cas7keav9vr0v8nvtwtrjqx3vycc76qqh9nsy at worker-7 port 80.",
                    "key npub1v0lxxxxutpvrelsksy8cdhgfux9l6a42hsj2qzquu2zk7vc9qnkszrqj49 at worker-12 port 443.",
                ],
                "key <n> at worker-<n> port <n>.",
            ),
            (
                [
                    "<h1>502 Bad Gateway</h1><hr>nginx/1.18.0",
                    "<h1>502 Bad\r\n Gateway</h1><hr>nginx/1.26",
                ],
                "<h1><n> Bad Gateway</h1><hr>nginx/<n>",
            ),
        ] {
            for text in texts {
                let expected = expected.replace("<host_in_brackets>", "[<host>]:<n>");
                assert_eq!(pattern(text), expected, "{text}");
            }
        }
    }

    #[test]
    fn words_stay_as_they_are() {
        for text in [
            "blossom.s3.bucket is required when blossom.adapter is s3",
            "invalid info.pubkey: it's not on the relays' curve, isn't it",
            "json: cannot unmarshal array into Go struct field Config.info.name of type string",
            "zooid's clock is off, e.g. by [redacted]; compare sha256 and API_HOST",
            "a quote \" that does not close",
            "",
        ] {
            assert_eq!(pattern(text), text);
        }
    }

    #[test]
    fn different_causes_have_different_patterns() {
        let texts = [
            "host \"x\" is already in use",
            "schema \"x\" is already in use",
            "blossom.s3.bucket is required",
            "blossom.s3.region is required",
            "failed to write config: open /c/x: permission denied",
            "failed to write config: open /c/x: no space left on device",
            "tcp connect error: Connection refused (os error 111)",
            "dns error: failed to lookup address information",
        ];
        let mut patterns: Vec<_> = texts.iter().map(|text| pattern(text)).collect();
        patterns.sort();
        patterns.dedup();
        assert_eq!(patterns.len(), texts.len());
    }

    #[test]
    fn a_fingerprint_differs_with_each_of_its_parts_and_with_their_borders() {
        let prints = [
            fingerprint("a", FailureKind::Conflict, Some(409), "b"),
            fingerprint("ab", FailureKind::Conflict, Some(409), ""),
            fingerprint("", FailureKind::Conflict, Some(409), "ab"),
            fingerprint("a", FailureKind::Invalid, Some(409), "b"),
            fingerprint("a", FailureKind::Conflict, Some(40), "9b"),
            fingerprint("a", FailureKind::Conflict, None, "b"),
            fingerprint("a", FailureKind::Conflict, None, "409b"),
        ];
        for (at, print) in prints.iter().enumerate() {
            assert_eq!(print.len(), 16);
            assert!(!prints[..at].contains(print));
        }
    }

    #[test]
    fn a_long_message_is_cut_between_words() {
        assert_eq!(
            pattern(&"é word ".repeat(1000)),
            "é word ".repeat(42) + "é word"
        );
        assert_eq!(pattern(&"x".repeat(301)), "");
        assert_eq!(
            pattern(&format!("\"{}\" end", "x".repeat(1000))),
            "<text> end"
        );
    }

    /// Groups are found by it for as long as their rows live.
    #[test]
    fn a_fingerprint_stays_the_same_for_ever() {
        assert_eq!(
            fingerprint(
                "example.com",
                FailureKind::Unreachable,
                Some(502),
                "no connection"
            ),
            "e152c9a6cb2aeaf9"
        );
    }

    prop_compose! {
        fn any_message()(
            pieces in prop::collection::vec(
                prop_oneof![
                    any::<String>(),
                    "\\PC{0,8}",
                    "[ -~]{0,12}",
                    "[a-f0-9]{1,70}",
                    "[a-z0-9]{1,3}[.:/'\"`<>_, -]{1,2}",
                    "([a-z]{1,8}\\.){1,3}(com|info|name|toml)(:[0-9]{1,6})?",
                    "https?://[a-z.]{1,9}[/?=a-z0-9]{0,9}",
                    Just("POST".to_owned()),
                    prop::sample::select(&[TEXT, URL, HOST, PATH, VERB, NUMBER][..]).prop_map(str::to_owned),
                ],
                0..60,
            ),
        ) -> String {
            pieces.concat()
        }
    }

    proptest! {
        #[test]
        fn a_pattern_is_bounded_on_one_line_and_its_own_pattern(message in any_message()) {
            let once = pattern(&message);

            prop_assert!(once.chars().count() <= PATTERN_MAX_CHARS);
            prop_assert!(!once.contains(char::is_control));
            prop_assert_eq!(pattern(&once), once);
        }

        #[test]
        fn what_names_the_relay_is_not_in_the_pattern(
            subdomain in "[a-z][a-z0-9-]{0,20}[a-z0-9]",
            id in "[0-7][0-9a-hjkmnp-tv-z]{25}",
            port in 1u16..,
            millis in 0u32..,
        ) {
            let text = |subdomain: &str, id: &str, port: u16, millis: u32| {
                format!(
                    "host \"{subdomain}.x.org\" of {subdomain}.x.org:{port}, relay {id} (schema '{subdomain}_{id}'), \
                     http://{subdomain}.x.org/{id}: after {millis}ms"
                )
            };
            let pattern_of = |text: String| pattern(&text);

            prop_assert_eq!(
                pattern_of(text(&subdomain, &id, port, millis)),
                pattern_of(text("mine", "01k0zzzzzzzzzzzzzzzzzzzzzz", 80, 5))
            );
        }
    }
}
