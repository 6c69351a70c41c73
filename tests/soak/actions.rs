//! What users, cron and the admin do, and how often.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::account::Word;
use crate::sink::SENDERS;
use crate::support::{self, Site, message};
use crate::{Lane, OnCrash};

/// One thing to do: its name, its share of all that is done, and how.
pub type Action = (&'static str, usize, fn(&mut Lane<'_>));

pub const TRAFFIC: &[Action] = &[
    ("submits", 6, |lane| lane.submit_one()),
    ("submits to several", 4, |lane| lane.submit_several()),
    ("mboxes", 3, |lane| lane.submit_mbox(None)),
    ("sendmails", 4, |lane| lane.submit_as_sendmail(None)),
    ("submitters killed", 3, |lane| lane.submit_killed()),
    ("runs", 8, |lane| lane.run()),
    ("runs killed", 2, |lane| lane.run_and_kill()),
    ("kills", 3, |lane| lane.kill()),
    ("flushes", 3, |lane| lane.flush()),
    ("flushes of a domain", 1, |lane| lane.flush_some()),
    ("keys", 2, |lane| lane.submit_with_a_key()),
    ("mail for a time", 2, |lane| lane.submit_for_a_time()),
    ("bounces", 4, |lane| lane.bounce()),
    ("posts", 3, |lane| lane.post()),
    ("posts cancelled", 1, |lane| lane.cancel()),
    ("pauses of jobs", 1, |lane| lane.pause()),
    ("jobs resumed", 3, |lane| lane.resume()),
    ("holds", 1, |lane| lane.hold()),
    ("releases", 2, |lane| lane.release()),
    ("removes", 2, |lane| lane.remove()),
    ("requeues", 2, |lane| lane.requeue()),
    ("looks", 1, |lane| lane.look()),
];

/// A run, whatever weather it has.
pub const RUN: [i32; 4] = [0, 70, 74, 75];
/// A command of a person's: done, not there, refused by a full disk, in somebody's hand.
pub const PERSON: [i32; 4] = [0, 1, 74, 75];
const DOMAINS: [&str; 3] = ["example.net", "example.org", "mail.example.com"];

