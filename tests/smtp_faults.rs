//! Servers of SMTP and LMTP that fail at every step and after every byte: nothing is lost, nothing comes twice unless its
//! answer never came, each verdict is right, and nothing hangs.

#[path = "support/server/mod.rs"]
mod server;
mod support;

use std::collections::BTreeSet;

use server::letters::{KINDS, assert_all_came, assert_true, deliveries, events_of, queue, serve, verdicts};
use server::{Act, At, Cut, How, Mark, Script, ends, site_of};

/// Each session takes one message, and ends the more bytes later the more sessions there were before it.
fn reused_sweep(kind: usize, read: bool, how: How, on_crash: &str) {
    let what = format!("{}, read {read}, {how:?}, {on_crash}", KINDS[kind].0);
    // A reset of a socket that has none is a close with bytes unread.
    let folder = (how == How::Close).then(|| tempfile::tempdir().expect("a folder"));
    // What a reset adds is seen at every third byte as well.
    let stride = if how == How::Reset { 3 } else { 1 };
    let points = if read { 480 } else { 130 } / stride;
    let script = Script::good().with_cuts(move |session| {
        (session < points).then_some(Cut { mark: Mark::First, read, bytes: session * stride, how })
    });
    let server = serve(kind, folder.as_ref(), script);
    let site = site_of(&server, &format!("on_crash = {on_crash:?}\nretry = {{ first = \"1d\", max = \"1d\" }}"), "");
    // A cut beyond one transaction lies in the next.
    let count = 2 * points;
    queue(&site, count);
    let (status, said) = ends(&site, &["run"]);
    assert_eq!((status, said.is_empty()), (0, on_crash == "resend"), "{what}: {said}");
    let log = server.log();
    assert!(server.sessions() > points, "{what}: {} sessions", server.sessions());
    assert_true(&site, &log, &what);
    // Whoever was cut with its content on the way may be in doubt, and nobody else.
    let doubtful: BTreeSet<&str> =
        log.hits.iter().filter(|hit| hit.at == At::Content).map(|hit| &hit.sender[1..6]).collect();
    assert!(doubtful.len() > 1, "{what}: {doubtful:?}");
    let in_doubt = if on_crash == "hold" { "held" } else { "unknown" };
    for (recipient, told) in verdicts(&site) {
        let good = match told.as_slice() {
            [only] if only == "delivered" => true,
            [only] if only == in_doubt => doubtful.contains(&recipient[1..6]),
            _ => false,
        };
        assert!(good, "{what}: {recipient}: {told:?}: {:?}", events_of(&site, &recipient));
    }
    server.set(Script::good());
    if on_crash == "hold" {
        assert!(deliveries(&log).values().all(|(answered, not)| answered + not <= 1), "{what}");
        return;
    }
    assert_eq!(ends(&site, &["flush", "-q"]), (0, String::new()), "{what}");
    assert_all_came(&site, &server.log(), count, &what);
}

fn reused_sweeps(kind: usize) {
    for read in [true, false] {
        for how in [How::Close, How::Reset] {
            reused_sweep(kind, read, how, "resend");
        }
    }
}

#[test]
fn a_session_that_ends_after_any_byte_lock_step() {
    reused_sweeps(0);
}

#[test]
fn a_session_that_ends_after_any_byte_pipelined() {
    reused_sweeps(1);
}

#[test]
fn a_session_that_ends_after_any_byte_in_chunks() {
    reused_sweeps(2);
}

#[test]
fn a_session_that_ends_after_any_byte_in_chunks_and_pipelined() {
    reused_sweeps(3);
}

#[test]
fn a_session_that_ends_after_any_byte_with_lmtp() {
    reused_sweeps(4);
}

#[test]
fn a_session_that_ends_after_any_byte_with_lmtp_in_chunks() {
    reused_sweeps(5);
}

#[test]
fn what_was_in_doubt_is_held_where_that_was_asked_for() {
    for kind in [0, 1, 3, 4] {
        reused_sweep(kind, true, How::Close, "hold");
        reused_sweep(kind, false, How::Reset, "hold");
    }
}

