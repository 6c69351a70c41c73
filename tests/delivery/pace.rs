//! Pace: rates and sessions hold over all workers, queues and runs, and keep nobody from ending.

use std::cell::Cell;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use bulkmailer::model::Micros;
use bulkmailer::policy::rate::Rate;
use bulkmailer::queue::Bucket;
use bulkmailer::sys::{dir, shared};

use crate::support::random::Random;
use crate::support::{self, Site, assert_silent, children, signal, term_twice, wait_until};

const CHILD: &str = "BULKMAILER_TEST_BUCKET";

/// One a millisecond, ten at once.
fn rate() -> Rate {
    Rate::new(1_000, Duration::from_secs(1), Some(10))
}

/// A process that takes what it can get from the bucket that the folder in [`CHILD`] has, by a clock that lies there, too.
#[test]
fn a_process_of_the_next_test() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let folder = dir::open(Path::new(&path)).expect("opened");
    let word = |name| shared::in_file(&folder, name).expect("a word");
    let (clock, over) = (word("clock"), word("over"));
    let bucket = Bucket::open(&folder, "bucket", rate()).expect("a bucket");
    let at = Cell::new(0);
    let read = || {
        at.set(clock.load(Ordering::SeqCst));
        Micros(at.get())
    };
    while over.load(Ordering::SeqCst) == 0 {
        if bucket.ask(true, read).is_zero() {
            println!("granted {}", at.get());
        } else {
            std::thread::yield_now();
        }
    }
}

#[test]
fn four_processes_never_get_more_than_a_burst_and_the_rate() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let folder = dir::open(temp.path()).expect("opened");
    let word = |name| shared::in_file(&folder, name).expect("a word");
    let (clock, over) = (word("clock"), word("over"));
    let begun = 1_795_000_000_000_000;
    clock.store(begun, Ordering::SeqCst);
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command.args(["--exact", "pace::a_process_of_the_next_test", "--nocapture"]).env(CHILD, temp.path());
    command.stdout(Stdio::piped());
    let children: Vec<_> = (0..4).map(|_| command.spawn().expect("it starts")).collect();
    let bucket = Bucket::open(&folder, "bucket", rate()).expect("a bucket");
    let mut random = Random(7);
    let empty = || !bucket.ask(false, || Micros(clock.load(Ordering::SeqCst))).is_zero();
    // As long as the bucket is never full, nothing of the rate is lost.
    for _ in 0..300 {
        wait_until("the bucket is empty", empty);
        clock.fetch_add(1 + random.below(9_000), Ordering::SeqCst);
    }
    wait_until("the bucket is empty", empty);
    let exact = clock.load(Ordering::SeqCst);
    // A clock that goes on meanwhile.
    for _ in 0..30_000 {
        clock.fetch_add(1 + random.below(20), Ordering::SeqCst);
        std::thread::yield_now();
    }
    over.store(1, Ordering::SeqCst);
    let outputs = children.into_iter().map(|child| child.wait_with_output().expect("it ends"));
    let mut granted: Vec<u64> = Vec::new();
    for output in outputs {
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        granted.extend(text.lines().filter_map(|line| line.split_once("granted ")?.1.parse::<u64>().ok()));
    }
    granted.sort_unstable();
    let until_then = granted.iter().filter(|at| **at <= exact).count() as u64;
    assert_eq!(until_then, 10 + (exact - begun) / 1_000);
    for (i, from) in granted.iter().enumerate() {
        for (more, to) in granted[i..].iter().enumerate() {
            assert!((more as u64) < 10 + (to - from) / 1_000, "{} from {from} to {to}", more + 1);
        }
    }
}

/// A site whose transport has these lines, too.
fn site(mode: &str, queue: &str, transport: &str) -> Site {
    let site = Site::new(mode, queue);
    let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&format!("{text}{transport}\n"));
    site
}

fn submit(site: &Site, numbers: std::ops::Range<u32>) {
    for n in numbers {
        site.submit(n, &[&format!("r{n}@example.net")]);
    }
}

