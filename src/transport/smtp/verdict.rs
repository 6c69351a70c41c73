//! What the server's replies come to: a verdict for each recipient, and whose fault a refusal may be.

use super::reply::Reply;
use crate::config::Connect;
use crate::model::verdict::Blame;
use crate::model::{Reason, SinkReply, Verdict};
use crate::policy::blame;

/// Why a hand-over came to nothing before its content was in the server's hand.
pub enum Trouble {
    /// The session is gone, by what was said or by its silence.
    Session(String),
    /// MAIL was refused for now.
    NotNow(Reply),
}

/// How an attempt on one session went.
pub enum SessionOutcome {
    /// A verdict for each of those who were tried.
    Verdicts(Vec<Verdict>),
    /// The same; nobody was taken, and it is not certain that the fault is theirs.
    InDoubt(Vec<Verdict>, Suspicion),
    Trouble(Trouble),
}

/// Whom a refusal blames, and the number of its cause.
pub type Suspicion = (Blame, u64);

/// The server that replies, as reasons name it.
#[derive(Clone, Copy)]
pub struct ServerName<'a>(pub &'a Connect);

impl ServerName<'_> {
    /// What the server said or did, as a reason.
    pub fn said(self, reply: &Reply, to: &str) -> Reason {
        reply.reason(&format!("{} said to {to}", self.0))
    }

    /// The verdict that a reply to `to`, which is RCPT or what follows, is. A refusal of this host is none of the message.
    pub fn verdict(self, reply: &Reply, to: &str) -> Verdict {
        match reply.code / 100 {
            2 => Verdict::Delivered(None),
            4 => Verdict::Deferred(self.said(reply, to)),
            5 if blame::refused_later(reply.code, &bare(reply)).is_some_and(Blame::is_ours) => {
                Verdict::Deferred(self.said(reply, to))
            }
            5 => Verdict::Failed(self.said(reply, to)),
            // To a whole message this is no answer.
            _ => Verdict::Unknown(self.said(reply, to)),
        }
    }

    /// The verdict that a reply to the content is: a good one is kept with the delivery.
    pub fn on_message(self, reply: &Reply) -> Verdict {
        match self.verdict(reply, "the message") {
            Verdict::Delivered(_) => Verdict::Delivered(SinkReply::new(&reply.one_line())),
            other => other,
        }
    }
}

/// A reply as a reason, without a word of ours.
pub fn bare(reply: &Reply) -> Reason {
    Reason::new(&reply.text).with_status(reply.status())
}

/// What becomes of verdicts that follow from `replies` to RCPT, DATA or the message: in doubt where nobody was taken and a
/// refusal blames this host.
pub fn whose_fault<'r>(verdicts: Vec<Verdict>, replies: impl IntoIterator<Item = &'r Reply>) -> SessionOutcome {
    if verdicts.iter().any(|verdict| !matches!(verdict, Verdict::Failed(_) | Verdict::Deferred(_))) {
        return SessionOutcome::Verdicts(verdicts);
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
        Some(suspicion) => SessionOutcome::InDoubt(verdicts, suspicion),
        None => SessionOutcome::Verdicts(verdicts),
    }
}
