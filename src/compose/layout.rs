//! A mail's form as steps in their order: what all rows have in common stands in one piece between two that differ.
//!
//! What holds: a boundary has the row's MAC, which no value knew when it was made, and no two boundaries of a mail begin alike
//! (RFC 2046 section 5.1.2).

use super::fields::Form;
use super::part::{Node, Subtype, text_head};

/// What is written next.
#[derive(Debug)]
pub(super) enum Step {
    /// As it is.
    Constant(Vec<u8>),
    /// A header field.
    Field { name: String, form: Form, unit: usize },
    /// Date, Message-ID and MIME-Version.
    Own,
    /// The row's MAC.
    Mac,
    /// A text behind its header's last name.
    Text { unit: usize, subtype: Subtype },
    /// The row's file, if it has one; `before` is its delimiter line up to the MAC.
    Attached { before: Vec<u8> },
}

/// The steps of a mail.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub steps: Vec<Step>,
    /// Bytes of constant HTML before they were encoded.
    pub html: usize,
    /// The files of texts without a value.
    pub same: Vec<String>,
}

impl Layout {
    pub fn constant(&mut self, bytes: &[u8]) {
        match self.steps.last_mut() {
            Some(Step::Constant(last)) => last.extend_from_slice(bytes),
            Some(_) | None => self.steps.push(Step::Constant(bytes.to_vec())),
        }
    }

    pub fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Whether a text has a value, or the row has a file.
    pub fn is_personal(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Text { .. } | Step::Attached { .. }))
    }

    /// A part with its header. Its depth is the template's.
    pub fn part(&mut self, node: &Node) {
        match node {
            Node::Constant(bytes) => self.constant(bytes),
            Node::Same { file, bytes, html } => {
                self.same.push(file.clone());
                self.html += html;
                self.constant(bytes);
            }
            Node::Text { unit, subtype, head } => {
                self.constant(&text_head(*subtype, head));
                self.step(Step::Text { unit: *unit, subtype: *subtype });
            }
            Node::Multi { head, number, children } => self.multi(head, *number, children),
            // It stands in a multipart, which writes it.
            Node::Attached => {}
        }
    }

    fn multi(&mut self, head: &str, number: usize, children: &[Node]) {
        let before = format!("\n--=_{number}.").into_bytes();
        self.constant(format!("{head};\n boundary=\"=_{number}.").as_bytes());
        self.step(Step::Mac);
        self.constant(b"\"\n");
        for child in children {
            if matches!(child, Node::Attached) {
                self.step(Step::Attached { before: before.clone() });
                continue;
            }
            self.constant(&before);
            self.step(Step::Mac);
            self.constant(b"\n");
            self.part(child);
        }
        self.constant(&before);
        self.step(Step::Mac);
        self.constant(b"--\n");
    }
}
