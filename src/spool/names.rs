//! Where everything in a queue lies: the states of entries, their names and their places.
//!
//! Kept true: every name of an entry, a journal or a message that the program makes comes from [`Spot::path`],
//! [`EntryName`], [`journal_path`] or [`message_path`].

use std::ffi::CStr;
use std::fmt;
use std::time::Duration;

use crate::model::{EntryId, Micros};

/// Which kind of folder a name lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    Ready,
    Hold,
    Failed,
}

impl State {
    pub const ALL: [State; 3] = [State::Ready, State::Hold, State::Failed];

    pub fn name(self) -> &'static str {
        match self {
            State::Ready => "ready",
            State::Hold => "hold",
            State::Failed => "failed",
        }
    }
}

/// An entry's name in its folder: `<due>-<id>`, or `<due>@<id>` where a person set the time. The name of a merge's head ends
/// with `+<bytes>`, which no program before knows: how much of its [log](super::merge::log) is valid and on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryName {
    pub due: Micros,
    /// The due time was asked for (`@`), so it stands however far off.
    pub at: bool,
    pub id: EntryId,
    /// Of a merge's head: how many bytes of its log are valid and on disk.
    pub log: Option<u64>,
}

impl EntryName {
    pub fn new(due: Micros, id: EntryId) -> EntryName {
        EntryName { due, at: false, id, log: None }
    }

    /// Reads a name; `None` if it is none of ours.
    pub fn parse(text: &str) -> Option<EntryName> {
        let (due, rest) = text.split_at_checked(16)?;
        let at = match rest.as_bytes().first()? {
            b'-' => false,
            b'@' => true,
            _ => return None,
        };
        if !due.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (id, log) = match rest[1..].split_once('+') {
            Some((id, log)) => (id, Some(bytes_of_log(log.as_bytes())?)),
            None => (&rest[1..], None),
        };
        Some(EntryName { due: Micros(due.parse().ok()?), at, id: id.parse().ok()?, log })
    }

    fn push(&self, path: &mut String) {
        // With leading zeros, as all names have them.
        let mut due = [b'0'; 16];
        let mut left = self.due.0;
        for digit in due.iter_mut().rev() {
            *digit += (left % 10) as u8;
            left /= 10;
        }
        match left {
            // Digits are ASCII.
            0 => path.push_str(std::str::from_utf8(&due).unwrap_or_default()),
            _ => path.push_str(&self.due.to_string()),
        }
        path.extend([if self.at { "@" } else { "-" }, self.id.as_str()]);
        if let Some(log) = self.log {
            path.extend(["+", &log.to_string()]);
        }
    }

    /// Whether it is due at `now`, where `horizon` is the furthest that an honest due time can lie off.
    pub fn is_due(&self, now: Micros, horizon: Duration) -> bool {
        is_due(self.due, self.at, now, horizon)
    }
}

/// The number behind the `+` of a head's name, in the one form that is written; `None` of anything else.
pub(super) fn bytes_of_log(digits: &[u8]) -> Option<u64> {
    let plain = digits == b"0" || digits.first().is_some_and(|&first| first != b'0');
    // A name has room for fifteen digits, and a log has fewer.
    if !plain || digits.len() > 15 {
        return None;
    }
    let digit = |byte: u8| byte.is_ascii_digit().then_some(u64::from(byte & 15));
    digits.iter().try_fold(0_u64, |sum, &byte| Some(sum * 10 + digit(byte)?))
}

/// [`EntryName::is_due`] of a due time, which a person set if it is `at`.
pub(super) fn is_due(due: Micros, at: bool, now: Micros, horizon: Duration) -> bool {
    due <= now || (!at && due.since(now) > horizon)
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = String::with_capacity(PATH);
        self.push(&mut name);
        f.write_str(&name)
    }
}

/// An entry's place: its state and its name. The folder follows from both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub state: State,
    pub name: EntryName,
}

impl Spot {
    /// The folder, relative to the queue's.
    pub fn folder(&self) -> String {
        folder(self.state, &self.name.id)
    }

    /// The file, relative to the queue's folder.
    pub fn path(&self) -> String {
        let mut path = String::with_capacity(PATH);
        push_folder(self.state, &self.name.id, &mut path);
        path.push('/');
        self.name.push(&mut path);
        path
    }
}

/// The folder of an entry `id` in `state`, relative to the queue's.
pub fn folder(state: State, id: &EntryId) -> String {
    let mut path = String::with_capacity(PATH);
    push_folder(state, id, &mut path);
    path
}

