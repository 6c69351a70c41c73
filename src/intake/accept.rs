//! One message's way in, the same for every face: letter → draft in the spool or in `drop/` → published.

use std::io::BufRead;

use super::letter::Letter;
use super::refused::{Failure, Refused};
use super::submission::Submission;
use crate::config::{DropBounds, Limits};
use crate::model::{EntryId, Micros};
use crate::queue::QueueError;
use crate::spool::drop::{DropDraft, DropFolder};
use crate::spool::job::PostFile;
use crate::spool::job::post::Posted;
use crate::spool::sorter::Sorted;
use crate::spool::{Batch, Published, SpoolQueue};
use crate::sys::clock;

/// A message that was queued.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub id: EntryId,
    pub recipients: usize,
    pub bytes: u64,
    /// It was queued now, and not under the same key before.
    pub new: bool,
}

/// Refuses where the spool's disk, with `free` bytes, is nearly full.
pub fn check_room(free: u64, limits: &Limits) -> Result<(), Failure> {
    if free < limits.min_free { Err(Refused::Full { free, needed: limits.min_free }.into()) } else { Ok(()) }
}

/// Refuses a time that is further off than a user of `drop/` may ask for.
pub fn check_time(at: Option<Micros>, bounds: &DropBounds) -> Result<(), Refused> {
    let far = at.is_some_and(|at| at.since(clock::now()) > bounds.ahead);
    if far { Err(Refused::TooFar { max: bounds.ahead }) } else { Ok(()) }
}

/// A new id, or the one of its key.
pub(super) fn id_of(key: Option<&str>) -> EntryId {
    key.map_or_else(|| EntryId::new(clock::now()), |key| EntryId::of_key(&["key", key]))
}

/// Queues one message. When this returns, it would survive a power cut.
pub fn single(
    queue: &SpoolQueue,
    limits: &Limits,
    submission: Submission,
    input: &mut impl BufRead,
) -> Result<Accepted, Failure> {
    let id = id_of(submission.key.as_deref());
    queue_since(clock::now(), id, queue, limits, submission, input)
}

/// Queues one message that was handed in at `since`, under an id that is given.
pub(super) fn queue_since(
    since: Micros,
    id: EntryId,
    queue: &SpoolQueue,
    limits: &Limits,
    submission: Submission,
    input: &mut impl BufRead,
) -> Result<Accepted, Failure> {
    // By a clock that was set back it may be to come.
    let due = since.min(clock::now());
    let at = submission.at;
    let mut letter = Letter::read(id, limits, submission, input)?;
    letter.trace();
    let mut draft = queue.draft(&letter.envelope)?;
    let bytes = letter.write(limits, input, &mut draft, tmp_of(queue))?;
    let recipients = letter.envelope.recipients.len();
    let published = match at {
        Some(at) => draft.publish_at(at)?,
        None => draft.publish(due)?,
    };
    let new = published == Published::New;
    Ok(Accepted { id: letter.envelope.id, recipients, bytes, new })
}

/// Adds one message to a batch. It is queued when the batch is committed.
pub fn to_batch(
    queue: &SpoolQueue,
    batch: &mut Batch<'_>,
    limits: &Limits,
    submission: Submission,
    input: &mut impl BufRead,
) -> Result<Accepted, Failure> {
    let mut letter = Letter::read(batch.next_id(), limits, submission, input)?;
    letter.trace();
    let mut draft = batch.draft(&letter.envelope, letter.envelope.origin.submitted)?;
    let bytes = letter.write(limits, input, &mut draft, tmp_of(queue))?;
    draft.finish()?;
    Ok(Accepted { id: letter.envelope.id.clone(), recipients: letter.envelope.recipients.len(), bytes, new: true })
}

/// Queues one message to the addresses that the first of `lists` has and the second has not, as a job of its own. When this
/// returns, it would survive a power cut. `about` is completed.
pub fn list_post(
    queue: &SpoolQueue,
    limits: &Limits,
    submission: Submission,
    input: &mut impl BufRead,
    (mut wanted, mut but): (Sorted, Sorted),
    about: PostFile,
) -> Result<(EntryId, Posted), Failure> {
    let mut post = queue.post(id_of(submission.key.as_deref()))?;
    let mut letter = Letter::of_post(post.id().clone(), limits, submission, input)?;
    letter.trace();
    letter.write(limits, input, &mut post, tmp_of(queue))?;
    let envelope = letter.envelope;
    let (id, sender, uid) = (envelope.id.clone(), envelope.sender_text().to_owned(), envelope.origin.uid);
    let mut entries = post.entries(envelope, PostFile { sender, uid, ..about });
    let suppressed = wanted.each_but(&mut but, &mut |recipient| entries.add(recipient))?;
    let posted = entries.commit((wanted.duplicates, suppressed))?;
    if posted.entries == 0 {
        return Err(Refused::AllSuppressed(suppressed).into());
    }
    Ok((id, posted))
}

/// Writes one message for the drop folder, for the queue that is called `queue`. It is accepted once it is linked and synced;
/// no Received field is added, which the adopter does, who knows the user. `Accepted::id` is its file's.
pub fn to_drop<'d>(
    folder: &'d DropFolder,
    queue: &str,
    limits: &Limits,
    submission: Submission,
    input: &mut impl BufRead,
) -> Result<(DropDraft<'d>, Accepted), Failure> {
    let id = id_of(submission.key.as_deref());
    let at = submission.at;
    let letter = Letter::read(id, limits, submission, input)?;
    let mut draft = folder.draft(queue, at, &letter.envelope)?;
    let written = letter.write(limits, input, &mut draft, |error| folder.failed("write a new entry")(error));
    match written.and_then(|bytes| draft.finish().map(|()| bytes).map_err(Failure::from)) {
        Ok(bytes) => {
            let (recipients, id) = (letter.envelope.recipients.len(), letter.envelope.id);
            Ok((draft, Accepted { id, recipients, bytes, new: true }))
        }
        Err(failure) => {
            draft.discard();
            Err(failure)
        }
    }
}

fn tmp_of(queue: &SpoolQueue) -> impl Fn(std::io::Error) -> QueueError {
    |source| QueueError::Io { doing: "write a new entry", path: queue.path("tmp"), source }
}
