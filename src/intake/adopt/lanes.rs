//! Whose turn it is: users who hand mail in take turns, a file each, so that a flood of one keeps no other waiting.
//!
//! What holds: after a look at all of `drop/`, turns are taken for 0.3 seconds and one message at most, then there is another
//! look, which finds who has come meanwhile. Memory does not grow with the number of files: a lane has its requests and its
//! first names in the order of their ids, which is that of their age; the others wait for a later look.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::time::{Duration, Instant};

use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::spool::drop::{DropName, request};

/// How long turns are taken before the next look.
const SLICE: Duration = Duration::from_millis(300);
/// The most names kept of one look, for all users together; each user keeps at least `LANE_MIN`.
const NAMES_MAX: usize = 50_000;
const LANE_MIN: usize = 100;
/// The most files passed over in one process; after that the next process starts again at the first file.
const PASSED_MAX: usize = 100_000;

/// A file, in the state in which it was passed over: one that has changed since is looked at again.
type Passed = (u64, (i64, i64));

/// The files of one queue in `drop/`, in the order in which their turn comes.
pub(super) struct Turns<'q> {
    queue: &'q SpoolQueue,
    /// By user.
    lanes: VecDeque<(u32, Lane)>,
    /// There were more files than were kept.
    more: bool,
    until: Instant,
    passed: HashSet<Passed>,
}

/// What one user has there: his requests first, then by name.
type Lane = BTreeMap<(bool, OsString), DropName>;

impl<'q> Turns<'q> {
    pub fn new(queue: &'q SpoolQueue) -> Turns<'q> {
        Turns { queue, lanes: VecDeque::new(), more: true, until: Instant::now(), passed: HashSet::new() }
    }

    /// The next file; `None` when all had their turn.
    pub fn next(&mut self) -> Result<Option<DropName>, QueueError> {
        let over = self.lanes.is_empty() || Instant::now() >= self.until;
        if over && self.passed.len() < PASSED_MAX && (self.more || !self.lanes.is_empty()) {
            self.look()?;
        }
        let Some((uid, mut lane)) = self.lanes.pop_front() else { return Ok(None) };
        let next = lane.pop_first().map(|(_, file)| file);
        if !lane.is_empty() {
            self.lanes.push_back((uid, lane));
        }
        Ok(next)
    }

    /// A file that stays where it is has had its turn.
    pub fn pass(&mut self, file: &DropName) {
        self.passed.insert((file.inode, file.changed));
    }

    /// Looks at all of `drop/`. Who has little comes first.
    fn look(&mut self) -> Result<(), QueueError> {
        let mut lanes: HashMap<u32, Lane> = HashMap::new();
        let (mut kept, mut more) = (0, false);
        self.queue.each_dropped(&mut |file| {
            if self.passed.contains(&(file.inode, file.changed)) {
                return;
            }
            let lane = lanes.entry(file.uid).or_default();
            let full = kept >= NAMES_MAX && lane.len() >= LANE_MIN;
            let is_mail = !file.name.to_str().is_some_and(request::is_request);
            lane.insert((is_mail, file.name.clone()), file);
            if full {
                lane.pop_last();
                more = true;
            } else {
                kept += 1;
            }
        })?;
        let mut lanes: Vec<(u32, Lane)> = lanes.into_iter().collect();
        lanes.sort_by_key(|(_, lane)| lane.len());
        self.lanes = lanes.into();
        self.more = more;
        self.until = Instant::now() + SLICE;
        Ok(())
    }
}
