//! Cleaning texts that others wrote.
//!
//! zooid quotes the secret it did not like, proxies quote whole requests. Whatever comes from outside passes through a
//! [`Redactor`] before it is logged, stored or shown. It prefers to hide too much: a public key in an error message is
//! hidden with the secret keys, because nothing tells them apart.

use std::fmt;
use std::iter;
use std::ops::Range;

use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use zeroize::Zeroizing;

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Hex digits of a secret key, and so the shortest run of them that is hidden.
const KEY_DIGITS: usize = 64;

/// The start of a secret key in the form of NIP-19.
const NSEC: &[u8] = b"nsec1";

/// The start of a wallet connection URL (NIP-47), whose `secret` parameter spends money. Some write it without `//`.
const WALLET: &[u8] = b"nostr+walletconnect:";

/// Layers of escaping that are looked through: a proxy may quote as JSON what zooid had quoted as JSON.
const LAYERS_MAX: usize = 3;

/// What stands before two hex digits in place of a byte: in URLs, in JSON (ASCII only), in Go's `%q`.
const HEX_ESCAPES: [&[u8]; 3] = [b"%", br"\u00", br"\x"];

/// Other forms of a byte: in JSON and Go's `%q`, then in HTML. Those that only put a backslash before the byte need none.
const ESCAPES: [(&[u8], u8); 11] = [
    (br"\\", b'\\'),
    (br"\n", b'\n'),
    (br"\r", b'\r'),
    (br"\t", b'\t'),
    (b"&amp;", b'&'),
    (b"&lt;", b'<'),
    (b"&gt;", b'>'),
    (b"&quot;", b'"'),
    (b"&#34;", b'"'),
    (b"&#39;", b'\''),
    (b"&#43;", b'+'),
];

/// Hides secrets in texts: those it was told of, and all that have the shape of one.
///
/// Everything is found in any case, and escaped for URLs, JSON, Go or HTML, several layers deep, as well as plain; a known
/// secret that itself looks escaped, one layer deep. Known secrets and hex are found across quotes and line breaks, too.
#[derive(Clone)]
pub struct Redactor {
    /// Every form of every known secret, without separators.
    needles: Vec<Zeroizing<Vec<u8>>>,
}

impl Redactor {
    /// Knows `secrets` as they are, as base64 of either alphabet, and, for those that are hex, as base64 of the bytes
    /// that they stand for. Empty ones are ignored; short ones hide whatever looks like them.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let needles = secrets
            .into_iter()
            .flat_map(|secret| forms(secret.as_ref()))
            // A secret may itself look escaped: then it is met at the end of its layers, like all else.
            .flat_map(|form| {
                View::layers(&form)
                    .map(|view| view.without_separators().bytes)
                    .collect::<Vec<_>>()
            })
            .filter(|needle| !needle.is_empty())
            .collect();
        Self { needles }
    }

    /// The text with each known secret, each run of 64 or more hex digits, each `nsec1…` key and each
    /// `nostr+walletconnect:` URL replaced by [`REDACTED`].
    ///
    /// Redact before cutting a text to length: half a secret is not recognised.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut hidden = Vec::new();
        for view in View::layers(text) {
            hidden.extend(view.keys_and_wallets().map(|found| view.origin(found)));
            let run = view.without_separators();
            let known = self
                .needles
                .iter()
                .flat_map(|needle| occurrences(&run.bytes, needle));
            hidden.extend(known.chain(run.hex_runs()).map(|found| run.origin(found)));
        }
        hidden.sort_unstable_by_key(|range| range.start);
        replace(text, &hidden)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({REDACTED})")
    }
}

/// The forms in which a secret may come back to us. base64 stands without its padding: so the padded form begins.
fn forms(secret: &str) -> Vec<Zeroizing<String>> {
    let base64 = |bytes: &[u8]| {
        [
            BASE64_STANDARD_NO_PAD.encode(bytes),
            BASE64_URL_SAFE_NO_PAD.encode(bytes),
        ]
    };
    let mut forms = vec![secret.to_owned()];
    forms.extend(base64(secret.as_bytes()));
    if let Ok(bytes) = hex::decode(secret).map(Zeroizing::new) {
        forms.extend(base64(&bytes));
    }
    forms.into_iter().map(Zeroizing::new).collect()
}

