//! Whether a refusal is the entry's fault or the sink's.
//!
//! A status that says "not now" may mean either. Such an answer begins a *doubt*: the worker keeps the claim and settles
//! nothing, and the queue probes on, one hand-over each `probe_every` for all its workers together, first with senders and
//! domains that were not tried yet. A delivery that began after the doubt did shows that the sink works: the doubt is over,
//! and what was kept is deferred as usual. After [`ENOUGH`] refusals, or when nothing else is due (the supervisor sees that
//! every worker waits), the sink is down: what was kept is let go untouched.
//!
//! What was in flight when a doubt began counts as one refusal with the first: it tells nothing more.
//!
//! An earlier run's refusals are known by the ids that it noted. A run that follows begins in doubt, tries others first,
//! and holds what was noted for longer than `expire` without anything else being taken.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::board::{ID_WORDS, WHY_WORDS, get_text, put_text};
use super::{Hand, Worker};
use crate::model::{Address, EntryId, Reason, Verdict};
use crate::queue::{Claim, Queue, Which};
use crate::sys::clock;
use crate::transport::Transport;

/// So many refusals one after another, and nothing delivered: the sink is down.
pub const ENOUGH: usize = 10;
/// So many entries are looked at for a sender and a domain that were not tried yet.
const LOOKED_AT: usize = 1_000;
/// How late a worker may notice that a doubt is over, or that it is its turn.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// The refusals that are remembered; later ones take the place of the first.
const REFUSED_MAX: usize = 64;
/// A refusal: of which doubt, whether it counts, the sender, the domain, the entry's id.
const REFUSED_WORDS: usize = 4 + ID_WORDS;

// The words: since when there is doubt, when the next probe may begin, when the last delivery began, the first reason, how
// many refusals there were, the refusals.
const SINCE: usize = 0;
const NEXT: usize = 1;
const DELIVERED: usize = 2;
const WHY: usize = 3;
const COUNT: usize = WHY + WHY_WORDS;
const REFUSED: usize = COUNT + 1;
pub(super) const WORDS: usize = REFUSED + REFUSED_MAX * REFUSED_WORDS;

/// Entries that earlier runs were refused, and whether each was so for longer than `expire`.
pub type Noted = HashMap<String, bool>;

/// A doubt, by the instant that it began at on the steady clock.
pub type Since = u64;

/// The part of the board that all workers of a queue share about this.
#[derive(Clone, Copy, Debug)]
pub struct Doubts<'b> {
    pub(super) words: &'b [AtomicU64],
}

/// Whom an entry is from and to, as far as it tells probes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    sender: u64,
    domain: u64,
}

impl Mark {
    fn of<C: Claim>(claim: &C, recipient: Option<&usize>) -> Mark {
        let hash = |text: &str| {
            let mut hasher = DefaultHasher::new();
            text.to_ascii_lowercase().hash(&mut hasher);
            hasher.finish()
        };
        let envelope = claim.envelope();
        let to = recipient.and_then(|&i| envelope.recipients.get(i));
        Mark { sender: hash(envelope.sender_text()), domain: hash(to.map_or("", Address::domain)) }
    }
}

