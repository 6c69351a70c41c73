//! The forms that a key's value can have: how each is read into its field, and how it is printed again.
//!
//! Kept true: [`ValueForm::read`] of what [`ValueForm::show`] gives for a field makes the same field. A form that prints
//! nothing for a field stands for a key that is not set.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;
use toml::de::DeValue;

use super::choice::OneOfNames;
use super::scalar::{Scalar, ValueFault, list, texts};
use super::values;
use crate::model::Address;
use crate::policy::rate::{BURST_MAX, Rate};
use crate::policy::units::{duration_text, size_text};

/// Where in a `T` a value of type `V` is kept.
pub(super) type FieldOf<T, V> = fn(&mut T) -> &mut V;

/// The home directory, where a path begins with `~/`.
pub(super) type Home<'a> = &'a dyn Fn() -> Option<PathBuf>;

/// What a key of a `T` can be set to, and the field that it sets.
pub(super) enum ValueForm<T: 'static> {
    Flag(FieldOf<T, bool>),
    /// How many.
    Count(RangeInclusive<usize>, FieldOf<T, usize>),
    /// How many at most; without it there is no limit.
    Limit(RangeInclusive<usize>, FieldOf<T, Option<usize>>),
    /// How many; `"auto"` is `None`.
    Auto(RangeInclusive<usize>, FieldOf<T, Option<usize>>),
    /// A number of bytes, at least this one.
    Size(u64, FieldOf<T, u64>),
    Duration(FieldOf<T, Duration>),
    /// A duration of at least a second.
    Time(FieldOf<T, Duration>),
    /// A number with a point.
    Fraction(RangeInclusive<f64>, FieldOf<T, f64>),
    /// The most hand-overs in a time.
    Rate(FieldOf<T, Option<Rate>>),
    /// The burst of the rate, which stands before it in the list of keys.
    Burst(FieldOf<T, Option<Rate>>),
    Text(FieldOf<T, String>),
    /// A text without control characters.
    Line(FieldOf<T, Option<String>>),
    /// A word of an SMTP command.
    Word(FieldOf<T, Option<String>>),
    /// An empty one is none.
    Address(FieldOf<T, Option<Address>>),
    Path(FieldOf<T, Option<PathBuf>>),
    OneOf(fn(&mut T) -> &mut dyn OneOfNames),
    /// A program and its arguments, and what they must be.
    Command(fn(&[String], &T) -> Result<Vec<String>, String>, FieldOf<T, Option<Vec<String>>>),
    /// A single value with rules of its own, and its words in the manual.
    Other {
        words: &'static str,
        read: fn(&Scalar, &mut T) -> Result<(), String>,
        show: fn(&T) -> Option<Value>,
    },
    /// A text or a list of texts with rules of its own, and its words in the manual.
    Texts {
        words: &'static str,
        read: fn(&[String], &mut T) -> Result<(), String>,
        show: fn(&T) -> Option<Value>,
    },
}

impl<T> ValueForm<T> {
    /// Sets the field to `value`. The field stays as it is if that is not possible.
    pub fn read(&self, value: &DeValue<'_>, home: Home<'_>, part: &mut T) -> Result<(), ValueFault> {
        match self {
            ValueForm::Command(check, field) => *field(part) = Some(check(&list(value)?, part)?),
            ValueForm::Texts { read, .. } => read(&texts(value)?, part)?,
            ValueForm::Flag(field) => *field(part) = values::flag(&Scalar::of(value)?)?,
            ValueForm::Count(range, field) => *field(part) = values::count(range)(&Scalar::of(value)?)?,
            ValueForm::Limit(range, field) => *field(part) = Some(values::count(range)(&Scalar::of(value)?)?),
            ValueForm::Auto(range, field) => *field(part) = values::auto_or_count(range, &Scalar::of(value)?)?,
            ValueForm::Size(least, field) => *field(part) = values::size_of(*least)(&Scalar::of(value)?)?,
            ValueForm::Duration(field) => *field(part) = values::duration(&Scalar::of(value)?)?,
            ValueForm::Time(field) => *field(part) = values::some_time(&Scalar::of(value)?)?,
            ValueForm::Fraction(range, field) => *field(part) = values::fraction(range, &Scalar::of(value)?)?,
            ValueForm::Rate(field) => {
                let (count, per) = values::rate(&Scalar::of(value)?)?;
                *field(part) = Some(Rate::new(count, per, None));
            }
            ValueForm::Burst(field) => {
                let burst = values::count(&(1..=burst_max()))(&Scalar::of(value)?)?;
                let rate = field(part);
                *rate = rate.map(|rate| rate.with_burst(burst as u64));
            }
            ValueForm::Text(field) => *field(part) = values::text(&Scalar::of(value)?)?,
            ValueForm::Line(field) => *field(part) = Some(values::line(&Scalar::of(value)?)?),
            ValueForm::Word(field) => *field(part) = Some(values::word(&Scalar::of(value)?)?),
            ValueForm::Address(field) => *field(part) = values::address(&Scalar::of(value)?)?,
            ValueForm::Path(field) => *field(part) = Some(values::path(&Scalar::of(value)?, home)?),
            ValueForm::OneOf(field) => {
                let word = Scalar::of(value)?;
                field(part).choose(&values::text(&word)?).map_err(|why| format!("{word} {why}"))?;
            }
            ValueForm::Other { read, .. } => read(&Scalar::of(value)?, part)?,
        }
        Ok(())
    }

