//! What matches a selection: of entries, of files in corrupt/, of mail in `drop/`, of rows that a run wrote.

use super::glob::glob;
use crate::model::{Address, EntryId, Micros};
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::spool::brief::Brief;
use crate::spool::corrupt::{Corrupt, label};
use crate::spool::find::Seen;
use crate::spool::names::{EntryName, Spot, State};
use crate::spool::row::Row;
use crate::sys::output::warning;

/// A selection that was understood.
#[derive(Debug)]
pub struct Filter {
    /// What was given as ids, also what is none: files in corrupt/ have any name.
    pub(super) names: Vec<String>,
    pub ids: Vec<EntryId>,
    pub(super) job: Option<String>,
    pub(super) sender: Option<Option<Address>>,
    pub(super) recipient: Option<String>,
    pub(super) reason: Option<String>,
    /// Queued at this instant or later, and before that one.
    pub(super) since: Option<Micros>,
    pub(super) until: Option<Micros>,
}

impl Filter {
    /// Whether single entries were named.
    pub fn names_some(&self) -> bool {
        !self.names.is_empty()
    }

    /// Whether everything is meant.
    pub fn is_open(&self) -> bool {
        !self.names_some() && self.job.is_none() && !self.needs_look()
    }

    /// Passes over what is queued from now on.
    pub fn stop_at(&mut self, now: Micros) {
        self.until = Some(self.until.map_or(now, |until| until.min(now)));
    }

    /// Whether an entry's file has to be read to know.
    pub fn needs_look(&self) -> bool {
        let Filter { sender, recipient, reason, since, until, .. } = self;
        sender.is_some() || recipient.is_some() || reason.is_some() || since.is_some() || until.is_some()
    }

    /// Whether it is an entry of the job that was asked for.
    pub fn matches_job(&self, id: &EntryId) -> bool {
        self.job.as_deref().is_none_or(|job| id.job().is_some_and(|(of, _)| of == job))
    }

