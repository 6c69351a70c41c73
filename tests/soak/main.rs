//! Everything at once for as long as one likes: submits, posts, runs, flushes, holds, removes, requeues, the red button, kills,
//! a sink in all weathers, a host that is offline, a clock that jumps, a disk that fills up; and at the end an account of every
//! recipient that was accepted: delivered, failed with a notice, or held. Lost are none, and a kill repeats at most one
//! hand-over; with an odd seed `on_crash` is "hold", and it repeats none. Two seeds in four have bounces in the place of a disk
//! that fills up, since SQLite does not find a file on that: the ledger has each once. Four seeds in eight hand over by SMTP, to
//! a server that refuses some senders and has bad hours: nobody's mail fails but theirs. Where root runs it there are
//! neighbours ([`neighbours`]): a service user or root who owns the spool, and two users who hand mail in through `drop/`.
//!
//! `SOAK_SECONDS` (by default 10) and `SOAK_SEED` choose how long and what; a failure prints its seed and what was done,
//! and copies its files to the folder `SOAK_KEEP`, if that is set.
//! What chance does is repeated by a seed, when it does it is not. New things to do go into [`actions::TRAFFIC`],
//! [`trouble::TROUBLE`] or [`user_actions::USERS`].
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

mod account;
mod actions;
mod disk;
mod junk;
mod neighbours;
mod sink;
#[path = "../support/mod.rs"]
mod support;
mod trouble;
mod user_actions;

use std::os::unix::fs::symlink;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use account::{Account, Word};
use disk::Disk;
use neighbours::Neighbours;
use sink::Sink;
use support::clock::Clock;
use support::hosts::{self, Mounts};
use support::random::{Random, number_from};
use support::{Site, crash, message};

/// Lanes of traffic beside the one of trouble.
const LANES: u64 = 4;
/// Lanes of the neighbourhood.
const LANES_OF_NEIGHBOURS: u64 = 2;
/// Recipients of one hand-over.
const GROUP: usize = 2;
/// What is said of the last things that were done.
const TOLD: usize = 300;
/// Messages that show, each time, that the sink takes mail again.
const PROOFS: u32 = 5;

/// The queue's table: it retries soon, and nothing can have waited long enough to expire or to be forgotten, whatever the
/// clock says.
const QUEUE: &str = "workers = 4\nmax_recipients = 2\njob_recipients = 5\nfailed_keep = \"36500d\"\nkey_keep = \"36500d\"\nnotices = true\n\
                     probe_every = \"0s\"\nretry = { first = \"1s\", max = \"2s\", expire = \"2h\" }";
/// Each sender hears of each failure, and each report is kept.
const OTHERS: &str = "[notices]\nper_hour = 100000\n[bounces]\nkeep = \"36500d\"\n\
                      [queue.bounce]\ntransport = \"sink\"\nworkers = 2";

/// What the seed chooses for good.
#[derive(Clone, Copy)]
struct Rules {
    on_crash: OnCrash,
    smtp: bool,
    /// The server takes content by BDAT.
    chunking: bool,
    /// The spool is on a disk that can be filled.
    small: bool,
    /// A service user owns it, where there are neighbours.
    service: bool,
}

impl Rules {
    fn of(seed: u64) -> Rules {
        let on_crash = if seed.is_multiple_of(2) { OnCrash::Resend } else { OnCrash::Hold };
        let service = !seed.is_multiple_of(3);
        Rules { on_crash, smtp: seed % 8 >= 4, chunking: seed % 16 >= 8, small: seed % 4 < 2, service }
    }
}

/// What becomes of an outcome that a crash leaves unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnCrash {
    Resend,
    Hold,
}

impl OnCrash {
    fn key(self) -> &'static str {
        match self {
            OnCrash::Resend => "on_crash = \"resend\"",
            OnCrash::Hold => "on_crash = \"hold\"",
        }
    }
}

/// What all lanes share.
struct Soak {
    /// These end before their site does.
    sink: Sink,
    disk: Option<Disk>,
    neighbours: Option<Neighbours>,
    site: Site,
    clock: Clock,
    /// The spool is on a disk that can be filled.
    small: bool,
    on_crash: OnCrash,
    account: Mutex<Account>,
    next: AtomicU32,
    over: AtomicBool,
    started: Instant,
    length: Duration,
    story: Mutex<Vec<String>>,
}

