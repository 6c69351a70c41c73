//! Bounces: each is read, many are recorded in one step, and only then are they settled.
//!
//! The order of steps: read → recorded in the ledger, durably → the hook is told → the event line → settled. A worker that is
//! killed between two of them leaves an entry that is read again; the ledger knows its reports by the entry's id, and the
//! hook is told again. What is no report, or cannot be read, goes through the queue's transport like any other mail.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::context::{Context, MARGIN};
use super::hand::Hand;
use super::record::{Judged, record};
use super::settle::settle;
use crate::bounce::ledger::{Item, Ledger, LedgerError, ReportOutcome};
use crate::bounce::{Action, Arrival, Class, MessageKind, READ_MAX, Reading, Report, read};
use crate::config::{self, PassOn};
use crate::events::{EventLine, SuppressedLine};
use crate::model::{Address, EntryId, Reason, Verdict};
use crate::policy::notice::About;
use crate::queue::{Claim, Message, NoMessage, Queue, QueueError};
use crate::sys::child::{self, Finish};
use crate::sys::process::Ended;
use crate::sys::spawn::Spawner;
use crate::sys::{clock, fault};

/// So many are recorded together at most: one sync for all.
const BATCH_MAX: usize = 100;
/// How long the hook may take for one report.
const HOOK_LONGEST: Duration = Duration::from_secs(60);
/// What events call the ledger.
const LEDGER: &str = "ledger";

/// What a worker of a queue has that reads its mail as bounces.
pub(super) struct Desk<'a, C> {
    spool: &'a Path,
    config: &'a config::Bounces,
    /// The patterns of senders that VERP makes here.
    verp: &'a [String],
    /// Open once there is something to record.
    ledger: Option<Ledger>,
    batch: Vec<(Hand<C>, Reading)>,
    spawner: Spawner,
}

/// What the hook gets on its standard input, as JSON.
#[derive(Serialize)]
struct ForHook<'a> {
    at: String,
    queue: &'a str,
    entry: &'a EntryId,
    /// Whom the bounce came to.
    to: Option<&'a Address>,
    kind: MessageKind,
    address: &'a Address,
    action: Action,
    class: Class,
    status: Option<&'a str>,
    reply: Option<u16>,
    remote: Option<&'a str>,
    text: &'a str,
    message_id: Option<&'a str>,
    score: f64,
    suppressed: bool,
    newly_suppressed: bool,
}

impl<'a> ForHook<'a> {
    fn of<C: Claim>(
        queue: &'a str,
        claim: &'a C,
        reading: &'a Reading,
        report: &'a Report,
        outcome: &ReportOutcome,
    ) -> ForHook<'a> {
        ForHook {
            at: clock::now().rfc3339(),
            queue,
            entry: claim.id(),
            to: claim.envelope().recipients.first(),
            kind: reading.kind,
            address: &report.recipient,
            action: report.action,
            class: report.class,
            status: report.status.as_deref(),
            reply: report.reply,
            remote: report.remote.as_deref(),
            text: &report.text,
            message_id: reading.message_id.as_deref(),
            score: outcome.score,
            suppressed: outcome.suppressed,
            newly_suppressed: outcome.newly,
        }
    }
}

/// A bounce whose reports are in the ledger.
pub(super) struct RecordedBounce<C> {
    hand: Hand<C>,
    reading: Reading,
    /// What each of its reports came to.
    outcomes: Vec<ReportOutcome>,
}

impl<'a, C: Claim> Desk<'a, C> {
    pub fn new(spool: &'a Path, config: &'a config::Bounces, verp: &'a [String]) -> Desk<'a, C> {
        Desk { spool, config, verp, ledger: None, batch: Vec::new(), spawner: Spawner::default() }
    }

    /// Reads what may be a bounce, and keeps it until enough are together; gives back what is none.
    pub fn unless_bounce<Q: Queue<Claim = C>>(&mut self, context: &Context<'_, Q>, hand: Hand<C>) -> Option<Hand<C>> {
        // Rendered here, it is nobody's bounce.
        if hand.claim.has_rows() {
            return Some(hand);
        }
        match self.read(&hand) {
            Ok(reading) if is_report(&reading) => {
                self.batch.push((hand, reading));
                None
            }
            Ok(_) => Some(hand),
            Err(error) => {
                context.stick(hand.claim.id(), &error);
                None
            }
        }
    }

    /// Whether so many are together that they are to be recorded.
    pub fn is_full(&self) -> bool {
        self.batch.len() >= BATCH_MAX
    }

    /// Whether something is to be recorded; what belongs to a job that was paused or cancelled is let go.
    pub fn is_due(&mut self) -> bool {
        self.batch.retain(|(hand, _)| !hand.claim.job_was_moved());
        !self.batch.is_empty()
    }

    /// Lets go what is together: it was not recorded, and is still due.
    pub fn forget(&mut self) {
        self.batch.clear();
    }

    /// Records what is together.
    pub fn record<Q: Queue<Claim = C>>(&mut self, context: &Context<'_, Q>) -> Vec<RecordedBounce<C>> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Vec::new();
        }
        fault::instant("bounces.recording");
        match self.enter(&batch) {
            Ok(outcomes) => {
                fault::instant("bounces.recorded");
                let recorded = batch.into_iter().zip(outcomes);
                recorded.map(|((hand, reading), outcomes)| RecordedBounce { hand, reading, outcomes }).collect()
            }
            // No entry is to blame.
            Err(error) => {
                context.board.sink_down(&error.to_string());
                Vec::new()
            }
        }
    }

