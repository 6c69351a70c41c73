//! Whose fault a refusal is: senders, recipients and contents that a server refuses keep nobody else's mail.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::server::{self, Act, At, Kind, Script, Server, ends, say, site_of};
use crate::support::{self, Site};

pub const LATER: &str = "retry = { first = \"1d\", max = \"1d\" }";
pub const OFFERS: [&[&str]; 2] = [&["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"], &[]];

/// A server, over SMTP or LMTP, that answers so at one step.
pub fn serve(
    lmtp: bool,
    offers: &[&'static str],
    step: impl Fn(&server::Step<'_>) -> Act + Send + Sync + 'static,
) -> Server {
    let kind = Kind { lmtp, ..Kind::smtp(offers) };
    Server::tcp(kind, Script::steps(step))
}

/// Queues messages, each from one sender to one recipient, in one mbox.
pub fn queue(site: &Site, letters: &[(String, String)]) {
    let mail = |(n, (sender, recipient)): (usize, &(String, String))| {
        format!("From {sender} Tue\nTo: {recipient}\n{}\n", support::message(u32::try_from(n).expect("few")))
    };
    let text: String = letters.iter().enumerate().map(mail).collect();
    std::fs::write(site.path("box"), text).expect("written");
    site.ok(&["submit", "-q", "--mbox", site.path("box").to_str().expect("a path")]);
}

/// Letters, each from its own sender to its own domain; the names begin with `name`.
pub fn strangers(name: &str, count: usize) -> Vec<(String, String)> {
    (0..count).map(|n| (format!("{name}{n}@{name}{n}.example"), format!("to-{name}{n}@at{n}.example.net"))).collect()
}

/// Letters of two senders to four domains.
pub fn ordinary(count: usize) -> Vec<(String, String)> {
    let letter = |n: usize| (format!("news{}@example.org", n % 2), format!("r{n}@d{}.example.net", n % 4));
    (0..count).map(letter).collect()
}

/// Who got a message from whom, each with how often.
pub fn taken(server: &Server) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for taken in server.log().taken {
        assert!(server.log().misdeeds.is_empty(), "{:?}", server.log().misdeeds);
        taken.recipients.into_iter().for_each(|recipient| *found.entry(recipient).or_default() += 1);
    }
    found
}

pub fn recipients(letters: &[(String, String)]) -> BTreeSet<String> {
    letters.iter().map(|(_, recipient)| recipient.clone()).collect()
}

/// Asserts that these letters came, each once, and nothing else.
pub fn assert_came(server: &Server, letters: &[(String, String)], what: &str) {
    let found = taken(server);
    assert!(found.values().all(|&times| times == 1), "{what}: {found:?}");
    let missing: Vec<_> = recipients(letters).into_iter().filter(|to| !found.contains_key(to)).collect();
    assert!(missing.is_empty() && found.len() == letters.len(), "{what}: missing {missing:?} of {}", letters.len());
}

/// The verdicts in the events, by recipient.
pub fn verdicts(site: &Site) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in site.events() {
        let text = |key: &str| event[key].as_str().expect("text").to_owned();
        found.entry(text("recipient")).or_default().push(text("verdict"));
    }
    found
}

/// Entries that wait as if they had not been tried.
pub fn untouched(site: &Site) -> usize {
    site.list().iter().filter(|row| row["state"] == "ready" && row["attempts"] == 0).count()
}

#[test]
fn senders_who_are_refused_keep_nobody_elses_mail() {
    for (reply, verdict) in [
        ("530 5.7.0 log in to send as this user", "deferred"),
        ("534 5.7.9 a stronger mechanism is needed", "deferred"),
        ("535 5.7.8 no credentials for this sender", "deferred"),
        ("538 5.7.11 encryption needed", "deferred"),
        ("450 4.1.8 no MX of the sender's domain", "deferred"),
        ("451 4.7.1 the policy server has no answer about the sender", "deferred"),
        ("451 not now", "deferred"),
        ("550 5.1.8 the sender's domain does not resolve", "failed"),
        ("553 5.7.1 not owned by you", "failed"),
        ("550 this account is suspended", "deferred"),
    ] {
        for (workers, offers) in [(1, OFFERS[0]), (4, OFFERS[1])] {
            let what = format!("{reply}, {workers} workers");
            let text = reply.to_owned();
            let server = serve(false, offers, move |step| match step.at {
                At::Mail if step.line.contains("<bad") => say(&text),
                _ => Act::Go,
            });
            let site = site_of(&server, &format!("workers = {workers}\n{LATER}"), "");
            let (bad, good) = (strangers("bad", 14), strangers("good", 25));
            queue(&site, &[bad.clone(), good.clone()].concat());
            // One run may meet ten of them first, or last; the next one tries others first.
            let mut good = good;
            let (mut status, mut n) = (0, 0);
            // On a busy machine workers may meet them in an unlucky order more than once.
            while n < 3 || (status != 0 && n < 6) {
                status = ends(&site, &["run"]).0;
                let later = (format!("later{n}@example.org"), format!("later{n}@example.net"));
                queue(&site, std::slice::from_ref(&later));
                good.push(later);
                n += 1;
            }
            assert_eq!((status, ends(&site, &["run"]).0), (0, 0), "{what}: {:?}", site.list());
            assert_came(&server, &good, &what);
            let told = verdicts(&site);
            for to in recipients(&bad) {
                assert_eq!(told[&to], [verdict], "{what}: {to}");
            }
            site.assert_clean();
        }
    }
}

