//! What a single key can be set to, with its place in the text.
//!
//! Reading happens in two steps, so that one pass finds as many faults as there are: serde takes the file into tables of
//! these (an unknown key, or a table where a value belongs, ends it at once), then each value is read by a function of
//! `values` or of its part, and a bad one is only noted.

use std::fmt;

use serde::Deserialize;
use serde::de::{Error, Visitor};
use toml::Spanned;

/// A value with its place.
pub(super) type Value = Option<Spanned<Scalar>>;

/// A text, a whole number or a truth value: what a single key can be set to.
#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Text(String),
    Whole(i64),
    Flag(bool),
}

/// A command: its program and its arguments.
pub(super) type Command = Option<Spanned<Vec<String>>>;

/// A text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or a list of texts")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        struct AnyScalar;
        impl Visitor<'_> for AnyScalar {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, true or false")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Whole(number))
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Scalar, E> {
                Ok(Scalar::Flag(flag))
            }
        }
        deserializer.deserialize_any(AnyScalar)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Text(text) => write!(f, "{text:?}"),
            Scalar::Whole(number) => write!(f, "{number}"),
            Scalar::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

impl Scalar {
    /// Units are read from text; a bare number is one without a unit.
    pub fn to_text(&self) -> String {
        match self {
            Scalar::Text(text) => text.clone(),
            Scalar::Whole(number) => number.to_string(),
            Scalar::Flag(flag) => flag.to_string(),
        }
    }
}
