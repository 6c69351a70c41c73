//! bulkmailer.toml(5): the prose of `man/bulkmailer.toml.5.d`, and the keys as they are declared.

use super::mdoc::{filled, joined, lines};
use crate::config::TransportKind;
use crate::config::reference::{Declared, DeclaredKey, declared};
use crate::model::reserved::RESERVED;

/// A line of it that begins so stands for what is declared: the keys of a table, or the names that no queue can have.
const PLACE: &str = ".\\\" insert ";

const PROSE: &str = include_str!("../../../man/bulkmailer.toml.5.d/prose.roff");

/// The text of the page.
pub fn page() -> String {
    let tables = declared();
    let mut page = String::new();
    for line in PROSE.lines() {
        match line.strip_prefix(PLACE) {
            Some("reserved") => page.push_str(&reserved()),
            Some(name) => {
                tables.iter().filter(|table| table.name == name).for_each(|table| page.push_str(&list(table)))
            }
            None => {
                page.push_str(line);
                page.push('\n');
            }
        }
    }
    page
}

fn list(table: &Declared) -> String {
    let mut text = ".Bl -tag -width Ds\n".to_owned();
    for key in &table.keys {
        text.push_str(&format!(".It Ic {}.{}\n", table.name, key.name));
        text.push_str(&lines(&body(key)));
        text.push_str(&lines(&filled(key.otherwise, key.default.as_ref())));
    }
    text.push_str(".El\n");
    text
}

/// What a key can be set to and what it does; of which transports it is, before that.
fn body(key: &DeclaredKey) -> String {
    let text = joined(&key.words, key.about);
    let kinds: Vec<&str> = key.kinds.iter().map(|kind| with_article(*kind)).collect();
    let mark = if key.words.ends_with(':') { ';' } else { ':' };
    match kinds.split_last() {
        None => text,
        Some((only, [])) => joined(&format!("Of {only}{mark}"), &text),
        Some((last, others)) => joined(&format!("Of {} and {last}{mark}", others.join(", ")), &text),
    }
}

fn with_article(kind: TransportKind) -> &'static str {
    match kind {
        TransportKind::Pipe => "a pipe",
        TransportKind::Command => "a command",
        TransportKind::Maildir => "a maildir",
        TransportKind::Smtp | TransportKind::Lmtp => kind.name(),
    }
}

fn reserved() -> String {
    let [others @ .., last] = RESERVED;
    format!(".Sy {}\nand\n.Sy {last}\n", others.join(" , "))
}