/// One reading of a text, and where in the text each of its bytes comes from.
struct View {
    bytes: Zeroizing<Vec<u8>>,
    origins: Vec<Range<usize>>,
}

impl View {
    /// The text as it is, then with a layer of escapes resolved at a time, as long as there are any.
    fn layers(text: &str) -> impl Iterator<Item = Self> {
        let plain = Self {
            bytes: Zeroizing::new(text.as_bytes().to_vec()),
            origins: (0..text.len()).map(|at| at..at + 1).collect(),
        };
        iter::successors(Some(plain), |view| {
            let next = view.unescaped();
            (next.bytes.len() < view.bytes.len()).then_some(next)
        })
        .take(1 + LAYERS_MAX)
    }

    fn with_room_of(&self) -> Self {
        Self {
            bytes: Zeroizing::new(Vec::with_capacity(self.bytes.len())),
            origins: Vec::with_capacity(self.bytes.len()),
        }
    }

    fn unescaped(&self) -> Self {
        let mut view = self.with_room_of();
        let mut rest = self.bytes.as_slice();
        while let Some((&first, after)) = rest.split_first() {
            let from = self.bytes.len() - rest.len();
            let (byte, next) = unescaped_byte(rest).unwrap_or((first, after));
            rest = next;
            view.bytes.push(byte);
            view.origins
                .push(self.origin(from..self.bytes.len() - rest.len()));
        }
        view
    }

    /// The bytes but for blanks, control characters and quotes, which may stand where a secret was broken in two, and for
    /// backslashes, which may stand before each of them and before themselves, in any number.
    fn without_separators(&self) -> Self {
        let mut view = self.with_room_of();
        for (&byte, origin) in self.bytes.iter().zip(&self.origins) {
            if byte != b' ' && !byte.is_ascii_control() && !b"\"'`\\".contains(&byte) {
                view.bytes.push(byte);
                view.origins.push(origin.clone());
            }
        }
        view
    }

    /// What bytes of this view, one at least, stand for in the text.
    fn origin(&self, range: Range<usize>) -> Range<usize> {
        self.origins[range.start].start..self.origins[range.end - 1].end
    }

    fn keys_and_wallets(&self) -> impl Iterator<Item = Range<usize>> {
        let keys = occurrences(&self.bytes, NSEC)
            .map(|found| up_to(&self.bytes, found, |byte| !byte.is_ascii_alphanumeric()));
        let wallets =
            occurrences(&self.bytes, WALLET).map(|found| up_to(&self.bytes, found, ends_a_url));
        keys.chain(wallets)
    }

    fn hex_runs(&self) -> impl Iterator<Item = Range<usize>> {
        let mut end = 0;
        self.bytes
            .chunk_by(|a, b| a.is_ascii_hexdigit() == b.is_ascii_hexdigit())
            .map(move |run| {
                let start = end;
                end += run.len();
                (run, start..end)
            })
            .filter(|(run, _)| run.len() >= KEY_DIGITS && run[0].is_ascii_hexdigit())
            .map(|(_, range)| range)
    }
}

/// The byte that `bytes` begin with in an escaped form, and what follows it.
fn unescaped_byte(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let by_digits = HEX_ESCAPES.iter().find_map(|mark| {
        let (digits, rest) = bytes.strip_prefix(*mark)?.split_first_chunk::<2>()?;
        let mut byte = [0];
        hex::decode_to_slice(digits, &mut byte).ok()?;
        Some((byte[0], rest))
    });
    by_digits.or_else(|| {
        ESCAPES
            .iter()
            .find_map(|(form, byte)| Some((*byte, bytes.strip_prefix(*form)?)))
    })
}

/// Where `needle` stands in `bytes`, in any case; occurrences may overlap.
fn occurrences(bytes: &[u8], needle: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let first = needle[0].to_ascii_lowercase();
    bytes
        .iter()
        .enumerate()
        .filter(move |(_, byte)| byte.to_ascii_lowercase() == first)
        .map(move |(start, _)| start..start + needle.len())
        .filter(move |range| {
            bytes
                .get(range.clone())
                .is_some_and(|found| found.eq_ignore_ascii_case(needle))
        })
}

/// `found`, prolonged to the next byte that `ends` it.
fn up_to(bytes: &[u8], found: Range<usize>, ends: fn(u8) -> bool) -> Range<usize> {
    let rest = &bytes[found.end..];
    let length = rest.iter().position(|&byte| ends(byte));
    found.start..found.end + length.unwrap_or(rest.len())
}

