//! Files that are damaged or cannot be read, and syncs that fail, while rows are in hand.

use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;

use super::attached::with_files;
use super::*;
use crate::queue::QueueError;
use crate::spool::merge::log::file::look;
use crate::spool::merge::log::replay::Standing as RowStanding;

/// What is on disk of the log of an entry where a sync has failed: no more than its head notes.
fn lose(queue: &SpoolQueue, job: &EntryId, k: u32) {
    let path = queue.path(&format!("jobs/{job}/log/0/{k}"));
    let noted = queue.locate(&job.of_job(0, k)).expect("a look").and_then(|spot| spot.name.log).expect("a head");
    let len = std::fs::metadata(&path).expect("a log").len() - noted;
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a log");
    file.write_all_at(&vec![0; usize::try_from(len).expect("small")], noted).expect("written");
}

/// Where the one row of an entry stands, and after how many attempts.
fn standing_of(queue: &SpoolQueue, job: &EntryId, k: u32) -> (RowStanding, u32) {
    let top = crate::sys::dir::open(&queue.path(&format!("jobs/{job}"))).expect("a folder");
    let rows = look(&top, &format!("log/0/{k}"), (&job.of_job(0, k), 1), &mut |_| {}).expect("a log");
    let row = rows.get(0).expect("a row");
    (row.standing, row.attempts)
}

fn sync(queue: &SpoolQueue, succeeds: bool) {
    queue.sync_ended(queue.sync_begins(), succeeds);
}

#[test]
fn what_a_claim_wrote_before_a_sync_that_failed_is_written_again() {
    for end in ["settled", "waits", "deferred"] {
        let site = site();
        let queue = &site.queue;
        queue.share_order(1).expect("memory");
        for _ in 0..3 {
            sync(queue, true);
        }
        let id = merge(queue, 1, 1);
        let mut claim = next(queue).expect("a claim");
        let later = clock::now().plus(Duration::from_secs(60));
        let (verdict, due, standing) = match end {
            "deferred" => (Verdict::Deferred(Reason::new("450 later")), Some(later), RowStanding::Open),
            _ => (delivered(), None, RowStanding::Delivered),
        };
        hand(&mut claim, 0, verdict, due);
        let mut claim = Some(claim);
        if end == "waits" {
            claim.take().expect("a claim").settle(End::Delivered).expect("settled");
        }
        sync(queue, false);
        lose(queue, &id, 0);
        sync(queue, true);
        if let Some(claim) = claim {
            claim.settle(End::Delivered).expect("settled");
            sync(queue, true);
        }
        queue.remove_synced();
        queue.remove_waiting().expect("removed");
        assert_eq!(names(queue, &id).is_empty(), standing == RowStanding::Delivered, "{end}");
        assert_eq!(standing_of(queue, &id, 0), (standing, 1), "{end}");
    }
}

/// The fault is chosen by the environment, so another process meets it.
#[test]
#[cfg(feature = "faults")]
fn a_sync_of_a_worker_that_fails_counts_for_all_that_is_in_hand() {
    let name = "spool::merge::tests::harmed::a_worker_whose_sync_fails";
    let status = std::process::Command::new(std::env::current_exe().expect("its path"))
        .args(["--exact", name, "--ignored"])
        .env("BULKMAILER_FAULT", "merge.waiting:1=eio")
        .output()
        .expect("started");
    assert!(status.status.success(), "{status:?}");
}

