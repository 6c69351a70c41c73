//! Where events go beside their file: `[events]`.

use super::form::ValueForm;
use super::key::ConfigKey;
use super::table::ConfigTable;

#[derive(Clone, Debug, PartialEq, Default)]
pub struct Events {
    /// Log each event to syslog (facility mail), too.
    pub syslog: bool,
}

pub(super) const TABLE: ConfigTable<Events> =
    ConfigTable { name: "events", about: "Where events go beside their file.", keys: KEYS };

type EventKey = ConfigKey<Events>;

const KEYS: &[EventKey] = &[EventKey::new(
    "syslog",
    ValueForm::Flag(|events| &mut events.syslog),
    "Log each event to
    .Xr syslog 3 ,
    too, with the facility
    .Sy mail .",
)];