/// One hand at work.
struct Lane<'s> {
    soak: &'s Soak,
    random: Random,
    name: String,
}

impl Soak {
    /// `mounts` is where the spool's file system comes from if we are not root; without a disk it is a plain folder.
    fn new(mounts: Option<&mut Mounts>, rules: Rules, seconds: u64) -> Soak {
        let site = Site { dir: tempfile::tempdir().expect("a temporary folder") };
        let Rules { on_crash, smtp, chunking, small, service } = rules;
        let has_neighbours = neighbours::are_there();
        // Before anything is started that should see it.
        let disk = if small && has_neighbours { Disk::new(&site, &neighbours::USERS, seconds) } else { None };
        let more: &[&str] = if chunking { &["CHUNKING"] } else { &[] };
        let sink = if smtp { Sink::server(&site, more) } else { Sink::Command };
        let online = site.path("online");
        support::program(&online, "#!/bin/sh\n! [ -e \"$0.no\" ]\n");
        let online = format!("[online]\ncheck = [{:?}]\n", online.display().to_string());
        let (queue, timeout) = (format!("{QUEUE}\n{}\n{OTHERS}\n{online}", on_crash.key()), "5s");
        match sink.table() {
            None => site.set_sink("weather", &queue, timeout),
            Some(table) => site.configure(&format!(
                "[limits]\nmin_free = 0\n[queue.outbound]\ntransport = \"sink\"\n{queue}\n[transport.sink]\n\
                 timeout = \"{timeout}\"\n{table}\n"
            )),
        }
        let small = disk.is_some() || mounts.is_some();
        if let Some(mounts) = mounts {
            mounts.tmpfs(&site.path("disk"), "size=400m");
        }
        if small {
            symlink(site.path("disk").join("spool"), site.path("spool")).expect("a link");
            std::fs::create_dir(site.path("disk/spool")).expect("a folder");
        }
        let clock = Clock::new(&site);
        clock.set(0);
        let neighbours = has_neighbours.then(|| Neighbours::new(&site, service));
        let soak = Soak {
            sink,
            disk,
            neighbours,
            site,
            clock,
            small,
            on_crash,
            account: Mutex::default(),
            next: AtomicU32::new(1),
            over: AtomicBool::new(false),
            started: Instant::now(),
            length: Duration::from_secs(seconds),
            story: Mutex::default(),
        };
        soak.weather("fine");
        soak
    }

    /// What the sink does from now on.
    fn weather(&self, word: &str) {
        self.sink.set(&self.site, word);
    }

    /// From now on this host is online or not.
    fn online(&self, yes: bool) {
        let no = self.site.path("online.no");
        // It may be so already.
        let _ = if yes { std::fs::remove_file(no) } else { std::fs::write(no, "") };
    }

    fn tell(&self, lane: &str, text: &str) {
        let line = format!("{:9.3} {lane}: {text}", self.started.elapsed().as_secs_f64());
        self.story.lock().expect("no panic").push(line);
    }

    /// Lets everybody work until the time is over. Whoever finds a fault ends it for all.
    fn play(&self, seed: u64) {
        let lanes = LANES + if self.neighbours.is_some() { LANES_OF_NEIGHBOURS } else { 0 };
        std::thread::scope(|scope| {
            for lane in 0..=lanes {
                let (table, name) = match lane {
                    0 => (trouble::TROUBLE, "trouble".to_owned()),
                    n if n > LANES => (user_actions::USERS, format!("neighbours {}", n - LANES)),
                    n => (actions::TRAFFIC, format!("lane {n}")),
                };
                let random = Random(seed.wrapping_mul(31).wrapping_add(lane));
                let mut lane = Lane { soak: self, random, name };
                scope.spawn(move || {
                    let _bell = Bell(&self.over);
                    let shares: Vec<usize> =
                        table.iter().enumerate().flat_map(|(at, action)| vec![at; action.1]).collect();
                    while !self.over.load(Ordering::Relaxed) && self.started.elapsed() < self.length {
                        let (name, _, act) = table[*lane.random.of(&shares)];
                        *self.account.lock().expect("no panic").done.entry(name).or_default() += 1;
                        act(&mut lane);
                    }
                    // A run goes on for as long as something is due, and in foul weather that is always.
                    self.make_good();
                });
            }
        });
    }

