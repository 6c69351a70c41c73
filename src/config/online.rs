//! How it is found out whether this host is online: `[online]`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::reader::Reader;
use super::scalar::{Command, Value};
use super::values;

/// How it is found out whether this host is online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Online {
    /// A command ends with status 0. Its program is an absolute path, or a name in one of [`Online::FOLDERS`].
    Check(Vec<String>),
    /// A TCP connection succeeds, to `host:port`.
    Connect(String),
}

impl Online {
    /// Where a command without a path is looked for, whatever `PATH` a launcher sets.
    pub const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

    /// The program that `name` stands for, if it is there.
    pub fn find(name: &str) -> Option<PathBuf> {
        // An absolute name takes the folder's place.
        Online::FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [online]")]
pub(super) struct Table {
    pub check: Command,
    pub connect: Value,
}

impl Table {
    pub fn read(&self, reader: &mut Reader<'_>) -> Option<Online> {
        let connect = reader.value("online.connect", &self.connect, None, |to| values::host_and_port(to).map(Some));
        let Some(check) = &self.check else { return connect.map(Online::Connect) };
        if self.connect.is_some() {
            let text = "online.check: \"connect\" is set, too: keep one of them".to_owned();
            reader.problem(Some(check.span().start), text);
        }
        reader.given("online.check", check, |args| program(args)).map(Online::Check)
    }
}

/// A command whose status says whether the host is online.
fn program(args: &[String]) -> Result<Vec<String>, String> {
    let program = args.first().map_or("", String::as_str);
    if program.is_empty() || (program.contains('/') && !Path::new(program).is_absolute()) {
        return Err(format!("{program:?} is no command: an absolute path, or a name such as \"nm-online\""));
    }
    match args.iter().find(|arg| arg.contains('\0')) {
        Some(arg) => Err(format!("{arg:?}: an argument cannot hold a NUL")),
        None => Ok(args.to_vec()),
    }
}
