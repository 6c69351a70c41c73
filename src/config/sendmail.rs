//! The host's sendmail command, which may be this program: then nothing may lead to it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Problem};
use super::reader::Origins;
use super::settings::Config;
use super::transport::{Connect, Transport};

/// Whether both lead to one file.
fn same_file(one: &Metadata, other: Option<&Metadata>) -> bool {
    other.is_some_and(|other| one.dev() == other.dev() && one.ino() == other.ino())
}

/// What this host has of a sendmail command.
pub(super) enum Sendmail<'a> {
    Program(&'a Path),
    /// It has none but this program.
    Ourselves(&'a Path),
    None,
}

/// The first of these that is a program and not this one. One that is there but cannot run, or a link that leads
/// nowhere, counts where there is no better: the host has an MTA, which is being upgraded or is broken, and mail has to
/// wait for it rather than end in a Maildir that nobody looks into.
pub(super) fn find<'a>(places: &'a [PathBuf], own: Option<&Metadata>) -> (Sendmail<'a>, String) {
    let mut ourselves = None;
    let mut broken = None;
    for place in places {
        match place.metadata() {
            Ok(meta) if same_file(&meta, own) => ourselves = Some(place),
            Ok(meta) if meta.is_file() && meta.mode() & 0o111 != 0 => {
                return (Sendmail::Program(place), format!("{} was found", place.display()));
            }
            Ok(_) | Err(_) if place.symlink_metadata().is_ok() => broken = broken.or(Some(place)),
            Ok(_) | Err(_) => {}
        }
    }
    match (broken, ourselves) {
        (Some(place), _) => (Sendmail::Program(place), format!("{} is there, but cannot be run", place.display())),
        (None, Some(place)) => (Sendmail::Ourselves(place), format!("{} is bulkmailer itself", place.display())),
        (None, None) => (Sendmail::None, "this host has no sendmail command".to_owned()),
    }
}

/// A transport that leads back to this program would feed us our own mail.
pub(super) fn refuse_ourselves(
    config: &Config,
    origins: &Origins,
    file: &Path,
    own: Option<&Metadata>,
) -> Result<(), ConfigError> {
    let mut problems = Vec::new();
    for (name, transport) in &config.transports {
        let (key, programs): (_, Vec<&String>) = match transport {
            Transport::Pipe { command, .. } | Transport::Command { command, .. } => {
                ("command", command.first().into_iter().collect())
            }
            Transport::Maildir { .. } | Transport::Ourselves { .. } => continue,
            Transport::Smtp(smtp) => {
                let exec = smtp.connect.iter().filter_map(|connect| match connect {
                    Connect::Exec(command) => command.first(),
                    Connect::Tcp(_) | Connect::Unix(_) => None,
                });
                ("connect", exec.collect())
            }
        };
        let ours = |program: &&&String| Path::new(program).metadata().is_ok_and(|meta| same_file(&meta, own));
        if let Some(program) = programs.iter().find(ours) {
            let key = format!("transport.{name}.{key}");
            let text =
                format!("{key}: {program} is bulkmailer itself, which would feed itself: name the MTA's own sendmail");
            problems.push(Problem { file: Some(file.to_owned()), line: origins.line(&key), text });
        }
    }
    ConfigError::of(problems).map_or(Ok(()), Err)
}
