//! What is wrong with a template, or with one row in it: where, and what.

use std::fmt;

use crate::model::address::BadAddress;

/// A place in a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file's name in the template's folder.
    pub file: String,
    /// Counted from 1; 0 is the file as a whole.
    pub line: usize,
    /// In characters, counted from 1; 0 is the line as a whole.
    pub column: usize,
}

impl Place {
    pub(super) fn whole(file: &str) -> Place {
        Place { file: file.to_owned(), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().take_while(|&number| number > 0) {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}

/// A template that cannot be used, whatever the row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct TemplateError {
    pub place: Place,
    /// One line: what is wrong, and what to do.
    pub what: String,
}

impl TemplateError {
    pub(super) fn new(place: Place, what: impl Into<String>) -> TemplateError {
        TemplateError { place, what: what.into() }
    }

    pub(super) fn of_file(file: &str, what: impl Into<String>) -> TemplateError {
        TemplateError::new(Place::whole(file), what)
    }
}

/// In which way a row does not fit its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A name that the row does not have.
    Undefined,
    /// NULL where a text is printed, without `default`.
    Null,
    /// A value that is no http, https or mailto URL where it is a whole URL.
    Url,
    /// A header's address is none.
    Address,
    /// Anything else: a filter's refusal, out of fuel.
    Render,
}

/// A row that cannot be rendered; the template may do for others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct RowError {
    pub place: Place,
    pub fault: Fault,
    /// One line. It may quote the row's values, without control characters.
    pub what: String,
}

/// What one text of a mail may have, 16 MiB.
pub(super) const LARGEST: usize = 16 << 20;
pub(super) const TOO_LARGE: &str = "the text is larger than 16 MiB";
pub(super) const UNDEFINED: &str = "it is undefined: the row has no such column or key";
pub(super) const NULL: &str = "it is NULL: write |default(\"…\") behind it";

/// Why a list or an object is not printed: a mail would show its source.
pub(super) fn structured(kind: &str) -> String {
    format!("it is a {kind} and no text: go over it with for, or |join")
}

/// A text as one line of bounded length, without control characters.
pub(super) fn one_line(text: &str) -> String {
    const MAX: usize = 300;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX).collect()
}

/// What a header's value cannot be written as.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FieldError {
    #[error(transparent)]
    Address(#[from] BadAddress),
    #[error("the address {} has no domain, and in a header it needs one: add @ and the domain", one_line(.0))]
    Local(String),
    #[error("{0}")]
    Url(String),
    #[error("{0}")]
    Syntax(&'static str),
}

impl FieldError {
    pub(super) fn fault(&self) -> Fault {
        match self {
            FieldError::Address(_) | FieldError::Local(_) => Fault::Address,
            FieldError::Url(_) => Fault::Url,
            FieldError::Syntax(_) => Fault::Render,
        }
    }
}

/// Carries a [`Fault`] through the template engine's own error.
#[derive(Debug)]
pub(super) struct Marked(pub Fault);

impl fmt::Display for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Marked {}
