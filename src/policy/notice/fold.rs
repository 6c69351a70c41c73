//! Text on lines that any mail reader shows and any MTA takes (RFC 5322 section 2.1.1); no control character gets through,
//! so nothing that is folded can add a line of its own.

/// Where lines are folded, and where a word that has no blank is cut.
const FOLD_AT: usize = 76;
const WORD_MAX: usize = 900;

/// `text` without control characters.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The words of `text` on lines of about [`FOLD_AT`] bytes, the first of which has `used` of them already.
fn folded(text: &str, mut used: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in clean(text).split(' ').filter(|word| !word.is_empty()) {
        for piece in pieces(word) {
            let last = lines.len() - 1;
            if !lines[last].is_empty() && used + 1 + piece.len() > FOLD_AT {
                lines.push(piece.to_owned());
                used = piece.len() + 1;
                continue;
            }
            if !lines[last].is_empty() {
                lines[last].push(' ');
                used += 1;
            }
            lines[last].push_str(piece);
            used += piece.len();
        }
    }
    lines
}

/// A word in pieces that fit into a line.
fn pieces(word: &str) -> Vec<&str> {
    let mut rest = word;
    let mut found = Vec::new();
    while rest.len() > WORD_MAX {
        let cut = (0..=WORD_MAX).rev().find(|&at| rest.is_char_boundary(at)).unwrap_or(WORD_MAX);
        let (piece, after) = rest.split_at(cut);
        found.push(piece);
        rest = after;
    }
    found.push(rest);
    found
}

/// `text` as a paragraph and the empty line behind it.
pub(super) fn paragraph(text: &str) -> String {
    folded(text, 0).join("\n") + "\n\n"
}

pub(super) fn indented(text: &str) -> String {
    folded(text, 8).iter().map(|line| format!("        {line}\n")).collect()
}

/// One header field, folded. Where it may not be UTF-8, other characters become question marks.
pub(super) fn field(out: &mut String, name: &str, value: &str, global: bool) {
    let value: String = value.chars().map(|c| if global || c.is_ascii() { c } else { '?' }).collect();
    let lines = folded(&value, name.len() + 2);
    out.push_str(&format!("{name}: {}\n", lines.join("\n ")));
}
