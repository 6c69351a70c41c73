//! From the file's text to a [`Config`], or to everything that is wrong with it.
//!
//! Kept true: what is not said keeps the value of the embedded configuration; nothing is taken that the program could
//! not do (an unknown key, a value out of range, a transport that is nowhere defined). Nothing here does I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Problem};
use super::pace::TransportPace;
use super::queue::{self, Queue};
use super::reader::{Origins, Reader, line_at};
use super::settings::Config;
use super::transport::{self, Section, Transport};
use super::{bounces, drop, events, limits, notices, online, suppress};

/// The whole file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    limits: limits::Table,
    drop: drop::Table,
    events: events::Table,
    notices: notices::Table,
    bounces: bounces::Table,
    online: online::Table,
    suppress: suppress::Table,
    queue: BTreeMap<Spanned<String>, queue::Table>,
    transport: BTreeMap<Spanned<String>, transport::Table>,
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
    let raw: File = toml::from_str(text).map_err(|error| syntax(&error, text, file))?;
    let mut reader = Reader::new(text, file, home);
    let is_way_out = |transport: &Transport| !matches!(transport, Transport::Ourselves { .. });
    let has_sendmail = embedded.transports.get("sendmail").is_some_and(is_way_out);
    let mut config = embedded;
    config.limits = raw.limits.read(&mut reader);
    config.drop = raw.drop.read(config.limits.message, &mut reader);
    config.events = raw.events.read(&mut reader);
    config.notices = raw.notices.read(&mut reader);
    config.bounces = raw.bounces.read(&mut reader);
    config.online = raw.online.read(&mut reader);
    config.suppress = raw.suppress.read(&mut reader);
    for (name, table) in &raw.transport {
        let section = Section { name, table };
        if let Some(transport) = Transport::read(section, &mut reader) {
            config.transports.insert(name.get_ref().clone(), transport);
        }
        let pace = section.pace(&mut reader);
        if pace != TransportPace::default() {
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
        let queue = raw.read(name, base, &mut reader);
        if raw.transport.is_some() && !defined(&queue.transport) {
            undefined(name.get_ref(), &queue.transport, raw, has_sendmail, &mut reader);
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

/// Notes that a queue's transport is nowhere defined.
fn undefined(queue: &str, transport: &str, raw: &queue::Table, has_sendmail: bool, reader: &mut Reader<'_>) {
    let at = raw.transport.as_ref().map(|value| value.span().start);
    let why = if transport == "sendmail" && !has_sendmail {
        "this host has no sendmail command, so there is no such transport".to_owned()
    } else {
        "no such transport".to_owned()
    };
    let text = format!("queue.{queue}.transport: {transport:?}: {why}: define it in [transport.{transport}]");
    reader.problem(at, text);
}

#[cfg(test)]
mod tests;
