//! An entry's head: whatever is read is written again as the same.
#![no_main]

use bulkmailer::spool::entry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok((envelope, extent)) = entry::read(bytes) else { return };
    assert!(!envelope.recipients.is_empty() && extent.start <= bytes.len() as u64);
    // A number may be longer as we write it than as it came, and its line too long.
    let Ok(written) = entry::head(&envelope) else { return };
    let (again, extent) = entry::read(&written[..]).expect("our own head");
    assert_eq!((again, extent.start), (envelope, written.len() as u64));
});
