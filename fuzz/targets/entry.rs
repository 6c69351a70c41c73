//! An entry's head: whatever is read is written again as the same.
#![no_main]

use bulkmailer::spool::entry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok((envelope, extent)) = entry::read(bytes) else { return };
    assert!(!envelope.recipients.is_empty() && extent.start <= bytes.len() as u64);
    let written = entry::head(&envelope).expect("an envelope is JSON");
    let (again, extent) = entry::read(&written[..]).expect("our own head");
    assert_eq!((again, extent.start), (envelope, written.len() as u64));
});
