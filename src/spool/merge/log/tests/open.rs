//! The open log: claims, what is written again, and room.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::*;
use crate::spool::merge::log::file::{Claimant, Locked, Log, Taken, create, look};
use crate::sys::{dir, room};

struct Site {
    temp: tempfile::TempDir,
    dir: File,
}

impl Site {
    fn new() -> (Site, u64) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let dir = dir::open(temp.path()).expect("opened");
        let noted = create(&dir, "7", (&id(), ROWS), Micros(1), &[]).expect("made");
        (Site { temp, dir }, noted)
    }

    fn lock(&self) -> Locked {
        lock(&self.dir, "7")
    }

    fn claim(&self, noted: Option<u64>) -> Log {
        claim(self.lock(), noted)
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.temp.path().join("7")).expect("read")
    }

    /// What the pages hold when the kernel has dropped those that it could not write.
    fn lose(&self, from: u64) {
        let file = File::options().write(true).open(self.temp.path().join("7")).expect("opened");
        let len = file.metadata().expect("its size").len();
        file.write_all_at(&vec![0; usize::try_from(len - from).expect("small")], from).expect("lost");
    }

    fn standings(&self) -> Vec<Standing> {
        let rows = look(&self.dir, "7", (&id(), ROWS), &mut |_| {}).expect("read");
        rows.iter().map(|(_, row)| row.standing).collect()
    }
}

/// Takes the lock, which another process may have for a moment: one that a test forks, or another run of this test.
fn lock(dir: &File, path: &str) -> Locked {
    loop {
        match Locked::take(dir, path).expect("opened") {
            Taken::Ours(locked) => return locked,
            Taken::Contended => std::thread::yield_now(),
            Taken::Missing => panic!("{path} is gone"),
        }
    }
}

fn claim(locked: Locked, noted: Option<u64>) -> Log {
    locked.read((&id(), ROWS), noted, Claimant { at: Micros(5), by: 0 }, &mut |_| {}).expect("read")
}

#[test]
fn the_lock_is_the_claim_and_ends_with_it() {
    let (site, noted) = Site::new();
    let mut log = site.claim(Some(noted));
    assert!(matches!(Locked::take(&site.dir, "7"), Ok(Taken::Contended)));
    log.begin(0).expect("begun");
    assert!(log.answer_and_begin(delivered(0, "250 ok"), 1).expect("answered"));
    drop(log);
    let mut log = site.claim(Some(noted));
    assert_eq!(log.rows().in_flight().collect::<Vec<_>>(), [1]);
    log.take_back(1).expect("taken back");
    log.hold(&[1, 2], Micros(6), &Reason::new("unknown")).expect("held");
    log.remove(&[2], Micros(7)).expect("removed");
    log.reopen(&[1], Micros(8), None).expect("reopened");
    drop(log);
    let log = site.claim(Some(noted));
    assert_eq!((log.rows().in_flight().count(), log.is_short()), (0, false));
    assert_eq!(site.standings(), [Standing::Delivered, Standing::Open, Standing::Removed, Standing::Open]);
}

#[test]
fn what_is_torn_is_overwritten() {
    let (site, noted) = Site::new();
    let mut log = site.claim(Some(noted));
    log.begin(0).expect("begun");
    log.answer(delivered(0, "250 ok")).expect("answered");
    let whole = site.bytes();
    drop(log);
    for cut in usize::try_from(noted).expect("small")..whole.len().min(150) {
        let path = site.temp.path().join("7");
        std::fs::write(&path, &whole[..cut]).expect("cut");
        let mut log = site.claim(Some(noted));
        let open = log.rows().open().next() == Some(0);
        log.answer(delivered(1, "250 other")).expect("answered");
        drop(log);
        let first = if open { Standing::Open } else { Standing::Delivered };
        assert_eq!(site.standings(), [first, Standing::Delivered, Standing::Open, Standing::Open], "cut at {cut}");
    }
}

#[test]
fn a_log_that_is_missing_or_shorter_than_noted_says_so() {
    let (site, noted) = Site::new();
    let mut log = site.claim(Some(noted));
    log.begin(0).expect("begun");
    log.sync().expect("synced");
    let durable = log.durable();
    assert!(log.is_durable() && durable > noted);
    drop(log);
    assert!(!site.claim(Some(durable)).is_short() && site.claim(Some(durable + 1)).is_short());
    site.lose(durable - 2);
    let mut log = site.claim(Some(durable));
    assert!(log.is_short());
    let open: Vec<u16> = log.rows().open().collect();
    log.hold(&open, Micros(9), &Reason::new("the log is short")).expect("held");
    log.sync().expect("synced");
    let durable = log.durable();
    drop(log);
    assert_eq!(site.standings(), [Standing::Held; 4]);
    assert!(!site.claim(Some(durable)).is_short());

    for noted in [Some(noted), None] {
        std::fs::remove_file(site.temp.path().join("7")).expect("removed");
        assert!(matches!(Locked::take(&site.dir, "7"), Ok(Taken::Missing)));
        let Ok(Taken::Ours(locked)) = Locked::make(&site.dir, "7") else { panic!("not made") };
        let mut log = claim(locked, noted);
        assert!(log.is_short());
        log.hold(&[0], Micros(9), &Reason::new("no log")).expect("held");
        drop(log);
        assert_eq!(site.standings()[0], Standing::Held);
    }
}

