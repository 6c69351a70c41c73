//! Whether a refusal is the entry's fault, the sink's, or this host's.
//!
//! Three kinds of refusals do not show it: "not now" without a word about the entry; any reply to MAIL, which may concern
//! the sender or everybody; and words that blame this host, its account or its quota. The worker keeps such a claim with its
//! verdict and settles nothing. The board has what all workers were refused ([`evidence`](super::board::evidence)), and
//! [`judge`](super::board::judge) decides:
//! - A hand-over that began later is accepted: the refusals are the entries' own, and their verdicts stand.
//! - Everybody is refused alike: the sink is down, and the kept claims are released untouched. So a server that has cut this
//!   host off fails no mail.
//!
//! Meanwhile the run goes on, first with users, senders and domains that were not tried yet, so that a few messages delay
//! nobody. Where the sink may be down, all workers together hand over once each `probe_every`.
//!
//! An earlier run's refusals are known by the ids that it noted, or the rows. A run that follows begins in doubt, tries others
//! first, and holds what was noted for longer than `expire` without anything else being taken.

use super::board::evidence::Since;
use super::board::judge::Judgement;
use super::board::refusal::{Mark, Refusal, When};
use super::context::Context;
use super::hand::Hand;
use super::record::{Judged, record};
use crate::model::verdict::{Blame, Doubtful};
use crate::model::{Address, Reason, Verdict};
use crate::policy::blame;
use crate::queue::{Claim, Queue};
use crate::sys::clock;

/// A claim in a worker's hand of which nobody knows yet whether it is to blame for its refusal.
pub(super) struct Kept<C> {
    pub hand: Hand<C>,
    /// What it is for each of the group, if it is.
    pub judged: Judged,
    pub doubt: Doubt,
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
pub(super) struct RefusedGroup<'r> {
    pub group: &'r [usize],
    /// The envelope sender that was handed over.
    pub sender: Option<&'r Address>,
    /// When it was handed over, on the steady clock.
    pub began: u64,
}

/// Tells the others of a refusal; `None` if the entry alone is to blame.
pub(super) fn refused<Q: Queue>(
    context: &Context<'_, Q>,
    claim: &Q::Claim,
    refused: &RefusedGroup<'_>,
    doubtful: &Doubtful,
) -> Option<Doubt> {
    let at = clock::steady();
    let fails = doubtful.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Failed(_)));
    let name = name_of(claim, refused.group.first().copied());
    let noted = context.noted.contains_key(&name);
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
        again: claim.last_reason(refused.group).is_some_and(|last| says_the_same(last, &doubtful.verdicts)),
        chosen: true,
        cause: doubtful.cause,
    };
    let when = When { began: refused.began, answered: at, noted };
    let since = context.board.doubts().refused(when, &refusal, &name, why(&doubtful.verdicts))?;
    is_still_in_doubt(context, since).then_some(Doubt { since, at, refusal })
}

/// What a refusal is noted by: the entry's id, or that and the number of the row, divided by a slash, which no id has.
pub(super) fn name_of<C: Claim>(claim: &C, recipient: Option<usize>) -> String {
    let id = claim.id();
    match recipient {
        Some(row) if claim.has_rows() => format!("{id}/{row}"),
        Some(_) | None => id.to_string(),
    }
}

/// Judges the doubt after another refusal; `false` if each is its entry's own.
fn is_still_in_doubt<Q: Queue>(context: &Context<'_, Q>, since: Since) -> bool {
    let (doubts, now) = (context.board.doubts(), clock::steady());
    match doubts.judge(since, false) {
        // An acceptance may have ended it meanwhile: then it is settled like any doubt that is over.
        Judgement::Down if doubts.since() == Some(since) => context.board.sink_down(&doubts.why()),
        Judgement::Open | Judgement::Down => {}
        Judgement::Theirs => {
            doubts.acquit_sink(since, now);
            return false;
        }
    }
    true
}

impl<C: Claim> Kept<C> {
    /// Whether its doubt lasts, where `now` is the one that there is.
    pub fn waits(&self, now: Option<Since>) -> bool {
        Some(self.doubt.since) == now
    }

    /// The doubt that it waits for.
    pub fn since(&self) -> Since {
        self.doubt.since
    }
}

/// Lets those of `kept` go whose rows somebody wants to act on, or whose job was moved. Their refused rows were taken back, and
/// are due.
pub(super) fn let_wanted_go<C: Claim>(kept: &mut Vec<Kept<C>>) {
    kept.retain(|Kept { hand, .. }| !hand.claim.has_rows() || !hand.claim.job_was_moved());
}

/// Takes those of `kept` whose doubt is over, where `now` is the one that there is; the others stay.
pub(super) fn take_released<C: Claim>(kept: &mut Vec<Kept<C>>, now: Option<Since>) -> Vec<Kept<C>> {
    if kept.iter().all(|kept| kept.waits(now)) {
        return Vec::new();
    }
    let (still, over) = std::mem::take(kept).into_iter().partition(|kept| kept.waits(now));
    *kept = still;
    over
}

/// How it goes on with what was kept in a doubt that is over.
pub(super) enum Released<C> {
    /// Its verdicts stand, and are recorded; or its recipients are tried one by one.
    Hand(Hand<C>),
    /// Another doubt has it.
    Kept(Kept<C>),
    /// It could not be recorded.
    Stuck,
}

/// Ends the doubt about `kept`.
pub(super) fn release<Q: Queue>(
    context: &Context<'_, Q>,
    mut kept: Kept<Q::Claim>,
    shares_verdicts: bool,
) -> Released<Q::Claim> {
    if is_doubted_again(context, &mut kept) {
        return Released::Kept(kept);
    }
    let Kept { mut hand, mut judged, .. } = kept;
    if is_refused_together(&judged.verdicts, shares_verdicts) {
        hand.one_by_one(judged.group);
        return Released::Hand(hand);
    }
    let on_crash = context.policy.on_crash;
    judged.verdicts =
        judged.verdicts.into_iter().map(|verdict| hand.attempt.final_verdict(verdict, on_crash)).collect();
    match record(context, &mut hand, &judged) {
        Ok(()) => Released::Hand(hand),
        Err(error) => {
            context.stick(hand.claim.id(), &error);
            Released::Stuck
        }
    }
}

/// Whether it was answered only after its doubt was ended, and belongs to the next one: else it is the entry's own.
fn is_doubted_again<Q: Queue>(context: &Context<'_, Q>, kept: &mut Kept<Q::Claim>) -> bool {
    let Doubt { at, refusal, .. } = kept.doubt;
    let doubts = context.board.doubts();
    if doubts.cleared(at, &refusal) {
        return false;
    }
    let when = When { began: at, answered: at, noted: false };
    let name = name_of(&kept.hand.claim, kept.judged.group.first().copied());
    match doubts.refused(when, &refusal, &name, why(&kept.judged.verdicts)) {
        Some(since) if is_still_in_doubt(context, since) => {
            kept.doubt.since = since;
            true
        }
        Some(_) | None => false,
    }
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
pub(super) fn is_refused_together(verdicts: &[Verdict], shares_verdicts: bool) -> bool {
    shares_verdicts && matches!(verdicts, [Verdict::Failed(_), _, ..])
}