fn submit_to_news(site: &Site, numbers: std::ops::Range<u32>) {
    for n in numbers {
        let args = ["submit", "-Q", "news", "-f", "s@example.org", "--", &format!("r{n}@example.net")];
        assert!(site.feed(&args, support::message(n).as_bytes()).status.success());
    }
}

/// How many of a queue's workers wait for their turn.
fn waiting(site: &Site, queue: &str) -> usize {
    site.beat(queue).map_or(0, |beat| beat.in_hand.iter().filter(|hand| hand.paced).count())
}

#[test]
fn a_rate_holds_across_runs_and_ends_none_that_has_a_time() {
    let site = site("log", "workers = 4\nrate = \"1/h\"\nburst = 3", "");
    submit(&site, 0..5);
    let run = site.start(&["run"]);
    wait_until("two wait for a token", || waiting(&site, "outbound") == 2 && site.deliveries().len() == 3);
    assert!(site.ok(&["status"]).contains("waits for its turn"));
    signal("TERM", run.id());
    assert_silent(run);
    let again: serde_json::Value =
        serde_json::from_str(&site.ok(&["run", "--json", "--max-runtime", "1s"])).expect("JSON");
    assert_eq!((&again["queues"][0]["delivered"], &again["queues"][0]["paced"]), (&0.into(), &2.into()));
    assert_eq!((site.deliveries().len(), site.ids("ready").len()), (3, 2));
    assert!(site.list().iter().all(|entry| entry["attempts"].as_u64().unwrap_or(0) == 0));
    site.assert_clean();
    // Whoever removes what a rate has left gets a new burst.
    std::fs::write(site.path("spool/pace/queue.outbound"), "cut").expect("written");
    site.ok(&["run"]);
    site.assert_each_once(0..5);
}

#[test]
fn stop_ends_who_waits_for_a_token_and_nothing_is_lost() {
    let site = site("log", "workers = 4\nrate = \"1/d\"", "");
    submit(&site, 0..3);
    let run = site.start(&["run"]);
    wait_until("two wait for a token", || waiting(&site, "outbound") == 2);
    // It returns when nothing is in hand any more.
    site.ok(&["stop"]);
    assert_silent(run);
    assert_eq!((site.deliveries().len(), site.ids("ready").len()), (1, 2));
    site.ok(&["start"]);
    site.set_sink("log", "", "30s");
    site.ok(&["run"]);
    site.assert_each_once(0..3);
    site.assert_clean();
}

