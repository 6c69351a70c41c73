//! An SMTP session: whatever comes in, it is answered by whole lines, what is queued was said to be, content has no CR and
//! no NUL; and the pieces in which it comes do not matter.
#![no_main]

use std::io::{self, BufRead, Read};

use bulkmailer::config::Limits;
use bulkmailer::intake::smtpd::session::{self, Intake, Transaction, SessionContext};
use bulkmailer::intake::{Failure, Refused};
use libfuzzer_sys::fuzz_target;

#[derive(Default, PartialEq, Debug)]
struct Taken(Vec<(Transaction, Vec<u8>)>);

impl Intake for Taken {
    fn ready(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn take(&mut self, transaction: Transaction, content: &mut dyn BufRead) -> Result<String, Failure> {
        let mut text = Vec::new();
        let read = content.read_to_end(&mut text);
        read.map_err(|source| Refused::Unreadable { what: "the message".to_owned(), source })?;
        self.0.push((transaction, text));
        Ok("queued".to_owned())
    }
}

/// Gives a byte at a time.
struct Slow<'b>(&'b [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = into.len().min(1);
        self.0.read(&mut into[..len])
    }
}

fn session(input: impl Read) -> (String, Taken) {
    let limits = Limits { message: 2_000, recipients: 4, ..Limits::default() };
    let context = SessionContext { host: "host", limits: &limits, stop: &|| false };
    let (mut out, mut taken) = (Vec::new(), Taken::default());
    let _ = session::serve(input, &mut out, &context, &mut taken);
    (String::from_utf8(out).expect("ASCII"), taken)
}

fuzz_target!(|bytes: &[u8]| {
    let (said, taken) = session(bytes);
    assert!(said.ends_with("\r\n"));
    for line in said.split_terminator("\r\n") {
        assert!(line.len() <= 510 && line.as_bytes()[..3].iter().all(u8::is_ascii_digit));
        assert!(line.bytes().all(|b| (32..127).contains(&b)));
    }
    assert_eq!(said.matches("\r\n250 2.0.0 queued\r\n").count(), taken.0.len());
    for (transaction, text) in &taken.0 {
        assert!((1..=4).contains(&transaction.recipients.len()));
        assert!(!text.contains(&b'\r') && !text.contains(&0));
        let mut addresses = transaction.recipients.iter().map(|rcpt| &rcpt.recipient).chain(&transaction.mail.sender);
        assert!(transaction.mail.utf8 || addresses.all(|address| !address.is_utf8()));
    }
    // What comes behind a refused DATA depends on when it comes.
    if !said.contains("421 4.5.0") {
        assert_eq!(session(Slow(bytes)), (said, taken));
    }
});
