//! A user as the databases have him.

use std::path::PathBuf;

use nix::unistd::User;

/// What is known of a user (passwd(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub gid: u32,
    pub gecos: String,
    pub home: PathBuf,
    /// The C library does not know the user, and getent does.
    pub elsewhere: bool,
}

impl Account {
    /// As the C library knows him.
    pub fn of_files(user: User) -> Account {
        let gecos = user.gecos.to_string_lossy().into_owned();
        Account { name: user.name, gid: user.gid.as_raw(), gecos, home: user.dir, elsewhere: false }
    }
}
