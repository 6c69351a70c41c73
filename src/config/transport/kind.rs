//! The kinds of transports: how an entry leaves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::program::{self, Profile};
use super::smtp::{self, Protocol, Smtp};
use super::table::Section;
use crate::config::reader::Reader;
use crate::config::scalar::Scalar;
use crate::config::values;

/// How an entry leaves.
#[derive(Clone, Debug, PartialEq)]
pub enum Transport {
    /// A command that reads the message on its standard input.
    Pipe {
        /// The program's absolute path and its arguments; `{sender}` and `{recipients}` are replaced.
        command: Vec<String>,
        profile: Profile,
        /// How long one hand-over may take.
        timeout: Duration,
    },
    /// A program that reads the message on its standard input, and finds the envelope in its environment.
    Command {
        /// The program's absolute path and its arguments.
        command: Vec<String>,
        /// How long one hand-over may take.
        timeout: Duration,
    },
    /// Delivery into a Maildir, which is made where it is missing.
    Maildir { path: PathBuf },
    /// No way out: the host's sendmail command is this program. No file can say so.
    Ourselves { program: PathBuf },
    /// A dialogue with a server.
    Smtp(Box<Smtp>),
}

impl Transport {
    /// The transport of this section, or `None` with the problem noted.
    pub(in crate::config) fn read(section: Section<'_>, reader: &mut Reader<'_>) -> Option<Transport> {
        let (word, at) = (section.name.get_ref(), section.at());
        if let Err(why) = values::name(word) {
            reader.problem(Some(at), format!("transport {word:?}: {why}"));
        }
        let kind = section.kind(reader);
        match kind.as_str() {
            "pipe" => {
                let profile = &section.table.profile;
                let profile = reader.value(&section.key("profile"), profile, Profile::Auto, program::profile);
                let (command, timeout) = program::read(section, program::command, reader)?;
                Some(Transport::Pipe { command, profile, timeout })
            }
            "command" => {
                let (command, timeout) = program::read(section, values::plain_command, reader)?;
                Some(Transport::Command { command, timeout })
            }
            "smtp" => smtp::read(section, Protocol::Smtp, reader).map(|smtp| Transport::Smtp(Box::new(smtp))),
            "lmtp" => smtp::read(section, Protocol::Lmtp, reader).map(|smtp| Transport::Smtp(Box::new(smtp))),
            "maildir" => {
                if section.table.path.is_none() {
                    reader.problem(Some(at), format!("{}: a maildir needs its path", section.key("path")));
                    return None;
                }
                let home = reader.home;
                let path = |path: &Scalar| values::path(path, home).map(Some);
                let path = reader.value(&section.key("path"), &section.table.path, None, path);
                path.map(|path| Transport::Maildir { path })
            }
            _ => {
                let said = section.table.kind.as_ref();
                let said =
                    said.map_or_else(|| "it is missing".to_owned(), |kind| format!("{} is none", kind.get_ref()));
                let known = "\"pipe\", \"command\", \"smtp\", \"lmtp\" or \"maildir\"";
                reader.problem(Some(at), format!("{}: {said}: {known}", section.key("kind")));
                None
            }
        }
    }
}

/// Why mail has no way out where `program`, the host's sendmail command, is bulkmailer itself, and what to do.
pub fn no_way_out(program: &Path) -> String {
    format!(
        "{} is bulkmailer itself, and no transport is configured: set in [transport.sendmail] either kind = \"smtp\" and \
         connect = \"tcp:RELAY:587\" with the name of your relay, or, with an MTA installed beside it, kind = \"pipe\" and \
         command = [\"/PATH/OF/ITS/sendmail\", \"-oi\", \"-f\", \"{{sender}}\", \"--\", \"{{recipients}}\"]; \
         see bulkmailer.toml(5)",
        program.display()
    )
}
