//! From the file's text to a [`Config`], or to everything that is wrong with it.
//!
//! Kept true: what is not said keeps the value of the embedded configuration; nothing is taken that the program could
//! not do (an unknown key, a value out of range, a transport that is nowhere defined). Nothing here does I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::error::Problem;
use super::values::{
    self, RawBounces, RawDrop, RawFile, RawLimits, RawNotices, RawOnline, RawQueue, RawRetry, RawTransport, Scalar,
    Value,
};
use super::{
    Bounces, Config, ConfigError, Connect, DropBounds, Limits, Login, Notices, Online, Pace, Profile, Protocol, Queue,
    RESERVED, Retry, Secret, Smtp, Tls, Transport,
};
use crate::policy::rate::{BURST_MAX, Rate};
use crate::policy::score::Rules;
use crate::policy::units::{duration_text, size_text};

/// Which line of the file set a value; values that are not here are the embedded ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origins(BTreeMap<String, usize>);

impl Origins {
    /// The line, counted from 1, that set `key`, such as `queue.outbound.retry.first`.
    pub fn line(&self, key: &str) -> Option<usize> {
        self.0.get(key).copied()
    }
}

/// Reads `text`, the content of `file`, over the `embedded` configuration. `home` is asked for where a path begins
/// with `~/`.
///
/// Errors: everything that is wrong with it; after an error in its syntax or an unknown key, only that.
pub fn parse(
    text: &str,
    file: &Path,
    embedded: Config,
    home: &dyn Fn() -> Option<PathBuf>,
) -> Result<(Config, Origins), ConfigError> {
    let raw: RawFile = toml::from_str(text).map_err(|error| syntax(&error, text, file))?;
    let mut reader = Reader { text, file, home, problems: Vec::new(), origins: Origins::default() };
    let is_way_out = |transport: &Transport| !matches!(transport, Transport::Ourselves { .. });
    let has_sendmail = embedded.transports.get("sendmail").is_some_and(is_way_out);
    let mut config = embedded;
    config.limits = reader.limits(&raw.limits);
    config.drop = reader.drop(&raw.drop, config.limits.message);
    config.events.syslog = reader.value("events.syslog", &raw.events.syslog, false, values::flag);
    config.notices = reader.notices(&raw.notices);
    config.bounces = reader.bounces(&raw.bounces);
    config.online = reader.online(&raw.online);
    config.suppress =
        reader.value("suppress.file", &raw.suppress.file, None, |path| values::path(path, home).map(Some));
    for (name, raw) in &raw.transport {
        if let Some(transport) = reader.transport(name, raw) {
            config.transports.insert(name.get_ref().clone(), transport);
        }
        let pace = reader.pace(name.get_ref(), raw);
        if pace != Pace::default() {
            config.paces.insert(name.get_ref().clone(), pace);
        }
    }
    // A transport that is there and faulty is not a missing one.
    let known: BTreeSet<String> =
        config.transports.iter().filter(|(_, way)| is_way_out(way)).map(|(name, _)| name.clone()).collect();
    let defined = |name: &str| known.contains(name) || raw.transport.keys().any(|there| there.get_ref() == name);
    // `outbound` first: it lends its transport to queues that name none.
    let (first, rest): (Vec<_>, Vec<_>) = raw.queue.iter().partition(|(name, _)| name.get_ref() == "outbound");
    for (name, raw) in first.into_iter().chain(rest) {
        let lent = config.queues.get("outbound").map_or("maildir", |queue| queue.transport.as_str());
        let base = config.queues.get(name.get_ref()).cloned().unwrap_or_else(|| Queue::through(lent));
        let queue = reader.queue(name, raw, base);
        if raw.transport.is_some() && !defined(&queue.transport) {
            reader.undefined(name.get_ref(), &queue.transport, raw, has_sendmail);
        }
        config.queues.insert(name.get_ref().clone(), queue);
    }
    match ConfigError::of(reader.problems) {
        Some(error) => Err(error),
        None => Ok((config, reader.origins)),
    }
}

