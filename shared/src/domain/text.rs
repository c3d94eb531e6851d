//! Values that are text on every wire and in every row: how they are parsed, shown and serialized, written once.
//!
//! Invariant: the only way to such a value is its parser, so rows and requests obey the same rule.

/// Text that breaks the rule of the type it was parsed as. It never quotes the text, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what}: {rule}")]
pub struct Malformed {
    /// What was expected, for example `subdomain`.
    pub what: &'static str,
    /// The rule, phrased to follow the name of a field: `must be ...`.
    pub rule: &'static str,
}

/// Defines a text newtype from a parser `fn(&str) -> Option<String>` that returns the normal form.
macro_rules! text_type {
    ($(#[$meta:meta])* $name:ident, $what:literal, $rule:literal, $parse:expr) => {
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        $(#[$meta])*
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text in its normal form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::Malformed;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let parse: fn(&str) -> Option<String> = $parse;
                parse(text).map(Self).ok_or($crate::domain::Malformed { what: $what, rule: $rule })
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::domain::Malformed;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

/// Defines an enum whose variants have fixed texts in JSON, SQL and logs.
macro_rules! text_enum {
    ($(#[doc = $doc:literal])* $name:ident, $what:literal {
        $(#[doc = $first_doc:literal])* $first:ident = $first_text:literal
        $(, $(#[doc = $variant_doc:literal])* $variant:ident = $text:literal)* $(,)?
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $(#[doc = $first_doc])*
            #[serde(rename = $first_text)]
            $first,
            $($(#[doc = $variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Every variant, in the order of the definition.
            pub const ALL: &'static [Self] = &[Self::$first $(, Self::$variant)*];

            /// The fixed text of the variant.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::$first => $first_text,
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        // Not derived, because readers of the description want to know what each text means.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .enum_values(Some(Self::ALL.iter().map(|variant| variant.as_str())))
                    .description(Some(concat!(
                        $($doc, "\n",)*
                        "\n- `", $first_text, "`:", $($first_doc,)*
                        $("\n- `", $text, "`:", $($variant_doc,)*)*
                    )))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::Malformed;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|variant| variant.as_str() == text).ok_or($crate::domain::Malformed {
                    what: $what,
                    rule: concat!("must be one of ", $first_text $(, ", ", $text)*),
                })
            }
        }
    };
}

pub(super) use {text_enum, text_type};

#[cfg(test)]
mod tests {
    text_enum! {
        /// A test subject.
        Tide, "tide" {
            /// Rising.
            Flood = "flood",
            /// Falling.
            Ebb = "ebb",
        }
    }

    text_type! {
        /// A test subject.
        Shout, "shout", "must be letters", |text| text.chars().all(char::is_alphabetic).then(|| text.to_uppercase())
    }

    #[test]
    fn an_enum_reads_and_writes_its_texts_and_names_them_when_it_refuses() {
        for tide in Tide::ALL {
            assert_eq!(tide.as_str().parse::<Tide>().unwrap(), *tide);
            assert_eq!(serde_json::to_value(tide).unwrap(), tide.as_str());
        }
        assert_eq!(
            "slack".parse::<Tide>().unwrap_err().to_string(),
            "invalid tide: must be one of flood, ebb"
        );
    }

    #[test]
    fn a_text_type_is_normalised_and_deserializes_through_its_parser() {
        assert_eq!("hey".parse::<Shout>().unwrap().as_str(), "HEY");
        assert_eq!(
            serde_json::from_str::<Shout>("\"hey\"")
                .unwrap()
                .to_string(),
            "HEY"
        );
        assert_eq!(
            serde_json::to_string(&"hey".parse::<Shout>().unwrap()).unwrap(),
            "\"HEY\""
        );
        assert!(serde_json::from_str::<Shout>("\"hey you\"").is_err());
    }
}
