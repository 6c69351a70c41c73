//! One state of the world: the log's pages, the names of heads and of the job's folder, each with what may be on disk of it,
//! and the processes.

use std::hash::{Hash, Hasher};

/// The pages of a log.
pub type Slots = [Slot; 20];

/// A log has fewer records than this in any run of the model.
pub const SLOTS: usize = 20;
/// The most versions of one page or name that may be on disk.
const VERSIONS: usize = 6;

/// What may be on disk of one thing, the oldest first, and what everybody sees, which is the newest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Kept<T> {
    all: [T; VERSIONS],
    len: u8,
}

/// A page that holds one record.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Records by their number on the tape.
    pub kept: Kept<u16>,
    /// The kernel will write it with the next sync.
    pub dirty: bool,
}

/// Where the job's folder lies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    Jobs,
    Paused,
    Cancelled,
    Done,
}

/// A head's name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Head {
    None,
    /// With the length of the log that it notes.
    Noting(u8),
    /// The same; what is in the file is not on disk.
    Hollow(u8),
    /// A power cut has left nothing in it.
    Empty,
}

/// What came of a hand-over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Word {
    Delivered,
    Deferred,
    Failed,
}

/// Where a worker is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum At {
    Idle,
    HasHead,
    Replays,
    Settles,
    Picks,
    SyncsBegun,
    Begun,
    Handed,
    Stuck,
    Syncs,
    Rewrites,
    Waits,
    Moves,
}

/// What a worker does when its records were written again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Then {
    Moves,
    HandsOver,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Worker {
    pub at: At,
    /// The head it holds, by its due time.
    pub head: u8,
    pub row: u8,
    pub word: Option<Word>,
    pub then: Then,
    /// A sync failed, and it must write its records again.
    pub stale: bool,
    /// The sync that a finished head waits for has succeeded.
    pub synced: bool,
}

/// What a person asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Command {
    Remove,
    Hold,
    Requeue,
    Pause,
    Resume,
    Cancel,
}

/// Where a command is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    Tries,
    HasLog,
    Keeps,
    SyncsKept,
    Publishes,
    /// Has made the head before it had the lock, which is against the rules.
    Published,
    Writes,
    Syncs,
    Looks,
    MovesJob,
    SyncsJob,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Admin {
    pub step: Step,
    pub command: Command,
    pub row: u8,
    pub stale: bool,
}

/// How often each kind of trouble may still come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Budget {
    pub kills: u8,
    pub cuts: u8,
    /// Writes and syncs that fail.
    pub faults: u8,
    /// Syncs of the file system that fail.
    pub syncfs: u8,
    pub commands: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub slots: Slots,
    pub len: u8,
    /// The head that is due now, and the one that is due later.
    pub heads: [Kept<Head>; 2],
    pub job: Kept<Place>,
    /// Somebody saw that nothing is left in the job, and is about to move it.
    pub ending: bool,
    /// A place for a head was made since then.
    pub made: bool,
    pub later: bool,
    /// Counted up by each power cut: what lies behind the log's end is of an earlier one.
    pub epoch: u8,
    pub want: bool,
    pub workers: [Worker; 2],
    pub admin: Option<Admin>,
    pub sent: [u8; 2],
    /// How often a row may be sent besides the once.
    pub spare: [u8; 2],
    /// The last command that was acknowledged and still holds, by row and of the job.
    pub acked: [Option<Command>; 2],
    pub job_acked: Option<Command>,
    /// Rows that were answered since the last sync.
    pub unsynced: [bool; 2],
    pub left: Budget,
}

impl<T: Copy + PartialEq> Kept<T> {
    pub fn of(value: T) -> Kept<T> {
        Kept { all: [value; VERSIONS], len: 1 }
    }

    pub fn newest(&self) -> T {
        self.all[usize::from(self.len) - 1]
    }

    pub fn is_settled(&self) -> bool {
        self.len == 1
    }

    /// The newest is on disk.
    pub fn settle(&mut self) {
        *self = Kept::of(self.newest());
    }

