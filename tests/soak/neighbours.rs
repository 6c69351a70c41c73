//! The neighbourhood, where the soak runs as root: a service user whose the spool is, or root; two plain users and root who
//! hand mail in through `drop/`; what one of them puts there besides; floods, quotas, and mail that is taken back.
//!
//! What holds at the end besides the account: `drop/` has nothing but junk, and nothing in the spool is another's or for
//! others to read.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::account::Word;
use crate::actions::{Action, RUN};
use crate::disk::{self, Quota};
use crate::sink::SENDERS;
use crate::support::hosts::{self, Plain};
use crate::support::{Site, message};
use crate::{Lane, Soak, junk, support};

const MARA: u32 = 65_531;
const NILS: u32 = 65_532;
const SERVICE: u32 = 65_533;
/// Who may have quotas.
pub const USERS: [u32; 2] = [MARA, NILS];

/// Messages of a flood: from, and so many more at most. A short soak has a smaller one.
const FLOOD: (u64, u64) = (1_000, 2_000);
/// Messages in floods for each second of the soak.
const FLOODS: u64 = 40;
/// So much of a flood must be there for the other's mail to be ahead of it.
const AHEAD_OF: usize = 1_000;
/// What an adopter that is killed leaves of keys whose mail is gone; see `FORGOTTEN_MAX` of `intake::adopt`.
const KEYS_OF_A_KILL: usize = 100;
/// KiB of a user who has used up his quota.
const BALLAST: usize = 64 << 10;

