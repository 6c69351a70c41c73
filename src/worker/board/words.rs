//! Text in words of shared memory. A reader may see a text in the middle of a change.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::id::MAX_LEN;

/// As many as an entry's id needs.
pub(super) const ID_WORDS: usize = MAX_LEN / 8;
/// As many as a reason gets.
pub(super) const WHY_WORDS: usize = 64;

/// Stores as much of `text` as fits, padded with zeros.
pub(super) fn put_text(words: &[AtomicU64], text: &str) {
    let mut eights = text.as_bytes().chunks(8);
    for word in words {
        let mut eight = [0u8; 8];
        let next = eights.next().unwrap_or_default();
        eight[..next.len()].copy_from_slice(next);
        word.store(u64::from_ne_bytes(eight), Ordering::Relaxed);
    }
}

pub(super) fn get_text(words: &[AtomicU64]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect();
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
