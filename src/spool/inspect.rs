//! What a check sees in a queue, folder by folder, without changing anything: by several threads, each with folders of its own.
//!
//! Most entries are in order, and one look at each is enough to see that: [`Inspector::is_in_order`]. Of any other
//! [`SpoolQueue::fault_of`] finds what is wrong. A journal that is made while its folder is looked at may be left out: the next
//! check reads it.

use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use super::brief::quick;
use super::entry::{HEAD, Unreadable};
use super::entry_file;
use super::job::Standing;
use super::journals::Journals;
use super::names::{EntryName, Spot, State, folder};
use super::queue::SpoolQueue;
use crate::model::format::Newer;
use crate::queue::QueueError;
use crate::sys::dir;
use crate::sys::in_order::Out;

/// How many faulty entries are reported together.
const FAULTY: usize = 1_000;

/// What one thread looks at as a whole.
pub(super) enum Unit {
    /// `<state>/<bucket>`, which may be no folder.
    Bucket(State, String),
    /// Of a job.
    Folder(State, String),
    /// The message of a job.
    Message(String),
    /// A job of a newer program, which is left alone.
    Newer(String, Newer),
}

/// What was seen, in order.
#[derive(Default)]
pub(super) struct Piece {
    /// Entries looked at.
    pub entries: u64,
    /// Entries that are not as they should be.
    pub faulty: Vec<Faulty>,
    /// What else is wrong, and cannot be mended: where, and what.
    pub problems: Vec<(String, String)>,
    /// What ends the check.
    pub failure: Option<QueueError>,
}

pub(super) struct Faulty {
    pub state: State,
    pub path: String,
    /// Its name in its folder.
    pub text: String,
    pub fault: Fault,
}

/// What is wrong with an entry.
pub(super) enum Fault {
    /// None of ours.
    Strange(&'static str),
    Misplaced,
    Mode(u32),
    Unreadable(String),
    /// A newer program's, which is left as it is.
    Newer(Newer),
    /// Its journal cannot be read.
    Journal(String),
}

impl Fault {
    pub fn text(&self) -> String {
        match self {
            Fault::Strange(why) => (*why).to_owned(),
            Fault::Misplaced => "it lies in the wrong folder".to_owned(),
            Fault::Mode(mode) => format!("its mode is {mode:04o} and not 0600"),
            Fault::Unreadable(why) => why.clone(),
            Fault::Newer(newer) => newer.to_string(),
            Fault::Journal(why) => format!("its journal cannot be read: {why}"),
        }
    }
}

/// One thread's room for heads.
struct Inspector<'q> {
    queue: &'q SpoolQueue,
    block: [u8; HEAD],
}

impl SpoolQueue {
    /// Everything in this queue that has entries, and the messages of posts.
    pub(super) fn units(&self) -> Result<impl Iterator<Item = Result<Unit, QueueError>>, QueueError> {
        let buckets = State::ALL.into_iter().flat_map(move |state| {
            let failed = move || self.failed("list", state.name());
            let (names, error) = match self.names(state.name()).map_err(failed()) {
                Ok(names) => (Some(names), None),
                Err(error) => (None, Some(Err(error))),
            };
            let bucket = move |name: io::Result<String>| match name {
                Ok(bucket) => Ok(Unit::Bucket(state, bucket)),
                Err(error) => Err(failed()(error)),
            };
            error.into_iter().chain(names.into_iter().flatten().map(bucket))
        });
        let jobs = self.names("jobs").map_err(self.failed("list", "jobs"))?.flatten();
        Ok(buckets.chain(jobs.flat_map(move |job| self.units_of(job))))
    }

    fn units_of(&self, job: String) -> Vec<Result<Unit, QueueError>> {
        if let Some(newer) = self.newer_job(&format!("jobs/{job}")) {
            return vec![Ok(Unit::Newer(job, newer))];
        }
        let ready = format!("jobs/{job}/ready");
        let parts = match self.names(&ready).map_err(self.failed("list", &ready)) {
            Ok(parts) => parts,
            Err(error) => return vec![Err(error)],
        };
        let parts = parts.flatten().map(|n| Unit::Folder(State::Ready, format!("{ready}/{n}")));
        let others = [State::Hold, State::Failed];
        let others = others.map(|state| Unit::Folder(state, format!("jobs/{job}/{}", state.name())));
        parts.chain(others).chain([Unit::Message(job.clone())]).map(Ok).collect()
    }

    /// One thread's way to look at units.
    pub(super) fn inspector(&self) -> impl FnMut(Unit, Out<'_, Piece>) {
        let mut inspector = Inspector { queue: self, block: [0; HEAD] };
        move |unit, out| {
            let mut piece = Piece::default();
            if let Err(error) = inspector.look(unit, &mut piece, out) {
                piece.failure = Some(error);
            }
            out(piece);
        }
    }

