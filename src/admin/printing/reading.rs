//! Reading entries for a listing: by several threads, each of which looks at some entries and makes their text.
//!
//! Kept true: an entry that was not where its name was found is looked for once more, after the others. One that was shown
//! under a later name is not; one that was shown before, under an earlier name, may be shown twice.

use std::collections::HashSet;
use std::sync::Arc;

use super::entry::add_entry;
use crate::admin::selecting::filter::Filter;
use crate::model::EntryId;
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::spool::glimpse::HeadRoom;
use crate::spool::history::History;
use crate::spool::journals::Journals;
use crate::spool::names::{EntryName, Spot, State};
use crate::spool::row::Row;
use crate::sys::in_order::{Out, in_order};
use crate::sys::output::Page;

/// How many entries a thread reads at a time; fewer at first, so that the first lines are soon there.
const CHUNK: usize = 256;
const FIRST_CHUNK: usize = 32;
/// A text that is longer is printed before the next entry is read.
const PAGE: usize = 64 << 10;
/// The most entries that moved while the listing went on and are looked for again.
const MOVED_MAX: usize = 50_000;

/// How a listing is printed.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// As JSON lines.
    pub json: bool,
    /// In the order of due times, and not in that of the spool.
    pub by_due: bool,
}

/// What a listing reads.
pub struct Reading<'a> {
    pub queue: &'a SpoolQueue,
    pub filter: &'a Filter,
    pub form: Form,
}

/// Some entries in order, as they are printed.
#[derive(Default)]
pub struct Piece {
    pub page: Page,
    pub entries: u64,
    /// Of their messages.
    pub bytes: u64,
    /// What is said of those that cannot be read.
    pub warnings: Vec<String>,
    /// Those that matched and were read.
    shown: Vec<EntryId>,
    /// Those that are not there any more.
    moved: Vec<EntryId>,
    /// What ends the listing.
    pub failure: Option<anyhow::Error>,
}

/// Entries that are read together.
struct Chunk<'q> {
    spots: Vec<Spot>,
    journals: Arc<Journals<'q>>,
}

/// Entries that were not where their names had been found.
#[derive(Default)]
struct Moved {
    ids: HashSet<EntryId>,
    /// How many more there were.
    more: u64,
}

impl Moved {
    /// Takes note of those in `piece`, and that others were shown.
    fn note(&mut self, piece: &mut Piece) {
        for id in std::mem::take(&mut piece.moved) {
            if self.ids.len() < MOVED_MAX {
                self.ids.insert(id);
            } else {
                self.more += 1;
            }
        }
        if !self.ids.is_empty() {
            for id in &piece.shown {
                self.ids.remove(id);
            }
        }
    }

    /// Those that are not looked for again.
    fn closing(&self, queue: &str) -> Option<Piece> {
        let more = self.more;
        let text =
            format!("{queue}: {more} more entries left or moved meanwhile; those that moved are not in this list");
        (more > 0).then(|| Piece { warnings: vec![text], ..Piece::default() })
    }
}

/// Takes pieces until it returns `false`.
type Each<'e> = &'e mut dyn FnMut(Piece) -> anyhow::Result<bool>;

