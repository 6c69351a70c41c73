//! The notice to the sender of a merge: one at its end for all of its mails, and one a day at most while it lasts.

use super::fold::{clean, paragraph};
use super::head::head;
use crate::model::{Address, EntryId, Micros};

/// The notice of a merge.
#[derive(Clone, Copy, Debug)]
pub struct MergeNotice<'a> {
    /// The notice's own id.
    pub id: &'a EntryId,
    pub now: Micros,
    pub host: &'a str,
    pub to: &'a Address,
    pub job: &'a EntryId,
    /// What its sender calls it.
    pub name: Option<&'a str>,
    /// The folder of the events.
    pub events: &'a str,
    pub has_ended: bool,
    pub counts: MergeCounts,
}

/// How many rows of a merge stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeCounts {
    pub rows: u64,
    pub delivered: u64,
    pub failed: u64,
    pub suppressed: u64,
    pub removed: u64,
    /// They wait for a person.
    pub held: u64,
    /// To be sent, now or later.
    pub open: u64,
}

impl MergeNotice<'_> {
    /// The whole message.
    pub fn message(&self) -> String {
        let MergeCounts { rows, failed, held, .. } = self.counts;
        let subject = match (self.has_ended, held) {
            (true, _) | (false, 0) => format!("{failed} of {rows} mails could not be delivered"),
            (false, _) => format!("{failed} of {rows} mails could not be delivered, {held} wait for a person"),
        };
        let mut out = head(self.id, self.now, self.host, self.to, &subject);
        out.push_str(
            "Auto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: 8bit\n\n",
        );
        out.push_str(&paragraph(&format!("This is the mail system of {}.", self.host)));
        out.push_str(&paragraph(&self.what_came()));
        out.push_str(&paragraph(
            "On the host that sent them, the first command counts, the others list which and why:",
        ));
        out.push_str(&self.commands());
        out
    }

    fn what_came(&self) -> String {
        let MergeCounts { rows, delivered, failed, suppressed, removed, held, open } = self.counts;
        let name = self.name.map_or(String::new(), |name| format!(" ({})", clean(name)));
        let job = self.job;
        let (how, rest) = match self.has_ended {
            true => ("has ended", String::new()),
            false => ("goes on", format!(" {held} wait for a person, and {open} are still to be sent.")),
        };
        format!(
            "Your merge {job}{name} {how}. Of its {rows} mails {delivered} were delivered to the next mail system and {failed} \
             were not; {suppressed} went nowhere because their recipients get no mail, and {removed} were removed by a \
             person.{rest} What failed is not tried again."
        )
    }

    /// Each on a line of its own, which is not folded.
    fn commands(&self) -> String {
        let MergeNotice { job, has_ended, .. } = self;
        let quoted = format!("'{}'", clean(self.events).replace('\'', "'\\''"));
        let mut out = format!("    bulkmailer jobs show {job}\n");
        if !has_ended && self.counts.held > 0 {
            out.push_str(&format!("    bulkmailer list --held --job {job}\n"));
        }
        out.push_str(&format!(
            "    cat {quoted}/*.jsonl | grep '\"id\":\"{job}\\.' | grep '\"verdict\":\"failed\"'\n\n"
        ));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(has_ended: bool, counts: MergeCounts) -> String {
        let (id, to) = (EntryId::of_key(&["x"]), "s@x.org".parse().expect("an address"));
        let job = EntryId::new(Micros(1));
        let name = Some("spring\nBcc: all@x.org");
        let (now, host, events) = (Micros(1), "h.org", "/it's\nhere/events");
        MergeNotice { id: &id, now, host, to: &to, job: &job, name, events, has_ended, counts }.message()
    }

    #[test]
    fn it_tells_the_counts_and_no_name_adds_a_field() {
        let counts = MergeCounts { rows: 10, delivered: 6, failed: 2, suppressed: 1, removed: 1, held: 0, open: 0 };
        let message = message(true, counts);
        assert!(message.contains("Subject: 2 of 10 mails could not be delivered\n"), "{message}");
        assert!(message.contains("has ended") && !message.contains("still to be sent"), "{message}");
        assert!(!message.contains("\nBcc") && message.lines().all(|line| line.len() <= 998), "{message}");
        assert!(message.contains("    cat '/it'\\''s here/events'/*.jsonl | grep"), "{message}");
    }

    #[test]
    fn while_the_job_lasts_it_tells_what_waits() {
        let counts = MergeCounts { rows: 10, delivered: 4, failed: 2, held: 1, open: 3, ..MergeCounts::default() };
        let message = message(false, counts);
        assert!(message.contains("Subject: 2 of 10 mails could not be delivered, 1 wait for a person\n"), "{message}");
        assert!(message.contains("goes on") && message.contains("3 are still"), "{message}");
        assert!(message.contains("    bulkmailer list --held --job "), "{message}");
    }
}
