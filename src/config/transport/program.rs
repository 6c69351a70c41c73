//! The command that a transport leads to: a sendmail, or a program of another kind.

use std::path::Path;
use std::time::Duration;

use super::table::Section;
use crate::config::reader::Reader;
use crate::config::scalar::Scalar;
use crate::config::values;

/// Which MTA's sendmail a pipe leads to: how its exit status and its options are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Found out from the program itself.
    Auto,
    Generic,
    Postfix,
    Exim,
    Sendmail,
    Opensmtpd,
    Courier,
    Nullmailer,
    Msmtp,
    Dma,
    /// qmail and notqmail.
    Qmail,
}

impl Profile {
    pub const ALL: [Profile; 11] = [
        Profile::Auto,
        Profile::Generic,
        Profile::Postfix,
        Profile::Exim,
        Profile::Sendmail,
        Profile::Opensmtpd,
        Profile::Courier,
        Profile::Nullmailer,
        Profile::Msmtp,
        Profile::Dma,
        Profile::Qmail,
    ];

    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Auto => "auto",
            Profile::Generic => "generic",
            Profile::Postfix => "postfix",
            Profile::Exim => "exim",
            Profile::Sendmail => "sendmail",
            Profile::Opensmtpd => "opensmtpd",
            Profile::Courier => "courier",
            Profile::Nullmailer => "nullmailer",
            Profile::Msmtp => "msmtp",
            Profile::Dma => "dma",
            Profile::Qmail => "qmail",
        }
    }
}

/// The command, and how long it may take; or `None` with the problem noted.
pub fn read(
    section: Section<'_>,
    read: fn(&[String]) -> Result<Vec<String>, String>,
    reader: &mut Reader<'_>,
) -> Option<(Vec<String>, Duration)> {
    let timeout = section.timeout(reader);
    let Some(command) = &section.table.command else {
        let text = format!("{}: it needs the command that it leads to", section.key("command"));
        reader.problem(Some(section.at()), text);
        return None;
    };
    reader.given(&section.key("command"), command, |args| read(args)).map(|command| (command, timeout))
}

/// A transport's command: an absolute program, and `{recipients}` as one argument of its own.
pub fn command(args: &[String]) -> Result<Vec<String>, String> {
    let Some(program) = args.first() else {
        return Err("the command is empty: name the program's absolute path and its arguments".to_owned());
    };
    if !Path::new(program).is_absolute() {
        return Err(format!("{program:?} is no absolute path, and no PATH is searched: write it in full"));
    }
    if let Some(arg) = args.iter().find(|arg| arg.contains('\0')) {
        return Err(format!("{arg:?}: an argument cannot hold a NUL"));
    }
    let places = args.iter().skip(1).filter(|arg| *arg == "{recipients}").count();
    if places != 1 {
        return Err(format!(
            "\"{{recipients}}\" must be one argument of its own, and is {places}: \
             it becomes the addresses that the message goes to"
        ));
    }
    let strange = |arg: &&String| arg.as_str() != "{recipients}" && arg.replace("{sender}", "").contains("{recipient");
    if let Some(arg) = args.iter().find(strange) {
        return Err(format!("{arg:?} would not be replaced: \"{{recipients}}\" stands alone, \"{{sender}}\" anywhere"));
    }
    Ok(args.to_vec())
}

pub fn profile(value: &Scalar) -> Result<Profile, String> {
    let name = values::text(value)?;
    Profile::ALL.into_iter().find(|profile| profile.name() == name).ok_or_else(|| {
        let known: Vec<String> = Profile::ALL.iter().map(|profile| format!("\"{}\"", profile.name())).collect();
        format!("{value} is no profile: one of {}", known.join(", "))
    })
}
