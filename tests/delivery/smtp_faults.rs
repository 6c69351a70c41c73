//! Servers of SMTP and LMTP that fail at every step and after every byte: nothing is lost, nothing comes twice unless its
//! answer never came, each verdict is right, and nothing hangs.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::support::random::{Random, number_from};
use crate::support::server::letters::{
    FIRST, KINDS, assert_all_came, assert_true, deliveries, events_of, queue, recipients, serve, verdicts,
};
use crate::support::server::{self, Act, At, Cut, How, Mark, Script, ends, say, site_of};
use crate::support::{children, signal};

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
    // Each byte with one of them; the others end a doubt at every fifth.
    let stride = if kind == 1 { 1 } else { 5 };
    let points = if read { 440 } else { 90 } / stride;
    let enough = |step: &server::Step<'_>| match (step.at, step.transaction) {
        (At::Mail, 1..) => Act::SayAndClose("421 4.7.0 enough".to_owned()),
        _ => Act::Go,
    };
    let script = Script::steps(enough).with_cuts(move |session| {
        let how = if session % 4 == 0 { How::Close } else { How::Reset };
        (session % 2 == 0 && session / 2 < points).then_some(Cut {
            mark: Mark::Hello,
            read,
            bytes: session / 2 * stride,
            how,
        })
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

/// Everything at random, and many at once.
#[test]
fn in_all_weathers_nobody_is_lost() {
    let seed = number_from("WEATHER_SEED", 1);
    for (kind, together) in [(1, 1), (1, 2), (3, 2), (4, 2), (5, 1)] {
        let what = format!("{}, {together} together, WEATHER_SEED={seed}", KINDS[kind].0);
        let random = Mutex::new(Random(seed));
        let weather = move |step: &server::Step<'_>| {
            let mut random = random.lock().expect("no session panicked");
            // A greeting that is refused is the sink's outage, and ends the run.
            if random.below(30) != 0 || matches!(step.at, At::Greeting | At::Hello | At::Rset | At::Idle) {
                return Act::Go;
            }
            match random.below(7) {
                0 => Act::Close,
                1 => say("451 4.3.0 later"),
                2 => Act::SayAndClose("421 4.3.2 bye".to_owned()),
                3 => Act::Garbage("what?\r\n".to_owned()),
                4 => say("452 4.2.2 full"),
                5 if step.at == At::Content => Act::TakeAndClose,
                _ => say("550 5.0.0 never"),
            }
        };
        let server = serve(kind, None, Script::steps(weather));
        let policy = format!("workers = 6\nmax_recipients = {together}\nretry = {{ first = \"1d\", max = \"1d\" }}");
        let site = site_of(&server, &policy, "");
        let count = 400;
        queue(&site, count);
        let mut runs = 0;
        while !site.ids("ready").is_empty() {
            runs += 1;
            assert!(runs < 60, "{what}: {:?}", site.ids("ready"));
            let (status, said) = ends(&site, &["flush", "-q"]);
            assert!(status == 0 || status == 75, "{what}: {status} {said}");
        }
        let log = server.log();
        assert_true(&site, &log, &what);
        let (told, came) = (verdicts(&site), deliveries(&log));
        for recipient in (FIRST..FIRST + count).flat_map(recipients) {
            let last = told[&recipient].last().map_or("", String::as_str);
            let answered = came.get(&recipient).map_or(0, |(answered, _)| *answered);
            assert!(
                matches!((last, answered), ("delivered", 1) | ("failed", 0)),
                "{what}: {recipient}: {last} {answered}"
            );
            // Each time that its answer never came it may have come once more.
            let doubts = told[&recipient].iter().filter(|verdict| *verdict == "unknown").count();
            let silent = came.get(&recipient).map_or(0, |(_, silent)| *silent);
            assert!(silent <= doubts, "{what}: {recipient}: {silent} {:?}", told[&recipient]);
        }
        let failed = told.values().filter(|told| told.last().is_some_and(|last| last == "failed")).count();
        assert!(failed > 0 && failed < count / 2, "{what}: {failed}");
        site.assert_clean();
    }
}

/// Whoever is killed had one message in hand, whatever was sent ahead.
#[test]
fn killed_workers_repeat_one_message_each() {
    for (kind, on_crash) in [(1, "resend"), (3, "resend"), (4, "hold")] {
        let what = format!("{}, {on_crash}", KINDS[kind].0);
        let server = serve(kind, None, Script::good());
        let site = site_of(&server, &format!("workers = 4\non_crash = {on_crash:?}"), "");
        let (count, mut kills, mut random) = (3_000, 0, Random(7));
        queue(&site, count);
        while !site.ids("ready").is_empty() {
            let mut main = site.start(&["run"]);
            while main.try_wait().expect("a child of ours").is_none() {
                random.pause(20_000);
                let workers: Vec<u32> = children(main.id()).into_iter().flat_map(children).collect();
                // One of them may be the child that syncs.
                if kills < 25 && !workers.is_empty() {
                    signal("KILL", *random.of(&workers));
                    kills += 1;
                }
            }
            let output = main.wait_with_output().expect("it ended");
            assert!(matches!(output.status.code(), Some(0 | 70)), "{what}: {output:?}");
        }
        let log = server.log();
        assert!(log.misdeeds.is_empty(), "{what}: {:?}", log.misdeeds);
        let came = deliveries(&log);
        let held = site.ids("hold").len();
        // Also those over which two workers of a run died.
        assert!(held <= kills, "{what}: {held} after {kills} kills");
        assert!(kills > 5 && came.len() >= (count - held) * 2, "{what}: {kills} kills, {} of {count}", came.len());
        let surplus: usize = came.values().map(|(answered, silent)| answered + silent - 1).sum();
        let most = if on_crash == "hold" { 0 } else { kills * 2 };
        assert!(surplus <= most, "{what}: {surplus} after {kills} kills");
        site.assert_clean();
    }
}
