//! Whom a sender has to be told of, and was not yet.
//!
//! Kept true: nobody is told twice of the same recipient, unless that was given another chance in between; and of mail that
//! a person removes nobody is told.

use std::collections::BTreeSet;

use super::notice::About;
use crate::model::verdict::Kind;

/// What is known of an entry's recipients, who go by their positions in the envelope.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// How many there are.
    pub recipients: usize,
    /// The last word on each; `None`, or nothing, where there is none yet.
    pub last: &'a [Option<Kind>],
    /// Of whom the sender was told.
    pub noticed: &'a BTreeSet<(About, usize)>,
    /// A person removed the entry.
    pub removed: bool,
    /// It is part of a list post.
    pub is_post: bool,
}

/// Whom the sender has to be told of: recipients that failed, that are delayed, or who have it.
pub fn untold(known: &Known<'_>, about: About) -> Vec<usize> {
    let is_untold = |i: &usize| {
        let last = known.last.get(*i).copied().flatten();
        !known.removed && concerns(about, last, known.is_post) && !known.noticed.contains(&(about, *i))
    };
    (0..known.recipients).filter(is_untold).collect()
}

/// Whether a notice of this kind concerns a recipient, by the last word on him.
fn concerns(about: About, last: Option<Kind>, is_post: bool) -> bool {
    match about {
        About::Failed => last == Some(Kind::Failed) || last == Some(Kind::Suppressed) && !is_post,
        About::Delayed => matches!(last, Some(Kind::Deferred | Kind::Unknown)),
        About::Relayed | About::Delivered => !matches!(last, Some(Kind::Failed | Kind::Held | Kind::Suppressed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: [Option<Kind>; 6] = [
        Some(Kind::Delivered),
        Some(Kind::Deferred),
        Some(Kind::Failed),
        Some(Kind::Unknown),
        Some(Kind::Held),
        Some(Kind::Suppressed),
    ];

    /// Of an entry with one recipient more than there are words.
    fn known(noticed: &BTreeSet<(About, usize)>) -> Known<'_> {
        Known { recipients: LAST.len() + 1, last: &LAST, noticed, removed: false, is_post: false }
    }

    #[test]
    fn each_notice_concerns_those_whose_last_word_it_tells() {
        let nobody = BTreeSet::new();
        let known = known(&nobody);
        assert_eq!(untold(&known, About::Failed), [2, 5]);
        assert_eq!(untold(&known, About::Delayed), [1, 3]);
        // No word was noted where everybody has it.
        assert_eq!(untold(&known, About::Delivered), [0, 1, 3, 6]);
        assert_eq!(untold(&known, About::Relayed), [0, 1, 3, 6]);
    }

    #[test]
    fn of_whom_a_list_post_left_out_its_sender_is_not_told() {
        let nobody = BTreeSet::new();
        assert_eq!(untold(&Known { is_post: true, ..known(&nobody) }, About::Failed), [2]);
    }

    #[test]
    fn nobody_is_told_twice_of_the_same_thing() {
        let noticed = BTreeSet::from([(About::Failed, 2), (About::Delayed, 5), (About::Delayed, 1)]);
        assert_eq!(untold(&known(&noticed), About::Failed), [5]);
        assert_eq!(untold(&known(&noticed), About::Delayed), [3]);
    }

    #[test]
    fn of_what_a_person_removes_nobody_is_told() {
        let nobody = BTreeSet::new();
        for about in [About::Failed, About::Delayed, About::Relayed, About::Delivered] {
            assert!(untold(&Known { removed: true, ..known(&nobody) }, about).is_empty());
        }
    }
}
