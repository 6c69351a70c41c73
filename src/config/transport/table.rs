//! The table of a transport: the keys of all kinds, and which of them a kind has.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use crate::config::pace::{self, TransportPace};
use crate::config::reader::Reader;
use crate::config::scalar::{Command, OneOrMany, Scalar, Value};
use crate::config::values;

/// How long one hand-over may take where nothing else is said.
pub const TIMEOUT: Duration = Duration::from_secs(5 * 60);

const KINDS: [&str; 5] = ["pipe", "command", "maildir", "smtp", "lmtp"];

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [transport.sendmail]")]
pub struct Table {
    pub kind: Value,
    pub command: Command,
    pub profile: Value,
    pub timeout: Value,
    pub path: Value,
    pub connect: Option<Spanned<OneOrMany>>,
    pub tls: Value,
    pub ca: Value,
    pub server_name: Value,
    pub user: Value,
    pub password_file: Value,
    pub password_command: Command,
    pub auth: Value,
    pub hello: Value,
    pub session_messages: Value,
    pub rate: Value,
    pub burst: Value,
    pub sessions: Value,
}

impl Table {
    /// The keys that are set, and that a transport of this kind does not have, each with its place.
    fn strange(&self, kind: &str) -> impl Iterator<Item = (&'static str, usize)> {
        let place = |value: &Value| value.as_ref().map(|value| value.span().start);
        let listed = |value: &Option<Spanned<Vec<String>>>| value.as_ref().map(|value| value.span().start);
        let smtp = ["smtp", "lmtp"].as_slice();
        // Which kinds have a key.
        let owners = [
            ("command", listed(&self.command), ["pipe", "command"].as_slice()),
            ("profile", place(&self.profile), &["pipe"]),
            ("timeout", place(&self.timeout), &["pipe", "command", "smtp", "lmtp"]),
            ("path", place(&self.path), &["maildir"]),
            ("connect", self.connect.as_ref().map(|value| value.span().start), smtp),
            ("tls", place(&self.tls), smtp),
            ("ca", place(&self.ca), smtp),
            ("server_name", place(&self.server_name), smtp),
            ("user", place(&self.user), smtp),
            ("password_file", place(&self.password_file), smtp),
            ("password_command", listed(&self.password_command), smtp),
            ("auth", place(&self.auth), smtp),
            ("hello", place(&self.hello), smtp),
            ("session_messages", place(&self.session_messages), smtp),
            ("sessions", place(&self.sessions), &["pipe", "command", "smtp", "lmtp"]),
        ];
        let known = KINDS.contains(&kind);
        let strange = owners.into_iter().filter(move |(_, _, kinds)| known && !kinds.contains(&kind));
        strange.filter_map(|(key, at, _)| Some((key, at?)))
    }
}

/// One transport's table, and the name that it has.
#[derive(Clone, Copy)]
pub struct Section<'t> {
    pub name: &'t Spanned<String>,
    pub table: &'t Table,
}

impl Section<'_> {
    /// The whole name of a key, as people are told.
    pub fn key(&self, inside: &str) -> String {
        format!("transport.{}.{inside}", self.name.get_ref())
    }

    /// Where the section begins.
    pub fn at(&self) -> usize {
        self.name.span().start
    }

    /// What kind it says it is, whatever that is; keys that this kind does not have are noted.
    pub fn kind(&self, reader: &mut Reader<'_>) -> String {
        let kind = reader.value(&self.key("kind"), &self.table.kind, String::new(), values::text);
        for (inside, at) in self.table.strange(&kind) {
            let key = self.key(inside);
            reader.problem(Some(at), format!("{key}: a transport of kind \"{kind}\" has no such key: remove it"));
        }
        kind
    }

    /// How long one hand-over may take.
    pub fn timeout(&self, reader: &mut Reader<'_>) -> Duration {
        reader.value(&self.key("timeout"), &self.table.timeout, TIMEOUT, values::some_time)
    }

    /// How fast it is fed, whatever its kind.
    pub fn pace(&self, reader: &mut Reader<'_>) -> TransportPace {
        let count = |value: &Scalar| values::count(1..=256)(value).map(Some);
        let sessions = reader.value(&self.key("sessions"), &self.table.sessions, None, count);
        TransportPace {
            rate: pace::rate(&|inside| self.key(inside), &self.table.rate, &self.table.burst, reader),
            sessions,
        }
    }
}
