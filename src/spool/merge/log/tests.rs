//! The form of a log, with no file: what was written reads back, and nothing else counts.

use std::time::Duration;

use proptest::prelude::*;

use super::chain::{Chain, RECORD_MAX, Step};
use super::record::{Answer, BODY_MAX, REPLY_MAX, ROWS_MAX, Record};
use super::replay::{Replay, Rows, Standing};
use crate::model::{EntryId, Micros, Reason, SinkReply, Verdict};

#[cfg(feature = "faults")]
mod faults;
mod open;

pub(super) const ROWS: u16 = 4;

pub(super) fn id() -> EntryId {
    EntryId::of_key(&["merge"]).of_job(3, 7)
}

pub(super) fn delivered(row: u16, reply: &str) -> Answer {
    let at = Micros(1_795_526_824_000_000 + u64::from(row) * 30_123);
    let verdict = Verdict::Delivered(SinkReply::new(reply));
    Answer { row, at, attempt: 1, waited: Duration::ZERO, next: None, verdict }
}

pub(super) fn deferred(row: u16, attempt: u32) -> Answer {
    let verdict = Verdict::Deferred(Reason::new("450 4.2.0 greylisted").with_status(Some("4.2.0".to_owned())));
    let waited = Duration::from_secs(u64::from(attempt) * 60);
    Answer { attempt, waited, next: Some(Micros(1_795_526_900_000_000)), verdict, ..delivered(row, "") }
}

/// A log with every kind of record.
pub(super) fn records(random: u32) -> Vec<Record> {
    let at = Micros(1_795_526_824_000_000);
    vec![
        Record::Claimed { at, by: 8, random },
        Record::Begun { row: 0 },
        Record::Answer { answer: delivered(0, "250 2.0.0 Ok: queued as 4fKqYt0zCkz9sW5"), begun: Some(1) },
        Record::Answer { answer: deferred(1, 1), begun: Some(2) },
        Record::TakenBack { row: 2 },
        Record::Held { row: 3, at, reason: Reason::new("the outcome is unknown") },
        Record::Removed { row: 2, at },
        Record::Reopened { row: 3, at, due: Some(Micros(at.0 + 9)) },
        Record::Begun { row: 3 },
        Record::Answer { answer: delivered(3, "250 2.0.0 Ok: queued as 4fKqYt0zCkz9sW6"), begun: None },
    ]
}

