//! A host that is offline now and then: nothing is said, nothing is lost, nothing ages; and mail that is due for too long
//! is said after all.

use std::net::TcpListener;

use crate::support::{self, Site, wait_until};

/// A site that asks before it sends; `online` is the table's content.
fn asking(mode: &str, extra: &str, online: &str) -> Site {
    let site = Site::new(mode, extra);
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&format!("{config}[online]\n{online}\n"));
    site
}

/// Online is where the file `net` is.
fn by_file(mode: &str, extra: &str) -> Site {
    let site = asking(mode, extra, "");
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&format!("{config}check = [\"test\", \"-e\", {:?}]\n", site.path("net").display().to_string()));
    site
}

fn go_online(site: &Site) {
    std::fs::write(site.path("net"), "").expect("written");
}

#[test]
fn offline_is_quiet_and_touches_nothing() {
    let site = by_file("ok", "retry = { first = \"1s\", max = \"1s\", expire = \"1s\" }");
    let id = site.submit(1, &["r1@example.net"]);
    wait_until("it is older than its expiry", || {
        assert_eq!(site.run_once(), (75, String::new()));
        site.oldest_age() >= 2
    });
    let row = &site.list()[0];
    assert_eq!((&row["id"], &row["attempts"], &row["state"]), (&id.into(), &0.into(), &"ready".into()));
    assert!(!site.path("spool/outbound/sink").exists() && site.deliveries().is_empty());
    assert!(site.try_run(&["status"]).status.success());
    let flush = site.try_run(&["flush"]);
    assert!(String::from_utf8_lossy(&flush.stderr).contains("this host is offline"), "{flush:?}");
    go_online(&site);
    assert_eq!(site.run_once(), (0, String::new()));
    site.assert_each_once(1..2);
}

#[test]
fn nothing_due_asks_nothing() {
    let site = by_file("ok", "");
    site.submit(1, &["r1@example.net"]);
    go_online(&site);
    site.ok(&["run"]);
    std::fs::remove_file(site.path("net")).expect("removed");
    assert_eq!(site.run_once(), (0, String::new()));
}

#[test]
fn a_connection_that_succeeds_is_online() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = listener.local_addr().expect("an address");
    let site = asking("ok", "", &format!("connect = \"{to}\""));
    site.submit(1, &["r1@example.net"]);
    assert_eq!(site.run_once(), (0, String::new()));
    site.assert_each_once(1..2);
    drop(listener);
    site.submit(2, &["r2@example.net"]);
    assert_eq!(site.run_once(), (75, String::new()));
    // A name that is none.
    site.set_sink("ok", "", "30s");
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&format!("{config}[online]\nconnect = \"nowhere.invalid:25\"\n"));
    assert_eq!(site.run_once(), (75, String::new()));
    assert_eq!(site.list()[0]["attempts"], 0);
}

/// The net goes away in the middle: the sink refuses, and it is no outage of the sink's.
#[test]
fn going_offline_in_the_middle_is_no_outage() {
    // Both kinds of answer: one that may be the entry's fault, and one that is the sink's.
    for mode in ["mute=75", "mute=127"] {
        let site = by_file(mode, "workers = 2\nprobe_every = 0");
        for n in 0..5 {
            site.submit(n, &[&format!("r@h{n}.example.net")]);
        }
        // Online when the run begins and no more after the first question.
        let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
        let once = format!("check = [\"rm\", {:?}]", site.path("net").display().to_string());
        let (before, _) = config.split_once("check = ").expect("a check");
        site.configure(&format!("{before}{once}\n"));
        go_online(&site);
        assert_eq!(site.run_once(), (75, String::new()), "{mode}");
        assert!(!site.path("spool/outbound/sink").exists());
        assert!(site.list().iter().all(|row| row["attempts"] == 0 && row["state"] == "ready"));
        assert!(site.events().is_empty());
        site.assert_clean();
        // With the net there, the same answers are.
        std::fs::write(site.path("bulkmailer.toml"), config).expect("written");
        go_online(&site);
        let (status, said) = site.run_once();
        assert!(status == 75 && said.contains("the sink is down"), "{mode}: {said}");
    }
}

#[test]
fn a_check_that_hangs_or_cannot_be_run() {
    let site = asking("ok", "", "check = [\"no-such-command-here\"]");
    site.submit(1, &["r1@example.net"]);
    assert_eq!(site.try_run(&["config", "check"]).status.code(), Some(78));
    let (status, said) = site.run_once();
    assert!(status == 0 && said.lines().count() == 1 && said.contains("no-such-command-here"), "{said}");
    site.assert_each_once(1..2);
    // A run that is told to end does not wait for the answer.
    let site = asking("ok", "", "check = [\"sleep\", \"600\"]");
    site.submit(1, &["r1@example.net"]);
    let child = site.start(&["run"]);
    let asked = || {
        let below = |pid: u32| support::children(pid).first().copied();
        below(child.id()).and_then(below).and_then(below).is_some()
    };
    wait_until("it is asked", asked);
    let sleeper = support::children(support::children(support::children(child.id())[0])[0])[0];
    support::signal("TERM", child.id());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.stderr.is_empty(), "{output:?}");
    support::signal("KILL", sleeper);
    assert!(site.deliveries().is_empty());
}

#[test]
fn mail_that_is_due_for_too_long_is_said_once_also_while_offline() {
    let site = by_file("ok", "warn_after = \"1s\"");
    site.submit(1, &["r1@example.net"]);
    let mut said = Vec::new();
    wait_until("it is said", || {
        let (status, text) = site.run_once();
        assert_eq!(status, 75);
        said.push(text);
        said.last().is_some_and(|text| !text.is_empty())
    });
    let text = said.pop().expect("some");
    assert!(said.iter().all(String::is_empty) && text.lines().count() == 1, "{text}");
    assert!(text.contains("mail is due for ") && text.contains("this host is offline"), "{text}");
    assert_eq!(site.run_once(), (75, String::new()), "once a day");
    let status = site.try_run(&["status"]);
    assert_eq!(status.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&status.stdout).contains("mail is due for "), "{status:?}");
    go_online(&site);
    assert_eq!(site.run_once(), (0, String::new()));
    assert!(site.try_run(&["status"]).status.success() && !site.path("spool/outbound/overdue").exists());
}

#[test]
fn what_goes_into_a_maildir_needs_no_net() {
    let site = asking("ok", "", "check = [\"false\"]");
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    let path = site.path("Maildir").display().to_string();
    site.configure(&format!(
        "{config}[queue.inbound]\ntransport = \"box\"\n[transport.box]\nkind = \"maildir\"\npath = {path:?}\n"
    ));
    let output = site.feed(&["submit", "-Q", "inbound", "-f", "s@x.org", "r@x.org"], support::message(1).as_bytes());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(site.run_once(), (0, String::new()));
    assert_eq!(std::fs::read_dir(site.path("Maildir/new")).expect("a Maildir").count(), 1);
}