    /// The ids of the jobs that are `paused`, or whatever `state` they are listed with.
    fn jobs(&self, state: &str) -> Vec<String> {
        let listed = self.site.ok(&["jobs", "list", "--json"]);
        let rows = listed.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let of_state = rows.filter(|row: &serde_json::Value| row["state"] == state);
        of_state.map(|row| row["job"].as_str().expect("an id").to_owned()).collect()
    }

    fn make_good(&self) {
        self.clock.set(0);
        self.online(true);
        self.weather("fine");
    }

    /// Queues mail that nobody refuses. A sink that takes it is not down, so that what it refuses beside it is refused for
    /// what it is.
    fn prove(&self) {
        let (mut text, mut all) = (String::new(), Vec::new());
        for _ in 0..PROOFS {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            let recipient = format!("o{n}x0@example.net");
            text.push_str(&format!("From {} Tue\nTo: {recipient}\n{}\n", sink::SENDERS[0], message(n)));
            all.push(recipient);
        }
        let output = self.site.feed(&["submit", "-q", "--mbox", "-"], text.as_bytes());
        assert!(output.status.success(), "{output:?}");
        self.account.lock().expect("no panic").note(Word::Accepted, sink::SENDERS[0], all);
    }

    /// Makes everything good again, and flushes until nothing waits.
    fn heal(&self) {
        self.make_good();
        support::wait_until("what was in hand has ended", || self.sink.busy(&self.site) == 0);
        crash::wait_for_the_lock(&self.site);
        self.site.ok(&["start"]);
        if self.on_crash == OnCrash::Resend {
            // With "hold", whoever releases what may have arrived has decided that it may come twice.
            self.site.ok(&["release", "--yes", "--queue", "outbound"]);
        }
        for job in self.jobs("paused") {
            self.site.ok(&["jobs", "resume", &job]);
        }
        support::wait_until("nothing waits", || {
            if let Sink::Server(_) = self.sink {
                self.prove();
            }
            let flushed = self.site.try_run(&["flush", "-q"]);
            // While some senders are refused, and nobody else's mail is at hand, a sink may seem to be down.
            let fine: &[i32] = if let Sink::Server(_) = self.sink { &[0, 75] } else { &[0] };
            assert!(flushed.status.code().is_some_and(|code| fine.contains(&code)), "{flushed:?}");
            // Mail that is for a time by a clock that was ahead; nobody is left to whom a flush that chooses leads.
            self.site.try_run(&["flush", "-q", "--recipient", "*@*"]);
            self.site.ids("ready").is_empty() && self.drop_is_done()
        });
    }
}

/// Rings when its lane ends, however it ends.
struct Bell<'s>(&'s AtomicBool);

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Soak {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let story = self.story.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if let Some(to) = std::env::var_os("SOAK_KEEP") {
                let copied = std::process::Command::new("cp").arg("-aL").arg(self.site.dir.path()).arg(to).status();
                eprintln!("kept: {copied:?}");
            }
            eprintln!("what was done at last:\n{}", story[story.len().saturating_sub(TOLD)..].join("\n"));
        }
    }
}

/// Says at the end how to have it again, if it has failed.
struct Seed(u64, u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again with: make soak SEED={} DURATION={}", self.0, self.1);
        }
    }
}

#[test]
fn every_recipient_is_accounted_for() {
    let seconds = number_from("SOAK_SECONDS", 10);
    let seed = number_from("SOAK_SEED", u64::from(std::process::id()));
    let _said = Seed(seed, seconds);
    let rules = Rules::of(seed);
    let mut mounts = if rules.small && !hosts::is_root() { Mounts::new() } else { None };
    let soak = Soak::new(mounts.as_mut(), rules, seconds);
    soak.play(seed);
    soak.heal();
    let account = soak.account.lock().expect("no panic");
    let judged = account.judge(&soak.site, &soak.sink, rules.on_crash == OnCrash::Resend);
    let by = if rules.smtp { "smtp" } else { "pipe" };
    println!("SOAK_SEED={seed}, {seconds} s, {by}, {}: {judged}", rules.on_crash.key());
    if let Some(there) = &soak.neighbours {
        let kills = ["runs killed", "kills"].iter().filter_map(|what| account.done.get(what)).sum::<u32>();
        println!("neighbours: {}", there.judge(&soak.site, kills as usize));
    }
    soak.check();
}
