//! In which way a row is bad.

use serde::Serialize;

use crate::compose::Fault;

/// In which way a row is bad. A row counts once, by what is found first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Its source cannot be read there: ragged, not UTF-8, no JSON object.
    Unreadable,
    /// The template uses a column, or a key in one, that it does not have.
    MissingColumn,
    /// The template prints a column that is NULL.
    Null,
    /// A required column is NULL or empty.
    Empty,
    BadAddress,
    BadTime,
    AttachmentMissing,
    /// Its attachment leads out of the folder, or over a link.
    AttachmentOutside,
    /// The template cannot be rendered with it.
    Render,
    /// Its message would be larger than the configuration allows.
    TooLarge,
}

impl Kind {
    /// What such rows have.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Unreadable => "unreadable",
            Kind::MissingColumn => "missing column or key",
            Kind::Null => "NULL that the template prints",
            Kind::Empty => "required value empty",
            Kind::BadAddress => "bad address",
            Kind::BadTime => "bad send time",
            Kind::AttachmentMissing => "attachment missing",
            Kind::AttachmentOutside => "attachment outside of its folder",
            Kind::Render => "render error",
            Kind::TooLarge => "message too large",
        }
    }

    /// The kind of a row that does not fit its template.
    pub fn of_fault(fault: Fault) -> Kind {
        match fault {
            Fault::Undefined => Kind::MissingColumn,
            Fault::Null => Kind::Null,
            Fault::Address => Kind::BadAddress,
            Fault::Url | Fault::Render => Kind::Render,
        }
    }
}

/// A row that cannot be sent, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadReason {
    pub kind: Kind,
    /// One line.
    pub what: String,
}
