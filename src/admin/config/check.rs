//! Whether the configuration can work on this host: the commands, the Maildirs, the spool's file system.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statfs::statfs;
use nix::unistd::{AccessFlags, eaccess};
use serde_json::json;

use super::heading::{heading, places_json, stranded};
use crate::config::error::Problem;
use crate::config::{Connect, Online, Profile, Secret, Site, Smtp, Transport};
use crate::queue::QueueError;
use crate::spool::Spool;
use crate::spool::drop::DropFolder;
use crate::spool::drop::access::{self, Fault};
use crate::sys::named;
use crate::sys::output::Page;
use crate::sys::process::{self, host_name};
use crate::transport::profiles;

/// File systems whose locks or syncs are another machine's or another program's word, by statfs(2)'s `f_type`.
const NETWORK: [(u64, &str); 11] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
];

/// What was found. Warnings do not keep mail from flowing; problems do.
#[derive(Debug, Default)]
pub(super) struct ConfigReport {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
    /// By transport: the profile in force, and why.
    profiles: BTreeMap<String, (String, String)>,
}

/// Looks at everything that the configuration names.
pub(super) fn check(site: &Site, allow_network: bool) -> ConfigReport {
    let mut report = ConfigReport::default();
    for (name, transport) in &site.config.transports {
        match transport {
            Transport::Pipe { command, profile, .. } => report.pipe(site, name, command, *profile),
            Transport::Command { command, .. } => {
                report.program(site, name, command);
            }
            Transport::Maildir { path } => report.maildir(site, name, path),
            // Reported by the queues that would use it.
            Transport::Ourselves { .. } => {}
            Transport::Smtp(smtp) => report.smtp(site, name, smtp),
        }
    }
    report.online(site);
    if let Some(Err(error)) = site.config.suppress.as_deref().map(named::open) {
        report.problems.push(about(site, "suppress.file", &error.to_string()));
    }
    report.way_out(site);
    report.outbound(site);
    report.spool(site, allow_network);
    report.drop(site);
    report
}

fn owns_spool(site: &Site) -> bool {
    site.spool.metadata().is_ok_and(|spool| spool.uid() == process::effective_uid())
}

/// Something about `key`, with the line that set it.
fn about(site: &Site, key: &str, text: &str) -> Problem {
    let line = site.origins.line(key);
    Problem { file: site.file.clone().filter(|_| line.is_some()), line, text: format!("{key}: {text}") }
}

impl ConfigReport {
    /// Whether the program can be run.
    fn program(&mut self, site: &Site, name: &str, command: &[String]) -> bool {
        let key = format!("transport.{name}.command");
        let program = Path::new(command.first().map_or("", String::as_str));
        let shown = program.display();
        let fault = match program.metadata() {
            Err(error) => Some(format!("{shown}: {error}: name the program that takes the mail")),
            Ok(meta) if !meta.is_file() => Some(format!("{shown} is no program: name the one that takes the mail")),
            Ok(_) => eaccess(program, AccessFlags::X_OK)
                .err()
                .map(|errno| format!("{shown}: {}: you may not run it", errno.desc())),
        };
        let good = fault.is_none();
        self.problems.extend(fault.map(|fault| about(site, &key, &fault)));
        good
    }

    fn pipe(&mut self, site: &Site, name: &str, command: &[String], profile: Profile) {
        let key = format!("transport.{name}.command");
        if !self.program(site, name, command) {
            return;
        }
        let before = command.iter().take_while(|arg| *arg != "{recipients}");
        if !before.into_iter().any(|arg| arg == "--") {
            let text = "no \"--\" stands before \"{recipients}\", so mail to an address that begins with '-' fails";
            self.warnings.push(about(site, &key, text));
        }
        let (behaviour, why) = profiles::resolve(profile, command);
        self.profiles.insert(name.to_owned(), (behaviour.name().to_owned(), why));
        if behaviour.name() == Profile::Sendmail.name() && !is_qualified(&host_name(), &hosts()) {
            let text = format!(
                "this host's name, {:?}, has no dot, so Sendmail waits a minute at each call: \
                 give it a full name in /etc/hosts",
                host_name()
            );
            self.warnings.push(about(site, &key, &text));
        }
    }

    fn maildir(&mut self, site: &Site, name: &str, path: &Path) {
        let key = format!("transport.{name}.path");
        let there = existing(path);
        let fault = if !there.is_dir() {
            Some(format!("{} is no folder, so no Maildir can be made there", there.display()))
        } else {
            let may = eaccess(there, AccessFlags::W_OK | AccessFlags::X_OK);
            may.err().map(|errno| format!("{}: {}: you may not write there", there.display(), errno.desc()))
        };
        let Some(fault) = fault else { return };
        // The host's mail is delivered by the spool's owner, and root's run makes his folders.
        if site.spool_is_hosts && !process::is_root() && !owns_spool(site) {
            return;
        }
        // The embedded one serves queues that a host need not use.
        let meant = site.origins.line(&key).is_some()
            || site.config.queues.get("outbound").is_some_and(|outbound| outbound.transport == name);
        if meant { &mut self.problems } else { &mut self.warnings }.push(about(site, &key, &fault));
    }

