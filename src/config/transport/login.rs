//! Who we are to a server, and where the password is.

use std::path::PathBuf;

use super::table::Section;
use crate::config::reader::{Reader, first_of};
use crate::config::scalar::Scalar;
use crate::config::values;

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
    pub const ALL: [Mechanism; 3] = [Mechanism::Plain, Mechanism::Login, Mechanism::Xoauth2];

    /// As servers offer it.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::Xoauth2 => "XOAUTH2",
        }
    }
}

/// The login, if there is one; a part of one is noted.
pub fn read(section: Section<'_>, reader: &mut Reader<'_>) -> Option<Login> {
    let key = |inside: &str| section.key(inside);
    let home = reader.home;
    let user = reader.value(&key("user"), &section.table.user, None, values::line);
    let mechanism = reader.value(&key("auth"), &section.table.auth, None, mechanism);
    let file = reader
        .value(&key("password_file"), &section.table.password_file, None, |path| values::path(path, home).map(Some));
    let command = section.table.password_command.as_ref();
    let command =
        command.and_then(|command| reader.given(&key("password_command"), command, |args| values::plain_command(args)));
    let said = section.table.password_command.as_ref().map(|command| command.span().start);
    let said = said.or(first_of(&[&section.table.password_file, &section.table.auth]));
    match (user, file, command) {
        (Some(user), Some(file), None) => Some(Login { user, secret: Secret::File(file), mechanism }),
        (Some(user), None, Some(command)) => Some(Login { user, secret: Secret::Command(command), mechanism }),
        (None, None, None) if said.is_none() => None,
        (None, ..) => {
            reader.problem(said, format!("{}: it is missing, and the rest of the login is there", key("user")));
            None
        }
        (Some(_), Some(_), Some(_)) => {
            reader.problem(said, format!("{}: \"password_file\" is set, too: keep one", key("password_command")));
            None
        }
        (Some(_), None, None) => {
            let text = format!("{}: a user needs this, or password_command", key("password_file"));
            reader.problem(first_of(&[&section.table.user]), text);
            None
        }
    }
}

fn mechanism(value: &Scalar) -> Result<Option<Mechanism>, String> {
    let name = values::text(value)?;
    let found = Mechanism::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(&name));
    found.map(Some).ok_or_else(|| format!("{value} is not possible: \"plain\", \"login\" or \"xoauth2\""))
}