impl Doubts<'_> {
    /// The doubt that there is.
    pub fn since(&self) -> Option<Since> {
        Some(self.words[SINCE].load(Ordering::Acquire)).filter(|&since| since != 0)
    }

    /// Begins a doubt, if there is none.
    pub fn begin(&self) -> (Since, bool) {
        let now = clock::steady();
        match self.words[SINCE].compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => (now, true),
            Err(since) => (since, false),
        }
    }

    /// What was in doubt is dropped; only while no worker lives.
    pub(super) fn end(&self) {
        self.words[SINCE].store(0, Ordering::Release);
    }

    /// A hand-over that began at `began` delivered.
    pub(super) fn delivered(&self, began: u64) {
        self.words[DELIVERED].fetch_max(began, Ordering::AcqRel);
        if let Some(since) = self.since().filter(|&since| began >= since) {
            let _ = self.words[SINCE].compare_exchange(since, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// A hand-over of `id` that began at `began` was refused for now. The doubt that it belongs to; `None` if one that began
    /// later has delivered, so that the refusal is the entry's own.
    fn refused(&self, began: u64, mark: Mark, id: &EntryId, why: &str) -> Option<Since> {
        if self.words[DELIVERED].load(Ordering::Acquire) > began {
            return None;
        }
        let (since, first) = self.begin();
        let at = self.words[COUNT].fetch_add(1, Ordering::AcqRel) as usize % REFUSED_MAX;
        let words = self.refusal(at);
        put_text(&words[4..], id.as_str());
        words[1].store(u64::from(first || began >= since), Ordering::Relaxed);
        words[2].store(mark.sender, Ordering::Relaxed);
        words[3].store(mark.domain, Ordering::Relaxed);
        words[0].store(since, Ordering::Release);
        if self.count(since) <= 1 {
            put_text(&self.words[WHY..COUNT], why);
        }
        Some(since)
    }

    fn refusal(&self, at: usize) -> &[AtomicU64] {
        &self.words[REFUSED + at * REFUSED_WORDS..][..REFUSED_WORDS]
    }

    fn refusals(&self, since: Since) -> impl Iterator<Item = &[AtomicU64]> {
        let all = (0..REFUSED_MAX).map(|at| self.refusal(at));
        all.filter(move |words| words[0].load(Ordering::Acquire) == since)
    }

    fn count(&self, since: Since) -> usize {
        self.refusals(since).filter(|words| words[1].load(Ordering::Relaxed) == 1).count()
    }

    fn marks(&self, since: Since) -> Vec<Mark> {
        let word = |words: &[AtomicU64], at: usize| words[at].load(Ordering::Relaxed);
        self.refusals(since).map(|words| Mark { sender: word(words, 2), domain: word(words, 3) }).collect()
    }

    /// The entries that were refused since the doubt began.
    pub fn ids(&self) -> Vec<String> {
        self.since().into_iter().flat_map(|since| self.refusals(since)).map(|words| get_text(&words[4..])).collect()
    }

    /// What is to be said about a sink that takes nothing.
    pub fn why(&self) -> String {
        format!("it takes nothing: {}", get_text(&self.words[WHY..COUNT]))
    }

    /// Takes the turn of the next probe, if its time has come; the one after it has its turn `every` later.
    pub(super) fn take_turn(&self, every: Duration) -> bool {
        let (now, next) = (clock::steady(), self.words[NEXT].load(Ordering::Acquire));
        let later = now.saturating_add(u64::try_from(every.as_micros()).unwrap_or(u64::MAX));
        now >= next && self.words[NEXT].compare_exchange(next, later, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Nothing was handed over: the turn is anybody's.
    fn return_turn(&self) {
        self.words[NEXT].store(0, Ordering::Release);
    }
}

/// A claim in a worker's hand of which nobody knows yet whether it is to blame for its refusal.
pub struct Kept<C> {
    pub(super) hand: Hand<C>,
    pub(super) group: Vec<usize>,
    pub(super) reason: Reason,
    pub(super) took: Duration,
    pub(super) since: Since,
}

impl<Q: Queue> Worker<'_, Q> {
    /// Tells the others of a refusal that began at `began`; `None` if the entry alone is to blame.
    pub(super) fn refused(&self, claim: &Q::Claim, group: &[usize], began: u64, reason: &Reason) -> Option<Since> {
        let doubts = self.board.doubts();
        let since = doubts.refused(began, Mark::of(claim, group.first()), claim.id(), &reason.text)?;
        if doubts.count(since) >= ENOUGH {
            self.board.sink_down(&doubts.why());
        }
        Some(since)
    }

    pub(super) fn keep(&mut self, kept: Kept<Q::Claim>) {
        self.kept.push(kept);
        self.slot.keeps(self.kept.len());
        self.slot.idle();
    }

    /// Goes on with what was kept in a doubt that is over: the refusal is a deferral.
    pub(super) fn settle_kept(&mut self, transport: &mut dyn Transport) {
        let now = self.board.doubts().since();
        if self.kept.is_empty() || self.kept.iter().all(|kept| Some(kept.since) == now) {
            return;
        }
        let (still, over) = std::mem::take(&mut self.kept).into_iter().partition(|kept| Some(kept.since) == now);
        self.kept = still;
        let over: Vec<Kept<Q::Claim>> = over;
        for Kept { mut hand, group, reason, took, .. } in over {
            let verdicts: Vec<Verdict> = group
                .iter()
                .map(|_| hand.attempt.judge(Verdict::Deferred(reason.clone()), self.policy.on_crash))
                .collect();
            match self.record(&mut hand.claim, &group, &verdicts, &mut hand.attempt, true, took) {
                Ok(()) => self.go_on(hand, transport),
                Err(error) => self.stick(hand.claim.id(), &error),
            }
        }
        self.slot.keeps(self.kept.len());
    }

    /// Waits a moment if it is not our turn to probe.
    pub(super) fn may_probe(&mut self) -> bool {
        let ours = self.board.doubts().take_turn(self.policy.probe_every);
        if !ours {
            self.rest();
        }
        ours
    }

    fn rest(&mut self) {
        self.slot.idle();
        // Whatever ends the wait, the caller looks again.
        let _ = self.signals.wait(None, PAUSE);
        self.stopped |= self.queue.is_stopped();
    }

    /// Nothing else is due: waits until the others' probes end the doubt, or all wait and the sink is called down.
    pub(super) fn wait_for_evidence(&mut self) {
        self.slot.waits(self.kept.first().map(|kept| kept.since));
        while !self.must_stop() && self.kept.iter().all(|kept| self.board.doubts().since() == Some(kept.since)) {
            self.rest();
        }
        self.slot.waits(None);
    }

    /// The next entry to probe with: of those that are looked at, the one that has least in common with what was refused.
    pub(super) fn candidate(&mut self) -> Option<Q::Claim> {
        let doubts = self.board.doubts();
        let marks = doubts.since().map(|since| doubts.marks(since)).unwrap_or_default();
        let mut best: Option<(u8, Q::Claim)> = None;
        for _ in 0..LOOKED_AT {
            let Some(claim) = self.next(Which::Any) else { break };
            let mark = Mark::of(&claim, claim.open().first());
            let new = |same: fn(&Mark, &Mark) -> bool| u8::from(!marks.iter().any(|other| same(&mark, other)));
            let merit = match self.noted.get(claim.id().as_str()) {
                Some(true) => {
                    let why = "it was refused for now, and nothing else was taken, for longer than retry.expire";
                    self.hold(claim, Verdict::Deferred(Reason::new(why)));
                    continue;
                }
                Some(false) => 0,
                None => 1 + new(|a, b| a.sender == b.sender) + new(|a, b| a.domain == b.domain),
            };
            if best.as_ref().is_none_or(|(most, _)| merit > *most) {
                best = Some((merit, claim));
            }
            if merit == 3 {
                break;
            }
        }
        if best.is_none() {
            doubts.return_turn();
        }
        best.map(|(_, claim)| claim)
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::Board;
    use super::*;
    use crate::model::Micros;

    #[test]
    fn only_a_delivery_that_began_later_ends_a_doubt() {
        let board = Board::new(1).expect("shared memory");
        let doubts = board.doubts();
        let (mark, id) = (Mark { sender: 1, domain: 2 }, EntryId::new(Micros(9)));
        let refuse = |began| doubts.refused(began, mark, &id, "busy");
        let early = clock::steady();
        let since = refuse(early).expect("a doubt");
        // What was in flight with it tells nothing more.
        for _ in 0..2 * ENOUGH {
            assert_eq!(refuse(early), Some(since));
        }
        assert_eq!((doubts.count(since), doubts.marks(since)[0]), (1, mark));
        assert!(doubts.ids().iter().all(|refused| refused == id.as_str()) && doubts.why().ends_with(": busy"));
        doubts.delivered(early);
        assert_eq!(doubts.since(), Some(since));
        let later = clock::steady();
        assert_eq!((refuse(later), doubts.count(since)), (Some(since), 2));
        doubts.delivered(later.max(since));
        assert_eq!((doubts.since(), refuse(early)), (None, None));
        assert!(doubts.ids().is_empty());
    }

    #[test]
    fn probes_take_turns() {
        let board = Board::new(1).expect("shared memory");
        let doubts = board.doubts();
        let hour = Duration::from_secs(3_600);
        assert!(doubts.take_turn(Duration::ZERO) && doubts.take_turn(hour) && !doubts.take_turn(hour));
        doubts.return_turn();
        assert!(doubts.take_turn(hour));
    }
}
