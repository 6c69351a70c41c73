//! Telling senders: of mail that failed, that is delayed, or, where they asked for it, that was handed on.
//!
//! The order of steps: the verdicts are journaled → the notice is published, once, because its id follows from what it is
//! about → *noticed* is journaled → the entry is settled. A worker that is killed between two of them leaves an entry whose
//! journal has failures without *noticed*: whoever claims it next begins there, and comes to the same id.
//!
//! Nobody is told of a notice: it has no sender. Who is told too often in an hour gets a summary when it is over.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::hand::Try;
use crate::config;
use crate::model::envelope::Origin;
use crate::model::verdict::Kind;
use crate::model::{Address, Body, EntryId, Envelope, Fields, Micros};
use crate::policy::notice::{
    About, MergeCounts, MergeNotice, Notice, NoticeSummary, RecipientStatus, Returned, summary_line,
};
use crate::policy::told::{addressee, is_delayed, untold};
use crate::queue::{Claim, Message, NoMessage, Queue, QueueError, Storm};
use crate::sys::{clock, fault, process};

/// The queue that notices go into.
pub const QUEUE: &str = "outbound";

/// More of a header does not come back.
const HEADER_MAX: u64 = 64 << 10;

/// A longer line is copied in parts.
const LINE_MAX: u64 = 64 << 10;

/// Where notices go, and by which rules.
pub struct Notifier<'a, Q: Queue> {
    /// The queue whose mail they are about.
    pub queue: &'a str,
    pub rules: &'a config::Queue,
    /// The queue [`QUEUE`].
    pub outlet: Q,
    pub policy: &'a config::Notices,
    /// This host's name.
    pub host: String,
}

