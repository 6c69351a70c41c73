//! The evidence: what all workers of a queue know of refusals that may not be the entry's fault.
//!
//! It is kept on the board, in shared memory. A refusal is noted with its cause, and with the user, sender and recipient
//! domain of its entry. A *doubt* lasts from the first one until
//! - a hand-over that began later is accepted, or enough was refused without a sign that others fare alike: the refusals
//!   are the entries' own ([`Judgement::Theirs`]), and their causes are known as such to the rest of the run; or
//! - enough was refused alike (`judge` has the rules): the sink is down ([`Judgement::Down`]).
//!
//! What was in flight when a doubt began counts as one refusal with the first: it tells nothing more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::judge::{Judgement, Scene, judge};
use super::refusal::{Mark, Refusal, When, get_refusal, put_refusal};
use super::words::{ID_WORDS, WHY_WORDS, get_text, put_text};
use crate::model::verdict::Blame;
use crate::sys::clock;

/// Refusals in a row of a cause known as the entries' own that are taken for that without a doubt: fewer than a doubt takes
/// where they fail or may be the sink's, and more where they name the sender and only wait.
const KNOWN_IN_A_ROW: u64 = 9;
const KNOWN_SENDERS_IN_A_ROW: u64 = 30;
/// What names no sender is about senders all the same if so many of them got it, and others were accepted each time.
const SENDERS_ENOUGH: usize = 3;

/// The refusals that are remembered; later ones take the place of the first.
const REFUSED_MAX: usize = 128;
/// A refusal: of which doubt, when it was answered, user, sender, domain, cause, kind, the entry's id and with a slash the
/// number of its row.
const REFUSED_WORDS: usize = REFUSED_ID + ID_WORDS + 1;
const REFUSED_KIND: usize = 2;
const REFUSED_ID: usize = 7;
/// Causes that are known, and their senders.
const KNOWN_MAX: usize = 32;

// The words: since when there is doubt, when the next probe may begin, when the last delivery began, refusals of known
// causes in a row, whether an outage was noted, when the sink was last judged not to be down, the reason to report, how many
// refusals there were, how many known causes, these, the refusals.
const SINCE: usize = 0;
const NEXT: usize = 1;
const DELIVERED: usize = 2;
const IN_A_ROW: usize = 3;
const OUTAGE: usize = 4;
const CLEARED: usize = 5;
const WHY: usize = 6;
const COUNT: usize = WHY + WHY_WORDS;
const KNOWN_COUNT: usize = COUNT + 1;
const KNOWN: usize = KNOWN_COUNT + 1;
const REFUSED: usize = KNOWN + 2 * KNOWN_MAX;
pub(super) const WORDS: usize = REFUSED + REFUSED_MAX * REFUSED_WORDS;

/// A doubt, by the instant that it began at on the steady clock.
pub type Since = u64;

/// The part of the board that all workers of a queue share about this.
#[derive(Clone, Copy, Debug)]
pub struct Doubts<'b> {
    pub(super) words: &'b [AtomicU64],
}

