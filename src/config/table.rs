//! A table of the configuration: its name, what it is for, and its keys.

use toml::Value;

use super::key::ConfigKey;

/// A table whose typed part is a `T`.
pub(super) struct ConfigTable<T: 'static> {
    /// Its name, or an example of one, as it stands in brackets.
    pub name: &'static str,
    /// What it is for, as a sentence of mdoc(7).
    pub about: &'static str,
    pub keys: &'static [ConfigKey<T>],
}

impl<T: Clone> ConfigTable<T> {
    /// The keys that are set in `part`, with their values as the file writes them.
    pub fn show(&self, part: &T) -> Vec<(&'static str, Value)> {
        let mut part = part.clone();
        self.keys.iter().filter_map(|key| Some((key.name, key.form.show(&mut part)?))).collect()
    }

    /// The table `group` inside of it, as the file writes it on one line.
    pub fn group(&self, group: &str, part: &T) -> String {
        let inside = |key: &'static str| key.strip_prefix(group).and_then(|rest| rest.strip_prefix('.'));
        let keys = self.show(part).into_iter().filter_map(|(key, value)| Some(format!("{} = {value}", inside(key)?)));
        format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
    }
}

impl<T> ConfigTable<T> {
    /// Whether `name` is a key of it, or of the table `group` inside of it.
    pub fn has(&self, group: Option<&str>, name: &str) -> bool {
        self.keys.iter().any(|key| split(key.name) == (group, name))
    }

    /// Whether there are keys in a table `group` inside of it.
    pub fn has_group(&self, group: &str) -> bool {
        self.keys.iter().any(|key| split(key.name).0 == Some(group))
    }

    /// The names that can stand in it, or in the table `group` inside of it.
    pub fn names(&self, group: Option<&str>) -> Vec<&'static str> {
        let all = self.keys.iter().map(|key| split(key.name));
        let mut names: Vec<&str> = match group {
            Some(_) => all.filter(|(outer, _)| *outer == group).map(|(_, name)| name).collect(),
            None => all.map(|(outer, name)| outer.unwrap_or(name)).collect(),
        };
        names.dedup();
        names
    }
}

/// The table inside of the table, and the name there.
pub(super) fn split(key: &'static str) -> (Option<&'static str>, &'static str) {
    key.split_once('.').map_or((None, key), |(group, name)| (Some(group), name))
}