/// What the TOML reader found, on one line and in a person's words.
fn syntax(error: &toml::de::Error, text: &str, file: &Path) -> ConfigError {
    let mut said = error.message().replace('\n', "; ");
    if let Some(key) = said.strip_prefix("unknown field") {
        let key =
            key.replace(", expected one of ", "; the keys here are ").replace(", expected ", "; the key here is ");
        said = format!("unknown key{key}");
    }
    let line = error.span().map(|span| line_at(text, span.start));
    let problem = Problem { file: Some(file.to_owned()), line, text: said };
    ConfigError::of(vec![problem]).unwrap_or_else(|| ConfigError::whole(Some(file), error.message().to_owned()))
}

/// The line of byte `at`, counted from 1.
fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&b| b == b'\n').count() + 1
}

/// Reads values and notes where each was set and what is wrong.
struct Reader<'a> {
    text: &'a str,
    file: &'a Path,
    home: &'a dyn Fn() -> Option<PathBuf>,
    problems: Vec<Problem>,
    origins: Origins,
}

impl Reader<'_> {
    fn problem(&mut self, at: Option<usize>, text: String) {
        let line = at.map(|at| line_at(self.text, at));
        self.problems.push(Problem { file: Some(self.file.to_owned()), line, text });
    }

    /// The value of `key` if it is set and good, else `default`.
    fn value<T>(&mut self, key: &str, value: &Value, default: T, read: impl FnOnce(&Scalar) -> Result<T, String>) -> T {
        let Some(value) = value else { return default };
        self.origins.0.insert(key.to_owned(), line_at(self.text, value.span().start));
        match read(value.get_ref()) {
            Ok(good) => good,
            Err(why) => {
                self.problem(Some(value.span().start), format!("{key}: {why}"));
                default
            }
        }
    }

    fn limits(&mut self, raw: &RawLimits) -> Limits {
        let default = Limits::default();
        let message = self.value("limits.message", &raw.message, default.message, values::size_of(1));
        let header = self.value("limits.header", &raw.header, default.header.min(message), values::size_of(1));
        if header > message {
            let why = format!("a header of {} never fits into a message of {}", size_text(header), size_text(message));
            self.problem(first_of(&[&raw.header, &raw.message]), format!("limits.header: {why}: lower it"));
        }
        let min_free = Limits::min_free_for(message);
        Limits {
            message,
            header,
            recipients: self.value(
                "limits.recipients",
                &raw.recipients,
                default.recipients,
                values::count(1..=100_000),
            ),
            workers: self
                .value("limits.workers", &raw.workers, None, |value| values::count(1..=10_000)(value).map(Some)),
            min_free: self.value("limits.min_free", &raw.min_free, min_free, values::size),
        }
    }

    fn drop(&mut self, raw: &RawDrop, message: u64) -> DropBounds {
        let default = DropBounds::default();
        let bytes = self.value("drop.bytes", &raw.bytes, default.bytes.max(message), values::size_of(1));
        if bytes < message {
            let (bytes, message) = (size_text(bytes), size_text(message));
            let why =
                format!("a message of {message} (limits.message) would never get through within {bytes}: raise it");
            self.problem(first_of(&[&raw.bytes]), format!("drop.bytes: {why}"));
        }
        DropBounds {
            bytes,
            entries: self.value("drop.entries", &raw.entries, default.entries, values::count(1..=1_000_000_000)),
            ahead: self.value("drop.ahead", &raw.ahead, default.ahead, values::some_time),
        }
    }

    fn notices(&mut self, raw: &RawNotices) -> Notices {
        let default = Notices::default();
        Notices {
            returned: self.value("notices.return", &raw.r#return, default.returned, values::returned),
            size: self.value("notices.size", &raw.size, default.size, values::size),
            postmaster: self.value("notices.postmaster", &raw.postmaster, default.postmaster, values::address),
            per_hour: self.value("notices.per_hour", &raw.per_hour, default.per_hour, values::count(1..=100_000)),
        }
    }

    fn bounces(&mut self, raw: &RawBounces) -> Bounces {
        let default = Bounces::default();
        let rules = Rules {
            threshold: self.value(
                "bounces.threshold",
                &raw.threshold,
                default.rules.threshold,
                values::fraction(0.1, 1_000.0),
            ),
            soft: self.value("bounces.soft", &raw.soft, default.rules.soft, values::fraction(0.0, 1.0)),
            half_life: self.value("bounces.half_life", &raw.half_life, default.rules.half_life, values::some_time),
        };
        let hook = raw.hook.as_ref().and_then(|hook| {
            let place = hook.span().start;
            self.origins.0.insert("bounces.hook".to_owned(), line_at(self.text, place));
            let read = values::plain_command(hook.get_ref());
            read.map_err(|why| self.problem(Some(place), format!("bounces.hook: {why}"))).ok()
        });
        Bounces {
            rules,
            keep: self.value("bounces.keep", &raw.keep, default.keep, values::some_time),
            hook,
            pass_on: self.value("bounces.pass_on", &raw.pass_on, default.pass_on, values::pass_on),
        }
    }

    fn online(&mut self, raw: &RawOnline) -> Option<Online> {
        let connect = self.value("online.connect", &raw.connect, None, |to| values::host_and_port(to).map(Some));
        let Some(check) = &raw.check else { return connect.map(Online::Connect) };
        let place = check.span().start;
        self.origins.0.insert("online.check".to_owned(), line_at(self.text, place));
        if raw.connect.is_some() {
            self.problem(Some(place), "online.check: \"connect\" is set, too: keep one of them".to_owned());
        }
        match values::online_check(check.get_ref()) {
            Ok(command) => Some(Online::Check(command)),
            Err(why) => {
                self.problem(Some(place), format!("online.check: {why}"));
                None
            }
        }
    }

    fn queue(&mut self, name: &Spanned<String>, raw: &RawQueue, base: Queue) -> Queue {
        let word = name.get_ref();
        if let Err(why) = values::name(word) {
            self.problem(Some(name.span().start), format!("queue {word:?}: {why}"));
        } else if RESERVED.contains(&word.as_str()) {
            let why = "the spool uses this name itself: choose another";
            self.problem(Some(name.span().start), format!("queue {word:?}: {why}"));
        }
        let key = |inside: &str| format!("queue.{word}.{inside}");
        Queue {
            transport: self.value(&key("transport"), &raw.transport, base.transport, values::text),
            workers: self.value(&key("workers"), &raw.workers, base.workers, values::workers),
            retry: self.retry(&key("retry"), &raw.retry, base.retry),
            max_recipients: self.value(
                &key("max_recipients"),
                &raw.max_recipients,
                base.max_recipients,
                values::count(1..=10_000),
            ),
            job_recipients: self.value(
                &key("job_recipients"),
                &raw.job_recipients,
                base.job_recipients,
                values::count(1..=10_000),
            ),
            verp: self.value(&key("verp"), &raw.verp, base.verp, values::verp),
            linger: self.value(&key("linger"), &raw.linger, base.linger, values::duration),
            kick: self.value(&key("kick"), &raw.kick, base.kick, values::flag),
            failed_keep: self.value(&key("failed_keep"), &raw.failed_keep, base.failed_keep, values::duration),
            key_keep: self.value(&key("key_keep"), &raw.key_keep, base.key_keep, values::duration),
            notices: self.value(&key("notices"), &raw.notices, base.notices, values::flag),
            delay_warning: self.value(&key("delay_warning"), &raw.delay_warning, base.delay_warning, values::duration),
            on_crash: self.value(&key("on_crash"), &raw.on_crash, base.on_crash, values::on_crash),
            probe_every: self.value(&key("probe_every"), &raw.probe_every, base.probe_every, values::duration),
            warn_after: self.value(&key("warn_after"), &raw.warn_after, base.warn_after, values::some_time),
            rate: self.rate(&key, &raw.rate, &raw.burst),
            priority: self.value(&key("priority"), &raw.priority, base.priority, values::count(0..=100)),
            read_bounces: self.value(&key("read_bounces"), &raw.read_bounces, base.read_bounces, values::flag),
            suppress: self.value(&key("suppress"), &raw.suppress, base.suppress, values::flag),
        }
    }

    fn rate(&mut self, key: &dyn Fn(&str) -> String, rate: &Value, burst: &Value) -> Option<Rate> {
        let most = usize::try_from(BURST_MAX).unwrap_or(usize::MAX);
        let at_once = self.value(&key("burst"), burst, None, |value| values::count(1..=most)(value).map(Some));
        if rate.is_none() && burst.is_some() {
            let why = "there is no rate that it could belong to: set rate, too, or remove it";
            self.problem(first_of(&[burst]), format!("{}: {why}", key("burst")));
        }
        let (count, per) = self.value(&key("rate"), rate, None, |value| values::rate(value).map(Some))?;
        Some(Rate::new(count, per, at_once.map(|burst| burst as u64)))
    }

    fn pace(&mut self, word: &str, raw: &RawTransport) -> Pace {
        let key = |inside: &str| format!("transport.{word}.{inside}");
        let count = |value: &Scalar| values::count(1..=256)(value).map(Some);
        let sessions = self.value(&key("sessions"), &raw.sessions, None, count);
        Pace { rate: self.rate(&key, &raw.rate, &raw.burst), sessions }
    }

    fn retry(&mut self, key: &str, raw: &RawRetry, base: Retry) -> Retry {
        let mut time = |inside: &str, value: &Value, default: Duration| {
            self.value(&format!("{key}.{inside}"), value, default, values::some_time)
        };
        let first = time("first", &raw.first, base.first);
        let max = time("max", &raw.max, base.max);
        let expire = time("expire", &raw.expire, base.expire);
        if max < first {
            let why =
                format!("{} lies below first, {}: raise max or lower first", duration_text(max), duration_text(first));
            self.problem(first_of(&[&raw.max, &raw.first]), format!("{key}.max: {why}"));
        }
        if expire < first {
            let why = format!(
                "{} lies below first, {}: nothing would be tried again",
                duration_text(expire),
                duration_text(first)
            );
            self.problem(first_of(&[&raw.expire, &raw.first]), format!("{key}.expire: {why}"));
        }
        Retry { first, max, expire }
    }

    /// The transport, or `None` with the problem noted.
    fn transport(&mut self, name: &Spanned<String>, raw: &RawTransport) -> Option<Transport> {
        let word = name.get_ref();
        if let Err(why) = values::name(word) {
            self.problem(Some(name.span().start), format!("transport {word:?}: {why}"));
        }
        let key = |inside: &str| format!("transport.{word}.{inside}");
        let at = name.span().start;
        let kind = self.value(&key("kind"), &raw.kind, String::new(), values::text);
        let place = |value: &Value| value.as_ref().map(|value| value.span().start);
        let listed = |value: &Option<Spanned<Vec<String>>>| value.as_ref().map(|value| value.span().start);
        let smtp = ["smtp", "lmtp"].as_slice();
        // Which kinds have a key.
        let owners = [
            ("command", listed(&raw.command), ["pipe", "command"].as_slice()),
            ("profile", place(&raw.profile), &["pipe"]),
            ("timeout", place(&raw.timeout), &["pipe", "command", "smtp", "lmtp"]),
            ("path", place(&raw.path), &["maildir"]),
            ("connect", raw.connect.as_ref().map(|value| value.span().start), smtp),
            ("tls", place(&raw.tls), smtp),
            ("ca", place(&raw.ca), smtp),
            ("server_name", place(&raw.server_name), smtp),
            ("user", place(&raw.user), smtp),
            ("password_file", place(&raw.password_file), smtp),
            ("password_command", listed(&raw.password_command), smtp),
            ("auth", place(&raw.auth), smtp),
            ("hello", place(&raw.hello), smtp),
            ("session_messages", place(&raw.session_messages), smtp),
            ("sessions", place(&raw.sessions), &["pipe", "command", "smtp", "lmtp"]),
        ];
        if ["pipe", "command", "maildir", "smtp", "lmtp"].contains(&kind.as_str()) {
            for (inside, at, kinds) in owners {
                if at.is_some() && !kinds.contains(&kind.as_str()) {
                    let key = key(inside);
                    self.problem(at, format!("{key}: a transport of kind \"{kind}\" has no such key: remove it"));
                }
            }
        }
        match kind.as_str() {
            "pipe" => self.pipe(word, raw, at),
            "command" => self.command(word, raw, at),
            "smtp" => self.smtp(word, raw, at, Protocol::Smtp),
            "lmtp" => self.smtp(word, raw, at, Protocol::Lmtp),
            "maildir" => {
                if raw.path.is_none() {
                    self.problem(Some(at), format!("{}: a maildir needs its path", key("path")));
                    return None;
                }
                let home = self.home;
                let path = self.value(&key("path"), &raw.path, None, |path| values::path(path, home).map(Some));
                path.map(|path| Transport::Maildir { path })
            }
            _ => {
                let said = raw
                    .kind
                    .as_ref()
                    .map_or_else(|| "it is missing".to_owned(), |kind| format!("{} is none", kind.get_ref()));
                let known = "\"pipe\", \"command\", \"smtp\", \"lmtp\" or \"maildir\"";
                self.problem(Some(at), format!("{}: {said}: {known}", key("kind")));
                None
            }
        }
    }

    fn smtp(&mut self, word: &str, raw: &RawTransport, at: usize, protocol: Protocol) -> Option<Transport> {
        let key = |inside: &str| format!("transport.{word}.{inside}");
        let home = self.home;
        let path = |path: &Scalar| values::path(path, home).map(Some);
        let tls = self.value(&key("tls"), &raw.tls, None, values::tls);
        let ca = self.value(&key("ca"), &raw.ca, None, path);
        let server_name = self.value(&key("server_name"), &raw.server_name, None, values::word);
        let hello = self.value(&key("hello"), &raw.hello, None, values::word);
        let timeout = self.value(&key("timeout"), &raw.timeout, Transport::TIMEOUT, values::some_time);
        let session_messages = self.value(
            &key("session_messages"),
            &raw.session_messages,
            Smtp::SESSION_MESSAGES,
            values::count(1..=1_000_000),
        );
        let login = self.login(word, raw);
        let Some(connect) = &raw.connect else {
            let text = format!("{}: it needs a server, as in \"tcp:localhost:25\"", key("connect"));
            self.problem(Some(at), text);
            return None;
        };
        let place = connect.span().start;
        self.origins.0.insert(key("connect"), line_at(self.text, place));
        let connect = match values::connects(connect.get_ref()) {
            Ok(connect) => connect,
            Err(why) => {
                self.problem(Some(place), format!("{}: {why}", key("connect")));
                return None;
            }
        };
        let open = |connect: &&Connect| !connect.is_local() && tls.unwrap_or(connect.tls()) == Tls::None;
        if let Some(open) = connect.iter().find(open).filter(|_| login.is_some()) {
            let text = format!("{}: the password would go to {open} in the clear: set \"starttls\"", key("tls"));
            self.problem(first_of(&[&raw.tls]).or(Some(at)), text);
        }
        Some(Transport::Smtp(Box::new(Smtp {
            protocol,
            connect,
            tls,
            ca,
            server_name,
            login,
            hello,
            timeout,
            session_messages,
        })))
    }

    fn login(&mut self, word: &str, raw: &RawTransport) -> Option<Login> {
        let key = |inside: &str| format!("transport.{word}.{inside}");
        let home = self.home;
        let user = self.value(&key("user"), &raw.user, None, values::line);
        let mechanism = self.value(&key("auth"), &raw.auth, None, values::mechanism);
        let file =
            self.value(&key("password_file"), &raw.password_file, None, |path| values::path(path, home).map(Some));
        let command = raw.password_command.as_ref().and_then(|command| {
            let place = command.span().start;
            self.origins.0.insert(key("password_command"), line_at(self.text, place));
            let read = values::plain_command(command.get_ref());
            read.map_err(|why| self.problem(Some(place), format!("{}: {why}", key("password_command")))).ok()
        });
        let said = raw.password_command.as_ref().map(|command| command.span().start);
        let said = said.or(first_of(&[&raw.password_file, &raw.auth]));
        match (user, file, command) {
            (Some(user), Some(file), None) => Some(Login { user, secret: Secret::File(file), mechanism }),
            (Some(user), None, Some(command)) => Some(Login { user, secret: Secret::Command(command), mechanism }),
            (None, None, None) if said.is_none() => None,
            (None, ..) => {
                self.problem(said, format!("{}: it is missing, and the rest of the login is there", key("user")));
                None
            }
            (Some(_), Some(_), Some(_)) => {
                self.problem(said, format!("{}: \"password_file\" is set, too: keep one", key("password_command")));
                None
            }
            (Some(_), None, None) => {
                let text = format!("{}: a user needs this, or password_command", key("password_file"));
                self.problem(first_of(&[&raw.user]), text);
                None
            }
        }
    }

    fn pipe(&mut self, word: &str, raw: &RawTransport, at: usize) -> Option<Transport> {
        let profile = self.value(&format!("transport.{word}.profile"), &raw.profile, Profile::Auto, values::profile);
        let (command, timeout) = self.program(word, raw, at, values::command)?;
        Some(Transport::Pipe { command, profile, timeout })
    }

    fn command(&mut self, word: &str, raw: &RawTransport, at: usize) -> Option<Transport> {
        let (command, timeout) = self.program(word, raw, at, values::plain_command)?;
        Some(Transport::Command { command, timeout })
    }

    /// The command that a transport leads to, and how long it may take.
    fn program(
        &mut self,
        word: &str,
        raw: &RawTransport,
        at: usize,
        read: fn(&[String]) -> Result<Vec<String>, String>,
    ) -> Option<(Vec<String>, Duration)> {
        let key = |inside: &str| format!("transport.{word}.{inside}");
        let timeout = self.value(&key("timeout"), &raw.timeout, Transport::TIMEOUT, values::some_time);
        let Some(command) = &raw.command else {
            self.problem(Some(at), format!("{}: it needs the command that it leads to", key("command")));
            return None;
        };
        let place = command.span().start;
        self.origins.0.insert(key("command"), line_at(self.text, place));
        let read = read(command.get_ref());
        read.map(|command| (command, timeout))
            .map_err(|why| self.problem(Some(place), format!("{}: {why}", key("command"))))
            .ok()
    }

    fn undefined(&mut self, queue: &str, transport: &str, raw: &RawQueue, has_sendmail: bool) {
        let at = raw.transport.as_ref().map(|value| value.span().start);
        let why = if transport == "sendmail" && !has_sendmail {
            "this host has no sendmail command, so there is no such transport".to_owned()
        } else {
            "no such transport".to_owned()
        };
        let text = format!("queue.{queue}.transport: {transport:?}: {why}: define it in [transport.{transport}]");
        self.problem(at, text);
    }
}

/// Where the first of these that is set stands.
fn first_of(values: &[&Value]) -> Option<usize> {
    values.iter().find_map(|value| value.as_ref().map(|value| value.span().start))
}
