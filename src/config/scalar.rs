//! What stands in the file where a value belongs, before it is known what it means.
//!
//! A value has the right kind here (a text, a number, a list), or a [`ValueFault`] says what it is instead. What it may
//! be is the matter of `values` and of its part.

use std::fmt;

use serde::de::Unexpected;
use toml::Spanned;
use toml::de::{DeInteger, DeValue};

/// A text, a whole number or a truth value: what a single key can be set to.
#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Text(String),
    Whole(i64),
    Flag(bool),
}

/// What is wrong with a value.
#[derive(Debug)]
pub(super) enum ValueFault {
    /// It is of another kind than belongs here; where it stands, if not where the value begins.
    Kind { text: String, at: Option<usize> },
    /// It is of the right kind, and out of bounds.
    Value(String),
}

impl From<String> for ValueFault {
    fn from(text: String) -> ValueFault {
        ValueFault::Value(text)
    }
}

impl Scalar {
    // As with `Reader::key`: each form of each table would have it.
    #[inline(never)]
    pub fn of(value: &DeValue<'_>) -> Result<Scalar, ValueFault> {
        let other = || ValueFault::Kind { text: mismatch(value, "a text, a whole number, true or false"), at: None };
        match value {
            DeValue::String(text) => Ok(Scalar::Text(text.to_string())),
            DeValue::Integer(number) => {
                let fits = whole(number).and_then(|n| i64::try_from(n).ok());
                fits.map(Scalar::Whole).ok_or_else(|| ValueFault::Value(out_of_reach(number)))
            }
            DeValue::Boolean(flag) => Ok(Scalar::Flag(*flag)),
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => Err(other()),
        }
    }

    /// Units are read from text; a bare number is one without a unit.
    pub fn to_text(&self) -> String {
        match self {
            Scalar::Text(text) => text.clone(),
            Scalar::Whole(number) => number.to_string(),
            Scalar::Flag(flag) => flag.to_string(),
        }
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

/// A list of texts.
pub(super) fn list(value: &DeValue<'_>) -> Result<Vec<String>, ValueFault> {
    let DeValue::Array(items) = value else {
        return Err(ValueFault::Kind { text: mismatch(value, "a sequence"), at: None });
    };
    let text = |item: &Spanned<DeValue<'_>>| {
        let other = || ValueFault::Kind { text: mismatch(item.get_ref(), "a string"), at: Some(item.span().start) };
        item.get_ref().as_str().map(str::to_owned).ok_or_else(other)
    };
    items.iter().map(text).collect()
}

/// A text, or a list of them.
pub(super) fn texts(value: &DeValue<'_>) -> Result<Vec<String>, ValueFault> {
    let one = value.as_str().map(|text| vec![text.to_owned()]);
    let other = |_| ValueFault::Kind { text: "a text, or a list of texts".to_owned(), at: None };
    one.map_or_else(|| list(value).map_err(other), Ok)
}

/// What `value` is, where `expected` belongs.
pub(super) fn mismatch(value: &DeValue<'_>, expected: &str) -> String {
    let number;
    let found = match value {
        DeValue::String(text) => Unexpected::Str(text),
        DeValue::Integer(whole) => {
            number = format!("integer `{}`", decimal(whole));
            Unexpected::Other(&number)
        }
        DeValue::Float(float) => Unexpected::Float(float.as_str().parse().unwrap_or(f64::INFINITY)),
        DeValue::Boolean(flag) => Unexpected::Bool(*flag),
        DeValue::Array(_) => Unexpected::Seq,
        DeValue::Datetime(_) | DeValue::Table(_) => Unexpected::Map,
    };
    format!("invalid type: {found}, expected {expected}")
}

/// A number that the file may write in another base than ten.
fn whole(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A number in the base ten, if it is not too large for that.
fn decimal(number: &DeInteger<'_>) -> String {
    whole(number).map_or_else(|| number.to_string(), |n| n.to_string())
}

/// What is wrong with a number that no key can have.
fn out_of_reach(number: &DeInteger<'_>) -> String {
    let size = if number.as_str().starts_with('-') { "small" } else { "large" };
    format!("{} is too {size} a number", decimal(number))
}
