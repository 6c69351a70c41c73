//! One message's way through an open session: from the envelope to the verdicts, and whether the session can be kept.

use super::reply::Reply;
use super::session::{Answer, Session, Unsent};
use super::times::Times;
use super::verdict::{ServerName, SessionOutcome, Trouble, bare, whose_fault};
use crate::model::verdict::Blame;
use crate::model::{Reason, Verdict};
use crate::policy::blame;
use crate::queue::Message;
use crate::sys::signals::Signals;
use crate::transport::handover::{Next, NextHandover};

/// One attempt.
pub struct SmtpAttempt<'a> {
    pub server: ServerName<'a>,
    /// Its group are those who are tried.
    pub request: NextHandover<'a>,
    pub message: &'a Message,
    pub times: Times,
}

impl SmtpAttempt<'_> {
    /// How it goes on `session`, which comes back if it can be kept; `reused` says that it carried messages before.
    pub fn run(
        &self,
        mut session: Session,
        reused: bool,
        next: &mut Next<'_>,
        signals: &Signals,
    ) -> (SessionOutcome, Option<Session>) {
        let lost = |why: String| (SessionOutcome::Trouble(Trouble::Session(why)), None);
        let answer = match session.envelope(self.request, self.times, signals) {
            Ok(answer) => answer,
            Err(why) => return lost(why.to_string()),
        };
        let (replies, no_data) = match answer {
            Answer::Refused(reply) if reply.ends_session() => return lost(format!("it said to MAIL {reply}")),
            Answer::Refused(reply) => return self.refused(session, &reply, reused),
            Answer::Recipients(replies) => (replies, None),
            Answer::NoData(replies, reply) => (replies, Some(reply)),
        };
        if let Some(reply) = replies.iter().chain(&no_data).find(|reply| reply.ends_session()) {
            return lost(format!("it said {reply}"));
        }
        let taken = replies.iter().filter(|reply| reply.is_good()).count();
        let mut verdicts = self.of_recipients(&replies, taken);
        if let Some(reply) = no_data {
            let verdict = self.without_data(&reply);
            taken_ones(&mut verdicts).for_each(|taken| *taken = verdict.clone());
            return (whose_fault(verdicts, replies.iter().chain([&reply])), Some(session));
        }
        if taken == 0 {
            return (whose_fault(verdicts, &replies), Some(session));
        }
        let came = session.content(self.message, taken, next, self.times, signals);
        let (gone, goes_on) = self.of_content(verdicts, taken, came);
        (gone, goes_on.then_some(session))
    }

    /// What a reply to MAIL is that refuses all recipients at once.
    fn refused(&self, session: Session, reply: &Reply, reused: bool) -> (SessionOutcome, Option<Session>) {
        let (reason, bare) = (self.server.said(reply, "MAIL"), bare(reply));
        let permanent = reply.is_permanent() && reply.code != 503;
        let blame = match permanent {
            true => blame::refused_sender(reply.code, &bare),
            false => Some(blame::deferred_sender(&bare)),
        };
        // A fresh session may be welcome where this one is not.
        if !permanent && (reused || blame == Some(Blame::Sink)) {
            session.part();
            return (SessionOutcome::Trouble(Trouble::NotNow(reply.clone())), None);
        }
        let waits = !permanent || blame.is_some_and(Blame::is_ours);
        let verdict = if waits { Verdict::Deferred(reason) } else { Verdict::Failed(reason) };
        let verdicts = vec![verdict; self.request.group.len()];
        let gone = match blame {
            Some(blame) if permanent => {
                SessionOutcome::InDoubt(verdicts, (blame, blame::cause(reply.code, &bare, blame)))
            }
            Some(blame) => SessionOutcome::InDoubt(verdicts, (blame, blame::cause_by_words(&bare))),
            None => SessionOutcome::Verdicts(verdicts),
        };
        (gone, Some(session))
    }

    /// The verdicts that the replies to RCPT are, of which `taken` are good.
    fn of_recipients(&self, replies: &[Reply], taken: usize) -> Vec<Verdict> {
        let full = |reply: &Reply| reply.code == 552 && taken > 0;
        let recipient = |reply: &Reply| match reply {
            // Too many of them, which is no fault of this one (RFC 5321 section 4.5.3.1.10).
            reply if full(reply) => Verdict::Deferred(self.server.said(reply, "RCPT")),
            reply if reply.code / 100 == 3 => Verdict::Deferred(self.server.said(reply, "RCPT")),
            reply => self.server.verdict(reply, "RCPT"),
        };
        replies.iter().map(recipient).collect()
    }

    /// The verdict on those who were taken, where DATA is answered with `reply` and no content follows.
    fn without_data(&self, reply: &Reply) -> Verdict {
        match self.server.verdict(reply, "DATA") {
            Verdict::Failed(reason) => Verdict::Failed(reason),
            Verdict::Delivered(_)
            | Verdict::Deferred(_)
            | Verdict::Unknown(_)
            | Verdict::Held(_)
            | Verdict::Suppressed(_) => Verdict::Deferred(self.server.said(reply, "DATA")),
        }
    }

    /// What becomes of `verdicts`, in which `taken` are open, by what `came` of the content; and whether the session goes
    /// on.
    fn of_content(
        &self,
        mut verdicts: Vec<Verdict>,
        taken: usize,
        came: Result<Vec<Reply>, Unsent>,
    ) -> (SessionOutcome, bool) {
        let open = taken_ones(&mut verdicts);
        match came {
            Ok(answers) => {
                let closed = answers.iter().any(Reply::ends_session);
                // The last one is of all who are left.
                let mut said: Vec<Verdict> = answers.iter().map(|reply| self.server.on_message(reply)).collect();
                said.truncate(taken);
                let last = said.last().cloned();
                for (verdict, said) in open.zip(said.into_iter().chain(std::iter::repeat_n(last, taken).flatten())) {
                    *verdict = said;
                }
                return (whose_fault(verdicts, &answers), !closed);
            }
            Err(Unsent::Unreadable(error)) => {
                let reason = Reason::new(&format!("the entry cannot be read: {error}"));
                open.for_each(|verdict| *verdict = Verdict::Deferred(reason.clone()));
            }
            // What is left of the content would be taken for commands, or its end for a word of its own: the session ends.
            Err(Unsent::Refused(reply)) => {
                let verdict = self.server.on_message(&reply);
                open.for_each(|taken| *taken = verdict.clone());
                return (whose_fault(verdicts, [&reply]), false);
            }
            Err(Unsent::Cut(lost)) => return (SessionOutcome::Trouble(Trouble::Session(lost.to_string())), false),
            Err(Unsent::Unanswered(answers, lost)) => {
                let at = self.server.0;
                let reason = Reason::new(&format!("{at} has the message and did not answer: {lost}"));
                let mut answers = answers.iter();
                for verdict in open {
                    let unknown = || Verdict::Unknown(reason.clone());
                    *verdict = answers.next().map_or_else(unknown, |reply| self.server.on_message(reply));
                }
            }
        }
        (SessionOutcome::Verdicts(verdicts), false)
    }
}

/// Those who were taken at RCPT, and whose verdict the rest of the dialogue is.
fn taken_ones(verdicts: &mut [Verdict]) -> impl Iterator<Item = &mut Verdict> {
    verdicts.iter_mut().filter(|verdict| verdict.is_delivered())
}
