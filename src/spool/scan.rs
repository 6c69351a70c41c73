//! Going through a queue's names: what is due, without opening or looking at a single file.
//!
//! Many workers walk the same tree and must not trip over one another. Each begins at a random folder; a lock that
//! somebody else holds means that somebody works *here*, so the worker leaves the folder to him, jumps elsewhere, and
//! comes back when it has seen everything else. Then it helps, jumping within the folder.
//!
//! Three lanes take turns, an entry each: single entries, the jobs that were there when the pass began, and those that
//! came since. So one mail never waits behind a batch, nor a small batch behind a campaign, nor the campaign behind ever
//! more small ones. What came since is known by `wake`, which is looked at after each entry. A list post's entry has many
//! groups of recipients: between two of them a worker asks for a single entry alone.
//!
//! A job whose folder is locked is still being published, and is passed over; `wake` follows its commit.
//!
//! Memory: at most `CHUNK` names of a folder are held at once, and the names of the jobs.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use super::names::{BUCKETS, EntryName, Spot, State, bucket_path};
use super::queue::SpoolQueue;
use super::quiet::QuietWalk;
use super::random::Random;
use super::speed::ReadAhead;
use crate::model::format::Newer;
use crate::model::{EntryId, Micros};
use crate::queue::{QueueError, Which};
use crate::sys::dir;

const CHUNK: usize = 1_024;

/// A worker's way through one pass.
#[derive(Debug)]
pub struct Cursor {
    /// Single entries, the jobs of the beginning, those that came since.
    lanes: [Lane; 3],
    /// Whose turn it is; after [`Cursor::next`], whose it was.
    turn: usize,
    /// The jobs that are in a lane or were, and are still there, by a hash of their names.
    seen: HashSet<u64>,
    /// `wake` as it was when the singles began, and before the last look at the jobs.
    singles_woken: dir::Stamp,
    jobs_woken: dir::Stamp,
    /// No look at the jobs before this, so that looks cost at most a twentieth of the time.
    rest_until: Instant,
    ahead: ReadAhead,
    random: Random,
}

const SINGLES: usize = 0;
const OLD: usize = 1;
const NEW: usize = 2;

/// Folders to go through.
#[derive(Debug, Default)]
struct Lane {
    /// `ready/<hh>`, `jobs/<job>/ready/<n>`, or `jobs/<job>/ready`, which becomes the folders in it.
    todo: Vec<String>,
    /// Folders that were left to others.
    again: Vec<String>,
    /// We are among the folders that were left, and stay in spite of others.
    helping: bool,
    walk: Option<Walk>,
}

/// What a worker meets next.
#[derive(Debug)]
pub enum Next {
    /// An entry, by its name. It may be gone, or in other hands.
    Due(Spot),
    /// A job that a newer program made, whose entries are left alone.
    Newer { job: EntryId, newer: Newer },
}

/// How far a lane comes at once.
enum Step {
    /// The next entry that is due.
    Due(EntryName),
    Newer {
        job: EntryId,
        newer: Newer,
    },
    /// Nothing is left in this folder of a job, be it `ready` or a part of it.
    Emptied {
        job: String,
        folder: String,
    },
    /// It was gone through.
    Over,
}

impl Step {
    /// Of a folder in which nothing was met; `None` if it is no job's.
    fn emptied(path: &str) -> Option<Step> {
        let (job, folder) = path.strip_prefix("jobs/")?.split_once('/')?;
        Some(Step::Emptied { job: job.to_owned(), folder: folder.to_owned() })
    }
}

struct Walk {
    folder: String,
    names: dir::Names,
    chunk: VecDeque<EntryName>,
    empty: bool,
    /// Whether the folder turns out to be quiet; not of jobs.
    watch: Option<QuietWalk>,
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("folder", &self.folder).field("chunk", &self.chunk.len()).finish_non_exhaustive()
    }
}

impl Cursor {
    pub fn new(queue: &SpoolQueue) -> Cursor {
        let mut random = Random::new();
        let woken = queue.woken();
        let mut cursor = Cursor {
            lanes: [Lane::singles(&mut random), Lane::default(), Lane::default()],
            turn: SINGLES,
            seen: HashSet::new(),
            singles_woken: woken,
            jobs_woken: woken,
            rest_until: Instant::now(),
            ahead: ReadAhead::default(),
            random,
        };
        let jobs = cursor.new_jobs(queue);
        cursor.lanes[OLD].todo = jobs;
        cursor
    }

