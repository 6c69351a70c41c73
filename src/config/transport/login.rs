//! Who we are to a server, and where the password is.

use std::path::PathBuf;

use crate::config::choice::Named;
use crate::config::reader::{Reader, Set};

/// Who we are to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub secret: Secret,
    /// `None` takes what the server offers.
    pub mechanism: Option<Mechanism>,
}

/// Where the password or token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The first line of a file.
    File(PathBuf),
    /// The first line of what a command prints.
    Command(Vec<String>),
}

/// How the login is told (RFC 4954).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Login,
    Xoauth2,
}

impl Mechanism {
    /// As servers offer it.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::Xoauth2 => "XOAUTH2",
        }
    }
}

impl Named for Mechanism {
    const VALUES: &'static [Mechanism] = &[Mechanism::Plain, Mechanism::Login, Mechanism::Xoauth2];

    fn word(self) -> &'static str {
        match self {
            Mechanism::Plain => "plain",
            Mechanism::Login => "login",
            Mechanism::Xoauth2 => "xoauth2",
        }
    }

    fn is_called(self, text: &str) -> bool {
        self.word().eq_ignore_ascii_case(text)
    }
}

/// The keys of a login, as they are read.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct LoginKeys {
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub password_command: Option<Vec<String>>,
    pub auth: Option<Mechanism>,
}

impl LoginKeys {
    /// The keys that make `login`.
    pub fn of(login: &Login) -> LoginKeys {
        let Login { user, secret, mechanism } = login.clone();
        let (password_file, password_command) = match secret {
            Secret::File(path) => (Some(path), None),
            Secret::Command(command) => (None, Some(command)),
        };
        LoginKeys { user: Some(user), password_file, password_command, auth: mechanism }
    }

    /// The login, if there is one; a part of one in the table `place` is noted.
    pub fn login(self, place: &str, set: &Set, reader: &mut Reader<'_>) -> Option<Login> {
        let mechanism = self.auth;
        let at = set.first_of(&["password_command", "password_file", "auth"]);
        match (self.user, self.password_file, self.password_command) {
            (Some(user), Some(file), None) => Some(Login { user, secret: Secret::File(file), mechanism }),
            (Some(user), None, Some(command)) => Some(Login { user, secret: Secret::Command(command), mechanism }),
            (None, None, None) if at.is_none() => None,
            (None, ..) => {
                reader.problem(at, format!("{place}.user: it is missing, and the rest of the login is there"));
                None
            }
            (Some(_), Some(_), Some(_)) => {
                reader.problem(at, format!("{place}.password_command: \"password_file\" is set, too: keep one"));
                None
            }
            (Some(_), None, None) => {
                reader
                    .problem(set.at("user"), format!("{place}.password_file: a user needs this, or password_command"));
                None
            }
        }
    }
}
