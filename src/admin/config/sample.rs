//! The sample file: every table and key, with its default and what it is, as a comment.
//!
//! A line that begins with `#` and no space is a table or key of the configuration that is in force without a file, on a
//! host with a sendmail command: such lines without their `#` change nothing. What has no default is an example, behind
//! `#` and spaces.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::Value;

use super::mdoc::{joined, plain, sentence, wrapped};
use crate::config::Config;
use crate::config::reference::{Declared, DeclaredKey, declared, in_force};

const WIDTH: usize = 80;

const HEAD: &str = "\
# The configuration of bulkmailer: /etc/bulkmailer.toml, or a user's own
# ~/.config/bulkmailer.toml.
#
# Nothing is set here: each line such as #message = \"64M\" is a key and its
# default. To change one, take the '#' from its line and from the line of its
# table, such as #[limits]. A line that is indented behind its '#' is an example
# for a key that has no default. bulkmailer.toml(5) says all of each key;
# 'bulkmailer config check' says what is wrong with a file.
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
                sample.remark("A server that mail is handed to; \"lmtp\" has the same keys.");
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
        let of_kind = |key: &&DeclaredKey| kind.is_none_or(|kind| key.kinds.is_empty() || key.kinds.contains(&kind));
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
