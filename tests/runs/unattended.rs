//! What goes wrong on a host that nobody looks at for years: clocks that jump, launchers with odd habits, runs that hang,
//! workers that are killed by hand, small mail that comes while a campaign runs.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::clock::Clock;
use crate::support::{Site, assert_silent, children, signal, wait_until};

#[test]
fn a_clock_that_jumps_ends_no_worker() {
    let site = Site::new("wait=1500", "workers = 1");
    let clock = Clock::new(&site);
    site.submit(1, &["r1@example.net"]);
    let mut run = site.command(&["run"]);
    clock.give(&mut run);
    let run = run.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    wait_until("a worker is busy", || site.busy() == 1);
    clock.set(86_400);
    assert_silent(run);
    site.assert_each_once(1..2);
}

#[test]
fn a_new_day_has_an_event_file_of_its_own() {
    let site = Site::new("ok", "workers = 1");
    let clock = Clock::new(&site);
    clock.set(86_400);
    for n in 1..3 {
        site.submit(n, &[&format!("r{n}@example.net")]);
        let mut run = site.command(&["run"]);
        if n == 2 {
            clock.give(&mut run);
        }
        assert!(run.status().expect("it starts").success());
    }
    let files = std::fs::read_dir(site.path("spool/events")).expect("a folder").count();
    assert_eq!((files, site.events().len()), (2, 2));
}

#[test]
fn a_launcher_that_blocks_signals_does_no_harm() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let own = site.command(&["run"]);
    let mut command = Command::new("env");
    command.arg("--block-signal=CHLD,TERM,INT,ALRM").arg(own.get_program()).args(own.get_args());
    let output = command.output().expect("env(1)");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    site.assert_each_once(1..2);
}

/// The positions in the sink's log of the messages in `numbers`, and how long the log is.
fn positions(site: &Site, numbers: std::ops::Range<u32>) -> (Vec<usize>, usize) {
    let log = std::fs::read_to_string(site.path("log")).expect("a log");
    let number = |line: &str| line.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(u32::MAX);
    let found = log.lines().enumerate().filter(|(_, line)| numbers.contains(&number(line))).map(|(at, _)| at);
    (found.collect(), log.lines().count())
}

#[test]
fn small_mail_does_not_wait_behind_a_campaign() {
    let site = Site::new("wait=3", "workers = 1");
    site.ok(&["submit", "-q", "--mbox", site.mbox("campaign", 0..800).to_str().expect("a path")]);
    let run = site.start(&["run"]);
    wait_until("the campaign runs", || site.path("log").exists());
    site.ok(&["submit", "-q", "--mbox", site.mbox("post", 1_000..1_005).to_str().expect("a path")]);
    site.submit(1_005, &["r1005@example.net"]);
    assert_silent(run);
    let (found, all) = positions(&site, 1_000..1_006);
    assert!(found.len() == 6 && found.iter().all(|&at| at < all - 200), "{found:?} of {all}");
    assert_eq!(all, 806);
}

#[test]
fn a_batch_is_left_alone_until_its_publisher_is_done() {
    if !cfg!(feature = "faults") {
        println!("skipped: it needs --features faults");
        return;
    }
    let site = Site::new("ok", "");
    let mbox = site.mbox("box", 0..20);
    let mut submit = site.command(&["submit", "-q", "--mbox", mbox.to_str().expect("a path")]);
    let mut submit = submit.env("BULKMAILER_FAULT", "batch.renamed=stop").spawn().expect("it starts");
    wait_until("the batch is visible", || {
        std::fs::read_dir(site.path("spool/outbound/jobs")).is_ok_and(|jobs| jobs.count() == 1)
    });
    site.ok(&["run"]);
    assert!(site.deliveries().is_empty(), "its submitter has no answer yet");
    signal("CONT", submit.id());
    assert!(submit.wait().expect("it ends").success());
    site.ok(&["run"]);
    site.assert_each_once(0..20);
}

#[test]
fn a_run_that_hangs_is_noticed_and_one_that_works_is_not() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let (lock, beat) = (site.path("spool/outbound/lock"), site.path("spool/outbound/run.json"));
    let mut holder = std::fs::File::options().write(true).open(&lock).expect("the lock's file");
    holder.try_lock().expect("nobody holds it");
    let hours = SystemTime::now() - Duration::from_secs(7_200);
    let micros = hours.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_micros();
    write!(holder, "{{\"pid\":4242,\"host\":\"here\",\"started\":{micros}}}").expect("written");
    let set =
        |at| std::fs::File::options().create(true).append(true).open(&beat).and_then(|file| file.set_modified(at));
    set(SystemTime::now()).expect("set");
    let output = site.try_run(&["run"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    set(hours).expect("set");
    let output = site.try_run(&["run"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.lines().count()), (Some(75), 1), "{said}");
    assert!(said.contains("process 4242") && said.contains("hangs"), "{said}");
    holder.unlock().expect("unlocked");
    site.ok(&["run"]);
    site.assert_each_once(1..2);
}

#[test]
fn what_is_deferred_while_a_run_lingers_is_tried_again_by_it() {
    let site = Site::new("exit=75", "linger = \"4s\"\nretry = { first = \"1s\", max = \"1h\" }");
    site.submit(1, &["r1@example.net"]);
    site.ok(&["run"]);
    assert!(site.list()[0]["attempts"].as_u64().is_some_and(|attempts| attempts >= 2), "{:?}", site.list());
}

#[test]
fn a_worker_that_is_told_to_stop_by_hand_is_replaced() {
    let site = Site::new("wait=50", "workers = 1");
    for n in 0..20 {
        site.submit(n, &[&format!("r{n}@example.net")]);
    }
    let run = site.start(&["run"]);
    wait_until("a worker is busy", || site.busy() == 1);
    let supervisor = children(run.id())[0];
    for worker in children(supervisor) {
        signal("TERM", worker);
    }
    assert_silent(run);
    site.assert_each_once(0..20);
}

#[test]
fn a_journal_of_any_length_is_remembered_to_its_end() {
    let site = Site::new("exit=75", "workers = 1");
    let id = site.submit(1, &["a@example.net", "b@example.net"]);
    site.ok(&["run"]);
    let mut file = std::fs::File::options().append(true).open(site.file(&format!("{id}.log"))).expect("a journal");
    let filling = format!(
        "{{\"attempt\":2,\"at\":9,\"waited\":0,\"results\":[{{\"group\":[0,1],\"verdict\":\"deferred\",\
         \"reason\":{{\"text\":\"{}\"}}}}]}}\n",
        "x".repeat(900)
    );
    file.write_all(filling.repeat(20_000).as_bytes()).expect("written");
    file.write_all(b"{\"begun\":10,\"group\":[0],\"status\":\"D\"}\n").expect("written");
    site.set_sink("ok", "workers = 1", "30s");
    site.ok(&["flush", "-q"]);
    let found: Vec<_> = site.deliveries().into_iter().collect();
    assert_eq!(found, [((1, "b@example.net".to_owned()), 1)]);
    site.assert_clean();
}
