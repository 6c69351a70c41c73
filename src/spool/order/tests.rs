use std::io::Write;

use super::hands::AllHands;
use super::packed::Packed;
use super::ring::{Ring, Seen};
use super::rings::Lane;
use crate::model::envelope::Origin;
use crate::model::{EntryId, Envelope, Fields, Micros};
use crate::queue::{Claim, End, Found, Queue, Which};
use crate::spool::{Claimed, Spool, SpoolQueue};
use crate::sys::{clock, dir};

fn packed(due: u64) -> Packed {
    Packed([due, 0, 7, 0, 0])
}

fn hands() -> AllHands {
    AllHands::new(2).expect("memory")
}

/// Fills `ring` with these due times.
fn fill(ring: &Ring, hands: AllHands, dues: impl IntoIterator<Item = u64>) {
    let mut filling = ring.fill(&hands.of(0));
    dues.into_iter().for_each(|due| filling.offer(packed(due)));
    filling.sort();
    filling.finish(Seen::default());
}

fn rest(ring: &Ring, hands: AllHands) -> Vec<u64> {
    std::iter::from_fn(|| ring.take(&hands.of(1))).map(|(name, _)| name.due().0).collect()
}

#[test]
fn a_ring_keeps_the_smallest_of_any_number_in_order() {
    let (ring, hands) = (Ring::new(100).expect("memory"), hands());
    assert!(rest(&ring, hands).is_empty());
    for count in [1_u64, 2, 99, 100, 101, 5_000] {
        // Each number below `count + 1`, scattered.
        fill(&ring, hands, (0..count).map(|n| 1 + (n * 7_919) % count));
        assert_eq!((ring.seen().more, ring.is_low()), (count > 100, false), "{count}");
        let taken = rest(&ring, hands);
        let expected: Vec<u64> = (1..=count.min(100)).collect();
        assert_eq!((taken, ring.is_low()), (expected, count > 100), "{count}");
    }
}

#[test]
fn what_is_in_hand_or_was_taken_meanwhile_is_not_handed_out_again() {
    let (ring, hands) = (Ring::new(100).expect("memory"), hands());
    fill(&ring, hands, 1..=10);
    let (one, held) = ring.take(&hands.of(0)).expect("a name");
    let mut filling = ring.fill(&hands.of(1));
    (1..=12).for_each(|due| filling.offer(packed(due)));
    // While the other buffer is filled: one is taken and kept, one taken and settled.
    let (two, also_held) = ring.take(&hands.of(0)).expect("a name");
    drop(ring.take(&hands.of(1)));
    filling.sort();
    filling.finish(Seen::default());
    assert_eq!((one.due(), two.due()), (Micros(1), Micros(2)));
    assert_eq!(ring.peek(0), None, "struck out");
    assert_eq!(rest(&ring, hands), (4..=12).collect::<Vec<_>>());
    // One comes back, and one is a dead worker's.
    drop(held);
    fill(&ring, hands, 1..=4);
    assert_eq!(rest(&ring, hands), [1, 3, 4]);
    hands.of(0).clear();
    fill(&ring, hands, 1..=4);
    assert_eq!(rest(&ring, hands), [1, 2, 3, 4]);
    drop(also_held);
}

#[test]
fn many_take_each_name_once_while_the_ring_is_filled_again_and_again() {
    let (ring, hands) = (Ring::new(64).expect("memory"), AllHands::new(5).expect("memory"));
    let left = std::sync::Mutex::new((1..=3_000_u64).collect::<std::collections::BTreeSet<_>>());
    let taken = std::sync::Mutex::new(Vec::new());
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for index in 0..4 {
            let (left, taken, over, ring) = (&left, &taken, &over, &ring);
            scope.spawn(move || {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    let Some((name, hand)) = ring.take(&hands.of(index)) else {
                        std::thread::yield_now();
                        continue;
                    };
                    taken.lock().expect("locked").push(name.due().0);
                    // Its file goes before it leaves the hand.
                    left.lock().expect("locked").remove(&name.due().0);
                    drop(hand);
                }
            });
        }
        while !left.lock().expect("locked").is_empty() {
            let mut filling = ring.fill(&hands.of(4));
            let names: Vec<u64> = left.lock().expect("locked").iter().copied().collect();
            names.into_iter().for_each(|due| filling.offer(packed(due)));
            filling.sort();
            filling.finish(Seen::default());
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let mut taken = taken.into_inner().expect("all have ended");
    // One that was read before its file went, and filled in after it had left the hand, finds no file.
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken, (1..=3_000).collect::<Vec<_>>());
}

struct Fixture {
    _dir: tempfile::TempDir,
    queue: SpoolQueue,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().expect("a folder");
    let queue = Spool::create(&dir.path().join("s")).and_then(|spool| spool.queue("q")).expect("a queue");
    Fixture { _dir: dir, queue }
}