/// The log as bytes, and where each of its records ends; the first among them.
fn written(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let (mut chain, mut bytes, mut ends) = (Chain::default(), Vec::new(), Vec::new());
    for record in std::iter::once(&Record::First { id: id(), rows: ROWS }).chain(records) {
        chain.push(record, &mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// What is read, in pieces of `piece` bytes: the records behind the first, and where the log ends.
fn read_by(bytes: &[u8], piece: usize) -> (Vec<Record>, usize, Rows) {
    let (mut replay, mut seen) = (Replay::new(id(), ROWS), Vec::new());
    let (mut from, mut to) = (0, 0);
    while to < bytes.len() && !replay.is_over() {
        to = (to + piece).min(bytes.len());
        from += replay.read(&bytes[from..to], &mut |record| seen.push(record.clone())).expect("no newer one");
    }
    assert_eq!(replay.end(), from as u64);
    (seen.split_off(seen.len().min(1)), from, replay.rows().clone())
}

fn read(bytes: &[u8]) -> (Vec<Record>, usize, Rows) {
    read_by(bytes, bytes.len().max(1))
}

/// Asserts that of a log that differs from `whole` at byte `at` the records before that are read, and no others.
fn assert_ends_before(damaged: &[u8], at: usize, (kept, ends): (&[Record], &[usize]), what: &str) {
    let (seen, end, rows) = read(damaged);
    let whole = ends.iter().take_while(|&&end| end <= at).count();
    assert_eq!(end, if whole == 0 { 0 } else { ends[whole - 1] }, "{what}");
    assert_eq!(seen, &kept[..whole.saturating_sub(1)], "{what}");
    let mut expected = Rows::new(ROWS);
    seen.iter().for_each(|record| expected.take(record));
    assert_eq!(rows, expected, "{what}");
}

#[test]
fn a_log_tells_the_last_word_on_each_row() {
    let (bytes, _) = written(&records(1));
    let (seen, end, rows) = read(&bytes);
    assert_eq!((seen, end), (records(1), bytes.len()));
    let standing: Vec<Standing> = rows.iter().map(|(_, row)| row.standing).collect();
    assert_eq!(standing, [Standing::Delivered, Standing::Open, Standing::Removed, Standing::Delivered]);
    assert_eq!((rows.open().collect::<Vec<_>>(), rows.in_flight().count()), (vec![1], 0));
    let row = rows.get(1).expect("a row");
    assert_eq!((row.attempts, row.due), (1, Some(Micros(1_795_526_900_000_000))));
    let reason = row.reason.as_ref().expect("a reason");
    assert_eq!((reason.text.as_str(), reason.status.as_deref()), ("450 4.2.0 greylisted", Some("4.2.0")));
    // A reopened row begins anew; a row that is due waits no longer than before.
    assert_eq!((rows.get(3).expect("a row").attempts, rows.get(4)), (1, None));
    let minute = Duration::from_secs(60);
    assert_eq!(row.waited(Micros(row.at.0 + 1_000_000)), minute + Duration::from_secs(1));
    assert_eq!(row.waited(Micros::MAX), minute + row.due.expect("a time").since(row.at));
}

#[test]
fn a_row_that_is_begun_is_in_flight_until_its_next_record() {
    let begun = [Record::Begun { row: 1 }];
    let at = Micros(5);
    let ends = [
        Record::Answer { answer: deferred(1, 1), begun: None },
        Record::TakenBack { row: 1 },
        Record::Held { row: 1, at, reason: Reason::new("x") },
        Record::Removed { row: 1, at },
        Record::Reopened { row: 1, at, due: None },
    ];
    assert_eq!(read(&written(&begun).0).2.in_flight().collect::<Vec<_>>(), [1]);
    for end in ends {
        assert_eq!(read(&written(&[begun[0].clone(), end]).0).2.in_flight().count(), 0);
    }
    let both = [Record::Answer { answer: delivered(1, ""), begun: Some(2) }];
    assert_eq!(read(&written(&both).0).2.in_flight().collect::<Vec<_>>(), [2]);
}

#[test]
fn a_log_that_is_cut_or_torn_ends_before_the_damage() {
    let records = records(1);
    let (bytes, ends) = written(&records);
    for at in 0..bytes.len() {
        assert_ends_before(&bytes[..at], at, (&records, &ends), &format!("cut at {at}"));
        for fill in [0, 0xff, b'x'] {
            let mut torn = bytes[..at].to_vec();
            torn.resize(bytes.len() + 9, fill);
            // What stands there may be what was written.
            let same = bytes[at..].iter().take_while(|&&byte| byte == fill).count();
            assert_ends_before(&torn, at + same, (&records, &ends), &format!("torn at {at}"));
            let hole: Vec<u8> = bytes.iter().enumerate().map(|(n, &b)| if n == at { fill } else { b }).collect();
            if bytes[at] != fill {
                assert_ends_before(&hole, at, (&records, &ends), &format!("a hole at {at}"));
            }
        }
    }
}

#[test]
fn a_bit_that_is_flipped_ends_the_log_there() {
    let records = records(1);
    let (bytes, ends) = written(&records);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_ends_before(&flipped, bit / 8, (&records, &ends), &format!("bit {bit}"));
    }
}

#[test]
fn old_bytes_behind_the_end_never_chain_on() {
    let old = records(1);
    let (bytes, ends) = written(&old);
    // A claim died here, and the next wrote the same records again, so that each ends where an old one begins.
    for (claim, same) in [(2, false), (1, true)] {
        let new = records(claim);
        for count in 1..new.len() {
            let mut file = bytes.clone();
            let over = written(&new[..count]).0;
            file[..over.len()].copy_from_slice(&over);
            let end = read(&file).1;
            // The random number alone tells them apart.
            assert_eq!(end, if same { bytes.len() } else { ends[count] }, "{count} records of claim {claim}");
        }
    }
}

#[test]
fn records_of_another_log_or_of_rows_that_are_not_there_end_it() {
    let at = Micros(1);
    let mut bad = vec![Record::First { id: id(), rows: ROWS }, Record::Begun { row: ROWS }];
    bad.push(Record::Answer { answer: delivered(ROWS, ""), begun: None });
    bad.push(Record::Answer { answer: delivered(0, ""), begun: Some(ROWS) });
    bad.push(Record::Held { row: u16::MAX, at, reason: Reason::new("x") });
    for record in bad {
        let (bytes, ends) = written(&[Record::Begun { row: 0 }, record, Record::Begun { row: 1 }]);
        assert_eq!(read(&bytes).1, ends[1]);
    }
    for (other, rows) in [(id().of_job(0, 0), ROWS), (id(), ROWS + 1), (id(), 0)] {
        let mut replay = Replay::new(other, rows);
        assert_eq!(replay.read(&written(&[]).0, &mut |_| {}), Ok(0));
        assert!(replay.is_over());
    }
    let (mut chain, mut headless) = (Chain::default(), Vec::new());
    chain.push(&Record::Begun { row: 0 }, &mut headless);
    assert_eq!(read(&headless).1, 0);
}

#[test]
fn what_a_newer_program_began_is_refused() {
    // Kind, format, and what only that program can read.
    let body = [0, 2, 0xff, 0xff];
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[0; 4]);
    crc.update(&body);
    let bytes = [&[body.len() as u8][..], &crc.finalize().to_le_bytes(), &body].concat();
    assert!(Replay::new(id(), ROWS).read(&bytes, &mut |_| {}).is_err());
}

#[test]
fn a_delivered_row_takes_a_third_of_what_it_may() {
    let mut bytes = Vec::new();
    let mut chain = Chain::default();
    chain.push(&Record::First { id: id(), rows: ROWS_MAX }, &mut bytes);
    chain.push(&Record::Claimed { at: Micros(1_795_526_824_000_000), by: 8, random: u32::MAX }, &mut bytes);
    for row in 0..ROWS_MAX {
        // Long queue ids of Postfix: time, and an inode.
        let reply = format!("250 2.0.0 Ok: queued as 4fKqYt{:04}z9sW{:03}", u32::from(row) * 7, row % 97);
        chain.push(&Record::Answer { answer: delivered(row, &reply), begun: Some(row + 1) }, &mut bytes);
    }
    let each = bytes.len() / usize::from(ROWS_MAX);
    assert!(each <= 32, "{each} bytes a row");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z 0-9]{0,40}", "250 2\\.0\\.0 Ok: queued as [A-Z0-9]{10}", "\\PC{0,700}", "é{30,300}"]
}

