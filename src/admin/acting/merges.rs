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
use crate::model::EntryId;
use crate::queue::{Claim, QueueError};
use crate::spool::SpoolQueue;
use crate::spool::brief::Brief;
use crate::spool::merge::claim::MergeClaim;
use crate::spool::merge::log::replay::{RowState, Standing};
use crate::spool::merge::wanted::Reach;
use crate::spool::names::State;

impl<V: Verb> Act<'_, V> {
    /// Acts on what matches of the merges in one queue.
    pub fn merges(&mut self, queue: &SpoolQueue, filter: &Filter, places: &[Place]) -> Result<(), QueueError> {
        let (mut faults, states) = (Faults::default(), places.iter().filter_map(|place| place.state()));
        let states: Vec<State> = states.collect();
        let again = self.verb.again();
        let stands = |row: &RowState| match row.standing {
            Standing::Open => states.contains(&State::Ready),
            Standing::Held => states.contains(&State::Hold),
            Standing::Failed | Standing::Suppressed => states.contains(&State::Failed),
            Standing::Delivered | Standing::Removed => false,
        } || (again && row.standing == Standing::Delivered);
        let mut each = |id: &EntryId, rows: &crate::spool::merge::log::replay::Rows| {
            let meant = |row: &RowState| stands(row) && filter.matches_why(reason(row));
            if rows.iter().any(|(_, row)| meant(row)) {
                self.rows(queue, id, filter, &meant).unwrap_or_else(|error| faults.add(id, &error));
            }
            Ok(())
        };
        if !filter.names_some() {
            queue.each_entry_with_rows(&|id| filter.matches_job(id), &mut each)?;
        }
        for id in filter.ids.iter().filter(|id| filter.matches_job(id)) {
            if let Some(rows) = queue.entry_with_rows(id)? {
                each(id, &rows)?;
            }
        }
        self.counts.faults += faults.end(queue.name());
        Ok(())
    }

    /// Acts on those rows of an entry that are `meant`.
    fn rows(
        &mut self,
        queue: &SpoolQueue,
        id: &EntryId,
        filter: &Filter,
        meant: &dyn Fn(&RowState) -> bool,
    ) -> Result<(), QueueError> {
        let wanted = queue.want(id)?;
        match wanted.claim(id)? {
            Reach::Claim(claim) => {
                let rows = matching(&claim, filter, meant);
                if rows.is_empty() {
                    return Ok(());
                }
                self.decide();
                self.verb.rows(queue, *claim, &rows, self.decision, &mut self.events)?;
                self.counts.done += 1;
            }
            Reach::InHand => {
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

fn matching(claim: &MergeClaim<'_>, filter: &Filter, meant: &dyn Fn(&RowState) -> bool) -> Vec<u16> {
    let envelope = claim.envelope();
    // A head is an envelope alone.
    let extent = crate::spool::entry::Extent { start: 0, len: 0, apart: true, rows: None };
    if !filter.matches(&Brief::of(envelope, extent)) {
        return Vec::new();
    }
    claim.rows_that(|row, state| {
        meant(state) && envelope.recipients.get(row).is_some_and(|to| filter.matches_recipient(to.as_str()))
    })
}

fn reason(row: &RowState) -> &str {
    row.reason.as_ref().map_or("", |reason| reason.text.as_str())
}
