//! Bounces: each is read, many are recorded in one step, and only then are they settled.
//!
//! The order of steps: read → recorded in the ledger, durably → the hook is told → the event line → settled. A worker that is
//! killed between two of them leaves an entry that is read again; the ledger knows its reports by the entry's id, and the
//! hook is told again. What is no report, or cannot be read, goes through the queue's transport like any other mail.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Hand, MARGIN, Worker};
use crate::bounce::ledger::{Item, Ledger, LedgerError, Outcome};
use crate::bounce::{Action, Arrival, Class, Kind, READ_MAX, Reading, read};
use crate::config::{self, PassOn};
use crate::model::{Address, EntryId, Reason, Verdict};
use crate::queue::{Claim, Message, Queue, QueueError};
use crate::sys::child::{self, Finish};
use crate::sys::process::Ended;
use crate::sys::spawn::Spawner;
use crate::sys::{clock, fault};
use crate::transport::Transport;

/// So many are recorded together at most: one sync for all.
const BATCH_MAX: usize = 100;
/// How long the hook may take for one report.
const HOOK_LONGEST: Duration = Duration::from_secs(60);
/// What events call the ledger.
const LEDGER: &str = "ledger";

/// What a worker of a queue has that reads its mail as bounces.
pub struct Desk<'a, C> {
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
struct Told<'a> {
    at: String,
    queue: &'a str,
    entry: &'a EntryId,
    /// Whom the bounce came to.
    to: Option<&'a Address>,
    kind: Kind,
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

/// The event of an address that gets no more mail from now on.
#[derive(Serialize)]
struct Suppressed<'a> {
    at: String,
    queue: &'a str,
    id: &'a EntryId,
    suppressed: &'a Address,
    reason: String,
}

impl<'a, C: Claim> Desk<'a, C> {
    pub fn new(spool: &'a Path, config: &'a config::Bounces, verp: &'a [String]) -> Desk<'a, C> {
        Desk { spool, config, verp, ledger: None, batch: Vec::new(), spawner: Spawner::default() }
    }

    /// What a message is.
    fn read(&self, claim: &C) -> Result<Reading, QueueError> {
        let envelope = claim.envelope();
        let message = beginning(&claim.message(true)?)?;
        let null_sender = Some(envelope.sender.is_none());
        let arrival = Arrival { null_sender, recipient: envelope.recipients.first(), verp: self.verp };
        Ok(read(&arrival, &message))
    }

    fn record<'b>(&mut self, batch: &'b [(Hand<C>, Reading)]) -> Result<Vec<Vec<Outcome>>, LedgerError> {
        let ledger = match &mut self.ledger {
            Some(ledger) => ledger,
            empty => empty.insert(Ledger::open(self.spool)?),
        };
        let at = clock::now();
        let item = |(hand, reading): &'b (Hand<C>, Reading)| Item { entry: hand.claim.id().as_str(), at, reading };
        let items: Vec<Item<'b>> = batch.iter().map(item).collect();
        ledger.record(&items, &self.config.rules, self.config.keep)
    }
}

/// As much of a message as is looked at.
fn beginning(message: &Message) -> Result<Vec<u8>, QueueError> {
    let len = usize::try_from(message.len).unwrap_or(READ_MAX).min(READ_MAX);
    let mut bytes = vec![0; len];
    message.file.read_exact_at(&mut bytes, message.start).map_err(|source| QueueError::Io {
        doing: "read",
        path: "a message".into(),
        source,
    })?;
    Ok(bytes)
}

