//! Whether a refusal is the entry's fault, the sink's, or this host's.
//!
//! Three kinds of refusals do not show it: "not now" without a word about the entry; any reply to MAIL, which may concern
//! the sender or everybody; and words that blame this host, its account or its quota. The worker keeps such a claim with its
//! verdict and settles nothing. `evidence` collects what all workers were refused, and `judge` decides:
//! - A hand-over that began later is accepted: the refusals are the entries' own, and their verdicts stand.
//! - Everybody is refused alike: the sink is down, and the kept claims are released untouched. So a server that has cut this
//!   host off fails no mail.
//!
//! Meanwhile the run goes on, first with users, senders and domains that were not tried yet, so that a few messages delay
//! nobody. Where the sink may be down, all workers together hand over once each `probe_every`.
//!
//! An earlier run's refusals are known by the ids that it noted. A run that follows begins in doubt, tries others first,
//! and holds what was noted for longer than `expire` without anything else being taken.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::evidence::{Since, When};
use super::judge::{Judgement, Mark, Refusal};
use super::{Hand, Worker};
use crate::model::verdict::{Blame, Doubtful};
use crate::model::{Address, EntryId, Reason, Verdict};
use crate::policy::blame;
use crate::queue::{Claim, Queue, Which};
use crate::sys::clock;
use crate::transport::Transport;

/// Entries to look at for a user, a sender and a domain that were not tried yet: the first time, with twice as many after
/// each refusal, and the most.
const LOOKED_AT_FIRST: usize = 10;
const LOOKED_AT: usize = 1_000;
/// How late a worker may notice that a doubt is over, or that it is its turn.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// Entries that earlier runs were refused, and whether each was so for longer than `expire`.
pub type Noted = HashMap<String, bool>;

/// A claim in a worker's hand of which nobody knows yet whether it is to blame for its refusal.
pub struct Kept<C> {
    pub(super) hand: Hand<C>,
    pub(super) group: Vec<usize>,
    /// What it is for each of the group, if it is.
    pub(super) verdicts: Vec<Verdict>,
    pub(super) took: Duration,
    pub(super) doubt: Doubt,
}

/// A refusal that is in doubt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    since: Since,
    /// When it was answered, on the steady clock.
    at: u64,
    refusal: Refusal,
}

/// One group's refusal.
pub(super) struct Refused<'r> {
    pub group: &'r [usize],
    /// The envelope sender that was handed over.
    pub sender: Option<&'r Address>,
    /// When it was handed over, on the steady clock.
    pub began: u64,
}

