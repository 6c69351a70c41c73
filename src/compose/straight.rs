//! Texts without statements, written without the engine: most of a mail's text costs no more than its copying.
//!
//! What holds: the text, and what is wrong with a row, are those that the engine gives.

use super::error::{self, Fault, RowError};
use super::escape;
use super::unit::{Kind, Piece, Slot, Unit, UrlPlace};
use super::url;
use crate::model::Cell;

/// The cells of a row, by the columns that slots have.
pub(super) struct Cells<'r> {
    pub cells: &'r [Cell],
    /// Which cell each of the columns is; `None`: the source has it not.
    pub places: &'r [Option<usize>],
}

impl<'r> Cells<'r> {
    fn get(&self, column: usize) -> Option<&'r Cell> {
        self.cells.get((*self.places.get(column)?)?)
    }
}

/// What is written into: the text, and a value's URL before it is escaped.
pub(super) struct Text<'b> {
    pub out: &'b mut String,
    pub url: &'b mut String,
    /// Whether a header's values stand between marks.
    pub marks: bool,
}

/// Writes the pieces of a unit of this kind.
pub(super) fn write(
    units: &[Unit],
    kind: Kind,
    pieces: &[Piece],
    cells: &Cells<'_>,
    text: &mut Text<'_>,
) -> Result<(), RowError> {
    text.out.clear();
    for piece in pieces {
        match piece {
            Piece::Raw(raw) => text.out.push_str(raw),
            Piece::Value(slot) => {
                value(slot, kind, cells, text).map_err(|(fault, what)| refused(units, slot, fault, &what))?;
            }
        }
    }
    Ok(())
}

fn value(slot: &Slot, kind: Kind, cells: &Cells<'_>, text: &mut Text<'_>) -> Result<(), (Fault, String)> {
    let cell = cells.get(slot.column);
    let value = match (cell, &slot.otherwise) {
        (None | Some(Cell::Null), Some(otherwise)) => otherwise,
        (Some(Cell::Text(value)), Some(otherwise)) if value.is_empty() => otherwise,
        (Some(Cell::Text(value)), _) => value,
        (None, None) => return Err((Fault::Undefined, error::UNDEFINED.to_owned())),
        (Some(Cell::Null), None) => return Err((Fault::Null, error::NULL.to_owned())),
        (Some(Cell::Json(json)), _) => {
            return Err((Fault::Render, error::structured(if json.is_array() { "sequence" } else { "map" })));
        }
    };
    if text.out.len() + value.len() > error::LARGEST {
        return Err((Fault::Render, error::TOO_LARGE.to_owned()));
    }
    let value = match slot.url {
        None => value,
        Some(place) => {
            text.url.clear();
            match place {
                UrlPlace::Part => url::push_part(text.url, value),
                UrlPlace::Whole => url::push_whole(text.url, value).map_err(|what| (Fault::Url, what))?,
            }
            &*text.url
        }
    };
    let out = &mut *text.out;
    match kind {
        Kind::Text => escape::push(out, value, false),
        Kind::Html => escape::push(out, value, true),
        Kind::Header if text.marks => {
            out.push(escape::BEGIN);
            escape::push_line(out, value);
            out.push(escape::END);
        }
        Kind::Header => escape::push_line(out, value),
    }
    Ok(())
}

#[cold]
fn refused(units: &[Unit], slot: &Slot, fault: Fault, what: &str) -> RowError {
    let Some(origin) = units.get(slot.unit).map(|unit| &unit.origin) else {
        return RowError { place: error::Place::default(), fault, what: error::one_line(what) };
    };
    let shown = origin.text.get(slot.span.clone()).unwrap_or_default();
    RowError { place: origin.place(slot.span.start), fault, what: error::one_line(&format!("{shown}: {what}")) }
}
