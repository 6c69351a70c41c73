//! From the file's text to a [`Config`], or to everything that is wrong with it.
//!
//! Kept true: what is not said keeps the value of the embedded configuration; nothing is taken that the program could
//! not do (an unknown key, a value out of range, a transport that is nowhere defined). Nothing here does I/O.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::error::{ConfigError, Problem};
use super::online::OnlineKeys;
use super::pace::{self, TransportPace};
use super::queue::{self, Queue};
use super::reader::{Origins, Reader, SetKeys, line_at};
use super::settings::Config;
use super::transport::{self, Transport, TransportKind, TransportTable};
use super::{bounces, drop, events, limits, notices, online, suppress, values};

/// The tables that a file can have.
const TABLES: [&str; 9] = [
    limits::TABLE.name,
    drop::TABLE.name,
    events::TABLE.name,
    notices::TABLE.name,
    bounces::TABLE.name,
    online::TABLE.name,
    suppress::TABLE.name,
    "queue",
    "transport",
];

/// A table that has a name of its own: its name, and what stands there.
type TableEntry<'v> = (&'v Spanned<DeString<'v>>, &'v Spanned<DeValue<'v>>);

/// Reads `text`, the content of `file`, over the `embedded` configuration. `home` is asked for where a path begins
/// with `~/`.
///
/// Errors: everything that is wrong with it; after an error in its syntax, only that.
pub fn parse(
    text: &str,
    file: &Path,
    embedded: Config,
    home: &dyn Fn() -> Option<PathBuf>,
) -> Result<(Config, Origins), ConfigError> {
    let root = DeTable::parse(text).map_err(|error| syntax(&error, text, file))?;
    let root = root.get_ref();
    let mut reader = Reader::new(text, file, home);
    for name in root.keys().filter(|name| !TABLES.contains(&&**name.get_ref())) {
        reader.stranger(name, &TABLES);
    }
    let has_sendmail = embedded.transports.get("sendmail").is_some_and(is_way_out);
    let mut config = embedded;
    single_tables(root, &mut config, &mut reader);
    let transports = tables_of("transport", root, &mut reader);
    for (name, value) in &transports {
        read_transport(name, value, &mut config, &mut reader);
    }
    // A transport that is there and faulty is not a missing one.
    let known = config.transports.iter().filter(|(_, way)| is_way_out(way)).map(|(name, _)| name.clone());
    let known: BTreeSet<String> = known.chain(transports.iter().map(|(name, _)| name.get_ref().to_string())).collect();
    // `outbound` first: it lends its transport to queues that name none.
    let queues = tables_of("queue", root, &mut reader);
    let (first, rest): (Vec<_>, Vec<_>) = queues.into_iter().partition(|(name, _)| name.get_ref() == "outbound");
    for (name, value) in first.into_iter().chain(rest) {
        let (queue, set) = read_queue(name, value, &config, &mut reader);
        let at = set.at("transport");
        if at.is_some() && !known.contains(&queue.transport) {
            undefined(name.get_ref(), &queue.transport, at, has_sendmail, &mut reader);
        }
        config.queues.insert(name.get_ref().to_string(), queue);
    }
    match ConfigError::of(reader.problems) {
        Some(error) => Err(error),
        None => Ok((config, reader.origins)),
    }
}

fn is_way_out(transport: &Transport) -> bool {
    !matches!(transport, Transport::Ourselves { .. })
}

/// The tables that a file has once.
fn single_tables(root: &DeTable<'_>, config: &mut Config, reader: &mut Reader<'_>) {
    let set = reader.part(&limits::TABLE, root, &mut config.limits);
    limits::settle(&mut config.limits, &set, reader);
    let set = reader.part(&drop::TABLE, root, &mut config.drop);
    drop::settle(&mut config.drop, config.limits.message, &set, reader);
    reader.part(&events::TABLE, root, &mut config.events);
    reader.part(&notices::TABLE, root, &mut config.notices);
    reader.part(&bounces::TABLE, root, &mut config.bounces);
    let mut keys = OnlineKeys::default();
    let set = reader.part(&online::TABLE, root, &mut keys);
    config.online = keys.only(&set, reader);
    reader.part(&suppress::TABLE, root, &mut config.suppress);
}

/// The tables `kind.NAME`.
fn tables_of<'v>(kind: &str, root: &'v DeTable<'v>, reader: &mut Reader<'_>) -> Vec<TableEntry<'v>> {
    let tables = root.get(kind).and_then(|value| reader.table(value, "a map"));
    tables.into_iter().flatten().collect()
}

/// Reads the transport called `name` into `config`: over the one of that name that `config` has, unless the file makes
/// it one of another kind.
fn read_transport(
    name: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    config: &mut Config,
    reader: &mut Reader<'_>,
) {
    let (word, at) = (name.get_ref(), name.span().start);
    let Some(found) = reader.section(&transport::keys::TABLE, value) else { return };
    if let Err(why) = values::name(word) {
        reader.problem(Some(at), format!("transport {word:?}: {why}"));
    }
    let place = format!("transport.{word}");
    let pace = config.paces.get(&**word).cloned().unwrap_or_default();
    let before = config.transports.get(&**word).and_then(|transport| TransportTable::of(transport, &pace));
    let kind = before.as_ref().and_then(|before| before.kind).map(TransportKind::name);
    let found_command = found.contains_key("command");
    let is_same = found.get("kind").is_none_or(|value| value.get_ref().as_str() == kind);
    let mut table = before.filter(|_| is_same).unwrap_or_default();
    let is_of_none = &**word == "sendmail" && table.kind.is_none() && is_same && !found_command;
    let set = transport::keys::read(&place, found, &mut table, reader);
    pace::settle(&place, &set, reader);
    // The host has no sendmail command now, and nothing leads through this.
    if is_of_none {
        return;
    }
    if table.pace != TransportPace::default() {
        config.paces.insert(word.to_string(), table.pace.clone());
    }
    if let Some(transport) = table.transport(&place, at, &set, reader) {
        config.transports.insert(word.to_string(), transport);
    }
}

/// The queue called `name`, over the one of that name that `config` has.
fn read_queue(
    name: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    config: &Config,
    reader: &mut Reader<'_>,
) -> (Queue, SetKeys) {
    let word: &str = name.get_ref();
    let lent = config.queues.get("outbound").map_or("maildir", |queue| queue.transport.as_str());
    let mut queue = config.queues.get(word).cloned().unwrap_or_else(|| Queue::through(lent));
    let table = &queue::keys::TABLE;
    let Some(found) = reader.section(table, value) else { return (queue, SetKeys::default()) };
    if let Some(why) = queue::name_fault(word) {
        reader.problem(Some(name.span().start), format!("queue {word:?}: {why}"));
    }
    let place = format!("queue.{word}");
    let set = reader.keys(table, &place, found, &mut queue);
    queue::keys::settle(&place, &queue, &set, reader);
    (queue, set)
}

/// What the TOML reader found, on one line.
fn syntax(error: &toml::de::Error, text: &str, file: &Path) -> ConfigError {
    let line = error.span().map(|span| line_at(text, span.start));
    let problem = Problem { file: Some(file.to_owned()), line, text: error.message().replace('\n', "; ") };
    ConfigError::of(vec![problem]).unwrap_or_else(|| ConfigError::whole(Some(file), error.message().to_owned()))
}

/// Notes that a queue's transport, which is set `at` this byte, is nowhere defined.
fn undefined(queue: &str, transport: &str, at: Option<usize>, has_sendmail: bool, reader: &mut Reader<'_>) {
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
