//! What a template shows of itself that its author may not want.

use super::template::{Template, Variant};
use super::unit::Kind;
use crate::model::{Address, Columns};

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
    #[error("{file} has no value, as the other text has: its readers all get the same")]
    SamePart { file: String },
    #[error("From is {from}, and the sender {sender}: DMARC asks for one domain")]
    Misaligned { from: String, sender: String },
    #[error("no Subject")]
    NoSubject,
}

impl Template {
    /// What is to be doubted with a source of these columns.
    pub fn warnings(&self, columns: &Columns) -> Vec<Warning> {
        let mut found = Vec::new();
        for unit in self.units.iter().filter(|unit| unit.kind == Kind::Html && unit.origin.text.len() > HTML_MAX) {
            found.push(Warning::LargeHtml { file: unit.origin.file.clone(), bytes: unit.origin.text.len() });
        }
        let lacks = |name: &str| {
            let has = |variant: &Variant| variant.names.iter().any(|each| each.eq_ignore_ascii_case(name));
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
            if !self.names.used.contains_key(name) && !named.contains(&name.as_str()) {
                found.push(Warning::UnusedColumn { name: name.clone() });
            }
        }
        let personal: Vec<&Variant> = self.variants.values().filter(|each| each.layout.is_personal()).collect();
        if personal.is_empty() {
            found.push(Warning::SameForAll);
        }
        for file in personal.iter().flat_map(|variant| &variant.layout.same) {
            found.push(Warning::SamePart { file: file.clone() });
        }
        found
    }
}

impl Warning {
    /// A doubt about a mail with this address in From that `sender` sends; `None` if their domains are one, or one is below
    /// the other.
    ///
    /// RFC 7489 section 3.1 asks that both have one organizational domain. Which domain that is only the list of public
    /// suffixes knows, which is not there: `a.example.org` and `b.example.org` are not aligned here, and `example.co.uk`
    /// and `co.uk` are.
    pub fn of_sender(from: &str, sender: &Address) -> Option<Warning> {
        let domain = from.rsplit_once('@').map_or("", |(_, domain)| domain).trim_end_matches('.');
        let other = sender.domain().trim_end_matches('.');
        let is_below = |one: &str, other: &str| {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            let cut = one.len().checked_sub(other.len());
            cut.is_some_and(|cut| one[cut..].eq_ignore_ascii_case(other) && (cut == 0 || one[cut - 1] == b'.'))
        };
        let is_aligned =
            !domain.is_empty() && !other.is_empty() && (is_below(domain, other) || is_below(other, domain));
        (!is_aligned).then(|| Warning::Misaligned { from: from.to_owned(), sender: sender.as_str().to_owned() })
    }
}
