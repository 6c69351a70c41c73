//! What users do in the soak, beside each other and the service: they hand mail in, in every way; they flood; they put junk
//! into `drop/`; they take mail back; they reach their quota.

use crate::account::Word;
use crate::actions::{Action, RUN};
use crate::disk::Quota;
use crate::neighbours::{Neighbours, dropped};
use crate::sink::SENDERS;
use crate::support::drop::{MARA, NILS};
use crate::support::hosts::Plain;
use crate::support::{Site, message};
use crate::{Lane, junk};
use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Messages of a flood: from, and so many more at most. A short soak has a smaller one.
const FLOOD: (u64, u64) = (1_000, 2_000);
/// Messages in floods for each second of the soak.
const FLOODS: u64 = 40;
/// So much of a flood must be there for the other's mail to be ahead of it.
const AHEAD_OF: usize = 1_000;
/// KiB of a user who has used up his quota.
const BALLAST: usize = 64 << 10;

pub const USERS: &[Action] = &[
    ("users' submits", 10, |lane| lane.user_submits()),
    ("users' sendmails", 6, |lane| lane.user_sendmail()),
    ("users' SMTP", 4, |lane| lane.user_smtp()),
    ("users' mboxes", 3, |lane| lane.user_mbox()),
    ("users' keys", 3, |lane| lane.user_key()),
    ("users' mail for a time", 2, |lane| lane.user_time()),
    ("users killed", 3, |lane| lane.user_killed()),
    ("the service's runs", 3, |lane| lane.service_runs()),
    ("junk", 8, |lane| lane.junk()),
    ("restless mail", 3, |lane| lane.restless()),
    ("junk removed", 3, |lane| lane.remove_junk()),
    ("floods", 2, |lane| lane.flood()),
    ("withdrawals", 4, |lane| lane.withdraw()),
    ("quotas", 3, |lane| lane.quota()),
];

