//! `bulkmailer flush`: what waits is due now, in the order that it had, and a run delivers it. If a run is at work already,
//! it gets the entries and is followed until they are settled.

use std::io::IsTerminal;
use std::time::Duration;

use super::acting::faults::Faults;
use super::acting::in_order::{InOrder, Instants, Turn};
use super::in_drop::named::explain;
use super::selecting::filter::Filter;
use super::selecting::open_queues::open_queues;
use super::selecting::place::Place;
use super::selecting::selection::Selection;
use crate::config::Site;
use crate::intake::adopt;
use crate::model::{EntryId, Exit};
use crate::queue::{Claim, QueueError};
use crate::runner;
use crate::spool::SpoolQueue;
use crate::spool::claim::Taken;
use crate::spool::merge::claim::MergeClaim;
use crate::spool::merge::log::replay::RowState;
use crate::spool::names::{Spot, State};
use crate::sys::clock;
use crate::sys::output::{Page, print, warning};
use crate::sys::signals::Signals;

/// How often a run of somebody else's is looked at.
const FOLLOW: Duration = Duration::from_millis(200);
/// So many flushed entries are followed one by one; beyond that, until nothing is due.
const TRACKED: usize = 10_000;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub selection: Selection,
    /// Make the entries due, and let the next run have them
    #[arg(long)]
    pub no_run: bool,
    /// Print a summary as one JSON object at the end
    #[arg(long)]
    pub json: bool,
    /// Draw no progress bar and say nothing
    #[arg(long, short = 'q')]
    pub quiet: bool,
}

/// One queue's entries that were flushed. Only the first of them are remembered, so that memory stays bounded.
struct Flushed {
    count: u64,
    tracked: Vec<EntryId>,
}

/// What became of what was flushed.
#[derive(Debug, Default, serde::Serialize)]
struct FlushCounts {
    flushed: u64,
    delivered: u64,
    deferred: u64,
    failed: u64,
    /// Not settled when flush ended.
    open: u64,
    /// In a worker's hand already when it was flushed.
    in_hand: u64,
    /// Could not be made due, or is a newer bulkmailer's; why was printed.
    #[serde(skip_serializing_if = "is_none")]
    refused: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// `bulkmailer flush`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let filter = args.selection.filter(&[Place::Ready])?;
    let mut counts = FlushCounts::default();
    let mut flushed = Vec::new();
    let mut dropped = false;
    if filter.is_open() {
        // What lies in drop/ is in no queue yet: a run adopts it.
        adopt::prepare(&site.spool, &|queue| site.config.queues.contains_key(queue))?;
    }
    for queue in open_queues(site, args.selection.queue.as_deref())? {
        let part = make_due(&queue, &filter, &mut counts)?;
        dropped |= filter.is_open() && queue.drop_names()?.next().is_some();
        flushed.push((queue, part));
    }
    counts.flushed = flushed.iter().map(|(_, part)| part.count).sum();
    if counts.flushed == 0 && counts.in_hand == 0 && !dropped {
        if counts.refused > 0 {
            say(args, &counts, "nothing was flushed")?;
            return Ok(Exit::IoErr);
        }
        let missing = filter.names_some();
        say(args, &counts, if missing { "no such entry waits" } else { "nothing to flush: no entry waits" })?;
        explain(site, &args.selection.ids)?;
        return Ok(if missing { Exit::Attention } else { Exit::Ok });
    }
    let mut exit = if args.no_run { Exit::Ok } else { deliver(site, args, &flushed)? };
    for (queue, _) in flushed.iter().filter(|(queue, part)| part.count > 0 && queue.may_be_stopped()) {
        warning!("{0}: this queue is stopped; 'bulkmailer start -Q {0}' lets it go on", queue.name());
        exit = exit.worst(Exit::TempFail);
    }
    for (queue, part) in &flushed {
        part.add_to(queue, &mut counts)?;
    }
    say(args, &counts, &closing(&counts, args.no_run))?;
    Ok(if counts.refused > 0 { exit.worst(Exit::IoErr) } else { exit })
}