fn reason() -> impl Strategy<Value = Reason> {
    (text(), proptest::option::of("[245]\\.[0-9]{1,3}\\.[0-9]{1,3}")).prop_map(|(t, s)| Reason::new(&t).with_status(s))
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        text().prop_map(|text| Verdict::Delivered(SinkReply::new(&text))),
        reason().prop_map(Verdict::Deferred),
        reason().prop_map(Verdict::Failed),
        reason().prop_map(Verdict::Unknown),
        reason().prop_map(Verdict::Held),
        reason().prop_map(Verdict::Suppressed),
    ]
}

fn micros() -> impl Strategy<Value = Micros> {
    prop_oneof![0..=Micros::MAX.0, Just(0), Just(Micros::MAX.0), Just(u64::MAX)].prop_map(Micros)
}

fn answer() -> impl Strategy<Value = Answer> {
    let times = (micros(), any::<u64>(), proptest::option::of(micros()));
    (0..ROWS, any::<u32>(), times, verdict()).prop_map(|(row, attempt, (at, waited, next), verdict)| Answer {
        row,
        at,
        attempt,
        waited: Duration::from_micros(waited),
        next,
        verdict,
    })
}

pub(super) fn record() -> impl Strategy<Value = Record> {
    let row = || 0..ROWS;
    prop_oneof![
        (micros(), any::<u32>(), any::<u32>()).prop_map(|(at, by, random)| Record::Claimed { at, by, random }),
        row().prop_map(|row| Record::Begun { row }),
        (answer(), proptest::option::of(row())).prop_map(|(answer, begun)| Record::Answer { answer, begun }),
        row().prop_map(|row| Record::TakenBack { row }),
        (row(), micros(), reason()).prop_map(|(row, at, reason)| Record::Held { row, at, reason }),
        (row(), micros()).prop_map(|(row, at)| Record::Removed { row, at }),
        (row(), micros(), proptest::option::of(micros())).prop_map(|(row, at, due)| Record::Reopened { row, at, due }),
    ]
}

proptest! {
    #[test]
    fn what_was_written_reads_back(records in proptest::collection::vec(record(), 0..20), piece in 1..2_000usize) {
        let (bytes, ends) = written(&records);
        let (seen, end, _) = read_by(&bytes, piece);
        prop_assert_eq!(end, bytes.len());
        prop_assert_eq!(seen, records.iter().map(Record::as_kept).collect::<Vec<_>>());
        for pair in ends.windows(2) {
            prop_assert!(pair[1] - pair[0] <= RECORD_MAX);
        }
    }

    #[test]
    fn what_is_kept_of_a_record_is_kept_for_good(record in record()) {
        let kept = record.as_kept();
        prop_assert_eq!(kept.as_kept(), kept.clone());
        if let Record::Answer { answer: Answer { verdict: Verdict::Delivered(Some(reply)), .. }, .. } = kept {
            prop_assert!(reply.text().len() <= REPLY_MAX);
        }
    }

    #[test]
    fn damage_anywhere_leaves_a_beginning(
        records in proptest::collection::vec(record(), 0..9),
        at in any::<prop::sample::Index>(),
        other in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let (bytes, ends) = written(&records);
        let kept: Vec<Record> = records.iter().map(Record::as_kept).collect();
        let at = at.index(bytes.len());
        let mut damaged = bytes[..at].to_vec();
        damaged.extend(&other);
        damaged.extend(&bytes[(at + other.len()).min(bytes.len())..]);
        let same = damaged.iter().zip(&bytes).take_while(|(ours, theirs)| ours == theirs).count();
        assert_ends_before(&damaged, same, (&kept, &ends), "damaged");
    }

    #[test]
    fn rubbish_with_a_good_checksum_never_panics(body in proptest::collection::vec(any::<u8>(), 1..BODY_MAX)) {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&[0; 4]);
        crc.update(&body);
        let mut bytes = Vec::new();
        super::varint::put(body.len() as u64, &mut bytes);
        bytes.extend(crc.finalize().to_le_bytes());
        bytes.extend(&body);
        if let Step::Record(record, used) = Chain::default().step(&bytes) {
            prop_assert_eq!(used, bytes.len());
            let _ = record.as_kept();
        }
        let _ = Chain::default().step(&body);
    }
}
