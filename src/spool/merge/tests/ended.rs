//! The end of a merge: which rows keep it, what stays of it, and heads that come and go for that.

use super::*;
use crate::spool::merge::log::file::Claimant;

/// Ends what is open of a job: each row is delivered.
fn deliver_all(queue: &SpoolQueue) {
    while let Some(mut claim) = next(queue) {
        for row in claim.open() {
            hand(&mut claim, row, delivered(), None);
        }
        claim.settle(End::Delivered).expect("settled");
    }
    queue.tidy().expect("tidied");
    queue.finish_jobs();
}

#[test]
fn a_merge_ends_when_no_row_is_open_or_held_and_is_kept() {
    let site = site();
    let queue = &site.queue;
    let id = merge(queue, 5, 2);
    let standing = || queue.standing(&id).expect("a look");
    let mut claim = next(queue).expect("a claim");
    hand(&mut claim, 1, Verdict::Held(Reason::new("why")), None);
    drop(claim);
    deliver_all(queue);
    assert_eq!(standing(), Some(Standing::AtWork), "a row is held");
    let file = queue.job_file(&id, Standing::AtWork).expect("read").expect("a job");
    let progress = queue.progress(&id, Standing::AtWork, &file).expect("counted");
    assert_eq!((progress.held, progress.left, progress.done()), (1, 0, 4));
    // No run reads its logs again in vain.
    assert!(queue.path(&format!("jobs/{id}/held")).exists());

    // The row is open again, and a power cut kept nothing of its head.
    let job = crate::sys::dir::open(&queue.path(&format!("jobs/{id}"))).expect("a folder");
    let Ok(TakenLog::Ours(locked)) = Locked::take(&job, "log/0/0") else { panic!("it is free") };
    let claimant = Claimant { at: clock::now(), by: 0 };
    let mut log = locked.read((&id.of_job(0, 0), 2), None, claimant, &mut |_| {}).expect("read");
    log.reopen(&[1], clock::now(), None).expect("written");
    drop(log);
    let problems = queue.check(false).expect("checked").problems;
    assert!(problems.len() == 1 && problems[0].what.contains("no head"), "{problems:?}");
    assert_eq!(queue.check(true).expect("checked").problems[0].mended, Some("put right"));
    assert_eq!(queue.check(false).expect("checked").problems, []);
    let claim = next(queue).expect("a claim");
    assert_eq!((claim.open(), claim.envelope().recipients.clone()), (vec![1], vec![address(1), address(2)]));
    drop(claim);
    deliver_all(queue);
    assert_eq!(standing(), Some(Standing::Done));
    let keep = |days: u64| crate::spool::sweep::Keep {
        failed: Duration::ZERO,
        keys: Duration::ZERO,
        merges: Duration::from_secs(days * 86_400),
    };
    queue.sweep(keep(90)).expect("swept");
    assert!(queue.path(&format!("done/{id}/rows/0/2")).exists() && queue.path(&format!("done/{id}/log/0/2")).exists());
    let file = queue.job_file(&id, Standing::Done).expect("read").expect("a job");
    assert_eq!(queue.progress(&id, Standing::Done, &file).expect("counted").done(), 5);
    queue.sweep(keep(0)).expect("swept");
    assert_eq!(standing(), None);
}

#[test]
fn an_open_row_without_a_head_gets_one_at_the_end_of_its_job() {
    for harm in ["none", "row", "log"] {
        let site = site();
        let queue = &site.queue;
        let id = merge(queue, 4, 2);
        let head = queue.locate(&id.of_job(0, 1)).expect("a look").expect("a head");
        std::fs::remove_file(queue.path(&head.path())).expect("lost");
        let rows = queue.path(&format!("jobs/{id}/rows/0/1"));
        match harm {
            "row" => {
                let mut bytes = std::fs::read(&rows).expect("rows");
                bytes[5] ^= 1;
                std::fs::write(&rows, bytes).expect("written");
            }
            "log" => std::fs::remove_file(queue.path(&format!("jobs/{id}/log/0/1"))).expect("lost"),
            _ => {}
        }
        deliver_all(queue);
        let claim = next(queue);
        let open = claim.as_ref().map(Claim::open);
        let held = claim.as_ref().is_some_and(|claim| claim.any(crate::model::verdict::Kind::Held));
        match harm {
            "none" => assert_eq!((open, held), (Some(vec![0, 1]), false)),
            // Whose it is cannot be read.
            "row" => assert_eq!((open, held), (Some(vec![1]), true)),
            _ => assert!(claim.is_none()),
        }
        drop(claim);
        deliver_all(queue);
        let expected = if harm == "none" { Standing::Done } else { Standing::AtWork };
        assert_eq!(queue.standing(&id).expect("a look"), Some(expected), "{harm}");
    }
}

#[test]
fn a_finished_head_goes_with_the_supervisors_next_sync_and_with_no_earlier_one() {
    for (early, succeeds, left) in [(false, true, 1), (true, true, 2), (false, false, 2)] {
        let site = site();
        let queue = &site.queue;
        queue.share_order(1).expect("memory");
        let id = merge(queue, 2, 1);
        let mut cursor = Queue::cursor(&queue).expect("a pass");
        let mut settle = || {
            let found = Queue::claim(&queue, &mut cursor, Which::Any, clock::now(), &mut |_| true).expect("claimed");
            let Found::Claim(mut claim) = found else { panic!("{found:?}") };
            hand(&mut claim, 0, delivered(), None);
            claim.settle(End::Delivered).expect("settled");
        };
        let sync = |begun| {
            queue.sync().expect("synced");
            queue.sync_ended(begun, succeeds);
        };
        if early {
            let begun = queue.sync_begins();
            settle();
            sync(begun);
        } else {
            settle();
            sync(queue.sync_begins());
        }
        settle();
        assert_eq!(names(queue, &id).len(), left, "{early} {succeeds}");
        queue.tidy().expect("tidied");
        assert!(names(queue, &id).is_empty());
    }
}
