//! Whole sessions in memory.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, BufRead, Read, Write};
use std::rc::Rc;

use proptest::prelude::*;

use super::session::{self, Intake, SessionContext, Transaction};
use crate::config::Limits;
use crate::intake::{Failure, Refused};
use crate::queue::QueueError;

/// Takes everything, but what it is told not to.
#[derive(Default)]
struct Fake {
    taken: Vec<(Transaction, String)>,
    full: bool,
    broken: bool,
}

impl Intake for Fake {
    fn ready(&mut self) -> Result<(), Failure> {
        if self.full { Err(Refused::Full { free: 1, needed: 2 }.into()) } else { Ok(()) }
    }

    fn take(&mut self, transaction: Transaction, content: &mut dyn BufRead) -> Result<String, Failure> {
        if self.broken {
            let source = io::Error::from_raw_os_error(5);
            return Err(QueueError::Io { doing: "write", path: "/spool".into(), source }.into());
        }
        let mut text = String::new();
        let unreadable = |source| Refused::Unreadable { what: "the message".to_owned(), source };
        content.read_to_string(&mut text).map_err(unreadable)?;
        self.taken.push((transaction, text));
        Ok("queued".to_owned())
    }
}

/// A client that sends each piece once the replies to what came before are written, and then is silent, or gone.
struct Client {
    pieces: VecDeque<Vec<u8>>,
    end: Option<io::ErrorKind>,
    rest: Vec<u8>,
}

impl Client {
    fn new(pieces: &[&[u8]]) -> Client {
        Client { pieces: pieces.iter().map(|piece| piece.to_vec()).collect(), end: None, rest: Vec::new() }
    }
}

impl Read for Client {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            match (self.pieces.pop_front(), self.end) {
                (Some(piece), _) if piece.is_empty() => return Err(io::ErrorKind::Interrupted.into()),
                (Some(piece), _) => self.rest = piece,
                (None, Some(kind)) => return Err(kind.into()),
                (None, None) => return Ok(0),
            }
        }
        let len = (&self.rest[..]).read(into)?;
        self.rest.drain(..len);
        Ok(len)
    }
}

