//! What senders are told of mail that fails or is delayed: `[notices]`.

use serde::Deserialize;

use super::reader::Reader;
use super::scalar::{Scalar, Value};
use super::values;
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

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [notices]")]
pub(super) struct Table {
    pub r#return: Value,
    pub size: Value,
    pub postmaster: Value,
    pub per_hour: Value,
}

impl Table {
    pub fn read(&self, reader: &mut Reader<'_>) -> Notices {
        let default = Notices::default();
        Notices {
            returned: reader.value("notices.return", &self.r#return, default.returned, returned),
            size: reader.value("notices.size", &self.size, default.size, values::size),
            postmaster: reader.value("notices.postmaster", &self.postmaster, default.postmaster, values::address),
            per_hour: reader.value("notices.per_hour", &self.per_hour, default.per_hour, values::count(1..=100_000)),
        }
    }
}

/// What a notice brings back.
fn returned(value: &Scalar) -> Result<Returned, String> {
    match values::text(value)?.as_str() {
        "header" => Ok(Returned::Header),
        "message" => Ok(Returned::Message),
        _ => Err(format!("{value} is not possible: \"header\", or \"message\"")),
    }
}
