//! Asking getent(1), which is linked with the host's own C library and may load every module.
//!
//! What holds:
//! - it is found at a fixed path, and gets an empty environment and no shell; what is asked never looks like an option;
//! - a question takes at most [`LIMIT`], and all of one process [`PATIENCE`]; each is asked once. A getent that is missing, or
//!   that hangs, is not asked again;
//! - its output goes into a memory file that cannot grow, so that a flood fails in it alone;
//! - it is waited for by its pid, in short steps: it needs no timer and no handler of ours, takes no other child's end, and
//!   works whatever interrupts us.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::OpenOptions;
use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::sys::child;
use crate::sys::process::{self, Send};
use crate::sys::spawn::Spawner;

const PROGRAMS: &[&CStr] = &[c"/usr/bin/getent", c"/bin/getent"];
/// The most that a question may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The most that all questions of a process may take together.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long it may take to end once it was killed.
const GRACE: Duration = Duration::from_secs(1);
/// The first and the longest step of waiting.
const STEPS: (Duration, Duration) = (Duration::from_micros(250), Duration::from_millis(10));
/// So many answers are kept.
const KEPT_MAX: usize = 256;
/// The most bytes of a question: those of a host's name.
const KEY_MAX: usize = 255;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Database {
    /// A user's number or name: the entry.
    Passwd,
    /// A user's name: the numbers of the groups.
    Initgroups,
    /// A host's name: the addresses.
    Ahosts,
}

impl Database {
    fn name(self) -> &'static CStr {
        match self {
            Database::Passwd => c"passwd",
            Database::Initgroups => c"initgroups",
            Database::Ahosts => c"ahosts",
        }
    }
}

/// What was asked, and how long may still be waited.
pub struct Getent {
    programs: &'static [&'static CStr],
    patience: Duration,
    answers: BTreeMap<(Database, String), Option<String>>,
}

impl Getent {
    pub const fn new() -> Getent {
        Getent { programs: PROGRAMS, patience: PATIENCE, answers: BTreeMap::new() }
    }

    /// What getent prints about `key`; `None` where it does not know it, or cannot be asked.
    pub fn ask(&mut self, database: Database, key: &str) -> Option<String> {
        if !is_key(key) {
            return None;
        }
        let question = (database, key.to_owned());
        if let Some(known) = self.answers.get(&question) {
            return known.clone();
        }
        if self.patience.is_zero() {
            return None;
        }
        let began = Instant::now();
        let answer = match self.run(database, key, began) {
            Ok(answer) => {
                self.patience = self.patience.saturating_sub(began.elapsed());
                answer
            }
            Err(_) => {
                self.patience = Duration::ZERO;
                None
            }
        };
        if self.answers.len() >= KEPT_MAX {
            self.answers.clear();
        }
        self.answers.insert(question, answer.clone());
        answer
    }

    /// Errors: it cannot be started, or hangs.
    fn run(&self, database: Database, key: &str, began: Instant) -> io::Result<Option<String>> {
        let until = began + LIMIT.min(self.patience);
        let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        let said = child::listen()?;
        let key = CString::new(key)?;
        let mut spawner = Spawner::default();
        let mut started = Err(io::ErrorKind::NotFound.into());
        for program in self.programs {
            let args = [CString::from(*program), database.name().to_owned(), key.clone()];
            started = spawner.start(&args, Some(&[]), &nothing, &said, &nothing);
            if started.is_ok() {
                break;
            }
        }
        let pid = started?;
        let answered = wait(pid, until);
        if answered.is_none() {
            process::send_group(pid, Send::Kill);
            // One that cannot be killed is left: nobody waits for a child whose pid means nothing.
            let _ = wait(pid, Instant::now() + GRACE);
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(answered.filter(|&succeeded| succeeded).map(|_| child::read_back(said)))
    }
}

/// Whether the child `pid` succeeded; `None` if it has not ended in time.
fn wait(pid: i32, until: Instant) -> Option<bool> {
    let (mut step, longest) = STEPS;
    loop {
        match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => return Some(code == 0),
            Ok(WaitStatus::Signaled(..)) => return Some(false),
            Ok(_) | Err(Errno::EINTR) => {}
            // Whoever launched us ignores SIGCHLD: the status is lost, and the answer's form has to do.
            Err(_) => return Some(true),
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::sleep(step.min(left));
        step = (step * 2).min(longest);
    }
}

/// Whether this can be asked: it is no option, has no control character, and a sane length.
fn is_key(key: &str) -> bool {
    (1..=KEY_MAX).contains(&key.len()) && !key.starts_with('-') && !key.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(programs: &'static [&'static CStr]) -> Getent {
        Getent { programs, ..Getent::new() }
    }

    #[test]
    fn the_first_program_that_is_there_is_asked_once() {
        let mut getent = asking(&[c"/nonexistent/getent", c"/bin/echo"]);
        assert_eq!(getent.ask(Database::Passwd, "4711").as_deref(), Some("passwd 4711\n"));
        getent.programs = &[c"/bin/false"];
        assert_eq!(getent.ask(Database::Passwd, "4711").as_deref(), Some("passwd 4711\n"));
        assert_eq!(getent.ask(Database::Ahosts, "4711"), None);
        getent.programs = &[c"/bin/echo"];
        assert_eq!(getent.ask(Database::Ahosts, "4711"), None, "it is known that nobody knows");
        assert!(getent.patience > Duration::ZERO && getent.patience < PATIENCE);
    }

    #[test]
    fn no_option_and_no_control_character_is_asked() {
        let mut getent = asking(&[c"/bin/echo"]);
        for key in ["", "-s", "--service=x", "a\nb", "a\0b", &"x".repeat(KEY_MAX + 1)] {
            assert_eq!(getent.ask(Database::Ahosts, key), None, "{key:?}");
        }
    }

    #[test]
    fn one_that_is_missing_is_not_asked_again() {
        let mut getent = asking(&[c"/nonexistent/getent"]);
        assert_eq!(getent.ask(Database::Passwd, "4711"), None);
        getent.programs = &[c"/bin/echo"];
        assert_eq!(getent.ask(Database::Passwd, "4712"), None);
    }

    #[test]
    fn a_flood_ends_the_program_and_is_no_answer() {
        assert_eq!(asking(&[c"/usr/bin/yes"]).ask(Database::Passwd, "4711"), None);
    }

    #[test]
    fn one_that_hangs_is_waited_for_no_longer() {
        let nothing = OpenOptions::new().read(true).write(true).open("/dev/null").expect("it is everywhere");
        let args = [c"/bin/sleep".to_owned(), c"1000".to_owned()];
        let pid = Spawner::default().start(&args, Some(&[]), &nothing, &nothing, &nothing).expect("started");
        assert_eq!(wait(pid, Instant::now() + Duration::from_millis(20)), None);
        process::send_group(pid, Send::Kill);
        assert_eq!(wait(pid, Instant::now() + Duration::from_secs(60)), Some(false));
    }

    #[test]
    fn nobody_waits_longer_than_the_patience() {
        let mut getent = asking(&[c"/bin/echo"]);
        getent.patience = Duration::ZERO;
        assert_eq!(getent.ask(Database::Passwd, "4711"), None);
        getent.patience = PATIENCE;
        assert!(getent.ask(Database::Passwd, "4711").is_some());
    }
}
