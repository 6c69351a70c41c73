//! Which MTA a sendmail command belongs to, from where its links lead, what lies beside it, and what is written in it.
//!
//! No program is started: what asks one sendmail for its version sends a message with another.

use std::io::Read;
use std::path::Path;

use super::behaviour::Behaviour;
use super::table::{TABLE, generic};
use crate::config::Profile;
use crate::sys::named;

/// Enough for the largest sendmail.
const READ_MAX: u64 = 8 << 20;

/// The behaviour of the program that `command` names, and why it is taken for that.
pub fn resolve(profile: Profile, command: &[String]) -> (&'static Behaviour, String) {
    match (TABLE.iter().find(|behaviour| behaviour.profile == profile), command.first()) {
        (Some(behaviour), _) => (behaviour, "the configuration says so".to_owned()),
        (None, Some(program)) => recognise(Path::new(program)),
        (None, None) => (generic(), "there is no command".to_owned()),
    }
}

/// Which behaviour fits the program, and what gave it away.
fn recognise(program: &Path) -> (&'static Behaviour, String) {
    let real = std::fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let name = real.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let shown = real.display();
    let called = |behaviour: &&Behaviour| {
        // Red Hat's alternatives are called sendmail.exim and so on.
        behaviour.signs.names.contains(&name) || name.strip_prefix("sendmail.") == Some(behaviour.name())
    };
    if let Some(found) = TABLE.iter().find(called) {
        let leads = if real == program { "is" } else { "leads to" };
        return (found, format!("{} {leads} {shown}", program.display()));
    }
    if name == "sendmail" {
        let beside = |behaviour: &&Behaviour| {
            let files = behaviour.signs.beside;
            !files.is_empty() && files.iter().all(|file| real.with_file_name(file).exists())
        };
        if let Some(found) = TABLE.iter().find(beside) {
            return (found, format!("{} beside {shown}", found.signs.beside.join(" and ")));
        }
        let folders: Vec<&str> = real.parent().into_iter().flatten().filter_map(|part| part.to_str()).collect();
        let within = |behaviour: &&Behaviour| folders.iter().any(|part| behaviour.signs.folders.contains(part));
        if let Some(found) = TABLE.iter().find(within) {
            return (found, format!("{} leads to {shown}", program.display()));
        }
        let text = program_text(&real);
        let marked = |behaviour: &&Behaviour| contains(&text, behaviour.signs.mark.as_bytes());
        if let Some(found) = TABLE.iter().find(marked) {
            return (found, format!("{shown} has {:?} written in it", found.signs.mark));
        }
    }
    (generic(), format!("{shown} shows no sign of an MTA with rules of its own"))
}

/// What a compiled program holds; nothing for anything else, because a script that names an MTA need not behave like it.
fn program_text(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    let read = named::open(path).and_then(|file| file.take(READ_MAX).read_to_end(&mut text));
    if read.is_err() || !text.starts_with(b"\x7fELF") {
        text.clear();
    }
    text
}

fn contains(text: &[u8], mark: &[u8]) -> bool {
    !mark.is_empty() && text.windows(mark.len()).any(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What is made of a host with these files, whose command is the first; a link has its target after "->".
    fn recognised(files: &[&str]) -> (&'static str, String) {
        let root = tempfile::tempdir().expect("a temporary folder");
        let place = |file: &str| root.path().join(file);
        for file in files {
            let (file, content) = file.split_once('=').unwrap_or((file, "#!/bin/sh"));
            let (file, target) = file.split_once("->").map_or((file, None), |(file, target)| (file, Some(target)));
            std::fs::create_dir_all(place(file).parent().expect("a folder")).expect("made");
            match target {
                Some(target) => symlink(place(target), place(file)).expect("a link"),
                None => std::fs::write(place(file), content).expect("written"),
            }
        }
        let first = files[0].split(['=', '-']).next().expect("a name");
        let (behaviour, why) = recognise(&place(first));
        (behaviour.name(), why)
    }

    #[test]
    fn links_neighbours_and_what_is_written_in_it_tell_the_mta() {
        let cases: [(&str, &[&str]); 16] = [
            ("postfix", &["sbin/sendmail", "sbin/postfix", "sbin/postdrop"]),
            ("exim", &["sbin/sendmail->sbin/exim4", "sbin/exim4"]),
            (
                "exim",
                &["sbin/sendmail->etc/alternatives/mta", "etc/alternatives/mta->b/sendmail.exim", "b/sendmail.exim"],
            ),
            (
                "sendmail",
                &[
                    "sbin/sendmail->etc/alternatives/sendmail",
                    "etc/alternatives/sendmail->libexec/sendmail/sendmail",
                    "libexec/sendmail/sendmail",
                ],
            ),
            ("sendmail", &["sbin/sendmail->lib/sm.bin/sendmail", "lib/sm.bin/sendmail"]),
            ("sendmail", &["opt/sendmail=\x7fELF of submit.cf"]),
            ("opensmtpd", &["sbin/sendmail->sbin/smtpctl", "sbin/smtpctl"]),
            ("courier", &["sbin/sendmail", "sbin/courier"]),
            ("courier", &["lib/courier/bin/sendmail"]),
            ("nullmailer", &["sbin/sendmail", "sbin/nullmailer-send"]),
            ("msmtp", &["sbin/sendmail->bin/msmtp", "bin/msmtp"]),
            ("dma", &["sbin/sendmail->sbin/dma", "sbin/dma"]),
            ("qmail", &["var/qmail/bin/sendmail", "var/qmail/bin/qmail-inject"]),
            ("qmail", &["opt/notqmail/bin/sendmail"]),
            ("generic", &["sbin/sendmail"]),
            ("generic", &["sbin/sendmail=#!/bin/sh\nexec qmail-inject"]),
        ];
        for (expected, files) in cases {
            let (name, why) = recognised(files);
            assert_eq!(name, expected, "{files:?}: {why}");
        }
    }

    #[test]
    fn a_reason_names_the_file_that_gave_it_away() {
        let (_, why) = recognised(&["sbin/sendmail->sbin/exim4", "sbin/exim4"]);
        assert!(why.contains("sendmail leads to ") && why.ends_with("/sbin/exim4"), "{why}");
        let (_, why) = recognised(&["sbin/sendmail", "sbin/postfix", "sbin/postdrop"]);
        assert!(why.starts_with("postfix and postdrop beside "), "{why}");
    }
}
