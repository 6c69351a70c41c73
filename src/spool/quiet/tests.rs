use super::*;
use crate::model::envelope::Origin;
use crate::model::{EntryId, Envelope};
use crate::queue::Queue;
use crate::spool::names::EntryName;
use crate::spool::survey::Glance;
use crate::spool::{Spool, SpoolQueue};

const NOW: Micros = Micros(1_000_000);
const LATER: Micros = Micros(2_000_000);

/// Waits until the times of all folders can be trusted.
fn settle(queue: &SpoolQueue) {
    let print = |path| dir::Names::open(&queue.dir, path).and_then(|names| names.print());
    let is_old = |path| print(path).is_ok_and(|print| is_settled(&print, clock::now()));
    let settled = || is_old(Place::jobs().path) && (0..=u8::MAX).all(|bucket| is_old(bucket_str(bucket)));
    while !settled() {
        std::thread::yield_now();
    }
}

/// A spool with a queue in which one entry waits until [`LATER`], which a run has seen and noted.
fn noted() -> (tempfile::TempDir, Spool) {
    let dir = tempfile::tempdir().expect("a folder");
    let spool = Spool::create(&dir.path().join("s")).expect("a spool");
    let queue = spool.queue("q").expect("a queue");
    put(&queue, LATER);
    settle(&queue);
    assert!(!queue.rests(NOW), "nothing is known yet");
    assert_eq!(glance(&queue, NOW), Glance { due: 0, next: Some(LATER) });
    queue.leave_hint();
    assert!(again(&spool).rests(NOW));
    (dir, spool)
}

/// The queue as the next run opens it.
fn again(spool: &Spool) -> SpoolQueue {
    spool.existing_queue("q").expect("opened").expect("there")
}

fn glance(queue: &SpoolQueue, now: Micros) -> Glance {
    queue.glance(now, 9, &|_| false).expect("a glance")
}

fn hint_of(spool: &Spool) -> std::path::PathBuf {
    spool.root().join("q").join(HINT)
}

fn put(queue: &SpoolQueue, due: Micros) {
    let (submitted, verp) = (Micros(1), None);
    let origin = Origin { submitted, uid: 0, body: None, notify: None, ret: None, envid: None, verp };
    let recipients = vec!["r@example.net".parse().expect("an address")];
    let envelope = Envelope {
        id: EntryId::new(clock::now()),
        sender: None,
        recipients,
        fields: crate::model::Fields::default(),
        origin,
    };
    queue.publish(&envelope, due, &mut |out| out.write_all(b"Subject: x\n\nx\n")).expect("published");
}

#[test]
fn what_comes_goes_or_falls_due_is_seen_though_the_folder_was_quiet() {
    let (_dir, spool) = noted();
    let queue = again(&spool);
    let waiting = Glance { due: 0, next: Some(LATER) };
    assert!((0..=u8::MAX).all(|bucket| queue.quiet.rests(&queue.dir, bucket, NOW).is_some()), "all are quiet");
    assert_eq!(glance(&queue, NOW), waiting, "as before, without a walk");
    // Its time comes.
    assert!(!queue.rests(LATER));
    assert_eq!(glance(&queue, LATER).due, 1);
    // Another one comes.
    put(&queue, NOW);
    assert!(!queue.rests(NOW));
    assert_eq!(glance(&queue, NOW), Glance { due: 1, next: Some(LATER) });
    settle(&queue);
    // What is passed over counts for nothing, and does not make its folder quiet.
    assert_eq!(queue.glance(LATER, 9, &|_| true).expect("a glance"), Glance::default());
    assert!(!queue.rests(NOW));
    assert_eq!(glance(&queue, LATER).due, 2);
    // A clock that was set back: nothing is known of that time.
    assert!((0..=u8::MAX).all(|bucket| queue.quiet.rests(&queue.dir, bucket, Micros(1)).is_none()));
}

#[test]
fn a_folder_whose_time_is_not_over_is_never_quiet() {
    let (_dir, spool) = noted();
    let queue = again(&spool);
    let names = |bucket| dir::Names::open(&queue.dir, bucket_str(bucket)).expect("names");
    let is_young = |bucket| !is_settled(&names(bucket).print().expect("a print"), clock::now());
    // A machine may be so slow that the time is over before it is looked at.
    loop {
        put(&queue, LATER);
        let Some(bucket) = (0..=u8::MAX).find(|bucket| is_young(*bucket)) else { continue };
        let walk = QuietWalk::begin(bucket, &names(bucket), NOW);
        if is_young(bucket) {
            assert!(walk.is_none());
            return;
        }
    }
}

