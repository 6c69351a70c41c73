//! The shape of the file, and what its single values may be.
//!
//! Reading happens in two steps, so that one pass finds as many faults as there are: serde takes the file into these
//! structures (an unknown key, or a table where a value belongs, ends it at once), then each value is read by one of the
//! functions below and a bad one is only noted. Every value carries its place in the text.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Error, Visitor};
use toml::Spanned;

use super::smtp::{Connect, Mechanism, Tls};
use super::{OnCrash, PassOn, Profile};
use crate::model::Address;
use crate::model::envelope::verp_fault;
use crate::policy::notice::Returned;
use crate::policy::units::{parse_duration, parse_rate, parse_size, size_text};

/// A value with its place.
pub(super) type Value = Option<Spanned<Scalar>>;

/// A text, a whole number or a truth value: what a single key can be set to.
#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Text(String),
    Whole(i64),
    Flag(bool),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFile {
    pub limits: RawLimits,
    pub drop: RawDrop,
    pub events: RawEvents,
    pub notices: RawNotices,
    pub bounces: RawBounces,
    pub online: RawOnline,
    pub suppress: RawSuppress,
    pub queue: BTreeMap<Spanned<String>, RawQueue>,
    pub transport: BTreeMap<Spanned<String>, RawTransport>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [limits]")]
pub(super) struct RawLimits {
    pub message: Value,
    pub header: Value,
    pub recipients: Value,
    pub workers: Value,
    pub min_free: Value,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [drop]")]
pub(super) struct RawDrop {
    pub bytes: Value,
    pub entries: Value,
    pub ahead: Value,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [events]")]
pub(super) struct RawEvents {
    pub syslog: Value,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [notices]")]
pub(super) struct RawNotices {
    pub r#return: Value,
    pub size: Value,
    pub postmaster: Value,
    pub per_hour: Value,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [bounces]")]
pub(super) struct RawBounces {
    pub threshold: Value,
    pub soft: Value,
    pub half_life: Value,
    pub keep: Value,
    pub hook: Option<Spanned<Vec<String>>>,
    pub pass_on: Value,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [online]")]
pub(super) struct RawOnline {
    pub check: Option<Spanned<Vec<String>>>,
    pub connect: Value,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [suppress]")]
pub(super) struct RawSuppress {
    pub file: Value,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [queue.outbound]")]
pub(super) struct RawQueue {
    pub transport: Value,
    pub workers: Value,
    pub retry: RawRetry,
    pub max_recipients: Value,
    pub job_recipients: Value,
    pub verp: Value,
    pub linger: Value,
    pub kick: Value,
    pub failed_keep: Value,
    pub key_keep: Value,
    pub notices: Value,
    pub delay_warning: Value,
    pub on_crash: Value,
    pub probe_every: Value,
    pub warn_after: Value,
    pub rate: Value,
    pub burst: Value,
    pub priority: Value,
    pub read_bounces: Value,
    pub suppress: Value,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in { first = \"5m\", max = \"4h\", expire = \"5d\" }")]
pub(super) struct RawRetry {
    pub first: Value,
    pub max: Value,
    pub expire: Value,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [transport.sendmail]")]
pub(super) struct RawTransport {
    pub kind: Value,
    pub command: Option<Spanned<Vec<String>>>,
    pub profile: Value,
    pub timeout: Value,
    pub path: Value,
    pub connect: Option<Spanned<OneOrMany>>,
    pub tls: Value,
    pub ca: Value,
    pub server_name: Value,
    pub user: Value,
    pub password_file: Value,
    pub password_command: Option<Spanned<Vec<String>>>,
    pub auth: Value,
    pub hello: Value,
    pub session_messages: Value,
    pub rate: Value,
    pub burst: Value,
    pub sessions: Value,
}

/// A text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or a list of texts")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        struct AnyScalar;
        impl Visitor<'_> for AnyScalar {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, true or false")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Whole(number))
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Scalar, E> {
                Ok(Scalar::Flag(flag))
            }
        }
        deserializer.deserialize_any(AnyScalar)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Text(text) => write!(f, "{text:?}"),
            Scalar::Whole(number) => write!(f, "{number}"),
            Scalar::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

impl Scalar {
    /// Units are read from text; a bare number is one without a unit.
    fn to_text(&self) -> String {
        match self {
            Scalar::Text(text) => text.clone(),
            Scalar::Whole(number) => number.to_string(),
            Scalar::Flag(flag) => flag.to_string(),
        }
    }
}

pub(super) fn text(value: &Scalar) -> Result<String, String> {
    match value {
        Scalar::Text(text) if text.contains('\0') => Err("a text cannot hold a NUL".to_owned()),
        Scalar::Text(text) => Ok(text.clone()),
        Scalar::Whole(_) | Scalar::Flag(_) => Err(format!("{value} is no text: put it in quotation marks")),
    }
}

pub(super) fn flag(value: &Scalar) -> Result<bool, String> {
    match value {
        Scalar::Flag(flag) => Ok(*flag),
        Scalar::Text(_) | Scalar::Whole(_) => Err(format!("{value} is neither true nor false")),
    }
}

pub(super) fn duration(value: &Scalar) -> Result<Duration, String> {
    parse_duration(&value.to_text()).map_err(|error| error.to_string())
}

/// A duration of at least a second.
pub(super) fn some_time(value: &Scalar) -> Result<Duration, String> {
    let duration = duration(value)?;
    if duration.is_zero() { Err(format!("{value} is too short: at least \"1s\"")) } else { Ok(duration) }
}

pub(super) fn size(value: &Scalar) -> Result<u64, String> {
    parse_size(&value.to_text()).map_err(|error| error.to_string())
}

/// A size of at least `least` bytes.
pub(super) fn size_of(least: u64) -> impl Fn(&Scalar) -> Result<u64, String> {
    move |value| match size(value)? {
        bytes if bytes < least => Err(format!("{value} is too small: at least \"{}\"", size_text(least))),
        bytes => Ok(bytes),
    }
}

/// How many, in which time.
pub(super) fn rate(value: &Scalar) -> Result<(u64, Duration), String> {
    parse_rate(&value.to_text()).map_err(|error| error.to_string())
}

pub(super) fn count(range: RangeInclusive<usize>) -> impl Fn(&Scalar) -> Result<usize, String> {
    move |value| {
        let number = match value {
            Scalar::Whole(number) => usize::try_from(*number).ok(),
            Scalar::Text(_) | Scalar::Flag(_) => None,
        };
        let (least, most) = (range.start(), range.end());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("{value} is not possible: a whole number from {least} to {most}"))
    }
}

/// What a notice brings back.
pub(super) fn returned(value: &Scalar) -> Result<Returned, String> {
    match text(value)?.as_str() {
        "header" => Ok(Returned::Header),
        "message" => Ok(Returned::Message),
        _ => Err(format!("{value} is not possible: \"header\", or \"message\"")),
    }
}

/// An address, or none where it is empty.
pub(super) fn address(value: &Scalar) -> Result<Option<Address>, String> {
    Address::sender(&text(value)?).map_err(|error| error.to_string())
}

/// `"auto"` (`None`), or how many.
pub(super) fn workers(value: &Scalar) -> Result<Option<usize>, String> {
    match value {
        Scalar::Text(text) if text == "auto" => Ok(None),
        Scalar::Text(_) | Scalar::Whole(_) | Scalar::Flag(_) => count(1..=256)(value)
            .map(Some)
            .map_err(|_| format!("{value} is not possible: \"auto\", or a whole number from 1 to 256")),
    }
}

pub(super) fn on_crash(value: &Scalar) -> Result<OnCrash, String> {
    let name = text(value)?;
    let found = OnCrash::ALL.into_iter().find(|choice| choice.name() == name);
    found.ok_or_else(|| format!("{value} is not possible: \"resend\" or \"hold\""))
}

pub(super) fn pass_on(value: &Scalar) -> Result<PassOn, String> {
    let name = text(value)?;
    let found = PassOn::ALL.into_iter().find(|choice| choice.name() == name);
    found.ok_or_else(|| format!("{value} is not possible: \"unread\" or \"all\""))
}

/// A number with a point, from `least` to `most`.
pub(super) fn fraction(least: f64, most: f64) -> impl Fn(&Scalar) -> Result<f64, String> {
    move |value| {
        let number = value.to_text().parse::<f64>().ok();
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("{value} is not possible: a number from {least} to {most}, as in \"{least}\""))
    }
}

pub(super) fn profile(value: &Scalar) -> Result<Profile, String> {
    let name = text(value)?;
    Profile::ALL.into_iter().find(|profile| profile.name() == name).ok_or_else(|| {
        let known: Vec<String> = Profile::ALL.iter().map(|profile| format!("\"{}\"", profile.name())).collect();
        format!("{value} is no profile: one of {}", known.join(", "))
    })
}

/// An absolute path, or one that begins with `~/`.
pub(super) fn path(value: &Scalar, home: impl FnOnce() -> Option<PathBuf>) -> Result<PathBuf, String> {
    let text = text(value)?;
    if let Some(rest) = text.strip_prefix("~/") {
        let home = home().ok_or("'~/' needs a home directory and there is none: write the absolute path")?;
        return Ok(home.join(rest.trim_start_matches('/')));
    }
    if !Path::new(&text).is_absolute() {
        return Err(format!("{value} is no absolute path: begin it with '/' or '~/'"));
    }
    Ok(PathBuf::from(text))
}

/// A pattern of VERP senders.
pub(super) fn verp(value: &Scalar) -> Result<String, String> {
    let pattern = text(value)?;
    verp_fault(&pattern).map_or(Ok(pattern), |why| Err(why.to_owned()))
}

/// A transport's command: an absolute program, and `{recipients}` as one argument of its own.
pub(super) fn command(args: &[String]) -> Result<Vec<String>, String> {
    let Some(program) = args.first() else {
        return Err("the command is empty: name the program's absolute path and its arguments".to_owned());
    };
    if !Path::new(program).is_absolute() {
        return Err(format!("{program:?} is no absolute path, and no PATH is searched: write it in full"));
    }
    if let Some(arg) = args.iter().find(|arg| arg.contains('\0')) {
        return Err(format!("{arg:?}: an argument cannot hold a NUL"));
    }
    let places = args.iter().skip(1).filter(|arg| *arg == "{recipients}").count();
    if places != 1 {
        return Err(format!(
            "\"{{recipients}}\" must be one argument of its own, and is {places}: \
             it becomes the addresses that the message goes to"
        ));
    }
    let strange = |arg: &&String| arg.as_str() != "{recipients}" && arg.replace("{sender}", "").contains("{recipient");
    if let Some(arg) = args.iter().find(strange) {
        return Err(format!("{arg:?} would not be replaced: \"{{recipients}}\" stands alone, \"{{sender}}\" anywhere"));
    }
    Ok(args.to_vec())
}

/// A command without places for anything.
pub(super) fn plain_command(args: &[String]) -> Result<Vec<String>, String> {
    let program = args.first().map_or("", String::as_str);
    if !Path::new(program).is_absolute() {
        return Err(format!("{program:?} is no absolute path, and no PATH is searched: write it in full"));
    }
    match args.iter().find(|arg| arg.contains('\0')) {
        Some(arg) => Err(format!("{arg:?}: an argument cannot hold a NUL")),
        None => Ok(args.to_vec()),
    }
}

/// Where the servers of a transport are.
pub(super) fn connects(value: &OneOrMany) -> Result<Vec<Connect>, String> {
    let texts = match value {
        OneOrMany::One(text) => std::slice::from_ref(text),
        OneOrMany::Many(texts) => texts,
    };
    match texts.len() {
        0 => Err("it is empty: name a server, as in \"tcp:localhost:25\"".to_owned()),
        1..=64 => texts.iter().map(|text| Connect::parse(text)).collect(),
        count => Err(format!("{count} are too many: at most 64")),
    }
}

pub(super) fn tls(value: &Scalar) -> Result<Option<Tls>, String> {
    let name = text(value)?;
    let found = Tls::ALL.into_iter().find(|tls| tls.name() == name);
    found.map(Some).ok_or_else(|| format!("{value} is not possible: \"none\", \"starttls\" or \"implicit\""))
}

pub(super) fn mechanism(value: &Scalar) -> Result<Option<Mechanism>, String> {
    let name = text(value)?;
    let found = Mechanism::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(&name));
    found.map(Some).ok_or_else(|| format!("{value} is not possible: \"plain\", \"login\" or \"xoauth2\""))
}

/// A word of an SMTP command: printable ASCII without a space.
pub(super) fn word(value: &Scalar) -> Result<Option<String>, String> {
    let text = text(value)?;
    let good = !text.is_empty() && text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic());
    if good { Ok(Some(text)) } else { Err(format!("{value} is no name of a host")) }
}

/// A text without control characters.
pub(super) fn line(value: &Scalar) -> Result<Option<String>, String> {
    let text = text(value)?;
    let good = !text.is_empty() && !text.chars().any(char::is_control);
    if good { Ok(Some(text)) } else { Err(format!("{value} is empty, or has a control character")) }
}

/// A command whose status says whether the host is online.
pub(super) fn online_check(args: &[String]) -> Result<Vec<String>, String> {
    let program = args.first().map_or("", String::as_str);
    if program.is_empty() || (program.contains('/') && !Path::new(program).is_absolute()) {
        return Err(format!("{program:?} is no command: an absolute path, or a name such as \"nm-online\""));
    }
    match args.iter().find(|arg| arg.contains('\0')) {
        Some(arg) => Err(format!("{arg:?}: an argument cannot hold a NUL")),
        None => Ok(args.to_vec()),
    }
}

/// `host:port`, where the host may be an address in brackets.
pub(super) fn host_and_port(value: &Scalar) -> Result<String, String> {
    host_and_port_text(&text(value)?)
}

/// The same of a text.
pub(super) fn host_and_port_text(text: &str) -> Result<String, String> {
    let good = text.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host_is_good = !host.is_empty() && (bare.is_some() || !host.contains(':'));
        host_is_good && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no host and port, as in \"mail.example.org:587\""))
    }
}

/// A queue's or transport's name: it becomes a folder, an option's value, a word in messages.
pub(super) fn name(name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'_' || b == b'-';
    if name.is_empty() || name.len() > 32 || name.starts_with('-') || !name.bytes().all(plain) {
        return Err("a name is 1 to 32 characters out of a-z, 0-9, '_' and '-', and does not begin with '-'".to_owned());
    }
    Ok(())
}