#[test]
fn a_job_that_is_paused_is_let_go_by_who_waits_for_a_token() {
    let site = site("log", "rate = \"1/d\"\nmax_recipients = 1", "");
    std::fs::write(site.path("list"), "a@example.net\nb@example.net\nc@example.net\n").expect("written");
    let list = site.path("list").display().to_string();
    let post = site.feed(&["submit", "-f", "s@example.org", "--recipients", &list], support::message(1).as_bytes());
    let job = String::from_utf8(post.stdout).expect("a job's id").trim().to_owned();
    let run = site.start(&["run"]);
    wait_until("one waits for a token", || waiting(&site, "outbound") == 1 && site.deliveries().len() == 1);
    site.ok(&["jobs", "pause", &job]);
    // Nothing else is due.
    wait_until("it has nothing in hand", || waiting(&site, "outbound") == 0);
    assert_silent(run);
    site.ok(&["jobs", "resume", &job]);
    site.set_sink("log", "", "30s");
    site.ok(&["run"]);
    assert_eq!(site.deliveries().values().copied().collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn a_transports_rate_is_one_for_all_queues() {
    let site = site("log", "rate = \"100/s\"\n[queue.news]", "rate = \"1/h\"\nburst = 2");
    submit(&site, 0..2);
    submit_to_news(&site, 2..4);
    let run = site.start(&["run"]);
    let all = || waiting(&site, "outbound") + waiting(&site, "news");
    wait_until("two wait for a token", || all() == 2 && site.deliveries().len() == 2);
    signal("TERM", run.id());
    assert_silent(run);
    assert_eq!((site.deliveries().len(), site.list().len()), (2, 2));
    let left = std::fs::read_dir(site.path("spool/pace")).expect("a folder").flatten();
    let mut left: Vec<_> = left.map(|file| file.file_name().into_string().expect("text")).collect();
    left.sort();
    assert_eq!(left, ["queue.outbound", "transport.sink"]);
}

#[test]
fn probes_wait_for_no_token() {
    // With two, whoever waits for a token when the doubt begins is the only one left to probe.
    for count in [2, 12] {
        let site = site("mute=75", "workers = 2\nprobe_every = 0\nrate = \"1/d\"", "");
        submit(&site, 0..count);
        let run = site.start(&["run"]);
        wait_until("the sink is down", || site.path("spool/outbound/sink").exists());
        let output = run.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(75), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("it takes nothing"), "{output:?}");
    }
}

#[test]
fn there_are_no_more_sessions_than_a_transport_may_have() {
    let site = site("never", "workers = 5\nretry = { first = \"1h\" }", "sessions = 2");
    submit(&site, 0..5);
    let run = site.start(&["run"]);
    wait_until("two are at work and three wait", || site.sinks().len() == 2 && waiting(&site, "outbound") == 3);
    let first = site.sinks();
    signal("KILL", first[0]);
    let new = || site.sinks().into_iter().filter(|pid| !first.contains(pid)).collect::<Vec<_>>();
    wait_until("another has its place", || new().len() == 1 && site.sinks().len() == 2);
    // A killed worker's session is free, though its command lives on.
    let supervisor = children(run.id());
    let workers = supervisor.iter().flat_map(|pid| children(*pid));
    let of_first = workers.into_iter().find(|worker| children(*worker).contains(&first[1])).expect("its worker");
    signal("KILL", of_first);
    wait_until("another has its place", || new().len() == 2);
    assert!(site.sinks().contains(&first[1]));
    signal("KILL", first[1]);
    term_twice(run.id());
    let output = run.wait_with_output().expect("it ends");
    assert!(String::from_utf8_lossy(&output.stderr).contains("a worker died"), "{output:?}");
    assert_eq!(site.list().len(), 5);
    site.assert_clean();
}

#[test]
fn whoever_waits_for_a_session_has_it_before_one_that_had_it() {
    let site = site("never", "workers = 1\nretry = { first = \"1h\" }\n[queue.news]\nworkers = 1", "sessions = 1");
    submit(&site, 0..2);
    submit_to_news(&site, 2..4);
    let run = site.start(&["run"]);
    // The queue whose command is at work, by its recipient.
    let at_work = || {
        let line = std::fs::read_to_string(format!("/proc/{}/cmdline", site.sinks().first()?)).ok()?;
        let number: u32 = line.rsplit_once("\0r")?.1.split_once('@')?.0.parse().ok()?;
        Some(if number < 2 { "outbound" } else { "news" })
    };
    wait_until("one is at work and the other waits", || {
        at_work().is_some() && waiting(&site, "outbound") + waiting(&site, "news") == 1
    });
    let (first, pid) = (at_work().expect("a command"), site.sinks()[0]);
    signal("KILL", pid);
    wait_until("the next is at work", || site.sinks().first().is_some_and(|next| *next != pid) && at_work().is_some());
    assert_ne!(at_work(), Some(first));
    term_twice(run.id());
    run.wait_with_output().expect("it ends");
    assert_eq!(site.list().len(), 4);
}

#[test]
fn a_limit_that_cannot_be_kept_hands_nothing_over() {
    let site = site("log", "", "rate = \"5/s\"");
    submit(&site, 0..1);
    std::fs::create_dir_all(site.path("spool/pace/transport.sink")).expect("made");
    let output = site.try_run(&["run"]);
    assert_eq!(output.status.code(), Some(74), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("pace/transport.sink"), "{output:?}");
    assert_eq!((site.deliveries().len(), site.list().len()), (0, 1));
}
