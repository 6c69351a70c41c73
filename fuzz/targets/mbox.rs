//! An mbox gives the same messages whatever pieces it is read in, and no more bytes than it has.
#![no_main]

use std::io::{BufReader, Read};

use bulkmailer::intake::mbox::Mbox;
use libfuzzer_sys::fuzz_target;

fn split(bytes: &[u8], buffer: usize) -> Vec<(String, Vec<u8>)> {
    let mut mbox = Mbox::new(BufReader::with_capacity(buffer, bytes));
    let mut found = Vec::new();
    while let Some(mut message) = mbox.next_message().expect("memory") {
        let mut text = Vec::new();
        message.read_to_end(&mut text).expect("memory");
        found.push((message.sender.clone(), text));
    }
    found
}

fuzz_target!(|bytes: &[u8]| {
    let found = split(bytes, 8_192);
    assert!(found.iter().map(|(_, text)| text.len()).sum::<usize>() <= bytes.len());
    assert_eq!(split(bytes, 1), found);
    // Messages that are passed over are counted like those that are read.
    let (mut mbox, mut count) = (Mbox::new(bytes), 0);
    while mbox.next_message().expect("memory").is_some() {
        count += 1;
    }
    assert_eq!(count, found.len());
});