impl<Q: Queue> Notifier<'_, Q> {
    /// Tells the sender of whoever failed for good and of whom he does not know.
    ///
    /// Errors: he could not be told, or that could not be recorded; then the entry may not be settled.
    pub(super) fn tell_of_failures(&self, claim: &mut Q::Claim) -> Result<(), QueueError> {
        if !self.rules.notices {
            return Ok(());
        }
        let failed = untold(&claim.known(), About::Failed);
        self.tell(claim, About::Failed, &failed, None)
    }

    /// Tells the sender of what goes on otherwise: that it takes longer, or that everybody else has it.
    ///
    /// Errors: as with failures; but the entry may be settled.
    pub(super) fn tell_of_progress(
        &self,
        claim: &mut Q::Claim,
        attempt: &Try,
        success: Option<About>,
    ) -> Result<(), QueueError> {
        let rules = self.rules;
        if !rules.notices {
            return Ok(());
        }
        if !attempt.open.is_empty() {
            let is_due = is_delayed(attempt.waited, rules.delay_warning);
            let delayed = if is_due { untold(&claim.known(), About::Delayed) } else { Vec::new() };
            let left = rules.retry.expire.saturating_sub(attempt.waited);
            return self.tell(claim, About::Delayed, &delayed, Some(clock::now().plus(left)));
        }
        match success {
            Some(about) if about.is_wanted(claim.envelope().origin.notify.as_deref()) => {
                let delivered = untold(&claim.known(), about);
                self.tell(claim, about, &delivered, None)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn tell(
        &self,
        claim: &mut Q::Claim,
        about: About,
        recipients: &[usize],
        until: Option<Micros>,
    ) -> Result<(), QueueError> {
        if recipients.is_empty() {
            return Ok(());
        }
        let postmaster = self.policy.postmaster.as_ref();
        let Some(to) = addressee(claim.envelope(), about, postmaster).cloned() else { return Ok(()) };
        let statuses = claim.statuses(recipients)?;
        let id = self.notice_id(claim.id(), about, recipients, &statuses);
        let (outlet, now) = (&self.outlet, clock::now());
        if !outlet.knows(&id)? {
            let line = summary_line(about, claim.envelope(), &statuses);
            if outlet.admit(&to, self.policy.per_hour as u64, &line, now)? {
                let host = &self.host;
                let returned = self.returned(claim, about, recipients)?;
                let envelope = claim.envelope();
                let statuses = &statuses;
                let notice = Notice { about, id: &id, now, host, to: &to, envelope, statuses, until, returned };
                self.publish(claim, recipients, &notice)?;
            }
        }
        fault::instant("notice.published");
        match about {
            About::Failed | About::Delayed => claim.noticed(about, recipients, now)?,
            // The entry ends with it, unless somebody else failed or is held.
            About::Relayed | About::Delivered => {
                if claim.any(Kind::Failed) || claim.any(Kind::Held) || claim.any(Kind::Suppressed) {
                    claim.noticed(about, recipients, now)?;
                }
            }
        }
        fault::instant("notice.recorded");
        Ok(())
    }

    /// The same whenever the journal tells the same.
    fn notice_id(&self, entry: &EntryId, about: About, recipients: &[usize], statuses: &[RecipientStatus]) -> EntryId {
        let mut parts = vec!["notice".to_owned(), self.queue.to_owned(), entry.to_string(), about.name().to_owned()];
        // Of a delay he is told once, whoever is concerned by then.
        if about != About::Delayed {
            for (recipient, status) in recipients.iter().zip(statuses) {
                parts.push(format!("{recipient} {}", status.at.unwrap_or_default()));
            }
        }
        EntryId::of_key(&parts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What comes back: what RET says, or else the configuration (RFC 3461 section 4.3); the header alone if the message is
    /// too large, or did not fail.
    fn returned(&self, claim: &Q::Claim, about: About, recipients: &[usize]) -> Result<Returned, QueueError> {
        let policy = self.policy;
        let wanted = match claim.envelope().origin.ret.as_deref() {
            Some("full") => Returned::Message,
            Some("hdrs") => Returned::Header,
            Some(_) | None => policy.returned,
        };
        let fits = about == About::Failed && claim.size(&recipients[..1]) <= policy.size;
        Ok(if fits { wanted } else { Returned::Header })
    }

    fn publish(&self, claim: &Q::Claim, recipients: &[usize], notice: &Notice<'_>) -> Result<(), QueueError> {
        let mut original = Some(claim.message(&recipients[..1], false).map_err(NoMessage::into_fault)?);
        let mut write = |out: &mut dyn Write| -> io::Result<()> {
            out.write_all(notice.opening().as_bytes())?;
            if let Some(original) = original.take() {
                copy(original, notice.returned, out)?;
            }
            out.write_all(notice.closing().as_bytes())
        };
        self.outlet.publish(&envelope(notice.id, notice.to, notice.now), notice.now, &mut write)
    }
}

/// A merge whose sender is told.
#[derive(Clone, Copy, Debug)]
pub struct MergeNews<'a> {
    pub job: &'a EntryId,
    pub name: Option<&'a str>,
    pub sender: Option<&'a Address>,
    pub notify: Option<&'a str>,
    /// The folder of the events.
    pub events: &'a str,
    pub counts: MergeCounts,
    pub has_ended: bool,
    /// What tells this notice from others about the job.
    pub mark: &'a str,
}

/// Publishes a summary for each sender whose notices were held back, when the hour is over.
pub fn sum_up<Q: Queue>(outlet: &Q) -> Result<(), QueueError> {
    let (now, host) = (clock::now(), process::host_name());
    outlet.ended_storms(now, &mut |storm| {
        let Storm { sender, since, held_back, lines } = storm;
        // With the count: what was held back since a killed run published it needs another.
        let id = EntryId::of_key(&["storm", sender.as_str(), &since.to_string(), &held_back.to_string()]);
        let summary =
            NoticeSummary { id: &id, now, host: &host, to: sender, since: *since, held_back: *held_back, lines };
        let mut write = |out: &mut dyn Write| out.write_all(summary.message().as_bytes());
        outlet.publish(&envelope(&id, sender, now), now, &mut write)
    })
}

/// Notifies the sender of a merge, once, if a row failed or, while the job lasts, is held, and he wants to know.
pub fn tell_of_merge<Q: Queue>(outlet: &Q, queue: &str, merge: &MergeNews<'_>) -> Result<(), QueueError> {
    let MergeNews { job, name, sender, notify, events, counts, has_ended, mark } = *merge;
    let concerns = counts.failed > 0 || (!has_ended && counts.held > 0);
    let Some(to) = sender.filter(|_| concerns && About::Failed.is_wanted(notify)) else { return Ok(()) };
    let (now, host) = (clock::now(), process::host_name());
    let id = EntryId::of_key(&["merge", queue, job.as_str(), mark]);
    if outlet.knows(&id)? {
        return Ok(());
    }
    let notice = MergeNotice { id: &id, now, host: &host, to, job, name, events, has_ended, counts };
    let mut write = |out: &mut dyn Write| out.write_all(notice.message().as_bytes());
    outlet.publish(&envelope(&id, to, now), now, &mut write)
}

/// No sender, and nobody to be told of it (RFC 3461 section 6.2).
fn envelope(id: &EntryId, to: &Address, now: Micros) -> Envelope {
    let origin = Origin {
        submitted: now,
        uid: process::real_uid(),
        body: Some(Body::EightBitMime),
        notify: Some("never".to_owned()),
        ret: None,
        envid: None,
        verp: None,
    };
    Envelope { id: id.clone(), sender: None, recipients: vec![to.clone()], fields: Fields::default(), origin }
}

/// Copies a message or its header, with the line ends that the rest of the notice has.
fn copy(original: Message, returned: Returned, out: &mut dyn Write) -> io::Result<()> {
    let most = match returned {
        Returned::Message => original.len,
        Returned::Header => original.len.min(HEADER_MAX),
    };
    let mut reader = BufReader::new((&**original.file()?).take(most));
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
            line.push(b'\n');
        }
        if returned == Returned::Header && line == b"\n" {
            return Ok(());
        }
        out.write_all(&line)?;
    }
}
