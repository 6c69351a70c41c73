//! Rows become mails: one renderer a worker, its buffers used again.
//!
//! What holds: a row's mail depends on the template, the row, the job's key and the moment, and on no row before; what a
//! failed row left in a buffer is thrown away.

use std::sync::Arc;

use minijinja::Template as Compiled;

use super::engine::{Values, row_error};
use super::error::{Fault, Place, RowError};
use super::fields;
use super::message_id::{MessageIds, RowMac};
use super::part::{self, Attachment, Node, Subtype};
use super::sources::language_key;
use super::template::{Head, Template, Variant};
use crate::model::{Cell, Columns, Micros, Row};

/// Renders rows of one source.
pub struct Renderer<'t> {
    template: &'t Template,
    ids: MessageIds,
    /// One for each unit of the template.
    compiled: Vec<Compiled<'t, 't>>,
    /// The columns that the template uses, in the order of their names; `None`: the source has it not.
    places: Vec<Option<usize>>,
    language: Option<usize>,
    values: Arc<Values>,
    date: (u64, String),
    buffers: Buffers,
}

/// What is used again from row to row.
#[derive(Default)]
struct Buffers {
    message: Vec<u8>,
    text: String,
    flat: String,
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
}

impl Template {
    /// What renders the rows of a source with these columns for the job of `ids`.
    pub fn renderer(&self, columns: &Columns, ids: MessageIds) -> Renderer<'_> {
        let compiled = self.units.iter().filter_map(|unit| self.engine.get(&unit.name)).collect();
        let names: Vec<String> = self.used.keys().cloned().collect();
        let places = names.iter().map(|name| columns.position(name)).collect();
        let language = self.settings.language.as_deref().and_then(|name| columns.position(name));
        let values = Arc::new(Values::new(names));
        Renderer {
            template: self,
            ids,
            compiled,
            places,
            language,
            values,
            date: (u64::MAX, String::new()),
            buffers: Buffers::default(),
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
        let variant = self.variant(row)?;
        self.fill(row);
        self.set_date(now);
        let mac = self.ids.mac(row.number);
        let mut mail = Mail {
            template: self.template,
            compiled: &self.compiled,
            values: &self.values,
            buffers: &mut self.buffers,
            mac,
            attached,
            utf8: false,
            html: 0,
        };
        mail.buffers.message.clear();
        for head in &variant.fields {
            mail.head(head)?;
        }
        mail.own_fields(&self.date.1, &self.ids, row.number);
        mail.node(&variant.root)?;
        if !mail.buffers.message.ends_with(b"\n") {
            mail.buffers.message.push(b'\n');
        }
        let (utf8, html) = (mail.utf8, mail.html);
        Ok(Rendered { message: &self.buffers.message, utf8, html })
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

    fn fill(&mut self, row: &Row) {
        let cells = self.places.iter().map(|place| place.and_then(|at| row.cells.get(at)));
        match Arc::get_mut(&mut self.values) {
            Some(values) => values.fill(cells),
            // Something still holds the last row's.
            None => {
                let mut values = self.values.empty();
                values.fill(cells);
                self.values = Arc::new(values);
            }
        }
    }

    fn set_date(&mut self, now: Micros) {
        let second = now.0 / 1_000_000;
        if self.date.0 != second {
            self.date = (second, now.rfc5322());
        }
    }
}

/// One mail that is being written.
struct Mail<'m, 'a> {
    template: &'m Template,
    compiled: &'m [Compiled<'m, 'm>],
    values: &'m Arc<Values>,
    buffers: &'m mut Buffers,
    mac: RowMac,
    attached: Option<&'m Attachment<'a>>,
    utf8: bool,
    html: usize,
}

impl Mail<'_, '_> {
    /// Renders a text into `buffers.text`.
    fn unit(&mut self, number: usize) -> Result<(), RowError> {
        let Some(compiled) = self.compiled.get(number) else {
            let what = "the engine lost a text".to_owned();
            return Err(RowError { place: Place::default(), fault: Fault::Render, what });
        };
        self.template
            .engine
            .render(compiled, self.values, &mut self.buffers.text)
            .map_err(|error| row_error(&self.template.units, &error))
    }

    fn head(&mut self, head: &Head) -> Result<(), RowError> {
        match head {
            Head::Constant { bytes, utf8, .. } => {
                self.buffers.message.extend_from_slice(bytes);
                self.utf8 |= *utf8;
            }
            Head::Rendered { name, form, unit } => {
                self.unit(*unit)?;
                let Buffers { message, text, flat } = &mut *self.buffers;
                self.utf8 |= fields::write(message, name, *form, text, flat).map_err(|error| {
                    let place = self.template.units[*unit].origin.line(1);
                    RowError { place, fault: error.fault(), what: format!("{name}: {error}") }
                })?;
            }
        }
        Ok(())
    }

    fn own_fields(&mut self, date: &str, ids: &MessageIds, row: u64) {
        let Buffers { message, flat, .. } = &mut *self.buffers;
        flat.clear();
        ids.push(flat, row, &self.mac);
        for part in ["Date: ", date, "\nMessage-ID: <", flat, ">\nMIME-Version: 1.0\n"] {
            message.extend_from_slice(part.as_bytes());
        }
    }

    /// A part with its header. Its depth is the template's.
    fn node(&mut self, node: &Node) -> Result<(), RowError> {
        match node {
            Node::Constant(bytes) => self.buffers.message.extend_from_slice(bytes),
            Node::Text { unit, subtype, head } => {
                self.unit(*unit)?;
                if *subtype == Subtype::Html {
                    self.html += self.buffers.text.len();
                }
                part::write_text(&mut self.buffers.message, &self.buffers.text, *subtype, head);
            }
            Node::Multi { head, number, children } => {
                part::write_multi_head(&mut self.buffers.message, head, *number, &self.mac);
                for child in children {
                    if matches!(child, Node::Attached) && self.attached.is_none() {
                        continue;
                    }
                    part::write_delimiter(&mut self.buffers.message, *number, &self.mac, false);
                    self.node(child)?;
                }
                part::write_delimiter(&mut self.buffers.message, *number, &self.mac, true);
            }
            Node::Attached => {
                if let Some(file) = self.attached {
                    part::write_file(&mut self.buffers.message, file, false);
                }
            }
        }
        Ok(())
    }
}
