//! What happens to a merge while it is sent: the sink goes down, somebody is suppressed, a person pauses it, other mail comes.

use crate::job::{assert_came, merge, people, to};
use crate::support::server::letters::serve;
use crate::support::server::{Act, At, Script, say, site_of};
use crate::support::{Site, crash, wait_until};

const SLOW: &str = "retry = { first = \"1d\", max = \"1d\" }";

#[test]
fn a_sink_that_is_down_touches_no_row() {
    let site = Site::new("mute=75", &format!("workers = 2\nprobe_every = 0\n{SLOW}"));
    let mails = people(40);
    let id = merge(&site, &mails, 10);
    let _ = site.try_run(&["run"]);
    assert_came(&site, &mails, |_| 0, "it is down");
    let shown = site.json(&["jobs", "show", "--json", id.as_str()]);
    assert_eq!((&shown["left"], &shown["failed"], &shown["held"]), (&40.into(), &0.into(), &0.into()), "{shown}");
    site.set_sink("ok", &format!("workers = 2\nprobe_every = 0\n{SLOW}"), "30s");
    site.ok(&["run"]);
    assert_came(&site, &mails, |_| 1, "it is up");
    let attempts: Vec<_> = site.events().iter().filter(|event| event["attempt"].as_u64() > Some(1)).cloned().collect();
    assert!(attempts.is_empty(), "{attempts:?}");
    site.assert_clean();
}

#[test]
fn whoever_is_suppressed_meanwhile_gets_nothing() {
    let site = Site::new("ok", "workers = 2");
    let mails = to(["a@x.example", "b@x.example", "c@x.example"].map(str::to_owned));
    let id = merge(&site, &mails, 2);
    site.ok(&["suppress", "add", "b@x.example"]);
    site.ok(&["run"]);
    assert_came(&site, &mails, |to| u32::from(!to.starts_with('b')), "the others");
    let shown = site.json(&["jobs", "show", "--json", id.as_str()]);
    assert_eq!((&shown["state"], &shown["left"]), (&"done".into(), &0.into()), "{shown}");
}

#[test]
fn a_job_that_is_paused_while_it_is_sent_stops_and_goes_on_where_it_was() {
    let site = Site::new("wait=10", "workers = 3");
    let mails = people(150);
    let id = merge(&site, &mails, 50);
    for round in 1..4 {
        let mut run = site.start(&["run"]);
        let some = site.deliveries().len() + 15;
        wait_until("some came", || {
            site.deliveries().len() >= some || run.try_wait().is_ok_and(|ended| ended.is_some())
        });
        site.ok(&["jobs", "pause", id.as_str()]);
        // What was in hand is finished.
        assert!(run.wait().expect("it ends").success());
        let came = site.deliveries().len();
        site.ok(&["run"]);
        assert_eq!(site.deliveries().len(), came, "round {round}: nothing more is sent");
        let shown = site.json(&["jobs", "show", "--json", id.as_str()]);
        assert_eq!(shown["done"], came, "{shown}");
        site.ok(&["jobs", "resume", id.as_str()]);
    }
    site.ok(&["run"]);
    assert_came(&site, &mails, |_| 1, "all of it");
    crash::assert_no_surplus(&site, "paused");
    site.assert_clean();
}

#[test]
fn three_greylisted_rows_of_a_thousand_wait_alone() {
    let script = Script::steps(|step| {
        let is_grey =
            step.at == At::Rcpt && ["<r0x7@", "<r0x500@", "<r0x998@"].iter().any(|who| step.line.contains(who));
        if is_grey { say("450 4.2.0 greylisted") } else { Act::Go }
    });
    let server = serve(3, None, script);
    let site = site_of(&server, &format!("workers = 2\n{SLOW}"), "");
    let mails = people(1_000);
    let id = merge(&site, &mails, 1_000);
    site.ok(&["run"]);
    let shown = || site.json(&["jobs", "show", "--json", id.as_str()]);
    assert_eq!((&shown()["done"], &shown()["left"]), (&997.into(), &3.into()), "{}", shown());
    server.set(Script::good());
    site.ok(&["run"]);
    assert_eq!(shown()["left"], 3, "they are not due");
    site.ok(&["flush", "-q"]);
    site.ok(&["run"]);
    let mut came: Vec<String> = server.log().taken.iter().flat_map(|taken| taken.recipients.clone()).collect();
    let mut all: Vec<String> = mails.iter().map(|mail| mail.to.clone()).collect();
    came.sort();
    all.sort();
    assert_eq!(came, all, "once each");
    assert_eq!(shown()["state"], "done", "{}", shown());
    site.assert_clean();
}

#[test]
fn single_mail_does_not_wait_behind_rows() {
    let site = Site::new("ok", "workers = 1");
    let mails = people(100);
    merge(&site, &mails, 100);
    site.submit(1_000, &["single@x.example"]);
    site.ok(&["run"]);
    let log = std::fs::read_to_string(site.path("log")).expect("a log");
    let place = log.lines().position(|line| line.starts_with("1000 ")).expect("it came");
    assert!(place < 5, "{place}");
}
