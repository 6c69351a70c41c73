//! What senders are told of mail that fails or is delayed: `[notices]`.

use super::choice::Named;
use super::form::Form;
use super::key::Key;
use super::table::Table;
use crate::model::Address;
use crate::policy::notice::Returned;

/// What senders are told of mail that fails or is delayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Notices {
    /// What comes back of a message whose sender did not say (RFC 3461, RET); default its header.
    pub returned: Returned,
    /// Bytes of the largest message that comes back whole; default 1 MiB.
    pub size: u64,
    /// Who is told of mail without a sender that failed; default nobody, and it stays in `failed/`.
    pub postmaster: Option<Address>,
    /// The most notices to one sender in an hour, at least 1; default 100.
    pub per_hour: usize,
}

impl Default for Notices {
    fn default() -> Notices {
        Notices { returned: Returned::Header, size: 1 << 20, postmaster: None, per_hour: 100 }
    }
}

pub(super) const TABLE: Table<Notices> =
    Table { name: "notices", about: "What senders are told of mail that fails or is delayed.", keys: KEYS };

type NoticeKey = Key<Notices>;

const KEYS: &[NoticeKey] = &[
    NoticeKey::new(
        "return",
        Form::OneOf(|notices| &mut notices.returned),
        "What comes back of mail whose sender did not say.",
    ),
    NoticeKey::new(
        "size",
        Form::Size(0, |notices| &mut notices.size),
        "Of a larger message only the header comes back.",
    ),
    NoticeKey::new(
        "postmaster",
        Form::Address(|notices| &mut notices.postmaster),
        "Who is told of mail without a sender that failed, such as a notice to a forged
        sender.",
    )
    .otherwise(
        "Default: nobody; it stays in
        .Pa failed/
        for
        .Ic failed_keep .",
    ),
    NoticeKey::new(
        "per_hour",
        Form::Count(1..=100_000, |notices| &mut notices.per_hour),
        "The most notices to one sender in an hour that begins with the first.
        He gets a summary of the others when it is over.",
    ),
];

impl Named for Returned {
    const VALUES: &'static [Returned] = &[Returned::Header, Returned::Message];
    const OR: &'static str = ", or ";

    fn word(self) -> &'static str {
        match self {
            Returned::Header => "header",
            Returned::Message => "message",
        }
    }
}