    /// What comes next, of what is due. Whether a job is a newer program's is asked once, before its first entry.
    pub fn next(&mut self, queue: &SpoolQueue, which: Which, now: Micros) -> Result<Option<Next>, QueueError> {
        self.look_at_wake(queue, which);
        let turns = match which {
            Which::Any => self.lanes.len(),
            Which::AtHand => return Ok(self.at_hand().map(Next::Due)),
            Which::Single => {
                self.turn = SINGLES + self.lanes.len() - 1;
                1
            }
        };
        for _ in 0..turns {
            self.turn = (self.turn + 1) % self.lanes.len();
            loop {
                match self.lanes[self.turn].next(queue, now, &mut self.random)? {
                    Step::Due(name) => return Ok(Some(Next::Due(Spot { state: State::Ready, name }))),
                    Step::Newer { job, newer } => return Ok(Some(Next::Newer { job, newer })),
                    Step::Emptied { job, folder } => queue.finish_job(&job, &folder),
                    Step::Over => break,
                }
            }
        }
        Ok(None)
    }

    /// The same as [`Cursor::next`], if the lane whose turn it is has the next name.
    fn at_hand(&mut self) -> Option<Spot> {
        let turns = (1..=self.lanes.len()).map(|i| (self.turn + i) % self.lanes.len());
        let turn = turns.into_iter().find(|&turn| !self.lanes[turn].is_exhausted())?;
        let name = self.lanes[turn].walk.as_mut()?.chunk.pop_front()?;
        self.turn = turn;
        Some(Spot { state: State::Ready, name })
    }

    /// What came meanwhile has its turn: new jobs at once, single entries when the lane has seen the last of the others.
    fn look_at_wake(&mut self, queue: &SpoolQueue, which: Which) {
        let woken = queue.woken();
        if which != Which::Single && woken != self.jobs_woken && Instant::now() >= self.rest_until {
            self.jobs_woken = woken;
            let mut jobs = self.new_jobs(queue);
            self.lanes[NEW].todo.append(&mut jobs);
        }
        if woken != self.singles_woken && self.lanes[SINGLES].is_exhausted() {
            self.singles_woken = woken;
            self.lanes[SINGLES] = Lane::singles(&mut self.random);
        }
    }

    /// The ready folders of the jobs that were in no lane yet, from a random one on.
    fn new_jobs(&mut self, queue: &SpoolQueue) -> Vec<String> {
        let began = Instant::now();
        let (mut folders, mut there) = (Vec::new(), HashSet::new());
        // What cannot be listed now is met in the next pass.
        for job in queue.names("jobs").into_iter().flatten().flatten() {
            let mut hasher = DefaultHasher::new();
            job.hash(&mut hasher);
            let hash = hasher.finish();
            if self.seen.contains(&hash) {
                there.insert(hash);
            } else if queue.is_published(&job) {
                there.insert(hash);
                folders.push(format!("jobs/{job}/ready"));
            }
        }
        // One that is paused and goes on later is new then.
        self.seen = there;
        self.rest_until = Instant::now() + began.elapsed() * 20;
        let by = self.random.below(folders.len().max(1));
        folders.rotate_left(by);
        folders
    }

    /// A claim took so long.
    pub fn claimed(&mut self, queue: &SpoolQueue, took: Duration) {
        let next = self.lanes[self.turn].walk.as_ref().and_then(|walk| walk.chunk.front());
        self.ahead.claimed(queue, took, next);
    }

    /// The last entry is in other hands: work elsewhere.
    pub fn contended(&mut self) {
        self.lanes[self.turn].avoid(&mut self.random);
    }
}

impl Lane {
    fn singles(random: &mut Random) -> Lane {
        let start = random.below(BUCKETS);
        let bucket = |i: usize| bucket_path(((start + i) % BUCKETS) as u8);
        Lane { todo: (0..BUCKETS).map(bucket).collect(), ..Lane::default() }
    }