#[test]
fn a_hint_that_is_none_or_of_another_place_costs_a_walk_and_delays_nothing() {
    let (_dir, spool) = noted();
    let (_other_dir, other) = noted();
    let (hint, theirs) = (hint_of(&spool), std::fs::read(hint_of(&other)).expect("a hint"));
    let ours = std::fs::read(&hint).expect("a hint");
    let big = vec![0; hint::BYTES_MAX + 1];
    for wrong in [theirs.as_slice(), b"", b"{}", &ours[..ours.len() / 2], &[0xff; 4096], &big] {
        std::fs::write(&hint, wrong).expect("written");
        let queue = again(&spool);
        assert!(!queue.rests(NOW));
        assert_eq!(glance(&queue, NOW), Glance { due: 0, next: Some(LATER) });
        assert_eq!(glance(&again(&spool), LATER).due, 1);
    }
    // What it is taken for does not matter either: a link is not followed, a FIFO not waited for.
    let elsewhere = hint.with_extension("elsewhere");
    std::fs::write(&elsewhere, &ours).expect("written");
    std::fs::remove_file(&hint).expect("removed");
    std::os::unix::fs::symlink(&elsewhere, &hint).expect("linked");
    assert!(!again(&spool).rests(NOW));
    std::fs::remove_file(&hint).expect("removed");
    nix::unistd::mkfifo(&hint, nix::sys::stat::Mode::S_IRWXU).expect("made");
    assert!(!again(&spool).rests(NOW));
    // The next run that walks leaves a good one.
    let queue = again(&spool);
    glance(&queue, NOW);
    queue.leave_hint();
    assert!(again(&spool).rests(NOW));
}

#[test]
fn a_folder_put_back_with_the_time_that_it_had_is_walked_through() {
    let (_dir, spool) = noted();
    let queue = again(&spool);
    let before = queue.names("ready").expect("names").map(|name| {
        let path = spool.root().join("q/ready").join(name.expect("a name"));
        (path.metadata().expect("there").modified().expect("a time"), path)
    });
    let before: Vec<_> = before.collect();
    put(&queue, NOW);
    // What tar(1) and rsync(1) do last.
    for (modified, path) in &before {
        std::fs::File::open(path).and_then(|folder| folder.set_modified(*modified)).expect("set");
    }
    assert!(!again(&spool).rests(NOW));
    assert_eq!(glance(&again(&spool), NOW).due, 1);
}

#[test]
fn the_hint_holds_for_any_horizon() {
    let (_dir, spool) = noted();
    let within = |seconds| again(&spool).with_horizon(Duration::from_secs(seconds));
    assert!(within(1).rests(NOW));
    assert!(!within(0).rests(NOW), "by this horizon a clock was wrong, and the entry is due");
    assert_eq!(glance(&within(0), NOW).due, 1);
}

#[test]
fn folders_of_jobs_rest_as_well_and_those_that_are_gone_are_forgotten() {
    let (_dir, spool) = noted();
    let queue = again(&spool);
    let job = EntryId::new(clock::now());
    let folder = spool.root().join(format!("q/jobs/{job}/ready/0"));
    std::fs::create_dir_all(&folder).expect("made");
    let name = |due| folder.join(EntryName::new(due, EntryId::new(NOW)).to_string());
    std::fs::write(name(LATER), "").expect("written");
    assert!(!queue.rests(NOW));
    let print = || dir::Names::open(&queue.dir, &format!("jobs/{job}/ready/0")).and_then(|names| names.print());
    while !print().is_ok_and(|print| is_settled(&print, clock::now())) {
        std::thread::yield_now();
    }
    assert_eq!(glance(&queue, NOW).due, 0);
    queue.leave_hint();
    assert!(again(&spool).rests(NOW) && !again(&spool).rests(LATER));
    let long = hint_of(&spool).metadata().expect("a hint").len();
    std::fs::write(name(NOW), "").expect("written");
    assert!(!again(&spool).rests(NOW));
    assert_eq!(glance(&again(&spool), NOW).due, 1);
    std::fs::remove_dir_all(spool.root().join("q/jobs").join(job.to_string())).expect("removed");
    let queue = again(&spool);
    put(&queue, LATER);
    settle(&queue);
    glance(&queue, NOW);
    queue.leave_hint();
    // The folder of the jobs is empty, and has the place of the one that has gone.
    assert_eq!(hint_of(&spool).metadata().expect("a hint").len(), long);
    assert!(again(&spool).rests(NOW));
    std::fs::create_dir_all(spool.root().join("q/jobs/j/ready/0")).expect("made");
    assert!(!again(&spool).rests(NOW), "a job came");
    std::fs::remove_dir_all(spool.root().join("q/jobs/j")).expect("removed");
    // What has gone makes room for what comes.
    let mut known = locked(&queue.quiet.known).take().expect("known");
    known.folders.truncate(256);
    let gone = Seen { is_met: false, ..known.folders[0].clone() };
    known.folders.extend((256..hint::FOLDERS_MAX as u64).map(|key| Seen { key, ..gone.clone() }));
    *locked(&queue.quiet.known) = Some(known);
    queue.quiet.note(QuietWalk { key: u64::MAX, seen: gone.folder });
    let known = locked(&queue.quiet.known).take().expect("known");
    assert!(known.is_new && known.find(u64::MAX) == Ok(256));
}
