//! What servers of SMTP and LMTP answer, at each step: each recipient's verdict is the right one, and what does not concern
//! the message is not held against it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::support::Site;
use crate::support::server::letters::{KINDS, assert_true, events_of, queue, recipients, serve, verdicts};
use crate::support::server::{Act, At, Script, ends, lead_to, say, site_of};

const LATER: &str = "retry = { first = \"1d\", max = \"1d\" }";

/// Every answer at every step.
fn faults(kind: usize) -> Vec<(At, Act)> {
    let (_, _, offers) = KINDS[kind];
    let mut acts: Vec<Act> = ["451 4.3.0 later", "550 5.1.1 no", "354 what?"].map(say).to_vec();
    let garbage = [
        "\r\n",
        "hello\r\n",
        "2500 taken\r\n",
        "250_taken\r\n",
        "\0\u{ff}\r\n",
        "250-a\r\n550 b\r\n",
        "25\r\n",
        "999 x\r\n",
    ];
    acts.extend(garbage.map(|text| Act::Garbage(text.to_owned())));
    // A line and a reply that never end.
    acts.push(Act::Garbage("250 ".to_owned() + &"x".repeat(70_000)));
    acts.push(Act::Garbage("250-x\r\n".repeat(1_000)));
    acts.extend([
        Act::Close,
        Act::SayAndClose("421 4.3.2 bye".to_owned()),
        Act::SayAndClose("451 4.3.2 bye".to_owned()),
    ]);
    let mut all: Vec<(At, Act)> = Vec::new();
    for at in [At::Mail, At::Rcpt, At::Data, At::Content] {
        if at != At::Data || !offers.contains(&"CHUNKING") {
            all.extend(acts.iter().map(|act| (at, act.clone())));
        }
    }
    all.push((At::Content, Act::TakeAndClose));
    all
}

/// The verdicts on the two recipients of whom a transaction met `act` at `at`; the first of them at RCPT, and with LMTP at
/// the content.
fn expected(lmtp: bool, fresh: bool, at: At, act: &Act) -> [&'static str; 2] {
    let (code, closed) = match act {
        Act::Say(text) => (&text[..3], false),
        Act::SayAndClose(text) => (&text[..3], true),
        Act::Garbage(_) | Act::Close | Act::TakeAndClose | Act::Go | Act::Stall | Act::Drip => ("", true),
    };
    // Tried again on a fresh session, or nobody knows who is to blame until something else is taken.
    let again = if fresh { "deferred" } else { "delivered" };
    match (at, code) {
        (At::Mail, "550") => ["failed"; 2],
        (At::Mail, _) => [again; 2],
        (At::Rcpt, "550") if !closed => ["failed", "delivered"],
        (At::Rcpt, "451" | "354") if !closed => ["deferred", "delivered"],
        (At::Rcpt, _) => [again; 2],
        (At::Data, "550") => ["failed"; 2],
        (At::Data, "451") => ["deferred"; 2],
        // The content follows.
        (At::Data, "354") => ["delivered"; 2],
        (At::Data, _) => [again; 2],
        (At::Content, "421" | "451") if lmtp && closed => ["deferred", "unknown"],
        (At::Content, "421" | "451") if lmtp => ["deferred", "delivered"],
        (At::Content, "421" | "451") => ["deferred"; 2],
        (At::Content, "550") if lmtp => ["failed", "delivered"],
        (At::Content, "550") => ["failed"; 2],
        (At::Content, "354") if lmtp => ["unknown", "delivered"],
        (At::Content, _) => ["unknown"; 2],
        _ => unreachable!(),
    }
}