fn say(args: &Args, counts: &FlushCounts, text: &str) -> anyhow::Result<()> {
    if args.json {
        print(&Page::json(counts)?)?;
    } else if !args.quiet {
        print(&Page::of(text))?;
    }
    Ok(())
}

fn closing(counts: &FlushCounts, no_run: bool) -> String {
    let FlushCounts { flushed, delivered, deferred, failed, open, in_hand, refused } = counts;
    let mut text = match no_run {
        true => format!("{flushed} made due; the next run has them"),
        false => format!("{flushed} flushed: {delivered} delivered, {deferred} deferred, {failed} failed"),
    };
    if *open > 0 && !no_run {
        text.push_str(&format!(", {open} still open"));
    }
    if *in_hand > 0 && !no_run {
        text.push_str(&format!("; {in_hand} were in a worker's hand already"));
    }
    if *refused > 0 {
        text.push_str(&format!("; {refused} could not be flushed"));
    }
    text
}

/// Makes each matching entry due now, in order. It is claimed for that; one in a worker's hand is left alone.
fn make_due(queue: &SpoolQueue, filter: &Filter, counts: &mut FlushCounts) -> anyhow::Result<Flushed> {
    let mut instants = Instants::begin();
    let now = instants.began();
    let (mut flushed, mut faults) = (Flushed { count: 0, tracked: Vec::new() }, Faults::default());
    let mut way = InOrder::new(queue, filter, &[State::Ready]);
    loop {
        let is_first = way.is_new();
        let turns = way.next(&instants, &mut |spot| {
            if spot.name.is_due(now, Duration::MAX) {
                // It keeps its place.
                if is_first && is_meant(queue, spot, filter, &mut faults)? {
                    flushed.add(spot.name.id.clone());
                }
                return Ok(false);
            }
            // Mail for a time waits for it, unless it is chosen: a network that comes up flushes everything.
            Ok(!(spot.name.at && filter.is_open()))
        })?;
        if turns.is_empty() {
            break;
        }
        for Turn(spot) in turns {
            if is_meant(queue, &spot, filter, &mut faults)? {
                flushed.one((queue, filter), (&spot, is_first), &mut instants, (counts, &mut faults))?;
            }
        }
    }
    counts.refused += faults.end(queue.name());
    queue.wake()?;
    Ok(flushed)
}

/// Whether an entry matches, and is none of a newer program's. One of those that was named is refused here; the run
/// reports the others.
fn is_meant(queue: &SpoolQueue, spot: &Spot, filter: &Filter, faults: &mut Faults) -> anyhow::Result<bool> {
    if filter.needs_look() && filter.look(queue, spot)?.is_none() {
        return Ok(false);
    }
    let newer = if filter.names_some() { queue.newer_entry(&spot.name.id)? } else { None };
    if let Some(newer) = newer {
        faults.add(&spot.name.id, &QueueError::Newer { path: spot.path().into(), newer });
        return Ok(false);
    }
    Ok(true)
}

/// The open rows of an entry of a merge that match. Those that wait for a time of their own are passed over, like other mail
/// for a time, unless they are chosen.
fn rows_to_flush(claim: &MergeClaim<'_>, filter: &Filter) -> Vec<u16> {
    let to = |row: usize| claim.envelope().recipients.get(row).map_or("", |to| to.as_str());
    let why = |row: &RowState| row.reason.as_ref().map_or(String::new(), |reason| reason.text.clone());
    claim.rows_that(|row, state| match filter.is_open() {
        true => state.is_open() && !state.waits_for_its_time(),
        false => state.is_open() && filter.matches_recipient(to(row)) && filter.matches_why(&why(state)),
    })
}