impl Reading<'_> {
    /// Shows `each` what there is in `states`, one after another.
    pub fn each(&self, states: &[State], each: Each<'_>) -> anyhow::Result<()> {
        if self.filter.names_some() {
            let mut moved = Moved::default();
            if self.named(states, &|_| true, each, &mut moved)? && !moved.ids.is_empty() {
                self.named(states, &|id| moved.ids.contains(id), each, &mut Moved::default())?;
            }
            return Ok(());
        }
        for &state in states {
            let mut moved = Moved::default();
            let wanted = |id: &EntryId| self.filter.matches_job(id);
            let going = if self.form.by_due {
                self.by_due(state, &wanted, each, &mut moved)?
            } else {
                self.as_they_come(state, each, &mut moved)?
            };
            if !going {
                break;
            }
            // An entry that was deferred since its name was read has another name now.
            let again = |id: &EntryId| moved.ids.contains(id);
            if !moved.ids.is_empty() && !self.by_due(state, &again, each, &mut Moved::default())? {
                break;
            }
            if let Some(piece) = moved.closing(self.queue.name())
                && !each(piece)?
            {
                break;
            }
        }
        Ok(())
    }

    /// Those that were named and are `wanted`, one after another: each is read as soon as it is found.
    fn named(
        &self,
        states: &[State],
        wanted: &dyn Fn(&EntryId) -> bool,
        each: Each<'_>,
        moved: &mut Moved,
    ) -> anyhow::Result<bool> {
        let spots = self.filter.named_spots(self.queue, states, wanted);
        let chunk = |spot| Chunk { spots: vec![spot], journals: Arc::new(Journals::of(self.queue)) };
        self.read(spots.map(|spot| spot.map(chunk)), each, moved)
    }

    fn by_due(
        &self,
        state: State,
        wanted: &(dyn Fn(&EntryId) -> bool + Sync),
        each: Each<'_>,
        moved: &mut Moved,
    ) -> anyhow::Result<bool> {
        let mut names = self.queue.by_due(state, wanted)?;
        let mut most = FIRST_CHUNK;
        let chunks = std::iter::from_fn(|| {
            let next = names.next_names(std::mem::replace(&mut most, CHUNK)).transpose()?;
            let spots = |names: Vec<EntryName>| names.into_iter().map(|name| Spot { state, name }).collect();
            Some(next.map(|(names, journals)| Chunk { spots: spots(names), journals }))
        });
        self.read(chunks, each, moved)
    }

    /// In the order of the spool, a folder after another.
    fn as_they_come(&self, state: State, each: Each<'_>, moved: &mut Moved) -> anyhow::Result<bool> {
        let mut folders = self.queue.entry_folders(state)?.into_iter();
        let mut names = None;
        let mut most = FIRST_CHUNK;
        let chunks = std::iter::from_fn(|| {
            loop {
                let mut open = match names.take() {
                    Some(names) => names,
                    None => match self.queue.names_of(&folders.next()?) {
                        Ok(names) => names,
                        Err(error) => return Some(Err(error)),
                    },
                };
                let mut spots = Vec::new();
                while spots.len() < most {
                    match open.next() {
                        Some(Ok(name)) if self.filter.matches_job(&name.id) => spots.push(Spot { state, name }),
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Some(Err(error)),
                        None => break,
                    }
                }
                if !spots.is_empty() {
                    names = Some(open);
                    most = CHUNK;
                    return Some(Ok(Chunk { spots, journals: Arc::new(Journals::of(self.queue)) }));
                }
            }
        });
        self.read(chunks, each, moved)
    }

    /// Reads the entries of all `chunks`, and notes those that have `moved`.
    fn read<'q>(
        &self,
        chunks: impl Iterator<Item = Result<Chunk<'q>, QueueError>>,
        each: Each<'_>,
        moved: &mut Moved,
    ) -> anyhow::Result<bool> {
        let worker = || {
            let mut room = HeadRoom::default();
            move |chunk: Chunk<'_>, out: Out<'_, Piece>| self.chunk(&chunk, &mut room, out)
        };
        in_order(chunks.map(|chunk| chunk.map_err(anyhow::Error::from)), worker, &mut |mut piece: Piece| {
            moved.note(&mut piece);
            each(piece)
        })
    }

    fn chunk(&self, chunk: &Chunk<'_>, room: &mut HeadRoom, out: Out<'_, Piece>) {
        let mut piece = Piece::default();
        for spot in &chunk.spots {
            if let Err(error) = self.entry(spot, &chunk.journals, room, &mut piece) {
                piece.failure = Some(error);
                break;
            }
            if piece.page.as_str().len() >= PAGE && !out(std::mem::take(&mut piece)) {
                return;
            }
        }
        out(piece);
    }

    /// Adds an entry to a piece, if it matches. One that cannot be opened or read keeps nobody from the others.
    fn entry(
        &self,
        spot: &Spot,
        journals: &Journals<'_>,
        room: &mut HeadRoom,
        piece: &mut Piece,
    ) -> anyhow::Result<()> {
        let EntryName { due, .. } = spot.name;
        let brief = match self.queue.glimpse(spot, room) {
            Ok(Some(brief)) => brief,
            Ok(None) => {
                piece.moved.push(spot.name.id.clone());
                return Ok(());
            }
            Err(error @ QueueError::Corrupt { .. }) => {
                piece.warnings.push(format!("{error}; see 'bulkmailer check'"));
                return Ok(());
            }
            Err(error) => {
                piece.warnings.push(error.to_string());
                return Ok(());
            }
        };
        if !self.filter.matches(&brief) {
            return Ok(());
        }
        // That which the head has: a damaged one may have another.
        let (id, recipients) = (brief.id.parse::<EntryId>()?, brief.recipients.len());
        if !self.filter.matches_reason(self.queue, &id, recipients)? {
            return Ok(());
        }
        let history = match journals.may_have(&id) {
            true => self.queue.history(&id, recipients, &mut |_| {})?,
            false => History::empty(recipients),
        };
        piece.shown.push(spot.name.id.clone());
        piece.entries += 1;
        piece.bytes += brief.extent.len;
        let row = Row::of(self.queue.name(), spot.state, due, &brief, &history);
        if self.form.json {
            piece.page.add_json(&row)?
        } else {
            add_entry(&mut piece.page, &row, "")
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Micros;

    #[test]
    fn what_was_shown_is_looked_for_no_more_and_what_there_is_no_room_for_is_counted() {
        let ids: Vec<EntryId> = (0..=MOVED_MAX as u64).map(|n| EntryId::new(Micros(n))).collect();
        let mut moved = Moved::default();
        moved.note(&mut Piece { moved: ids.clone(), ..Piece::default() });
        assert_eq!((moved.ids.len(), moved.more), (MOVED_MAX, 1));
        assert_eq!(moved.closing("q").map(|piece| piece.warnings.len()), Some(1));
        moved.note(&mut Piece { shown: ids[..9].to_vec(), ..Piece::default() });
        assert!(moved.ids.len() == MOVED_MAX - 9 && !moved.ids.contains(&ids[8]));
        assert!(Moved::default().closing("q").is_none());
    }
}