/// Far more of them than of the good ones.
#[test]
fn many_senders_who_are_refused_do_not_stop_the_rest() {
    for reply in ["451 4.1.8 no such domain", "530 5.7.1 who are you?"] {
        let text = reply.to_owned();
        let server = serve(false, OFFERS[0], move |step| match step.at {
            At::Mail if step.line.contains("<bad") => say(&text),
            _ => Act::Go,
        });
        let site = site_of(&server, &format!("workers = 4\n{LATER}"), "");
        let good = strangers("good", 20);
        queue(&site, &[strangers("bad", 120), good.clone()].concat());
        for _ in 0..8 {
            ends(&site, &["run"]);
        }
        assert_came(&server, &good, reply);
        // The next one leaves with one of the next runs, whatever is left.
        let later = strangers("later", 1);
        queue(&site, &later);
        for _ in 0..4 {
            ends(&site, &["run"]);
        }
        assert_came(&server, &[good, later].concat(), reply);
    }
}

#[test]
fn one_sender_with_a_thousand_messages_that_are_refused_fails_alone() {
    let server = serve(false, OFFERS[0], |step| match step.at {
        At::Mail if step.line.contains("<bad") => say("550 5.7.1 rejected by policy"),
        _ => Act::Go,
    });
    let site = site_of(&server, &format!("workers = 4\n{LATER}"), "");
    let bad: Vec<_> = (0..1_000).map(|n| ("bad@x.example".to_owned(), format!("r{n}@b{n}.example.net"))).collect();
    let good = ordinary(30);
    queue(&site, &[bad, good.clone()].concat());
    assert_eq!(ends(&site, &["run"]), (0, String::new()));
    assert_came(&server, &good, "one sender");
    assert_eq!(site.ids("failed").len(), 1_000);
}

/// A list post is one claim, and its groups tell as much as entries do; those of one domain come one after another.
#[test]
fn a_list_post_that_is_all_there_is_fails_few() {
    let server = serve(false, OFFERS[0], |step| if step.at == At::Mail { say("550 no") } else { Act::Go });
    let site = site_of(&server, "workers = 2", "");
    let list: String = (0..60).map(|n| format!("r{n}@d{}.example.net\n", n % 7)).collect();
    std::fs::write(site.path("list"), list).expect("written");
    let list = site.path("list").display().to_string();
    let args = ["submit", "-q", "-f", "news@example.org", "--verp", "--recipients", &list];
    assert!(site.feed(&args, support::message(1).as_bytes()).status.success());
    let (status, said) = ends(&site, &["run"]);
    let failed = verdicts(&site).len();
    assert!(status == 75 && failed < 20, "{status}, {failed} failed: {said}");
}

/// Who was deferred for something else before is kept like any other; who was refused for this while others were not, waits.
#[test]
fn a_blocked_account_is_reported_whatever_was_before() {
    let blocked = |step: &server::Step<'_>| match step.at {
        At::Mail => say("550 5.7.1 your account has been blocked"),
        _ => Act::Go,
    };
    let server = serve(false, OFFERS[0], |step| if step.at == At::Rcpt { say("450 4.2.1 busy") } else { Act::Go });
    let site = site_of(&server, "workers = 2\nretry = { first = \"1s\", max = \"1s\" }", "");
    queue(&site, &ordinary(3));
    assert_eq!(ends(&site, &["run"]), (0, String::new()));
    server.set(Script::steps(blocked));
    let (status, said) = ends(&site, &["flush"]);
    assert!(status == 75 && said.contains("your account has been blocked"), "{status} {said}");
    assert!(site.list().iter().all(|row| row["attempts"] == 1), "{:?}", site.list());
    // One of several senders, after others were taken: no outage, in this run and in those that try it alone.
    server.set(Script::steps(move |step| if step.line.contains("<bad") { blocked(step) } else { Act::Go }));
    assert_eq!(ends(&site, &["flush", "-q"]).0, 0);
    queue(&site, &[ordinary(1), vec![("bad@example.org".to_owned(), "to-bad@example.net".to_owned())]].concat());
    for _ in 0..3 {
        assert_eq!(ends(&site, &["flush", "-q"]), (0, String::new()));
    }
    assert_eq!(verdicts(&site)["to-bad@example.net"], ["deferred"; 3]);
}

