//! A worker: claims entries of one queue until none is due, and brings each to its verdict.
//!
//! One message's way, a file and a function a step: `next` claims it → `prepare` takes it in hand → `hand_over` gives a group
//! of its recipients to the transport, once its `turn` has come → `record` journals what came of them → and after the last
//! group `settle` tells its sender of failures ([`notifier`]) and lets it go. Only the loop here decides what is handed over
//! next; everything else returns to it. What comes next may be claimed and prepared while a group is in flight (`ahead`).
//!
//! The order of steps for one group: *begun* is journaled (several recipients, or "hold") → the transport has it → its
//! verdict is journaled, in a merge's log with the next *begun* where that is known → the event line. What cannot be journaled beforehand is not handed over; what cannot be settled
//! afterwards is passed over to the end of the run.
//!
//! Nobody waits behind a long entry: between two groups of one that is part of a job, a single mail that came since has its
//! turn, and then the next group. Nor behind a job that waits for its own rate (`resting`).
//!
//! One bad entry stops nobody: it is deferred, failed, set aside or kept, and the next one is claimed. Nor does one bad
//! recipient: a group that a command refuses with one status is handed over again one by one, and whoever was deferred is
//! alone the next time.

mod ahead;
pub mod board;
mod bounces;
pub mod context;
mod doubt;
mod flight;
mod hand;
mod next;
pub mod notifier;
pub mod pace;
mod prepare;
mod probe;
mod record;
mod resting;
mod settle;
mod source;
mod suppress;
mod turn;

use std::time::{Duration, Instant};

use self::ahead::Ahead;
use self::board::Counter;
use self::bounces::Desk;
use self::context::Context;
use self::doubt::{Kept, Released, let_wanted_go, release, take_released};
use self::flight::{Handed, hand_over};
use self::hand::Hand;
use self::record::{record, sum_up_rows};
use self::settle::{let_wait, settle};
use self::source::Source;
use self::suppress::Gate;
use self::turn::{Infeed, LOOK, Turn, looked_at};
use crate::model::Exit;
use crate::queue::{Claim, Queue, Which};
use crate::transport::Transport;

/// How often one who waits looks around.
const TICK: Duration = Duration::from_millis(250);

/// Works through `transport` until a pass claims nothing, or until told to stop. The status is the worker's own; counts are
/// on the board.
pub fn work<Q: Queue>(context: &Context<'_, Q>, transport: &mut dyn Transport) -> Exit {
    let mut worker = Worker::new(context);
    while !worker.must_stop() {
        if !worker.pass(transport) {
            break;
        }
    }
    if let Some(hand) = worker.ahead.take(false) {
        leave(context, hand);
    }
    transport.close();
    worker.infeed.leave();
    // Nobody knows who is to blame: they are let go as if they had not been tried.
    worker.kept.drain(..).for_each(|kept| leave(context, kept.hand));
    context.slot.clear();
    context.board.add(Counter::Contended, context.queue.contended());
    // Journals that stay behind are closed; the sweep takes them.
    let _ = context.queue.tidy();
    Exit::Ok
}

/// What is a worker's own.
struct Worker<'w, 'a, Q: Queue> {
    context: &'w Context<'a, Q>,
    source: Source<'a, Q>,
    ahead: Ahead<Q::Claim>,
    infeed: Infeed,
    /// Claims that were refused while nobody knows who is to blame.
    kept: Vec<Kept<Q::Claim>>,
    /// Where its mail is read as bounces.
    desk: Option<Desk<'a, Q::Claim>>,
    /// A person stopped the queue.
    stopped: bool,
    /// A doubt was there when it was looked for last.
    doubted: bool,
}

/// What a worker turns to.
enum Work<C> {
    /// What was claimed or begun before.
    Hand(Hand<C>),
    Claim(C),
    /// It is not our turn to probe; the caller looks again.
    Later,
    /// The pass is over.
    End,
}

impl<'w, 'a, Q: Queue> Worker<'w, 'a, Q> {
    fn new(context: &'w Context<'a, Q>) -> Worker<'w, 'a, Q> {
        let Context { spool, bounces, verp, policy, .. } = *context;
        let source = Source::new(policy.suppress.then(|| Gate::new(spool)));
        let desk = policy.read_bounces.then(|| Desk::new(spool, bounces, verp));
        Worker {
            context,
            source,
            ahead: Ahead::new(),
            infeed: Infeed::default(),
            kept: Vec::new(),
            desk,
            stopped: false,
            doubted: false,
        }
    }

    /// Whether nothing more is claimed. The red button is looked at before each hand-over, in [`Infeed::admit`], and in waits.
    fn must_stop(&self) -> bool {
        self.stopped || self.context.is_over()
    }