impl<Q: Queue> Worker<'_, Q> {
    /// Tells the others of a refusal; `None` if the entry alone is to blame.
    pub(super) fn refused(&self, claim: &Q::Claim, refused: &Refused<'_>, doubtful: &Doubtful) -> Option<Doubt> {
        let (doubts, at) = (self.board.doubts(), clock::steady());
        let fails = doubtful.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Failed(_)));
        let noted = self.noted.contains_key(claim.id().as_str());
        let blame = match doubtful.blame {
            // It was kept in an outage, which may not be over.
            Blame::Sender | Blame::Either if fails && noted => Blame::Us,
            blame => blame,
        };
        let sender = refused.sender.map_or("", Address::as_str);
        let refusal = Refusal {
            mark: Mark::of(claim, sender, refused.group.first()),
            blame,
            permanent: fails,
            again: claim.last_reason().is_some_and(|last| says_the_same(last, &doubtful.verdicts)),
            chosen: true,
            cause: doubtful.cause,
        };
        let when = When { began: refused.began, answered: at, noted };
        let since = doubts.refused(when, &refusal, claim.id(), why(&doubtful.verdicts))?;
        self.is_still_in_doubt(since).then_some(Doubt { since, at, refusal })
    }

    /// Judges the doubt after another refusal; `false` if each is its entry's own.
    fn is_still_in_doubt(&self, since: Since) -> bool {
        let (doubts, now) = (self.board.doubts(), clock::steady());
        match doubts.judge(since, false) {
            // An acceptance may have ended it meanwhile: then it is settled like any doubt that is over.
            Judgement::Down if doubts.since() == Some(since) => self.board.sink_down(&doubts.why()),
            Judgement::Open | Judgement::Down => {}
            Judgement::Theirs => {
                doubts.acquit_sink(since, now);
                return false;
            }
        }
        true
    }

    pub(super) fn keep(&mut self, kept: Kept<Q::Claim>) {
        self.kept.push(kept);
        self.slot.keeps(self.kept.len());
        self.slot.idle();
    }

    /// Goes on with what was kept in a doubt that is over: the verdicts stand.
    pub(super) fn settle_kept(&mut self, transport: &mut dyn Transport) {
        let now = self.board.doubts().since();
        if self.kept.is_empty() || self.kept.iter().all(|kept| Some(kept.doubt.since) == now) {
            return;
        }
        let (still, over) = std::mem::take(&mut self.kept).into_iter().partition(|kept| Some(kept.doubt.since) == now);
        self.kept = still;
        let over: Vec<Kept<Q::Claim>> = over;
        for kept in over {
            let Some(kept) = self.renew(kept) else { continue };
            let Kept { mut hand, group, verdicts, took, .. } = kept;
            if is_refused_together(&verdicts, transport) {
                hand.attempt.alone = group.len();
                hand.rest.splice(0..0, group);
                self.go_on(hand, transport);
                continue;
            }
            let on_crash = self.policy.on_crash;
            let verdicts: Vec<Verdict> =
                verdicts.into_iter().map(|verdict| hand.attempt.judge(verdict, on_crash)).collect();
            match self.record(&mut hand.claim, &group, &verdicts, &mut hand.attempt, true, took) {
                Ok(()) => self.go_on(hand, transport),
                Err(error) => self.stick(hand.claim.id(), &error),
            }
        }
        self.slot.keeps(self.kept.len());
    }

    /// Gives back what is the entry's own now that its doubt is over; what was answered only after that was ended belongs to
    /// the next one, and stays.
    fn renew(&mut self, mut kept: Kept<Q::Claim>) -> Option<Kept<Q::Claim>> {
        let Doubt { at, refusal, .. } = kept.doubt;
        let doubts = self.board.doubts();
        if doubts.cleared(at, &refusal) {
            return Some(kept);
        }
        let when = When { began: at, answered: at, noted: false };
        match doubts.refused(when, &refusal, kept.hand.claim.id(), why(&kept.verdicts)) {
            Some(since) if self.is_still_in_doubt(since) => {
                kept.doubt.since = since;
                self.kept.push(kept);
                None
            }
            Some(_) | None => Some(kept),
        }
    }

    /// Waits a moment if it is not our turn to probe.
    pub(super) fn may_probe(&mut self) -> bool {
        let doubts = self.board.doubts();
        let ours = !doubts.are_paced() || doubts.take_turn(self.policy.probe_every);
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
        self.slot.waits(self.kept.first().map(|kept| kept.doubt.since));
        while !self.must_stop() && self.kept.iter().all(|kept| self.board.doubts().since() == Some(kept.doubt.since)) {
            self.rest();
        }
        self.slot.waits(None);
    }

    /// The next entry to probe with: of those that are looked at, the one that has least in common with what was refused, and
    /// of several any. The more was refused the more are looked at, from where the last look ended, so that any number of bad
    /// ones in a row hides no good one for long.
    pub(super) fn candidate(&mut self) -> Option<Q::Claim> {
        let doubts = self.board.doubts();
        let marks = doubts.since().map(|since| doubts.marks(since)).unwrap_or_default();
        let window = LOOKED_AT.min(LOOKED_AT_FIRST << marks.len().min(7));
        let mut best: Option<((u8, u64), Q::Claim)> = None;
        for _ in 0..window {
            let Some(claim) = self.next(Which::Any) else { break };
            let news = match self.noted.get(claim.id().as_str()) {
                Some(true) => {
                    let why = "it was refused, and nothing else was taken, for longer than retry.expire";
                    self.hold(claim, Verdict::Deferred(Reason::new(why)));
                    continue;
                }
                Some(false) => 0,
                None => 1 + mark_of(&claim).news(&marks),
            };
            let merit = (news, lot(claim.id(), doubts.since()));
            if best.as_ref().is_none_or(|(most, _)| merit > *most) {
                best = Some((merit, claim));
            }
        }
        if best.is_none() {
            doubts.return_turn();
        }
        best.map(|(_, claim)| claim)
    }
}

/// The mark of what is handed over next of an entry.
fn mark_of<C: Claim>(claim: &C) -> Mark {
    let open = claim.open();
    let envelope = claim.envelope();
    let made = open.first().and_then(|&first| envelope.sender_for(first).ok().flatten());
    Mark::of(claim, made.as_ref().map_or(envelope.sender_text(), Address::as_str), open.first())
}

/// A number by which one of several entries is drawn.
fn lot(id: &EntryId, since: Option<Since>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (id.as_str(), since).hash(&mut hasher);
    hasher.finish()
}

/// Whether an earlier attempt failed for the same.
fn says_the_same(last: &Reason, verdicts: &[Verdict]) -> bool {
    let number = blame::cause_by_words(last);
    verdicts.iter().filter_map(Verdict::reason).any(|reason| blame::cause_by_words(reason) == number)
}

/// The first reason.
fn why(verdicts: &[Verdict]) -> &str {
    verdicts.iter().find_map(Verdict::reason).map_or("", |reason| reason.text.as_str())
}

/// Whether several were refused for good by one status, which tells nothing of each.
pub(super) fn is_refused_together(verdicts: &[Verdict], transport: &dyn Transport) -> bool {
    transport.shares_verdicts() && matches!(verdicts, [Verdict::Failed(_), _, ..])
}
