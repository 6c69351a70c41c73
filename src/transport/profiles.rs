//! What an exit status of a sendmail means, by the MTA that it belongs to: one table.
//!
//! Evidence counts in this order: it was killed, by us or by others (unknown); an enhanced status code in what it printed; its exit status, by
//! the profile; anything else is a deferral. Output with status 0 is no failure: some sendmails warn at each message.

use std::path::Path;

use crate::config::Profile;
use crate::model::{Reason, Verdict};
use crate::sys::process::Ended;

/// What an exit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Delivered,
    Deferred,
    Failed,
    /// The command itself could not do its work: nothing about this entry.
    SinkDown,
}

/// How one MTA's sendmail behaves.
#[derive(Debug, PartialEq, Eq)]
pub struct Behaviour {
    pub name: &'static str,
    /// Its spelling of the null sender.
    pub null_sender: &'static str,
    /// It knows `-N`, `-R` and `-V` (RFC 3461).
    pub dsn: bool,
    /// It takes all recipients of a hand-over or none, so that those of a refused one may be handed over again one by one.
    /// Without this promise each is handed over alone: a status speaks for one recipient, or for nobody.
    pub all_or_none: bool,
    /// Statuses that differ from [`GENERIC_STATUSES`].
    statuses: &'static [(i32, Meaning)],
}

/// sysexits.h(3head), sh(1)'s 126 and 127, and qmail's 100 and 111. What is not listed is deferred.
const GENERIC_STATUSES: &[(i32, Meaning)] = &[
    (0, Meaning::Delivered),
    (65, Meaning::Failed),  // EX_DATAERR
    (67, Meaning::Failed),  // EX_NOUSER
    (68, Meaning::Failed),  // EX_NOHOST
    (100, Meaning::Failed), // qmail: permanent
    (126, Meaning::SinkDown),
    (127, Meaning::SinkDown),
];

pub const GENERIC: Behaviour =
    Behaviour { name: "generic", null_sender: "<>", dsn: false, all_or_none: false, statuses: &[] };

/// Postfix sendmail(1): a message is one queue file for all its recipients; 75 says that the queue file was not written; 69 is a passing local fault or a refusal.
pub const POSTFIX: Behaviour = Behaviour {
    name: "postfix",
    null_sender: "<>",
    dsn: true,
    all_or_none: true,
    statuses: &[(69, Meaning::Deferred), (75, Meaning::Deferred)],
};

/// The behaviour of the program that `command` names.
pub fn resolve(profile: Profile, command: &[String]) -> &'static Behaviour {
    match profile {
        Profile::Generic => &GENERIC,
        Profile::Postfix => &POSTFIX,
        Profile::Auto => command.first().map_or(&GENERIC, |program| recognise(Path::new(program)).0),
    }
}

/// Which behaviour fits the program, and what gave it away.
pub fn recognise(program: &Path) -> (&'static Behaviour, String) {
    let real = std::fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let named = real.file_name().is_some_and(|name| name == "sendmail" || name == "sendmail.postfix");
    // Postfix's sendmail is a plain file; the commands that came with it lie beside it.
    let beside = ["postfix", "postdrop"].iter().all(|name| real.with_file_name(name).exists());
    if named && beside {
        return (&POSTFIX, format!("{} has Postfix's commands beside it", real.display()));
    }
    (&GENERIC, format!("{} shows no sign of an MTA with rules of its own", real.display()))
}

impl Behaviour {
    /// What exit status `code` means.
    pub fn meaning(&self, code: i32) -> Meaning {
        let own = self.statuses.iter().chain(GENERIC_STATUSES).find(|(status, _)| *status == code);
        own.map_or(Meaning::Deferred, |(_, meaning)| *meaning)
    }

