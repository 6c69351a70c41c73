//! How it is found out whether this host is online: `[online]`.

use std::path::{Path, PathBuf};

use super::form::ValueForm;
use super::key::ConfigKey;
use super::reader::{Reader, SetKeys};
use super::table::ConfigTable;
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

/// The table as it is read: of the two ways one may be set.
#[derive(Clone, Default)]
pub(super) struct OnlineKeys {
    check: Option<Vec<String>>,
    connect: Option<String>,
}

pub(super) const TABLE: ConfigTable<OnlineKeys> = ConfigTable {
    name: "online",
    about: "How a run finds out whether this host is online; without this table it does not ask.",
    keys: KEYS,
};

type OnlineKey = ConfigKey<OnlineKeys>;

const KEYS: &[OnlineKey] = &[
    OnlineKey::new(
        "check",
        ValueForm::Command(|args, _| program(args), |keys| &mut keys.check),
        "A command and its arguments, which ends with status 0 within 10
        seconds if the host is online.
        A name without a path is looked for in the system's folders, not in
        .Ev PATH .",
    )
    .otherwise("")
    .example("[\"nm-online\", \"-x\", \"-q\"]"),
    OnlineKey::new(
        "connect",
        ValueForm::Other {
            words: "",
            read: |value, keys| {
                keys.connect = Some(values::host_and_port(&values::text(value)?)?);
                Ok(())
            },
            show: |keys| keys.connect.clone().map(toml::Value::String),
        },
        "A text
        .Qq HOST:PORT
        to which a TCP connection succeeds within 15 seconds if the host is online.
        An IPv6 address stands in brackets.",
    )
    .otherwise("")
    .example("\"mail.example.org:587\""),
];

impl OnlineKeys {
    /// The keys that make `online`.
    pub fn of(online: &Online) -> OnlineKeys {
        match online.clone() {
            Online::Check(command) => OnlineKeys { check: Some(command), connect: None },
            Online::Connect(to) => OnlineKeys { check: None, connect: Some(to) },
        }
    }

    /// The one that is set.
    pub fn only(self, set: &SetKeys, reader: &mut Reader<'_>) -> Option<Online> {
        let Some(at) = set.at("check") else { return self.connect.map(Online::Connect) };
        if set.at("connect").is_some() {
            let text = "online.check: \"connect\" is set, too: keep one of them".to_owned();
            reader.problem(Some(at), text);
        }
        self.check.map(Online::Check)
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
