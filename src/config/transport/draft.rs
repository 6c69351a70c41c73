//! A transport's table as it is read, before it is known whether it makes a transport.

use std::path::PathBuf;
use std::time::Duration;

use super::connect::{Connect, TlsMode};
use super::kind::Transport;
use super::login::LoginKeys;
use super::program::Profile;
use super::smtp::{Protocol, Smtp};
use crate::config::pace::TransportPace;
use crate::config::reader::{Reader, Set};

/// How long one hand-over may take where nothing else is said.
pub const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// What the keys of all kinds were set to.
#[derive(Clone)]
pub(in crate::config) struct Draft {
    pub kind: String,
    /// The kind as the file writes it, whatever it is.
    pub said: Option<String>,
    pub command: Option<Vec<String>>,
    pub profile: Profile,
    pub timeout: Duration,
    pub path: Option<PathBuf>,
    /// Its protocol, login and timeout follow from the others.
    pub smtp: Smtp,
    pub login: LoginKeys,
    pub pace: TransportPace,
}

impl Default for Draft {
    fn default() -> Draft {
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
        Draft {
            kind: String::new(),
            said: None,
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

impl Draft {
    /// The keys that make `transport`; `None` where no file can say so.
    pub fn of(transport: &Transport, pace: &TransportPace) -> Option<Draft> {
        let draft = Draft { pace: pace.clone(), ..Draft::default() };
        Some(match transport.clone() {
            Transport::Pipe { command, profile, timeout } => {
                Draft { kind: "pipe".to_owned(), command: Some(command), profile, timeout, ..draft }
            }
            Transport::Command { command, timeout } => {
                Draft { kind: "command".to_owned(), command: Some(command), timeout, ..draft }
            }
            Transport::Maildir { path } => Draft { kind: "maildir".to_owned(), path: Some(path), ..draft },
            Transport::Ourselves { .. } => return None,
            Transport::Smtp(smtp) => {
                let login = smtp.login.as_ref().map(LoginKeys::of).unwrap_or_default();
                let (kind, timeout) = (smtp.protocol.name().to_owned(), smtp.timeout);
                Draft { kind, timeout, smtp: *smtp, login, ..draft }
            }
        })
    }

    /// The transport that the keys in `set` make, or `None` with the problem noted. `place` is the name of the table, which
    /// begins `at` this byte.
    pub fn transport(self, place: &str, at: usize, set: &Set, reader: &mut Reader<'_>) -> Option<Transport> {
        match self.kind.as_str() {
            "pipe" | "command" => {
                if set.at("command").is_none() {
                    reader.problem(Some(at), format!("{place}.command: it needs the command that it leads to"));
                }
                let (command, profile, timeout) = (self.command?, self.profile, self.timeout);
                Some(match self.kind.as_str() {
                    "pipe" => Transport::Pipe { command, profile, timeout },
                    _ => Transport::Command { command, timeout },
                })
            }
            "smtp" => self.server(Protocol::Smtp, place, at, set, reader),
            "lmtp" => self.server(Protocol::Lmtp, place, at, set, reader),
            "maildir" => {
                if set.at("path").is_none() {
                    reader.problem(Some(at), format!("{place}.path: a maildir needs its path"));
                }
                self.path.map(|path| Transport::Maildir { path })
            }
            _ => {
                let said = match (set.at("kind"), self.said) {
                    (None, _) => "it is missing".to_owned(),
                    (Some(_), Some(kind)) => format!("{kind} is none"),
                    // It is no text, number or truth value, which was noted.
                    (Some(_), None) => return None,
                };
                let known = "\"pipe\", \"command\", \"smtp\", \"lmtp\" or \"maildir\"";
                reader.problem(Some(at), format!("{place}.kind: {said}: {known}"));
                None
            }
        }
    }

    fn server(
        self,
        protocol: Protocol,
        place: &str,
        at: usize,
        set: &Set,
        reader: &mut Reader<'_>,
    ) -> Option<Transport> {
        let login = self.login.login(place, set, reader);
        if set.at("connect").is_none() {
            let text = format!("{place}.connect: it needs a server, as in \"tcp:localhost:25\"");
            reader.problem(Some(at), text);
        }
        if !set.is_good("connect") {
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
