//! Servers that say nothing, or not enough: a silence is waited for so long and no longer, whatever trickles in meanwhile.

use super::smtp_sessions::LATER;
use crate::support;
use crate::support::server::letters::{KINDS, assert_all_came, assert_true, deliveries, queue, serve, verdicts};
use crate::support::server::{Act, At, Cut, How, Kind, Mark, Script, Server, ends, say, site_of};
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_server_that_answers_before_it_reads_on_never_waits_for_us() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = "x".repeat(480);
    let script = Script::steps(move |step| if step.at == At::Rcpt { say(&format!("250 {long}")) } else { Act::Go });
    let kind = Kind { little: true, ..Kind::smtp(&["PIPELINING"]) };
    let server = Server::unix(&folder.path().join("socket"), kind, script);
    let site = site_of(&server, "max_recipients = 1000", "timeout = \"10s\"");
    // More than the kernel holds in either direction.
    let label = "a".repeat(60);
    let to: Vec<String> = (0..1_000).map(|i| format!("r{i:03}@{label}.{label}.{label}.example")).collect();
    std::fs::write(site.path("to"), to.join("\n")).expect("written");
    let message = support::message(1).replacen("From:", &format!("Bcc: {}\nFrom:", to.join(",\n ")), 1);
    let output = site.feed(&["submit", "-t", "-f", "s@b.example"], message.as_bytes());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(ends(&site, &["run"]), (0, String::new()));
    assert_eq!(deliveries(&server.log()).len(), 1_000);
    assert!(site.list().is_empty());
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    for kind in [0, 3, 4] {
        let what = KINDS[kind].0;
        let steps = [At::Mail, At::Rcpt, At::Data, At::Content].into_iter().filter(|at| *at != At::Data || kind != 3);
        let steps: Vec<At> = steps.collect();
        let count = steps.len();
        let script = Script::steps(move |step| {
            // Each session but the last ones at another step of its second transaction.
            if step.transaction == 1 && steps.get(step.session) == Some(&step.at) { Act::Stall } else { Act::Go }
        });
        let server = serve(kind, None, script);
        let site = site_of(&server, &format!("workers = 4\n{LATER}"), "timeout = \"1s\"");
        queue(&site, 40);
        assert_eq!(ends(&site, &["run"]), (0, String::new()), "{what}");
        let log = server.log();
        assert_true(&site, &log, what);
        assert!(server.sessions() > count, "{what}");
        let told: Vec<String> = verdicts(&site).into_values().map(|told| told.join(" ")).collect();
        let of = |verdict: &str| told.iter().filter(|told| *told == verdict).count();
        assert_eq!((of("unknown"), of("delivered")), (2, 78), "{what}: {told:?}");
        assert_eq!(ends(&site, &["flush", "-q"]).0, 0, "{what}");
        assert_all_came(&site, &server.log(), 40, what);
    }
}

#[test]
fn a_reply_that_comes_in_drops_is_not_waited_for_longer() {
    let script = Script::steps(|step| match (step.session, step.at, step.transaction) {
        (0, At::Rcpt, 1) => Act::Drip,
        _ => Act::Go,
    });
    let server = serve(1, None, script);
    let site = site_of(&server, LATER, "timeout = \"1s\"");
    queue(&site, 3);
    assert_eq!(ends(&site, &["run"]), (0, String::new()));
    assert_all_came(&site, &server.log(), 3, "drops");
    let drops = server.log().hits.iter().filter(|hit| hit.what == "drop").count();
    assert!((1..100).contains(&drops), "{drops} in a second");
}

