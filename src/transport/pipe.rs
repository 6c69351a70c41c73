//! The pipe transport: a command, in the plain case sendmail, gets the message on its standard input, and the envelope as
//! arguments; and the command transport, whose program finds the envelope in its environment, one recipient at a time.
//!
//! The input is the message's file itself, so nothing is copied and our death cannot cut a message short. Addresses are
//! arguments of an exec and never reach a shell. How the command is run, ended and listened to is `sys::child`'s.

use std::ffi::{CString, NulError, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::handover::{Handover, Next, Transport, all, not_now};
use super::profiles::{self, Behaviour, with_said};
use crate::model::verdict::Doubtful;
use crate::model::{Address, Attempt, Envelope, Reason, Verdict};
use crate::policy::notice::About;
use crate::sys::child::{self, Finish};
use crate::sys::signals::Signals;
use crate::sys::spawn::Spawner;

/// What Linux takes at least for arguments and environment, where the system does not tell (execve(2)).
const ARG_MAX_AT_LEAST: usize = 128 << 10;

/// What a program finds in its environment: the names are those of the pipes of Postfix and Exim, as far as they agree.
const ENVELOPE: [&str; 6] = ["SENDER", "RECIPIENT", "LOCAL_PART", "EXTENSION", "DOMAIN", "ENTRY"];

/// A configured command.
#[derive(Debug)]
pub struct Pipe {
    command: Vec<String>,
    behaviour: &'static Behaviour,
    timeout: Duration,
    /// Bytes of recipients that fit into one argument list.
    room: usize,
    spawner: Spawner,
    /// The envelope is in the environment, beside what is in ours.
    environment: Option<Vec<CString>>,
}

impl Pipe {
    /// A program that finds the envelope in its environment.
    pub fn with_environment(command: Vec<String>, timeout: Duration) -> Pipe {
        let ours = std::env::vars_os().filter(|(name, _)| !ENVELOPE.iter().any(|own| name == own));
        let line = |(name, value): (OsString, OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
        let ours = ours.filter_map(|pair| CString::new(line(pair)).ok()).collect();
        Pipe { environment: Some(ours), ..Pipe::new(command, profiles::program(), timeout) }
    }

    /// `command` has at least its program.
    pub fn new(command: Vec<String>, behaviour: &'static Behaviour, timeout: Duration) -> Pipe {
        let limit = nix::unistd::sysconf(nix::unistd::SysconfVar::ARG_MAX).ok().flatten();
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(ARG_MAX_AT_LEAST);
        let environment: usize = std::env::vars_os().map(|(name, value)| name.len() + value.len() + 10).sum();
        let fixed: usize = command.iter().map(|arg| arg.len() + 9).sum();
        // 8 KiB for the sender, the program's path and the kernel's own block.
        let room = limit.saturating_sub(environment + fixed + (8 << 10));
        Pipe { command, behaviour, timeout, room, spawner: Spawner::default(), environment: None }
    }

    fn program(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    /// The command line for `group`, program first.
    fn build(&self, envelope: &Envelope, sender: Option<&Address>, group: &[usize]) -> Vec<String> {
        let sender = sender.map_or(self.behaviour.null_sender, Address::as_str);
        let mut args = vec![self.program().to_owned()];
        args.extend(self.behaviour.always.iter().map(|&option| option.to_owned()));
        if let Some(dsn) = self.behaviour.dsn {
            let origin = &envelope.origin;
            args.extend(dsn.options(origin.notify.as_deref(), origin.ret.as_deref(), origin.envid.as_deref()));
        }
        for arg in self.command.iter().skip(1) {
            if arg == "{recipients}" {
                args.extend(group.iter().map(|&i| envelope.recipients[i].as_str().to_owned()));
            } else if arg.contains('{') {
                args.push(arg.replace("{sender}", sender));
            } else {
                args.push(arg.clone());
            }
        }
        args
    }

    /// The environment of a program that gets `recipient`'s message.
    fn environment(
        &self,
        envelope: &Envelope,
        sender: Option<&Address>,
        group: &[usize],
    ) -> Option<Result<Vec<CString>, NulError>> {
        let ours = self.environment.as_ref()?;
        let recipient = group.first().map(|&first| &envelope.recipients[first])?;
        let (local, extension) = recipient.local().split_once('+').unwrap_or((recipient.local(), ""));
        let values = [
            sender.map_or("", Address::as_str),
            recipient.as_str(),
            local,
            extension,
            recipient.domain(),
            envelope.id.as_str(),
        ];
        let own = ENVELOPE.iter().zip(values).map(|(name, value)| CString::new(format!("{name}={value}")));
        Some(ours.iter().cloned().map(Ok).chain(own).collect())
    }

    /// Why a recipient that begins with a dash would be an option: no `--` stands before it, or that is not heeded.
    fn unshielded(&self) -> Option<String> {
        let at = self.command.iter().position(|arg| arg == "{recipients}").unwrap_or(0);
        if !self.command[..at].iter().any(|arg| arg == "--") {
            return Some("the transport's command has no '--' before {recipients}".to_owned());
        }
        (!self.behaviour.shields).then(|| format!("the sendmail of {} takes that for an option", self.behaviour.name()))
    }
}

impl Transport for Pipe {
    fn probe(&self) -> Result<(), String> {
        let program = Path::new(self.program());
        match nix::unistd::access(program, nix::unistd::AccessFlags::X_OK) {
            Ok(()) if program.is_file() => Ok(()),
            Ok(()) => {
                Err(format!("{}: this is no program; see transport in 'bulkmailer config show'", program.display()))
            }
            Err(errno) => {
                Err(format!("{}: {}; see transport in 'bulkmailer config show'", program.display(), errno.desc()))
            }
        }
    }

    fn fit(&self, envelope: &Envelope, group: &[usize]) -> usize {
        let mut used = 0;
        let fits = group.iter().take(self.behaviour.at_once).take_while(|&&i| {
            // A string, its end, and its pointer.
            used += envelope.recipients[i].as_str().len() + 9;
            used <= self.room
        });
        fits.count().max(1)
    }

    fn shares_verdicts(&self) -> bool {
        true
    }

    fn success(&self) -> Option<About> {
        self.behaviour.dsn.is_none().then_some(About::Relayed)
    }

    fn longest(&self) -> Duration {
        self.timeout + 2 * child::GRACE
    }

    fn send(&mut self, handover: Handover<'_>, _next: &mut Next<'_>, signals: &Signals) -> Attempt {
        let Handover { envelope, sender, group, message } = handover;
        let dash = group.iter().any(|&i| envelope.recipients[i].as_str().starts_with('-'));
        if let Some(why) = self.unshielded().filter(|_| dash && self.environment.is_none()) {
            let text = format!("an address begins with '-', and {why}");
            return all(Verdict::Failed(Reason::new(&text)), group.len());
        }
        // Addresses have no NUL byte, by their type; an option that has one is this entry's fault.
        let args: Result<Vec<CString>, _> = self.build(envelope, sender, group).into_iter().map(CString::new).collect();
        let environment = self.environment(envelope, sender, group).transpose();
        let (Ok(args), Ok(environment)) = (args, environment) else {
            return all(Verdict::Failed(Reason::new("an option of its envelope contains a NUL byte")), group.len());
        };
        let input = match message.file() {
            Ok(file) => file,
            Err(error) => return Attempt::SinkDown(error.to_string()),
        };
        let order = child::Order { args, environment };
        let run = child::run(&mut self.spawner, &order, input, self.timeout, signals);
        match run.finish {
            Finish::NotStarted(error) => Attempt::SinkDown(format!("{}: {error}", self.program())),
            Finish::Lost(error) => {
                let text = with_said(&format!("the command's exit status is lost: {error}"), &run.said);
                all(Verdict::Unknown(Reason::new(&text)), group.len())
            }
            Finish::Stopped { why } => {
                let text = with_said(&format!("the command was ended: {why}"), &run.said);
                all(Verdict::Unknown(Reason::new(&text)), group.len())
            }
            Finish::Ended(ended) => match self.behaviour.verdict(ended, &run.said) {
                Ok(Verdict::Deferred(reason)) if !reason.is_of_entry() => not_now(reason, group.len()),
                Ok(Verdict::Failed(reason)) => {
                    let Some((blame, cause)) = self.behaviour.blame(&run.said, &reason) else {
                        return all(Verdict::Failed(reason), group.len());
                    };
                    // A refusal of this host is none of the message.
                    let verdict = if blame.is_ours() { Verdict::Deferred(reason) } else { Verdict::Failed(reason) };
                    Attempt::Doubtful(Doubtful { verdicts: vec![verdict; group.len()], blame, cause })
                }
                Ok(verdict) => all(verdict, group.len()),
                // What the command said may hold control characters, and goes to a terminal.
                Err(why) => Attempt::SinkDown(Reason::new(&format!("{}: {why}", self.program())).text),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Profile;
    use crate::model::envelope::Origin;
    use crate::model::{EntryId, Micros};

    fn envelope(sender: &str, recipients: &[&str]) -> Envelope {
        Envelope {
            id: EntryId::new(Micros(1)),
            sender: crate::model::Address::sender(sender).expect("a good sender"),
            recipients: recipients.iter().map(|r| r.parse().expect("a good address")).collect(),
            fields: crate::model::Fields::default(),
            origin: Origin {
                submitted: Micros(1),
                uid: 0,
                body: None,
                notify: Some("never".to_owned()),
                ret: None,
                envid: None,
                verp: None,
            },
        }
    }

    fn args(pipe: &Pipe, envelope: &Envelope) -> Vec<String> {
        let group: Vec<usize> = (0..envelope.recipients.len()).collect();
        pipe.build(envelope, envelope.sender.as_ref(), &group).split_off(1)
    }

    fn pipe(profile: Profile) -> Pipe {
        let behaviour = profiles::resolve(profile, &[]).0;
        let command = ["/usr/sbin/sendmail", "-oi", "-f", "{sender}", "--", "{recipients}"];
        Pipe::new(command.map(str::to_owned).to_vec(), behaviour, Duration::from_secs(1))
    }

    #[test]
    fn addresses_become_arguments_and_the_null_sender_is_spelled_out() {
        assert_eq!(
            args(&pipe(Profile::Generic), &envelope("", &["-a@b", "c|rm@d"])),
            ["-oi", "-f", "<>", "--", "-a@b", "c|rm@d"]
        );
        assert_eq!(
            args(&pipe(Profile::Postfix), &envelope("x@y", &["a@b"])),
            ["-N", "never", "-oi", "-f", "x@y", "--", "a@b"]
        );
    }

    #[test]
    fn a_profile_has_its_own_options_and_knows_what_a_dash_does() {
        let exim = args(&pipe(Profile::Exim), &envelope("", &["a@b"]));
        assert_eq!(exim, ["-oep", "-oi", "-f", "<>", "--", "a@b"]);
        assert_eq!(pipe(Profile::Exim).unshielded(), None);
        assert!(pipe(Profile::Nullmailer).unshielded().is_some_and(|why| why.contains("nullmailer")));
        let open =
            Pipe::new(vec!["a".into(), "{recipients}".into()], profiles::resolve(Profile::Exim, &[]).0, Duration::MAX);
        assert!(open.unshielded().is_some_and(|why| why.contains("'--'")));
    }

    #[test]
    fn an_argument_list_is_cut_where_the_system_would_refuse_it() {
        let mut pipe = pipe(Profile::Postfix);
        pipe.room = 100;
        let many: Vec<String> = (0..50).map(|i| format!("r{i:02}@example.org")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let envelope = envelope("x@y", &many);
        let group: Vec<usize> = (0..50).collect();
        assert_eq!(pipe.fit(&envelope, &group), 4);
        pipe.room = 0;
        assert_eq!(pipe.fit(&envelope, &group), 1);
    }
}
