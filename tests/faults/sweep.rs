//! Faults at system calls: which calls a command makes, and each made to fail or to kill.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::account;
use crate::scene::{Scene, Template};
use crate::support::Site;
use crate::support::trace::{trace, traced};

/// What changes a spool or syncs it. The question mark is for those that some machines do not have.
const CALLS: &str = "?open,openat,?creat,write,writev,pwrite64,?pwritev,fsync,fdatasync,syncfs,?link,linkat,?rename,?renameat,\
                     renameat2,?unlink,unlinkat,?rmdir,?mkdir,mkdirat,utimensat,?chmod,fchmod,fchmodat,?chown,fchown,fchownat,\
                     ftruncate,?truncate,fallocate,flock";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Eio,
    Enospc,
    Kill,
}

impl Fault {
    pub const ALL: [Fault; 3] = [Fault::Eio, Fault::Enospc, Fault::Kill];

    fn inject(self) -> &'static str {
        match self {
            Fault::Eio => "error=EIO",
            Fault::Enospc => "error=ENOSPC",
            Fault::Kill => "signal=KILL",
        }
    }
}

/// The call of a kind that is hit, by its number in each thread.
#[derive(Clone, Debug)]
pub struct Pick {
    pub kind: String,
    pub number: usize,
    pub fault: Fault,
}

impl Pick {
    /// The one that the environment variable `FAULT` has in the form in which a failure prints it.
    pub fn named() -> Option<Pick> {
        let text = std::env::var("FAULT").ok().filter(|text| !text.is_empty())?;
        let mut words = text.split(':');
        let (kind, number, fault) = (words.next()?, words.next()?, words.next()?);
        let fault = Fault::ALL.into_iter().find(|known| known.inject() == fault).expect("a fault");
        Some(Pick { kind: kind.to_owned(), number: number.parse().expect("a number"), fault })
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAULT={}:{}:{}", self.kind, self.number, self.fault.inject())
    }
}

/// What became of picks.
pub struct Played {
    /// Of those that went wrong, which, and why.
    pub faults: Vec<String>,
    /// How many met no call, since processes do not always do the same.
    pub missed: usize,
}

/// What a command did after a fault.
pub struct Struck {
    pub output: Output,
    /// The kind of call.
    pub kind: String,
    /// Processes that were killed.
    pub kills: usize,
    /// Calls that failed.
    pub failed: usize,
    /// What it had to say was hit, too.
    pub mute: bool,
}

/// Whether a line of a trace is a call that changes what is below `spool`: of the opens only those that may make a file.
fn changes(line: &str, spool: &str) -> bool {
    let opens = line.contains(" openat(") || line.contains(" open(");
    // A descriptor's path, or a path that is given; what is written may have it, too.
    let touches = line.contains(&format!("<{spool}")) || line.contains(&format!("\"{spool}"));
    touches && (!opens || line.contains("O_CREAT") || line.contains("O_TMPFILE"))
}

/// The kind of call that a line of a trace has.
fn kind(line: &str) -> Option<(&str, &str)> {
    let (pid, rest) = line.split_once(' ')?;
    let (kind, _) = rest.trim_start().split_once('(')?;
    kind.bytes().all(|b| b.is_ascii_alphanumeric()).then_some((pid, kind))
}

/// The numbers of the calls in `log` that change what is below `spool`, by kind, as each thread counts them.
pub fn calls(log: &[String], spool: &str) -> BTreeMap<String, Vec<usize>> {
    let mut counted: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for line in log {
        let Some((pid, kind)) = kind(line) else { continue };
        let number = counted.entry((pid, kind)).or_default();
        *number += 1;
        let numbers = found.entry(kind.to_owned()).or_default();
        if changes(line, spool) && !numbers.contains(number) {
            numbers.push(*number);
        }
    }
    found.retain(|_, numbers| {
        numbers.sort_unstable();
        !numbers.is_empty()
    });
    found
}

/// The calls of `args` that change the spool.
pub fn recorded(site: &Site, args: &[String], input: &[u8]) -> Vec<String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let command = traced(site, &[&format!("trace={CALLS}")], &site.command(&words));
    let output = crate::support::feed(command, input);
    assert!(output.status.success(), "{args:?}: {output:?}");
    trace(site)
}

/// As [`recorded`], but only those, without locks that are shared with others.
pub fn changes_of(site: &Site, args: &[String]) -> Vec<String> {
    let spool = site.path("spool").display().to_string();
    let counts = |line: &String| kind(line).is_some() && changes(line, &spool) && !line.contains("LOCK_SH");
    recorded(site, args, b"").into_iter().filter(counts).collect()
}

/// Runs `args` with a call that is hit.
fn strike(site: &Site, args: &[String], input: &[u8], pick: &Pick) -> Struck {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let Pick { kind, number, fault } = pick;
    let inject = format!("inject={kind}:{}:when={number}", fault.inject());
    let command = traced(site, &[&format!("trace={kind}"), &inject], &site.command(&words));
    let output = crate::support::feed(command, input);
    let log = trace(site);
    let has = |words: &[&str]| log.iter().filter(|line| words.iter().all(|word| line.contains(word))).count();
    Struck {
        output,
        kind: kind.clone(),
        kills: has(&["+++ killed by SIGKILL"]),
        failed: has(&["(INJECTED)"]),
        mute: has(&["write(2<", "(INJECTED)"]) + has(&["write(1<", "(INJECTED)"]) > 0,
    }
}

/// Plays each pick on a scene of its own.
pub fn play(template: &Template, picks: &[Pick]) -> Played {
    let (next, missed, faults) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let one = |pick: &Pick| {
        let scene = Scene::of(template);
        let struck = strike(&scene.site, &template.args(), &template.input(), pick);
        if struck.kills + struck.failed == 0 {
            missed.fetch_add(1, Ordering::Relaxed);
        }
        account::judge(&scene, template, &struck);
    };
    let hand = || {
        while let Some(pick) = picks.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(why) = catch_unwind(AssertUnwindSafe(|| one(pick))) {
                let text = why.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned());
                faults.lock().expect("no panic").push(format!("{}, {pick}: {text}", template.act.name()));
            }
        }
    };
    let hands = std::thread::available_parallelism().map_or(2, |cores| 2 * cores.get());
    std::thread::scope(|scope| (0..hands).for_each(|_| drop(scope.spawn(hand))));
    Played { faults: faults.into_inner().expect("no panic"), missed: missed.into_inner() }
}
