//! `hold`, `release`, `requeue`, `remove`: a person decides about entries.
//!
//! What holds: each entry is claimed before anything is done with it, so these are safe beside runs, submitters and one
//! another; what is in a worker's hand is left alone, and that is said. More than one entry is never touched unasked. What
//! was queued after the question was put is none of those that it was about. When the command returns, what it did is on
//! disk.

use std::io::{BufRead, IsTerminal, Read};

use serde::Serialize;

use super::list::{closing, show_all};
use super::select::{Filter, Place, Selection};
use super::{dropped, queues};
use crate::config::Site;
use crate::events;
use crate::intake::withdraw::{self, Gone};
use crate::model::{EntryId, Exit};
use crate::queue::Claim;
use crate::spool::claim::Taken;
use crate::spool::corrupt::{Corrupt, Mended};
use crate::spool::hand::Hand;
use crate::spool::names::{Spot, State};
use crate::spool::{Spool, SpoolClaim, SpoolError, SpoolQueue};
use crate::sys::clock;
use crate::sys::output::{self, Page, Paper, print, warning};

/// What all four take.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub selection: Selection,
    /// List what would be touched, and do nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Do not ask, also where there are many
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Print a summary as one JSON object; with --dry-run, an object a line, an entry each
    #[arg(long)]
    pub json: bool,
}

/// `--state`, for those that have a choice.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Where {
    /// Entries in this state only: ready, hold, failed or corrupt; may be given several times
    #[arg(long = "state", value_name = "STATE", value_enum, hide_possible_values = true)]
    pub places: Vec<Place>,
}

/// `--again`, for those that may repeat a delivery.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Again {
    /// Also to recipients that have it already
    #[arg(long)]
    pub again: bool,
}

#[derive(Clone, Debug, Default, clap::Args)]
pub struct ReleaseArgs {
    #[command(flatten)]
    args: Args,
    #[command(flatten)]
    again: Again,
}

#[derive(Clone, Debug, Default, clap::Args)]
pub struct RequeueArgs {
    #[command(flatten)]
    args: Args,
    #[command(flatten)]
    places: Where,
    #[command(flatten)]
    again: Again,
}

#[derive(Clone, Debug, Default, clap::Args)]
pub struct RemoveArgs {
    #[command(flatten)]
    pub(super) args: Args,
    #[command(flatten)]
    pub(super) places: Where,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Hold,
    Release { again: bool },
    Requeue { again: bool },
    Remove,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Verb::Hold => "hold",
            Verb::Release { .. } => "release",
            Verb::Requeue { .. } => "requeue",
            Verb::Remove => "remove",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Verb::Hold => "held",
            Verb::Release { .. } => "released",
            Verb::Requeue { .. } => "requeued",
            Verb::Remove => "removed",
        }
    }

    /// Where it finds what it acts on, if nobody says: by `ids`, wherever it can act.
    fn places(self, ids: bool) -> &'static [Place] {
        match self {
            Verb::Hold => &[Place::Ready],
            Verb::Release { .. } => &[Place::Hold],
            Verb::Requeue { .. } | Verb::Remove if ids => &[Place::Ready, Place::Hold, Place::Failed, Place::Corrupt],
            Verb::Requeue { .. } => &[Place::Failed],
            Verb::Remove => &Place::ENTRIES,
        }
    }
}

/// `bulkmailer hold`. `by` is the real user who decides so, as in the next three.
pub fn hold(site: &Site, args: &Args, by: u32) -> anyhow::Result<Exit> {
    run(site, Verb::Hold, args, &[], by)
}

/// `bulkmailer release`.
pub fn release(site: &Site, args: &ReleaseArgs, by: u32) -> anyhow::Result<Exit> {
    run(site, Verb::Release { again: args.again.again }, &args.args, &[], by)
}

/// `bulkmailer requeue`.
pub fn requeue(site: &Site, args: &RequeueArgs, by: u32) -> anyhow::Result<Exit> {
    run(site, Verb::Requeue { again: args.again.again }, &args.args, &args.places.places, by)
}

/// `bulkmailer remove`.
pub fn remove(site: &Site, args: &RemoveArgs, by: u32) -> anyhow::Result<Exit> {
    run(site, Verb::Remove, &args.args, &args.places.places, by)
}

/// So many ids of what was left alone are told.
const TOLD_MAX: usize = 100;

/// What was done. The fields are those of `--json`.
#[derive(Debug, Serialize)]
struct Outcome {
    action: &'static str,
    /// Entries that it was done to.
    done: u64,
    /// Left alone, because they were in a worker's hand.
    in_hand: u64,
    /// The first of those.
    in_hand_ids: Vec<EntryId>,
    /// Cannot be read, or not queued again as they are; why was said.
    refused: u64,
    /// It could not be done; why was said.
    faults: u64,
}

fn run(site: &Site, verb: Verb, args: &Args, places: &[Place], by: u32) -> anyhow::Result<Exit> {
    let exit = decide(site, verb, args, places, by)?;
    if exit == Exit::Attention {
        dropped::explain(site, &args.selection.ids)?;
    }
    Ok(exit)
}

