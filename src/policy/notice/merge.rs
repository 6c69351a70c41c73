//! The notice to the sender of a merge at its end: one for all of its mails.

use super::fold::{clean, paragraph};
use super::head::head;
use crate::model::{Address, EntryId, Micros};

/// The notice of a merge that has ended.
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
    pub counts: MergeCounts,
}

/// What came of the rows of a merge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeCounts {
    pub rows: u64,
    pub delivered: u64,
    pub failed: u64,
    pub suppressed: u64,
    pub removed: u64,
}

impl MergeNotice<'_> {
    /// The whole message.
    pub fn message(&self) -> String {
        let MergeCounts { rows, delivered, failed, suppressed, removed } = self.counts;
        let subject = format!("{failed} of {rows} mails could not be delivered");
        let mut out = head(self.id, self.now, self.host, self.to, &subject);
        out.push_str(
            "Auto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: 8bit\n\n",
        );
        out.push_str(&paragraph(&format!("This is the mail system of {}.", self.host)));
        let name = self.name.map_or(String::new(), |name| format!(" ({})", clean(name)));
        out.push_str(&paragraph(&format!(
            "Your merge {}{name} has ended. Of its {rows} mails {delivered} were delivered to the next mail system and \
             {failed} were not; {suppressed} went nowhere because their recipients get no mail, and {removed} were removed by \
             a person. What failed is not tried again.",
            self.job
        )));
        out.push_str(&paragraph(&format!(
            "'bulkmailer jobs show {}' tells more on the host that sent them.",
            self.job
        )));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_counts_and_no_name_adds_a_field() {
        let (id, to) = (EntryId::of_key(&["x"]), "s@x.org".parse().expect("an address"));
        let counts = MergeCounts { rows: 10, delivered: 6, failed: 2, suppressed: 1, removed: 1 };
        let job = EntryId::new(Micros(1));
        let name = Some("spring\nBcc: all@x.org");
        let notice = MergeNotice { id: &id, now: Micros(1), host: "h.org", to: &to, job: &job, name, counts };
        let message = notice.message();
        assert!(message.contains("Subject: 2 of 10 mails could not be delivered\n"), "{message}");
        assert!(!message.contains("\nBcc") && message.lines().all(|line| line.len() <= 998), "{message}");
    }
}
