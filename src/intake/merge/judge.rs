//! One row: whether it can be sent, and the message that it becomes. Each row is really rendered.

use super::attachments::{AttachedFile, Attachments};
use super::kind::{BadReason, Kind};
use crate::compose::{Attachment, HTML_MAX, MessageIds, Rendered, Renderer, Template, Warning};
use crate::config::Limits;
use crate::model::envelope::verp;
use crate::model::{Address, Cell, Columns, Micros, Row};
use crate::policy::units::{parse_instant, size_text};

/// What all rows of a merge have in common.
#[derive(Debug)]
pub struct Plan<'p> {
    pub template: &'p Template,
    pub columns: &'p Columns,
    pub attachments: Option<&'p Attachments>,
    pub limits: &'p Limits,
    /// The envelope sender.
    pub sender: Option<&'p Address>,
    /// The pattern of the recipients' own senders.
    pub verp: Option<&'p str>,
    pub ids: MessageIds,
    /// The Date of the messages.
    pub now: Micros,
}

/// Judges rows: one for each thread.
pub struct Judge<'p> {
    plan: &'p Plan<'p>,
    renderer: Renderer<'p>,
    address: Option<usize>,
    required: Vec<(usize, &'p str)>,
    send_time: Option<(usize, &'p str)>,
}

/// A row that can be sent.
#[derive(Debug)]
pub struct Good {
    pub address: Address,
    /// Bytes of the message with its attachment.
    pub bytes: u64,
    /// The sender, the recipient, or an address in the header, needs SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    pub large_html: bool,
    /// From is not aligned with the sender.
    pub unaligned: Option<String>,
}

impl<'p> Plan<'p> {
    pub fn judge(&'p self) -> Judge<'p> {
        let settings = self.template.settings();
        let place = |name: &'p str| Some((self.columns.position(name)?, name));
        Judge {
            plan: self,
            renderer: self.template.renderer(self.columns, self.ids.clone()),
            address: self.columns.position(&settings.address),
            required: settings.required.iter().filter_map(|name| place(name)).collect(),
            send_time: settings.send_time.as_deref().and_then(place),
        }
    }

    /// The recipient of `row`.
    pub fn address(&self, row: &Row) -> Result<Address, BadReason> {
        address(self, self.columns.position(&self.template.settings().address), row)
    }
}

fn address(plan: &Plan<'_>, place: Option<usize>, row: &Row) -> Result<Address, BadReason> {
    let name = &plan.template.settings().address;
    let bad = |why: String| BadReason { kind: Kind::BadAddress, what: format!("{name}: {why}") };
    match place.and_then(|at| row.cells.get(at)) {
        Some(Cell::Text(text)) => text.trim().parse().map_err(|why| bad(format!("{why}"))),
        Some(Cell::Json(_)) => Err(bad("it is no text".to_owned())),
        Some(Cell::Null) | None => Err(bad("it is NULL".to_owned())),
    }
}

impl Judge<'_> {
    /// Looks at `row` and renders it.
    pub fn judge(&mut self, row: &Row) -> Result<Good, BadReason> {
        let (address, attached) = self.look(row)?;
        let size = attached.as_ref().map_or(0, AttachedFile::encoded);
        // What is in a file changes nothing but the size.
        let empty = attached.as_ref().map(|file| Attachment { name: &file.name, bytes: &[] });
        let rendered = render(&mut self.renderer, self.plan, row, empty.as_ref())?;
        let bytes = size.saturating_add(rendered.message.len() as u64);
        refuse_large(self.plan.limits, rendered.message, bytes)?;
        let utf8 = rendered.utf8 || address.is_utf8() || self.plan.sender.is_some_and(Address::is_utf8);
        let large_html = rendered.html > HTML_MAX;
        // Of a sender without a domain it is not known which one the MTA adds.
        let sender = self.plan.sender.filter(|sender| !sender.domain().is_empty());
        let unaligned =
            sender.and_then(|sender| Warning::of_sender(rendered.from, sender)).map(|doubt| doubt.to_string());
        Ok(Good { address, bytes, utf8, large_html, unaligned })
    }

    /// The recipient and the message of `row`, with its attachment.
    pub fn mail(&mut self, row: &Row) -> Result<(Address, &[u8]), BadReason> {
        let (address, attached) = self.look(row)?;
        let read = |file: &AttachedFile| file.read(self.plan.limits.message);
        let unreadable = |error| BadReason { kind: Kind::AttachmentMissing, what: format!("its attachment: {error}") };
        let bytes = attached.as_ref().map(read).transpose().map_err(unreadable)?;
        let file = attached.as_ref().zip(bytes.as_deref());
        let file = file.map(|(file, bytes)| Attachment { name: &file.name, bytes });
        let rendered = render(&mut self.renderer, self.plan, row, file.as_ref())?;
        refuse_large(self.plan.limits, rendered.message, rendered.message.len() as u64)?;
        Ok((address, rendered.message))
    }

    /// Looks at what does not depend on the template's texts.
    fn look(&self, row: &Row) -> Result<(Address, Option<AttachedFile>), BadReason> {
        let address = address(self.plan, self.address, row)?;
        if let (Some(pattern), Some(sender)) = (self.plan.verp, self.plan.sender) {
            let bad =
                |why| BadReason { kind: Kind::BadAddress, what: format!("the sender of its own (--verp): {why}") };
            verp(pattern, sender, &address).map_err(bad)?;
        }
        let cell = |at: usize| row.cells.get(at).unwrap_or(&Cell::Null);
        if let Some((_, name)) = self.required.iter().find(|(at, _)| cell(*at).is_empty()) {
            return Err(BadReason { kind: Kind::Empty, what: format!("{name}: it is required, and it is empty") });
        }
        if let Some((at, name)) = self.send_time.filter(|(at, _)| !cell(*at).is_empty()) {
            let bad = |what| BadReason { kind: Kind::BadTime, what: format!("{name}: {what}") };
            let text = cell(at).text().ok_or_else(|| bad("it is no text".to_owned()))?;
            parse_instant(text, self.plan.now).map_err(|why| bad(why.to_string()))?;
        }
        let attached = self.plan.attachments.map(|attachments| attachments.of(row)).transpose()?.flatten();
        Ok((address, attached))
    }
}

fn render<'r>(
    renderer: &'r mut Renderer<'_>,
    plan: &Plan<'_>,
    row: &Row,
    attached: Option<&Attachment<'_>>,
) -> Result<Rendered<'r>, BadReason> {
    let rendered = renderer.render(row, plan.now, attached);
    rendered.map_err(|error| BadReason { kind: Kind::of_fault(error.fault), what: error.to_string() })
}

/// Refuses a message of `bytes` bytes, or its header, where the configuration allows fewer.
fn refuse_large(limits: &Limits, message: &[u8], bytes: u64) -> Result<(), BadReason> {
    let refuse = |what: String| Err(BadReason { kind: Kind::TooLarge, what });
    if bytes > limits.message {
        return refuse(format!("its message has {bytes} bytes, and [limits] message is {}", size_text(limits.message)));
    }
    if message.len() as u64 <= limits.header {
        return Ok(());
    }
    let header = message.windows(2).position(|pair| pair == b"\n\n").unwrap_or(message.len());
    if header as u64 > limits.header {
        return refuse(format!("its header has {header} bytes, and [limits] header is {}", size_text(limits.header)));
    }
    Ok(())
}