/// Before a first transaction nobody is let in, and no entry is to blame.
fn opening_sweep(kind: usize) {
    let server = serve(kind, None, Script::good());
    let site = site_of(&server, "", "");
    queue(&site, 1);
    let before = site.list();
    let (greeting, hello) = ("220 test ESMTP\r\n".len(), "EHLO client.example.org\r\n".len());
    let reply: usize = "250 test\r\n".len() + KINDS[kind].2.iter().map(|offer| offer.len() + 6).sum::<usize>();
    let cuts = (0..hello).map(|bytes| (true, bytes)).chain((0..greeting + reply).map(|bytes| (false, bytes)));
    for (i, (read, bytes)) in cuts.enumerate() {
        let how = if i % 2 == 0 { How::Close } else { How::Reset };
        server.set(Script::good().with_cuts(move |_| Some(Cut { mark: Mark::Connected, read, bytes, how })));
        let (status, said) = ends(&site, &["run"]);
        assert_eq!((status, said.lines().count()), (75, usize::from(i == 0)), "read {read}, {bytes}: {said}");
        assert_eq!(site.list(), before, "read {read}, {bytes}");
    }
    assert!(site.events().is_empty() && server.log().taken.is_empty());
    server.set(Script::good());
    assert_eq!(ends(&site, &["run"]).0, 0);
    assert_all_came(&site, &server.log(), 1, "opening");
}

#[test]
fn a_session_that_ends_before_its_first_transaction_blames_nobody() {
    opening_sweep(1);
    opening_sweep(4);
}

/// Every second session ends in its first transaction, the more bytes later the more there were before it; the others take
/// one message.
fn fresh_sweep(kind: usize, read: bool) {
    let what = format!("{}, fresh, read {read}", KINDS[kind].0);
    let points = if read { 440 } else { 90 };
    let enough = |step: &server::Step<'_>| match (step.at, step.transaction) {
        (At::Mail, 1..) => Act::SayAndClose("421 4.7.0 enough".to_owned()),
        _ => Act::Go,
    };
    let script = Script::steps(enough).with_cuts(move |session| {
        let how = if session % 4 == 0 { How::Close } else { How::Reset };
        (session % 2 == 0 && session / 2 < points).then_some(Cut { mark: Mark::Hello, read, bytes: session / 2, how })
    });
    let server = serve(kind, None, script);
    let site = site_of(&server, "retry = { first = \"1d\", max = \"1d\" }", "");
    let count = 2 * points + 20;
    queue(&site, count);
    assert_eq!(ends(&site, &["run"]), (0, String::new()), "{what}");
    let log = server.log();
    assert!(server.sessions() > 2 * points, "{what}: {} sessions", server.sessions());
    assert_true(&site, &log, &what);
    let cut = |content: bool| -> BTreeSet<&str> {
        let hits = log.hits.iter().filter(|hit| hit.transaction == 0 && !hit.sender.is_empty());
        hits.filter(|hit| (hit.at == At::Content) == content).map(|hit| &hit.sender[1..6]).collect()
    };
    let (early, late) = (cut(false), cut(true));
    for (recipient, told) in verdicts(&site) {
        let n = &recipient[1..6];
        let [only] = told.as_slice() else { panic!("{what}: {recipient}: {told:?}") };
        let good = match only.as_str() {
            "delivered" => !early.contains(n),
            // Also one that was cut before the server knew its sender, or as its content began.
            "deferred" => true,
            "unknown" => late.contains(n),
            _ => false,
        };
        assert!(good, "{what}: {recipient}: {told:?}: {:?}", events_of(&site, &recipient));
    }
    server.set(Script::good());
    assert_eq!(ends(&site, &["flush", "-q"]), (0, String::new()), "{what}");
    assert_all_came(&site, &server.log(), count, &what);
}

#[test]
fn a_fresh_session_that_ends_after_any_byte() {
    for kind in [0, 1, 2, 3, 4] {
        fresh_sweep(kind, true);
        fresh_sweep(kind, false);
    }
}