fn envelope(id: EntryId) -> Envelope {
    let origin = Origin { submitted: Micros(1), uid: 0, body: None, notify: None, ret: None, envid: None, verp: None };
    let recipients = vec!["r@example.net".parse().expect("an address")];
    Envelope { id, sender: None, recipients, fields: Fields::default(), origin }
}

impl Fixture {
    fn put(&self, id: &EntryId, due: u64) {
        let write = &mut |out: &mut dyn Write| out.write_all(b"Subject: x\n\nx\n");
        (&self.queue).publish(&envelope(id.clone()), Micros(due), write).expect("published");
    }

    fn batch(&self, count: u32, due: u64) -> EntryId {
        let mut batch = self.queue.batch(None).expect("a batch");
        for _ in 0..count {
            let id = batch.next_id();
            let mut draft = batch.draft(&envelope(id), Micros(due)).expect("a draft");
            draft.write_all(b"Subject: x\n\nx\n").expect("written");
            draft.finish().expect("in it");
        }
        batch.commit().expect("published")
    }

    /// The next claim of a pass.
    fn claim<'q>(&'q self, cursor: &mut <&'q SpoolQueue as Queue>::Cursor, which: Which) -> Option<Claimed<'q>> {
        loop {
            match (&self.queue).claim(cursor, which, clock::now(), &mut |_| true).expect("read") {
                Found::Claim(claim) => return Some(claim),
                Found::Later => {}
                Found::Nothing => return None,
                found @ (Found::Corrupt { .. } | Found::Fault { .. } | Found::Newer { .. }) => panic!("{found:?}"),
            }
        }
    }

    /// All that is left, delivered in the order that it comes in.
    fn drain(&self) -> Vec<String> {
        let mut cursor = (&self.queue).cursor().expect("a cursor");
        let next = || {
            let claim = self.claim(&mut cursor, Which::Any)?;
            let id = claim.id().to_string();
            claim.settle(End::Delivered).expect("settled");
            Some(id)
        };
        std::iter::from_fn(next).collect()
    }
}

#[test]
fn single_entries_come_by_due_time_then_by_submission() {
    let fixture = fixture();
    let ids: Vec<EntryId> = (0..200).map(|n| EntryId::new(Micros(n))).collect();
    // Pairs of one due time; the later ones first, and published from the end.
    let due = |n: usize| 1 + (199 - n as u64) / 2;
    (0..200).rev().for_each(|n| fixture.put(&ids[n], due(n)));
    let waits = EntryId::new(Micros(7));
    fixture.put(&waits, clock::now().0 + 3_600_000_000);
    let mut expected: Vec<usize> = (0..200).collect();
    expected.sort_by_key(|&n| (due(n), n));
    let expected: Vec<&str> = expected.into_iter().map(|n| ids[n].as_str()).collect();
    assert_eq!(fixture.drain(), expected);
    assert!(fixture.queue.locate(&waits).expect("read").is_some(), "its time has not come");
}

#[test]
fn an_id_that_nobody_makes_is_handed_out_all_the_same() {
    let fixture = fixture();
    let odd: EntryId = "by-hand".replace('-', "").parse().expect("an id");
    fixture.put(&odd, 5);
    fixture.put(&EntryId::new(Micros(1)), 1);
    assert_eq!(fixture.drain().len(), 2);
    assert_eq!(fixture.drain().len(), 0);
}

#[test]
fn single_mail_and_each_submission_take_turns() {
    let fixture = fixture();
    let singles: Vec<EntryId> = (0..4).map(|n| EntryId::new(Micros(n))).collect();
    singles.iter().for_each(|id| fixture.put(id, 9));
    let (big, small) = (fixture.batch(12, 1), fixture.batch(2, 1));
    let job = |id: &EntryId, k| id.of_job(0, k).to_string();
    let expected = [
        singles[0].to_string(),
        job(&big, 0),
        singles[1].to_string(),
        job(&small, 0),
        singles[2].to_string(),
        job(&big, 1),
        singles[3].to_string(),
        job(&small, 1),
    ];
    let rest = (2..12).map(|k| job(&big, k));
    assert_eq!(fixture.drain(), expected.into_iter().chain(rest).collect::<Vec<_>>());
    assert!(fixture.drain().is_empty());
    assert!(dir::stat(&fixture.queue.dir, &format!("jobs/{big}")).expect("a look").is_none(), "it has ended");
}

