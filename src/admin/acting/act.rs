//! One command at work on the entries that were chosen.
//!
//! What holds: each entry is claimed before anything is done with it, so these are safe beside runs, submitters and one
//! another; an entry in a worker's hand is left alone, and reported. Entries that are made due keep the order that they had.
//! When a queue is left, what was done there is on disk.

use std::collections::HashSet;

use serde::Serialize;

use super::faults::Faults;
use super::in_order::{InOrder, Instants, Turn};
use super::verb::{Done, Verb};
use crate::admin::selecting::filter::Filter;
use crate::admin::selecting::place::Place;
use crate::events;
use crate::model::{EntryId, Exit};

use crate::spool::claim::Taken;
use crate::spool::corrupt::Corrupt;
use crate::spool::decision::Decision;
use crate::spool::names::{Spot, State};
use crate::spool::{SpoolClaim, SpoolQueue};
use crate::sys::output::{Page, print, warning};

/// The most ids of entries left alone that are reported.
pub(super) const TOLD_MAX: usize = 100;

/// The most ids of entries in hand that are remembered; beyond that an entry may have a second turn.
const HANDS_MAX: usize = 10_000;

/// One command at work.
pub struct Act<'v, V> {
    pub verb: &'v V,
    pub decision: Decision,
    pub instants: Instants,
    pub events: events::Log,
    pub counts: ActionCounts,
}

impl<V: Verb> Act<'_, V> {
    /// Acts on what matches in one queue.
    pub fn queue(&mut self, queue: &SpoolQueue, filter: &Filter, places: &[Place]) -> anyhow::Result<()> {
        let states: Vec<State> = places.iter().filter_map(|place| place.state()).collect();
        let before = (self.counts.in_hand, self.counts.in_hand_ids.len());
        let mut round = Round { filter, states: &states, turn: Met::First, hands: HashSet::new() };
        let mut faults = Faults::default();
        // A listing can miss a name that a worker renames meanwhile, and what was in hand may be free by now.
        let passes = if filter.names_some() { 1 } else { 2 };
        for pass in 0..passes {
            self.counts.in_hand = before.0;
            self.counts.in_hand_ids.truncate(before.1);
            faults.begin_pass();
            if pass > 0 {
                round.turn = Met::Again;
            }
            if V::MAKES_DUE {
                self.in_order(queue, &mut round, &mut faults)?;
            } else {
                filter.each_spot(queue, &states, &mut |spot| {
                    self.entry(queue, spot, &mut round, &mut faults)?;
                    Ok(true)
                })?;
            }
        }
        self.counts.faults += faults.end(queue.name());
        if places.contains(&Place::Corrupt) {
            filter.each_corrupt(queue, &mut |file| {
                self.corrupt(queue, &file)?;
                Ok(true)
            })?;
        }
        // One sync for all of it; what tidy has to remove is on disk then.
        queue.sync()?;
        queue.tidy()?;
        self.verb.finish(queue);
        queue.wake()?;
        Ok(())
    }

    /// Acts on what matches, in order. What was made due has no second turn, not even in failed/ again.
    fn in_order(&mut self, queue: &SpoolQueue, round: &mut Round<'_>, faults: &mut Faults) -> anyhow::Result<()> {
        let mut way = InOrder::new(queue, round.filter, round.states);
        loop {
            let turns = way.next(&self.instants, &mut |_| Ok(true))?;
            if turns.is_empty() {
                return Ok(());
            }
            for Turn(spot) in turns {
                self.entry(queue, spot, round, faults)?;
            }
            round.turn = round.turn.max(Met::Later);
        }
    }

    /// Acts on one entry; one that moved meanwhile is looked for again, and one that it fails for keeps no other from it.
    fn entry(
        &mut self,
        queue: &SpoolQueue,
        spot: Spot,
        round: &mut Round<'_>,
        faults: &mut Faults,
    ) -> anyhow::Result<()> {
        let Round { filter, states, .. } = *round;
        let mut spot = Some(spot);
        for _ in 0..3 {
            let Some(here) = spot.filter(|spot| states.contains(&spot.state)) else { return Ok(()) };
            // A merge's: its rows have their turn later.
            if here.name.log.is_some() {
                return Ok(());
            }
            if filter.needs_look() && filter.look(queue, &here)?.is_none() {
                return Ok(());
            }
            match queue.take(&here) {
                Ok(Taken::Claim(claim)) if V::MAKES_DUE && round.has_had(&claim, &self.instants) => return Ok(()),
                Ok(Taken::Claim(claim)) => {
                    self.decide();
                    match self.verb.entry(queue, *claim, self.decision, &mut self.events) {
                        Ok(()) => self.counts.done += 1,
                        Err(error) => faults.add(&here.name.id, &error),
                    }
                    return Ok(());
                }
                Ok(Taken::Contended) => {
                    self.counts.in_hand += 1;
                    if round.hands.len() < HANDS_MAX {
                        round.hands.insert(here.name.id.clone());
                    }
                    if self.counts.in_hand_ids.len() < TOLD_MAX {
                        self.counts.in_hand_ids.push(here.name.id);
                    }
                    return Ok(());
                }
                Ok(Taken::Gone | Taken::Head(_)) => spot = queue.locate(&here.name.id)?,
                Ok(Taken::Corrupt { why }) => {
                    warning!("{}: {}: {why}; moved to corrupt/", queue.name(), here.name);
                    self.counts.refused += 1;
                    return Ok(());
                }
                Err(error) => {
                    faults.add(&here.name.id, &error);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The next entry is made due after the one before it.
    pub(super) fn decide(&mut self) {
        if V::MAKES_DUE {
            self.decision.at = self.instants.next();
        }
    }

    fn corrupt(&mut self, queue: &SpoolQueue, file: &Corrupt) -> anyhow::Result<()> {
        self.decide();
        match self.verb.corrupt(queue, file, self.decision, &mut self.events)? {
            Done::Yes => self.counts.done += 1,
            Done::No => {}
            Done::Refused => self.counts.refused += 1,
        }
        Ok(())
    }
}

/// What is acted on in one queue.
struct Round<'r> {
    filter: &'r Filter,
    states: &'r [State],
    turn: Met,
    /// What was met in a worker's hand.
    hands: HashSet<EntryId>,
}

/// When an entry is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Met {
    /// By the first look.
    First,
    /// By a later look of the first pass, which does not meet again what kept its name.
    Later,
    /// By the second pass.
    Again,
}

impl Round<'_> {
    /// Whether an entry has had its turn: it kept its name, or a run has tried it since.
    /// An entry in a worker's hand has had no turn.
    fn has_had(&self, claim: &SpoolClaim<'_>, instants: &Instants) -> bool {
        let Spot { state, name } = claim.spot();
        let kept = self.turn == Met::Again && *state == State::Ready && (name.at || name.due <= instants.began());
        let tried = self.turn > Met::First && instants.saw(claim.last_attempt());
        (kept || tried) && self.hands.len() < HANDS_MAX && !self.hands.contains(&name.id)
    }
}

