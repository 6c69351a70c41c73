//! A sink that is down is not a message that failed: what is refused for now counts against the entry only when something
//! else is taken.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{self, Site, signal, wait_until};

/// Probes follow one another at once.
const AT_ONCE: &str = "probe_every = 0";

/// The sink's statuses follow the recipients' digits: `mute75@` is refused for now without a word about the recipient.
fn site(policy: &str) -> Site {
    Site::new("digits", &format!("{AT_ONCE}\n{policy}"))
}

/// One that follows the file `down`: while it is there, everything is refused for now.
fn tidal(policy: &str) -> Site {
    let site = site(policy);
    let script = site.path("script");
    let down = site.path("down");
    let text = format!(
        "#!/bin/sh\n[ ! -e {0} ] || {{ echo 'sendmail: fatal: postdrop: not there' >&2; exit 75; }}\nexec {1} \"$@\"\n",
        down.display(),
        support::sink().display()
    );
    support::program(&script, &text);
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&config.replace(support::sink().to_str().expect("a path"), script.to_str().expect("a path")));
    site
}

fn set_down(site: &Site, down: bool) {
    match down {
        true => std::fs::write(site.path("down"), "").expect("written"),
        false => std::fs::remove_file(site.path("down")).expect("removed"),
    }
}

fn ready(site: &Site) -> Vec<(String, serde_json::Value, serde_json::Value)> {
    let rows = site.list().into_iter().filter(|row| row["state"] == "ready");
    rows.map(|row| (row["id"].as_str().expect("an id").to_owned(), row["attempts"].clone(), row["due"].clone()))
        .collect()
}

#[test]
fn down_at_the_first_entry_touches_nothing_and_is_said_once() {
    let site = tidal("workers = 2");
    for n in 0..30 {
        site.submit(n, &[&format!("r0@h{n}.example.net")]);
    }
    let before = ready(&site);
    let tree = |site: &Site| -> Vec<String> {
        site.tree().into_iter().filter(|line| line.contains("/ready/") || line.contains("/journal/")).collect()
    };
    let files = tree(&site);
    set_down(&site, true);
    let (status, said) = site.run_once();
    assert_eq!((status, said.lines().count()), (75, 1), "{said}");
    assert!(said.contains("the sink is down: ") && said.contains("postdrop: not there"), "{said}");
    for _ in 0..3 {
        assert_eq!(site.run_once(), (75, String::new()));
    }
    assert_eq!((ready(&site), tree(&site)), (before, files), "attempts, due times, journals");
    assert!(site.events().is_empty());
    assert_eq!(site.try_run(&["status"]).status.code(), Some(1));
    set_down(&site, false);
    let (status, said) = site.run_once();
    assert!(status == 0 && said.lines().count() == 1 && said.contains("takes mail again"), "{said}");
    assert_eq!(site.deliveries().len(), 30);
    assert!(site.list().is_empty());
    site.assert_clean();
}

#[test]
fn going_down_in_the_middle_leaves_the_rest_untouched() {
    let site = tidal("workers = 2\nmax_recipients = 1");
    // An entry with several recipients, of whom some are delivered before.
    site.submit(900, &["r0@a.example.net", "s0@b.example.net", "t0@c.example.net"]);
    for n in 0..200 {
        site.submit(n, &[&format!("r0@h{n}.example.net")]);
    }
    let run_now = site.start(&["run"]);
    wait_until("some are delivered", || site.deliveries().len() > 20);
    set_down(&site, true);
    let output = run_now.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.lines().count()), (Some(75), 1), "{said}");
    let left = ready(&site);
    // A hand-over that had begun just before the other worker's last success tells nothing of the sink.
    let touched = left.iter().filter(|(_, attempts, _)| *attempts != 0).count();
    assert!(left.len() > touched && touched <= 1, "{left:?}");
    assert_eq!(site.events().iter().filter(|event| event["verdict"] != "delivered").count(), touched);
    set_down(&site, false);
    site.ok(&["flush", "-q"]);
    let found = site.deliveries();
    assert!(found.len() == 203 && found.values().all(|&times| times == 1));
    assert!(site.list().is_empty());
    site.assert_clean();
}

