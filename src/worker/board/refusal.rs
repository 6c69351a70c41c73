//! A refusal, as far as it tells anything of the sink: whose mail it was, whom the reply blames, and its cause.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::Address;
use crate::model::verdict::Blame;
use crate::queue::Claim;

/// When a hand-over was refused.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// It began, on the steady clock.
    pub began: u64,
    /// Its answer came.
    pub answered: u64,
    /// An earlier run was refused it as well.
    pub noted: bool,
}

/// Whose an entry is, as far as it tells entries apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The user who submitted it.
    pub user: u64,
    /// A hash of the envelope sender.
    pub sender: u64,
    /// A hash of the recipient's domain.
    pub domain: u64,
}

impl Mark {
    /// The mark of a hand-over to `recipient` that names `sender`.
    pub fn of<C: Claim>(claim: &C, sender: &str, recipient: Option<&usize>) -> Mark {
        let hash = |text: &str| {
            let mut hasher = DefaultHasher::new();
            text.to_ascii_lowercase().hash(&mut hasher);
            hasher.finish()
        };
        let envelope = claim.envelope();
        let to = recipient.and_then(|&i| envelope.recipients.get(i));
        let domain = hash(to.map_or("", Address::domain));
        Mark { user: u64::from(envelope.origin.uid), sender: hash(sender), domain }
    }

    /// How much it differs from all of `others`: 1 each for a sender, a domain and a user that is new.
    pub fn news(&self, others: &[Mark]) -> u8 {
        let new = |same: fn(&Mark, &Mark) -> bool| u8::from(!others.iter().any(|other| same(self, other)));
        new(|a, b| a.sender == b.sender) + new(|a, b| a.domain == b.domain) + new(|a, b| a.user == b.user)
    }
}

/// One refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub mark: Mark,
    pub blame: Blame,
    /// It is a failure if it is the entry's own.
    pub permanent: bool,
    /// The entry was deferred for the same before.
    pub again: bool,
    /// The entry was chosen to be tried in this doubt, and not in flight when it began.
    pub chosen: bool,
    /// Equal for refusals that have one cause.
    pub cause: u64,
}

impl Refusal {
    /// Whether trying again soon would not help.
    pub fn is_final(&self) -> bool {
        self.permanent || self.blame.is_ours()
    }

    pub fn names_sender_for_now(&self) -> bool {
        self.blame == Blame::Sender && !self.permanent
    }
}

const BLAMES: [Blame; 5] = [Blame::Sink, Blame::Sender, Blame::Either, Blame::Account, Blame::Us];

/// Stores it in five words.
pub(super) fn put_refusal(words: &[AtomicU64], refusal: &Refusal) {
    let Refusal { mark, blame, permanent, again, cause, chosen } = *refusal;
    let kind = blame as u64 | u64::from(permanent) << 3 | u64::from(again) << 4 | u64::from(chosen) << 5;
    for (word, value) in words.iter().zip([mark.user, mark.sender, mark.domain, cause, kind]) {
        word.store(value, Ordering::Relaxed);
    }
}

pub(super) fn get_refusal(words: &[AtomicU64]) -> Refusal {
    let word = |at: usize| words[at].load(Ordering::Relaxed);
    let blame = BLAMES.into_iter().find(|&blame| blame as u64 == word(4) & 7).unwrap_or(Blame::Sink);
    let mark = Mark { user: word(0), sender: word(1), domain: word(2) };
    let is = |bit: u32| word(4) >> bit & 1 == 1;
    Refusal { mark, blame, permanent: is(3), again: is(4), chosen: is(5), cause: word(3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_counts_for_more_than_another_sender_of_the_same() {
        let mark = |user, sender, domain| Mark { user, sender, domain };
        let refused = [mark(7001, 1, 1), mark(7001, 2, 2)];
        assert_eq!(mark(7001, 3, 3).news(&refused), 2);
        assert_eq!(mark(0, 3, 3).news(&refused), 3);
        assert_eq!(mark(7001, 1, 2).news(&refused), 0);
    }
}
