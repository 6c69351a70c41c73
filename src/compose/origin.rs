//! Where a template's text comes from, and what was changed in it, so that an error names the author's line and column.

use super::error::Place;

/// A text of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    pub file: String,
    pub text: String,
    /// Where in the file the text begins: its line, counted from 1, and the characters before it there.
    pub line: usize,
    pub before: usize,
}

impl Origin {
    /// A file from its beginning.
    pub fn whole(file: &str, text: &str) -> Origin {
        Origin { file: file.to_owned(), text: text.to_owned(), line: 1, before: 0 }
    }

    /// The place of a byte of the text.
    pub fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let lines = before.bytes().filter(|&byte| byte == b'\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let shift = if lines == 0 { self.before } else { 0 };
        Place { file: self.file.clone(), line: self.line.max(1) + lines, column: column + shift }
    }

    /// The beginning of a line of the text, counted from 1.
    pub fn line(&self, line: usize) -> Place {
        Place { file: self.file.clone(), line: self.line.max(1) + line.max(1) - 1, column: 0 }
    }
}

/// Changes of a text, in its order and apart from one another.
#[derive(Clone, Debug, Default)]
pub(super) struct Edits(Vec<Edit>);

#[derive(Clone, Debug)]
struct Edit {
    at: usize,
    removed: usize,
    added: String,
    /// The byte of the text that what was added is about.
    about: usize,
}

impl Edits {
    /// Puts `added` in the place of `removed` bytes at `at`.
    pub fn replace(&mut self, at: usize, removed: usize, added: String) {
        self.0.push(Edit { at, removed, added, about: at });
    }

    /// Puts `added` behind the text from `begin` to `end`, which it is about.
    pub fn append(&mut self, begin: usize, end: usize, added: String) {
        self.0.push(Edit { at: end, removed: 0, added, about: begin });
    }

    pub fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + self.0.len() * 24);
        let mut from = 0;
        for edit in &self.0 {
            out.push_str(text.get(from..edit.at).unwrap_or_default());
            out.push_str(&edit.added);
            from = edit.at + edit.removed;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        out
    }

    /// The byte of the text that a byte of the changed one comes from.
    pub fn back(&self, offset: usize) -> usize {
        let (mut added, mut removed) = (0, 0);
        for edit in &self.0 {
            let begin = edit.at + added - removed;
            if offset < begin {
                break;
            }
            if offset < begin + edit.added.len() {
                return edit.about;
            }
            added += edit.added.len();
            removed += edit.removed;
        }
        (offset + removed).saturating_sub(added)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_the_file() {
        let origin = Origin { file: "headers".into(), text: "ä b\nc d".into(), line: 3, before: 9 };
        assert_eq!(origin.place(3).to_string(), "headers:3:12");
        assert_eq!(origin.place(6).to_string(), "headers:4:2");
        assert_eq!((origin.place(99).line, origin.line(2).to_string()), (4, "headers:4".to_owned()));
    }

    #[test]
    fn what_was_added_is_counted_out() {
        let mut edits = Edits::default();
        edits.replace(3, 0, "(".into());
        edits.append(3, 4, ")|f".into());
        let changed = edits.apply("{{ a }}b");
        assert_eq!(changed, "{{ (a)|f }}b");
        let back: Vec<usize> = [0, 3, 4, 5, 7, 9, 11].map(|at| edits.back(at)).into();
        assert_eq!(back, [0, 3, 3, 3, 3, 5, 7]);
        let mut edits = Edits::default();
        edits.replace(1, 5, "x".into());
        assert_eq!((edits.apply("abcdefgh"), edits.back(1), edits.back(2)), ("axgh".to_owned(), 1, 6));
    }
}
