//! What a transport of kind "smtp" or "lmtp" can be set to.

use std::path::PathBuf;
use std::time::Duration;

use super::connect::{Connect, TlsMode};
use super::kind::TransportKind;
use super::login::Login;

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
    /// The kind of a transport that speaks it.
    pub fn kind(self) -> TransportKind {
        match self {
            Protocol::Smtp => TransportKind::Smtp,
            Protocol::Lmtp => TransportKind::Lmtp,
        }
    }
}
