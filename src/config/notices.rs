//! What senders are told of mail that fails or is delayed: `[notices]`.

use super::choice::NamedValue;
use super::form::ValueForm;
use super::key::ConfigKey;
use super::table::ConfigTable;
use crate::model::Address;
use crate::policy::notice::Returned;

/// What senders are told of mail that fails or is delayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Notices {
    /// What comes back of a message whose sender did not say (RFC 3461, RET); default its header.
    pub returned: Returned,
    /// Bytes of the largest message that comes back whole; default 1 MiB.
    pub size: u64,
    /// The address that gets notices of failed mail without a sender; default none, and such mail stays in `failed/`.
    pub postmaster: Option<Address>,
    /// The most notices to one sender in an hour, at least 1; default 100.
    pub per_hour: usize,
}

impl Default for Notices {
    fn default() -> Notices {
        Notices { returned: Returned::Header, size: 1 << 20, postmaster: None, per_hour: 100 }
    }
}

pub(super) const TABLE: ConfigTable<Notices> =
    ConfigTable { name: "notices", about: "What senders are told of mail that fails or is delayed.", keys: KEYS };

type NoticeKey = ConfigKey<Notices>;

const KEYS: &[NoticeKey] = &[
    NoticeKey::new(
        "return",
        ValueForm::OneOf(|notices| &mut notices.returned),
        "What comes back of mail whose sender did not say.",
    ),
    NoticeKey::new(
        "size",
        ValueForm::Size(0, |notices| &mut notices.size),
        "Of a larger message only the header comes back.",
    ),
    NoticeKey::new(
        "postmaster",
        ValueForm::Address(|notices| &mut notices.postmaster),
        "It gets notices of failed mail without a sender, such as a notice to a forged
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
        ValueForm::Count(1..=100_000, |notices| &mut notices.per_hour),
        "The most notices to one sender in an hour that begins with the first.
        He gets a summary of the others when it is over.",
    ),
];

impl NamedValue for Returned {
    const VALUES: &'static [Returned] = &[Returned::Header, Returned::Message];
    const OR: &'static str = ", or ";

    fn word(self) -> &'static str {
        match self {
            Returned::Header => "header",
            Returned::Message => "message",
        }
    }
}
