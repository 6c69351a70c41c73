//! An entry, or a file of `drop/`, as a listing prints it for a person.

use crate::model::Micros;
use crate::policy::units::rough_size;
use crate::spool::row::{IN_DROP, Row};
use crate::sys::clock;
use crate::sys::output::Page;

/// One entry for a person. `whose` follows the time of what lies in `drop/`.
pub fn entry_page(row: &Row<'_>, due: Micros, whose: &str) -> Page {
    let sender = if row.sender.is_empty() { "<>" } else { &row.sender };
    let now = clock::now();
    let when = match &*row.state {
        "ready" if due <= now => "due now".to_owned(),
        "ready" => format!("next try {}", due.local()),
        IN_DROP => {
            let since = Micros::parse(&row.submitted).unwrap_or_default().local();
            let what = if row.reason.is_none() { ": the next run takes it up" } else { "; cannot be taken up" };
            format!("in drop/ since {since}{whose}{what}")
        }
        state => state.to_owned(),
    };
    let mut page = Page::of(format!("{:<24} {:<9} {:>8}  {sender}", row.id, row.queue, rough_size(row.bytes)));
    for recipient in &row.recipients {
        page.line(format!("{:>44} {recipient}", ""));
    }
    let mut text = format!("    {when}");
    if row.attempts > 0 {
        text.push_str(&format!(", after {} {}", row.attempts, if row.attempts == 1 { "attempt" } else { "attempts" }));
    }
    if let Some(reason) = &row.reason {
        text.push_str(&format!(": {reason}"));
    }
    page.line(text);
    page.line("");
    page
}
