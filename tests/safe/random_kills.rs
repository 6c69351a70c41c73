//! Killed at 300 random instants: submitters, workers, supervisors and main, while mail is on its way. Nothing accepted is
//! lost, nothing is cut, a batch is there as a whole or not at all, and a killed worker repeats at most one message.
//!
//! `BULKMAILER_SEED` and `BULKMAILER_KILLS` (instants, by default 300) choose other ones; a failure prints its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::random::{Random, number_from};
use crate::support::{self, Site, crash};

/// Sites at work at the same time, and kills until a site is looked at.
const SITES: u64 = 3;
const ROUND: u32 = 20;
/// Messages of one batch, each to r<n>@example.net.
const BATCH: u32 = 25;
/// A single one is for r<n>, s<n> and t<n>, and goes in two groups.
const NAMES: [&str; 3] = ["r", "s", "t"];

/// A site, and what is known of the mail that was brought to it.
struct Round {
    site: Site,
    random: Random,
    next: u32,
    /// First number and how many, of what was accepted and of what was killed before it said so.
    accepted: Vec<(u32, u32)>,
    unknown: Vec<(u32, u32)>,
    /// Workers that were killed.
    killed: u32,
    /// With `on_crash = "hold"` nothing is repeated, and what is in doubt is held.
    hold: bool,
    /// What was done, to be printed.
    story: Vec<String>,
}

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what was done:\n{}", self.story.join("\n"));
        }
    }
}

impl Round {
    fn new(seed: u64) -> Round {
        // A group of several, a slow sink now and then, more workers than processors.
        let mut random = Random(seed);
        let mode = ["ok", "ok", "wait=3", "slow"][random.below(4) as usize];
        let hold = random.below(3) == 0;
        let on_crash = if hold { "hold" } else { "resend" };
        let site = Site::new(mode, &format!("workers = 4\nmax_recipients = 2\non_crash = \"{on_crash}\""));
        let story = vec![format!("BULKMAILER_SEED={seed}, sink {mode}, on_crash {on_crash}")];
        Round { site, random, next: 0, accepted: Vec::new(), unknown: Vec::new(), killed: 0, hold, story }
    }

    /// Starts a submitter of one message or a batch.
    fn submitter(&mut self, many: bool) -> (Child, (u32, u32)) {
        let part = (self.next, if many { BATCH } else { 1 });
        self.next += part.1;
        let mbox = self.site.mbox("box", part.0..part.0 + part.1);
        let mut command = if many {
            self.site.command(&["submit", "--mbox", mbox.to_str().expect("a path")])
        } else {
            self.site.command(&["submit", "-t", "-f", "sender@example.org"])
        };
        if !many {
            let path = self.site.path("message");
            let to = NAMES.map(|name| format!("{name}{}@example.net", part.0)).join(", ");
            let text = format!("To: {to}\n{}", support::message(part.0));
            std::fs::write(&path, text).expect("written");
            command.stdin(std::fs::File::open(path).expect("opened"));
        }
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        (child, part)
    }

    fn submit(&mut self, many: bool) {
        let (child, part) = self.submitter(many);
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
        self.accepted.push(part);
    }