#[test]
fn a_sink_that_recovers_while_it_is_probed_settles_the_refused_ones_as_deferred() {
    // The first few answers are refusals, whoever is asked; then it is up.
    let site = tidal("workers = 1\nretry = { first = \"1d\", max = \"1d\" }");
    let script = site.path("script");
    let text = std::fs::read_to_string(&script).expect("text").replace(
        "#!/bin/sh\n",
        &format!(
            "#!/bin/sh\ncd {0}\necho x >> count\n[ $(wc -l < count) -gt 4 ] || exit 75\n",
            site.dir.path().display()
        ),
    );
    support::program(&script, &text);
    for n in 0..20 {
        site.submit(n, &[&format!("r0@h{n}.example.net")]);
    }
    assert_eq!(site.run_once(), (0, String::new()));
    let left = ready(&site);
    assert_eq!((site.deliveries().len(), left.len()), (16, 4));
    assert!(left.iter().all(|(_, attempts, _)| attempts == 1), "{left:?}");
    site.assert_clean();
}

#[test]
fn entries_that_are_refused_and_come_first_keep_nobody_from_leaving() {
    // More than are needed to call the sink down, of the same sender and domain as the rest; far more workers than two.
    for (workers, bad, good) in [(1, 15, 3), (16, 40, 5)] {
        let site = site(&format!("workers = {workers}\nretry = {{ first = \"1d\", max = \"1d\" }}"));
        for n in 0..bad {
            site.submit(n, &["mute75@example.net"]);
        }
        for n in 100..100 + good {
            site.submit(n, &["r0@example.net"]);
        }
        let mut runs = 0;
        while site.deliveries().len() < good as usize {
            runs += 1;
            assert!(runs <= 5, "{workers} workers: {:?} after {runs} runs", site.deliveries());
            site.run_once();
        }
        site.assert_clean();
    }
}

#[test]
fn refusals_of_one_sender_to_all_workers_at_once_hide_nobody_elses_mail() {
    let site = site("workers = 16\nretry = { first = \"1d\", max = \"1d\" }");
    for n in 0..40 {
        site.submit_from("<>", n, &["mute64@example.net"]);
    }
    site.submit_from("a@example.org", 50, &["r0@example.com"]);
    // Sixteen refusals at the same time are one sign, and the next probe is of another sender.
    site.run_once();
    assert_eq!(site.deliveries().len(), 1);
    let deferred = ready(&site).iter().filter(|(_, attempts, _)| attempts == 1).count();
    // What was kept until that one left, none if it came first; the rest waits for the next run.
    assert!(deferred < 40, "{deferred}");
}

#[test]
fn a_null_sender_that_is_refused_by_status_64_stops_no_run() {
    let site = site("workers = 1\nretry = { first = \"1d\", max = \"1d\" }");
    let refused = site.submit_from("<>", 1, &["mute64@example.net"]);
    for n in 2..30 {
        site.submit_from("a@example.org", n, &[&format!("r0@h{n}.example.net")]);
    }
    // Alone and first of all it would call the sink down, and even then nothing else waits for it.
    for _ in 0..5 {
        site.run_once();
    }
    assert_eq!(site.deliveries().len(), 28);
    assert_eq!(site.ids("ready"), [refused.as_str()]);
    for n in 30..40 {
        site.submit_from("a@example.org", n, &[&format!("r0@h{n}.example.net")]);
    }
    site.run_once();
    assert_eq!(site.deliveries().len(), 38);
}

#[test]
fn a_word_about_the_recipient_blames_the_entry() {
    let site = site("retry = { first = \"1d\", max = \"1d\" }");
    let id = site.submit(1, &["r75@example.net"]);
    assert_eq!(site.run_once(), (0, String::new()));
    assert_eq!(ready(&site).into_iter().map(|(id, attempts, _)| (id, attempts)).collect::<Vec<_>>(), [(id, 1.into())]);
}

