//! The sample file: every table and key, with its default and what it is, as a comment.
//!
//! A line that begins with `#` and no space is a table or key of the configuration that is in force without a file, on
//! a host with a sendmail command: such lines without their `#` change nothing. What has no default is an example,
//! behind `#` and spaces. Each key is taken with its table's line alone, but for what its text says that it needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::Value;

use super::mdoc::{joined, plain, sentence, wrapped};
use crate::config::Config;
use crate::config::reference::{Declared, DeclaredKey, declared, in_force};

const WIDTH: usize = 80;

const HEAD: &str = "\
# The configuration of bulkmailer: /etc/bulkmailer.toml, or a user's own
# ~/.config/bulkmailer.toml. This sample is generated: 'make man' writes it.
#
# Nothing is set here: each line such as #message = \"64M\" is a key and its
# default. To change one, take the '#' from its line and from the line of its
# table, such as #[limits]. A line that is indented behind its '#' is an example
# for a key that has no default. Where a key or a table needs others, it says
# which: take the '#' from those lines, too. bulkmailer.toml(5) describes each
# key in full; 'bulkmailer config check' says what is wrong with a file.
";

/// The text of the file.
pub fn file() -> String {
    let config = Config::embedded(Some(Path::new("/usr/sbin/sendmail")), PathBuf::from("/var/lib/bulkmailer/Maildir"));
    let tables = in_force(&config);
    let named =
        |name: &str| tables.iter().filter(|(table, _)| table == name).flat_map(|(_, keys)| keys.clone()).collect();
    let mut sample = Sample { text: HEAD.to_owned(), explained: BTreeSet::new() };
    for table in declared() {
        match table.name {
            "queue.NAME" => {
                let outbound: Vec<(&str, Value)> = named("queue.outbound");
                sample.table(&table, "queue.outbound", &outbound);
                for name in ["queue.inbound", "queue.bounce"] {
                    let mut keys: Vec<(&str, Value)> = named(name);
                    keys.retain(|key| !outbound.contains(key));
                    sample.remark(&format!("[{name}] has the keys of [queue.outbound]. These have other defaults."));
                    sample.table(&table, name, &keys);
                }
            }
            "transport.NAME" => {
                for name in ["transport.sendmail", "transport.maildir"] {
                    sample.table(&table, name, &named(name));
                }
                sample.remark(
                    "A server that mail is handed to. This table needs kind and connect; \"lmtp\" has the same keys.",
                );
                sample.table(&table, "transport.relay", &[("kind", Value::String("smtp".to_owned()))]);
            }
            name => sample.table(&table, name, &named(name)),
        }
    }
    sample.text
}

struct Sample {
    text: String,
    /// The keys, by the table that declares them, that were explained.
    explained: BTreeSet<(&'static str, &'static str)>,
}

impl Sample {
    fn remark(&mut self, text: &str) {
        self.text.push_str(&format!("\n{}\n", wrapped(text, "# ", WIDTH)));
    }

