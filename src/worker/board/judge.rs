//! The rules by which refusals are judged: the sink refuses everybody, or each refusal is its entry's own.
//!
//! Nothing was accepted since the first of them. Each next entry was chosen to differ most from those before it.

use std::collections::HashSet;

use super::refusal::Refusal;
use crate::model::verdict::Blame;

/// This many refusals one after another mean that the sink is down.
const ENOUGH: usize = 10;
/// The same where the replies name the sender: a server may refuse many senders and take the next one.
const ENOUGH_SENDERS: usize = 100;
/// Refusals to fewer senders, or of mail for fewer domains, may concern these alone.
const SENDERS: usize = 2;
const DOMAINS: usize = 3;
/// A doubt ends after this many refusals.
const MOST: usize = 120;

/// What refusals mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Open,
    /// The sink refuses everybody.
    Down,
    /// Each refusal is its entry's own.
    Theirs,
}

/// When refusals are judged.
pub(super) struct Scene<'k> {
    /// Nothing else is due.
    pub over: bool,
    /// Mail was accepted in this run, before the doubt.
    pub accepted: bool,
    /// Whether a cause was an entry's own before in this run.
    pub is_known: &'k dyn Fn(u64) -> bool,
}

/// Judges the refusals of a doubt, and the final ones before it since mail was last accepted.
///
/// The sink is down
/// - after ten refusals for now that name no sender, or a hundred that do, of two senders at least; what was in flight when
///   the doubt began counts once;
/// - after ten final ones of one cause that blame this host, or that concern two senders and three domains at least;
/// - when nothing else is due, if a refusal for now names no sender, or one blames this host and the entry was not deferred
///   for that before, and its cause is not known. One that blames the account may mean a sender's, if mail was accepted.
pub(super) fn judge(all: &[Refusal], scene: &Scene<'_>) -> Judgement {
    let seen: Vec<Refusal> = all.iter().filter(|refusal| refusal.chosen || refusal.is_final()).copied().collect();
    let of_sink = seen.iter().filter(|refusal| refusal.blame == Blame::Sink).count();
    let of_senders = seen.iter().filter(|refusal| refusal.names_sender_for_now()).count();
    let senders = different(&seen, |refusal| refusal.mark.sender);
    let final_ones: Vec<Refusal> = seen.iter().filter(|refusal| refusal.is_final()).copied().collect();
    let causes: HashSet<u64> = final_ones.iter().map(|refusal| refusal.cause).collect();
    let alike = |cause: &u64| -> Vec<Refusal> {
        let alike = final_ones.iter().filter(|refusal| refusal.cause == *cause);
        alike.copied().collect()
    };
    let enough: Vec<Vec<Refusal>> = causes.iter().map(alike).filter(|alike| alike.len() >= ENOUGH).collect();
    if of_sink >= ENOUGH
        || enough.iter().any(|alike| concerns_everybody(alike))
        || (of_senders >= ENOUGH_SENDERS && senders >= SENDERS)
    {
        return Judgement::Down;
    }
    let stops = |refusal: &Refusal| match refusal.blame {
        Blame::Sink => !(scene.is_known)(refusal.cause),
        Blame::Account => !(scene.is_known)(refusal.cause) && !refusal.again && !scene.accepted,
        Blame::Us => !(scene.is_known)(refusal.cause) && !refusal.again,
        Blame::Sender | Blame::Either => false,
    };
    let may_be_down = seen.is_empty() || seen.iter().any(stops);
    if scene.over || seen.len() >= MOST {
        return if may_be_down { Judgement::Down } else { Judgement::Theirs };
    }
    // Entries that differ more would have been tried before.
    let chosen = |alike: &Vec<Refusal>| alike.iter().filter(|refusal| refusal.chosen).count() >= ENOUGH;
    let of_few = enough.iter().any(chosen) || (of_senders >= ENOUGH && senders < SENDERS);
    if of_few && !may_be_down { Judgement::Theirs } else { Judgement::Open }
}

fn concerns_everybody(alike: &[Refusal]) -> bool {
    let senders = different(alike, |refusal| refusal.mark.sender);
    let domains = different(alike, |refusal| refusal.mark.domain);
    alike.iter().any(|refusal| refusal.blame.is_ours()) || (senders >= SENDERS && domains >= DOMAINS)
}