    /// The same, with a look at the red button.
    fn must_stop_now(&mut self) -> bool {
        self.stopped |= self.context.queue.is_stopped();
        self.must_stop()
    }

    /// One way through everything that is due; `false` if it claimed nothing.
    fn pass(&mut self, transport: &mut dyn Transport) -> bool {
        self.source.begin(self.context);
        let mut claimed = false;
        while !self.must_stop() {
            self.settle_released(transport);
            let hand = match self.next(transport) {
                Work::Hand(hand) => Some(hand),
                Work::Claim(claim) => self.source.prepare(self.context, claim, transport.shares_verdicts()),
                Work::Later => continue,
                Work::End => break,
            };
            claimed = true;
            if let Some(hand) = hand.and_then(|hand| self.unless_bounce(hand)) {
                self.carry(hand, transport);
            }
            if self.desk.as_ref().is_some_and(Desk::is_full) {
                self.end_bounces(transport);
            }
            self.give_way(transport);
        }
        self.end_bounces(transport);
        if !claimed && !self.kept.is_empty() {
            self.stopped = self.stopped || probe::wait_for_evidence(self.context, &mut self.kept);
            claimed = true;
        }
        self.context.slot.idle();
        claimed
    }

    fn next(&mut self, transport: &mut dyn Transport) -> Work<Q::Claim> {
        let doubt = self.context.board.doubts().since().is_some();
        if std::mem::replace(&mut self.doubted, doubt) && !doubt {
            // Probes passed entries over whose turn it is now.
            self.context.queue.look_again();
        }
        if doubt && self.ahead.resting.forget() {
            self.context.queue.look_again();
        }
        if let Some(hand) = self.ahead.take(doubt).or_else(|| self.ahead.resting.take(self.context)) {
            return Work::Hand(hand);
        }
        let found = match doubt {
            _ if self.stopped => None,
            false => return self.claim_other(transport),
            true if probe::is_our_turn(self.context) => probe::candidate(self.context, &mut self.source),
            true => {
                self.stopped |= probe::rest(self.context);
                return Work::Later;
            }
        };
        found.map_or(Work::End, Work::Claim)
    }

    /// Claims what comes next, of jobs that do not wait for their rate; where there is none, waits with those that do.
    fn claim_other(&mut self, transport: &mut dyn Transport) -> Work<Q::Claim> {
        let (context, resting) = (self.context, &self.ahead.resting);
        if !resting.is_full()
            && let Some(claim) = self.source.next_but(context, Which::Any, &|id| resting.has_job_of(id))
        {
            return Work::Claim(claim);
        }
        let Some(wait) = resting.wait(context) else { return Work::End };
        context.slot.idle();
        self.infeed.rest(context, transport, wait, LOOK);
        self.stopped |= context.queue.is_stopped();
        Work::Later
    }

    /// Hands over who is left, group by group, and settles the entry; or a single mail that came in between, and what is
    /// left of the entry comes next.
    fn carry(&mut self, mut hand: Hand<Q::Claim>, transport: &mut dyn Transport) {
        let context = self.context;
        while !hand.rest.is_empty() {
            // Who was not reached is still due; the name says so.
            let Some(ours) = self.has_turn(hand, transport) else { return };
            hand = ours;
            let group = hand.next_group(context.policy.max_recipients, transport);
            let handed =
                hand_over(context, &mut hand, group, (&mut self.ahead, &mut self.source), &mut self.infeed, transport);
            let recorded = match &handed {
                Handed::Judged(judged, _) => record(context, &mut hand, judged),
                Handed::InDoubt(..) | Handed::Refused(_) | Handed::NotTaken | Handed::PutBack | Handed::Fault(_) => {
                    Ok(())
                }
            };
            if !hand.admitted {
                self.infeed.end_session(context, transport);
            }
            match (handed, recorded) {
                (Handed::Judged(..), Err(error)) if !hand.everybody_has_it() => {
                    return context.stick(hand.claim.id(), &error);
                }
                (Handed::Judged(_, unanswered), recorded) => {
                    // What the journal lacks, the attempt's own line tells, or the entry's removal.
                    recorded.err().or(unanswered).iter().for_each(|error| context.fault(error));
                    self.let_single_between(&mut hand, transport.shares_verdicts());
                }
                (Handed::PutBack, _) => {}
                (Handed::Refused(group), _) => hand.one_by_one(group),
                (Handed::InDoubt(judged, doubt), _) => return self.keep(Kept { hand, judged, doubt }),
                (Handed::NotTaken, _) => return leave(context, hand),
                (Handed::Fault(error), _) => return context.stick(hand.claim.id(), &error),
            }
        }
        settle(context, hand, transport.success());
    }

