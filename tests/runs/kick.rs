//! `kick = true`: submit starts a run of its own, for hosts where nothing else does.

use crate::support::{self, Site, crash, message, wait_until};

#[test]
fn what_is_submitted_is_delivered_with_no_run_by_anybody() {
    let site = Site::new("ok", "kick = true");
    site.submit(1, &["r1@example.net"]);
    wait_until("it is delivered", || site.deliveries().len() == 1);
    let mut mail = site.command(&["sendmail", "r2@example.net"]);
    mail.env("BULKMAILER_SPOOL", site.path("spool")).env("BULKMAILER_CONFIG", site.path("bulkmailer.toml"));
    assert!(support::feed(mail, message(2).as_bytes()).status.success());
    let mbox = site.mbox("box", 3..8);
    site.ok(&["submit", "-q", "--mbox", mbox.to_str().expect("a path")]);
    wait_until("all is delivered", || site.deliveries().len() == 7);
    crash::wait_for_the_lock(&site);
    site.assert_each_once(1..8);
    site.assert_clean();
}

#[test]
fn many_submits_at_once_kick_many_runs_and_nothing_is_sent_twice() {
    let site = Site::new("ok", "kick = true\nworkers = 3");
    std::thread::scope(|scope| {
        for n in 0..24 {
            let site = &site;
            scope.spawn(move || site.submit(n, &[&format!("r{n}@example.net")]));
        }
    });
    wait_until("all is delivered", || site.deliveries().len() == 24);
    crash::wait_for_the_lock(&site);
    site.assert_each_once(0..24);
    site.assert_clean();
}

#[test]
fn a_sink_that_is_down_is_said_by_the_next_run_that_somebody_hears() {
    let site = Site::new("ok", "kick = true");
    let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    let gone = text.replace(&support::sink().display().to_string(), "/nonexistent/sendmail");
    site.configure(&gone);
    let output = site.feed(&["submit", "-q", "r1@example.net"], message(1).as_bytes());
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    wait_until("the kicked run was there", || site.path("spool/outbound/swept").exists());
    // Said by the first launch after its end.
    let mut said = String::new();
    wait_until("it is said", || {
        let output = site.try_run(&["run"]);
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        !said.is_empty()
    });
    assert!(said.lines().count() == 1 && said.contains("the sink is down"), "{said}");
    site.configure(&text);
    site.try_run(&["run"]);
    site.assert_each_once(1..2);
}
