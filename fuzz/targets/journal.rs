//! A journal: a torn last line tells nothing, whatever stands before it, and memory stays bounded.
#![no_main]

use bulkmailer::spool::history::{History, read_history};
use libfuzzer_sys::fuzz_target;

/// As a worker killed while it writes leaves it.
const TORN: &[u8] =
    br#"{"attempt":1,"at":5,"waited":0,"results":[{"group":[0,1,2],"verdict":"deferred","reason":{"text":"x"}}]"#;

/// `None`: a newer program's.
fn read(bytes: &[u8], recipients: usize) -> Option<History> {
    read_history(bytes, recipients, &mut |_| {}).ok().map(|(history, _)| history)
}

fuzz_target!(|bytes: &[u8]| {
    for recipients in [0, 3] {
        let whole = [bytes, b"\n"].concat();
        let Some(history) = read(&whole, recipients) else { return };
        assert!(history.last.len() <= 1 << 20);
        assert_eq!(read(&[&whole, TORN].concat(), recipients), Some(history));
        // The next append begins with a newline, and closes what it says it does.
        let closing = br#"{"attempt":9,"at":6,"waited":0,"results":[{"group":[0,1,2],"verdict":"delivered"}]}"#;
        let closed = read(&[&whole, TORN, b"\n", closing, b"\n"].concat(), 3).expect("no newer one");
        assert!((0..3).all(|recipient| closed.is_closed(recipient)));
    }
});