    /// Whether a post has its whole message. Who is to have it is not lost, so nothing is moved.
    fn check_message(&self, job: &str, piece: &mut Piece) -> Result<(), QueueError> {
        let path = format!("jobs/{job}/message");
        let Ok(id) = job.parse() else { return Ok(()) };
        let file = match self.job_file(&id, Standing::AtWork) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(()),
            Err(error) => {
                piece.problems.push((format!("jobs/{job}/job.json"), error.to_string()));
                return Ok(());
            }
        };
        let Some(written) = file.kind.shared_message() else { return Ok(()) };
        let stat = dir::stat(&self.dir, &path).map_err(self.failed("check", &path))?;
        let bytes = stat.map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
        // It may have ended meanwhile.
        if bytes != written && self.standing(&id)? == Some(Standing::AtWork) {
            piece.problems.push((path, format!("it has {bytes} bytes, and {written} were written")));
        }
        Ok(())
    }

    /// What is wrong with the entry file at `path`, if anything. One that vanishes meanwhile is fine.
    fn fault_of(&self, state: State, path: &str, text: &str) -> io::Result<Option<Fault>> {
        let Some(stat) = dir::stat(&self.dir, path)? else { return Ok(None) };
        let Some(name) = EntryName::parse(text) else { return Ok(Some(Fault::Strange("its name is no entry's"))) };
        if stat.st_mode & 0o170_000 != 0o100_000 {
            return Ok(Some(Fault::Strange("it is no regular file")));
        }
        if (Spot { state, name: name.clone() }).path() != path {
            return Ok(Some(Fault::Misplaced));
        }
        if stat.st_mode & 0o7777 != 0o600 {
            return Ok(Some(Fault::Mode(stat.st_mode & 0o7777)));
        }
        let file = match dir::open_file(&self.dir, path, dir::Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.size();
        match entry_file::read(&file, size, &name) {
            Err(Unreadable::Newer(newer)) => Ok(Some(Fault::Newer(newer))),
            Err(Unreadable::Damaged(why)) => Ok(Some(Fault::Unreadable(why))),
            Ok((envelope, _)) => match self.history(&name.id, envelope.recipients.len(), &mut |_| {}) {
                Err(QueueError::Newer { newer, .. }) => Ok(Some(Fault::Newer(newer))),
                Err(error) => Ok(Some(Fault::Journal(error.to_string()))),
                Ok(_) => Ok(None),
            },
        }
    }
}

impl Inspector<'_> {
    fn look(&mut self, unit: Unit, piece: &mut Piece, out: Out<'_, Piece>) -> Result<(), QueueError> {
        match unit {
            Unit::Newer(job, newer) => piece.problems.push((format!("jobs/{job}/job.json"), newer.to_string())),
            Unit::Message(job) => self.queue.check_message(&job, piece)?,
            Unit::Folder(state, path) => self.folder(state, &path, piece, out)?,
            Unit::Bucket(state, bucket) => {
                let path = format!("{}/{bucket}", state.name());
                let stat = dir::stat(&self.queue.dir, &path).map_err(self.queue.failed("check", &path))?;
                if stat.is_some_and(|stat| stat.st_mode & 0o170_000 != 0o040_000) {
                    let fault = Fault::Strange("it is no folder");
                    piece.faulty.push(Faulty { state, path, text: bucket, fault });
                } else {
                    self.folder(state, &path, piece, out)?;
                }
            }
        }
        Ok(())
    }

    fn folder(&mut self, state: State, folder: &str, piece: &mut Piece, out: Out<'_, Piece>) -> Result<(), QueueError> {
        let queue = self.queue;
        let journals = Journals::of(queue);
        let mut names = match dir::Names::open(&queue.dir, folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(queue.failed("list", folder)(error)),
        };
        while let Some(name) = names.next_with(|name| std::str::from_utf8(name).map(str::to_owned)) {
            // Names that are not UTF-8 are reported elsewhere.
            let Ok(text) = name.map_err(queue.failed("list", folder))? else { continue };
            piece.entries += 1;
            let path = format!("{folder}/{text}");
            if self.is_in_order(state, folder, &path, &text, &journals) {
                continue;
            }
            if let Some(fault) = queue.fault_of(state, &path, &text).map_err(queue.failed("check", &path))? {
                piece.faulty.push(Faulty { state, path, text, fault });
            }
            if piece.faulty.len() >= FAULTY && !out(std::mem::take(piece)) {
                break;
            }
        }
        Ok(())
    }

    /// Whether nothing is wrong with the file at `path`, as far as one look can tell.
    fn is_in_order(&mut self, state: State, place: &str, path: &str, text: &str, journals: &Journals<'_>) -> bool {
        let Some(name) = EntryName::parse(text).filter(|name| folder(state, &name.id) == place) else { return false };
        let Ok(file) = dir::open_file(&self.queue.dir, path, dir::Open::Read) else { return false };
        let Ok(stat) = file.metadata() else { return false };
        if stat.mode() != 0o100_600 {
            return false;
        }
        let read = file.read_at(&mut self.block, 0).unwrap_or(0);
        let Some(brief) = quick(self.block.get(..read).unwrap_or_default(), &name.id) else { return false };
        let recipients = brief.recipients.len();
        brief.extent.wrong_size(stat.size()).is_none()
            && (!journals.may_have(&name.id) || self.queue.history(&name.id, recipients, &mut |_| {}).is_ok())
    }
}
