//! One mail while it is written, step by step.

use std::ops::Range;
use std::sync::Arc;

use minijinja::Template as Compiled;

use super::engine::{Values, row_error};
use super::error::{Fault, Place, RowError};
use super::fields::{self, Form};
use super::layout::Step;
use super::message_id::{MessageIds, RowMac};
use super::part::{self, Attachment, Subtype};
use super::straight::{self, Cells, Text};
use super::template::Template;
use super::transfer;

/// What is used again from mail to mail.
#[derive(Default)]
pub(super) struct Buffers {
    pub message: Vec<u8>,
    text: String,
    url: String,
    flat: String,
}

/// What a row attaches.
#[derive(Clone, Copy)]
pub(super) enum Attached<'a> {
    Whole(&'a Attachment<'a>),
    /// Only its header is written.
    Head(&'a str),
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    pub utf8: bool,
    pub html: usize,
    /// Where the first address of a rendered From is.
    pub from: Option<Range<usize>>,
    /// Where the content of the row's file belongs.
    pub file: Option<usize>,
}

/// One mail.
pub(super) struct Mail<'m, 'a> {
    pub template: &'m Template,
    /// One for each unit of the template.
    pub compiled: &'m [Compiled<'m, 'm>],
    pub cells: Cells<'m>,
    /// The columns that the engine may ask for, and their values, which are filled in when it is needed.
    pub places: &'m [Option<usize>],
    pub values: &'m mut Arc<Values>,
    pub are_filled: bool,
    pub buffers: &'m mut Buffers,
    pub date: &'m str,
    pub ids: &'m MessageIds,
    pub row: u64,
    pub mac: RowMac,
    pub attached: Option<Attached<'a>>,
    /// That of the texts, if it is wanted.
    pub checksum: Option<crc32fast::Hasher>,
    pub written: Written,
}

impl Mail<'_, '_> {
    pub fn step(&mut self, step: &Step) -> Result<(), RowError> {
        match step {
            Step::Constant(bytes) => self.buffers.message.extend_from_slice(bytes),
            Step::Field { name, form, unit } => self.field(name, *form, *unit)?,
            Step::Own => self.own_fields(),
            Step::Mac => self.buffers.message.extend_from_slice(self.mac.as_bytes()),
            Step::Text { unit, subtype } => {
                self.unit(*unit, false)?;
                let text = &self.buffers.text;
                if *subtype == Subtype::Html {
                    self.written.html += text.len();
                }
                self.checksum.iter_mut().for_each(|checksum| checksum.update(text.as_bytes()));
                part::write_text(&mut self.buffers.message, text);
            }
            Step::Attached { before } => self.attach(before),
        }
        Ok(())
    }

    /// Renders a text into `buffers.text`, values between marks if `marks`.
    fn unit(&mut self, number: usize, marks: bool) -> Result<(), RowError> {
        let units = &self.template.units;
        let Buffers { text, url, .. } = &mut *self.buffers;
        if let Some((unit, pieces)) = units.get(number).and_then(|unit| Some((unit, unit.pieces.as_ref()?))) {
            return straight::write(units, unit.kind, pieces, &self.cells, &mut Text { out: text, url, marks });
        }
        let Some(compiled) = self.compiled.get(number) else {
            let what = "the engine lost a text".to_owned();
            return Err(RowError { place: Place::default(), fault: Fault::Render, what });
        };
        if !std::mem::replace(&mut self.are_filled, true) {
            let cells = self.places.iter().map(|place| place.and_then(|at| self.cells.cells.get(at)));
            Values::refill(self.values, cells);
        }
        self.template.engine.render(compiled, self.values, text).map_err(|error| row_error(units, &error))
    }

    fn field(&mut self, name: &str, form: Form, unit: usize) -> Result<(), RowError> {
        self.unit(unit, form != Form::Text)?;
        let Buffers { message, text, flat, .. } = &mut *self.buffers;
        let written = fields::write(message, name, form, text, flat).map_err(|error| {
            let place = self.template.units[unit].origin.line(1);
            RowError { place, fault: error.fault(), what: format!("{name}: {error}") }
        })?;
        self.written.utf8 |= written.utf8;
        if name.eq_ignore_ascii_case("From") {
            self.written.from = written.address;
        }
        Ok(())
    }

    fn own_fields(&mut self) {
        let Buffers { message, flat, .. } = &mut *self.buffers;
        flat.clear();
        self.ids.push(flat, self.row, &self.mac);
        for part in ["Date: ", self.date, "\nMessage-ID: <", flat, ">\nMIME-Version: 1.0\n"] {
            message.extend_from_slice(part.as_bytes());
        }
    }

    fn attach(&mut self, before: &[u8]) {
        let Some(attached) = self.attached else { return };
        let message = &mut self.buffers.message;
        message.extend_from_slice(before);
        message.extend_from_slice(self.mac.as_bytes());
        message.push(b'\n');
        match attached {
            Attached::Whole(file) => {
                part::write_file_head(message, file.name, false);
                transfer::base64(message, file.bytes);
            }
            Attached::Head(name) => {
                part::write_file_head(message, name, false);
                self.written.file = Some(message.len());
            }
        }
    }
}
