//! The word about what keeps other users from handing mail in: said once a day, for it is they who are refused, and root
//! would not hear of it.

use crate::policy::reminder::DAILY;
use crate::spool::Spool;
use crate::spool::drop::access;
use crate::sys::clock;
use crate::sys::output::warning;

/// In the spool: when it was last said, in microseconds since 1970.
const NOTE: &str = ".refusing";

/// Looks at the drop folder, and says what is wrong with it if it is time to.
pub fn say(spool: &Spool, is_hosts: bool) {
    // A folder that cannot be looked at is said by what needs it.
    let faults = access::faults(spool.root(), is_hosts).unwrap_or_default();
    if faults.is_empty() {
        spool.forget_said(NOTE);
    } else if spool.is_to_say(NOTE, DAILY, clock::now()) {
        faults.iter().for_each(|fault| warning!("{fault}; until then mail of other users is refused"));
    }
}