    /// The places of the entries that were named and are `wanted`, if they are in `states` and match by their names. Each is
    /// looked up when its turn comes.
    pub fn named_spots<'f>(
        &'f self,
        queue: &'f SpoolQueue,
        states: &'f [State],
        wanted: &'f dyn Fn(&EntryId) -> bool,
    ) -> impl Iterator<Item = Result<Spot, QueueError>> + 'f {
        let ids = self.ids.iter().filter(move |id| self.matches_job(id) && wanted(id));
        let spots = ids.filter_map(move |id| queue.locate(id).transpose());
        spots.filter(move |spot| spot.as_ref().map_or(true, |spot| states.contains(&spot.state)))
    }

    /// Shows `each` the place of every entry in `states` whose name matches, until it answers `false`. Those that were
    /// named are looked up by their ids.
    pub fn each_spot(
        &self,
        queue: &SpoolQueue,
        states: &[State],
        each: &mut dyn FnMut(Spot) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        if self.names_some() {
            for spot in self.named_spots(queue, states, &|_| true) {
                if !each(spot?)? {
                    break;
                }
            }
            return Ok(());
        }
        let mut outcome = Ok(true);
        for &state in states {
            queue.each_name(state, &mut |name| {
                if self.matches_job(&name.id) {
                    outcome = each(Spot { state, name });
                }
                matches!(outcome, Ok(true))
            })?;
            if !matches!(outcome, Ok(true)) {
                break;
            }
        }
        outcome.map(|_| ())
    }

    /// Looks at an entry; `None` if it does not match, or is not there any more. One that cannot be read is said.
    pub fn look(&self, queue: &SpoolQueue, spot: &Spot) -> Result<Option<Seen>, QueueError> {
        let seen = match queue.look(spot) {
            Ok(Some(seen)) => seen,
            Ok(None) => return Ok(None),
            Err(error @ QueueError::Corrupt { .. }) => {
                warning!("{error}; see 'bulkmailer check'");
                return Ok(None);
            }
            // One that cannot be opened keeps nobody from the others.
            Err(error) => {
                warning!("{error}");
                return Ok(None);
            }
        };
        let brief = Brief::of(&seen.envelope, seen.extent);
        let matches = self.matches(&brief) && self.matches_reason(queue, &seen.envelope.id, brief.recipients.len())?;
        Ok(matches.then_some(seen))
    }

    /// Whether its head matches.
    pub fn matches(&self, brief: &Brief<'_>) -> bool {
        self.matches_addresses(brief) && self.matches_time(brief.submitted)
    }

    fn matches_addresses(&self, brief: &Brief<'_>) -> bool {
        let text = |sender: &Option<Address>| sender.as_ref().map_or("", Address::as_str) == brief.sender;
        let sender = self.sender.as_ref().is_none_or(text);
        let recipient = self.recipient.as_ref();
        sender && recipient.is_none_or(|pattern| brief.recipients.iter().any(|to| glob(pattern, to)))
    }

    /// Whether mail in drop/ matches that is known by `names`, was put there at `since`, and will not be taken up for `why`.
    /// Its own word for when it was submitted does not count.
    pub fn matches_dropped(
        &self,
        names: &[String],
        brief: Option<&Brief<'_>>,
        since: Micros,
        why: Option<&str>,
    ) -> bool {
        let named = !self.names_some() || self.names.iter().any(|text| names.contains(text));
        let addresses = match brief {
            Some(brief) => self.matches_addresses(brief),
            None => self.sender.is_none() && self.recipient.is_none(),
        };
        let why = why.unwrap_or_default().to_lowercase();
        let reason = self.reason.as_ref().is_none_or(|text| why.contains(text));
        named && self.job.is_none() && addresses && reason && self.matches_time(since)
    }

    /// Whether an entry matches of which no more is known than its row.
    pub fn matches_row(&self, row: &Row<'_>) -> bool {
        let named = !self.names_some() || self.names.iter().any(|name| *name == row.id);
        let job = self
            .job
            .as_deref()
            .is_none_or(|job| row.id.parse().is_ok_and(|id: EntryId| id.job().is_some_and(|(of, _)| of == job)));
        let sender =
            self.sender.as_ref().is_none_or(|sender| sender.as_ref().map_or("", Address::as_str) == row.sender);
        let recipient = self.recipient.as_ref();
        let recipient = recipient.is_none_or(|p| row.recipients.iter().any(|to| glob(p, to)));
        let why = row.reason.as_deref().unwrap_or_default().to_lowercase();
        let reason = self.reason.as_ref().is_none_or(|text| why.contains(text));
        let time = self.matches_time(row.submitted.0);
        named && job && sender && recipient && reason && time
    }

    /// Whether recipients were named.
    pub fn names_recipient(&self) -> bool {
        self.recipient.is_some()
    }

    /// Whether a recipient matches of an entry that does.
    pub fn matches_recipient(&self, to: &str) -> bool {
        self.recipient.as_ref().is_none_or(|pattern| glob(pattern, to))
    }

    /// Whether the reason of a row's last attempt matches.
    pub fn matches_why(&self, why: &str) -> bool {
        self.reason.as_ref().is_none_or(|text| why.to_lowercase().contains(text))
    }

    fn matches_time(&self, queued: Micros) -> bool {
        self.since.is_none_or(|since| queued >= since) && self.until.is_none_or(|until| queued < until)
    }

    /// Whether a reason of its last attempt matches, of an entry with so many recipients.
    pub fn matches_reason(&self, queue: &SpoolQueue, id: &EntryId, recipients: usize) -> Result<bool, QueueError> {
        let Some(text) = &self.reason else { return Ok(true) };
        // An attempt has a line for each of its groups. One without reasons has replies alone.
        let (mut number, mut found) = (0, false);
        queue.history(id, recipients, &mut |attempt| {
            if attempt.results.iter().all(|result| result.reason.is_none()) {
                return;
            }
            if attempt.attempt != number {
                (number, found) = (attempt.attempt, false);
            }
            let reasons = attempt.results.iter().filter_map(|result| result.reason.as_ref());
            found |= reasons.map(|reason| reason.text.to_lowercase()).any(|reason| reason.contains(text));
        })?;
        Ok(found)
    }

    /// Shows `each` every file in corrupt/ that matches, until it answers `false`.
    pub fn each_corrupt(
        &self,
        queue: &SpoolQueue,
        each: &mut dyn FnMut(Corrupt) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut outcome = Ok(true);
        queue.each_corrupt(&mut |name| {
            let named = !self.names_some() || self.names.iter().any(|text| *text == name || text == label(&name));
            let job = EntryName::parse(&name).map_or(self.job.is_none(), |name| self.matches_job(&name.id));
            if named && job {
                outcome = match queue.look_corrupt(&name) {
                    Ok(Some(corrupt)) if self.matches_corrupt(&corrupt) => each(corrupt),
                    Ok(Some(_) | None) => Ok(true),
                    Err(error) => Err(error.into()),
                };
            }
            matches!(outcome, Ok(true))
        })?;
        outcome.map(|_| ())
    }

    fn matches_corrupt(&self, corrupt: &Corrupt) -> bool {
        let envelope = match &corrupt.envelope {
            Some((envelope, extent)) => self.matches(&Brief::of(envelope, *extent)),
            None => self.sender.is_none() && self.recipient.is_none() && self.matches_time(corrupt.since),
        };
        let why = corrupt.why.as_deref().unwrap_or_default().to_lowercase();
        envelope && self.reason.as_ref().is_none_or(|text| why.contains(text))
    }
}
