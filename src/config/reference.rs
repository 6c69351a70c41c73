//! The declared keys, for those who print them: `config show`, the manual and the sample file.

use toml::Value;

use super::online::OnlineKeys;
use super::queue::Queue;
use super::settings::Config;
use super::table::ConfigTable;
use super::transport::{TransportKind, TransportTable};
use super::{bounces, drop, events, limits, notices, online, queue, suppress, transport};

/// A table as it is declared.
pub struct Declared {
    /// As it stands in brackets, such as `limits` or `queue.NAME`.
    pub name: &'static str,
    /// What it is for: a sentence of mdoc(7), as are the other texts.
    pub about: &'static str,
    pub keys: Vec<DeclaredKey>,
}

/// One of its keys.
pub struct DeclaredKey {
    pub name: &'static str,
    /// The kinds of transports that have it; empty: all.
    pub kinds: &'static [TransportKind],
    /// What it can be set to; may be empty.
    pub words: String,
    /// What it does.
    pub about: &'static str,
    /// What holds where it is not set, with `{}` for the default; may be empty.
    pub otherwise: &'static str,
    pub default: Option<Value>,
    /// What it could be set to, where it has no default.
    pub example: &'static str,
}

/// All tables and keys.
pub fn declared() -> Vec<Declared> {
    fn table<T: Clone>(name: &'static str, table: &ConfigTable<T>, mut part: T) -> Declared {
        let keys = table.keys.iter().map(|key| DeclaredKey {
            name: key.name,
            kinds: key.kinds,
            words: key.form.words(&mut part),
            about: key.about,
            otherwise: key.otherwise,
            default: key.form.show(&mut part),
            example: key.example,
        });
        Declared { name, about: table.about, keys: keys.collect() }
    }
    fn single<T: Clone + Default>(declared: &ConfigTable<T>) -> Declared {
        table(declared.name, declared, T::default())
    }
    vec![
        single(&limits::TABLE),
        single(&drop::TABLE),
        single(&events::TABLE),
        single(&notices::TABLE),
        single(&bounces::TABLE),
        single(&online::TABLE),
        single(&suppress::TABLE),
        table("queue.NAME", &queue::keys::TABLE, Queue::through("sendmail")),
        table("transport.NAME", &transport::keys::TABLE, TransportTable::default()),
    ]
}

/// The values of a table that are set: its name, and its keys with their values as the file writes them.
pub type Shown = (String, Vec<(&'static str, Value)>);

/// Everything that is in force. A file of these tables reads back as the same configuration.
pub fn in_force(config: &Config) -> Vec<Shown> {
    fn single<T: Clone>(table: &ConfigTable<T>, part: &T) -> Shown {
        (table.name.to_owned(), table.show(part))
    }
    let mut tables = vec![
        single(&limits::TABLE, &config.limits),
        single(&drop::TABLE, &config.drop),
        single(&events::TABLE, &config.events),
        single(&notices::TABLE, &config.notices),
        single(&bounces::TABLE, &config.bounces),
    ];
    tables.extend(config.online.as_ref().map(|online| single(&online::TABLE, &OnlineKeys::of(online))));
    tables.extend(config.suppress.as_ref().map(|_| single(&suppress::TABLE, &config.suppress)));
    let queues = config.queues.iter();
    tables.extend(queues.map(|(name, queue)| (format!("queue.{name}"), queue::keys::TABLE.show(queue))));
    tables.extend(config.transports.iter().filter_map(|(name, way)| {
        let pace = config.paces.get(name).cloned().unwrap_or_default();
        let table = TransportTable::of(way, &pace)?;
        let mut keys = transport::keys::TABLE.show(&table);
        keys.retain(|(key, _)| table.kind.is_some_and(|kind| transport::keys::is_of(key, kind)));
        Some((format!("transport.{name}"), keys))
    }));
    tables
}

#[cfg(test)]
mod tests {
    use toml::de::DeValue;

    use super::*;

    /// What is declared of each key of `table` is true: its example is taken, and its default reads back as itself.
    fn check<T: Clone>(table: &ConfigTable<T>, part: &T) {
        for key in table.keys {
            let shown = key.form.show(&mut part.clone()).map(|value| value.to_string());
            let texts =
                shown.iter().map(String::as_str).chain([key.example].into_iter().filter(|text| !text.is_empty()));
            for text in texts {
                let value = DeValue::parse(text).unwrap_or_else(|error| panic!("{}: {error}", key.name));
                let mut part = part.clone();
                let read = key.form.read(value.get_ref(), &|| None, &mut part);
                assert!(read.is_ok(), "{}: {text}: {read:?}", key.name);
                let again = key.form.show(&mut part).map(|value| value.to_string());
                assert!(again.is_none() || again.as_deref().is_some_and(|again| again.contains(text)), "{}", key.name);
            }
            assert!(shown.is_some() || !key.example.is_empty(), "{} has neither default nor example", key.name);
            assert!(shown.is_some() || !key.otherwise.contains("{}"), "{} has no default to tell", key.name);
            let same = table.keys.iter().filter(|other| other.name == key.name).count();
            assert_eq!(same, 1, "{} is declared twice", key.name);
        }
    }

    #[test]
    fn what_is_declared_of_a_key_is_true() {
        check(&limits::TABLE, &limits::Limits::default());
        check(&drop::TABLE, &drop::DropBounds::default());
        check(&events::TABLE, &events::Events::default());
        check(&notices::TABLE, &notices::Notices::default());
        check(&bounces::TABLE, &bounces::Bounces::default());
        check(&online::TABLE, &OnlineKeys::default());
        check(&suppress::TABLE, &None);
        check(&queue::keys::TABLE, &Queue::through("sendmail"));
        check(
            &transport::keys::TABLE,
            &TransportTable { kind: Some(TransportKind::Pipe), ..TransportTable::default() },
        );
    }
}