#[test]
fn a_job_that_comes_has_its_turns_at_once() {
    let fixture = fixture();
    let big = fixture.batch(50, 1);
    let queue = &fixture.queue;
    let mut cursor = queue.cursor().expect("a cursor");
    let mut next = || {
        fixture.claim(&mut cursor, Which::Any).map(|claim| {
            let id = claim.id().clone();
            claim.settle(End::Delivered).expect("settled");
            id
        })
    };
    assert_eq!(next(), Some(big.of_job(0, 0)));
    let small = fixture.batch(1, 2);
    // Long ago: no time that the folder had when the ring was filled.
    let then = nix::sys::time::TimeSpec::new(1_000_000_000, 0);
    let flags = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
    nix::sys::stat::utimensat(&queue.dir, "jobs", &then, &then, flags).expect("ours");
    // A filling rests for as long as fillings take.
    let seen = queue.order().expect("memory").ring(Lane::Jobs).seen();
    while clock::steady() <= seen.began + 20 * seen.took {
        std::thread::yield_now();
    }
    let came: Vec<EntryId> = (0..2).filter_map(|_| next()).collect();
    assert!(came.contains(&small.of_job(0, 0)), "{came:?}");
}

#[test]
fn a_large_submission_and_many_small_ones_take_turns_by_few_fillings() {
    let fixture = fixture();
    let queue = &fixture.queue;
    // More is due of the large one than its share of a ring.
    let (mut large, mut last) = (Vec::new(), None);
    for _ in 0..2 {
        let mut batch = queue.batch(last.take()).expect("a batch");
        last = Some(batch.next_batch());
        for _ in 0..1_000 {
            let id = batch.next_id();
            large.push(id.to_string());
            let mut draft = batch.draft(&envelope(id), Micros(1)).expect("a draft");
            draft.write_all(b"Subject: x\n\nx\n").expect("written");
            draft.finish().expect("in it");
        }
        batch.commit().expect("published");
    }
    let small: Vec<String> = (0..6).map(|_| fixture.batch(1, 1).of_job(0, 0).to_string()).collect();
    let ring = *queue.order().expect("memory").ring(Lane::Jobs);
    let (mut cursor, mut fillings, mut met) = (queue.cursor().expect("a cursor"), Vec::new(), Vec::new());
    while let Some(claim) = fixture.claim(&mut cursor, Which::Any) {
        met.push(claim.id().to_string());
        claim.settle(End::Delivered).expect("settled");
        fillings.push((ring.seen().began, ring.seen().took));
        if met.len() == 500 {
            break;
        }
    }
    fillings.dedup();
    // Jobs end meanwhile, so on a slow machine the ring is filled again before it is used up, but not sooner than it may.
    for pair in fillings.windows(2) {
        let ((began, took), (next, _)) = (pair[0], pair[1]);
        assert!(next >= began + 20 * took, "fillings rest: {fillings:?}");
    }
    assert!(small.iter().all(|id| met[..12].contains(id)), "{:?}", &met[..12]);
    assert_eq!(met.iter().filter(|id| large.contains(id)).cloned().collect::<Vec<_>>(), large[..494]);
}

#[test]
fn what_may_not_be_taken_ends_no_pass_and_keeps_nobody_from_looking_up() {
    let fixture = fixture();
    let ids: Vec<EntryId> = (0..5).map(|n| EntryId::new(Micros(n))).collect();
    ids.iter().for_each(|id| fixture.put(id, 1));
    let queue = &fixture.queue;
    let mut cursor = queue.cursor().expect("a cursor");
    let mut found = Vec::new();
    for _ in 0..6 {
        found.push(queue.claim(&mut cursor, Which::Any, Micros(9), &mut |id| *id == ids[4]).expect("read"));
    }
    // Each that was refused gives the caller back its say, and is not met again in this pass.
    assert!(found[..4].iter().all(|found| matches!(found, Found::Later)), "{found:?}");
    assert!(matches!((&found[4], &found[5]), (Found::Claim(_), Found::Nothing)), "{found:?}");
}

#[test]
fn several_workers_never_reach_for_the_same_entry() {
    let fixture = fixture();
    (0..300).for_each(|n| fixture.put(&EntryId::new(Micros(n)), 1));
    fixture.queue.share_order(2).expect("memory");
    let (one, two) = (fixture.queue.reopened(0).expect("opened"), fixture.queue.reopened(1).expect("opened"));
    let (mut first, mut second) = ((&one).cursor().expect("a cursor"), (&two).cursor().expect("a cursor"));
    let mut claims = Vec::new();
    let mut take = |found| match found {
        Found::Claim(claim) => claims.push(claim),
        found => panic!("{found:?}"),
    };
    for _ in 0..50 {
        take((&one).claim(&mut first, Which::Any, Micros(9), &mut |_| true).expect("read"));
        take((&two).claim(&mut second, Which::Any, Micros(9), &mut |_| true).expect("read"));
        // The next filling leaves out what both have in hand.
        two.look_again();
    }
    assert_eq!(((&one).contended(), (&two).contended()), (0, 0));
    let ids: Vec<String> = claims.iter().map(|claim| claim.id().to_string()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
}