    /// `true` if it had not ended before.
    fn kill_a_submitter(&mut self) -> bool {
        let many = self.random.below(2) == 0;
        let (child, part) = self.submitter(many);
        let after = self.random.pause(if many { 12_000 } else { 7_000 });
        // It is not waited for yet, so its pid is nobody else's.
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).expect("it is there");
        let output = child.wait_with_output().expect("it ends");
        self.story.push(format!("submit {part:?} killed after {after} µs: {output:?}"));
        // Who said so before he was killed has accepted it.
        if output.stdout.is_empty() {
            self.unknown.push(part);
        } else {
            self.accepted.push(part);
        }
        crash::was_killed(&output)
    }

    /// Kills a process of a run that has something to do: main, the supervisor, or a worker. `true` if it was there.
    fn kill_in_a_run(&mut self) -> bool {
        let many = self.random.below(3) > 0;
        self.submit(many);
        let mut main = self.site.start(&["run"]);
        let which = self.random.below(6);
        if self.random.below(2) == 0 {
            let lines = self.site.deliveries().values().sum::<u32>();
            let more = lines + 1 + self.random.below(3) as u32;
            let mut ended = false;
            support::wait_until("some are delivered", || {
                ended = main.try_wait().expect("it is ours").is_some();
                ended || self.site.deliveries().values().sum::<u32>() >= more
            });
        }
        let after = self.random.pause(20_000);
        let name = match which {
            0 => "main",
            1 => "supervisor",
            _ => "worker",
        };
        let hit = self.hit(&main, name);
        self.story.push(format!("run: {name} {hit:?} killed after {after} µs"));
        if hit.is_some() && name == "worker" {
            self.killed += 1;
        }
        // Whether killed or not; a killed main's supervisor and workers go on until they have finished.
        let output = main.wait_with_output().expect("it ends");
        let code = output.status.code();
        let fine = match (name, hit) {
            // It may have ended just before, and was waited for by nobody yet.
            ("main", Some(_)) => code.is_none() || code == Some(0),
            ("supervisor" | "worker", Some(_)) => code == Some(70) || code == Some(0),
            _ => code == Some(0),
        };
        assert!(fine, "{name} {hit:?}: {output:?}");
        hit.is_some() && (name != "main" || code.is_none())
    }

    /// Kills main, its supervisor or one of its workers; the pid, if there is such a one.
    fn hit(&mut self, main: &Child, name: &str) -> Option<u32> {
        let supervisor = || support::children(main.id()).first().copied();
        let pid = match name {
            "main" => Some(main.id()),
            "supervisor" => supervisor(),
            _ => {
                let workers = supervisor().map(support::children).unwrap_or_default();
                let count = workers.len() as u64;
                (count > 0).then(|| workers[self.random.below(count) as usize])
            }
        }?;
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).is_ok().then_some(pid)
    }

    /// What must hold whatever was killed.
    fn judge(&mut self) {
        crash::wait_for_the_lock(&self.site);
        self.site.assert_clean();
        crash::drain(&self.site);
        // By message and group: r and s go together, t alone.
        let mut times: BTreeMap<(u32, bool), u32> = BTreeMap::new();
        let found = self.site.deliveries();
        for ((number, recipient), count) in &found {
            let group = times.entry((*number, recipient.starts_with('t'))).or_default();
            *group = (*count).max(*group);
        }
        let rows = self.site.list();
        let held: BTreeSet<&str> = (rows.iter().filter(|row| row["state"] == "hold"))
            .flat_map(|row| row["recipients"].as_array().expect("a list"))
            .filter_map(|recipient| recipient.as_str())
            .collect();
        assert!(held.is_empty() || self.hold, "held: {held:?}");
        assert!(held.len() as u32 <= 2 * self.killed, "{} workers were killed, and held are {held:?}", self.killed);
        let arrived = |number: u32, name: &str| {
            let recipient = format!("{name}{number}@example.net");
            held.contains(recipient.as_str()) || found.contains_key(&(number, recipient))
        };
        let names: fn(u32) -> &'static [&'static str] = |count| if count == 1 { &NAMES } else { &NAMES[..1] };
        let arrived = |(first, count): (u32, u32)| -> u32 {
            let of = |number| names(count).iter().filter(|name| arrived(number, name)).count() as u32;
            (first..first + count).map(of).sum()
        };
        let all = |(_, count): (u32, u32)| count * names(count).len() as u32;
        for &part in &self.accepted {
            assert_eq!(arrived(part), all(part), "accepted and lost: {part:?}");
        }
        let mut queued = 0;
        for &part in &self.unknown {
            assert!([0, all(part)].contains(&arrived(part)), "{} of {part:?}", arrived(part));
            queued += u32::from(arrived(part) > 0);
        }
        let known: u32 = self.accepted.iter().chain(&self.unknown).map(|&part| arrived(part)).sum();
        let doubtful = held.iter().filter(|held| !found.keys().any(|(_, found)| found == *held)).count();
        assert_eq!((found.len() + doubtful) as u32, known, "something else arrived");
        let again: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        let surplus: u32 = again.iter().map(|(_, times)| **times - 1).sum();
        let most = if self.hold { 0 } else { self.killed };
        assert!(surplus <= most, "{} workers were killed, and {again:?} came again", self.killed);
        crash::assert_events_tell_the_truth(&self.site, 2 * self.killed as usize, "at the end of a round");
        assert!(rows.iter().all(|row| row["state"] == "hold"), "{rows:?}");
        self.site.assert_clean();
        let corrupt = std::fs::read_dir(self.site.path("spool/outbound/corrupt")).into_iter().flatten().count();
        assert_eq!(corrupt, 0, "something was half-written");
        println!(
            "{}: {} submits said nothing, {queued} of them had queued; {} workers killed, {surplus} groups repeated, {} held",
            self.story[0],
            self.unknown.len(),
            self.killed,
            held.len()
        );
    }
}

fn play(seed: u64, kills: u32) {
    let mut round = Round::new(seed);
    let mut hits = 0;
    for _ in 0..20 * kills {
        hits += match round.random.below(5) {
            0 | 1 => u32::from(round.kill_a_submitter()),
            _ => u32::from(round.kill_in_a_run()),
        };
        if hits == kills {
            break;
        }
    }
    assert_eq!(hits, kills, "the processes are gone before they are killed");
    round.judge();
}

#[test]
fn three_hundred_random_instants() {
    let seed = number_from("BULKMAILER_SEED", u64::from(std::process::id()));
    let kills = number_from("BULKMAILER_KILLS", 300);
    let rounds = kills.div_ceil(ROUND.into());
    std::thread::scope(|scope| {
        for lane in 0..SITES {
            scope.spawn(move || {
                for round in (0..rounds).skip(lane as usize).step_by(SITES as usize) {
                    let left = kills - round * u64::from(ROUND);
                    play(seed.wrapping_add(round), u32::try_from(left).unwrap_or(ROUND).min(ROUND));
                }
            });
        }
    });
}