    fn is_exhausted(&self) -> bool {
        self.walk.is_none() && self.todo.is_empty() && self.again.is_empty()
    }

    fn next(&mut self, queue: &SpoolQueue, now: Micros, random: &mut Random) -> Result<Step, QueueError> {
        loop {
            let Some(walk) = &mut self.walk else {
                match self.todo.pop() {
                    Some(folder) if folder.ends_with("/ready") => {
                        if let Some(newer) = newer(queue, &folder) {
                            return Ok(newer);
                        }
                        let parts = parts(queue, &folder, random);
                        if let (true, Some(emptied)) = (parts.is_empty(), Step::emptied(&folder)) {
                            return Ok(emptied);
                        }
                        self.todo.extend(parts);
                    }
                    Some(folder) => self.walk = Walk::open(queue, folder, now)?,
                    None if self.again.is_empty() => return Ok(Step::Over),
                    None => {
                        self.todo = std::mem::take(&mut self.again);
                        self.helping = true;
                    }
                }
                continue;
            };
            if let Some(name) = walk.chunk.pop_front() {
                return Ok(Step::Due(name));
            }
            if !walk.fill(queue, now, random)? {
                let emptied = if walk.empty { Step::emptied(&walk.folder) } else { None };
                self.walk = None;
                if let Some(emptied) = emptied {
                    return Ok(emptied);
                }
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
    /// `None` if it is not there, or known to be quiet.
    fn open(queue: &SpoolQueue, folder: String, now: Micros) -> Result<Option<Walk>, QueueError> {
        let bucket = bucket_of(&folder);
        if bucket.is_some_and(|bucket| queue.quiet.rests(&queue.dir, bucket, now).is_some()) {
            return Ok(None);
        }
        match dir::Names::open(&queue.dir, &folder) {
            Ok(names) => {
                let watch = bucket.and_then(|bucket| QuietWalk::begin(bucket, &names, now));
                Ok(Some(Walk { folder, names, chunk: VecDeque::new(), empty: true, watch }))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(queue.failed("list", &folder)(error)),
        }
    }

    /// Reads the next due names, and starts among them at random; `false` at the folder's end.
    fn fill(&mut self, queue: &SpoolQueue, now: Micros, random: &mut Random) -> Result<bool, QueueError> {
        let mut due = Vec::new();
        while let (true, Some(name)) = (due.len() < CHUNK, self.names.next_numbered()) {
            let (inode, name) = name.map_err(queue.failed("list", &self.folder))?;
            self.empty = false;
            let Some(name) = EntryName::parse(&name) else { continue };
            if name.is_due(now, queue.horizon) {
                self.watch = None;
                due.push((inode, name));
            } else {
                self.watch.iter_mut().for_each(|watch| watch.waits(&name));
            }
        }
        if due.is_empty() {
            self.watch.take().into_iter().for_each(|watch| queue.quiet.note(watch));
        }
        // As they lie on the disk.
        due.sort_unstable_by_key(|&(inode, _)| inode);
        self.chunk = due.into_iter().map(|(_, name)| name).collect();
        let by = random.below(self.chunk.len().max(1));
        self.chunk.rotate_left(by);
        Ok(!self.chunk.is_empty())
    }
}

/// Which folder of single entries it is.
fn bucket_of(folder: &str) -> Option<u8> {
    u8::from_str_radix(folder.strip_prefix("ready/")?, 16).ok()
}

/// Whether the job whose folder `ready` is was made by a newer program.
fn newer(queue: &SpoolQueue, ready: &str) -> Option<Step> {
    let top = ready.strip_suffix("/ready")?;
    let job: EntryId = top.strip_prefix("jobs/")?.parse().ok()?;
    queue.newer_job(top).map(|newer| Step::Newer { job, newer })
}

/// The folders in the `ready` folder of a job, from a random one on.
fn parts(queue: &SpoolQueue, ready: &str, random: &mut Random) -> Vec<String> {
    let names = queue.names(ready).into_iter().flatten().flatten();
    let mut folders: Vec<String> = names.map(|n| format!("{ready}/{n}")).collect();
    let by = random.below(folders.len().max(1));
    folders.rotate_left(by);
    folders
}