    /// The table called `name`, where `values` are in force.
    fn table(&mut self, table: &Declared, name: &str, values: &[(&str, Value)]) {
        let kind = values.iter().find(|(key, _)| *key == "kind").and_then(|(_, kind)| kind.as_str());
        // What is only an example is set by no default.
        let example = name == "transport.relay";
        if self.explained.iter().all(|(explained, _)| *explained != table.name) {
            self.remark(&plain(table.about));
        } else if !example && kind.is_some() {
            self.text.push('\n');
        }
        self.text.push_str(&if example { format!("#   [{name}]\n") } else { format!("#[{name}]\n") });
        let of_kind = |key: &&DeclaredKey| {
            kind.is_none_or(|kind| key.kinds.is_empty() || key.kinds.iter().any(|of| of.name() == kind))
        };
        for key in table.keys.iter().filter(of_kind) {
            let is_new = self.explained.insert((table.name, key.name));
            if is_new {
                let text = plain(&joined(&key.words, &sentence(key.about)));
                self.text.push_str(&format!("{}\n", wrapped(&text, "# ", WIDTH)));
            }
            let name = key.name;
            match values.iter().find(|(set, _)| *set == name).map(|(_, value)| value) {
                Some(value) if !example => self.text.push_str(&format!("#{name} = {value}\n")),
                Some(value) => self.text.push_str(&format!("#   {name} = {value}\n")),
                None => match (&key.default, is_new) {
                    (Some(value), true) if key.example.is_empty() => {
                        self.text.push_str(&format!("#   {name} = {value}\n"))
                    }
                    (Some(_) | None, true) => self.text.push_str(&format!("#   {name} = {}\n", key.example)),
                    (Some(_) | None, false) => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::load;

    /// Keys that are needed, too: one of each list.
    type Needs = Vec<Vec<String>>;
    /// What each key needs, by the first word of its table and by its name.
    type Needed = BTreeMap<(String, String), Needs>;

    /// A table of the sample: its line, and those of its keys, by their names.
    struct Shown {
        line: String,
        keys: BTreeMap<String, String>,
        /// What the comment above the table says that it needs.
        needs: Needs,
    }

    /// The names that follow "needs" in a comment, up to the end of the clause: one of each list.
    fn needs(comment: &str) -> Needs {
        let Some((_, clause)) = comment.split_once("needs ") else { return Vec::new() };
        let clause = clause.split(['.', ';']).next().unwrap_or_default();
        clause.split(" and ").map(|one| one.split(" or ").map(str::to_owned).collect()).collect()
    }

    /// The tables, and what each key needs.
    fn shown() -> (Vec<Shown>, Needed) {
        let (mut tables, mut needed, mut comment) = (Vec::<Shown>::new(), BTreeMap::new(), String::new());
        for line in file().lines() {
            let bare = line.trim_start_matches('#');
            let line = match bare.strip_prefix("   ") {
                Some(example) => example,
                None if bare.starts_with(' ') => {
                    comment.push_str(bare);
                    continue;
                }
                None => bare,
            };
            if line.starts_with('[') {
                tables.push(Shown { line: line.to_owned(), keys: BTreeMap::new(), needs: needs(&comment) });
            } else if let (Some((key, _)), Some(table)) = (line.split_once(" = "), tables.last_mut()) {
                table.keys.insert(key.to_owned(), line.to_owned());
                let kind = table.line.split('.').next().unwrap_or_default().to_owned();
                needed.entry((kind, key.to_owned())).or_insert_with(|| needs(&comment));
            }
            comment.clear();
        }
        (tables, needed)
    }

    #[test]
    fn each_key_is_taken_with_the_line_of_its_table_and_what_it_says_that_it_needs() {
        let (tables, needed) = shown();
        let mut keys = 0;
        for table in &tables {
            let kind = table.line.split('.').next().unwrap_or_default();
            for key in table.keys.keys() {
                let mut wanted = vec![key];
                let mut at = 0;
                while let Some(key) = wanted.get(at).copied() {
                    for one_of in needed.get(&(kind.to_owned(), key.clone())).into_iter().flatten().chain(&table.needs)
                    {
                        if !one_of.iter().any(|key| wanted.contains(&key)) {
                            wanted.extend(one_of.first());
                        }
                    }
                    at += 1;
                }
                let lines = wanted.iter().map(|key| table.keys.get(*key).map_or(key.as_str(), String::as_str));
                let text = [table.line.as_str()].into_iter().chain(lines).collect::<Vec<_>>().join("\n");
                let embedded = Config::embedded(Some(Path::new("/usr/sbin/sendmail")), PathBuf::from("/m"));
                let read = load::parse(&text, Path::new("sample"), embedded, &|| None);
                assert!(read.is_ok(), "{:?}\n{text}", read.err());
                keys += 1;
            }
        }
        assert!(tables.len() == 13 && keys > 70, "{} tables, {keys} keys", tables.len());
    }
}
