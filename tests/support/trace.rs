//! strace(1): what a command asked of the kernel, in which order, and calls that fail or kill.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::Site;

/// Whether strace can be used here; a line if not.
pub fn may_trace(test: &str) -> bool {
    static MAY: OnceLock<bool> = OnceLock::new();
    let tried = || Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let may = *MAY.get_or_init(|| tried().is_ok_and(|status| status.success()));
    if !may {
        eprintln!("{test}: skipped, for strace is missing or may not trace here");
    }
    may
}

/// `command` under strace, which writes to the site's file `trace`.
pub fn traced(site: &Site, expressions: &[&str], command: &Command) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-s", "4000", "-o"]).arg(site.path("trace"));
    for expression in expressions {
        strace.args(["-e", expression]);
    }
    strace.arg("--").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace.stdin(Stdio::null());
    strace
}

/// The lines of the last trace, each with its process first.
pub fn trace(site: &Site) -> Vec<String> {
    let text = std::fs::read_to_string(site.path("trace")).expect("a trace");
    // A call that others interrupted has two lines; it is told by the second, where it has its result.
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut whole = Vec::new();
    for line in text.lines() {
        let pid = line.split(' ').next().unwrap_or_default();
        if let Some(first) = line.strip_suffix(" <unfinished ...>") {
            begun.insert(pid, first);
        } else if let Some((_, rest)) = line.split_once(" resumed>") {
            whole.push(format!("{}{rest}", begun.remove(pid).unwrap_or_default()));
        } else {
            whole.push(line.to_owned());
        }
    }
    whole
}
