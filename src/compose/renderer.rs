//! Rows become mails: one renderer a worker, its buffers used again.
//!
//! What holds: a row's mail depends on the template, the row, the job's key and the moment, and on no row before; what a
//! failed row left in a buffer is thrown away.

use std::sync::Arc;

use minijinja::Template as Compiled;

use super::engine::Values;
use super::error::{Fault, Place, RowError};
use super::mail::{Attached, Buffers, Mail, Written};
use super::message_id::MessageIds;
use super::part::Attachment;
use super::sources::language_key;
use super::straight::Cells;
use super::streamed::{LargeFile, Segment, Streamed};
use super::template::{Template, Variant};
use super::variety::Variety;
use crate::model::{Cell, Columns, Micros, Row};

/// Renders rows of one source.
pub struct Renderer<'t> {
    template: &'t Template,
    ids: MessageIds,
    /// One for each unit of the template.
    compiled: Vec<Compiled<'t, 't>>,
    /// The columns that the engine may ask for, in the order of their names; `None`: the source has it not.
    places: Vec<Option<usize>>,
    /// Those that texts without statements have.
    slots: Vec<Option<usize>>,
    language: Option<usize>,
    values: Arc<Values>,
    date: (u64, String),
    buffers: Buffers,
    variety: Variety,
}

/// One row's mail.
#[derive(Clone, Copy, Debug)]
pub struct Rendered<'r> {
    /// ASCII, or with UTF-8 in its header if `utf8`; lines of at most 998 bytes that end with LF.
    pub message: &'r [u8],
    /// A header's address is UTF-8: the message needs SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// Bytes of its HTML before it was encoded.
    pub html: usize,
    /// The first address of From.
    pub from: &'r str,
}

impl Template {
    /// What renders the rows of a source with these columns for the job of `ids`.
    pub fn renderer(&self, columns: &Columns, ids: MessageIds) -> Renderer<'_> {
        let compiled = self.units.iter().filter_map(|unit| self.engine.get(&unit.name)).collect();
        let names: Vec<String> = self.names.used.keys().cloned().collect();
        let places = |names: &[String]| names.iter().map(|name| columns.position(name)).collect();
        let language = self.settings().language.as_deref().and_then(|name| columns.position(name));
        Renderer {
            template: self,
            ids,
            compiled,
            places: places(&names),
            slots: places(&self.slots),
            language,
            values: Arc::new(Values::new(names)),
            date: (u64::MAX, String::new()),
            buffers: Buffers::default(),
            variety: Variety::default(),
        }
    }
}

impl<'t> Renderer<'t> {
    /// The mail of `row`, dated `now`. `attached` goes where the template has the row's attachment, and nowhere if it has none.
    ///
    /// Errors: a value that is missing, NULL, or does not fit where it stands. The next row is not concerned.
    pub fn render(
        &mut self,
        row: &Row,
        now: Micros,
        attached: Option<&Attachment<'_>>,
    ) -> Result<Rendered<'_>, RowError> {
        let (variant, written) = self.write(row, now, attached.map(Attached::Whole))?;
        let message = &self.buffers.message[..];
        Ok(Rendered { message, utf8: written.utf8, html: written.html, from: from(variant, &written, message) })
    }

    /// The mail of `row` as [`Renderer::render`] has it, with a file that is read while the mail is written.
    ///
    /// Errors: those of [`Renderer::render`]. The file is not looked at here.
    pub fn render_streamed<'r>(
        &'r mut self,
        row: &Row,
        now: Micros,
        file: &LargeFile<'r>,
    ) -> Result<Streamed<'r>, RowError> {
        let (variant, written) = self.write(row, now, Some(Attached::Head(file.name)))?;
        let message = &self.buffers.message[..];
        let (before, behind) = message.split_at(written.file.unwrap_or(message.len()));
        // Without a place for it in the template the file is left out.
        let len = if written.file.is_some() { file.len } else { 0 };
        let of_file = match len {
            0 => Segment::Bytes(&[]),
            len => Segment::Base64 { file: file.file, len },
        };
        let segments = [Segment::Bytes(before), of_file, Segment::Bytes(behind)];
        Ok(Streamed { segments, utf8: written.utf8, html: written.html, from: from(variant, &written, message) })
    }

    /// Whether the texts of the rows rendered so far differ.
    pub fn variety(&self) -> Variety {
        self.variety
    }

    fn write(
        &mut self,
        row: &Row,
        now: Micros,
        attached: Option<Attached<'_>>,
    ) -> Result<(&'t Variant, Written), RowError> {
        let variant = self.variant(row)?;
        self.set_date(now);
        let mac = self.ids.mac(row.number);
        self.buffers.message.clear();
        let written = Written { utf8: variant.utf8, html: variant.layout.html, from: None, file: None };
        let checksum = (!self.variety.differs()).then(crc32fast::Hasher::new);
        let mut mail = Mail {
            template: self.template,
            compiled: &self.compiled,
            cells: Cells { cells: &row.cells, places: &self.slots },
            places: &self.places,
            values: &mut self.values,
            are_filled: false,
            buffers: &mut self.buffers,
            date: &self.date.1,
            ids: &self.ids,
            row: row.number,
            mac,
            attached,
            checksum,
            written,
        };
        variant.layout.steps.iter().try_for_each(|step| mail.step(step))?;
        if !mail.buffers.message.ends_with(b"\n") {
            mail.buffers.message.push(b'\n');
        }
        let Mail { written, checksum, .. } = mail;
        checksum.into_iter().for_each(|checksum| self.variety.see(checksum.finalize()));
        Ok((variant, written))
    }

    /// The texts of the row's language: `de-at`, else `de`, else those without one.
    fn variant(&self, row: &Row) -> Result<&'t Variant, RowError> {
        let variants = &self.template.variants;
        let wanted = self.language.and_then(|at| row.cells.get(at)).and_then(Cell::text).map(language_key);
        let wanted = wanted.unwrap_or_default();
        let general = wanted.split_once('-').map_or(wanted.as_str(), |(general, _)| general);
        let found = [wanted.as_str(), general, ""].into_iter().find_map(|language| variants.get(language));
        found.ok_or_else(|| {
            let shown: String = wanted.chars().filter(|c| !c.is_control()).take(20).collect();
            let what = format!("the template has no language '{shown}' and no text without a language");
            RowError { place: Place::whole("headers"), fault: Fault::Render, what }
        })
    }

    fn set_date(&mut self, now: Micros) {
        let second = now.0 / 1_000_000;
        if self.date.0 != second {
            self.date = (second, now.rfc5322());
        }
    }
}

/// The first address of From.
fn from<'r>(variant: &'r Variant, written: &Written, message: &'r [u8]) -> &'r str {
    match (&variant.from, &written.from) {
        (_, Some(range)) => message.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or(""),
        (Some(address), None) => address,
        (None, None) => "",
    }
}
