//! What single values may be: a text, a number, a time, a path, an address.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::scalar::Scalar;
use crate::model::Address;
use crate::policy::units::{parse_duration, parse_rate, parse_size, size_text};

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

pub(super) fn count(range: &RangeInclusive<usize>) -> impl Fn(&Scalar) -> Result<usize, String> {
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

/// `"auto"` (`None`), or how many.
pub(super) fn auto_or_count(range: &RangeInclusive<usize>, value: &Scalar) -> Result<Option<usize>, String> {
    match value {
        Scalar::Text(text) if text == "auto" => Ok(None),
        Scalar::Text(_) | Scalar::Whole(_) | Scalar::Flag(_) => count(range)(value).map(Some).map_err(|_| {
            format!("{value} is not possible: \"auto\", or a whole number from {} to {}", range.start(), range.end())
        }),
    }
}

/// An address, or none where it is empty.
pub(super) fn address(value: &Scalar) -> Result<Option<Address>, String> {
    Address::sender(&text(value)?).map_err(|error| error.to_string())
}

/// A number with a point.
pub(super) fn fraction(range: &RangeInclusive<f64>, value: &Scalar) -> Result<f64, String> {
    let number = value.to_text().parse::<f64>().ok();
    let (least, most) = (range.start(), range.end());
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("{value} is not possible: a number from {least} to {most}, as in \"{least}\""))
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

/// A word of an SMTP command: printable ASCII without a space.
pub(super) fn word(value: &Scalar) -> Result<String, String> {
    let text = text(value)?;
    let good = !text.is_empty() && text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic());
    if good { Ok(text) } else { Err(format!("{value} is no name of a host")) }
}

/// A text without control characters.
pub(super) fn line(value: &Scalar) -> Result<String, String> {
    let text = text(value)?;
    let good = !text.is_empty() && !text.chars().any(char::is_control);
    if good { Ok(text) } else { Err(format!("{value} is empty, or has a control character")) }
}

/// `host:port`, where the host may be an address in brackets.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
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