    /// Waits for the turn of the next group, unless that has come already. `None` if it is not handed over now, and the entry
    /// waits or was let go.
    fn has_turn(&mut self, mut hand: Hand<Q::Claim>, transport: &mut dyn Transport) -> Option<Hand<Q::Claim>> {
        let context = self.context;
        let turn = match std::mem::take(&mut hand.admitted) {
            _ if self.stopped => Ok(Turn::Stopped),
            true => looked_at(context, &hand.claim),
            false => self.infeed.admit(context, &hand.claim, transport),
        };
        let turn = match turn {
            Ok(Turn::Ours) => return Some(hand),
            Ok(lost) => hand.claim.take_back_next().map(|()| lost),
            Err(error) => Err(error),
        };
        match turn {
            Ok(Turn::Closed) => let_wait(context, hand),
            Ok(Turn::Paced) => {
                self.ahead.resting.put(hand);
                context.slot.idle();
            }
            Ok(Turn::Stopped) => {
                self.stopped = true;
                leave(context, hand);
            }
            Ok(Turn::Ours | Turn::Dropped) => leave(context, hand),
            Err(error) => context.stick(hand.claim.id(), &error),
        }
        None
    }

    /// Puts a single mail that came since before the rest of what is in hand, which comes next then. An entry of which
    /// nothing is left is settled first: put back, it would be forgotten in a doubt or at the end.
    fn let_single_between(&mut self, hand: &mut Hand<Q::Claim>, shares_verdicts: bool) {
        if !hand.rest.is_empty()
            && let Some(single) = self.ahead.one_between(self.context, &mut self.source, hand, shares_verdicts)
        {
            self.ahead.put(std::mem::replace(hand, single));
        }
    }

    fn keep(&mut self, mut kept: Kept<Q::Claim>) {
        // The doubt may last for days, and who failed has nothing to do with it.
        if let Err(error) = self.context.notifier.tell_of_failures(&mut kept.hand.claim) {
            return self.context.stick(kept.hand.claim.id(), &error);
        }
        self.kept.push(kept);
        self.context.slot.keeps(self.kept.len());
        self.context.slot.idle();
    }

    /// Goes on with what was kept in a doubt that is over: the verdicts stand.
    fn settle_released(&mut self, transport: &mut dyn Transport) {
        let_wanted_go(&mut self.kept);
        self.context.slot.keeps(self.kept.len());
        let over = take_released(&mut self.kept, self.context.board.doubts().since());
        if over.is_empty() {
            return;
        }
        for kept in over {
            match release(self.context, kept, transport.shares_verdicts()) {
                Released::Hand(hand) => self.carry(hand, transport),
                Released::Kept(kept) => self.kept.push(kept),
                Released::Stuck => {}
            }
        }
        self.context.slot.keeps(self.kept.len());
    }

    /// Reads it where a queue's mail is read as bounces; gives back what is none.
    fn unless_bounce(&mut self, hand: Hand<Q::Claim>) -> Option<Hand<Q::Claim>> {
        match &mut self.desk {
            Some(desk) => desk.unless_bounce(self.context, hand),
            None => Some(hand),
        }
    }

    /// Records the bounces that are together, and settles them.
    fn end_bounces(&mut self, transport: &mut dyn Transport) {
        let context = self.context;
        let due = self.desk.as_mut().is_some_and(Desk::is_due);
        let stop_now = due && self.must_stop_now() && (self.stopped || context.signals.quit());
        let Some(desk) = &mut self.desk else { return };
        if stop_now {
            desk.forget();
        }
        for bounce in desk.record(context) {
            let passed_on = self.desk.as_mut().and_then(|desk| desk.end(context, bounce, transport.success()));
            if let Some(hand) = passed_on {
                self.carry(hand, transport);
            }
        }
        context.slot.idle();
    }

    /// If the sink had no place for this worker, and one for others, waits: for longer each time, or until there is nobody
    /// else.
    fn give_way(&mut self, transport: &mut dyn Transport) {
        let Some(until) = self.infeed.gives_way_until() else { return };
        self.ahead.forget();
        self.infeed.leave();
        self.context.queue.look_again();
        self.context.slot.idle();
        while Instant::now() < until && !self.must_stop_now() {
            // The sink may take a moment to see that the last one has gone.
            let alone = !self.context.board.another_is_open(self.context.slot);
            self.settle_released(transport);
            self.context.queue.let_synced_go();
            // Whatever ends the wait, we look again.
            let _ = self.context.signals.wait(None, TICK);
            if alone {
                break;
            }
        }
    }
}

/// Lets go of an entry that is still due. Its job may be cancelled, so what came of its rows is summed up now.
fn leave<Q: Queue>(context: &Context<'_, Q>, mut hand: Hand<Q::Claim>) {
    if hand.unsummed.is_some() {
        sum_up_rows(context, &mut hand);
    }
    context.slot.idle();
}
