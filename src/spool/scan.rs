//! Going through a queue's names: what is due, without opening or looking at a single file.
//!
//! Many workers walk the same tree and must not trip over one another. Each begins at a random folder; a lock that
//! somebody else holds means that somebody works *here*, so the worker leaves the folder to him, jumps elsewhere, and
//! comes back when it has seen everything else. Then it helps, jumping within the folder.
//!
//! Single entries and batches are two lanes that take turns, so that one mail never waits behind a batch: when the
//! single lane is exhausted it rests until `wake` changes.
//!
//! Memory: at most `CHUNK` names of a folder are held at once, and at most `JOBS` job folders.

use std::collections::VecDeque;

use super::SpoolError;
use super::layout::{EntryName, SpoolQueue, Spot, State};
use crate::model::Micros;
use crate::sys::dir;

const CHUNK: usize = 1_024;
const JOBS: usize = 4_096;

/// A worker's way through one pass.
#[derive(Debug)]
pub struct Cursor {
    singles: Lane,
    jobs: Lane,
    jobs_turn: bool,
    /// The last entry came out of the jobs lane.
    from_jobs: bool,
    woken: (i64, i64),
    random: Random,
}

#[derive(Debug, Default)]
struct Lane {
    todo: Vec<String>,
    /// Folders that were left to others.
    again: Vec<String>,
    /// We are among the folders that were left, and stay in spite of others.
    helping: bool,
    walk: Option<Walk>,
}

struct Walk {
    folder: String,
    names: dir::Names,
    chunk: VecDeque<EntryName>,
    empty: bool,
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("folder", &self.folder).field("chunk", &self.chunk.len()).finish_non_exhaustive()
    }
}

impl Cursor {
    pub fn new(queue: &SpoolQueue) -> Cursor {
        let mut random = Random::new();
        let jobs = Lane { todo: job_folders(queue, &mut random), ..Lane::default() };
        let woken = queue.woken();
        Cursor { singles: Lane::singles(&mut random), jobs, jobs_turn: false, from_jobs: false, woken, random }
    }

    /// The next entry that is due, by its name. It may be gone, or in other hands.
    pub fn next(&mut self, queue: &SpoolQueue, now: Micros) -> Result<Option<Spot>, SpoolError> {
        self.jobs_turn = !self.jobs_turn;
        for jobs in [self.jobs_turn, !self.jobs_turn] {
            let lane = if jobs { &mut self.jobs } else { &mut self.singles };
            if let Some(name) = lane.next(queue, now, &mut self.random)? {
                self.from_jobs = jobs;
                if jobs {
                    self.look_at_wake(queue);
                }
                return Ok(Some(Spot { state: State::Ready, name }));
            }
        }
        Ok(None)
    }

    /// Between two entries of a batch: single mail that came meanwhile has its turn next.
    fn look_at_wake(&mut self, queue: &SpoolQueue) {
        let exhausted = self.singles.walk.is_none() && self.singles.todo.is_empty() && self.singles.again.is_empty();
        if exhausted {
            let woken = queue.woken();
            if woken != self.woken {
                self.woken = woken;
                self.singles = Lane::singles(&mut self.random);
            }
        }
    }

    /// The last entry is in other hands: work elsewhere.
    pub fn contended(&mut self) {
        let lane = if self.from_jobs { &mut self.jobs } else { &mut self.singles };
        lane.avoid(&mut self.random);
    }
}

impl Lane {
    fn singles(random: &mut Random) -> Lane {
        let start = random.below(256);
        let bucket = |i: usize| format!("ready/{:02x}", (start + i) % 256);
        Lane { todo: (0..256).map(bucket).collect(), ..Lane::default() }
    }

    fn next(&mut self, queue: &SpoolQueue, now: Micros, random: &mut Random) -> Result<Option<EntryName>, SpoolError> {
        loop {
            let Some(walk) = &mut self.walk else {
                match self.todo.pop() {
                    Some(folder) => self.walk = Walk::open(queue, folder)?,
                    None if self.again.is_empty() => return Ok(None),
                    None => {
                        self.todo = std::mem::take(&mut self.again);
                        self.helping = true;
                    }
                }
                continue;
            };
            if let Some(name) = walk.chunk.pop_front() {
                return Ok(Some(name));
            }
            if !walk.fill(queue, now, random)? {
                if let (true, Some(job)) = (walk.empty, job_of(&walk.folder)) {
                    queue.finish_job(job, &walk.folder);
                }
                self.walk = None;
            }
        }
    }

