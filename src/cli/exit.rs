//! What went wrong, as an exit status (sysexits.h).

use clap::error::ErrorKind;

use crate::admin::own_mail::whose::NotYours;
use crate::bounce::ledger::LedgerError;
use crate::config::ConfigError;
use crate::intake::merge::error::MergeError;
use crate::intake::{Failure, Refused};
use crate::model::Exit;
use crate::queue::QueueError;
use crate::sys::output::warning;

/// The status of a command line that clap did not take; prints its message. `--help` and `--version` are no errors.
pub fn of_usage(error: &clap::Error) -> Exit {
    if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        warning!("{}", one_line(&error.render().to_string()));
        return Exit::Usage;
    }
    // Nobody is left to tell if this fails.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

/// clap's message of several paragraphs as one line, as all our errors are: what is wrong, the tip, where help is.
fn one_line(text: &str) -> String {
    let mut said = String::new();
    let mut command = String::from("bulkmailer");
    for (i, paragraph) in text.split("\n\n").enumerate() {
        let flat = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        match flat.strip_prefix("Usage: ") {
            // The program and its commands come first, then options in brackets.
            Some(usage) => {
                let words = usage.split(' ').take_while(|word| !word.starts_with(['[', '<', '-']));
                command = words.collect::<Vec<_>>().join(" ");
            }
            None if i == 0 => said.push_str(flat.strip_prefix("error: ").unwrap_or(&flat)),
            None if flat.starts_with("tip: ") => said.push_str(&format!("; {}", flat.replace("tip: ", ""))),
            None => {}
        }
    }
    format!("{said}; see '{command} --help'")
}

/// An error with its causes, in one line. Many of ours have their cause in their own words already.
pub fn text(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(|cause| cause.to_string()) {
        match said.is_empty() {
            true => said = cause,
            false if said.ends_with(&cause) => {}
            false => said.push_str(&format!(": {cause}")),
        }
    }
    said
}

/// The status of an error, by the innermost cause that is one of ours.
pub fn of_error(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<LedgerError>() {
            return error.exit();
        }
        if let Some(error) = cause.downcast_ref::<QueueError>() {
            return error.exit();
        }
        // A transparent error is not in the chain beneath the one that it is wrapped in.
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.exit();
        }
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return refused.exit();
        }
        if let Some(error) = cause.downcast_ref::<MergeError>() {
            return error.exit();
        }
        if cause.is::<NotYours>() {
            return Exit::NoPerm;
        }
        if cause.is::<ConfigError>() {
            return Exit::Config;
        }
        if cause.is::<crate::model::id::BadId>() || cause.is::<crate::model::address::BadAddress>() {
            return Exit::Usage;
        }
        if cause.is::<std::io::Error>() {
            return Exit::IoErr;
        }
    }
    Exit::Attention
}
