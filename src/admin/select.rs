//! Which entries a command is about: by id, sender, recipient pattern.

use anyhow::Context;

use crate::model::{Address, EntryId, Envelope};

/// What an entry must match; an empty selection matches all.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Selection {
    /// Entries with these ids only, as 'bulkmailer list' prints them
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// This queue only
    #[arg(long, short = 'Q', value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Entries from this envelope sender only ("<>" is the null sender)
    #[arg(long, value_name = "ADDRESS")]
    pub sender: Option<String>,
    /// Entries with a recipient that matches this pattern: * stands for anything, ? for one character, case is ignored
    #[arg(long, value_name = "PATTERN")]
    pub recipient: Option<String>,
}

/// A selection that was understood.
#[derive(Debug)]
pub struct Filter {
    pub ids: Vec<EntryId>,
    sender: Option<Option<Address>>,
    recipient: Option<String>,
}

impl Selection {
    /// Reads the ids and the sender.
    pub fn filter(&self) -> anyhow::Result<Filter> {
        let ids = self.ids.iter().map(|id| id.parse::<EntryId>()).collect::<Result<Vec<_>, _>>()?;
        let sender = self.sender.as_deref().map(Address::sender).transpose().context("--sender")?;
        Ok(Filter { ids, sender, recipient: self.recipient.as_ref().map(|pattern| pattern.to_lowercase()) })
    }
}

impl Filter {
    /// Whether the envelope has to be read to know.
    pub fn needs_envelope(&self) -> bool {
        self.sender.is_some() || self.recipient.is_some()
    }

    pub fn matches_id(&self, id: &EntryId) -> bool {
        self.ids.is_empty() || self.ids.contains(id)
    }

    pub fn matches(&self, envelope: &Envelope) -> bool {
        let sender = self.sender.as_ref().is_none_or(|sender| *sender == envelope.sender);
        let recipient = self.recipient.as_ref().is_none_or(|pattern| {
            envelope.recipients.iter().any(|recipient| glob(pattern, &recipient.as_str().to_lowercase()))
        });
        sender && recipient && self.matches_id(&envelope.id)
    }
}

/// Whether `text` matches `pattern`, where `*` stands for any characters and `?` for one. Takes time in proportion to the
/// product of both lengths at most.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text) in
            [("*@a.b", "x@a.b"), ("x@*", "x@"), ("*", ""), ("a?c", "abc"), ("*a*b*", "xxaxxbxx"), ("é?", "éb")]
        {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "x"), ("a", "ab"), ("?", ""), ("*@a.b", "x@a.bc"), ("a*b", "acbd")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
        let many = "*a".repeat(30) + "b";
        assert!(!glob(&many, &"a".repeat(200)));
    }
}
