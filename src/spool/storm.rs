//! How many notices a sender got in this hour, and what was held back: `storm/<id>`, a file for each sender.
//!
//! A forged sender must not get a notice for each of a million bounces. His file counts the notices of an hour that begins
//! with the first; what goes beyond the limit is a line in it, and when the hour is over one summary of them is published.
//!
//! The first line, of fixed width, is rewritten in place; up to [`LINES_MAX`] lines follow. The file is locked while it is
//! changed, and a line is on disk before its notice counts as given. A kill between two steps counts one too many or has a
//! line twice, and loses none.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::queue::SpoolQueue;
use crate::model::{Address, EntryId, Micros};
use crate::queue::{QueueError, Storm};
use crate::sys::{dir, fault};

const HOUR: Duration = Duration::from_secs(3_600);

/// So many lines are kept for the summary; the rest is counted.
const LINES_MAX: u64 = 1_000;

/// Bytes of the first line: an address has at most 254, and as JSON at most twice as many.
const HEAD_WIDTH: usize = 1_024;

/// No file is larger.
const FILE_MAX: u64 = 4 << 20;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    sender: Address,
    since: Micros,
    sent: u64,
    held_back: u64,
}

impl Head {
    /// A clock that was set back by as much ends the hour, too; by less, it is another worker's, who was faster.
    fn is_over(&self, now: Micros) -> bool {
        now.since(self.since).max(self.since.since(now)) >= HOUR
    }

    fn write(&self, file: &File) -> io::Result<()> {
        let json = serde_json::to_string(self)?;
        file.write_all_at(format!("{json:<width$}\n", width = HEAD_WIDTH - 1).as_bytes(), 0)
    }
}

/// The head and the lines; `None` where a kill left no head.
fn read(file: &File) -> io::Result<Option<(Head, Vec<String>)>> {
    let mut file = file;
    io::Seek::rewind(&mut file)?;
    let mut lines = BufReader::new(file.take(FILE_MAX)).split(b'\n');
    let head = lines.next().transpose()?.and_then(|line| serde_json::from_slice(&line).ok());
    let Some(head) = head else { return Ok(None) };
    let lines = lines.map(|line| line.map(|line| String::from_utf8_lossy(&line).into_owned()));
    Ok(Some((head, lines.collect::<io::Result<_>>()?)))
}

/// Counts one more notice, or holds it back and keeps `line`.
fn count(file: &File, sender: &Address, limit: u64, line: &str, now: Micros) -> io::Result<bool> {
    let mut head = match read(file)? {
        // What was held back waits for its summary, and so does what comes until then.
        Some((head, _)) if !head.is_over(now) || head.held_back > 0 => head,
        Some(_) | None => Head { sender: sender.clone(), since: now, sent: 0, held_back: 0 },
    };
    if head.held_back == 0 && head.sent < limit {
        head.sent += 1;
        head.write(file)?;
        return Ok(true);
    }
    head.held_back += 1;
    head.write(file)?;
    if head.held_back <= LINES_MAX {
        file.write_all_at(format!("{line}\n").as_bytes(), file.metadata()?.len())?;
    }
    fault::point("notice.held_back")?;
    file.sync_data()?;
    Ok(false)
}

impl SpoolQueue {
    pub(super) fn admit_notice(
        &self,
        sender: &Address,
        limit: u64,
        line: &str,
        now: Micros,
    ) -> Result<bool, QueueError> {
        let id = EntryId::of_key(&["storm", &sender.as_str().to_ascii_lowercase()]);
        let path = format!("storm/{id}");
        let counted = self.lock_named(&path, dir::Open::Create).and_then(|file| count(&file, sender, limit, line, now));
        counted.map_err(self.failed("count a notice in", &path))
    }

    pub(super) fn end_storms(
        &self,
        now: Micros,
        each: &mut dyn FnMut(&Storm) -> Result<(), QueueError>,
    ) -> Result<(), QueueError> {
        for name in self.names("storm").map_err(self.failed("list", "storm"))? {
            let path = format!("storm/{}", name.map_err(self.failed("list", "storm"))?);
            let locked = self.lock_named(&path, dir::Open::Create);
            let told = locked.and_then(|file| Ok((read(&file)?, file)));
            let (told, _held) = told.map_err(self.failed("read", &path))?;
            if let Some((head, lines)) = told {
                if !head.is_over(now) {
                    continue;
                }
                if head.held_back > 0 {
                    let Head { sender, since, held_back, .. } = head;
                    each(&Storm { sender, since, held_back, lines })?;
                }
            }
            fault::instant("notice.summed_up");
            dir::unlink(&self.dir, &path).map_err(self.failed("remove", &path))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        tempfile::tempfile().expect("a temporary file")
    }

    #[test]
    fn what_goes_beyond_the_limit_is_held_back_until_the_hour_is_summed_up() {
        let (file, sender) = (file(), "a@x.org".parse().expect("an address"));
        let start = Micros(2 * 3_600_000_000);
        let later = |minutes: u64| start.plus(Duration::from_secs(60 * minutes));
        let admit = |n: u64, at| count(&file, &sender, 2, &format!("line {n}"), at).expect("a file");
        assert_eq!(
            [admit(1, start), admit(2, later(1)), admit(3, later(2)), admit(4, later(3))],
            [true, true, false, false]
        );
        assert!(!admit(5, later(70)), "the summary comes first");
        let (head, lines) = read(&file).expect("a file").expect("a head");
        assert_eq!((head.sent, head.held_back, head.is_over(later(59)), head.is_over(later(60))), (2, 3, false, true));
        assert_eq!(lines, ["line 3", "line 4", "line 5"]);
        assert!(head.is_over(Micros(1)), "the clock was set back");
        assert!(!head.is_over(Micros(start.0 - 1)), "another worker was faster");
    }

    #[test]
    fn an_hour_without_a_storm_begins_anew() {
        let (file, sender) = (file(), "a@x.org".parse().expect("an address"));
        for hour in 0..3 {
            for n in 0..2 {
                let at = Micros(hour * 3_600_000_000 + n);
                assert!(count(&file, &sender, 2, "", at).expect("a file"));
            }
        }
    }

    #[test]
    fn a_head_is_as_wide_as_any_address() {
        let file = file();
        let sender: Address = format!("\"{}\"@x.org", "\\\"".repeat(120)).parse().expect("an address");
        for n in 0..3 {
            count(&file, &sender, 1, "line", Micros(n)).expect("a file");
        }
        let (head, lines) = read(&file).expect("a file").expect("a head");
        assert_eq!((head.sender, head.held_back, lines.len()), (sender, 2, 2));
    }
}