/// A URL in running text or in JSON ends at a blank or at the quote around it; a backslash may be JSON's before `/`.
fn ends_a_url(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control() || b"\"'`<>".contains(&byte)
}

/// The text with the ranges, which come in the order of their starts and may overlap, each replaced.
fn replace(text: &str, hidden: &[Range<usize>]) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut kept_from = 0;
    for range in hidden {
        if range.end <= kept_from {
            continue;
        }
        // What overlaps the range before, or touches it, is hidden by the same mark.
        if range.start > kept_from || kept_from == 0 {
            clean.push_str(&text[kept_from..text.floor_char_boundary(range.start)]);
            clean.push_str(REDACTED);
        }
        // A secret that looks escaped may stand for bytes that are no whole character.
        kept_from = text.ceil_char_boundary(range.end);
    }
    clean.push_str(&text[kept_from..]);
    clean
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff";
    const S3: &str = "wJ?lr~XU/nFEMI+K7MDENG";

    #[test]
    fn a_text_without_secrets_stays_as_it_is() {
        let text = "connect to https://zooid/relay/é%20x: 100% refused, nsec and 00ff";

        assert_eq!(Redactor::new([S3]).redact(text), text);
    }

    #[test]
    fn a_known_secret_is_hidden_in_each_of_its_forms() {
        let redactor = Redactor::new([S3]);

        for form in [
            S3.to_owned(),
            S3.to_uppercase(),
            S3.replace('/', "%2F"),
            S3.replace('/', "%2f").replace('+', "%2B"),
            BASE64_STANDARD.encode(S3).replace('=', ""),
            BASE64_URL_SAFE.encode(S3).replace('=', ""),
        ] {
            assert_eq!(
                redactor.redact(&format!("key {form}, {form}!")),
                "key [redacted], [redacted]!"
            );
        }
    }

    #[test]
    fn a_hex_secret_is_hidden_as_the_bytes_it_stands_for() {
        let short = "feedfacecafebeef";
        let form = BASE64_STANDARD_NO_PAD.encode(hex::decode(short).unwrap_or_default());

        assert_eq!(Redactor::new([short]).redact(&form), "[redacted]");
    }

    #[test]
    fn unknown_keys_and_wallets_are_hidden_by_their_shape() {
        let redactor = Redactor::new::<&str>([]);

        for (text, clean) in [
            (
                format!("invalid secret key: {HEX}"),
                "invalid secret key: [redacted]",
            ),
            (format!("key {}00.", HEX.to_uppercase()), "key [redacted]."),
            (
                format!("key \"{}\" \"{}\".", &HEX[..30], &HEX[30..]),
                "key \"[redacted]\".",
            ),
            (
                "key=nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5.".to_owned(),
                "key=[redacted].",
            ),
            (
                format!(
                    r#"{{"url":"nostr+walletconnect:\/\/b8?relay=wss:\/\/r&secret={HEX}","n":1}}"#
                ),
                r#"{"url":"[redacted]","n":1}"#,
            ),
            (
                "to=nostr%2Bwalletconnect%3A%2F%2Fb8%3Frelay%3Dx%26secret%3D71 end".to_owned(),
                "to=[redacted] end",
            ),
        ] {
            assert_eq!(redactor.redact(&text), clean);
        }
    }

    #[test]
    fn secrets_that_overlap_leave_no_remainder() {
        let redactor = Redactor::new(["abcd", "cdef", "bc"]);

        assert_eq!(redactor.redact("-abcdef-"), "-[redacted]-");
    }

    #[test]
    fn an_empty_secret_hides_nothing() {
        assert_eq!(Redactor::new(["", S3]).redact("plain"), "plain");
    }

    #[test]
    fn a_secret_that_looks_escaped_may_end_within_a_character() {
        assert_eq!(
            Redactor::new([r"\xe9"]).redact("a\u{9000}b"),
            "a[redacted]b"
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Redactor::new([S3])), "Redactor([redacted])");
    }

    fn longest_hex_run(text: &str) -> usize {
        text.split(|c: char| !c.is_ascii_hexdigit())
            .map(str::len)
            .max()
            .unwrap_or_default()
    }

    fn percent_encoded(text: &str) -> String {
        text.bytes()
            .fold(String::new(), |all, byte| all + &format!("%{byte:02X}"))
    }

    /// As Go's `encoding/json` writes a text, without the quotes around it.
    fn json_escaped(text: &str) -> String {
        let json = serde_json::to_string(text).unwrap_or_default();
        json[1..json.len() - 1]
            .replace('&', "\\u0026")
            .replace('<', "\\u003c")
            .replace('>', "\\u003E")
            .replace('/', "\\/")
    }

    fn digits_escaped(text: &str, mark: &str) -> String {
        text.chars().fold(String::new(), |all, char| {
            if char.is_ascii() {
                all + &format!("{mark}{:02x}", u32::from(char))
            } else {
                all + &char.to_string()
            }
        })
    }

    /// As Go's `html.EscapeString` writes a text.
    fn html_escaped(text: &str) -> String {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&#34;")
            .replace('\'', "&#39;")
    }

    type Escape = fn(&str) -> String;

    const ESCAPERS: [Escape; 5] = [
        json_escaped,
        percent_encoded,
        html_escaped,
        |text| digits_escaped(text, "\\u00"),
        |text| digits_escaped(text, "\\x"),
    ];

    fn separators() -> impl Strategy<Value = &'static str> {
        prop::sample::select(&["", "\"", "\n", "\" \"", "`", "\r\n\t"][..])
    }

    proptest! {
        #[test]
        fn a_known_secret_is_found_however_often_it_was_escaped_and_wherever_it_was_broken(
            head in "[A-Za-z0-9]{2}[A-Za-z0-9+/=_~é&\"<>' -]{0,20}",
            separator in separators(),
            tail in "[A-Za-z0-9+/=_~é&\"<>' -]{0,20}[A-Z0-9]{2}",
            layers in prop::collection::vec(prop::sample::select(&ESCAPERS[..]), 0..=3),
        ) {
            let broken = format!("{head}{separator}{tail}");
            let escaped = layers.iter().fold(broken, |text, escape| escape(&text));

            let clean = Redactor::new([head + &tail]).redact(&format!("é: {escaped}; ok"));

            prop_assert_eq!(clean, "é: [redacted]; ok", "{}", escaped);
        }

        #[test]
        fn a_known_secret_that_itself_looks_escaped_is_found_escaped_once(
            head in "[A-Z0-9]{2}(\\PC|%[0-9A]{2}|\\\\[nu0x]|&#?[a-z34]{2};){0,9}",
            separator in separators(),
            tail in "(\\PC|%[0-9A]{2}|\\\\[nu0x]|&#?[a-z34]{2};){0,9}[A-Z]{2}",
            escape in prop::sample::select(&ESCAPERS[..]),
        ) {
            let escaped = escape(&format!("{head}{separator}{tail}"));

            let clean = Redactor::new([head + &tail]).redact(&format!("é: {escaped}; ok"));

            prop_assert_eq!(clean, "é: [redacted]; ok", "{}", escaped);
        }

        #[test]
        fn any_text_and_any_secret_can_be_redacted(
            secrets in prop::collection::vec("(\\\\x|%|\\\\u00)?[a-f0-9é]{1,4}|\\PC{0,9}", 0..4),
            text in "((\\\\x|%|\\\\u00|&#3)[a-f0-9é;]{1,4}|é|\\PC){0,40}",
        ) {
            let clean = Redactor::new(&secrets).redact(&text);

            prop_assert!(clean == text || clean.contains(REDACTED));
        }

        #[test]
        fn no_known_secret_survives(
            secret in "[A-Za-z0-9+/=_~é-]{6,40}",
            before: String,
            between: String,
            after in "[a-f0-9% +&]*",
        ) {
            let text = format!("{before}{secret}{between}{}{after}", percent_encoded(&secret));

            let clean = Redactor::new([&secret]).redact(&text);

            prop_assert!(!clean.contains(&secret));
            prop_assert!(!clean.contains(&percent_encoded(&secret)));
        }

        #[test]
        fn no_run_of_64_hex_digits_survives(text in "([a-fA-F0-9]{60,70}|nsec1|.){0,6}") {
            let clean = Redactor::new::<&str>([]).redact(&text);

            prop_assert!(longest_hex_run(&clean) < KEY_DIGITS);
            prop_assert!(!clean.contains("nsec1"));
        }
    }
}