fn decide(site: &Site, verb: Verb, args: &Args, places: &[Place], by: u32) -> anyhow::Result<Exit> {
    if args.selection.is_empty() && places.is_empty() {
        let name = verb.name();
        warning!(
            "{name}: say which entries: their ids, or --queue, --sender and the like; see 'bulkmailer {name} --help'"
        );
        return Ok(Exit::Usage);
    }
    if places.contains(&Place::Drop) {
        return Ok(dropped::refuse(verb.name()));
    }
    let ids = !args.selection.ids.is_empty();
    let places = if places.is_empty() { verb.places(ids) } else { places };
    let mut filter = args.selection.filter(places)?;
    let queues = queues(site, args.selection.queue.as_deref())?;
    if args.dry_run {
        return dry_run(verb, args, &queues, &filter, places);
    }
    if !args.yes {
        let asked = clock::now();
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let found = count(&queues, &filter, places, if terminal { u64::MAX } else { 2 })?;
        if found > 1 && !terminal {
            let name = verb.name();
            warning!("{name}: this is about more than one entry: add --yes, or look first with --dry-run");
            return Ok(Exit::Usage);
        }
        if found > 1 {
            if !confirmed(&format!("{} {found} entries?", verb.name()))? {
                warning!("nothing was done");
                return Ok(Exit::Attention);
            }
            filter.stop_at(asked);
        }
    }
    let Some(spool) = Spool::open(&site.spool)? else { return tell(verb, args, &Outcome::new(verb)) };
    let mut act = Act {
        verb,
        hand: Hand { at: clock::now(), by },
        events: events::Log::new(spool.events()?, site.config.events.syslog),
        outcome: Outcome::new(verb),
    };
    for queue in &queues {
        act.queue(queue, &filter, places)?;
    }
    tell(verb, args, &act.outcome)
}

fn dry_run(verb: Verb, args: &Args, queues: &[SpoolQueue], filter: &Filter, places: &[Place]) -> anyhow::Result<Exit> {
    let mut paper = Paper::default();
    let sum = show_all(queues, filter, places, args.json, &mut paper)?;
    if !args.json {
        paper.write(&Page::of(closing(&sum, true)))?;
        if sum.entries > 0 {
            paper.write(&Page::of(format!("Without --dry-run they would be {}.", verb.done())))?;
        }
    }
    paper.finish()?;
    Ok(if sum.entries == 0 && filter.names_some() { Exit::Attention } else { Exit::Ok })
}

/// How many match, counted up to `enough`.
fn count(queues: &[SpoolQueue], filter: &Filter, places: &[Place], enough: u64) -> anyhow::Result<u64> {
    let states: Vec<State> = places.iter().filter_map(|place| place.state()).collect();
    let mut found = 0;
    for queue in queues {
        filter.each_spot(queue, &states, &mut |spot| {
            found += u64::from(!filter.needs_look() || filter.look(queue, &spot)?.is_some());
            Ok(found < enough)
        })?;
        if places.contains(&Place::Corrupt) {
            filter.each_corrupt(queue, &mut |_| {
                found += 1;
                Ok(found < enough)
            })?;
        }
    }
    Ok(found)
}

/// The most bytes of an answer.
const ANSWER_MAX: u64 = 1 << 10;