fn different(seen: &[Refusal], of: impl Fn(&Refusal) -> u64) -> usize {
    seen.iter().map(of).collect::<HashSet<u64>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::board::refusal::Mark;

    /// Refusals of one cause, spread over so many senders and domains.
    fn refusals(count: usize, blame: Blame, permanent: bool, (senders, domains): (u64, u64)) -> Vec<Refusal> {
        let each = |n: u64| Refusal {
            mark: Mark { user: 0, sender: n % senders, domain: n % domains },
            blame,
            permanent,
            again: false,
            chosen: true,
            cause: 7,
        };
        (0..count as u64).map(each).collect()
    }

    fn judged(seen: &[Refusal], over: bool) -> Judgement {
        judge(seen, &Scene { over, accepted: false, is_known: &|_| false })
    }

    #[test]
    fn a_sink_that_refuses_everybody_is_down() {
        let cases = [
            (Blame::Sink, false, (1, 1), ENOUGH),
            (Blame::Us, true, (1, 1), ENOUGH),
            (Blame::Us, false, (1, 1), ENOUGH),
            (Blame::Account, false, (1, 1), ENOUGH),
            (Blame::Either, true, (2, 3), ENOUGH),
            (Blame::Sender, true, (2, 3), ENOUGH),
            (Blame::Sender, false, (2, 1), ENOUGH_SENDERS),
        ];
        for (blame, permanent, spread, enough) in cases {
            let seen = refusals(enough, blame, permanent, spread);
            assert_eq!(judged(&seen[1..], false), Judgement::Open, "{blame:?} {permanent}");
            assert_eq!(judged(&seen, false), Judgement::Down, "{blame:?} {permanent}");
        }
    }

    #[test]
    fn ten_causes_are_no_cause() {
        let mut seen = refusals(3 * ENOUGH, Blame::Either, true, (9, 9));
        seen.iter_mut().enumerate().for_each(|(n, refusal)| refusal.cause = n as u64 % 4);
        assert_eq!(judged(&seen, false), Judgement::Open);
        assert_eq!(judged(&seen, true), Judgement::Theirs);
    }

    #[test]
    fn refusals_to_few_are_their_own() {
        let cases = [(Blame::Either, true, (1, 9)), (Blame::Either, true, (9, 2)), (Blame::Sender, false, (1, 9))];
        for (blame, permanent, spread) in cases {
            let mut seen = refusals(ENOUGH, blame, permanent, spread);
            assert_eq!(judged(&seen[1..], false), Judgement::Open, "{blame:?} {permanent}");
            assert_eq!(judged(&seen, false), Judgement::Theirs, "{blame:?} {permanent}");
            // Beside one that may mean the sink they wait for more.
            seen.extend(refusals(1, Blame::Sink, false, (1, 1)));
            assert_eq!(judged(&seen, false), Judgement::Open, "{blame:?} {permanent}");
        }
    }

    #[test]
    fn when_nothing_else_is_due_only_the_sink_or_words_that_blame_us_stop_it() {
        let cases = [
            (Blame::Sink, false, Judgement::Down),
            (Blame::Us, true, Judgement::Down),
            (Blame::Us, false, Judgement::Down),
            (Blame::Account, false, Judgement::Down),
            (Blame::Either, true, Judgement::Theirs),
            (Blame::Sender, true, Judgement::Theirs),
            (Blame::Sender, false, Judgement::Theirs),
        ];
        for (blame, permanent, expected) in cases {
            let seen = refusals(4, blame, permanent, (9, 9));
            assert_eq!(judged(&seen, true), expected, "{blame:?} {permanent}");
            let known = Scene { over: true, accepted: false, is_known: &|cause| cause == 7 };
            assert_eq!(judge(&seen, &known), Judgement::Theirs, "{blame:?} {permanent}");
        }
    }

    #[test]
    fn what_was_in_flight_counts_where_it_is_final_but_blames_no_few() {
        let mut seen = refusals(ENOUGH, Blame::Either, true, (2, 3));
        seen.iter_mut().skip(1).for_each(|refusal| refusal.chosen = false);
        assert_eq!(judged(&seen, false), Judgement::Down);
        seen.iter_mut().for_each(|refusal| refusal.mark.sender = 1);
        assert_eq!(judged(&seen, false), Judgement::Open);
        let mut seen = refusals(ENOUGH, Blame::Sink, false, (2, 3));
        seen.iter_mut().skip(1).for_each(|refusal| refusal.chosen = false);
        assert_eq!(judged(&seen, false), Judgement::Open);
    }

    #[test]
    fn one_senders_account_is_no_outage_where_others_were_accepted() {
        let scene = Scene { over: true, accepted: true, is_known: &|_| false };
        assert_eq!(judge(&refusals(3, Blame::Account, false, (1, 1)), &scene), Judgement::Theirs);
        assert_eq!(judge(&refusals(3, Blame::Us, false, (1, 1)), &scene), Judgement::Down);
        let mut again = refusals(3, Blame::Us, false, (1, 1));
        again.iter_mut().for_each(|refusal| refusal.again = true);
        assert_eq!(judged(&again, true), Judgement::Theirs);
    }
}
