//! One attempt on an open session: from the envelope to the verdicts, and whose fault each refusal may be.

use super::reply::Reply;
use super::session::{Answer, Session, Times, Unsent};
use super::{Letter, Next, Smtp};
use crate::model::verdict::Blame;
use crate::model::{Reason, Verdict};
use crate::policy::blame;
use crate::sys::signals::Signals;
use crate::transport::Handover;

/// Why a hand-over came to nothing before its content was in the server's hand.
pub(super) enum Trouble {
    /// The session is gone, by what was said or by its silence.
    Session(String),
    /// MAIL was refused for now.
    NotNow(Reply),
}

/// How an attempt on one session went.
pub(super) enum Gone {
    /// A verdict for each of those who were tried.
    Verdicts(Vec<Verdict>),
    /// The same; nobody was taken, and it is not certain that the fault is theirs.
    InDoubt(Vec<Verdict>, Suspicion),
    Trouble(Trouble),
}

/// Whom a refusal blames, and the number of its cause.
pub(super) type Suspicion = (Blame, u64);

impl Smtp {
    /// What the server said or did, as a reason.
    pub(super) fn said(&self, reply: &Reply, to: &str) -> Reason {
        reply.reason(&format!("{} said to {to}", self.config.connect[self.at]))
    }

    /// The verdict that a reply to `to`, which is RCPT or what follows, is. A refusal of this host is none of the message.
    fn verdict(&self, reply: &Reply, to: &str) -> Verdict {
        match reply.code / 100 {
            2 => Verdict::Delivered,
            4 => Verdict::Deferred(self.said(reply, to)),
            5 if blame::refused_later(reply.code, &bare(reply)).is_some_and(Blame::is_ours) => {
                Verdict::Deferred(self.said(reply, to))
            }
            5 => Verdict::Failed(self.said(reply, to)),
            // To a whole message this is no answer.
            _ => Verdict::Unknown(self.said(reply, to)),
        }
    }

    /// One attempt on an open session, which is kept if it can be; `reused` says that it carried messages before.
    pub(super) fn attempt(
        &mut self,
        (mut session, reused): (Session, bool),
        letter: Letter<'_>,
        handover: &Handover<'_>,
        next: &mut Next<'_>,
        times: Times,
        signals: &Signals,
    ) -> Gone {
        let answer = match session.envelope(letter, times, signals) {
            Ok(answer) => answer,
            Err(lost) => return Gone::Trouble(Trouble::Session(lost.to_string())),
        };
        let (replies, no_data) = match answer {
            Answer::Refused(reply) if reply.code == 421 => {
                return Gone::Trouble(Trouble::Session(format!("it said to MAIL {reply}")));
            }
            Answer::Refused(reply) => return self.refused(session, &reply, letter.group.len(), reused),
            Answer::Recipients(replies) => (replies, None),
            Answer::NoData(replies, reply) => (replies, Some(reply)),
        };
        if let Some(reply) = replies.iter().chain(&no_data).find(|reply| reply.code == 421) {
            return Gone::Trouble(Trouble::Session(format!("it said {reply}")));
        }
        let taken = replies.iter().filter(|reply| reply.is_good()).count();
        let full = |reply: &Reply| reply.code == 552 && taken > 0;
        let recipient = |reply: &Reply| match reply {
            // Too many of them, which is no fault of this one (RFC 5321 section 4.5.3.1.10).
            reply if full(reply) => Verdict::Deferred(self.said(reply, "RCPT")),
            reply if reply.code / 100 == 3 => Verdict::Deferred(self.said(reply, "RCPT")),
            reply => self.verdict(reply, "RCPT"),
        };
        let mut verdicts: Vec<Verdict> = replies.iter().map(recipient).collect();
        let taken_ones = verdicts.iter_mut().filter(|verdict| **verdict == Verdict::Delivered);
        if let Some(reply) = no_data {
            let verdict = match self.verdict(&reply, "DATA") {
                Verdict::Failed(reason) => Verdict::Failed(reason),
                Verdict::Delivered
                | Verdict::Deferred(_)
                | Verdict::Unknown(_)
                | Verdict::Held(_)
                | Verdict::Suppressed(_) => Verdict::Deferred(self.said(&reply, "DATA")),
            };
            taken_ones.for_each(|taken| *taken = verdict.clone());
            self.session = Some(session);
            return whose_fault(verdicts, replies.iter().chain([&reply]));
        }
        if taken == 0 {
            self.session = Some(session);
            return whose_fault(verdicts, &replies);
        }
        match session.content(&handover.message, taken, next, times, signals) {
            Ok(answers) => {
                let closed = answers.iter().any(|reply| reply.code == 421);
                let each = answers.iter().chain(std::iter::repeat_n(answers.last(), taken).flatten());
                for (verdict, reply) in taken_ones.zip(each) {
                    *verdict = self.verdict(reply, "the message");
                }
                self.session = (!closed).then_some(session);
                return whose_fault(verdicts, &answers);
            }
            Err(Unsent::Unreadable(error)) => {
                let reason = Reason::new(&format!("the entry cannot be read: {error}"));
                taken_ones.for_each(|verdict| *verdict = Verdict::Deferred(reason.clone()));
            }
            // What is left of the content would be taken for commands, or its end for a word of its own: the session ends.
            Err(Unsent::Refused(reply)) => {
                let verdict = self.verdict(&reply, "the message");
                taken_ones.for_each(|taken| *taken = verdict.clone());
                return whose_fault(verdicts, [&reply]);
            }
            Err(Unsent::Cut(lost)) => return Gone::Trouble(Trouble::Session(lost.to_string())),
            Err(Unsent::Unanswered(answers, lost)) => {
                let at = &self.config.connect[self.at];
                let reason = Reason::new(&format!("{at} has the message and did not answer: {lost}"));
                let mut answers = answers.iter();
                for verdict in taken_ones {
                    let unknown = || Verdict::Unknown(reason.clone());
                    *verdict = answers.next().map_or_else(unknown, |reply| self.verdict(reply, "the message"));
                }
            }
        }
        Gone::Verdicts(verdicts)
    }