/// Asks on the terminal.
pub(super) fn confirmed(question: &str) -> anyhow::Result<bool> {
    output::ask(&format!("{question} [y/N]"))?;
    let mut answer = String::new();
    std::io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn tell(verb: Verb, args: &Args, outcome: &Outcome) -> anyhow::Result<Exit> {
    let Outcome { done, in_hand, refused, faults, .. } = *outcome;
    let missing = done + in_hand + refused + faults == 0;
    if args.json {
        print(&Page::json(outcome)?)?;
    } else {
        let mut text = match (missing, done) {
            (true, _) => format!("no such entry is there to {}", verb.name()),
            (false, 1) => format!("1 entry {}", verb.done()),
            (false, n) => format!("{n} entries {}", verb.done()),
        };
        if in_hand > 0 {
            let ids: Vec<&str> = outcome.in_hand_ids.iter().take(3).map(EntryId::as_str).collect();
            let more = if in_hand > 3 { ", …" } else { "" };
            text.push_str(&format!("; left alone, for a worker has it in hand: {in_hand} ({}{more})", ids.join(", ")));
        }
        print(&Page::of(text))?;
    }
    let missing_ids = missing && !args.selection.ids.is_empty();
    let statuses = [
        (faults > 0, Exit::IoErr),
        (refused > 0, Exit::DataErr),
        (in_hand > 0, Exit::TempFail),
        (missing_ids, Exit::Attention),
    ];
    Ok(statuses.into_iter().find(|(holds, _)| *holds).map_or(Exit::Ok, |(_, exit)| exit))
}

impl Outcome {
    fn new(verb: Verb) -> Outcome {
        Outcome { action: verb.name(), done: 0, in_hand: 0, in_hand_ids: Vec::new(), refused: 0, faults: 0 }
    }
}

/// One command at work.
struct Act {
    verb: Verb,
    hand: Hand,
    events: events::Log,
    outcome: Outcome,
}

impl Act {
    fn queue(&mut self, queue: &SpoolQueue, filter: &Filter, places: &[Place]) -> anyhow::Result<()> {
        let states: Vec<State> = places.iter().filter_map(|place| place.state()).collect();
        let before = (self.outcome.in_hand, self.outcome.in_hand_ids.len());
        // A listing can miss a name that a worker renames meanwhile, and what was in hand may be free by now.
        let passes = if filter.names_some() { 1 } else { 2 };
        for _pass in 0..passes {
            self.outcome.in_hand = before.0;
            self.outcome.in_hand_ids.truncate(before.1);
            filter.each_spot(queue, &states, &mut |spot| {
                // What we have made due may be listed once more, even in failed/ again.
                let ours = spot.name.due == self.hand.at && !matches!(self.verb, Verb::Hold | Verb::Remove);
                if !ours {
                    self.entry(queue, spot, filter, &states)?;
                }
                Ok(true)
            })?;
        }
        if places.contains(&Place::Corrupt) {
            filter.each_corrupt(queue, &mut |file| {
                self.corrupt(queue, &file)?;
                Ok(true)
            })?;
        }
        // One sync for all of it; what tidy has to remove is on disk then.
        queue.sync()?;
        queue.tidy()?;
        if self.verb == Verb::Remove {
            queue.finish_jobs();
        }
        queue.wake()?;
        Ok(())
    }

    /// Acts on one entry; one that moved meanwhile is looked for again.
    fn entry(&mut self, queue: &SpoolQueue, spot: Spot, filter: &Filter, states: &[State]) -> anyhow::Result<()> {
        let mut spot = Some(spot);
        for _ in 0..3 {
            let Some(here) = spot.filter(|spot| states.contains(&spot.state)) else { return Ok(()) };
            if filter.needs_look() && filter.look(queue, &here)?.is_none() {
                return Ok(());
            }
            match queue.take(&here) {
                Ok(Taken::Claim(claim)) => {
                    let acted = self.act(queue, *claim);
                    self.note(&here.name.id, acted);
                    return Ok(());
                }
                Ok(Taken::Contended) => {
                    self.outcome.in_hand += 1;
                    if self.outcome.in_hand_ids.len() < TOLD_MAX {
                        self.outcome.in_hand_ids.push(here.name.id);
                    }
                    return Ok(());
                }
                Ok(Taken::Gone) => spot = queue.locate(&here.name.id)?,
                Ok(Taken::Corrupt { why }) => {
                    warning!("{}: {}: {why}; moved to corrupt/", queue.name(), here.name);
                    self.outcome.refused += 1;
                    return Ok(());
                }
                Err(error) => {
                    self.note(&here.name.id, Err(error));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Counts what was done; one that failed keeps no other from it.
    fn note(&mut self, id: &EntryId, acted: Result<(), SpoolError>) {
        match acted {
            Ok(()) => self.outcome.done += 1,
            Err(error) => {
                warning!("{id}: {error}");
                self.outcome.faults += 1;
            }
        }
    }

    fn act(&mut self, queue: &SpoolQueue, claim: SpoolClaim<'_>) -> Result<(), SpoolError> {
        match self.verb {
            Verb::Hold => claim.hold(),
            Verb::Release { again: true } | Verb::Requeue { again: true } => {
                let all = (0..claim.envelope().recipients.len()).collect();
                claim.reopen(all, self.hand)
            }
            // Who failed was told; to release is to go on with the others.
            Verb::Release { again: false } => {
                let unsettled = claim.unsettled();
                claim.reopen(unsettled, self.hand)
            }
            Verb::Requeue { again: false } => {
                let undelivered = claim.undelivered();
                claim.reopen(undelivered, self.hand)
            }
            Verb::Remove => withdraw::remove(queue, claim, self.hand, &mut self.events),
        }
    }

    fn corrupt(&mut self, queue: &SpoolQueue, file: &Corrupt) -> anyhow::Result<()> {
        let path = queue.path(&format!("corrupt/{}", file.name));
        let done = match self.verb {
            Verb::Remove => {
                let removed = queue.remove_corrupt(&file.name, self.hand)?;
                if removed {
                    let gone = Gone::of(queue, file.label(), &file.name, self.hand);
                    self.events.note(clock::now(), &gone);
                }
                removed
            }
            Verb::Requeue { .. } => match queue.mend_corrupt(&file.name, self.hand)? {
                Mended::Queued(_) => true,
                Mended::Gone => false,
                Mended::No(why) => {
                    warning!("{}: it cannot be queued: {why}", path.display());
                    self.outcome.refused += 1;
                    false
                }
            },
            // Nothing there is held or released.
            Verb::Hold | Verb::Release { .. } => false,
        };
        self.outcome.done += u64::from(done);
        Ok(())
    }
}