#[test]
#[ignore = "the other process of the test above"]
#[cfg(feature = "faults")]
fn a_worker_whose_sync_fails() {
    let site = site();
    let queue = &site.queue;
    queue.share_order(1).expect("memory");
    sync(queue, true);
    let id = merge(queue, 2, 1);
    let mut cursor = Queue::cursor(&queue).expect("a pass");
    let mut next = || match Queue::claim(&queue, &mut cursor, Which::Any, clock::now(), &mut |_| true) {
        Ok(Found::Claim(claim)) => claim,
        other => panic!("{other:?}"),
    };
    let (mut first, mut second) = (next(), next());
    hand(&mut first, 0, delivered(), None);
    hand(&mut second, 0, delivered(), None);
    second.settle(End::Delivered).expect("settled");
    queue.remove_waiting().expect("its own log was synced after that");
    lose(queue, &id, 0);
    first.settle(End::Delivered).expect("settled");
    sync(queue, true);
    queue.remove_synced();
    queue.remove_waiting().expect("removed");
    assert!(names(queue, &id).is_empty());
    assert_eq!(standing_of(queue, &id, 0), (RowStanding::Delivered, 1));
}

#[test]
fn an_attachment_that_cannot_be_read_keeps_its_row_alone_waiting() {
    let (site, files) = (site(), tempfile::tempdir().expect("a folder"));
    with_files(&site.queue, files.path(), 2, |_| (true, true));
    std::fs::remove_file(files.path().join("1.txt")).expect("removed");
    // It cannot be opened, as one that the worker may not read.
    let _socket = UnixListener::bind(files.path().join("1.txt")).expect("a socket");
    let claim = next(&site.queue).expect("a claim");
    let Err(NoMessage::Row(Verdict::Deferred(why))) = claim.message(&[0], true) else { panic!("it cannot be read") };
    assert!(why.text.contains("1.txt") && why.text.contains("cannot be read"), "{why:?}");
    assert!(text(&claim, 1).contains("2.txt"));
}

#[test]
fn a_job_whose_mails_all_lack_something_is_paused_once() {
    for harm in ["template", "columns", "attachments"] {
        let (site, files) = (site(), tempfile::tempdir().expect("a folder"));
        let id = with_files(&site.queue, files.path(), 2, |_| (true, true));
        let mut cursor = Queue::cursor(&&site.queue).expect("a pass");
        let mut next = || match Queue::claim(&&site.queue, &mut cursor, Which::Any, clock::now(), &mut |_| true) {
            Ok(Found::Claim(claim)) => claim,
            other => panic!("{other:?}"),
        };
        let (first, second) = (next(), next());
        let inside = |path: &str| site.queue.path(&format!("jobs/{id}/{path}"));
        match harm {
            "template" => std::fs::write(inside("template/text"), "{{").expect("written"),
            "columns" => std::fs::remove_file(inside("rows/columns")).expect("removed"),
            _ => std::fs::rename(files.path(), files.path().with_extension("away")).expect("renamed"),
        }
        // Rendered ahead of its turn, it decides nothing.
        assert_eq!(first.size(&[0]), 0);
        assert_eq!(site.queue.standing(&id).expect("a look"), Some(Standing::AtWork));
        let Err(NoMessage::Fault(QueueError::NotYet { why, .. })) = first.message(&[0], true) else { panic!("{harm}") };
        assert!(why.contains("paused") && why.contains("jobs resume"), "{why}");
        assert_eq!(site.queue.standing(&id).expect("a look"), Some(Standing::Paused));
        assert!(matches!(second.message(&[0], true), Err(NoMessage::Moved)), "{harm}: it was said");
        let _ = std::fs::rename(files.path().with_extension("away"), files.path());
    }
}

#[test]
fn a_command_that_reaches_for_an_entry_of_a_paused_job_learns_of_the_pause() {
    use crate::spool::merge::wanted::Reach;
    let site = site();
    let job = merge(&site.queue, 1, 1);
    let id = job.of_job(0, 0);
    let wanted = site.queue.want(&id).expect("locked");
    assert!(site.queue.move_job(&job, Standing::AtWork, Standing::Paused).expect("moved"));
    assert!(matches!(wanted.claim(&id), Ok(Reach::InHand)));
    assert!(site.queue.move_job(&job, Standing::Paused, Standing::Cancelled).expect("moved"));
    assert!(matches!(wanted.claim(&id), Ok(Reach::Gone)));
}