impl Doubts<'_> {
    /// The doubt that there is.
    pub fn since(&self) -> Option<Since> {
        Some(self.words[SINCE].load(Ordering::Acquire)).filter(|&since| since != 0)
    }

    /// Begins in doubt, because an earlier run left the sink down; only while no worker lives.
    pub fn begin_in_outage(&self) {
        self.words[OUTAGE].store(1, Ordering::Release);
        self.begin();
    }

    /// Begins a doubt, if there is none.
    fn begin(&self) -> (Since, bool) {
        let now = clock::steady();
        match self.words[SINCE].compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => (now, true),
            Err(since) => (since, false),
        }
    }

    /// What was in doubt is dropped; only while no worker lives.
    pub(super) fn end(&self) {
        // What was accepted before an outage tells nothing of the sink that is tried again.
        for word in [DELIVERED, CLEARED, IN_A_ROW, KNOWN_COUNT, OUTAGE, SINCE] {
            self.words[word].store(0, Ordering::Release);
        }
        (0..REFUSED_MAX).for_each(|at| self.refusal(at)[0].store(0, Ordering::Release));
    }

    /// A hand-over that began at `began` was accepted.
    pub(in crate::worker) fn accepted(&self, began: u64) {
        self.words[DELIVERED].fetch_max(began, Ordering::AcqRel);
        if self.words[IN_A_ROW].load(Ordering::Relaxed) != 0 {
            self.words[IN_A_ROW].store(0, Ordering::Relaxed);
        }
        if let Some(since) = self.since().filter(|&since| began >= since) {
            self.end_doubt(since, began);
        }
    }

    /// Whether a doubt that is over cleared the sink of a refusal that was answered at `at`: what was accepted since began
    /// later than that. For what is not final the end of the doubt is enough.
    pub(in crate::worker) fn cleared(&self, at: u64, refusal: &Refusal) -> bool {
        let last = |word: usize| self.words[word].load(Ordering::Acquire);
        !refusal.is_final() || last(DELIVERED).max(last(CLEARED)) >= at
    }

    /// Judges that the sink is not down: the refusals of this doubt that were answered up to `judged` are the entries' own.
    pub fn acquit_sink(&self, since: Since, judged: u64) {
        if self.since() == Some(since) {
            self.words[CLEARED].fetch_max(judged, Ordering::AcqRel);
            self.end_doubt(since, judged);
        }
    }

    /// Ends a doubt. Its refusals up to `until` are the entries' own, and so is what is refused for the same cause from now
    /// on.
    fn end_doubt(&self, since: Since, until: u64) {
        if self.words[SINCE].compare_exchange(since, 0, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return;
        }
        self.return_turn();
        self.words[OUTAGE].store(0, Ordering::Release);
        self.words[IN_A_ROW].store(0, Ordering::Relaxed);
        for words in self.refusals(since) {
            let refusal = get_refusal(&words[REFUSED_KIND..]);
            if !refusal.is_final() || words[1].load(Ordering::Relaxed) <= until {
                self.learn(&refusal);
            }
        }
    }

    /// Remembers the cause of a refusal that was the entry's own.
    fn learn(&self, refusal: &Refusal) {
        let Refusal { mark, cause, .. } = refusal;
        if self.known(*cause).all(|sender| sender != mark.sender) {
            let at = self.words[KNOWN_COUNT].fetch_add(1, Ordering::AcqRel) as usize % KNOWN_MAX;
            self.words[KNOWN + 2 * at].store(*cause, Ordering::Relaxed);
            self.words[KNOWN + 2 * at + 1].store(mark.sender, Ordering::Relaxed);
        }
    }

    /// The senders to whom a refusal of this cause was their own before in this run.
    fn known(&self, cause: u64) -> impl Iterator<Item = u64> {
        let count = (self.words[KNOWN_COUNT].load(Ordering::Acquire) as usize).min(KNOWN_MAX);
        let known = self.words[KNOWN..KNOWN + 2 * count].as_chunks::<2>().0.iter();
        let of = known.filter(move |[one, _]| one.load(Ordering::Relaxed) == cause);
        of.map(|[_, sender]| sender.load(Ordering::Relaxed))
    }

    fn is_known(&self, cause: u64) -> bool {
        self.known(cause).next().is_some()
    }

    /// Whether it needs no doubt: other mail was accepted after the same reply. But many in a row may have a new cause.
    fn is_no_news(&self, refusal: &Refusal) -> bool {
        let Refusal { mark, blame, permanent, cause, .. } = refusal;
        let known = match blame {
            Blame::Sink => self.known(*cause).count() >= SENDERS_ENOUGH,
            Blame::Us => false,
            Blame::Account if *permanent => false,
            Blame::Sender | Blame::Account => self.is_known(*cause),
            Blame::Either => self.known(*cause).any(|sender| sender == mark.sender),
        };
        let most = match blame {
            Blame::Sender | Blame::Account if !permanent => KNOWN_SENDERS_IN_A_ROW,
            Blame::Sink | Blame::Sender | Blame::Either | Blame::Account | Blame::Us => KNOWN_IN_A_ROW,
        };
        known && self.words[IN_A_ROW].fetch_add(1, Ordering::Relaxed) < most
    }

    /// A hand-over of `id`, an entry or a row of it, was refused, which `why` tells. The doubt that it belongs to; `None` if the
    /// refusal is the entry's own: its cause is known; or it is for now, and one that began later was accepted; or an earlier
    /// run noted the entry, and this one has delivered other mail since.
    pub(in crate::worker) fn refused(&self, when: When, refusal: &Refusal, id: &str, why: &str) -> Option<Since> {
        let When { began, answered, noted } = when;
        let accepted = self.words[DELIVERED].load(Ordering::Acquire);
        // What began later may have been answered earlier, and a quota be used up in between. For the same reason one that is
        // accepted settles one failure at most.
        let again =
            accepted != 0 && noted && (!refusal.permanent || self.words[IN_A_ROW].fetch_add(1, Ordering::AcqRel) == 0);
        if again || (accepted > began && !refusal.is_final()) {
            self.learn(refusal);
            return None;
        }
        if self.is_no_news(refusal) {
            return None;
        }
        let (since, first) = self.begin();
        let at = self.words[COUNT].fetch_add(1, Ordering::AcqRel) as usize % REFUSED_MAX;
        let words = self.refusal(at);
        put_text(&words[REFUSED_ID..], id);
        words[1].store(answered, Ordering::Relaxed);
        put_refusal(&words[REFUSED_KIND..], &Refusal { chosen: first || began >= since, ..*refusal });
        if refusal.blame.is_ours() || self.refusals(since).next().is_none() {
            put_text(&self.words[WHY..COUNT], why);
        }
        words[0].store(since, Ordering::Release);
        Some(since)
    }

    fn refusal(&self, at: usize) -> &[AtomicU64] {
        &self.words[REFUSED + at * REFUSED_WORDS..][..REFUSED_WORDS]
    }

    fn refusals(&self, since: Since) -> impl Iterator<Item = &[AtomicU64]> {
        let all = (0..REFUSED_MAX).map(|at| self.refusal(at));
        all.filter(move |words| words[0].load(Ordering::Acquire) == since)
    }

    /// The refusals of a doubt, and the final ones of doubts before it since mail was last accepted.
    fn seen(&self, since: Since) -> Vec<Refusal> {
        let accepted = self.words[DELIVERED].load(Ordering::Acquire);
        let all = (0..REFUSED_MAX).map(|at| self.refusal(at));
        let read = |words: &[AtomicU64]| {
            let (of, refusal) = (words[0].load(Ordering::Acquire), get_refusal(&words[REFUSED_KIND..]));
            let earlier = of != 0 && refusal.is_final() && words[1].load(Ordering::Relaxed) > accepted;
            (of == since || earlier).then_some(refusal)
        };
        all.filter_map(read).collect()
    }

    pub(in crate::worker) fn marks(&self, since: Since) -> Vec<Mark> {
        self.refusals(since).map(|words| get_refusal(&words[REFUSED_KIND..]).mark).collect()
    }

    /// What the refusals since the doubt began tell; `over` says that nothing else is due.
    pub fn judge(&self, since: Since, over: bool) -> Judgement {
        let accepted = self.words[DELIVERED].load(Ordering::Acquire) != 0;
        judge(&self.seen(since), &Scene { over, accepted, is_known: &|cause| self.is_known(cause) })
    }

    /// The entries and rows that were refused since the doubt began.
    pub fn ids(&self) -> Vec<String> {
        self.since()
            .into_iter()
            .flat_map(|since| self.refusals(since))
            .map(|words| get_text(&words[REFUSED_ID..]))
            .collect()
    }

    /// The reason that is reported for a sink that takes nothing.
    pub fn why(&self) -> String {
        let seen = self.since().map(|since| self.seen(since)).unwrap_or_default();
        let permanent = seen.iter().filter(|refusal| refusal.is_final()).count();
        let what = match 2 * permanent > seen.len() {
            true => "it refuses everybody for good, so this host or its account is meant and not the mail",
            false => "it takes nothing",
        };
        format!("{what}: {}", get_text(&self.words[WHY..COUNT]))
    }

    /// Whether hand-overs go one by one, as a sink wants it that may be down. One that answers fast and for good does not.
    pub fn are_paced(&self) -> bool {
        let Some(since) = self.since() else { return false };
        let mut seen = self.refusals(since).map(|words| get_refusal(&words[REFUSED_KIND..]).blame);
        self.words[OUTAGE].load(Ordering::Acquire) != 0 || seen.any(|blame| blame == Blame::Sink)
    }

    /// Takes the turn of the next probe, if its time has come; the one after it has its turn `every` later.
    pub(in crate::worker) fn take_turn(&self, every: Duration) -> bool {
        let (now, next) = (clock::steady(), self.words[NEXT].load(Ordering::Acquire));
        let later = now.saturating_add(u64::try_from(every.as_micros()).unwrap_or(u64::MAX));
        now >= next && self.words[NEXT].compare_exchange(next, later, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Nothing was handed over: the turn is anybody's.
    pub(in crate::worker) fn return_turn(&self) {
        self.words[NEXT].store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Board;
    use super::*;
    use crate::model::{EntryId, Micros};

    /// It began then, and was answered at once.
    fn at(began: u64) -> When {
        When { began, answered: began, noted: false }
    }

    /// Refusals of one board, each from the next sender to the next domain.
    struct Scene {
        board: Board,
        next: std::cell::Cell<u64>,
    }

    impl Scene {
        fn new() -> Scene {
            Scene { board: Board::new(1).expect("shared memory"), next: std::cell::Cell::new(1) }
        }

        fn doubts(&self) -> Doubts<'_> {
            self.board.doubts()
        }

        fn refuse(&self, blame: Blame, permanent: bool, senders: u64, domains: u64) -> Option<Since> {
            let n = self.next.replace(self.next.get() + 1);
            let mark = Mark { user: 0, sender: n % senders, domain: n % domains };
            let refusal = Refusal { mark, blame, permanent, again: false, chosen: true, cause: 7 };
            let began = clock::steady();
            self.doubts().refused(at(began), &refusal, EntryId::new(Micros(n)).as_str(), "no")
        }

        fn when_over(&self) -> Judgement {
            self.doubts().judge(self.doubts().since().expect("a doubt"), true)
        }
    }

    #[test]
    fn only_a_delivery_that_began_later_ends_a_doubt() {
        let scene = Scene::new();
        let doubts = scene.doubts();
        let mark = Mark { user: 1, sender: 1, domain: 2 };
        let refusal = Refusal { mark, blame: Blame::Sink, permanent: false, again: false, chosen: true, cause: 3 };
        let id = EntryId::new(Micros(9));
        let refuse = |began| doubts.refused(at(began), &refusal, id.as_str(), "busy");
        let early = clock::steady();
        let since = refuse(early).expect("a doubt");
        // What was in flight with it tells nothing more.
        for _ in 0..20 {
            assert_eq!(refuse(early), Some(since));
        }
        let chosen = || doubts.seen(since).iter().filter(|refusal| refusal.chosen).count();
        assert_eq!((chosen(), doubts.marks(since)[0]), (1, mark));
        assert!(doubts.ids().iter().all(|refused| refused == id.as_str()) && doubts.why().ends_with(": busy"));
        doubts.accepted(early);
        assert_eq!(doubts.since(), Some(since));
        let later = clock::steady();
        assert_eq!((refuse(later), chosen()), (Some(since), 2));
        doubts.accepted(later.max(since));
        assert_eq!((doubts.since(), refuse(early)), (None, None));
        assert!(doubts.ids().is_empty());
    }

    #[test]
    fn what_others_were_accepted_after_is_known_for_a_while() {
        let scene = Scene::new();
        let refuse = || scene.refuse(Blame::Sender, false, 1_000, 1_000);
        assert!(refuse().is_some());
        scene.doubts().accepted(clock::steady());
        for _ in 0..KNOWN_SENDERS_IN_A_ROW {
            assert_eq!(refuse(), None);
        }
        assert!(refuse().is_some(), "so many in a row may be something else");
        // Words that blame us are never passed over, but somebody's own before.
        let scene = Scene::new();
        let refuse = || scene.refuse(Blame::Us, true, 1_000, 1_000);
        assert!(refuse().is_some());
        scene.doubts().accepted(clock::steady());
        assert!(refuse().is_some());
        assert_eq!(scene.when_over(), Judgement::Theirs);
    }

    #[test]
    fn what_was_refused_after_the_accepted_one_began_is_not_cleared_by_it() {
        let scene = Scene::new();
        let doubts = scene.doubts();
        let mark = Mark { user: 1, sender: 1, domain: 1 };
        let refusal = Refusal { mark, blame: Blame::Us, permanent: false, again: false, chosen: true, cause: 3 };
        let id = EntryId::new(Micros(9));
        let since = doubts.refused(at(clock::steady()), &refusal, id.as_str(), "quota").expect("a doubt");
        let began = clock::steady().max(since);
        let later = Refusal { cause: 4, ..refusal };
        let answered = began + 1;
        doubts.refused(When { began, answered, noted: false }, &later, id.as_str(), "quota");
        doubts.accepted(began);
        assert_eq!((doubts.since(), doubts.cleared(since, &refusal)), (None, true));
        assert!(!doubts.cleared(answered, &later) && doubts.is_known(3) && !doubts.is_known(4));
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