    /// What a message is.
    fn read(&self, hand: &Hand<C>) -> Result<Reading, QueueError> {
        let envelope = hand.claim.envelope();
        let message = hand.claim.message(hand.rest.get(..1).unwrap_or_default(), true);
        let message = beginning(&message.map_err(NoMessage::into_fault)?)?;
        let null_sender = Some(envelope.sender.is_none());
        let arrival = Arrival { null_sender, recipient: envelope.recipients.first(), verp: self.verp };
        Ok(read(&arrival, &message))
    }

    /// Enters all of them into the ledger.
    fn enter<'b>(&mut self, batch: &'b [(Hand<C>, Reading)]) -> Result<Vec<Vec<ReportOutcome>>, LedgerError> {
        let ledger = match &mut self.ledger {
            Some(ledger) => ledger,
            empty => empty.insert(Ledger::open(self.spool)?),
        };
        let at = clock::now();
        let item = |(hand, reading): &'b (Hand<C>, Reading)| Item { entry: hand.claim.id().as_str(), at, reading };
        let items: Vec<Item<'b>> = batch.iter().map(item).collect();
        ledger.record(&items, &self.config.rules, self.config.keep)
    }

    /// Tells the hook and the events of a bounce, and settles it; gives it back if the queue's transport is to have it, too.
    pub fn end<Q: Queue<Claim = C>>(
        &mut self,
        context: &Context<'_, Q>,
        bounce: RecordedBounce<C>,
        success: Option<About>,
    ) -> Option<Hand<C>> {
        let started = Instant::now();
        let RecordedBounce { mut hand, reading, outcomes } = bounce;
        let reports = u32::try_from(reading.reports.len()).unwrap_or(u32::MAX);
        context.slot.begin(hand.claim.id(), HOOK_LONGEST.saturating_mul(reports).saturating_add(MARGIN));
        let heard = self.tell_hook(context, &hand.claim, &reading, &outcomes);
        let now = clock::now();
        for (report, _) in reading.reports.iter().zip(&outcomes).filter(|(_, outcome)| outcome.newly) {
            let line = SuppressedLine {
                at: now.rfc3339().into(),
                queue: context.queue_name.into(),
                id: hand.claim.id().as_str().into(),
                suppressed: report.recipient.as_str().into(),
                reason: report.why().into(),
            };
            context.events.borrow_mut().write(now, &[EventLine::Suppressed(line)]);
        }
        if heard.is_ok() && self.config.pass_on == PassOn::All {
            return Some(hand);
        }
        hand.attempt.through = Some(LEDGER);
        let verdict = heard.map_or_else(|why| Verdict::Deferred(Reason::new(&why)), |()| Verdict::Delivered(None));
        let verdict = hand.attempt.final_verdict(verdict, context.policy.on_crash);
        let answered = verdict.is_delivered();
        let group = std::mem::take(&mut hand.rest);
        let judged = Judged { verdicts: vec![verdict; group.len()], group, answered, took: started.elapsed() };
        match record(context, &mut hand, &judged) {
            Ok(()) => settle(context, hand, success),
            Err(error) => context.stick(hand.claim.id(), &error),
        }
        None
    }

    /// Runs the hook for each report, if there is one. The error says what went wrong.
    fn tell_hook<Q: Queue<Claim = C>>(
        &mut self,
        context: &Context<'_, Q>,
        claim: &C,
        reading: &Reading,
        outcomes: &[ReportOutcome],
    ) -> Result<(), String> {
        let Some(command) = &self.config.hook else { return Ok(()) };
        let name = command.first().map_or("", String::as_str);
        let args = child::arguments(command.iter().map(String::as_str)).ok_or("an argument contains a NUL byte")?;
        let order = child::Order::plain(args);
        for (report, outcome) in reading.reports.iter().zip(outcomes) {
            let about = ForHook::of(context.queue_name, claim, reading, report, outcome);
            let text = serde_json::to_vec(&about).map_err(|error| error.to_string())?;
            let input = child::input(&[&text, b"\n".as_slice()].concat()).map_err(|error| error.to_string())?;
            let run = child::run(&mut self.spawner, &order, &input, HOOK_LONGEST, context.signals);
            let why = match run.finish {
                Finish::Ended(Ended::Exited(0)) => continue,
                Finish::Ended(ended) => ended.to_string(),
                Finish::NotStarted(error) | Finish::Lost(error) => error.to_string(),
                Finish::Stopped { why } => why.to_owned(),
            };
            return Err(format!("the hook {name}: {why}: {}", run.said.trim()));
        }
        Ok(())
    }
}

/// As much of a message as is looked at.
fn beginning(message: &Message) -> Result<Vec<u8>, QueueError> {
    let len = usize::try_from(message.len).unwrap_or(READ_MAX).min(READ_MAX);
    let mut bytes = vec![0; len];
    let mut read = 0;
    while read < len {
        let failed = |source| QueueError::Io { doing: "read", path: "a message".into(), source };
        match message.read_at(&mut bytes[read..], read as u64) {
            Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(bytes)
}

/// Whether it is recorded; what is no report, or none about anybody, is mail like any other.
fn is_report(reading: &Reading) -> bool {
    matches!(reading.kind, MessageKind::Bounce | MessageKind::Complaint) && !reading.reports.is_empty()
}
