//! Where a server is, and how a session with it is encrypted.

use std::path::{Path, PathBuf};

use crate::config::choice::Named;
use crate::config::values::host_and_port;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connect {
    /// `host:port`.
    Tcp(String),
    /// A socket's path.
    Unix(PathBuf),
    /// A command that speaks on its standard input and output: a program's absolute path and its arguments.
    Exec(Vec<String>),
}

impl Connect {
    /// Reads `tcp:host:port`, `unix:/path` or `exec:/program argument…`.
    pub fn parse(text: &str) -> Result<Connect, String> {
        let form = "\"tcp:host:port\", \"unix:/path\" or \"exec:/program argument\"";
        if text.contains('\0') {
            return Err(format!("{text:?} cannot hold a NUL"));
        }
        match text.split_once(':') {
            Some(("tcp", to)) => host_and_port(to).map(Connect::Tcp),
            Some(("unix", path)) if Path::new(path).is_absolute() => Ok(Connect::Unix(path.into())),
            Some(("exec", command)) => {
                let words: Vec<String> = command.split_ascii_whitespace().map(str::to_owned).collect();
                match words.first() {
                    Some(program) if Path::new(program).is_absolute() => Ok(Connect::Exec(words)),
                    Some(_) | None => {
                        Err(format!("{text:?}: no absolute path, and no PATH is searched: write the program's in full"))
                    }
                }
            }
            Some(_) | None => Err(format!("{text:?} is not possible: {form}")),
        }
    }

    /// The host, without its port and brackets.
    pub fn host(&self) -> Option<&str> {
        let Connect::Tcp(to) = self else { return None };
        let host = to.rsplit_once(':').map_or(to.as_str(), |(host, _)| host);
        Some(host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host))
    }

    /// Whether nothing that is said leaves this host.
    pub fn is_local(&self) -> bool {
        let loopback = |host: &str| {
            host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        };
        self.host().is_none_or(loopback)
    }

    /// What is done about TLS where nothing is said: nothing within this host; port 465 begins with it (RFC 8314); and
    /// every other server must offer STARTTLS.
    pub fn tls(&self) -> TlsMode {
        match self {
            Connect::Tcp(to) if to.ends_with(":465") => TlsMode::Implicit,
            connect if connect.is_local() => TlsMode::None,
            Connect::Tcp(_) | Connect::Unix(_) | Connect::Exec(_) => TlsMode::Starttls,
        }
    }
}

impl std::fmt::Display for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Connect::Tcp(to) => write!(f, "tcp:{to}"),
            Connect::Unix(path) => write!(f, "unix:{}", path.display()),
            Connect::Exec(command) => write!(f, "exec:{}", command.join(" ")),
        }
    }
}

/// How a session is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    None,
    /// By STARTTLS (RFC 3207), without which nothing is handed over.
    Starttls,
    /// From its first byte.
    Implicit,
}

impl Named for TlsMode {
    const VALUES: &'static [TlsMode] = &[TlsMode::None, TlsMode::Starttls, TlsMode::Implicit];

    fn word(self) -> &'static str {
        match self {
            TlsMode::None => "none",
            TlsMode::Starttls => "starttls",
            TlsMode::Implicit => "implicit",
        }
    }
}

/// Where the servers of a transport are.
pub(in crate::config) fn connects(texts: &[String]) -> Result<Vec<Connect>, String> {
    match texts.len() {
        0 => Err("it is empty: name a server, as in \"tcp:localhost:25\"".to_owned()),
        1..=64 => texts.iter().map(|text| Connect::parse(text)).collect(),
        count => Err(format!("{count} are too many: at most 64")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_is_and_whether_it_is_here() {
        let parse = |text: &str| Connect::parse(text).expect(text);
        for (text, local, tls) in [
            ("tcp:localhost:25", true, TlsMode::None),
            ("tcp:127.0.0.2:25", true, TlsMode::None),
            ("tcp:[::1]:587", true, TlsMode::None),
            ("tcp:127.0.0.1:465", true, TlsMode::Implicit),
            ("tcp:mail.example.org:587", false, TlsMode::Starttls),
            ("tcp:mail.example.org:465", false, TlsMode::Implicit),
            ("unix:/run/lmtp", true, TlsMode::None),
            ("exec:/usr/sbin/sendmail -bs", true, TlsMode::None),
        ] {
            let connect = parse(text);
            assert_eq!((connect.is_local(), connect.tls(), connect.to_string().as_str()), (local, tls, text));
        }
        assert_eq!(parse("tcp:[::1]:25").host(), Some("::1"));
        for bad in
            ["", "mail:25", "tcp:mail", "tcp::25", "tcp:a:0", "unix:run", "exec:", "exec:sendmail -bs", "exec:/a\0"]
        {
            assert!(Connect::parse(bad).is_err(), "{bad:?}");
        }
    }
}
