//! The configuration that is in force, as tables of keys and values in the file's form.
//!
//! What holds: a file of these tables reads back as the same configuration.

use toml::Value;

use crate::config::{Bounces, Connect, DropBounds, Login, Notices, Online, Queue, Secret, Site, Smtp, Transport};
use crate::policy::notice::Returned;
use crate::policy::rate::Rate;
use crate::policy::units::{duration_text, size_text};

/// A table of the configuration: its name, and its keys with their values in the file's form.
type Table = (String, Vec<(&'static str, Value)>);

/// Everything that is in force.
pub(super) fn tables(site: &Site) -> Vec<Table> {
    let config = &site.config;
    let mut limits = vec![
        ("message", size(config.limits.message)),
        ("header", size(config.limits.header)),
        ("recipients", number(config.limits.recipients)),
        ("min_free", size(config.limits.min_free)),
    ];
    limits.extend(config.limits.workers.map(|most| ("workers", number(most))));
    let mut tables = vec![
        ("limits".to_owned(), limits),
        ("drop".to_owned(), drop_keys(&config.drop)),
        ("events".to_owned(), vec![("syslog", Value::Boolean(config.events.syslog))]),
        ("notices".to_owned(), notice_keys(&config.notices)),
        ("bounces".to_owned(), bounce_keys(&config.bounces)),
    ];
    tables.extend(config.online.as_ref().map(|online| ("online".to_owned(), vec![online_key(online)])));
    let file = |path: &std::path::PathBuf| ("file", Value::String(path.to_string_lossy().into_owned()));
    tables.extend(config.suppress.as_ref().map(|path| ("suppress".to_owned(), vec![file(path)])));
    tables.extend(config.queues.iter().map(|(name, queue)| (format!("queue.{name}"), queue_keys(queue))));
    let ways = config.transports.iter().filter(|(_, way)| !matches!(way, Transport::Ourselves { .. }));
    tables.extend(ways.map(|(name, way)| {
        let pace = config.paces.get(name).cloned().unwrap_or_default();
        let mut keys = transport_keys(way);
        keys.extend(rate_keys(pace.rate));
        keys.extend(pace.sessions.map(|count| ("sessions", number(count))));
        (format!("transport.{name}"), keys)
    }));
    tables
}

/// Only where there is a limit: no text says that there is none.
fn rate_keys(rate: Option<Rate>) -> Vec<(&'static str, Value)> {
    let burst = |rate: Rate| number(usize::try_from(rate.burst()).unwrap_or(usize::MAX));
    rate.map_or_else(Vec::new, |rate| vec![("rate", Value::String(rate.text())), ("burst", burst(rate))])
}

fn drop_keys(drop: &DropBounds) -> Vec<(&'static str, Value)> {
    vec![("bytes", size(drop.bytes)), ("entries", number(drop.entries)), ("ahead", time(drop.ahead))]
}

fn notice_keys(notices: &Notices) -> Vec<(&'static str, Value)> {
    let returned = match notices.returned {
        Returned::Header => "header",
        Returned::Message => "message",
    };
    let postmaster = notices.postmaster.as_ref().map_or("", |address| address.as_str());
    vec![
        ("return", Value::String(returned.to_owned())),
        ("size", size(notices.size)),
        ("postmaster", Value::String(postmaster.to_owned())),
        ("per_hour", number(notices.per_hour)),
    ]
}

fn bounce_keys(bounces: &Bounces) -> Vec<(&'static str, Value)> {
    let mut keys = vec![
        ("threshold", Value::String(bounces.rules.threshold.to_string())),
        ("soft", Value::String(bounces.rules.soft.to_string())),
        ("half_life", time(bounces.rules.half_life)),
        ("keep", time(bounces.keep)),
        ("pass_on", Value::String(bounces.pass_on.name().to_owned())),
    ];
    let words = |command: &Vec<String>| Value::Array(command.iter().cloned().map(Value::String).collect());
    keys.extend(bounces.hook.as_ref().map(|command| ("hook", words(command))));
    keys
}

fn queue_keys(queue: &Queue) -> Vec<(&'static str, Value)> {
    let mut keys = vec![
        ("transport", Value::String(queue.transport.clone())),
        ("workers", queue.workers.map_or_else(|| Value::String("auto".to_owned()), number)),
        ("retry.first", time(queue.retry.first)),
        ("retry.max", time(queue.retry.max)),
        ("retry.expire", time(queue.retry.expire)),
        ("max_recipients", number(queue.max_recipients)),
        ("job_recipients", number(queue.job_recipients)),
        ("verp", Value::String(queue.verp.clone())),
        ("linger", time(queue.linger)),
        ("kick", Value::Boolean(queue.kick)),
        ("failed_keep", time(queue.failed_keep)),
        ("key_keep", time(queue.key_keep)),
        ("notices", Value::Boolean(queue.notices)),
        ("delay_warning", time(queue.delay_warning)),
        ("on_crash", Value::String(queue.on_crash.name().to_owned())),
        ("probe_every", time(queue.probe_every)),
        ("warn_after", time(queue.warn_after)),
        ("priority", number(queue.priority)),
        ("read_bounces", Value::Boolean(queue.read_bounces)),
        ("suppress", Value::Boolean(queue.suppress)),
    ];
    keys.extend(rate_keys(queue.rate));
    keys
}

fn online_key(online: &Online) -> (&'static str, Value) {
    match online {
        Online::Check(command) => ("check", Value::Array(command.iter().cloned().map(Value::String).collect())),
        Online::Connect(to) => ("connect", Value::String(to.clone())),
    }
}

fn transport_keys(transport: &Transport) -> Vec<(&'static str, Value)> {
    match transport {
        Transport::Pipe { command, profile, timeout } => vec![
            ("kind", Value::String("pipe".to_owned())),
            ("command", Value::Array(command.iter().cloned().map(Value::String).collect())),
            ("profile", Value::String(profile.name().to_owned())),
            ("timeout", time(*timeout)),
        ],
        Transport::Command { command, timeout } => vec![
            ("kind", Value::String("command".to_owned())),
            ("command", Value::Array(command.iter().cloned().map(Value::String).collect())),
            ("timeout", time(*timeout)),
        ],
        Transport::Maildir { path } => vec![
            ("kind", Value::String("maildir".to_owned())),
            ("path", Value::String(path.to_string_lossy().into_owned())),
        ],
        // No file can say so: what is shown has no such table.
        Transport::Ourselves { .. } => Vec::new(),
        Transport::Smtp(smtp) => smtp_keys(smtp),
    }
}

/// What is set, and what follows from nothing else. The secret is named by its place.
fn smtp_keys(smtp: &Smtp) -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::String(text.to_owned());
    let list = |words: &[String]| Value::Array(words.iter().map(|word| text(word)).collect());
    let connect: Vec<String> = smtp.connect.iter().map(Connect::to_string).collect();
    let mut keys = vec![
        ("kind", text(smtp.protocol.name())),
        ("connect", list(&connect)),
        ("timeout", time(smtp.timeout)),
        ("session_messages", number(smtp.session_messages)),
    ];
    keys.extend(smtp.tls.map(|tls| ("tls", text(tls.name()))));
    keys.extend(smtp.ca.as_ref().map(|path| ("ca", text(&path.to_string_lossy()))));
    keys.extend(smtp.server_name.as_ref().map(|name| ("server_name", text(name))));
    keys.extend(smtp.hello.as_ref().map(|name| ("hello", text(name))));
    if let Some(Login { user, secret, mechanism }) = &smtp.login {
        keys.push(("user", text(user)));
        keys.push(match secret {
            Secret::File(path) => ("password_file", text(&path.to_string_lossy())),
            Secret::Command(command) => ("password_command", list(command)),
        });
        keys.extend(mechanism.map(|mechanism| ("auth", text(&mechanism.name().to_ascii_lowercase()))));
    }
    keys
}

fn size(bytes: u64) -> Value {
    Value::String(size_text(bytes))
}

fn time(duration: std::time::Duration) -> Value {
    Value::String(duration_text(duration))
}

fn number(count: usize) -> Value {
    // Every count has a bound far below this.
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}