    fn smtp(&mut self, site: &Site, name: &str, smtp: &Smtp) {
        let key = |inside: &str| format!("transport.{name}.{inside}");
        let not_run = |program: &str| match eaccess(program, AccessFlags::X_OK) {
            Ok(()) => None,
            Err(errno) => Some(format!("{program}: {}: name a program that may be run", errno.desc())),
        };
        for connect in &smtp.connect {
            if let Connect::Exec(command) = connect
                && let Some(fault) = command.first().and_then(|program| not_run(program))
            {
                self.problems.push(about(site, &key("connect"), &fault));
            }
        }
        if let Some(Err(error)) = smtp.ca.as_deref().map(named::open) {
            self.problems.push(about(site, &key("ca"), &error.to_string()));
        }
        match smtp.login.as_ref().map(|login| &login.secret) {
            Some(Secret::File(path)) => match path.metadata() {
                Err(error) => self.problems.push(about(site, &key("password_file"), &error.to_string())),
                Ok(meta) if !meta.is_file() => {
                    self.problems.push(about(site, &key("password_file"), "this is no regular file"));
                }
                Ok(meta) if meta.mode() & 0o077 != 0 => {
                    let text = format!("others may read it: 'chmod 600 {}'", path.display());
                    self.warnings.push(about(site, &key("password_file"), &text));
                }
                Ok(_) => {}
            },
            Some(Secret::Command(command)) => {
                if let Some(fault) = command.first().and_then(|program| not_run(program)) {
                    self.problems.push(about(site, &key("password_command"), &fault));
                }
            }
            None => {}
        }
    }

    fn online(&mut self, site: &Site) {
        if let Some(Online::Check(command)) = &site.config.online
            && let Some(name) = command.first().filter(|name| Online::find(name).is_none())
        {
            let text = format!("{name}: there is no such command: name its absolute path");
            self.problems.push(about(site, "online.check", &text));
        }
    }

    fn way_out(&mut self, site: &Site) {
        let found = stranded(site).map(|(queue, why)| about(site, &format!("queue.{queue}.transport"), &why));
        self.problems.extend(found);
    }

    /// Mail that is meant for other hosts and ends in a Maildir surprises most people.
    fn outbound(&mut self, site: &Site) {
        let Some(outbound) = site.config.queues.get("outbound") else { return };
        match site.config.transports.get(&outbound.transport) {
            Some(Transport::Maildir { path }) if site.origins.line("queue.outbound.transport").is_none() => {
                let text = format!(
                    "mail goes into {} and leaves this host no more, because {}: \
                     install an MTA, or set this key",
                    path.display(),
                    site.sendmail_why
                );
                self.warnings.push(about(site, "queue.outbound.transport", &text));
            }
            Some(
                Transport::Maildir { .. }
                | Transport::Pipe { .. }
                | Transport::Command { .. }
                | Transport::Ourselves { .. }
                | Transport::Smtp(_),
            )
            | None => {}
        }
    }

    fn spool(&mut self, site: &Site, allow_network: bool) {
        let there = existing(&site.spool);
        let spool = |text: String| Problem { file: Some(site.spool.clone()), line: None, text };
        match statfs(there) {
            Ok(found) => {
                // The field's width and sign differ between architectures; the numbers have 32 bits.
                let kind = found.filesystem_type().0 as u64 & 0xffff_ffff;
                let network = NETWORK.iter().find(|(number, _)| *number == kind);
                if let Some((_, name)) = network.filter(|_| !allow_network) {
                    let text = format!(
                        "the spool lies on {name}, where locks and syncs cannot be relied on: \
                         choose a local disk, or check with --allow-network"
                    );
                    self.problems.push(spool(text));
                }
            }
            Err(errno) => self.problems.push(spool(format!("cannot look at its file system: {}", errno.desc()))),
        }
        match Spool::open(&site.spool) {
            Ok(Some(_)) => {}
            // Who hands mail in through drop/ has no business in the spool.
            Err(_)
                if matches!(
                    DropFolder::open(&site.spool, site.spool_is_hosts),
                    Ok(Some(_)) | Err(QueueError::NotYet { .. } | QueueError::Shut { .. })
                ) => {}
            Ok(None) if site.spool_is_hosts && !site.spool.exists() => self.no_spool(site),
            Ok(None) if there.is_dir() => {
                if let Err(errno) = eaccess(there, AccessFlags::W_OK | AccessFlags::X_OK) {
                    let text = format!("cannot be made, you may not write in {}: {}", there.display(), errno.desc());
                    self.problems.push(spool(text));
                }
            }
            Ok(None) => self.problems.push(spool(format!("cannot be made, {} is no folder", there.display()))),
            Err(error) => self.problems.push(Problem { file: None, line: None, text: error.to_string() }),
        }
    }

    /// The host's spool is not made yet: a matter of root's first run, or what keeps a user's mail from being taken.
    fn no_spool(&mut self, site: &Site) {
        let fault = access::no_spool(&site.spool);
        let problem = Problem { file: Some(fault.path), line: None, text: fault.what };
        if process::is_root() { &mut self.warnings } else { &mut self.problems }.push(problem);
    }

