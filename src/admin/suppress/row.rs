//! One address of the list, as it is written and read.

use serde::{Deserialize, Serialize};

use crate::admin::printing::table::{Form, Table};
use crate::bounce::ledger::{Ledger, Suppression};
use crate::config::Site;
use crate::model::Exit;
use crate::sys::output::Page;

/// One address of the list, as it is written and read.
#[derive(Serialize, Deserialize)]
pub struct SuppressedRow {
    pub address: String,
    #[serde(default)]
    pub since: String,
    #[serde(default)]
    pub why: String,
}

impl SuppressedRow {
    fn of(found: Suppression) -> SuppressedRow {
        SuppressedRow { address: found.address, since: found.since.rfc3339(), why: found.why }
    }
}

/// Prints the whole list.
pub fn print_list(site: &Site, form: Form) -> anyhow::Result<Exit> {
    let mut table = Table::new(form);
    if let Some(ledger) = Ledger::existing(&site.spool)? {
        ledger.suppressions(&mut |found| {
            let line = format!("{}  since {}: {}", found.address, found.since.local(), found.why);
            table.put(&SuppressedRow::of(found), || Page::of(line))
        })?;
    }
    table.finish("Nobody is suppressed.")?;
    Ok(Exit::Ok)
}
