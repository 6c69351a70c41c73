//! The files of a template, as they lie in its folder and in a job.

use std::collections::BTreeMap;

use super::error::TemplateError;

/// What a merge's template is made of. A job keeps these bytes, and a template compiled from them again is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    files: BTreeMap<String, Vec<u8>>,
}

/// What all files of a template may have together, 64 MiB.
pub const BYTES_MAX: u64 = 64 << 20;
/// The name of a template that is one message.
pub(super) const EML: &str = "message.eml";
pub(super) const SETTINGS: &str = "merge.toml";
const PARTS: [&str; 3] = ["headers", "text", "html"];

impl Sources {
    /// Files by their names: `headers.de`, `attachments/a.pdf`; a message as `message.eml`.
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Sources {
        Sources { files }
    }

    /// Names and bytes, for the job's copy.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// A file as text, without a byte order mark, its line ends LF.
    ///
    /// Errors: it is not UTF-8.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, TemplateError> {
        let Some(bytes) = self.get(name) else { return Ok(None) };
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let text = text.strip_prefix('\u{feff}').unwrap_or(text);
                Ok(Some(text.replace("\r\n", "\n")))
            }
            Err(error) => {
                let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
                let place = super::error::Place { file: name.to_owned(), line, column: 0 };
                Err(TemplateError::new(place, "it is not UTF-8: save it as UTF-8"))
            }
        }
    }

    /// The files in `attachments` or `inline`: their names there, and bytes.
    pub(super) fn within<'s>(&'s self, folder: &'s str) -> impl Iterator<Item = (&'s str, &'s [u8])> {
        let name = move |path: &'s str| path.strip_prefix(folder)?.strip_prefix('/');
        self.files.iter().filter_map(move |(path, bytes)| Some((name(path)?, bytes.as_slice())))
    }

    /// The languages that any part has, in small letters; "" is the one without a name.
    pub(super) fn languages(&self) -> Vec<String> {
        let mut found: Vec<String> = self.files.keys().filter_map(|name| Some(part_of(name)?.1)).collect();
        found.sort();
        found.dedup();
        found
    }

    /// The file that is this part in this language.
    pub(super) fn part(&self, part: &str, language: &str) -> Option<&str> {
        let is_it = |name: &&String| part_of(name).is_some_and(|(each, tongue)| each == part && tongue == language);
        self.files.keys().find(is_it).map(String::as_str)
    }

    /// What a template may include: texts that are no part, by name. Files that are not UTF-8 are none.
    pub(super) fn includes(&self) -> BTreeMap<String, String> {
        let names = self
            .files
            .keys()
            .filter(|name| !name.contains('/') && part_of(name).is_none() && ![EML, SETTINGS].contains(&name.as_str()));
        names.filter_map(|name| Some((name.clone(), self.text(name).ok()??))).collect()
    }
}

/// The part and the language that a name stands for.
fn part_of(name: &str) -> Option<(&'static str, String)> {
    let (stem, language) = name.split_once('.').unwrap_or((name, ""));
    let part = PARTS.iter().find(|&&part| part == stem)?;
    let fine = language.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    fine.then(|| (*part, language_key(language)))
}

/// A language as it is compared: `de_AT` and `de-at` are one.
pub(super) fn language_key(language: &str) -> String {
    language.trim().to_ascii_lowercase().replace('_', "-")
}
