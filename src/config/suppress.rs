//! A file of addresses that list posts do not go to: `[suppress]`.

use std::path::PathBuf;

use serde::Deserialize;

use super::reader::Reader;
use super::scalar::Value;
use super::values;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [suppress]")]
pub(super) struct Table {
    pub file: Value,
}

impl Table {
    pub fn read(&self, reader: &mut Reader<'_>) -> Option<PathBuf> {
        let home = reader.home;
        reader.value("suppress.file", &self.file, None, |path| values::path(path, home).map(Some))
    }
}
