//! A row that cannot be taken, while the rows behind it can: where it begins and ends is beyond doubt.

use std::sync::Arc;

use super::bounds;

/// The most bytes of a bad row that are shown.
pub(super) const SHOWN: usize = 1 << 10;

/// One bad row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: row {number}: {fault}")]
pub struct BadRow {
    /// The source's name.
    pub what: Arc<str>,
    /// Its number in the source, counted from 1; a header line does not count.
    pub number: u64,
    pub fault: RowFault,
    /// Its beginning as it was read, at most 1 KiB on one line, with odd bytes replaced.
    pub shown: String,
}

/// What is wrong with it, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    #[error(
        "it has {found} cells, and there are {columns} columns; put quotes around a cell that has a separator in it"
    )]
    Ragged { found: usize, columns: usize },
    #[error("column {0:?} is not UTF-8; convert the data, as with iconv(1)")]
    NotUtf8(String),
    #[error("it is not UTF-8; convert the data, as with iconv(1)")]
    NotUtf8Line,
    #[error("it is no JSON object: {0}; write one object a line")]
    Json(String),
    #[error("a quote stands in a cell without quotes around it; put quotes around it, and write its own quotes twice")]
    Quote,
    #[error("its key {0:?}: {1}; make it simpler")]
    Structure(String, String),
    #[error("with it there are more than {} keys; give fewer", bounds::COLUMNS)]
    TooManyKeys,
    #[error("its key {0:?} is there twice; give one of them another name")]
    Repeated(String),
    #[error("one of its keys is empty; name it, or leave it out")]
    NoName,
    #[error(
        "its values have more than {} bytes, or {} where control characters are escaped; make them shorter",
        bounds::ROW,
        bounds::LINE
    )]
    TooLarge,
}

impl BadRow {
    /// A bad row whose text begins with `shown`.
    pub fn new(what: &Arc<str>, number: u64, fault: RowFault, shown: &[u8]) -> BadRow {
        let text = String::from_utf8_lossy(&shown[..shown.len().min(SHOWN)]);
        let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        BadRow { what: what.clone(), number, fault, shown }
    }
}
