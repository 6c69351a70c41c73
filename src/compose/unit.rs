//! The texts of a template as they are rendered: one for each header field and text part, and one for each include.

use std::ops::Range;

use super::origin::{Edits, Origin};

/// What a text becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Html,
    Header,
}

impl Kind {
    /// The first letter of a unit's name, by which the engine knows how values are escaped.
    pub fn letter(self) -> char {
        match self {
            Kind::Text => 't',
            Kind::Html => 'h',
            Kind::Header => 'f',
        }
    }
}

/// One text.
#[derive(Debug)]
pub(super) struct Unit {
    pub name: String,
    pub kind: Kind,
    pub origin: Origin,
    pub edits: Edits,
    /// What it is made of, if it needs no engine: it has no statement, and no value but columns.
    pub pieces: Option<Vec<Piece>>,
}

/// A part of a text that needs no engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The template's own text.
    Raw(String),
    Value(Slot),
}

/// Where a column's value goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Its number among the columns that slots have.
    pub column: usize,
    /// What stands for a missing column, NULL and "".
    pub otherwise: Option<String>,
    pub url: Option<UrlPlace>,
    /// The unit that it is written in, and the bytes of its text there.
    pub unit: usize,
    pub span: Range<usize>,
}

/// Where in a URL a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UrlPlace {
    Whole,
    Part,
}

impl Unit {
    /// The text, if it has no value and no statement.
    pub fn constant(&self) -> Option<String> {
        let raw = |piece: &Piece| match piece {
            Piece::Raw(text) => Some(text.clone()),
            Piece::Value(_) => None,
        };
        self.pieces.as_ref()?.iter().map(raw).collect()
    }
}