fn push_folder(state: State, id: &EntryId, path: &mut String) {
    match (id.job(), state) {
        (None, state) => {
            path.extend([state.name(), "/"]);
            push_bucket(id, path);
        }
        (Some((job, n)), State::Ready) => path.extend(["jobs/", job, "/", state.name(), "/", n]),
        (Some((job, _)), state) => path.extend(["jobs/", job, "/", state.name()]),
    }
}

fn push_bucket(id: &EntryId, path: &mut String) {
    let bucket = usize::from(id.bucket());
    path.extend([HEX[bucket >> 4], HEX[bucket & 15]]);
}

/// The journal's folder and file for entry `id`, relative to the queue's folder: one name for life.
pub fn journal_path(id: &EntryId) -> (String, String) {
    let file = journal_file(id);
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    (folder, file)
}

/// The same, the file alone.
pub fn journal_file(id: &EntryId) -> String {
    let mut path = String::with_capacity(PATH);
    match id.job() {
        None => {
            path.push_str("journal/");
            push_bucket(id, &mut path);
        }
        Some((job, _)) => path.extend(["jobs/", job, "/journal"]),
    }
    path.extend(["/", id.as_str(), ".log"]);
    path
}

/// The message that the entries of `id`'s job have in common, relative to the queue's folder.
pub fn message_path(id: &EntryId) -> String {
    id.job().map_or(String::new(), |(job, _)| format!("jobs/{job}/message"))
}

/// Bytes that have room for most paths.
const PATH: usize = 112;

/// The digits of a bucket.
const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// Folders of single entries in a state.
pub(super) const BUCKETS: usize = 256;

/// The folder of single entries that is called `bucket`, relative to the queue's.
pub(super) fn bucket_path(bucket: u8) -> String {
    bucket_str(bucket).to_owned()
}

/// The same without a string of its own: a look at each of them, each minute, would spend most of its time on making them.
pub(super) fn bucket_str(bucket: u8) -> &'static str {
    std::str::from_utf8(&READY[usize::from(bucket)][..READY_LEN - 1]).unwrap_or_default()
}

/// Its name within `ready/`, as the kernel takes it.
pub(super) fn bucket_name(bucket: u8) -> &'static CStr {
    CStr::from_bytes_with_nul(&READY[usize::from(bucket)][READY_LEN - 3..]).unwrap_or_default()
}

const READY_LEN: usize = b"ready/00\0".len();

static READY: [[u8; READY_LEN]; BUCKETS] = {
    let (mut paths, mut bucket) = ([*b"ready/00\0"; BUCKETS], 0);
    while bucket < BUCKETS {
        paths[bucket][6] = b"0123456789abcdef"[bucket >> 4];
        paths[bucket][7] = b"0123456789abcdef"[bucket & 15];
        bucket += 1;
    }
    paths
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_rubbish_does_not() {
        let id = EntryId::new(Micros(5));
        let name = EntryName::new(Micros(7), id.clone());
        assert_eq!(EntryName::parse(&name.to_string()), Some(name));
        let at = EntryName { due: Micros(8), at: true, id: id.clone(), log: None };
        assert_eq!(EntryName::parse(&at.to_string()), Some(at));
        let head = EntryName { due: Micros(8), at: false, id: id.of_job(0, 3), log: Some(40) };
        assert!(head.to_string().ends_with(".0.3+40"));
        assert_eq!(EntryName::parse(&head.to_string()), Some(head));
        for bad in [
            "",
            "x",
            "0000000000000007",
            "0000000000000007-",
            "000000000000000x-a",
            "0000000000000007+a",
            "0000000000000007-a+",
            "0000000000000007-a+01",
            "0000000000000007-a+1x",
            "0000000000000007-a+1+1",
            "0000000000000007-a+1234567890123456",
            "+000000000000007-a",
            "0000000000000007-../a",
            "ééééééééé-a",
        ] {
            assert_eq!(EntryName::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_bucket_lies_where_its_entries_do() {
        for n in 0..1_000 {
            let id = EntryId::new(Micros(n));
            assert_eq!(bucket_path(id.bucket()), folder(State::Ready, &id));
        }
    }

    #[test]
    fn a_due_time_beyond_the_horizon_is_a_wrong_clock_unless_a_person_set_it() {
        let (now, horizon) = (Micros(1_000_000_000), Duration::from_secs(100));
        let name = |due, at| EntryName { due: Micros(due), at, id: EntryId::new(now), log: None };
        assert!(name(1_000_000_000, false).is_due(now, horizon));
        assert!(!name(1_000_000_001, false).is_due(now, horizon));
        assert!(name(1_200_000_000, false).is_due(now, horizon));
        assert!(!name(1_200_000_000, true).is_due(now, horizon));
    }
}