pub const NEIGHBOURS: &[Action] = &[
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

/// Who lives there.
pub struct Neighbours {
    mara: Plain,
    nils: Plain,
    /// Who owns the spool, if it is not root.
    service: Option<Plain>,
    /// Who has the disk for himself for a moment: one who fills it, or a user at his quota.
    pub disk: Mutex<()>,
    /// One flood at a time; how many messages of floods there were.
    flood: Mutex<u64>,
    /// Floods in which the other's mail was looked for, and how much of them lay there still when it had been taken up.
    pub ahead: Mutex<Vec<(usize, usize)>>,
    /// Users who were at their quota.
    pub refused: AtomicU64,
}

impl Neighbours {
    /// Makes the spool of `site` theirs, by what the seed chose; the configuration and the sink are there.
    pub fn new(site: &Site, service: bool) -> Neighbours {
        let owner = if service { SERVICE } else { 0 };
        let mode =
            |path: &Path, mode: u32| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mode");
        // The service runs the sink, which writes there.
        let sink = site.path("sink");
        std::fs::copy(support::sink(), &sink).expect("a copy");
        let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
        site.configure(&config.replace(&support::sink().display().to_string(), &sink.display().to_string()));
        mode(&site.path(""), 0o711);
        mode(&site.path("bulkmailer.toml"), 0o644);
        for log in ["log", "log.notices"] {
            std::fs::write(site.path(log), "").expect("written");
            chown(site.path(log), Some(owner), Some(owner)).expect("chown");
        }
        if site.path("socket").exists() {
            mode(&site.path("socket"), 0o777);
        }
        let spool = site.path("spool");
        std::fs::create_dir_all(spool.join("drop")).expect("a folder");
        for (path, bits) in [(spool.clone(), 0o711), (spool.join("drop"), 0o3733)] {
            chown(&path, Some(owner), Some(owner)).expect("chown");
            mode(&path, bits);
        }
        disk::stand_in(&site.path("quota.so"));
        Neighbours {
            mara: Plain::with_uid(MARA),
            nils: Plain::with_uid(NILS),
            service: service.then(|| Plain::with_uid(SERVICE)),
            disk: Mutex::default(),
            flood: Mutex::default(),
            ahead: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// Whether the spool is root's.
    pub fn is_roots(&self) -> bool {
        self.service.is_none()
    }

    fn owner(&self) -> u32 {
        self.service.as_ref().map_or(0, |service| service.uid)
    }
}

/// Whether there can be neighbours, or a line that says why not.
pub fn are_there() -> bool {
    if !hosts::is_root() {
        eprintln!("skipped: the neighbourhood: only root can act as several users");
    }
    hosts::is_root()
}

/// The files in `drop/` with their owners; those that went meanwhile are left out.
fn dropped(site: &Site) -> Vec<(std::ffi::OsString, u32)> {
    let files = std::fs::read_dir(site.path("spool/drop")).expect("drop/").flatten();
    files.filter_map(|file| Some((file.file_name(), file.path().symlink_metadata().ok()?.uid()))).collect()
}

/// Each of the lists that runs wrote for a user is read by him and not by the other; how many there are.
fn lists_are_private(spool: &Path) -> usize {
    let mut lists = 0;
    for list in std::fs::read_dir(spool.join("users")).into_iter().flatten().flatten() {
        let name = list.file_name().into_string().expect("text");
        let Some(whose) = name.rsplit_once('.').and_then(|(_, uid)| uid.parse::<u32>().ok()) else { continue };
        for uid in [MARA, NILS] {
            let mut read = Command::new("setpriv");
            read.arg(format!("--reuid={uid}")).arg(format!("--regid={uid}")).args(["--clear-groups", "cat"]);
            let may = read.arg(list.path()).output().expect("setpriv").status.success();
            assert_eq!(may, uid == whose, "{name}, read by {uid}");
        }
        lists += 1;
    }
    lists
}

impl Neighbours {
    /// What must hold at the end, when nothing waits; a line about it. `kills` is how many runs may have been killed.
    pub fn judge(&self, site: &Site, kills: usize) -> String {
        let (owner, spool) = (self.owner(), site.path("spool"));
        for (name, uid) in dropped(site) {
            let is_junk = uid == NILS && name.to_string_lossy().contains("junk");
            assert!(is_junk, "left in drop/: {name:?} of {uid}");
        }
        let beside_drop = |more: &[&str]| {
            let mut find = Command::new("find");
            let shared = ["./drop", "./users"].map(|folder| spool.join(folder));
            find.arg(spool.join("."))
                .args(["(", "-path"])
                .arg(&shared[0])
                .args(["-o", "-path"])
                .arg(&shared[1])
                .arg(")");
            find.args(["-prune", "-o"]).args(more);
            String::from_utf8_lossy(&find.arg("-print").output().expect("find").stdout).into_owned()
        };
        let uid = owner.to_string();
        assert_eq!(beside_drop(&["!", "-uid", &uid]), "", "in the spool, and not its owner's");
        let open = beside_drop(&["-mindepth", "1", "-maxdepth", "1", "-perm", "/077"]);
        assert_eq!(open, "", "in the spool, and open to others");
        let lists = lists_are_private(&spool);
        let keys = beside_drop(&["-path", "*/keys/*", "-name", "d*", "-type", "f"]).lines().count();
        assert!(keys <= KEYS_OF_A_KILL * (1 + kills), "{keys} keys of adopted mail, and {kills} runs were killed");
        let ahead = self.ahead.lock().expect("no panic");
        let refused = self.refused.load(Ordering::Relaxed);
        format!("owner {owner}, {keys} keys left, {lists} lists; ahead of floods {ahead:?}; {refused} at their quota")
    }
}

impl Soak {
    /// Nothing is in `drop/` that could be adopted.
    pub fn drop_is_done(&self) -> bool {
        let of = |_: &Neighbours| dropped(&self.site).iter().all(|(name, _)| name.to_string_lossy().contains("junk"));
        self.neighbours.as_ref().is_none_or(of)
    }

    /// Whatever is going on, the spool is in order, but for what lies in `drop/`; said by the real clock, as the files'
    /// times are.
    pub fn check(&self) {
        let output = self.site.try_run(&["check", "--json"]);
        assert!(output.status.code().is_some_and(|code| code <= 1), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let problems = report["problems"].as_array().expect("a list").iter();
        let is_junk = |path: &str| path.contains("/spool/drop/") && self.neighbours.is_some();
        let other: Vec<_> = problems.filter(|row| !is_junk(row["path"].as_str().expect("text"))).collect();
        assert!(other.is_empty(), "check: {other:?}");
    }
}

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
