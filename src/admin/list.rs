//! `bulkmailer list`, and `mailq`: what waits, in the order of the spool.

use serde::Serialize;

use super::queues;
use super::select::Selection;
use crate::config::Site;
use crate::model::verdict::Kind;
use crate::model::{Address, Exit, Micros};
use crate::policy::units::size_text;
use crate::spool::SpoolQueue;
use crate::spool::find::Seen;
use crate::spool::journal::History;
use crate::spool::layout::{Spot, State};
use crate::sys::clock;
use crate::sys::output::Paper;
use crate::sys::output::warning;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub selection: Selection,
    /// Entries in hold/ only
    #[arg(long)]
    pub held: bool,
    /// Entries in failed/ only
    #[arg(long)]
    pub failed: bool,
    /// Print a JSON object a line, an entry each
    #[arg(long)]
    pub json: bool,
}

/// One entry as `--json` has it.
#[derive(Debug, Serialize)]
struct Row<'a> {
    queue: &'a str,
    id: &'a str,
    state: &'static str,
    submitted: String,
    due: String,
    sender: &'a str,
    /// Recipients that are still open.
    recipients: Vec<&'a Address>,
    bytes: u64,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// What a listing counted.
#[derive(Default)]
struct Sum {
    entries: u64,
    bytes: u64,
}

/// `bulkmailer list`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let filter = args.selection.filter()?;
    let states: &[State] = match (args.held, args.failed) {
        (false, false) => &State::ALL,
        (true, false) => &[State::Hold],
        (false, true) => &[State::Failed],
        (true, true) => &[State::Hold, State::Failed],
    };
    let mut paper = Paper::default();
    let mut sum = Sum::default();
    for queue in queues(site, args.selection.queue.as_deref())? {
        for &state in states {
            let mut outcome = Ok(true);
            queue.each_name(state, &mut |name| {
                if filter.matches_id(&name.id) {
                    outcome = entry(
                        &queue,
                        &Spot { state, name },
                        |seen| filter.matches(&seen.envelope),
                        args.json,
                        &mut paper,
                        &mut sum,
                    );
                }
                matches!(outcome, Ok(true))
            })?;
            outcome?;
        }
    }
    if !args.json {
        paper.write(&closing(&sum, args.is_selective()))?;
    }
    paper.finish()?;
    Ok(if sum.entries == 0 && !filter.ids.is_empty() { Exit::Attention } else { Exit::Ok })
}

impl Args {
    fn is_selective(&self) -> bool {
        let Selection { ids, queue, sender, recipient } = &self.selection;
        self.held || self.failed || !ids.is_empty() || [queue, sender, recipient].iter().any(|part| part.is_some())
    }
}

fn closing(sum: &Sum, selective: bool) -> String {
    match sum.entries {
        0 if selective => "No such entry is queued.\n".to_owned(),
        0 => "The queue is empty.\n".to_owned(),
        1 => format!("-- 1 entry, {}\n", human(sum.bytes)),
        n => format!("-- {n} entries, {}\n", human(sum.bytes)),
    }
}

/// A size for a person: exact where it has a short form, else rounded.
pub fn human(bytes: u64) -> String {
    let exact = size_text(bytes);
    if exact.len() <= 5 && !exact.bytes().all(|b| b.is_ascii_digit()) {
        return exact;
    }
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["K", "M", "G", "T"] {
        if value < 1_024.0 {
            break;
        }
        (value, unit) = (value / 1_024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1}{unit}") }
}

/// Prints one entry; `Ok(false)` when nobody reads any more.
fn entry(
    queue: &SpoolQueue,
    spot: &Spot,
    wanted: impl Fn(&Seen) -> bool,
    json: bool,
    paper: &mut Paper,
    sum: &mut Sum,
) -> anyhow::Result<bool> {
    let seen = match queue.look(spot) {
        Ok(Some(seen)) => seen,
        Ok(None) => return Ok(true),
        Err(error) => {
            warning!("{error}; see 'bulkmailer check'");
            return Ok(true);
        }
    };
    if !wanted(&seen) {
        return Ok(true);
    }
    let history = queue.history(&seen.envelope.id, seen.envelope.recipients.len(), &mut |_| {})?;
    sum.entries += 1;
    sum.bytes += seen.extent.len;
    let row = Row::of(queue.name(), &seen, &history);
    let text = if json { serde_json::to_string(&row)? + "\n" } else { row.text(spot.name.due) };
    Ok(paper.write(&text)?)
}

impl<'a> Row<'a> {
    fn of(queue: &'a str, seen: &'a Seen, history: &'a History) -> Row<'a> {
        let envelope = &seen.envelope;
        let open = |i: &usize| !history.is_closed(*i) || history.last.get(*i) == Some(&Some(Kind::Failed));
        let recipients = (0..envelope.recipients.len()).filter(open).map(|i| &envelope.recipients[i]).collect();
        let last = history.attempt.as_ref().and_then(|attempt| attempt.results.last());
        let held = history.held.as_ref().filter(|_| history.any(Kind::Held));
        let reason = held.or_else(|| last.and_then(|result| result.reason.as_ref()));
        Row {
            queue,
            id: envelope.id.as_str(),
            state: seen.spot.state.name(),
            submitted: envelope.origin.submitted.rfc3339(),
            due: seen.spot.name.due.rfc3339(),
            sender: envelope.sender_text(),
            recipients,
            bytes: seen.extent.len,
            attempts: history.attempts(),
            reason: reason.map(|reason| reason.text.as_str()),
        }
    }

    fn text(&self, due: Micros) -> String {
        let sender = if self.sender.is_empty() { "<>" } else { self.sender };
        let now = clock::now();
        let when = match self.state {
            "ready" if due <= now => "due now".to_owned(),
            "ready" => format!("next try {}", due.local()),
            state => state.to_owned(),
        };
        let mut text = format!("{:<24} {:<9} {:>8}  {sender}\n", self.id, self.queue, human(self.bytes));
        for recipient in &self.recipients {
            text.push_str(&format!("{:>44} {recipient}\n", ""));
        }
        text.push_str(&format!("    {when}"));
        if self.attempts > 0 {
            text.push_str(&format!(
                ", after {} {}",
                self.attempts,
                if self.attempts == 1 { "attempt" } else { "attempts" }
            ));
        }
        if let Some(reason) = self.reason {
            text.push_str(&format!(": {reason}"));
        }
        text.push_str("\n\n");
        text
    }
}
