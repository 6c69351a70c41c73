//! Whatever a message is, it has a verdict, bounded, and nobody without a domain is blamed; a shorter one is none the worse.
#![no_main]

use bulkmailer::bounce::{Arrival, MessageKind, read};
use bulkmailer::model::Address;
use bulkmailer::model::envelope::VERP;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let to: Address = "list+bob=example.com@example.org".parse().expect("an address");
    let patterns = [VERP.to_owned()];
    for (null_sender, recipient) in [(None, None), (Some(true), Some(&to)), (Some(false), Some(&to))] {
        let reading = read(&Arrival { null_sender, recipient, verp: &patterns }, message);
        assert!(reading.reports.len() <= 1_000);
        assert!(reading.kind != MessageKind::Ordinary || reading.reports.is_empty());
        for report in &reading.reports {
            assert!(report.text.len() <= 500 && !report.text.chars().any(char::is_control));
            assert!(!report.recipient.domain().is_empty());
        }
        serde_json::to_string(&reading).expect("JSON");
    }
});
