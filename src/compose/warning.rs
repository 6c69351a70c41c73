//! What a template shows of itself that its author may not want.

use super::part::{Node, Subtype};
use super::template::{Head, Template, Variant};
use crate::model::Columns;

/// Readers, Gmail's first, cut HTML beyond this number of bytes.
pub const HTML_MAX: usize = 102 << 10;

/// A doubt about a template. None of them stops a merge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    #[error("{file} has {bytes} bytes of HTML: readers cut a mail behind 102 KB")]
    LargeHtml { file: String, bytes: usize },
    #[error("no unsubscribe link: add List-Unsubscribe, and a link to the text")]
    NoUnsubscribe,
    #[error("column '{name}' is not used")]
    UnusedColumn { name: String },
    #[error("no text has a value: all recipients get the same")]
    SameForAll,
    #[error("no Subject")]
    NoSubject,
}

impl Template {
    /// What is to be doubted with a source of these columns.
    pub fn warnings(&self, columns: &Columns) -> Vec<Warning> {
        let mut found = Vec::new();
        for unit in self.units.iter().filter(|unit| unit.name.starts_with('h') && unit.origin.text.len() > HTML_MAX) {
            found.push(Warning::LargeHtml { file: unit.origin.file.clone(), bytes: unit.origin.text.len() });
        }
        let lacks = |name: &str| {
            let has =
                |variant: &Variant| variant.fields.iter().map(Head::name).any(|each| each.eq_ignore_ascii_case(name));
            self.variants.values().any(|variant| !has(variant))
        };
        let speaks = |text: &str| text.to_ascii_lowercase().contains("unsubscribe");
        if lacks("List-Unsubscribe") && !self.units.iter().any(|unit| speaks(&unit.origin.text)) {
            found.push(Warning::NoUnsubscribe);
        }
        if lacks("Subject") {
            found.push(Warning::NoSubject);
        }
        let named: Vec<&str> = self.settings.columns().into_iter().map(|(name, _)| name).collect();
        for name in columns.names() {
            if !self.used.contains_key(name) && !named.contains(&name.as_str()) {
                found.push(Warning::UnusedColumn { name: name.clone() });
            }
        }
        if self.variants.values().all(|variant| self.is_constant(&variant.root)) {
            found.push(Warning::SameForAll);
        }
        found
    }

    fn is_constant(&self, node: &Node) -> bool {
        match node {
            Node::Text { unit, subtype: Subtype::Plain | Subtype::Html, .. } => {
                self.units.get(*unit).is_none_or(|unit| unit.is_constant)
            }
            Node::Constant(_) => true,
            Node::Attached => false,
            Node::Multi { children, .. } => children.iter().all(|child| self.is_constant(child)),
        }
    }
}