/// Nine, or one sender, or two domains: that may be about these.
#[test]
fn a_few_that_are_refused_without_a_word_about_us_fail() {
    let domains = |domains: usize| {
        move |n: usize| (format!("s{}@example.org", n % 2), format!("r{n}@d{}.example.net", n % domains))
    };
    let of_one = |n: usize| ("s@example.org".to_owned(), format!("r{n}@d{n}.example.net"));
    let cases: [Vec<(String, String)>; 3] =
        [ordinary(9), (0..25).map(of_one).collect(), (0..25).map(domains(2)).collect()];
    for letters in cases {
        let server = serve(false, OFFERS[0], |step| if step.at == At::Mail { say("550 no") } else { Act::Go });
        let site = site_of(&server, "workers = 1", "");
        queue(&site, &letters);
        assert_eq!(ends(&site, &["run"]).0, 0, "{} letters", letters.len());
        assert_eq!(site.ids("failed").len(), letters.len());
    }
}

#[test]
fn a_mailbox_or_a_content_is_never_our_fault() {
    for (at, reply) in [
        (At::Rcpt, "550 5.1.1 no such user here"),
        (At::Rcpt, "552 5.2.2 mailbox full: quota exceeded"),
        (At::Rcpt, "550 5.2.1 this account is disabled"),
        (At::Content, "554 5.7.1 message rejected as spam"),
        (At::Content, "552 5.3.4 too large"),
    ] {
        for lmtp in [false, true] {
            let what = format!("{at:?} {reply}, lmtp {lmtp}");
            let text = reply.to_owned();
            let server = serve(lmtp, OFFERS[0], move |step| if step.at == at { say(&text) } else { Act::Go });
            let site = site_of(&server, "workers = 2", "");
            queue(&site, &ordinary(30));
            assert_eq!(ends(&site, &["run"]), (0, String::new()), "{what}");
            assert_eq!(site.ids("failed").len(), 30, "{what}");
        }
    }
}

#[test]
fn two_hundred_dead_addresses_stop_nothing_and_a_lone_spam_is_returned() {
    let server = serve(false, OFFERS[0], |step| match step.at {
        At::Rcpt if step.line.contains("@dead.") => say("550 5.1.1 mailbox unavailable"),
        _ => Act::Go,
    });
    let site = site_of(&server, "workers = 1", "");
    let dead: Vec<_> =
        (0..200).map(|n| (format!("s{}@example.org", n % 3), format!("r{n}@dead.example.net"))).collect();
    queue(&site, &dead);
    assert_eq!(ends(&site, &["run"]), (0, String::new()));
    assert_eq!(site.ids("failed").len(), 200);
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&config.replace("notices = false", "notices = true"));
    server.set(Script::steps(|step| match step.at {
        At::Content if step.transaction == 0 && step.session == 0 => say("554 5.7.1 it looks like spam"),
        _ => Act::Go,
    }));
    site.submit(1, &["one@example.net"]);
    assert_eq!(ends(&site, &["run"]).0, 0);
    assert_eq!(site.ids("failed").len(), 201);
    // Its sender is told, through the same server.
    assert_eq!(ends(&site, &["run"]).0, 0);
    let notice = server.log().taken.pop().expect("a notice");
    assert_eq!((notice.sender.as_str(), notice.recipients), ("", vec!["sender@example.org".to_owned()]));
    assert!(String::from_utf8_lossy(&notice.content).contains("it looks like spam"));
}

#[test]
fn a_quota_that_is_used_up_on_the_way_fails_nobody() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = serve(false, OFFERS[0], move |step| match step.at {
        At::Content if count.fetch_add(1, std::sync::atomic::Ordering::AcqRel) >= 50 => {
            say("550 5.4.5 daily sending quota exceeded")
        }
        _ => Act::Go,
    });
    let site = site_of(&server, "workers = 4", "");
    let letters = ordinary(120);
    queue(&site, &letters);
    let (status, said) = ends(&site, &["run"]);
    assert!(status == 75 && said.contains("daily sending quota"), "{status} {said}");
    assert_eq!(taken(&server).len(), 50);
    assert!(verdicts(&site).values().all(|told| told == &["delivered"]), "{:?}", verdicts(&site));
    server.set(Script::good());
    assert_eq!(ends(&site, &["run"]).0, 0);
    assert_came(&server, &letters, "quota");
    site.assert_clean();
}
