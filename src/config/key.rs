//! One key of the configuration, declared once.
//!
//! What follows from the declaration: how the key is read ([`ValueForm::read`]), how `config show` prints it
//! ([`ValueForm::show`]), which names a misspelt one is held against, its line in the sample file and its paragraph in
//! bulkmailer.toml(5). A new key is a field, with its default, and one entry in the list of its table; then `make man`.
//!
//! The text of a key is mdoc(7), a sentence on a line of its own. The indent of its lines does not count.

use super::form::ValueForm;
use super::transport::TransportKind;

/// A key of the table whose typed part is a `T`.
pub(super) struct ConfigKey<T: 'static> {
    /// As it stands in the file; one with a dot, such as `retry.first`, stands in a table inside of the table.
    pub name: &'static str,
    pub form: ValueForm<T>,
    /// What it does, after the words of its form. The sample file has the first sentence.
    pub about: &'static str,
    /// What holds where it is not set; `{}` is the default value. Empty: there is nothing to say.
    pub otherwise: &'static str,
    /// For a key without a default value: what it could be set to, as the file writes it.
    pub example: &'static str,
    /// The kinds of transports that have it; empty for a key of all kinds, or of another table.
    pub kinds: &'static [TransportKind],
}

impl<T> ConfigKey<T> {
    pub const fn new(name: &'static str, form: ValueForm<T>, about: &'static str) -> ConfigKey<T> {
        ConfigKey { name, form, about, otherwise: "Default {}.", example: "", kinds: &[] }
    }

    pub const fn otherwise(mut self, text: &'static str) -> ConfigKey<T> {
        self.otherwise = text;
        self
    }

    pub const fn example(mut self, value: &'static str) -> ConfigKey<T> {
        self.example = value;
        self
    }

    pub const fn of(mut self, kinds: &'static [TransportKind]) -> ConfigKey<T> {
        self.kinds = kinds;
        self
    }

    /// Whether a transport of this kind has it.
    pub fn is_of(&self, kind: TransportKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}
