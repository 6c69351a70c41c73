//! Where events go beside their file: `[events]`.

use serde::Deserialize;

use super::reader::Reader;
use super::scalar::Value;
use super::values;

#[derive(Clone, Debug, PartialEq, Default)]
pub struct Events {
    /// Say each event to syslog (facility mail) too.
    pub syslog: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [events]")]
pub(super) struct Table {
    pub syslog: Value,
}

impl Table {
    pub fn read(&self, reader: &mut Reader<'_>) -> Events {
        Events { syslog: reader.value("events.syslog", &self.syslog, false, values::flag) }
    }
}