/// What was done. The fields are those of `--json`.
#[derive(Debug, Serialize)]
pub struct ActionCounts {
    action: &'static str,
    /// The same, of an entry that it was done to.
    #[serde(skip)]
    past: &'static str,
    /// Entries that it was done to.
    pub(super) done: u64,
    /// Left alone, because they were in a worker's hand.
    pub(super) in_hand: u64,
    /// The first of those.
    pub(super) in_hand_ids: Vec<EntryId>,
    /// Cannot be read, or not queued again as they are; why was reported.
    refused: u64,
    /// It could not be done; why was reported.
    pub(super) faults: u64,
}

impl ActionCounts {
    /// Nothing was done yet.
    pub fn new<V: Verb>() -> ActionCounts {
        let (action, past) = (V::NAME, V::DONE);
        ActionCounts { action, past, done: 0, in_hand: 0, in_hand_ids: Vec::new(), refused: 0, faults: 0 }
    }

    /// Prints it, as JSON or for a person; 1 where nothing was done to entries that were `named` by their ids.
    pub fn tell(&self, json: bool, named: bool) -> anyhow::Result<Exit> {
        let ActionCounts { done, in_hand, refused, faults, .. } = *self;
        let missing = done + in_hand + refused + faults == 0;
        if json {
            print(&Page::json(self)?)?;
        } else {
            let mut text = match (missing, done) {
                (true, _) => format!("no such entry is there to {}", self.action),
                (false, 1) => format!("1 entry {}", self.past),
                (false, n) => format!("{n} entries {}", self.past),
            };
            if in_hand > 0 {
                let ids: Vec<&str> = self.in_hand_ids.iter().take(3).map(EntryId::as_str).collect();
                let more = if in_hand > 3 { ", …" } else { "" };
                text.push_str(&format!(
                    "; left alone, for a worker has it in hand: {in_hand} ({}{more})",
                    ids.join(", ")
                ));
            }
            print(&Page::of(text))?;
        }
        let missing_ids = missing && named;
        let statuses = [
            (faults > 0, Exit::IoErr),
            (refused > 0, Exit::DataErr),
            (in_hand > 0, Exit::TempFail),
            (missing_ids, Exit::Attention),
        ];
        Ok(statuses.into_iter().find(|(holds, _)| *holds).map_or(Exit::Ok, |(_, exit)| exit))
    }
}