/// Each session answers so once, to its first transaction or to the one after it, and ends with the next.
fn every_answer(kind: usize, fresh: bool) {
    let (name, lmtp, _) = KINDS[kind];
    let faults = faults(kind);
    let count = faults.len();
    let met = faults.clone();
    let enough = || Act::SayAndClose("421 4.7.0 enough".to_owned());
    let script = Script::steps(move |step| {
        // With a fresh one every other session takes one message.
        let (index, bad) = if fresh { (step.session / 2, step.session % 2) } else { (step.session, 1) };
        let Some((at, act)) = met.get(index) else { return Act::Go };
        match (step.at, step.transaction) {
            (At::Mail, transaction) if transaction > bad => enough(),
            (at_hand, transaction) if transaction == bad && step.recipient == 0 && at_hand == *at => {
                match fresh && bad == 1 {
                    true => Act::Go,
                    false => act.clone(),
                }
            }
            _ => Act::Go,
        }
    });
    let server = serve(kind, None, script);
    let site = site_of(&server, LATER, "");
    queue(&site, 4 * count);
    let what = format!("{name}, fresh {fresh}");
    assert_eq!(ends(&site, &["run"]), (0, String::new()), "{what}");
    let log = server.log();
    assert_true(&site, &log, &what);
    let told = verdicts(&site);
    let hits: Vec<_> = log.hits.iter().filter(|hit| !hit.what.contains("enough")).collect();
    assert_eq!(hits.len(), count, "{what}: {:?}", hits.last());
    for (hit, (at, act)) in hits.iter().zip(&faults) {
        let n = hit.sender[1..6].parse().expect("a number");
        let found = recipients(n).map(|recipient| told[&recipient].join(" "));
        let what = format!("{what}, {at:?} {}", act_text(act));
        assert_eq!(found, expected(lmtp, fresh, *at, act), "{what}: {:?}", events_of(&site, &recipients(n)[1]));
    }
    // Nobody else was touched.
    let bad: Vec<&str> = hits.iter().map(|hit| &hit.sender[1..6]).collect();
    for (recipient, told) in &told {
        assert!(bad.contains(&&recipient[1..6]) || told == &["delivered"], "{what}: {recipient}: {told:?}");
    }
    server.set(Script::good());
    assert_eq!(ends(&site, &["flush", "-q"]), (0, String::new()), "{what}");
    let log = server.log();
    assert_true(&site, &log, &what);
    let failed = verdicts(&site).into_values().filter(|told| told.last().is_some_and(|last| last == "failed")).count();
    let came = log.taken.iter().filter(|taken| taken.answered).map(|taken| taken.recipients.len()).sum::<usize>();
    assert_eq!(came + failed, 4 * count * 2, "{what}");
    assert!(site.ids("ready").is_empty(), "{what}");
}

fn act_text(act: &Act) -> String {
    format!("{act:?}").chars().take(60).collect()
}

#[test]
fn every_answer_at_every_step_of_a_kept_session() {
    for kind in 0..KINDS.len() {
        every_answer(kind, false);
    }
}

#[test]
fn every_answer_at_every_step_of_a_fresh_session() {
    for kind in 0..KINDS.len() {
        every_answer(kind, true);
    }
}

/// Takes one envelope from `client`, whose commands are one group, and lets the content come.
fn take_envelope(client: &mut UnixStream) {
    let mut lines = BufReader::new(client.try_clone().expect("a socket")).lines();
    let mut say = |text: &str| client.write_all(text.as_bytes()).expect("heard");
    say("220 here\r\n");
    for line in &mut lines {
        match line.expect("a line").split([' ', ':']).next().expect("a verb") {
            "EHLO" => say("250 here\r\n"),
            "MAIL" | "RCPT" => say("250 ok\r\n"),
            _ => return say("354 go on\r\n"),
        }
    }
}

#[test]
fn a_content_that_is_refused_in_its_middle_has_failed_and_its_end_never_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let site = Site { dir: tempfile::tempdir().expect("a folder") };
    lead_to(&site, "smtp", &[&format!("unix:{}", socket.display())], LATER, "timeout = \"20s\"");
    // More than the socket holds.
    let text = format!("Subject: x\n\n{}", "x\n".repeat(2 << 20));
    assert!(site.feed(&["submit", "-q", "-f", "s@b.example", "r@x.example"], text.as_bytes()).status.success());
    let run = site.start(&["run"]);
    let (mut client, _) = listener.accept().expect("a client");
    take_envelope(&mut client);
    client.read_exact(&mut [0; 1_000]).expect("its beginning");
    client.write_all(b"552 5.3.4 too large\r\n").expect("heard");
    client.shutdown(std::net::Shutdown::Write).expect("open");
    let output = run.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let events = site.events();
    assert!(events.len() == 1 && events[0]["verdict"] == "failed" && events[0]["status"] == "5.3.4", "{events:?}");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("what it had sent");
    assert!(!rest.is_empty() && !rest.ends_with(b"\r\n.\r\n"), "{} bytes", rest.len());
}
