//! What a transport of kind "smtp" or "lmtp" can be set to.

use std::path::PathBuf;
use std::time::Duration;

use super::connect::{Connect, TlsMode, connects, tls};
use super::login::{self, Login};
use super::table::Section;
use crate::config::reader::{Reader, first_of};
use crate::config::scalar::Scalar;
use crate::config::values;

/// A server that mail is handed to, or several that take turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    pub protocol: Protocol,
    /// At least one.
    pub connect: Vec<Connect>,
    /// `None` follows from each `connect`, see [`Connect::tls`].
    pub tls: Option<TlsMode>,
    /// A PEM file of the certificate authorities to trust instead of this host's.
    pub ca: Option<PathBuf>,
    /// The name that a server's certificate must bear; by default the host in `connect`.
    pub server_name: Option<String>,
    pub login: Option<Login>,
    /// How we call ourselves; by default this host's name.
    pub hello: Option<String>,
    /// How long one reply may take, and a time in which nothing moves; the reply to a message may take twice as long
    /// (RFC 5321 section 4.5.3.2 asks for 5 and 10 minutes, the default).
    pub timeout: Duration,
    /// The most messages of one session; default 1,000.
    pub session_messages: usize,
}

impl Smtp {
    /// The most messages of one session where nothing else is said.
    pub const SESSION_MESSAGES: usize = 1_000;

    /// How a session with the server at `connect` is encrypted.
    pub fn tls_of(&self, connect: &Connect) -> TlsMode {
        self.tls.unwrap_or_else(|| connect.tls())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    /// RFC 2033: an answer for each recipient.
    Lmtp,
}

impl Protocol {
    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Smtp => "smtp",
            Protocol::Lmtp => "lmtp",
        }
    }
}

/// The servers, or `None` with the problem noted.
pub fn read(section: Section<'_>, protocol: Protocol, reader: &mut Reader<'_>) -> Option<Smtp> {
    let key = |inside: &str| section.key(inside);
    let home = reader.home;
    let path = |path: &Scalar| values::path(path, home).map(Some);
    let tls = reader.value(&key("tls"), &section.table.tls, None, tls);
    let ca = reader.value(&key("ca"), &section.table.ca, None, path);
    let server_name = reader.value(&key("server_name"), &section.table.server_name, None, values::word);
    let hello = reader.value(&key("hello"), &section.table.hello, None, values::word);
    let timeout = section.timeout(reader);
    let session_messages = reader.value(
        &key("session_messages"),
        &section.table.session_messages,
        Smtp::SESSION_MESSAGES,
        values::count(1..=1_000_000),
    );
    let login = login::read(section, reader);
    let Some(connect) = &section.table.connect else {
        let text = format!("{}: it needs a server, as in \"tcp:localhost:25\"", key("connect"));
        reader.problem(Some(section.at()), text);
        return None;
    };
    let connect = reader.given(&key("connect"), connect, connects)?;
    let open = |connect: &&Connect| !connect.is_local() && tls.unwrap_or(connect.tls()) == TlsMode::None;
    if let Some(open) = connect.iter().find(open).filter(|_| login.is_some()) {
        let text = format!("{}: the password would go to {open} in the clear: set \"starttls\"", key("tls"));
        reader.problem(first_of(&[&section.table.tls]).or(Some(section.at())), text);
    }
    Some(Smtp { protocol, connect, tls, ca, server_name, login, hello, timeout, session_messages })
}
