//! Where events go beside their file: `[events]`.

use super::form::Form;
use super::key::Key;
use super::table::Table;

#[derive(Clone, Debug, PartialEq, Default)]
pub struct Events {
    /// Say each event to syslog (facility mail) too.
    pub syslog: bool,
}

pub(super) const TABLE: Table<Events> =
    Table { name: "events", about: "Where events go beside their file.", keys: KEYS };

type EventKey = Key<Events>;

const KEYS: &[EventKey] = &[EventKey::new(
    "syslog",
    Form::Flag(|events| &mut events.syslog),
    "Say it to
    .Xr syslog 3
    too, with the facility
    .Sy mail .",
)];
