//! A transport's table as it is read, before it is known whether it makes a transport.

use std::path::PathBuf;
use std::time::Duration;

use super::connect::{Connect, TlsMode};
use super::kind::TransportKind;
use super::login::LoginKeys;
use super::program::Profile;
use super::smtp::{Protocol, Smtp};
use super::way_out::Transport;
use crate::config::pace::TransportPace;
use crate::config::reader::{Reader, SetKeys};

/// How long one hand-over may take where nothing else is said.
pub const TIMEOUT: Duration = Duration::from_secs(5 * 60);

const NO_COMMAND: &str = "it needs the command that it leads to";

/// What the keys of all kinds were set to.
#[derive(Clone)]
pub(in crate::config) struct TransportTable {
    pub kind: Option<TransportKind>,
    pub command: Option<Vec<String>>,
    pub profile: Profile,
    pub timeout: Duration,
    pub path: Option<PathBuf>,
    /// Its protocol, login and timeout follow from the others.
    pub smtp: Smtp,
    pub login: LoginKeys,
    pub pace: TransportPace,
}

impl Default for TransportTable {
    fn default() -> TransportTable {
        let smtp = Smtp {
            protocol: Protocol::Smtp,
            connect: Vec::new(),
            tls: None,
            ca: None,
            server_name: None,
            login: None,
            hello: None,
            timeout: TIMEOUT,
            session_messages: Smtp::SESSION_MESSAGES,
        };
        TransportTable {
            kind: None,
            command: None,
            profile: Profile::Auto,
            timeout: TIMEOUT,
            path: None,
            smtp,
            login: LoginKeys::default(),
            pace: TransportPace::default(),
        }
    }
}

impl TransportTable {
    /// The keys that make `transport`; `None` where no file can say so.
    pub fn of(transport: &Transport, pace: &TransportPace) -> Option<TransportTable> {
        let of_kind = |kind| TransportTable { kind: Some(kind), pace: pace.clone(), ..TransportTable::default() };
        Some(match transport.clone() {
            Transport::Pipe { command, profile, timeout } => {
                TransportTable { command: Some(command), profile, timeout, ..of_kind(TransportKind::Pipe) }
            }
            Transport::Command { command, timeout } => {
                TransportTable { command: Some(command), timeout, ..of_kind(TransportKind::Command) }
            }
            Transport::Maildir { path } => TransportTable { path: Some(path), ..of_kind(TransportKind::Maildir) },
            Transport::Ourselves { .. } => return None,
            Transport::Smtp(smtp) => {
                let login = smtp.login.as_ref().map(LoginKeys::of).unwrap_or_default();
                let (kind, timeout) = (smtp.protocol.kind(), smtp.timeout);
                TransportTable { timeout, smtp: *smtp, login, ..of_kind(kind) }
            }
        })
    }

    /// The transport that these keys make, of which the file sets those in `set`; or `None` with the problem noted. `place`
    /// is the name of the table, which begins `at` this byte.
    pub fn transport(self, place: &str, at: usize, set: &SetKeys, reader: &mut Reader<'_>) -> Option<Transport> {
        // A key that is set and faulty was noted.
        let mut need = |key: &str, is_there: bool, why: &str| {
            if !is_there && set.at(key).is_none() {
                reader.problem(Some(at), format!("{place}.{key}: {why}"));
            }
        };
        let (command, profile, timeout) = (self.command.clone(), self.profile, self.timeout);
        match self.kind {
            Some(TransportKind::Pipe) => {
                need("command", command.is_some(), NO_COMMAND);
                command.map(|command| Transport::Pipe { command, profile, timeout })
            }
            Some(TransportKind::Command) => {
                need("command", command.is_some(), NO_COMMAND);
                command.map(|command| Transport::Command { command, timeout })
            }
            Some(TransportKind::Maildir) => {
                need("path", self.path.is_some(), "a maildir needs its path");
                self.path.map(|path| Transport::Maildir { path })
            }
            Some(TransportKind::Smtp) => self.server(Protocol::Smtp, place, at, set, reader),
            Some(TransportKind::Lmtp) => self.server(Protocol::Lmtp, place, at, set, reader),
            None => {
                need("kind", false, &TransportKind::missing());
                None
            }
        }
    }

    fn server(
        self,
        protocol: Protocol,
        place: &str,
        at: usize,
        set: &SetKeys,
        reader: &mut Reader<'_>,
    ) -> Option<Transport> {
        let login = self.login.login(place, set, reader);
        if self.smtp.connect.is_empty() {
            if set.at("connect").is_none() {
                let text = format!("{place}.connect: it needs a server, as in \"tcp:localhost:25\"");
                reader.problem(Some(at), text);
            }
            return None;
        }
        let smtp = Smtp { protocol, login, timeout: self.timeout, ..self.smtp };
        let open = |connect: &&Connect| !connect.is_local() && smtp.tls_of(connect) == TlsMode::None;
        if let Some(open) = smtp.connect.iter().find(open).filter(|_| smtp.login.is_some()) {
            let text = format!("{place}.tls: the password would go to {open} in the clear: set \"starttls\"");
            reader.problem(set.at("tls").or(Some(at)), text);
        }
        Some(Transport::Smtp(Box::new(smtp)))
    }
}