    /// The field as the file writes it; `None` is a key that is not set. `part` is lent to find the field and stays as
    /// it is.
    pub fn show(&self, part: &mut T) -> Option<Value> {
        let text = |text: &str| Value::String(text.to_owned());
        match self {
            ValueForm::Flag(field) => Some(Value::Boolean(*field(part))),
            ValueForm::Count(_, field) => Some(number(*field(part))),
            ValueForm::Limit(_, field) => field(part).map(number),
            ValueForm::Auto(_, field) => Some(field(part).map_or_else(|| text("auto"), number)),
            ValueForm::Size(_, field) => Some(Value::String(size_text(*field(part)))),
            ValueForm::Duration(field) | ValueForm::Time(field) => Some(Value::String(duration_text(*field(part)))),
            ValueForm::Fraction(_, field) => Some(Value::String(field(part).to_string())),
            ValueForm::Rate(field) => field(part).map(|rate| Value::String(rate.text())),
            ValueForm::Burst(field) => {
                field(part).map(|rate| number(usize::try_from(rate.burst()).unwrap_or(usize::MAX)))
            }
            ValueForm::Text(field) => Some(text(field(part))),
            ValueForm::Line(field) | ValueForm::Word(field) => field(part).as_deref().map(text),
            ValueForm::Address(field) => Some(text(field(part).as_ref().map_or("", |address| address.as_str()))),
            ValueForm::Path(field) => field(part).as_ref().map(|path| text(&path.to_string_lossy())),
            ValueForm::OneOf(field) => field(part).word().map(text),
            ValueForm::Command(_, field) => field(part).as_ref().map(|args| array(args.iter().cloned())),
            ValueForm::Other { show, .. } | ValueForm::Texts { show, .. } => show(part),
        }
    }

    /// What the manual says that a key can be set to, as sentences of mdoc(7); empty where the key's text says it all.
    pub fn words(&self, part: &mut T) -> String {
        match self {
            ValueForm::Flag(_) => ".Ic true\nor\n.Ic false .".to_owned(),
            ValueForm::Count(range, _) | ValueForm::Limit(range, _) => format!("A number from {}.", bounds(range)),
            ValueForm::Auto(range, _) => format!(".Qq auto ,\nor a number from {}.", bounds(range)),
            ValueForm::Size(..) => "A size.".to_owned(),
            ValueForm::Duration(_) => "A duration.".to_owned(),
            ValueForm::Time(_) => "A duration, at least\n.Qq 1s .".to_owned(),
            ValueForm::Fraction(range, _) => {
                let (least, most) = (grouped(&range.start().to_string()), grouped(&range.end().to_string()));
                format!("A number from {least} to {most}, in quotation marks.")
            }
            ValueForm::Rate(_) => "A rate.".to_owned(),
            ValueForm::Burst(_) => format!("A number from {}.", bounds(&(1..=burst_max()))),
            ValueForm::Text(_) | ValueForm::Line(_) | ValueForm::Word(_) => String::new(),
            ValueForm::Address(_) => "An address.".to_owned(),
            ValueForm::Path(_) => "An absolute path, or one that begins with\n.Ql ~/ ,\nthe home directory.".to_owned(),
            ValueForm::OneOf(field) => {
                let words = field(part).words();
                let last = words.len().saturating_sub(1);
                let line = |(at, word): (usize, &&str)| match at {
                    at if at == last => format!("or\n.Qq {word} ."),
                    at if at + 1 == last => format!(".Qq {word}"),
                    _ => format!(".Qq {word} ,"),
                };
                words.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
            }
            ValueForm::Command(..) => "A list of texts:".to_owned(),
            ValueForm::Other { words, .. } | ValueForm::Texts { words, .. } => (*words).to_owned(),
        }
    }
}

/// As people write bounds: `1 to 100,000`.
fn bounds(range: &RangeInclusive<usize>) -> String {
    format!("{} to {}", grouped(&range.start().to_string()), grouped(&range.end().to_string()))
}

/// A number with a comma before each three digits.
fn grouped(number: &str) -> String {
    let digits = number.find('.').unwrap_or(number.len());
    let mut text = String::new();
    for (at, digit) in number.chars().enumerate() {
        if at > 0 && at < digits && (digits - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The largest burst.
fn burst_max() -> usize {
    usize::try_from(BURST_MAX).unwrap_or(usize::MAX)
}

fn number(count: usize) -> Value {
    // Every count has a bound far below this.
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A list of texts, as the file writes it.
pub(super) fn array(texts: impl Iterator<Item = String>) -> Value {
    Value::Array(texts.map(Value::String).collect())
}

#[cfg(test)]
mod tests;