impl<'s> Lane<'s> {
    fn there(&self) -> &'s Neighbours {
        self.soak.neighbours.as_ref().expect("they are there")
    }

    fn user(&mut self) -> &'s Plain {
        let Neighbours { mara, nils, .. } = self.there();
        if self.random.below(2) == 0 { mara } else { nils }
    }

    /// The program, by `user`, with the clock of this host and his quota.
    fn by(&self, user: &Plain, args: &[&str]) -> Command {
        let (site, mut command) = (&self.soak.site, user.bare(args));
        self.soak.clock.give(&mut command);
        let libraries = format!("{}:{}", site.path("skew.so").display(), site.path("quota.so").display());
        command.env("LD_PRELOAD", libraries).env("QUOTA", quota_file(site, user));
        command.env("BULKMAILER_SPOOL", site.path("spool")).env("BULKMAILER_CONFIG", site.path("bulkmailer.toml"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `user` hands in; what came of it, and what was printed.
    fn of_user(&mut self, user: &Plain, args: &[&str], input: &str, mercy: Option<u64>) -> (Word, String) {
        let what = format!("{} of {}", args.join(" "), user.uid);
        self.hand_in(self.by(user, args), &what, input, mercy)
    }

    fn user_submit_to(&mut self, user: &Plain, count: u64, mercy: Option<u64>) -> (Word, Vec<String>, String) {
        let (n, recipients) = self.letter(count);
        let to = recipients.iter().map(String::as_str).collect();
        let args = [vec!["submit", "-f", SENDERS[0], "--"], to].concat();
        let (word, id) = self.of_user(user, &args, &message(n), mercy);
        (word, recipients, id)
    }

    fn user_submits(&mut self) {
        let (user, count) = (self.user(), 1 + self.random.below(4));
        let (word, recipients, _) = self.user_submit_to(user, count, None);
        self.note(word, SENDERS[0], recipients);
    }

    fn user_killed(&mut self) {
        let (user, count) = (self.user(), 1 + self.random.below(4));
        let (word, recipients, _) = self.user_submit_to(user, count, Some(9_000));
        self.note(word, SENDERS[0], recipients);
    }

    fn user_sendmail(&mut self) {
        let (user, count) = (self.user(), 1 + self.random.below(4));
        let (n, recipients) = self.letter(count);
        let text = format!("To: {}\n{}.\nthis is not read\n", recipients.join(",\n "), message(n));
        let (word, _) = self.of_user(user, &["sendmail", "-t", "-f", SENDERS[1]], &text, None);
        self.note(word, SENDERS[1], recipients);
    }

    fn user_smtp(&mut self) {
        let (user, count) = (self.user(), 1 + self.random.below(4));
        let (n, recipients) = self.letter(count);
        let to: String = recipients.iter().map(|recipient| format!("RCPT TO:<{recipient}>\r\n")).collect();
        let text = message(n).replace('\n', "\r\n");
        let input = format!("EHLO here\r\nMAIL FROM:<{}>\r\n{to}DATA\r\n{text}.\r\nQUIT\r\n", SENDERS[0]);
        let (_, said) = self.of_user(user, &["sendmail", "-bs"], &input, None);
        let answer = said.lines().skip_while(|line| !line.starts_with("354")).nth(1);
        let word = if answer.is_some_and(|line| line.starts_with("250")) { Word::Accepted } else { Word::Refused };
        self.note(word, SENDERS[0], recipients);
    }

    /// An mbox of so many messages; perhaps nobody refuses any of them.
    fn user_sends_mbox(&mut self, user: &Plain, messages: u64, easy: bool) -> Word {
        let (mut text, mut all) = (String::new(), Vec::new());
        for _ in 0..messages {
            let (n, mut recipients) = self.letter(1);
            if easy {
                recipients = vec![format!("o{n}x0@example.net")];
            }
            text.push_str(&format!("From {} Tue\nTo: {}\n{}\n", SENDERS[0], recipients[0], message(n)));
            all.extend(recipients);
        }
        let (word, _) = self.of_user(user, &["submit", "-q", "--mbox", "-"], &text, None);
        // It goes into drop/ one by one, and some may be taken up before the rest is refused.
        self.note(if word == Word::Accepted { word } else { Word::Part }, SENDERS[0], all);
        word
    }

    fn user_mbox(&mut self) {
        let (user, messages) = (self.user(), 1 + self.random.below(30));
        self.user_sends_mbox(user, messages, false);
    }

    /// As root's in `actions`, and the key's name is the same for both users: it is each one's own.
    fn user_key(&mut self) {
        let key = format!("key {}", self.soak.next.load(Ordering::Relaxed));
        let Neighbours { mara, nils, .. } = self.there();
        for user in [mara, nils] {
            let (n, recipients) = self.letter(1);
            let args = ["submit", "-f", SENDERS[0], "--key", &key, "--", &recipients[0]];
            let (mut word, _) = self.of_user(user, &args, &message(n), Some(9_000));
            for _ in 0..3 {
                let (again, _) = self.of_user(user, &args, &message(n), None);
                word = if again == Word::Refused { word } else { again };
            }
            self.note(word, SENDERS[0], recipients);
        }
    }

    /// By the real clock: one that is a year ahead would have it wait for longer than is allowed.
    fn user_time(&mut self) {
        let (user, (n, recipients)) = (self.user(), self.letter(1));
        let mut command = self.by(user, &["submit", "-f", SENDERS[0], "--at", "+1s", "--", &recipients[0]]);
        command.env("LD_PRELOAD", self.soak.site.path("quota.so"));
        let (word, _) = self.hand_in(command, &format!("submit --at of {}", user.uid), &message(n), None);
        self.note(word, SENDERS[0], recipients);
    }

    /// The spool's owner needs no root: he runs, and hands in as his own.
    fn service_runs(&mut self) {
        let Some(service) = &self.there().service else { return };
        if self.random.below(3) == 0 {
            let (word, recipients, _) = self.user_submit_to(service, 2, None);
            return self.note(word, SENDERS[0], recipients);
        }
        let (spool, config) = (self.soak.site.path("spool"), self.soak.site.path("bulkmailer.toml"));
        let options = ["--spool", spool.to_str().expect("a path"), "--config", config.to_str().expect("a path"), "run"];
        let output = self.by(service, &options).output().expect("it starts");
        self.judge("run of the service", &output, &RUN);
    }

    /// A script of a user's, in which `whom` is who gets its mail.
    fn script(&self, user: &Plain, script: &str, n: u64, whom: &str, args: &[std::ffi::OsString]) {
        let mut shell = user.as_him(Path::new("/bin/sh"));
        shell.arg("-c").arg(format!("{}{script}", junk::WORDS)).arg("sh").args(args);
        shell.env("D", self.soak.site.path("spool/drop")).env("N", n.to_string()).env("WHOM", whom);
        // The disk may be full, or his quota.
        let _ = shell.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    fn junk(&mut self) {
        let n = u64::from(self.soak.next.fetch_add(1, Ordering::Relaxed));
        let (what, script) = self.random.of(junk::JUNK);
        self.tell(&format!("junk {n}: {what}"));
        // Such an address tells at once what was delivered.
        let whom = format!("junk{n}@{}.example", what.replace(' ', "-"));
        self.script(&self.there().nils, script, n, &whom, &[]);
    }

    fn restless(&mut self) {
        let n = u64::from(self.soak.next.fetch_add(1, Ordering::Relaxed));
        let whom = format!("m{n}x0@example.net");
        self.script(&self.there().nils, junk::RESTLESS, n, &whom, &[]);
        self.tell(&format!("junk {n}: restless"));
        self.note(Word::Unknown, "s@x.org", vec![whom]);
    }

    fn remove_junk(&mut self) {
        let mut all = dropped(&self.soak.site);
        all.retain(|(name, uid)| *uid == NILS && name.to_string_lossy().contains("junk") && self.random.below(2) == 0);
        let names: Vec<_> = all.into_iter().map(|(name, _)| name).collect();
        self.tell(&format!("{} pieces of junk are removed", names.len()));
        self.script(&self.there().nils, junk::REMOVE, 0, "", &names);
    }

    /// One floods, and the other's single mail is taken up before the flood is over.
    fn flood(&mut self) {
        let (soak, there) = (self.soak, self.there());
        let Ok(mut floods) = there.flood.try_lock() else { return };
        let budget = (FLOODS * soak.length.as_secs()).saturating_sub(*floods);
        let size = (FLOOD.0 + self.random.below(FLOOD.1)).min(budget);
        if size < FLOOD.0 / 4 {
            return;
        }
        *floods += size;
        self.user_sends_mbox(&there.mara, size, true);
        let (word, recipients, _) = self.user_submit_to(&there.nils, 1, None);
        self.note(word, SENDERS[0], recipients.clone());
        let before = dropped(&soak.site);
        let flood: HashSet<_> = before.iter().filter(|(_, uid)| *uid == MARA).map(|(name, _)| name).collect();
        let his = before.iter().find(|(name, uid)| *uid == NILS && holds(&soak.site, name, &recipients[0]));
        self.tell(&format!("a flood of {size}, and {} of it there; his is there: {}", flood.len(), his.is_some()));
        if word != Word::Accepted || flood.len() < AHEAD_OF {
            return;
        }
        let left = loop {
            let now: BTreeSet<_> = dropped(&soak.site).into_iter().map(|(name, _)| name).collect();
            let left = flood.iter().filter(|name| now.contains(**name)).count();
            if his.is_none_or(|(name, _)| !now.contains(name)) {
                break left;
            }
            if soak.over.load(Ordering::Relaxed) || soak.started.elapsed() > soak.length {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        };
        self.tell(&format!("his was taken up when {left} of {} lay there still", flood.len()));
        there.ahead.lock().expect("no panic").push((left, flood.len()));
        assert!(left > 0, "a flood of {} was over before the other's mail was taken up", flood.len());
    }

    /// A user takes back what he has just handed in; the other may not.
    fn withdraw(&mut self) {
        let Neighbours { mara, nils, .. } = self.there();
        let (owner, other) = if self.random.below(2) == 0 { (mara, nils) } else { (nils, mara) };
        let (mut word, recipients, id) = self.user_submit_to(owner, 2, None);
        if word == Word::Accepted {
            self.random.pause(100_000);
            let user = if self.random.below(3) == 0 { other } else { owner };
            let output = self.by(user, &["remove", &id]).output().expect("it starts");
            let code = self.judge(&format!("remove {id} of {}", user.uid), &output, &[0, 1, 74, 75, 77]);
            if code == Some(0) && user.uid == owner.uid {
                word = Word::Removed;
            }
        }
        self.note(word, SENDERS[0], recipients);
    }

    /// One has used up his quota: his mail is refused for now, and the other's is not.
    fn quota(&mut self) {
        let (soak, there) = (self.soak, self.there());
        let _disk = there.disk.lock().expect("no panic");
        let (Neighbours { mara, nils, .. }, which) = (there, *self.random.of(&[Quota::Bytes, Quota::Files]));
        let (full, other) = if self.random.below(2) == 0 { (mara, nils) } else { (nils, mara) };
        let ballast_of = u64::from(soak.next.fetch_add(1, Ordering::Relaxed));
        let ballast = "mkdir $D/nosuch.junk$N; cd $D/nosuch.junk$N; head -c $WHOM /dev/zero > 0; : > 1; : > 2; : > 3";
        self.script(full, ballast, ballast_of, &BALLAST.to_string(), &[]);
        let kernel = soak.disk.as_ref().filter(|disk| disk.has_quotas());
        let file = quota_file(&soak.site, full);
        match kernel {
            Some(disk) => disk.exhaust(full.uid, which),
            None => std::fs::write(&file, if let Quota::Bytes = which { "b" } else { "i" }).expect("written"),
        }
        let (n, recipients) = self.letter(1);
        let args = ["submit", "-f", SENDERS[0], "--", &recipients[0]];
        let mut child = self.by(full, &args).stdin(Stdio::piped()).spawn().expect("it starts");
        let _ = child.stdin.take().expect("piped").write_all(message(n).as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let what = format!("submit of {} at his quota, {which:?}", full.uid);
        self.judge(&what, &output, &[75]);
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{what}: {output:?}");
        let left: Vec<_> =
            dropped(&soak.site).into_iter().filter(|(name, _)| holds(&soak.site, name, &recipients[0])).collect();
        assert!(left.is_empty(), "{what}: it left {left:?}");
        self.note(Word::Refused, SENDERS[0], recipients);
        let (word, recipients, _) = self.user_submit_to(other, 1, None);
        assert_eq!(word, Word::Accepted, "{} has used up his quota, and {} is refused", full.uid, other.uid);
        self.note(word, SENDERS[0], recipients);
        match kernel {
            Some(disk) => disk.restore(full.uid),
            None => std::fs::remove_file(&file).expect("removed"),
        }
        self.script(full, "rm -rf $D/nosuch.junk$N", ballast_of, "", &[]);
        there.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where the library that stands in for quotas looks.
fn quota_file(site: &Site, user: &Plain) -> std::path::PathBuf {
    site.path(&format!("quota.{}", user.uid))
}

/// Whether the file in `drop/` is a mail to `recipient`.
fn holds(site: &Site, name: &std::ffi::OsStr, recipient: &str) -> bool {
    let path = site.path("spool/drop").join(name);
    let is_small = path.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() < 1 << 20);
    is_small && std::fs::read(&path).is_ok_and(|text| String::from_utf8_lossy(&text).contains(recipient))
}