    /// The verdict on a command that ended by itself, having said `said`; `Err` if the sink itself is down.
    pub fn verdict(&self, ended: Ended, said: &str) -> Result<Verdict, String> {
        let status = enhanced_status(said);
        let code = match ended {
            Ended::Exited(code) => code,
            // The message was within its reach, and who killed it may have done so after it was taken.
            Ended::Signalled(signal) => {
                return Ok(Verdict::Unknown(Reason::new(&with_said(
                    &format!("the command died by signal {signal}"),
                    said,
                ))));
            }
        };
        let meaning = self.meaning(code);
        let text = with_said(&format!("exit status {code}{}", sysexit_name(code)), said);
        let reason = || Reason::new(&text).with_status(status.clone());
        Ok(match (meaning, status.as_deref().and_then(|status| status.chars().next())) {
            (Meaning::SinkDown, _) => return Err(text),
            (Meaning::Delivered, _) => Verdict::Delivered,
            (Meaning::Deferred | Meaning::Failed, Some('5')) => Verdict::Failed(reason()),
            (Meaning::Deferred | Meaning::Failed, Some('4')) => Verdict::Deferred(reason()),
            (Meaning::Failed, _) => Verdict::Failed(reason()),
            (Meaning::Deferred, _) => Verdict::Deferred(reason()),
        })
    }
}

/// `text`, and the last thing the command said: that is where sendmails give their reason.
pub fn with_said(text: &str, said: &str) -> String {
    let last: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match last.as_slice() {
        [] => text.to_owned(),
        lines => format!("{text}: {}", lines[lines.len().saturating_sub(3)..].join(" / ")),
    }
}

/// The last enhanced status code (RFC 3463) of class 4 or 5 in what was said.
fn enhanced_status(said: &str) -> Option<String> {
    let is_code = |word: &&str| {
        let mut parts = word.split('.');
        let class = parts.next().is_some_and(|class| class == "4" || class == "5");
        let digits = |part: Option<&str>| {
            part.is_some_and(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
        };
        class && digits(parts.next()) && digits(parts.next()) && parts.next().is_none()
    };
    let mut words = said.split(|c: char| !(c.is_ascii_digit() || c == '.')).map(|word| word.trim_end_matches('.'));
    words.rfind(is_code).map(str::to_owned)
}

fn sysexit_name(code: i32) -> &'static str {
    match code {
        64 => " (usage)",
        65 => " (bad data)",
        66 => " (no input)",
        67 => " (no such user)",
        68 => " (no such host)",
        69 => " (unavailable)",
        70 => " (internal fault)",
        71 => " (system error)",
        72 => " (a system file is missing)",
        73 => " (cannot create)",
        74 => " (input or output error)",
        75 => " (temporary failure)",
        76 => " (protocol)",
        77 => " (no permission)",
        78 => " (configuration)",
        126 => " (cannot be executed)",
        127 => " (not found)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning() {
        for code in 0..=255 {
            let expected = match code {
                0 => Meaning::Delivered,
                65 | 67 | 68 | 100 => Meaning::Failed,
                126 | 127 => Meaning::SinkDown,
                _ => Meaning::Deferred,
            };
            assert_eq!(GENERIC.meaning(code), expected, "{code}");
            assert_eq!(POSTFIX.meaning(code), expected, "{code}");
        }
    }

    #[test]
    fn an_enhanced_status_outweighs_the_exit_status() {
        let verdict = |code, said| GENERIC.verdict(Ended::Exited(code), said).expect("the sink is up");
        let failed = verdict(75, "sendmail: 550 5.1.1 <x@y>: no such user\n");
        assert!(matches!(&failed, Verdict::Failed(reason) if reason.status.as_deref() == Some("5.1.1")), "{failed:?}");
        assert!(matches!(verdict(67, "host said 4.2.2 mailbox full"), Verdict::Deferred(_)));
        assert_eq!(verdict(0, "warning: 5.5.5 in the output of a success"), Verdict::Delivered);
        assert!(matches!(verdict(75, "10.5.1.1 is an address"), Verdict::Deferred(reason) if reason.status.is_none()));
        assert!(matches!(GENERIC.verdict(Ended::Signalled(11), ""), Ok(Verdict::Unknown(_))));
        assert!(GENERIC.verdict(Ended::Exited(127), "").is_err());
    }
}
