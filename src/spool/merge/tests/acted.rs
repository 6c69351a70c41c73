//! A person acts on rows, and those that he did not mean go on waiting.

use super::*;
use crate::spool::decision::Decision;
use crate::spool::merge::claim::MergeClaim;
use crate::spool::merge::wanted::Reach;

/// A merge of `count` rows in one entry, for a time; row `own` has a later time of its own.
fn timed(queue: &SpoolQueue, count: u64, own: u64) -> (EntryId, Micros) {
    let at = clock::now().plus(Duration::from_secs(100_000));
    let about = PostFile { per_entry: count, not_before: Some(at), ..PostFile::default() };
    let own = |n| (n == own).then_some(at.plus(Duration::from_secs(5)));
    let draft = draft_about(queue, count, about, own);
    let id = draft.id().clone();
    draft.commit((0, 0)).expect("published");
    (id, at)
}

/// Does something with the first entry of a job, as a command does.
fn act(queue: &SpoolQueue, job: &EntryId, act: impl FnOnce(MergeClaim<'_>, Decision)) {
    let id = job.of_job(0, 0);
    let wanted = queue.want(&id).expect("locked");
    let Reach::Claim(claim) = wanted.claim(&id).expect("claimed") else { panic!("it is free") };
    act(*claim, Decision { at: clock::now(), by: 0 });
}

fn hold(queue: &SpoolQueue, job: &EntryId, rows: &[u16]) {
    act(queue, job, |claim, decision| claim.hold_rows(rows, decision, "why").expect("held"));
}

fn reopen(queue: &SpoolQueue, job: &EntryId, rows: &[u16]) {
    act(queue, job, |claim, decision| claim.reopen_rows(rows, decision).expect("released"));
}

fn damage_head(queue: &SpoolQueue, job: &EntryId) {
    let spot = queue.locate(&job.of_job(0, 0)).expect("a look").expect("a head");
    std::fs::write(queue.path(&spot.path()), "x").expect("written");
    assert!(matches!(queue.take(&spot), Ok(Taken::Corrupt { .. })));
}

#[test]
fn rows_that_wait_for_their_job_do_so_when_another_is_released() {
    let site = site();
    let queue = &site.queue;
    let (id, at) = timed(queue, 4, 3);
    hold(queue, &id, &[0]);
    assert!(next(queue).is_none(), "it is for later");
    reopen(queue, &id, &[0]);
    let mut claim = next(queue).expect("one is due");
    assert_eq!(claim.open(), [0]);
    hand(&mut claim, 0, delivered(), None);
    claim.settle(End::Delivered).expect("settled");
    assert!(names(queue, &id)[0].starts_with(&format!("{:016}@", at.0)), "{:?}", names(queue, &id));
    assert!(next(queue).is_none(), "the others wait");
}

#[test]
fn a_head_that_is_made_anew_waits_for_the_time_of_its_job() {
    let site = site();
    let queue = &site.queue;
    let (id, at) = timed(queue, 3, 9);
    damage_head(queue, &id);
    queue.finish_jobs();
    assert!(names(queue, &id)[0].starts_with(&format!("{:016}@", at.0)), "{:?}", names(queue, &id));
    // A row that is due sooner brings it forward, for itself alone.
    reopen(queue, &id, &[1]);
    damage_head(queue, &id);
    queue.finish_jobs();
    let claim = next(queue).expect("one is due");
    assert_eq!(claim.open(), [1]);
    drop(claim);
    // A person reaches for one that has lost its head.
    let (other, at) = timed(queue, 3, 9);
    damage_head(queue, &other);
    hold(queue, &other, &[0]);
    assert!(names(queue, &other)[0].starts_with(&format!("{:016}@", at.0)), "{:?}", names(queue, &other));
}

#[test]
fn rows_are_made_due_one_by_one() {
    let site = site();
    let queue = &site.queue;
    let (id, _) = timed(queue, 3, 3);
    // Of rows that wait with the head, and of one with its own time.
    act(queue, &id, |claim, decision| claim.reschedule(&[1, 2], decision.at).expect("made due"));
    let claim = next(queue).expect("two are due");
    assert_eq!(claim.open(), [1, 2]);
}