/// What the server wrote, one member a write.
#[derive(Clone, Default)]
struct Written(Rc<RefCell<Vec<String>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().push(String::from_utf8(bytes.to_vec()).expect("ASCII"));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn limits() -> Limits {
    Limits { message: 1_000, recipients: 3, ..Limits::default() }
}

/// What was written, one member a write.
fn session(client: Client, fake: &mut Fake, stop: &dyn Fn() -> bool) -> (Vec<String>, bool) {
    let written = Written::default();
    let context = SessionContext { host: "mail.example.org", limits: &limits(), stop };
    let gone = session::serve(client, written.clone(), &context, fake).is_err();
    (written.0.take(), gone)
}

/// A session of these pieces. The replies, each as its first word or two: "250 2.1.0".
fn replies(pieces: &[&[u8]], fake: &mut Fake) -> Vec<String> {
    let (written, _) = session(Client::new(pieces), fake, &|| false);
    codes(&written)
}

fn codes(written: &[String]) -> Vec<String> {
    let all = written.concat();
    assert!(all.is_empty() || all.ends_with("\r\n"), "{all}");
    let last = |line: &&str| line.as_bytes().get(3) != Some(&b'-');
    let code = |line: &str| {
        let words: Vec<&str> = line.split(' ').take(2).collect();
        let enhanced = words[1].contains('.') && words[1].starts_with(|c: char| c.is_ascii_digit());
        words[..1 + usize::from(enhanced)].join(" ")
    };
    all.lines().filter(last).map(code).collect()
}

const EHLO: &[u8] = b"EHLO client.example\r\n";
const OPEN: &[u8] = b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";

#[test]
fn a_message_is_taken_and_said_so() {
    let mut fake = Fake::default();
    let group = b"MAIL FROM:<a@b> BODY=8BITMIME RET=FULL\r\nRCPT TO:<c@d> NOTIFY=NEVER\r\nRCPT TO:<e@f>\r\nDATA\r\n";
    let pieces: [&[u8]; 4] = [EHLO, group, b"Subject: x\r\n\r\n..\r\n.\r\nRSET\r\n", b"QUIT\r\nNOOP\r\n"];
    let (written, _) = session(Client::new(&pieces), &mut fake, &|| false);
    assert_eq!(
        codes(&written),
        ["220", "250", "250 2.1.0", "250 2.1.5", "250 2.1.5", "354", "250 2.0.0", "250 2.0.0", "221 2.0.0"]
    );
    // The greeting, and one write for each piece: a group is answered at once.
    assert_eq!(written.len(), 5, "{written:?}");
    let (transaction, text) = fake.taken.remove(0);
    assert_eq!(
        (transaction.client.as_str(), transaction.extended, text.as_str()),
        ("client.example", true, "Subject: x\n\n.\n")
    );
    assert_eq!(transaction.recipients[0].notify.as_deref(), Some("never"));
    let offered: Vec<&str> = written[1].lines().map(|line| &line[4..]).collect();
    let expected = ["PIPELINING", "SIZE 1000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "HELP"];
    assert_eq!(offered[1..], expected);
}

#[test]
fn what_may_follow_what() {
    for (commands, expected) in [
        ("MAIL FROM:<a@b>", &["503 5.5.1"][..]),
        ("RCPT TO:<a@b>", &["503 5.5.1"]),
        ("DATA", &["503 5.5.1"]),
        ("HELO c|RCPT TO:<a@b>", &["250", "503 5.5.1"]),
        ("HELO c|MAIL FROM:<a@b>|DATA", &["250", "250 2.1.0", "554 5.5.1"]),
        ("HELO c|MAIL FROM:<a@b>|MAIL FROM:<a@b>", &["250", "250 2.1.0", "503 5.5.1"]),
        ("HELO c|MAIL FROM:<a@b>|RSET|RCPT TO:<a@b>", &["250", "250 2.1.0", "250 2.0.0", "503 5.5.1"]),
        ("HELO c|MAIL FROM:<a@b>|EHLO c|RCPT TO:<a@b>", &["250", "250 2.1.0", "250", "503 5.5.1"]),
        ("HELO c|MAIL FROM:<a@b>|RCPT TO:<>|DATA", &["250", "250 2.1.0", "550 5.1.3", "554 5.5.1"]),
        ("HELO c|MAIL FROM:<a@b> SIZE=1001", &["250", "552 5.3.4"]),
        ("HELO c|MAIL FROM:<a@b> SIZE=1000", &["250", "250 2.1.0"]),
        ("HELO c|MAIL FROM:<a@b>|RCPT TO:<\u{e9}@d>", &["250", "250 2.1.0", "553 5.6.7"]),
        ("HELO c|MAIL FROM:<\u{e9}@b> SMTPUTF8|RCPT TO:<\u{e9}@d>", &["250", "250 2.1.0", "250 2.1.5"]),
        ("NOOP|VRFY x|HELP|QUIT|NOOP", &["250 2.0.0", "252 2.1.5", "214 2.0.0", "221 2.0.0"]),
    ] {
        // One at a time, as a client without PIPELINING does.
        let lines: Vec<String> = commands.split('|').map(|line| format!("{line}\r\n")).collect();
        let pieces: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let mut fake = Fake::default();
        assert_eq!(replies(&pieces, &mut fake)[1..], *expected, "{commands}");
        assert!(fake.taken.is_empty());
    }
}

#[test]
fn recipients_are_bounded_and_each_counts_once() {
    let mut fake = Fake::default();
    let mail =
        b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<a@x> NOTIFY=NEVER\r\nRCPT TO:<c@x>\r\n\
                 RCPT TO:<d@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n";
    let got = replies(&[mail, b".\r\n"], &mut fake);
    let expected = ["250 2.1.5", "250 2.1.5", "250 2.1.5", "250 2.1.5", "452 4.5.3", "250 2.1.5", "354", "250 2.0.0"];
    assert_eq!(got[3..], expected);
    let (transaction, text) = fake.taken.remove(0);
    let names: Vec<&str> = transaction.recipients.iter().map(|rcpt| rcpt.recipient.as_str()).collect();
    assert_eq!((names, text.as_str(), transaction.mail.sender), (vec!["a@x", "b@x", "c@x"], "", None));
}

#[test]
fn nothing_is_smuggled() {
    for look_alike in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r", "\r\n\0.\r\n", "\r\n.\r\r\n"] {
        let mut fake = Fake::default();
        let content = format!(
            "Subject: x\r\n\r\nx{look_alike}MAIL FROM:<evil@x>\r\nRCPT TO:<c@d>\r\nDATA\r\nevil\r\n.\r\nNOOP\r\n"
        );
        let got = replies(&[OPEN, content.as_bytes()], &mut fake);
        let reply = if look_alike.contains('\0') { "550 5.6.0" } else { "550 5.6.11" };
        assert_eq!(got[4..], ["354", reply, "250 2.0.0"], "{look_alike:?}");
        assert!(fake.taken.is_empty(), "{look_alike:?}");
    }
    // In a command a bare LF leaves open how many commands there are.
    let mut fake = Fake::default();
    assert_eq!(replies(&[b"EHLO c\r\nNOOP x\nMAIL FROM:<a@b>\r\nNOOP\r\n"], &mut fake)[2..], ["521 5.5.2"]);
    assert_eq!(
        replies(&[b"NOOP x\rNOOP\r\nNOOP \0\r\nNOOP\r\n"], &mut fake)[1..],
        ["500 5.5.2", "500 5.5.2", "250 2.0.0"]
    );
}

#[test]
fn content_that_comes_with_a_refused_data_is_not_taken_for_commands() {
    let mut fake = Fake::default();
    let early = b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<>\r\nDATA\r\nMAIL FROM:<evil@x>\r\n.\r\n";
    assert_eq!(replies(&[early], &mut fake)[4..], ["554 5.5.1", "421 4.5.0"]);
    // Where DATA is taken it does no harm.
    let early = [OPEN, b"x\r\n.\r\nQUIT\r\n"].concat();
    assert_eq!(replies(&[&early], &mut fake)[4..], ["354", "250 2.0.0", "221 2.0.0"]);
    assert_eq!(fake.taken.len(), 1);
}

#[test]
fn twenty_bad_commands_are_enough() {
    let mut fake = Fake::default();
    let got = replies(&[&b"BAD\r\n".repeat(30)], &mut fake);
    assert_eq!(got.iter().filter(|code| *code == "500 5.5.2").count(), 20);
    assert_eq!((got.len(), got[21].as_str()), (22, "421 4.7.0"));
    // A message that is queued makes up for them; a recipient that is refused is no bad command.
    let bad = b"BAD\r\n".repeat(19);
    let refused = [OPEN, b".\r\nMAIL FROM:<a@b>\r\n", &b"RCPT TO:<>\r\n".repeat(30)].concat();
    let got = replies(&[&bad, &refused, &bad, b"QUIT\r\n"], &mut fake);
    assert_eq!(got.last().map(String::as_str), Some("221 2.0.0"));
}

#[test]
fn failures_have_replies_and_the_session_goes_on() {
    let mut fake = Fake { full: true, ..Fake::default() };
    assert_eq!(replies(&[EHLO, b"MAIL FROM:<a@b>\r\n", b"NOOP\r\n"], &mut fake)[2..], ["452 4.3.1", "250 2.0.0"]);
    let mut fake = Fake { broken: true, ..Fake::default() };
    let content = [&b"MAIL FROM:<x@y>\r\n".repeat(9_000), &b".\r\nNOOP\r\n"[..]].concat();
    assert_eq!(replies(&[OPEN, &content], &mut fake)[4..], ["354", "451 4.3.0", "250 2.0.0"]);
}

#[test]
fn who_vanishes_or_falls_silent_leaves_nothing() {
    let whole = [OPEN, b"Subject: x\r\n\r\nbody\r\n.\r\n"].concat();
    for cut in 0..whole.len() {
        for end in [None, Some(io::ErrorKind::TimedOut), Some(io::ErrorKind::ConnectionReset)] {
            let mut fake = Fake::default();
            let client = Client { end, ..Client::new(&[&whole[..cut]]) };
            let (written, gone) = session(client, &mut fake, &|| false);
            assert!(fake.taken.is_empty(), "{cut}");
            let last = codes(&written).pop().expect("a greeting");
            match end {
                Some(io::ErrorKind::TimedOut) => assert_eq!((last.as_str(), gone), ("421 4.4.2", false)),
                Some(_) => assert!(gone),
                None => assert_eq!(gone, cut > OPEN.len() - 1, "{cut}"),
            }
        }
    }
}

#[test]
fn a_stop_waits_for_the_transaction() {
    // The signal comes while the server waits, in the places where a piece is empty.
    let stopped = Cell::new(0);
    for (pieces, expected) in [
        (&[EHLO, b"", b"NOOP\r\n"][..], &["421 4.3.2"][..]),
        (&[OPEN, b"", b"a\r\n", b"", b".\r\nNOOP\r\n"], &["250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "421 4.3.2"]),
        (&[b"EHLO c\r\nMAIL FROM:<a@b>\r\n", b"", b"RSET\r\n", b"NOOP\r\n"], &["250 2.1.0", "250 2.0.0", "421 4.3.2"]),
    ] {
        stopped.set(0);
        // It is asked before each command outside a transaction: first before EHLO, then before what follows.
        let stop = || {
            stopped.set(stopped.get() + 1);
            stopped.get() > 2
        };
        let mut fake = Fake::default();
        let (written, gone) = session(Client::new(pieces), &mut fake, &stop);
        assert_eq!(
            (&codes(&written)[2..], gone),
            (&expected.iter().map(|&c| c.to_owned()).collect::<Vec<_>>()[..], false)
        );
    }
}

proptest! {
    /// However a session is cut into pieces, it says and takes the same; and nothing panics.
    #[test]
    fn pieces_do_not_matter(
        words in proptest::collection::vec(prop_oneof![
            Just("EHLO c\r\n"), Just("MAIL FROM:<a@b>\r\n"), Just("RCPT TO:<c@d>\r\n"), Just("DATA\r\n"), Just(".\r\n"),
            Just("RSET\r\n"), Just("NOOP\r\n"), Just("."), Just("\r"), Just("\n"), Just("x"), Just("\0"), Just("A: b\r\n"),
        ], 0..20),
        cut in 0usize..200,
    ) {
        // What is a group and what is not does matter where content comes early.
        let wire = words.concat().replace("DATA\r\n", "DATA\r\nx\r\n");
        let run = |pieces: &[&[u8]]| {
            let mut fake = Fake::default();
            let (written, _) = session(Client::new(pieces), &mut fake, &|| false);
            (written.concat(), fake.taken)
        };
        let whole = run(&[wire.as_bytes()]);
        let mut cut = cut.min(wire.len());
        if wire[..cut].ends_with("DATA\r\n") {
            cut += 1;
        }
        let (first, second) = wire.as_bytes().split_at(cut);
        if !first.is_empty() && !second.is_empty() {
            prop_assert_eq!(run(&[first, second]), whole);
        }
    }
}
