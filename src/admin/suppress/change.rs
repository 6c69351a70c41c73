//! What `add`, `remove` and `import` share: the ledger that they change.

use crate::bounce::ledger::Ledger;
use crate::config::Site;
use crate::model::Exit;
use crate::spool::Spool;
use crate::sys::output::{Page, print};

/// The ledger, in a spool that is made where it is missing.
pub fn make(site: &Site) -> anyhow::Result<Ledger> {
    Spool::create(&site.spool)?;
    Ok(Ledger::open(&site.spool)?)
}

/// Says how many of the addresses changed, and what the others were.
pub fn say_count(done: u64, of: usize, what: &str, otherwise: &str) -> anyhow::Result<Exit> {
    let rest = (of as u64).saturating_sub(done);
    let rest = if rest == 0 { String::new() } else { format!("; {rest} {otherwise}") };
    print(&Page::of(format!("{done} {what}{rest}")))?;
    Ok(Exit::Ok)
}