impl<Q: Queue> Worker<'_, Q> {
    /// Reads a bounce, and keeps it until enough are together; hands over what is none.
    pub(super) fn take_bounce(&mut self, hand: Hand<Q::Claim>, transport: &mut dyn Transport) {
        let Some(desk) = &mut self.bounces else { return self.go_on(hand, transport) };
        let reading = match desk.read(&hand.claim) {
            Ok(reading) => reading,
            Err(error) => return self.stick(hand.claim.id(), &error),
        };
        if !matches!(reading.kind, Kind::Bounce | Kind::Complaint) || reading.reports.is_empty() {
            return self.go_on(hand, transport);
        }
        desk.batch.push((hand, reading));
        if desk.batch.len() >= BATCH_MAX {
            self.record_bounces(transport);
        }
    }

    /// Records what is together, and settles it.
    pub(super) fn record_bounces(&mut self, transport: &mut dyn Transport) {
        let Some(desk) = &mut self.bounces else { return };
        let mut batch = std::mem::take(&mut desk.batch);
        batch.retain(|(hand, _)| !hand.claim.is_left());
        // What is let go here was not recorded, and is still due.
        if batch.is_empty() || self.must_stop_now() && (self.stopped || self.signals.quit()) {
            return self.slot.idle();
        }
        let Some(desk) = &mut self.bounces else { return };
        fault::instant("bounces.recording");
        match desk.record(&batch) {
            Ok(outcomes) => {
                fault::instant("bounces.recorded");
                for ((hand, reading), outcomes) in batch.into_iter().zip(outcomes) {
                    self.end_bounce(hand, &reading, &outcomes, transport);
                }
            }
            // No entry is to blame.
            Err(error) => self.board.sink_down(&error.to_string()),
        }
        self.slot.idle();
    }

    fn end_bounce(
        &mut self,
        hand: Hand<Q::Claim>,
        reading: &Reading,
        outcomes: &[Outcome],
        transport: &mut dyn Transport,
    ) {
        let started = Instant::now();
        let reports = u32::try_from(reading.reports.len()).unwrap_or(u32::MAX);
        self.slot.begin(hand.claim.id(), HOOK_LONGEST.saturating_mul(reports).saturating_add(MARGIN));
        let told = self.tell_hook(&hand.claim, reading, outcomes);
        let now = clock::now();
        for (report, _) in reading.reports.iter().zip(outcomes).filter(|(_, outcome)| outcome.newly) {
            let id = hand.claim.id();
            let (queue, suppressed, reason) = (self.queue_name, &report.recipient, report.why());
            self.events.note(now, &Suppressed { at: now.rfc3339(), queue, id, suppressed, reason });
        }
        let pass_on = self.bounces.as_ref().is_some_and(|desk| desk.config.pass_on == PassOn::All);
        if told.is_ok() && pass_on {
            return self.go_on(hand, transport);
        }
        let Hand { mut claim, mut attempt, rest } = hand;
        attempt.through = Some(LEDGER);
        let verdict = told.map_or_else(|why| Verdict::Deferred(Reason::new(&why)), |()| Verdict::Delivered);
        let verdict = attempt.judge(verdict, self.policy.on_crash);
        let answered = verdict == Verdict::Delivered;
        let verdicts = vec![verdict; rest.len()];
        match self.record(&mut claim, &rest, &verdicts, &mut attempt, answered, started.elapsed()) {
            Ok(()) => self.conclude(claim, &attempt, transport),
            Err(error) => self.stick(claim.id(), &error),
        }
    }

    /// Runs the hook for each report, if there is one. The error says what went wrong.
    fn tell_hook(&mut self, claim: &Q::Claim, reading: &Reading, outcomes: &[Outcome]) -> Result<(), String> {
        let (queue, signals) = (self.queue_name, self.signals);
        let Some(desk) = &mut self.bounces else { return Ok(()) };
        let Some(command) = &desk.config.hook else { return Ok(()) };
        let name = command.first().map_or("", String::as_str);
        let args = child::arguments(command.iter().map(String::as_str)).ok_or("an argument contains a NUL byte")?;
        let order = child::Order::plain(args);
        for (report, outcome) in reading.reports.iter().zip(outcomes) {
            let told = Told {
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
            };
            let text = serde_json::to_vec(&told).map_err(|error| error.to_string())?;
            let input = child::input(&[&text, b"\n".as_slice()].concat()).map_err(|error| error.to_string())?;
            let run = child::run(&mut desk.spawner, &order, &input, HOOK_LONGEST, signals);
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