    /// Whether other users can hand mail in.
    fn drop(&mut self, site: &Site) {
        // That the spool cannot be looked at was said.
        let faults = access::faults(&site.spool, site.spool_is_hosts).unwrap_or_default();
        let problem = |fault: Fault| Problem { file: Some(fault.path), line: None, text: fault.what };
        self.problems.extend(faults.into_iter().map(problem));
    }

    pub(super) fn to_text(&self, site: &Site) -> Page {
        let mut page = Page::default();
        for problem in &self.problems {
            page.line(problem.to_string());
        }
        for warning in &self.warnings {
            page.line(format!("warning: {warning}"));
        }
        if self.problems.is_empty() {
            page.append(&heading(site, ""));
            for (name, (profile, why)) in &self.profiles {
                page.line(format!("transport.{name}: profile {profile}, because {why}"));
            }
            page.line("ok");
        }
        page
    }

    pub(super) fn to_json(&self, site: &Site) -> Page {
        let (spool, file) = places_json(site);
        let list = |problems: &[Problem]| problems.iter().map(problem_json).collect::<Vec<_>>();
        let profiles: serde_json::Map<_, _> = self
            .profiles
            .iter()
            .map(|(name, (profile, why))| (name.clone(), json!({ "profile": profile, "why": why })))
            .collect();
        let report = json!({
            "ok": self.problems.is_empty(),
            "spool": spool,
            "file": file,
            "problems": list(&self.problems),
            "warnings": list(&self.warnings),
            "profiles": profiles,
        });
        Page::pretty(&report)
    }
}

pub(super) fn problem_json(problem: &Problem) -> serde_json::Value {
    let file = problem.file.as_ref().map(|file| file.to_string_lossy());
    json!({ "file": file, "line": problem.line, "text": problem.text })
}

/// The nearest folder or file on the way to `path` that exists.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"))
}

fn hosts() -> String {
    std::fs::read_to_string("/etc/hosts").unwrap_or_default()
}

/// Whether `host` has a dot, or a full name in `hosts`, a text in the form of hosts(5).
fn is_qualified(host: &str, hosts: &str) -> bool {
    let full = |line: &str| {
        let names: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().skip(1).collect();
        names.contains(&host) && names.iter().any(|name| name.contains('.'))
    };
    host.contains('.') || hosts.lines().any(full)
}

#[cfg(test)]
mod tests {
    use super::super::tests::site;
    use super::*;

    fn checked(root: &Path, file: &str) -> (Vec<String>, Vec<String>) {
        let report = check(&site(root, Some(file)), false);
        let text = |problems: &[Problem]| problems.iter().map(ToString::to_string).collect();
        (text(&report.problems), text(&report.warnings))
    }

    #[test]
    fn a_bare_host_is_warned_of_and_ok() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let site = site(temp.path(), None);
        let report = check(&site, false);
        assert!(report.problems.is_empty(), "{report:?}");
        assert!(report.warnings[0].text.contains("this host has no sendmail command"), "{report:?}");
        let text = report.to_text(&site);
        assert!(text.as_str().ends_with("\nok\n"), "{}", text.as_str());
    }

    #[test]
    fn a_command_that_is_not_there_is_named_with_its_line() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let file = "[transport.a]\nkind = \"pipe\"\ncommand = [\"/no/such\", \"{recipients}\"]\n\
                    [transport.b]\nkind = \"pipe\"\ncommand = [\"/etc\", \"{recipients}\"]\n\
                    [transport.c]\nkind = \"pipe\"\ncommand = [\"/bin/true\", \"{recipients}\"]\n\
                    [queue.outbound]\ntransport = \"c\"\n";
        let (problems, warnings) = checked(temp.path(), file);
        assert!(problems[0].contains("etc:3: transport.a.command: /no/such: No such file"), "{problems:?}");
        assert!(problems[1].contains("etc:6: transport.b.command: /etc is no program"), "{problems:?}");
        assert_eq!((problems.len(), warnings.len()), (2, 1), "{warnings:?}");
        assert!(warnings[0].contains("\"--\""), "{warnings:?}");
    }

    #[test]
    fn a_maildir_or_spool_that_cannot_be_made_is_a_problem() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let file = temp.path().join("etc");
        let path = file.join("Maildir");
        let text = format!("[transport.maildir]\nkind = \"maildir\"\npath = {path:?}\n");
        let (problems, _) = checked(temp.path(), &text);
        assert!(problems[0].contains("etc:3: transport.maildir.path: "), "{problems:?}");
        let mut site = site(temp.path(), None);
        site.spool = file.join("spool");
        assert!(!check(&site, false).problems.is_empty());
    }

    #[test]
    fn a_host_name_is_full_with_a_dot_or_a_line_in_hosts() {
        assert!(is_qualified("a.example", ""));
        assert!(!is_qualified("a", "127.0.0.1 localhost\n127.0.1.1 a # a.example\n"));
        assert!(is_qualified("a", "127.0.1.1\ta.example a\n"));
    }
}
