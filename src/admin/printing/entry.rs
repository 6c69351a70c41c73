//! An entry, or a file of `drop/`, as a listing prints it for a person.

use crate::policy::units::rough_size;
use crate::spool::row::{IN_DROP, Row};
use crate::sys::clock;
use crate::sys::output::Page;

/// One entry for a person. `whose` follows the time of what lies in `drop/`.
pub fn entry_page(row: &Row<'_>, whose: &str) -> Page {
    let mut page = Page::default();
    add_entry(&mut page, row, whose);
    page
}

/// [`entry_page`], at the end of another page.
pub fn add_entry(page: &mut Page, row: &Row<'_>, whose: &str) {
    let sender = if row.sender.is_empty() { "<>" } else { &row.sender };
    page.write(format_args!("{:<24} {:<9} {:>8}  {sender}", row.id, row.queue, rough_size(row.bytes)));
    for recipient in &row.recipients {
        page.write(format_args!("{:>44} {recipient}", ""));
    }
    let when = match &*row.state {
        "ready" if row.due.0 <= clock::now() => "due now".to_owned(),
        "ready" => format!("next try {}", row.due.0.local()),
        IN_DROP => {
            let since = row.submitted.0.local();
            let what = if row.reason.is_none() { ": the next run takes it up" } else { "; cannot be taken up" };
            format!("in drop/ since {since}{whose}{what}")
        }
        state => state.to_owned(),
    };
    let after = match row.attempts {
        0 => String::new(),
        1 => ", after 1 attempt".to_owned(),
        n => format!(", after {n} attempts"),
    };
    let (colon, reason) = row.reason.as_deref().map_or(("", ""), |reason| (": ", reason));
    page.write(format_args!("    {when}{after}{colon}{reason}"));
    page.write(format_args!(""));
}
