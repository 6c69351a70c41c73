//! The kinds of transports, by their names in the file.

use crate::config::choice::{NamedValue, names};

/// What a transport is set to be by its `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// A sendmail command.
    Pipe,
    /// A program of another kind.
    Command,
    Smtp,
    Lmtp,
    Maildir,
}

impl TransportKind {
    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            TransportKind::Pipe => "pipe",
            TransportKind::Command => "command",
            TransportKind::Smtp => "smtp",
            TransportKind::Lmtp => "lmtp",
            TransportKind::Maildir => "maildir",
        }
    }

    /// What is wrong where none is set.
    pub(super) fn missing() -> String {
        format!("it is missing: {}", names::<TransportKind>())
    }
}

impl NamedValue for TransportKind {
    const VALUES: &'static [TransportKind] = &[
        TransportKind::Pipe,
        TransportKind::Command,
        TransportKind::Smtp,
        TransportKind::Lmtp,
        TransportKind::Maildir,
    ];
    const REFUSED: &'static str = "is none:";

    fn word(self) -> &'static str {
        self.name()
    }
}