impl Flushed {
    /// Makes one entry due, if it is free. One of a later look that a run has tried meanwhile may have had its turn.
    fn one(
        &mut self,
        (queue, filter): (&SpoolQueue, &Filter),
        (spot, is_first): (&Spot, bool),
        instants: &mut Instants,
        (counts, faults): (&mut FlushCounts, &mut Faults),
    ) -> anyhow::Result<()> {
        let id = spot.name.id.clone();
        match queue.take(spot) {
            Ok(Taken::Claim(claim)) if !is_first && instants.saw(claim.last_attempt()) => {}
            Ok(Taken::Claim(claim)) => {
                claim.reschedule(instants.next())?;
                self.add(id);
            }
            Ok(Taken::Head(claim)) => {
                let rows = rows_to_flush(&claim, filter);
                if !rows.is_empty() {
                    claim.reschedule(&rows, instants.next())?;
                    self.add(id);
                }
            }
            Ok(Taken::Contended) => counts.in_hand += 1,
            Ok(Taken::Gone) => {}
            // One that cannot be opened keeps nobody from the others.
            Err(error) => faults.add(&id, &error),
            Ok(Taken::Corrupt { why }) => warning!("{}: entry {id} was set aside: {why}", queue.name()),
        }
        Ok(())
    }

    fn add(&mut self, id: EntryId) {
        self.count += 1;
        if self.tracked.len() < TRACKED {
            self.tracked.push(id);
        }
    }

    /// Whether something of what was flushed is still due.
    fn is_open(&self, queue: &SpoolQueue) -> anyhow::Result<bool> {
        let now = clock::now();
        if self.count > self.tracked.len() as u64 {
            return Ok(queue.survey(now, 1)?.due > 0);
        }
        for id in &self.tracked {
            let open = queue.locate(id)?.is_some_and(|spot| spot.state == State::Ready && spot.name.due <= now);
            // A run leaves alone what a newer program wrote.
            if open && queue.newer_entry(id)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn add_to(&self, queue: &SpoolQueue, counts: &mut FlushCounts) -> anyhow::Result<()> {
        let now = clock::now();
        if self.count > self.tracked.len() as u64 {
            // Too many to look each of them up: what is still there is counted, the rest was delivered.
            let survey = queue.survey(now, u64::MAX)?;
            let open = survey.due.min(self.count);
            let deferred = survey.waiting.min(self.count - open);
            counts.open += open;
            counts.deferred += deferred;
            counts.delivered += self.count - open - deferred;
            return Ok(());
        }
        for id in &self.tracked {
            match queue.locate(id)? {
                None => counts.delivered += 1,
                Some(Spot { state: State::Failed, .. }) => counts.failed += 1,
                Some(Spot { state: State::Ready, name }) if name.due > now => counts.deferred += 1,
                Some(_) => counts.open += 1,
            }
        }
        Ok(())
    }
}

/// Runs the queues, and where another run has one, follows it until what was flushed is settled or the queue is free.
fn deliver(site: &Site, args: &Args, flushed: &[(SpoolQueue, Flushed)]) -> anyhow::Result<Exit> {
    let names: Vec<String> = flushed.iter().map(|(queue, _)| queue.name().to_owned()).collect();
    let quiet = args.quiet || args.json || !std::io::stderr().is_terminal();
    let run = runner::Args { quiet, ..runner::Args::default() };
    let mut exit = Exit::Ok;
    runner::way_out::say(flushed.iter().map(|(queue, _)| queue), &site.config, true);
    let mut said = false;
    loop {
        let summary = runner::drain(site, &names, &[], &run)?;
        exit = exit.worst(summary.exit());
        if summary.any_offline() {
            warning!("this host is offline, see online in 'bulkmailer config show'; mail waits");
        }
        let mut open = false;
        for (queue, part) in flushed {
            open |= part.is_open(queue)?;
        }
        if !open || !summary.any_busy() {
            runner::say_left(site, &summary)?;
            return Ok(exit);
        }
        if !said && !quiet {
            warning!("a run is at work; it has the entries now");
            said = true;
        }
        let signals = Signals::install(false)?;
        signals.wait(None, FOLLOW)?;
        if signals.stop_requested() {
            return Ok(exit);
        }
    }
}
