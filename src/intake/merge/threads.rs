//! Rows are judged by several threads, a chunk at a time, and what is found comes in the rows' order.
//!
//! Memory: of each thread one chunk that is judged, and one that was.

use std::num::NonZero;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::error::MergeError;
use super::judge::{Good, Judge, Plan};
use super::kind::BadReason;
use super::worst::Worst;
use crate::model::Row;
use crate::queue::QueueError;
use crate::spool::merge::rows::spooled::Spooled;

/// More threads than this only wait for the one that counts.
const THREADS_MAX: usize = 4;
/// Bytes of a thread's stack: templates nest, as deep as in a worker.
const STACK: usize = 4 << 20;

/// What was found of the rows of one chunk.
#[derive(Debug, Default)]
pub struct JudgedChunk {
    pub rows: Vec<JudgedRow>,
    pub worst: Worst,
}

/// What was found of one row.
#[derive(Debug)]
pub struct JudgedRow {
    /// Its number in the source.
    pub number: u64,
    pub found: Result<Good, BadReason>,
    /// The row itself, if it is bad and was asked for.
    pub row: Option<Row>,
}

/// Judges all rows, and shows `each` their chunks in order. Bad rows are in there if `keeps_bad` is set.
///
/// Errors: those of the spool, and of `each`; no thread can be started.
pub fn judge_all(
    plan: &Plan<'_>,
    rows: &Spooled,
    keeps_bad: bool,
    each: &mut dyn FnMut(JudgedChunk) -> Result<(), MergeError>,
) -> Result<(), MergeError> {
    let chunks = rows.chunks();
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let count = processors.min(THREADS_MAX).min(chunks).max(1);
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(count);
        for first in 0..count {
            let (sender, receiver) = sync_channel(1);
            let work = move || judge_some(plan, rows, keeps_bad, (first, count), &sender);
            thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).map_err(MergeError::Thread)?;
            threads.push(receiver);
        }
        // Without a receiver a thread ends, so an error ends them all.
        for receiver in threads.iter().cycle().take(chunks) {
            let ended = |_| MergeError::Thread(std::io::Error::other("it ended too early"));
            each(receiver.recv().map_err(ended)??)?;
        }
        Ok(())
    })
}

/// Judges each `count`th chunk from `first` on.
fn judge_some(
    plan: &Plan<'_>,
    rows: &Spooled,
    keeps_bad: bool,
    (first, count): (usize, usize),
    sender: &SyncSender<Result<JudgedChunk, QueueError>>,
) {
    let (mut judge, mut buffer) = (plan.judge(), Vec::new());
    for chunk in (first..rows.chunks()).step_by(count) {
        let rows = rows.chunk(chunk, plan.columns.names().len(), &mut buffer);
        if sender.send(rows.and_then(|mut rows| judge_chunk(&mut judge, &mut rows, keeps_bad))).is_err() {
            return;
        }
    }
}

fn judge_chunk(
    judge: &mut Judge<'_>,
    rows: &mut dyn Iterator<Item = Result<Row, QueueError>>,
    keeps_bad: bool,
) -> Result<JudgedChunk, QueueError> {
    let mut judged = JudgedChunk::default();
    for row in rows {
        let row = row?;
        let found = judge.judge(&row);
        if let Ok(good) = &found {
            judged.worst.note(&row, good.bytes);
        }
        let is_kept = keeps_bad && found.is_err();
        judged.rows.push(JudgedRow { number: row.number, found, row: is_kept.then_some(row) });
    }
    Ok(judged)
}
