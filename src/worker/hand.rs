//! An entry in hand: the claim, which recipients are still to be handed over, and how the attempt goes.

use std::time::Duration;

use crate::config::{self, OnCrash};
use crate::model::address::BadAddress;
use crate::model::envelope::verp_delimiters;
use crate::model::verdict::Kind;
use crate::model::{Address, Micros, Reason, Verdict};
use crate::queue::Claim;
use crate::sys::clock;
use crate::transport::Transport;

/// How many different replies an attempt keeps, at most, where they differ within a group.
const REPLIES_MAX: usize = 500;

pub(super) struct Hand<C> {
    pub claim: C,
    pub attempt: Try,
    /// Who is still to be handed over, in this order.
    pub rest: Vec<usize>,
    /// Since when no event line sums up what came of its rows.
    pub unsummed: Option<Micros>,
    /// It has waited for its job's rate, and its turn comes between.
    pub rested: bool,
    /// The turn of the first of them has come already.
    pub admitted: bool,
}

/// One attempt on one entry, as it goes.
pub(super) struct Try {
    pub number: u32,
    pub waited: Duration,
    /// The entry has waited too long: recipients that are still open after this attempt have failed.
    pub expired: bool,
    /// How long waiting is too long.
    pub expire: Duration,
    /// When it is tried again; set by the first deferral.
    pub again_at: Option<Micros>,
    /// Who is open.
    pub open: Vec<usize>,
    /// Deliveries whose replies differ within their groups, for the attempt's next line in the journal.
    pub replies: Vec<(Vec<usize>, Verdict)>,
    /// How many more different ones of these are kept.
    pub replies_left: usize,
    /// The journal has a line of this attempt.
    pub noted: bool,
    /// What took it instead of the queue's transport.
    pub through: Option<&'static str>,
    /// How many of the next recipients are handed over one by one: they were refused together, perhaps for one of them.
    pub alone: usize,
}

impl<C: Claim> Hand<C> {
    /// Begins the next attempt on `claim`. `shares_verdicts`: whoever was deferred is alone this time.
    pub fn of(claim: C, policy: &config::Queue, shares_verdicts: bool) -> Hand<C> {
        let waited = claim.waited(clock::now());
        let mut attempt = Try {
            number: claim.attempts().saturating_add(1),
            waited,
            expired: waited >= policy.retry.expire,
            expire: policy.retry.expire,
            again_at: None,
            open: claim.open(),
            replies: Vec::new(),
            replies_left: REPLIES_MAX,
            noted: false,
            through: None,
            alone: 0,
        };
        if attempt.number > 1 && shares_verdicts {
            attempt.alone = attempt.open.len();
        }
        Hand { claim, attempt, rest: Vec::new(), unsummed: None, rested: false, admitted: false }
    }

    /// Takes those of `rest` who are handed over next, of whom at most `most` go together.
    pub fn next_group(&mut self, most: usize, transport: &dyn Transport) -> Vec<usize> {
        let alone = self.attempt.alone > 0 || self.goes_alone(transport.verp());
        let fits = if alone { 1 } else { transport.fit(self.claim.envelope(), &self.rest) };
        let later = self.rest.split_off(together(fits, most, &self.rest));
        self.attempt.alone = self.attempt.alone.saturating_sub(1);
        let group = std::mem::replace(&mut self.rest, later);
        self.turn_to(&group);
        group
    }

    /// Begins the attempt that a row has of its own.
    fn turn_to(&mut self, group: &[usize]) {
        let own = group.first().and_then(|&row| self.claim.own_attempts(row, clock::now()));
        if let Some((before, waited)) = own {
            let attempt = &mut self.attempt;
            (attempt.number, attempt.waited, attempt.again_at) = (before.saturating_add(1), waited, None);
            attempt.expired = waited >= attempt.expire;
        }
    }

    /// Whether the next one is a row whose mail was made.
    pub fn next_is_made(&self) -> bool {
        self.claim.has_rows() && self.rest.get(..1).is_some_and(|next| self.claim.size(next) > 0)
    }

    /// The turn of the next row has come, before the last one is answered.
    pub fn admit_next(&mut self) {
        self.admitted = true;
        self.claim.admit_next(self.rest.get(..1).unwrap_or_default());
    }

    /// The first of `rest`, as far as they probably go together: what the transport may be shown of them.
    pub fn peek(&self, most: usize, sink_makes_senders: bool) -> &[usize] {
        let fits = if self.goes_alone(sink_makes_senders) { 1 } else { self.rest.len() };
        &self.rest[..together(fits, most, &self.rest)]
    }

    /// Hands `group` over again, one by one and before all others.
    pub fn one_by_one(&mut self, group: Vec<usize>) {
        self.attempt.alone = group.len();
        self.rest.splice(0..0, group);
    }

    /// Whether each recipient is handed over alone: he has a mail or a sender of his own.
    fn goes_alone(&self, sink_makes_them: bool) -> bool {
        self.claim.has_rows() || self.has_senders(sink_makes_them)
    }

    /// Whether each recipient has a sender of his own, which the sink does not make, though it makes some.
    fn has_senders(&self, sink_makes_them: bool) -> bool {
        let sink_makes = |pattern: &String| sink_makes_them && verp_delimiters(pattern).is_some();
        let envelope = self.claim.envelope();
        envelope.sender.is_some() && envelope.origin.verp.as_ref().is_some_and(|pattern| !sink_makes(pattern))
    }

    /// The envelope sender that VERP makes for the one recipient of `group`; `None` where that is the envelope's own.
    pub fn made_sender(&self, group: &[usize], sink_makes_them: bool) -> Result<Option<Address>, BadAddress> {
        match (self.has_senders(sink_makes_them), group) {
            (true, [recipient]) => self.claim.envelope().sender_for(*recipient),
            (true | false, _) => Ok(None),
        }
    }

    /// Whether nothing is left to be done but its removal, which says so as well as a journal does; not as well as a log.
    pub fn everybody_has_it(&self) -> bool {
        !self.claim.has_rows()
            && self.attempt.open.is_empty()
            && !self.claim.any(Kind::Failed)
            && !self.claim.any(Kind::Held)
    }

    /// Whether this is a single entry or one that has rested, and `current` one of a job.
    pub fn goes_between(&self, current: &C) -> bool {
        (self.rested || self.claim.id().job().is_none()) && current.id().job().is_some()
    }
}

/// How many of `rest` are handed over together, where the transport takes `fits` of them and the queue allows `most`.
fn together(fits: usize, most: usize, rest: &[usize]) -> usize {
    fits.min(most).clamp(1, rest.len().max(1))
}

impl Try {
    /// What a transport's verdict becomes: held where the outcome is unknown and shall not be tried again, and a failure
    /// where it leaves a recipient open that has waited too long.
    pub fn final_verdict(&self, verdict: Verdict, on_crash: OnCrash) -> Verdict {
        match verdict {
            Verdict::Unknown(reason) if on_crash == OnCrash::Hold => Verdict::Held(reason),
            Verdict::Deferred(reason) | Verdict::Unknown(reason) if self.expired => {
                let text = format!("given up after {} attempts: {}", self.number, reason.text);
                // RFC 3463: delivery time expired.
                let status = reason.status.unwrap_or_else(|| "4.4.7".to_owned());
                Verdict::Failed(Reason::new(&text).with_status(Some(status)))
            }
            Verdict::Delivered(_)
            | Verdict::Deferred(_)
            | Verdict::Failed(_)
            | Verdict::Unknown(_)
            | Verdict::Held(_)
            | Verdict::Suppressed(_) => verdict,
        }
    }
}