#[test]
fn what_is_refused_for_too_long_while_nothing_is_taken_is_held_and_that_is_said() {
    let site = site("retry = { first = \"1s\", max = \"1s\", expire = \"1s\" }");
    let id = site.submit(1, &["mute75@example.net"]);
    let mut said = String::new();
    wait_until("it is held", || {
        said = site.run_once().1;
        site.ids("hold") == [id.as_str()]
    });
    assert!(said.contains(&id) && said.contains("hold/"), "{said}");
    // The sink takes what else there is, and that ends the outage.
    site.submit(2, &["r0@example.net"]);
    assert!(site.run_once().1.contains("takes mail again"));
    site.assert_clean();
}

#[test]
fn what_was_held_for_it_and_is_released_is_tried_again() {
    let site = tidal("retry = { first = \"1s\", max = \"1s\", expire = \"1s\" }");
    let id = site.submit(1, &["r0@example.net"]);
    set_down(&site, true);
    wait_until("it is held", || {
        site.run_once();
        site.ids("hold") == [id.as_str()]
    });
    set_down(&site, false);
    site.ok(&["release", &id]);
    assert_eq!((site.run_once().0, site.deliveries().len()), (0, 1));
}

/// One that was refused once, before the command could not even be run, was refused once.
#[test]
fn a_command_that_cannot_be_run_refuses_nobody() {
    let site = tidal("retry = { first = \"1s\", max = \"1s\", expire = \"2s\" }");
    site.submit(1, &["r0@example.net"]);
    set_down(&site, true);
    assert_eq!(site.run_once().0, 75);
    let mode = |mode| std::fs::set_permissions(site.path("script"), PermissionsExt::from_mode(mode)).expect("set");
    mode(0o644);
    wait_until("more than its expiry has passed", || {
        assert_eq!(site.run_once().0, 75);
        site.oldest_age() >= 4
    });
    mode(0o755);
    set_down(&site, false);
    assert_eq!((site.run_once().0, site.deliveries().len()), (0, 1));
}

#[test]
fn a_run_with_a_time_of_its_own_waits_for_the_sink() {
    let site = tidal("workers = 2");
    for n in 0..20 {
        site.submit(n, &[&format!("r0@h{n}.example.net")]);
    }
    set_down(&site, true);
    let run = site.start(&["run", "--max-runtime", "1d"]);
    wait_until("the outage is noted", || site.path("spool/outbound/sink").exists());
    set_down(&site, false);
    let output = run.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.lines().count() == 2 && said.contains("takes mail again"), "{said}");
    assert_eq!(site.deliveries().len(), 20);
    // Told to end, it says that the sink is down by its status alone.
    set_down(&site, true);
    site.submit(50, &["r0@example.net"]);
    std::fs::remove_file(site.path("spool/outbound/sink")).unwrap_or_default();
    let run = site.start(&["run", "--max-runtime", "1d"]);
    wait_until("the outage is noted", || site.path("spool/outbound/sink").exists());
    signal("TERM", run.id());
    assert_eq!(run.wait_with_output().expect("it ends").status.code(), Some(75));
    assert_eq!(site.list()[0]["attempts"], 0);
}

#[test]
fn a_worker_that_dies_with_refused_ones_in_hand_leaves_none_in_doubt() {
    // The third probe would come in an hour.
    let site = tidal("workers = 1\non_crash = \"hold\"");
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&config.replace(AT_ONCE, "probe_every = \"1h\""));
    set_down(&site, true);
    for n in 0..3 {
        site.submit(n, &["a0@example.net", "b0@example.net"]);
    }
    let main = site.start(&["run"]);
    let answered = || {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        site.files("/journal/").into_iter().filter(|path| read(path.clone()).contains("\"--\"")).count()
    };
    wait_until("two are kept", || answered() == 2);
    let worker = support::children(support::children(main.id())[0])[0];
    signal("KILL", worker);
    signal("TERM", main.id());
    let output = main.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(70), "{output:?}");
    set_down(&site, false);
    site.run_once();
    assert_eq!(site.deliveries().len(), 6);
    assert!(site.list().is_empty());
    site.assert_clean();
}