    /// What a reply to MAIL is that refuses `count` recipients at once.
    fn refused(&mut self, session: Session, reply: &Reply, count: usize, reused: bool) -> Gone {
        let (reason, bare) = (self.said(reply, "MAIL"), bare(reply));
        let permanent = reply.is_permanent() && reply.code != 503;
        let blame = match permanent {
            true => blame::refused_sender(reply.code, &bare),
            false => Some(blame::deferred_sender(&bare)),
        };
        // A fresh session may be welcome where this one is not.
        if !permanent && (reused || blame == Some(Blame::Sink)) {
            session.part();
            return Gone::Trouble(Trouble::NotNow(reply.clone()));
        }
        self.session = Some(session);
        let waits = !permanent || blame.is_some_and(Blame::is_ours);
        let verdicts = vec![if waits { Verdict::Deferred(reason) } else { Verdict::Failed(reason) }; count];
        match blame {
            Some(blame) if permanent => Gone::InDoubt(verdicts, (blame, blame::cause(reply.code, &bare, blame))),
            Some(blame) => Gone::InDoubt(verdicts, (blame, blame::cause_by_words(&bare))),
            None => Gone::Verdicts(verdicts),
        }
    }
}

/// A reply as a reason, without a word of ours.
fn bare(reply: &Reply) -> Reason {
    Reason::new(&reply.text).with_status(reply.status())
}

/// What becomes of verdicts that follow from `replies` to RCPT, DATA or the message: in doubt where nobody was taken and a
/// refusal blames this host.
fn whose_fault<'r>(verdicts: Vec<Verdict>, replies: impl IntoIterator<Item = &'r Reply>) -> Gone {
    if verdicts.iter().any(|verdict| !matches!(verdict, Verdict::Failed(_) | Verdict::Deferred(_))) {
        return Gone::Verdicts(verdicts);
    }
    let blamed = |reply: &Reply| {
        let bare = bare(reply);
        let blame = blame::refused_later(reply.code, &bare).filter(|_| reply.is_permanent())?;
        Some((blame, blame::cause(reply.code, &bare, blame)))
    };
    let mut suspicion: Option<Suspicion> = None;
    for found in replies.into_iter().filter_map(blamed) {
        if suspicion.is_none() || found.0.is_ours() {
            suspicion = Some(found);
        }
    }
    match suspicion {
        Some(suspicion) => Gone::InDoubt(verdicts, suspicion),
        None => Gone::Verdicts(verdicts),
    }
}