#[test]
fn a_server_that_reads_no_further_has_no_message() {
    for kind in [1, 3, 4] {
        let script = Script::good().with_cuts(|session| {
            (session == 0).then_some(Cut { mark: Mark::Hello, read: true, bytes: 500_000, how: How::Stall })
        });
        // It names no size that is too large for it.
        let (_, lmtp, offers) = KINDS[kind];
        let offers = offers.iter().copied().filter(|offer| !offer.starts_with("SIZE")).collect();
        let server = Server::tcp(Kind { lmtp, offers, ..Kind::default() }, script);
        let site = site_of(&server, LATER, "timeout = \"1s\"");
        // More than the kernel holds.
        let message = support::message(1).replace("END", &"A line of a long message.\n".repeat(400_000));
        let output = site.feed(&["submit", "-f", "s@b.example", "--", "a@c.example"], message.as_bytes());
        assert!(output.status.success(), "{output:?}");
        // On a fresh session and alone, it may be the server's fault as well as the message's.
        assert_eq!(ends(&site, &["run"]).0, 75, "{}", KINDS[kind].0);
        assert_eq!(site.list()[0]["attempts"], 0, "{}", KINDS[kind].0);
        assert_eq!(ends(&site, &["run"]).0, 0, "{}", KINDS[kind].0);
        let came: Vec<usize> = server.log().taken.iter().map(|taken| taken.content.len()).collect();
        assert!(came.len() == 1 && came[0] > 10_000_000, "{}: {came:?}", KINDS[kind].0);
    }
}

#[test]
fn a_server_that_falls_silent_before_it_lets_us_in_is_down() {
    for at in [At::Greeting, At::Hello] {
        let server = serve(1, None, Script::steps(move |step| if step.at == at { Act::Stall } else { Act::Go }));
        let site = site_of(&server, "", "timeout = \"1s\"");
        queue(&site, 2);
        let (status, said) = ends(&site, &["run"]);
        assert!(status == 75 && said.contains("the sink is down") && said.contains(server.connect()), "{said}");
        assert!(site.list().iter().all(|row| row["attempts"] == 0) && site.events().is_empty());
    }
}

#[test]
fn whoever_does_not_let_us_in_is_down_and_what_it_said_is_told() {
    let texts = ["421 4.3.2 closed", "451 4.7.1 not now", "550 5.7.1 not you", "554 nobody here"];
    let server = serve(1, None, Script::good());
    let site = site_of(&server, "", "");
    queue(&site, 2);
    for at in [At::Greeting, At::Hello] {
        for text in texts {
            server.set(Script::steps(move |step| if step.at == at { say(text) } else { Act::Go }));
            let _ = std::fs::remove_file(site.path("spool/outbound/sink"));
            let (status, said) = ends(&site, &["run"]);
            assert_eq!((status, said.lines().count()), (75, 1), "{at:?} {text}: {said}");
            assert!(said.contains(text) && said.contains(server.connect()), "{at:?} {text}: {said}");
        }
    }
    assert!(site.list().iter().all(|row| row["attempts"] == 0) && site.events().is_empty());
    // One that knows no EHLO is let off with HELO.
    server.set(Script::steps(|step| if step.line.starts_with("EHLO") { say("500 what?") } else { Act::Go }));
    assert_eq!(ends(&site, &["run"]).0, 0);
    assert_all_came(&site, &server.log(), 2, "HELO");
}

#[test]
fn a_server_that_goes_down_in_the_middle_is_down_and_defers_nobody() {
    for kind in [0, 1, 3, 4] {
        let what = KINDS[kind].0;
        let count = AtomicUsize::new(0);
        let bye = || Act::SayAndClose("421 4.3.2 going down".to_owned());
        let script = Script::steps(move |step| match step.at {
            At::Content if step.recipient == 0 => {
                count.fetch_add(1, Ordering::Relaxed);
                Act::Go
            }
            At::Greeting | At::Mail if count.load(Ordering::Relaxed) >= 50 => bye(),
            _ => Act::Go,
        });
        let server = serve(kind, None, script);
        let site = site_of(&server, &format!("workers = 3\n{LATER}"), "");
        queue(&site, 200);
        let (status, said) = ends(&site, &["run"]);
        assert!(status == 75 && said.contains("421 4.3.2 going down"), "{what}: {status} {said}");
        assert!(site.events().iter().all(|event| event["verdict"] == "delivered"), "{what}");
        let left = site.list();
        assert!(left.len() >= 140 && left.iter().all(|row| row["attempts"] == 0), "{what}: {}", left.len());
        server.set(Script::good());
        assert_eq!(ends(&site, &["run"]).0, 0, "{what}");
        assert_all_came(&site, &server.log(), 200, what);
    }
}
