//! Heads: what is written reads back, and nothing else does.

use proptest::prelude::*;

use super::*;
use crate::model::Micros;

fn envelope(recipients: usize) -> Envelope {
    Envelope {
        id: EntryId::new(Micros(3)),
        sender: "jörg@example.org".parse().ok(),
        recipients: (0..recipients).filter_map(|i| format!("-r{i}@example.net").parse().ok()).collect(),
        fields: Fields::default(),
        origin: Origin {
            submitted: Micros(3),
            uid: 7,
            body: None,
            notify: Some("never".into()),
            ret: None,
            envid: None,
            verp: None,
        },
    }
}

#[test]
fn a_head_reads_back() {
    for count in [1, 2, 100] {
        let bytes = head(&envelope(count)).expect("an envelope is JSON");
        let (back, extent) = read(&bytes[..]).expect("our own head");
        assert_eq!((back, extent.start, extent.len), (envelope_like(&bytes, count), bytes.len() as u64, 0));
    }
}

fn envelope_like(bytes: &[u8], count: usize) -> Envelope {
    let (back, _) = read(bytes).expect("our own head");
    Envelope { id: back.id, ..envelope(count) }
}

#[test]
fn a_merges_head_reads_back_and_has_a_recipient_for_each_row() {
    for count in [1, 2, 100] {
        let rows = Noted { rows: count as u32, length: 77, checksum: 5 };
        let bytes = head_of_rows(&envelope(count), rows).expect("a head");
        let (back, extent) = read(&bytes[..]).expect("our own head");
        assert_eq!((back.recipients.len(), extent.rows, extent.apart), (count, Some(rows), true));
        assert_eq!(extent.wrong_size(bytes.len() as u64), None);
        let other = head_of_rows(&envelope(count), Noted { rows: rows.rows + 1, ..rows }).expect("a head");
        assert!(read(&other[..]).is_err());
    }
}

#[test]
fn the_size_is_filled_in_in_place() {
    let mut bytes = head(&envelope(1)).expect("an envelope is JSON");
    let at = SIZE_AT as usize;
    bytes[at..at + SIZE_WIDTH].copy_from_slice(size_field(123_456).as_bytes());
    assert_eq!(read(&bytes[..]).expect("our own head").1.len, 123_456);
}

#[test]
fn every_truncation_is_noticed() {
    let bytes = head(&envelope(3)).expect("an envelope is JSON");
    for cut in 0..bytes.len() {
        assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes[..]);
    }
}
