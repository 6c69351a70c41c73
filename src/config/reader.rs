//! Reads the tables of a file: what was set where, and what is wrong with it.
//!
//! Kept true: a table is read to its end whatever is wrong in it, so one pass finds all problems. A key that is faulty
//! leaves its field as it was.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::error::Problem;
use super::form::Home;
use super::key::ConfigKey;
use super::nearest::nearest;
use super::scalar::{ValueFault, mismatch};
use super::table::ConfigTable;

/// Which line of the file set a value; values that are not here are the embedded ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origins(BTreeMap<String, usize>);

impl Origins {
    /// The line, counted from 1, that set `key`, such as `queue.outbound.retry.first`.
    pub fn line(&self, key: &str) -> Option<usize> {
        self.0.get(key).copied()
    }
}

/// The keys of one table that the file sets.
#[derive(Default)]
pub(super) struct SetKeys(Vec<(&'static str, usize, bool)>);

impl SetKeys {
    /// Where the value of `key` stands, be it faulty.
    pub fn at(&self, key: &str) -> Option<usize> {
        self.0.iter().find(|(name, ..)| *name == key).map(|(_, at, _)| *at)
    }

    /// Where the first of these that is set stands.
    pub fn first_of(&self, keys: &[&str]) -> Option<usize> {
        keys.iter().find_map(|key| self.at(key))
    }

    /// Whether `key` is set, to a value that it can have.
    pub fn is_good(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _, good)| *name == key && *good)
    }
}

/// Reads tables and notes where each value was set and what is wrong.
pub(super) struct Reader<'a> {
    text: &'a str,
    file: &'a Path,
    home: Home<'a>,
    pub problems: Vec<Problem>,
    pub origins: Origins,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str, file: &'a Path, home: Home<'a>) -> Reader<'a> {
        Reader { text, file, home, problems: Vec::new(), origins: Origins::default() }
    }

    /// Notes what is wrong with what stands `at` this byte.
    pub fn problem(&mut self, at: Option<usize>, text: String) {
        let line = at.map(|at| line_at(self.text, at));
        self.problems.push(Problem { file: Some(self.file.to_owned()), line, text });
    }

    /// The table that `value` must be, `expected` in words.
    pub fn table<'v>(&mut self, value: &'v Spanned<DeValue<'v>>, expected: &str) -> Option<&'v DeTable<'v>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.problem(Some(value.span().start), mismatch(value.get_ref(), expected));
        }
        table
    }

    /// Reads the table `table.name` of the file, if it is there, into `part`.
    pub fn part<T: Clone>(&mut self, table: &ConfigTable<T>, file: &DeTable<'_>, part: &mut T) -> SetKeys {
        let found = file.get(table.name).and_then(|value| self.section(table, value));
        found.map_or_else(SetKeys::default, |found| self.keys(table, table.name, found, part))
    }

    /// Reads the keys of `found`, a `table` whose whole name is `place`, into `part`.
    pub fn keys<T: Clone>(
        &mut self,
        table: &ConfigTable<T>,
        place: &str,
        found: &DeTable<'_>,
        part: &mut T,
    ) -> SetKeys {
        let mut set = SetKeys::default();
        self.strangers(table, found, part);
        for key in table.keys {
            self.key(key, place, found, part, &mut set);
        }
        set
    }

    /// The content of `table`, which `value` must be.
    pub fn section<'v, T>(
        &mut self,
        table: &ConfigTable<T>,
        value: &'v Spanned<DeValue<'v>>,
    ) -> Option<&'v DeTable<'v>> {
        value.get_ref().as_table().or_else(|| self.table(value, &format!("a table, as in [{}]", table.name)))
    }

    /// Reads one key of `found`, whose whole name is `place`, into `part`, if it is set there.
    // Inlined, it is there once a key: 90 KiB, which each start would run through.
    #[inline(never)]
    pub fn key<T>(&mut self, key: &ConfigKey<T>, place: &str, found: &DeTable<'_>, part: &mut T, set: &mut SetKeys) {
        let Some(value) = value_of(key.name, found) else { return };
        let read = key.form.read(value.get_ref(), self.home, part);
        set.0.push((key.name, value.span().start, read.is_ok()));
        self.note(format!("{place}.{}", key.name), value.span().start, read);
    }

    /// Notes where the key of this whole name was set, and what is wrong with its value.
    fn note(&mut self, name: String, at: usize, read: Result<(), ValueFault>) {
        match read {
            Ok(()) => {}
            Err(ValueFault::Kind { text, at: inside }) => self.problem(inside.or(Some(at)), text),
            Err(ValueFault::Value(why)) => self.problem(Some(at), format!("{name}: {why}")),
        }
        self.origins.0.insert(name, line_at(self.text, at));
    }

    /// Notes the names in `found` that are no keys of `table`. `part` has the values of an example.
    pub fn strangers<T: Clone>(&mut self, table: &ConfigTable<T>, found: &DeTable<'_>, part: &T) {
        for (name, value) in found {
            let word: &str = name.get_ref();
            if table.has(None, word) {
                continue;
            }
            if !table.has_group(word) {
                self.stranger(name, &table.names(None));
            } else if let Some(inside) = value.get_ref().as_table() {
                for name in inside.keys().filter(|name| !table.has(Some(word), name.get_ref())) {
                    self.stranger(name, &table.names(Some(word)));
                }
            } else {
                let expected = format!("a table, as in {}", table.group(word, part));
                self.problem(Some(value.span().start), mismatch(value.get_ref(), &expected));
            }
        }
    }

    /// Notes a name that is none of `names`.
    pub fn stranger(&mut self, name: &Spanned<DeString<'_>>, names: &[&str]) {
        let (at, name) = (name.span().start, name.get_ref());
        let meant = match (nearest(name, names.iter().copied()), names) {
            (Some(near), _) => format!(": did you mean `{near}`?"),
            (None, [only]) => format!("; the key here is `{only}`"),
            (None, _) => format!("; the keys here are `{}`", names.join("`, `")),
        };
        self.problem(Some(at), format!("unknown key `{}`{meant}", name.escape_debug()));
    }
}

/// What the key is set to.
pub(super) fn value_of<'v>(key: &str, found: &'v DeTable<'v>) -> Option<&'v Spanned<DeValue<'v>>> {
    match key.split_once('.') {
        Some((group, inside)) => found.get(group)?.get_ref().as_table()?.get(inside),
        None => found.get(key),
    }
}

/// The line of byte `at`, counted from 1.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&b| b == b'\n').count() + 1
}
