//! The sendmail face's command line: one argument a line, the first is the command's name.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use bulkmailer::intake::recipients::addresses;
use bulkmailer::intake::sendmail::{Invocation, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut words = bytes.split(|&b| b == b'\n');
    let name = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
    let args: Vec<OsString> = words.map(|word| OsString::from_vec(word.to_vec())).collect();
    match parse(&name, &args) {
        Ok(Invocation::Verify { recipients }) => {
            assert!(!recipients.is_empty());
            let _ = addresses(&recipients);
        }
        Ok(Invocation::Mail(_) | Invocation::ListQueue | Invocation::Serve | Invocation::Flush { .. } | Invocation::Done(_)) => {}
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
});
