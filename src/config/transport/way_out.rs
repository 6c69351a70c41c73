//! A transport: how an entry leaves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::program::Profile;
use super::smtp::Smtp;

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