    pub fn set(&mut self, value: T) {
        if self.newest() != value {
            self.all[usize::from(self.len)] = value;
            self.len += 1;
            // What is not used is the same in equal states.
            for unused in usize::from(self.len)..VERSIONS {
                self.all[unused] = self.all[0];
            }
        }
    }

    /// All that may be on disk, each once.
    pub fn each(&self) -> impl Iterator<Item = T> + '_ {
        let all = &self.all[..usize::from(self.len)];
        (0..all.len()).filter(|&n| !all[..n].contains(&all[n])).map(|n| all[n])
    }
}

impl<T: Hash> Hash for Kept<T> {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.len.hash(to);
        for value in &self.all[..usize::from(self.len)] {
            value.hash(to);
        }
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.len.hash(to);
        for slot in &self.slots[..usize::from(self.len)] {
            slot.hash(to);
        }
        (self.heads, self.job, self.ending, self.made, self.later, self.epoch, self.want).hash(to);
        (self.workers, self.admin, self.sent, self.spare, self.acked, self.job_acked).hash(to);
        (self.unsynced, self.left).hash(to);
    }
}

impl Worker {
    pub const IDLE: Worker =
        Worker { at: At::Idle, head: 0, row: 0, word: None, then: Then::Moves, stale: false, synced: false };

    pub fn has_log(&self, waits_with_locks: bool) -> bool {
        match self.at {
            At::Idle | At::HasHead => false,
            At::Waits => waits_with_locks,
            At::Replays
            | At::Settles
            | At::Picks
            | At::SyncsBegun
            | At::Begun
            | At::Handed
            | At::Stuck
            | At::Syncs
            | At::Rewrites
            | At::Moves => true,
        }
    }
}

impl Admin {
    pub fn has_log(&self) -> bool {
        match self.step {
            Step::HasLog
            | Step::Keeps
            | Step::SyncsKept
            | Step::Publishes
            | Step::Writes
            | Step::Syncs
            | Step::Looks => !self.command.is_of_job(),
            Step::Tries | Step::Published | Step::MovesJob | Step::SyncsJob => false,
        }
    }
}

impl Command {
    pub fn is_of_job(self) -> bool {
        matches!(self, Command::Pause | Command::Resume | Command::Cancel)
    }
}

impl Head {
    pub fn noted(self) -> Option<u8> {
        match self {
            Head::Noting(len) | Head::Hollow(len) => Some(len),
            Head::None | Head::Empty => None,
        }
    }
}

impl State {
    pub fn pages(&self) -> &[Slot] {
        &self.slots[..usize::from(self.len)]
    }

    fn pages_mut(&mut self) -> &mut [Slot] {
        &mut self.slots[..usize::from(self.len)]
    }

    pub fn is_on_disk(&self) -> bool {
        self.pages().iter().all(|slot| slot.kept.is_settled())
    }

    /// A sync of the log that succeeds: it writes dirty pages, and no others.
    pub fn sync(&mut self) {
        for slot in self.pages_mut().iter_mut().filter(|slot| slot.dirty) {
            slot.kept.settle();
            slot.dirty = false;
        }
        if self.is_on_disk() {
            self.unsynced = [false; 2];
        }
    }

    /// One that fails: its pages are clean, and not on disk.
    pub fn fail_sync(&mut self) {
        self.pages_mut().iter_mut().for_each(|slot| slot.dirty = false);
    }

    /// Records from `from` on are written again, if they may not be on disk.
    pub fn rewrite(&mut self, from: u8) {
        for slot in self.pages_mut().iter_mut().skip(from.into()).filter(|slot| !slot.kept.is_settled()) {
            slot.dirty = true;
        }
    }

    /// Whether a record from `from` on has a clean page, and is not on disk.
    pub fn may_be_lost(&self, from: u8) -> bool {
        self.pages().iter().skip(from.into()).any(|slot| !slot.dirty && !slot.kept.is_settled())
    }

    pub fn has_head(&self) -> bool {
        self.heads.iter().any(|head| head.newest() != Head::None)
    }

    pub fn spare_row(&mut self, row: usize) {
        self.spare[row] += 1;
    }
}
