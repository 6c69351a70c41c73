//! The texts of the keys: as lines of a manual page, and as plain text.
//!
//! They are mdoc(7), of which they use what [`plain`] knows: a macro on a line of its own, with its punctuation behind
//! it.

use toml::Value;

/// Bytes of a line in the source of a page.
const WIDTH: usize = 80;

/// The lines of a text, without the indent that they have in the program, and broken between words.
pub(super) fn lines(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix('.') {
            Some(_) => out.push_str(line),
            None => out.push_str(&wrapped(line, "", WIDTH)),
        }
        out.push('\n');
    }
    out
}

/// `text` in lines that begin with `mark`.
pub(super) fn wrapped(text: &str, mark: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(format!("{mark}{word}")),
        }
    }
    lines.join("\n")
}

/// `text` with the default value in the place of `{}`.
pub(super) fn filled(text: &str, default: Option<&Value>) -> String {
    let (Some((before, after)), Some(value)) = (text.split_once("{}"), default) else { return text.to_owned() };
    let before = before.trim_end_matches(' ');
    let written = match value {
        Value::String(text) => format!(".Qq {text}"),
        Value::Boolean(flag) => format!(".Ic {flag}"),
        Value::Integer(_) | Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            let space = if before.ends_with('\n') { "" } else { " " };
            return format!("{before}{space}{value}{after}");
        }
    };
    let rest = after.trim_start_matches(['.', ',', ':', ';']);
    let mark = &after[..after.len() - rest.len()];
    format!("{before}\n{written} {mark}\n{}", rest.trim_start())
}

/// `text` behind `head`, as the rest of its sentence where that ends with a colon or semicolon.
pub(super) fn joined(head: &str, text: &str) -> String {
    let text = text.trim_start();
    let first = text.chars().next().unwrap_or_default();
    match (head.ends_with([':', ';']), first) {
        (true, '.') | (false, _) => format!("{head}\n{text}"),
        (true, _) => format!("{head} {}{}", first.to_lowercase(), text.get(first.len_utf8()..).unwrap_or_default()),
    }
}

/// The first sentence of a text.
pub(super) fn sentence(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        lines.push(line);
        if line.ends_with('.') {
            break;
        }
    }
    lines.join("\n")
}

/// A text without its macros, on one line.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        match line.strip_prefix('.') {
            Some(macros) => out.push_str(&plain_macro(macros)),
            None => out.push_str(line),
        }
    }
    out
}

/// What a line of macros prints.
fn plain_macro(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let mark = words.pop_if(|word| [".", ",", ":", ";"].contains(word)).unwrap_or_default();
    let (name, words) = words.split_first().map_or(("", &[][..]), |(name, words)| (*name, words));
    let printed = match (name, words) {
        ("Qq", _) => format!("\"{}\"", words.join(" ")),
        ("Ql" | "Sq", _) => format!("'{}'", words.join(" ")),
        ("Pq", _) => format!("({})", words.join(" ")),
        ("Sx", _) => format!("{} in bulkmailer.toml(5)", words.join(" ")),
        ("Xr", [page, section, ..]) => format!("{page}({section})"),
        _ => words.join(" "),
    };
    // An option within a command: "submit Fl Fl key".
    let printed = printed.replace("Fl Fl ", "--");
    let printed = if name == "Fl" { format!("-{}", printed.replacen("Fl ", "-", 1)) } else { printed };
    format!("{printed}{mark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_paragraph_of_the_manual_and_a_comment() {
        let text = "How far off the time may be, see
            .Xr bulkmailer-hosts 5 ,
            that he asks for with
            .Ic submit Fl Fl at .
            .Fl Fl key
            and
            .Qq a b :
            the rest.";
        assert!(lines(text).starts_with("How far off the time may be, see\n.Xr bulkmailer-hosts 5 ,\nthat"));
        let first = "How far off the time may be, see bulkmailer-hosts(5), that he asks for with submit --at.";
        assert_eq!(plain(text), format!("{first} --key and \"a b\": the rest."));
        assert_eq!(plain(&sentence(text)), first);
        assert!(lines(&"word ".repeat(40)).lines().all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn a_default_stands_where_its_place_is() {
        let value = Value::String("64M".to_owned());
        assert_eq!(filled("Default {}.", Some(&value)), "Default\n.Qq 64M .\n");
        assert_eq!(filled("Default {}, or less.", Some(&value)), "Default\n.Qq 64M ,\nor less.");
        assert_eq!(filled("Default {}.", Some(&Value::Integer(1_000))), "Default 1000.");
        assert_eq!(filled("{} for others.", Some(&Value::Boolean(true))), "\n.Ic true \nfor others.");
        assert_eq!(filled(".Sy bounce ,\n{} for others.", Some(&Value::Integer(0))), ".Sy bounce ,\n0 for others.");
        assert_eq!(filled("Default: none.", None), "Default: none.");
    }

    #[test]
    fn a_sentence_goes_on_behind_a_colon() {
        assert_eq!(joined("Of a pipe:", "\n  A list."), "Of a pipe: a list.");
        assert_eq!(joined("Of a pipe:", ".Qq auto ."), "Of a pipe:\n.Qq auto .");
        assert_eq!(joined("A size.", "The most."), "A size.\nThe most.");
    }
}
