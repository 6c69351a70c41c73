//! Who has to be told of what: whom a notice goes to, and of which recipients its reader was not told yet.
//!
//! Kept true: nobody is told twice of the same thing about a recipient, unless that was given another chance in between; and of mail that
//! a person removes nobody is told.

use std::collections::BTreeSet;
use std::time::Duration;

use super::notice::About;
use crate::model::verdict::Kind;
use crate::model::{Address, Envelope};

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

/// Whether some recipient failed, as its sender sees it.
pub fn has_failed(known: &Known<'_>) -> bool {
    !known.removed && known.last.iter().any(|last| concerns(About::Failed, *last, known.is_post))
}

/// Whether an entry that `waited` so long is delayed, where `warning` is how long is no delay; never if that is zero.
pub fn is_delayed(waited: Duration, warning: Duration) -> bool {
    !warning.is_zero() && waited >= warning
}

/// Who is to know of an entry, if anybody: its sender, as NOTIFY says (RFC 3461 section 4.1).
pub fn addressee<'a>(envelope: &'a Envelope, about: About, postmaster: Option<&'a Address>) -> Option<&'a Address> {
    match &envelope.sender {
        Some(sender) => Some(sender).filter(|_| about.is_wanted(envelope.origin.notify.as_deref())),
        // A notice, most likely: it may go to the postmaster, but for one that was to go to him.
        None => {
            let postmaster = postmaster.filter(|_| about == About::Failed)?;
            let his = |to: &Address| to.as_str().eq_ignore_ascii_case(postmaster.as_str());
            Some(postmaster).filter(|_| !envelope.recipients.iter().all(his))
        }
    }
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
    fn what_its_sender_is_told_of_has_failed() {
        let nobody = BTreeSet::new();
        let of = |last: &[Option<Kind>], is_post| has_failed(&Known { last, is_post, ..known(&nobody) });
        assert!(of(&LAST, false) && of(&LAST[..3], true));
        assert!(!has_failed(&Known { removed: true, ..known(&nobody) }));
        assert!(of(&LAST[5..], false) && !of(&LAST[5..], true) && !of(&LAST[3..5], false));
    }

    #[test]
    fn who_sent_it_is_to_know_and_of_a_notice_the_postmaster() {
        let address = |text: &str| text.parse::<Address>().expect("an address");
        let (sender, postmaster) = (address("s@example.org"), address("Postmaster@example.org"));
        let origin = |notify: Option<&str>| crate::model::envelope::Origin {
            submitted: crate::model::Micros(1),
            uid: 0,
            body: None,
            notify: notify.map(str::to_owned),
            ret: None,
            envid: None,
            verp: None,
        };
        let envelope = |from: Option<&Address>, notify, to: &str| Envelope {
            id: crate::model::EntryId::new(crate::model::Micros(1)),
            sender: from.cloned(),
            recipients: vec![address(to)],
            fields: crate::model::Fields::default(),
            origin: origin(notify),
        };
        let mail = |notify| envelope(Some(&sender), notify, "r@example.net");
        assert_eq!(addressee(&mail(None), About::Failed, Some(&postmaster)), Some(&sender));
        assert_eq!(addressee(&mail(Some("never")), About::Failed, Some(&postmaster)), None);
        let notice = envelope(None, Some("never"), "r@example.net");
        assert_eq!(addressee(&notice, About::Failed, Some(&postmaster)), Some(&postmaster));
        assert_eq!(addressee(&notice, About::Failed, None), None);
        assert_eq!(addressee(&notice, About::Delayed, Some(&postmaster)), None);
        let to_him = envelope(None, None, "postmaster@example.org");
        assert_eq!(addressee(&to_him, About::Failed, Some(&postmaster)), None);
    }

    #[test]
    fn a_delay_is_one_from_its_warning_on() {
        let hour = Duration::from_secs(3_600);
        assert!(is_delayed(hour, hour) && !is_delayed(hour / 2, hour) && !is_delayed(hour, Duration::ZERO));
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