impl Lane<'_> {
    pub fn tell(&self, text: &str) {
        self.soak.tell(&self.name, text);
    }

    /// The program, with the clock of this host.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.soak.site.command(args);
        self.soak.clock.give(&mut command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What must hold of whatever ended: one of these statuses and no panic; `None` is a death by our signal.
    pub fn judge(&self, what: &str, output: &Output, fine: &[i32]) -> Option<i32> {
        let said = String::from_utf8_lossy(&output.stderr);
        self.tell(&format!(
            "{what}: {}{}",
            output.status,
            said.lines().map(|line| format!(" | {line}")).collect::<String>()
        ));
        assert!(!said.contains("panicked"), "{what}: {said}");
        // Whatever lies in drop/, and for however many queues.
        let of_drop = said.lines().filter(|line| line.contains("/spool/drop")).count();
        assert!(of_drop <= 1, "{what}: {of_drop} lines about drop/: {said}");
        let code = output.status.code();
        assert!(code.is_none_or(|code| fine.contains(&code)), "{what}: {output:?}");
        code
    }

    /// Runs it to its end.
    pub fn done(&self, args: &[&str], fine: &[i32]) -> Output {
        let output = self.command(args).output().expect("it starts");
        let code = self.judge(&args.join(" "), &output, fine);
        assert!(code.is_some(), "{args:?}: {output:?}");
        output
    }

    /// A message's number, and `count` recipients that nobody else has.
    pub fn letter(&mut self, count: u64) -> (u32, Vec<String>) {
        let n = self.soak.next.fetch_add(1, Ordering::Relaxed);
        let recipient = |i| {
            let kind = self.random.of(&['o', 'o', 'o', 'o', 'o', 'o', 'o', 'f', 'd', 'd', 'k', 'h']);
            // What hangs costs a worker its time-out.
            let kind = if *kind == 'h' && self.random.below(4) > 0 { 'd' } else { *kind };
            format!("{kind}{n}x{i}@{}", self.random.of(&DOMAINS))
        };
        (n, (0..count).map(recipient).collect())
    }

    pub fn note(&self, word: Word, sender: &str, recipients: Vec<String>) {
        self.soak.account.lock().expect("no panic").note(word, sender, recipients);
    }

    /// Submits; with `mercy`, it is killed after so many microseconds at most. What it said, too.
    fn submit(&mut self, args: &[&str], input: &str, whom: &[String], mercy: Option<u64>) -> (Word, String) {
        let what = format!("{} for {}", args[0], whom.join(" "));
        self.hand_in(self.command(args), &what, input, mercy)
    }

    /// The same, of whatever command.
    pub fn hand_in(&mut self, mut command: Command, what: &str, input: &str, mercy: Option<u64>) -> (Word, String) {
        let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        if let Some(most) = mercy {
            self.random.pause(most);
            // It is not waited for yet, so its pid is nobody else's.
            kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).expect("it is there");
        }
        let output = child.wait_with_output().expect("it ends");
        let code = self.judge(what, &output, &[0, 74, 75]);
        assert!(code.is_some() || mercy.is_some(), "{output:?}");
        let word = match code {
            Some(0) => Word::Accepted,
            Some(_) => Word::Refused,
            None if !output.stdout.is_empty() => Word::Accepted,
            None => Word::Unknown,
        };
        (word, String::from_utf8(output.stdout).expect("text").trim().to_owned())
    }

    fn submit_to(&mut self, count: u64, mercy: Option<u64>) {
        let (n, recipients) = self.letter(count);
        let sender = *self.random.of(self.soak.sink.senders());
        let args = [vec!["submit", "-f", sender, "--"], recipients.iter().map(String::as_str).collect()].concat();
        let (word, _) = self.submit(&args, &message(n), &recipients, mercy);
        self.note(word, sender, recipients);
    }

    fn several(&mut self) -> u64 {
        2 + self.random.below(6)
    }

    fn submit_one(&mut self) {
        self.submit_to(1, None);
    }

    fn submit_several(&mut self) {
        let count = self.several();
        self.submit_to(count, None);
    }

    fn submit_mbox(&mut self, mercy: Option<u64>) {
        let (mut text, mut all) = (String::new(), Vec::new());
        for _ in 0..1 + self.random.below(40) {
            let (n, recipients) = self.letter(1);
            text.push_str(&format!("From sender@example.org Tue\nTo: {}\n{}\n", recipients[0], message(n)));
            all.extend(recipients);
        }
        let (word, _) = self.submit(&["submit", "--mbox", "-"], &text, &all, mercy);
        let word = self.of_many(word);
        self.note(word, SENDERS[0], all);
    }

    /// What became of several mails at once: to a spool that is not root's they go through drop/, one by one.
    fn of_many(&self, word: Word) -> Word {
        let is_drop = self.soak.neighbours.as_ref().is_some_and(|there| !there.is_roots());
        if is_drop && word != Word::Accepted { Word::Part } else { word }
    }

    fn submit_as_sendmail(&mut self, mercy: Option<u64>) {
        let count = 1 + self.random.below(4);
        let (n, recipients) = self.letter(count);
        let text = format!("To: {}\n{}.\nthis is not read\n", recipients.join(",\n "), message(n));
        let sender = *self.random.of(self.soak.sink.senders());
        let (word, _) = self.submit(&["sendmail", "-t", "-v", "-f", sender], &text, &recipients, mercy);
        self.note(word, sender, recipients);
    }

    fn submit_killed(&mut self) {
        match self.random.below(5) {
            0 => self.submit_mbox(Some(14_000)),
            1 => self.submit_as_sendmail(Some(9_000)),
            2 => {
                let (word, recipients, _) = self.post_to_some(Some(14_000));
                self.note(word, SENDERS[1], recipients);
            }
            3 => self.submit_to(1, Some(9_000)),
            _ => {
                let count = self.several();
                self.submit_to(count, Some(9_000));
            }
        }
    }

    /// An application that is killed, and does it again until it is told that it is done: it is queued once.
    fn submit_with_a_key(&mut self) {
        let (n, recipients) = self.letter(1);
        let key = format!("key {n}");
        let args = ["submit", "-f", SENDERS[0], "--key", &key, "--", &recipients[0]];
        let (mut word, _) = self.submit(&args, &message(n), &recipients, Some(9_000));
        for _ in 0..5 {
            let (again, _) = self.submit(&args, &message(n), &recipients, None);
            word = match (again, word) {
                // Whether the killed one had queued it, nobody has said yet.
                (Word::Refused, word) => word,
                (again, _) => again,
            };
        }
        self.note(word, SENDERS[0], recipients);
    }

    fn submit_for_a_time(&mut self) {
        let (n, recipients) = self.letter(1);
        let args = ["submit", "-f", SENDERS[0], "--at", "+1s", "--", &recipients[0]];
        let (word, _) = self.submit(&args, &message(n), &recipients, None);
        self.note(word, SENDERS[0], recipients);
    }

    /// A report on somebody of whom there is no other; sometimes it is killed.
    fn bounce(&mut self) {
        if self.soak.small {
            return;
        }
        let n = self.soak.next.fetch_add(1, Ordering::Relaxed);
        let whom = format!("w{n}@reported.example");
        let report = format!(
            "From: MAILER-DAEMON@mx.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
             --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n\
             Final-Recipient: rfc822; {whom}\nAction: failed\nStatus: 5.1.1\n\n--b--\n"
        );
        let mercy = (self.random.below(4) == 0).then_some(9_000);
        let args = ["submit", "--queue", "bounce", "-f", "<>", "--", "list@lists.example"];
        let (word, _) = self.submit(&args, &report, std::slice::from_ref(&whom), mercy);
        self.soak.account.lock().expect("no panic").reports.insert(whom, word);
    }

    fn post(&mut self) {
        let (word, recipients, _) = self.post_to_some(None);
        self.note(word, SENDERS[1], recipients);
    }

    /// A list post, which is a job of several entries; what became of the submission, to whom it is, and the job's id.
    fn post_to_some(&mut self, mercy: Option<u64>) -> (Word, Vec<String>, String) {
        let count = 1 + self.random.below(40);
        let (n, recipients) = self.letter(count);
        let file = self.soak.site.path(&format!("post.{n}"));
        std::fs::write(&file, message(n)).expect("written");
        let args = ["submit", "-f", SENDERS[1], "--recipients", "-", "--message", file.to_str().expect("a path")];
        let (word, id) = self.submit(&args, &(recipients.join("\n") + "\n"), &recipients, mercy);
        std::fs::remove_file(&file).expect("removed");
        (word, recipients, id)
    }

    /// Cancels a post that was just queued, if it is not done yet.
    fn cancel(&mut self) {
        let (mut word, recipients, id) = self.post_to_some(None);
        if word == Word::Accepted {
            self.random.pause(200_000);
            let output = self.done(&["jobs", "cancel", "--yes", &id], &PERSON);
            word = if output.status.code() == Some(1) { Word::Accepted } else { Word::Removed };
        }
        self.note(word, SENDERS[1], recipients);
    }

    fn pause(&mut self) {
        self.with_a_job("pause", "at work");
    }

    fn resume(&mut self) {
        self.with_a_job("resume", "paused");
    }

    fn with_a_job(&mut self, command: &str, state: &str) {
        let jobs = self.soak.jobs(state);
        if !jobs.is_empty() {
            let id = self.random.of(&jobs).clone();
            self.done(&["jobs", command, &id], &PERSON);
        }
    }

    fn hold(&mut self) {
        if self.soak.on_crash == OnCrash::Hold && self.random.below(4) > 0 {
            // Nothing is released there.
            return;
        }
        let pattern = format!("*@{}", self.random.of(&DOMAINS));
        self.done(&["hold", "--yes", "--recipient", &pattern], &PERSON);
    }

    fn release(&mut self) {
        match self.soak.on_crash {
            OnCrash::Resend => self.done(&["release", "--yes", "--queue", "outbound"], &PERSON),
            // What is held for a person is not ours to decide.
            OnCrash::Hold => self.done(&["release", "--yes", "--recipient", "nobody@*"], &PERSON),
        };
    }

    /// Removes what was just queued, if it is still there.
    fn remove(&mut self) {
        let count = self.several();
        let (n, recipients) = self.letter(count);
        let args = [vec!["submit", "-f", SENDERS[0], "--"], recipients.iter().map(String::as_str).collect()].concat();
        let (mut word, id) = self.submit(&args, &message(n), &recipients, None);
        if word == Word::Accepted {
            self.random.pause(200_000);
            let output = self.done(&["remove", &id], &PERSON);
            // Not there: it is delivered or failed, and nothing was removed.
            word = if output.status.code() == Some(1) { Word::Accepted } else { Word::Removed };
        }
        self.note(word, SENDERS[0], recipients);
    }

    /// Has something that failed tried again. Its sender is told again if it fails again.
    fn requeue(&mut self) {
        let listed = self.done(&["list", "--json", "--state", "failed"], &[0]);
        let listed = String::from_utf8(listed.stdout).expect("text");
        let rows: Vec<&str> = listed.lines().collect();
        if rows.is_empty() {
            return;
        }
        let row: serde_json::Value = serde_json::from_str(self.random.of::<&str>(&rows)).expect("JSON");
        let whom = row["recipients"].as_array().expect("a list").iter();
        let whom: Vec<String> = whom.map(|recipient| recipient.as_str().expect("text").to_owned()).collect();
        self.soak.account.lock().expect("no panic").requeued.extend(whom);
        self.done(&["requeue", row["id"].as_str().expect("an id")], &PERSON);
    }

    fn run(&mut self) {
        self.done(&["run"], &RUN);
    }

    fn flush(&mut self) {
        self.done(&["flush", "-q"], &RUN);
    }

    fn flush_some(&mut self) {
        let pattern = format!("*@{}", self.random.of(&DOMAINS));
        self.done(&["flush", "-q", "--recipient", &pattern], &[0, 1, 70, 74, 75]);
    }

    /// A run of ours: main, or all of it at once.
    fn run_and_kill(&mut self) {
        let mut main = self.command(&["run"]).spawn().expect("it starts");
        self.random.pause(60_000);
        let all = self.random.below(2) == 0;
        if all {
            // From below, so that each is still the child of one who lives. A supervisor's other child makes the syncs;
            // one that is counted in vain only allows for more.
            let supervisors = support::children(main.id());
            let workers: Vec<u32> = supervisors.iter().flat_map(|&pid| support::children(pid)).collect();
            self.kill_all(&workers, workers.len() as u32);
            self.kill_all(&supervisors, 0);
        }
        // It is not waited for yet, so its pid is nobody else's.
        main.kill().expect("it is there");
        let output = main.wait_with_output().expect("it ends");
        self.judge(if all { "a run killed" } else { "main killed" }, &output, &RUN);
    }

    /// The supervisor of whatever run has the queue, or one of its workers.
    fn kill(&mut self) {
        let site = &self.soak.site;
        let Some(supervisor) = holder(site) else { return };
        let workers = support::children(supervisor);
        if workers.is_empty() || self.random.below(4) == 0 {
            self.tell(&format!("supervisor {supervisor} is killed"));
            return self.kill_all(&[supervisor], 0);
        }
        let worker = *self.random.of(&workers);
        self.tell(&format!("worker {worker} is killed"));
        self.kill_all(&[worker], 1);
    }

    /// Workers are counted first: what one of them had in hand may be repeated at once.
    fn kill_all(&self, pids: &[u32], workers: u32) {
        self.soak.account.lock().expect("no panic").killed += workers;
        for pid in pids {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
    }

    fn look(&mut self) {
        self.soak.check();
        self.done(&["list", "--json"], &[0]);
        self.done(&["status", "--json"], &[0, 1]);
    }
}

/// The supervisor that has the queue's lock, if it is one of this site.
fn holder(site: &Site) -> Option<u32> {
    let text = std::fs::read_to_string(site.path("spool/outbound/lock")).ok()?;
    let note: serde_json::Value = serde_json::from_str(&text).ok()?;
    let pid = u32::try_from(note["pid"].as_u64()?).ok()?;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let ours = site.path("spool").display().to_string();
    String::from_utf8_lossy(&line).contains(&ours).then_some(pid)
}