#[test]
fn a_claims_first_sync_writes_again_what_was_not_noted() {
    for (noting, lost) in [(true, false), (false, false), (true, true), (false, true)] {
        let (site, noted) = Site::new();
        let mut log = site.claim(Some(noted));
        log.begin(0).expect("begun");
        log.answer(delivered(0, "250 ok")).expect("answered");
        drop(log);
        let (before, from) = (site.bytes(), if noting { noted } else { 0 });
        let mut log = site.claim(noting.then_some(noted));
        // What is read now is not on disk, and the kernel believes it is.
        if lost {
            site.lose(from);
        }
        log.sync().expect("synced");
        assert!(log.is_durable());
        let end = usize::try_from(log.durable()).expect("small");
        assert_eq!(site.bytes()[..end], before[..end]);
    }
}

#[test]
fn after_a_failed_sync_it_is_written_again() {
    let (site, noted) = Site::new();
    let mut log = site.claim(Some(noted));
    log.begin(0).expect("begun");
    log.expect_sync().expect("written");
    log.answer(delivered(0, "250 ok")).expect("answered");
    log.synced();
    let durable = log.durable();
    assert!(durable > noted && !log.is_durable());
    // A sync of the file system fails, and the pages are lost.
    log.expect_sync().expect("written");
    log.sync_failed();
    site.lose(durable);
    log.synced();
    assert_eq!(log.durable(), durable);
    log.expect_sync().expect("written");
    log.synced();
    assert!(log.is_durable());
    assert_eq!(site.standings()[0], Standing::Delivered);
    // The next of another second, and a sync of its own.
    log.begin(1).expect("begun");
    log.sync_failed();
    site.lose(log.durable());
    log.sync().expect("synced");
    drop(log);
    assert_eq!(site.claim(None).rows().in_flight().collect::<Vec<_>>(), [1]);
}

#[test]
fn what_was_begun_has_room_for_its_answer() {
    let (site, noted) = Site::new();
    let mut log = site.claim(Some(noted));
    log.begin(0).expect("begun");
    for attempt in 1..200 {
        let size = site.bytes().len();
        let verdict =
            Verdict::Failed(Reason::new(&format!("{attempt}").repeat(900)).with_status(Some("5.999.999".to_owned())));
        let answer = Answer { attempt, waited: Duration::MAX, next: Some(Micros(0)), verdict, ..deferred(0, 1) };
        if attempt % 2 == 0 {
            // As if a write had failed in between: a claim comes first.
            drop(log);
            log = site.claim(None);
        }
        log.answer(answer).expect("answered");
        assert_eq!(site.bytes().len(), size, "answer {attempt} grew the file");
        log.begin(0).expect("begun");
    }
}

#[test]
fn without_room_nothing_is_begun() {
    // Reads as zeros, and has no room.
    let dev = dir::open(std::path::Path::new("/dev")).expect("opened");
    let mut log = claim(lock(&dev, "full"), None);
    let error = log.begin(0).expect_err("a full disk");
    assert!(room::is_lacking(&error), "{error}");
    assert_eq!(log.rows().in_flight().count(), 0);
    assert!(log.answer_and_begin(delivered(0, ""), 1).is_err());
}

#[test]
fn a_row_that_is_not_there_is_refused() {
    let (site, noted) = Site::new();
    let mut log = site.claim(Some(noted));
    assert!(
        log.begin(ROWS).is_err() && log.answer(delivered(ROWS, "")).is_err() && log.remove(&[0, 9], Micros(1)).is_err()
    );
    assert!(!log.answer_and_begin(delivered(0, ""), ROWS).expect("answered"));
    drop(log);
    assert_eq!(site.standings(), [Standing::Delivered, Standing::Open, Standing::Open, Standing::Open]);
}

#[test]
fn a_log_of_more_attempts_than_rows_is_read_in_pieces() {
    let (site, noted) = Site::new();
    let mut log = site.claim(Some(noted));
    for attempt in 1..=2_000 {
        log.begin(1).expect("begun");
        let reason = Verdict::Deferred(Reason::new(&format!("{attempt} is not yet the last time {attempt:0200}")));
        log.answer(Answer { verdict: reason, ..deferred(1, attempt) }).expect("answered");
    }
    log.sync().expect("synced");
    let durable = log.durable();
    assert!(durable > 200_000);
    drop(log);
    let log = site.claim(Some(durable));
    assert_eq!((log.rows().get(1).expect("a row").attempts, log.is_short()), (2_000, false));
}

#[test]
fn what_a_newer_program_began_is_left_as_it_is() {
    let (site, _) = Site::new();
    let body = [0, 200, 1];
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[0; 4]);
    crc.update(&body);
    let bytes = [&[body.len() as u8][..], &crc.finalize().to_le_bytes(), &body].concat();
    std::fs::write(site.temp.path().join("7"), &bytes).expect("written");
    let read = site.lock().read((&id(), ROWS), None, Claimant { at: Micros(5), by: 0 }, &mut |_| {});
    let error = read.expect_err("a newer one");
    assert!(error.get_ref().is_some_and(|inner| inner.is::<crate::model::format::Newer>()), "{error}");
    assert_eq!(site.bytes(), bytes);
}
