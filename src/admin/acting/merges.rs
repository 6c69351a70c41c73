//! A command acts on the rows of merges: on those that match by their addresses and reasons, and that stand where it acts.
//!
//! What holds: a row that is open counts as lying in `ready/`, a held one in `hold/`, one that failed or is suppressed in
//! `failed/`. An entry counts once, however many of its rows it was. What was done to one is on disk when the next is
//! reached for.

use super::act::{Act, TOLD_MAX};
use super::faults::Faults;
use super::verb::Verb;
use crate::admin::selecting::filter::Filter;
use crate::admin::selecting::place::Place;
use crate::events::EventLine;
use crate::model::{EntryId, Envelope};
use crate::queue::{Claim, QueueError};
use crate::spool::SpoolQueue;
use crate::spool::brief::Brief;
use crate::spool::entry::Extent;
use crate::spool::merge::claim::{LOST, MergeClaim};
use crate::spool::merge::log::replay::{RowState, Rows, Standing};
use crate::spool::merge::wanted::Reach;
use crate::spool::names::State;
use crate::sys::output::warning;

/// The rows that a command means.
#[derive(Debug)]
pub struct Meant<'m> {
    filter: &'m Filter,
    states: Vec<State>,
    /// Rows that have it are sent again: those that are named by their recipients, and those of which it may be lost.
    again: bool,
    makes_due: bool,
}

impl<'m> Meant<'m> {
    /// What `verb` means of what matches in these places.
    pub fn of<V: Verb>(verb: &V, filter: &'m Filter, places: &[Place]) -> Meant<'m> {
        let states = places.iter().filter_map(|place| place.state()).collect();
        Meant { filter, states, again: verb.again(), makes_due: V::MAKES_DUE }
    }

    fn has(&self, row: &RowState) -> bool {
        let reason = row.reason.as_ref().map_or("", |reason| reason.text.as_str());
        let stands = match row.standing {
            Standing::Open => self.states.contains(&State::Ready),
            Standing::Held => self.states.contains(&State::Hold) && (self.again || !self.makes_due || reason != LOST),
            Standing::Failed | Standing::Suppressed => self.states.contains(&State::Failed),
            Standing::Delivered => self.again && self.filter.names_recipient(),
            Standing::Removed => false,
        };
        stands && self.filter.matches_why(reason)
    }

    /// The rows of an entry that are meant, and whose envelope matches.
    fn matching(&self, claim: &MergeClaim<'_>) -> Vec<u16> {
        let envelope = claim.envelope();
        if !self.filter.matches(&brief(envelope)) {
            return Vec::new();
        }
        let to = |row: usize| envelope.recipients.get(row).map_or("", |to| to.as_str());
        claim.rows_that(|row, state| self.has(state) && self.filter.matches_recipient(to(row)))
    }

    /// Shows `each` entry that may have such rows, as far as its log tells.
    fn each(
        &self,
        queue: &SpoolQueue,
        each: &mut dyn FnMut(&EntryId) -> Result<(), QueueError>,
    ) -> Result<(), QueueError> {
        let filter = self.filter;
        let mut look = |id: &EntryId, rows: &Rows| {
            if rows.iter().any(|(_, row)| self.has(row)) { each(id) } else { Ok(()) }
        };
        if !filter.names_some() {
            return queue.each_entry_with_rows(&|id| filter.matches_job(id), &mut look);
        }
        for id in filter.ids.iter().filter(|id| filter.matches_job(id)) {
            if let Some(rows) = queue.entry_with_rows(id)? {
                look(id, &rows)?;
            }
        }
        Ok(())
    }

    /// The entries that have such rows: their ids, and how many of their rows are meant.
    pub fn entries(&self, queue: &SpoolQueue) -> Result<Vec<(EntryId, u64)>, QueueError> {
        let mut found = Vec::new();
        self.each(queue, &mut |id| {
            let Some(envelope) = envelope_of(queue, id)? else { return Ok(()) };
            let Some(rows) = queue.entry_with_rows(id)? else { return Ok(()) };
            if !self.filter.matches(&brief(&envelope)) {
                return Ok(());
            }
            let to = |row: u16| envelope.recipients.get(usize::from(row)).map_or("", |to| to.as_str());
            let meant = rows.iter().filter(|(row, state)| self.has(state) && self.filter.matches_recipient(to(*row)));
            let count = meant.count() as u64;
            found.extend((count > 0).then(|| (id.clone(), count)));
            Ok(())
        })?;
        Ok(found)
    }
}

impl<V: Verb> Act<'_, V> {
    /// Acts on what matches of the merges in one queue.
    pub fn merges(&mut self, queue: &SpoolQueue, filter: &Filter, places: &[Place]) -> Result<(), QueueError> {
        let meant = Meant::of(self.verb, filter, places);
        let mut faults = Faults::default();
        meant.each(queue, &mut |id| {
            self.rows(queue, id, &meant).unwrap_or_else(|error| faults.add(id, &error));
            Ok(())
        })?;
        self.counts.faults += faults.end(queue.name());
        Ok(())
    }

    /// Acts on those rows of an entry that are `meant`.
    fn rows(&mut self, queue: &SpoolQueue, id: &EntryId, meant: &Meant<'_>) -> Result<(), QueueError> {
        let wanted = queue.want(id)?;
        let mut reach = wanted.claim(id)?;
        if let Reach::Corrupt { name, why } = &reach {
            warning!("{}: {name}: {why}; moved to corrupt/, and its rows get a new head", queue.name());
            reach = wanted.claim(id)?;
        }
        match reach {
            Reach::Claim(claim) => {
                let rows = meant.matching(&claim);
                if rows.is_empty() {
                    return Ok(());
                }
                self.decide();
                // No worker may come to it any more, and the last may have been killed.
                if let Some(summary) = claim.row_summary() {
                    let line = EventLine::rows(self.decision.at, queue.name(), claim.envelope(), summary);
                    self.events.write(self.decision.at, &[line]);
                }
                self.verb.rows(queue, *claim, &rows, self.decision, &mut self.events)?;
                self.counts.done += 1;
            }
            // Twice.
            Reach::Corrupt { .. } | Reach::InHand => {
                self.counts.in_hand += 1;
                if self.counts.in_hand_ids.len() < TOLD_MAX {
                    self.counts.in_hand_ids.push(id.clone());
                }
            }
            Reach::Gone => {}
        }
        Ok(())
    }
}

/// A head, as a filter sees it: an envelope alone.
fn brief(envelope: &Envelope) -> Brief<'_> {
    Brief::of(envelope, Extent { start: 0, len: 0, apart: true, rows: None })
}

fn envelope_of(queue: &SpoolQueue, id: &EntryId) -> Result<Option<Envelope>, QueueError> {
    let seen = match queue.locate(id)?.map(|spot| queue.look(&spot)) {
        // It gets another head when its turn comes.
        None | Some(Err(QueueError::Corrupt { .. })) => None,
        Some(seen) => seen?,
    };
    let seen = seen.map_or_else(|| queue.look_without_head(id), |seen| Ok(Some(seen)));
    Ok(seen?.map(|seen| seen.envelope))
}