    fn avoid(&mut self, random: &mut Random) {
        if self.helping {
            if let Some(walk) = &mut self.walk {
                let by = random.below(walk.chunk.len().max(1));
                walk.chunk.rotate_left(by);
            }
        } else {
            self.again.extend(self.walk.take().map(|walk| walk.folder));
            let by = random.below(self.todo.len().max(1));
            self.todo.rotate_left(by);
        }
    }
}

impl Walk {
    fn open(queue: &SpoolQueue, folder: String) -> Result<Option<Walk>, SpoolError> {
        match dir::Names::open(&queue.dir, &folder) {
            Ok(names) => Ok(Some(Walk { folder, names, chunk: VecDeque::new(), empty: true })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(queue.failed("list", &folder)(error)),
        }
    }

    /// Reads the next due names, and starts among them at random; `false` at the folder's end.
    fn fill(&mut self, queue: &SpoolQueue, now: Micros, random: &mut Random) -> Result<bool, SpoolError> {
        for name in self.names.by_ref() {
            let name = name.map_err(queue.failed("list", &self.folder))?;
            self.empty = false;
            if let Some(name) = EntryName::parse(&name).filter(|name| name.is_due(now, queue.horizon)) {
                self.chunk.push_back(name);
                if self.chunk.len() == CHUNK {
                    break;
                }
            }
        }
        let by = random.below(self.chunk.len().max(1));
        self.chunk.rotate_left(by);
        Ok(!self.chunk.is_empty())
    }
}

/// The job of a folder `jobs/<job>/ready/<n>`.
fn job_of(folder: &str) -> Option<&str> {
    folder.strip_prefix("jobs/").and_then(|rest| rest.split('/').next())
}

/// The ready folders of the jobs, from a random one on.
fn job_folders(queue: &SpoolQueue, random: &mut Random) -> Vec<String> {
    let mut folders = Vec::new();
    // A job that cannot be listed now is met in the next pass.
    let names = |path: &str| dir::Names::open(&queue.dir, path).into_iter().flatten().flatten();
    for job in names("jobs").take(JOBS) {
        let ready = format!("jobs/{job}/ready");
        let before = folders.len();
        folders.extend(names(&ready).map(|n| format!("{ready}/{n}")));
        if folders.len() == before {
            queue.finish_job(&job, &ready);
        }
    }
    let by = random.below(folders.len().max(1));
    folders.rotate_left(by);
    folders
}

/// What a look at all names told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Entries that are due.
    pub due: u64,
    /// Entries that wait for their time.
    pub waiting: u64,
    /// The earliest time that one of them waits for.
    pub next: Option<Micros>,
    /// When the oldest of all was submitted.
    pub oldest: Option<Micros>,
}

impl SpoolQueue {
    /// Looks at the names in `ready/`, and stops when `enough` due ones were seen.
    pub fn survey(&self, now: Micros, enough: u64) -> Result<Survey, SpoolError> {
        let mut survey = Survey::default();
        self.each_name(State::Ready, &mut |name| {
            if name.is_due(now, self.horizon) {
                survey.due += 1;
            } else {
                survey.waiting += 1;
                survey.next = Some(survey.next.map_or(name.due, |next| next.min(name.due)));
            }
            let born = name.id.born();
            survey.oldest = Some(survey.oldest.map_or(born, |oldest| oldest.min(born)));
            survey.due < enough
        })?;
        Ok(survey)
    }
}

/// A small generator (xorshift64*) for where to begin; nothing secret depends on it.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Seeded by the kernel, so that workers forked in the same microsecond go different ways.
    pub fn new() -> Random {
        let mut seed = [0u8; 8];
        if getrandom::fill(&mut seed).is_err() {
            seed = u64::from(std::process::id()).to_ne_bytes();
        }
        Random(u64::from_ne_bytes(seed) | 1)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound.max(1)
    }
}

impl Default for Random {
    fn default() -> Random {
        Random::new()
    }
}
