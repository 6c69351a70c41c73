//! One key of the configuration, declared once.
//!
//! What follows from the declaration: how the key is read ([`Form::read`]), how `config show` prints it ([`Form::show`]),
//! which names a misspelt one is held against, its line in the sample file and its paragraph in bulkmailer.toml(5). A new key
//! is a field, with its default, and one entry in the list of its table.
//!
//! The text of a key is mdoc(7), a sentence on a line of its own. The indent of its lines does not count.

use super::form::Form;

/// A key of the table whose typed part is a `T`.
pub(super) struct Key<T: 'static> {
    /// As it stands in the file; one with a dot, such as `retry.first`, stands in a table inside of the table.
    pub name: &'static str,
    pub form: Form<T>,
    /// What it does, after the words of its form. The sample file has the first sentence.
    pub about: &'static str,
    /// What holds where it is not set; `{}` is the default value. Empty: there is nothing to say.
    pub otherwise: &'static str,
    /// For a key without a default value: what it could be set to, as the file writes it.
    pub example: &'static str,
    /// The kinds of transports that have it; empty for a key of all kinds, or of another table.
    pub kinds: &'static [&'static str],
}

impl<T> Key<T> {
    pub const fn new(name: &'static str, form: Form<T>, about: &'static str) -> Key<T> {
        Key { name, form, about, otherwise: "Default {}.", example: "", kinds: &[] }
    }

    pub const fn otherwise(mut self, text: &'static str) -> Key<T> {
        self.otherwise = text;
        self
    }

    pub const fn example(mut self, value: &'static str) -> Key<T> {
        self.example = value;
        self
    }

    pub const fn of(mut self, kinds: &'static [&'static str]) -> Key<T> {
        self.kinds = kinds;
        self
    }

    /// Whether a transport of this kind has it.
    pub fn is_of(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}
