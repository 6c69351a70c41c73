//! The command that a transport leads to: a sendmail, or a program of another kind.

use std::path::Path;

use crate::config::choice::Named;

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

impl Named for Profile {
    const VALUES: &'static [Profile] = &Profile::ALL;
    const REFUSED: &'static str = "is no profile: one of";
    const OR: &'static str = ", ";

    fn word(self) -> &'static str {
        self.name()
    }
}

/// A transport's command: an absolute program, and `{recipients}` as one argument of its own.
pub(in crate::config) fn command(args: &[String]) -> Result<Vec<String>, String> {
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
