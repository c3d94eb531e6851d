//! URLs that others are built upon or compared with.

use url::Url;

/// An absolute URL without user, query or fragment, in both of its forms.
///
/// Signed events (NIP-98) are compared with the text, and a parsed URL is not always written as it was read:
/// `https://a.example` becomes `https://a.example/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    url: Url,
}

impl BaseUrl {
    /// A URL of one of these schemes.
    pub(super) fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        // The parser forgives more than clients do: a missing slash, blanks.
        let (scheme, _) = text.split_once("://")?;
        let is_plain = schemes.contains(&url.scheme())
            && scheme.eq_ignore_ascii_case(url.scheme())
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && !text.contains(['?', '#', '@', '\\'])
            && !text.contains(char::is_whitespace);
        is_plain.then(|| Self {
            text: text.to_owned(),
            url,
        })
    }

    /// The text exactly as configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parsed form.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_the_text_it_was_read_from() {
        let url = BaseUrl::parse("https://API.example.com", &["https"]).unwrap();

        assert_eq!(url.as_str(), "https://API.example.com");
        assert_eq!(url.url().as_str(), "https://api.example.com/");
    }

    #[test]
    fn a_url_that_signatures_could_not_match_is_refused() {
        for text in [
            "api.example.com",
            "/relative",
            "https:api.example.com",
            "https:/api.example.com",
            "https:api.example.com://x",
            "https://",
            "ftp://api.example.com",
            "https://api.example.com?x=1",
            "https://api.example.com/?",
            "https://api.example.com/#top",
            "https://user@api.example.com",
            "https://user:word@api.example.com",
            "https://api.example.com/a b",
            "https:\\\\api.example.com",
        ] {
            assert_eq!(BaseUrl::parse(text, &["http", "https"]), None, "{text}");
        }
    }
}
