//! Reads the values of a file: where each was set, and what is wrong with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::error::Problem;
use super::scalar::{Scalar, Value};

/// Which line of the file set a value; values that are not here are the embedded ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origins(BTreeMap<String, usize>);

impl Origins {
    /// The line, counted from 1, that set `key`, such as `queue.outbound.retry.first`.
    pub fn line(&self, key: &str) -> Option<usize> {
        self.0.get(key).copied()
    }
}

/// Reads values and notes where each was set and what is wrong.
pub(super) struct Reader<'a> {
    text: &'a str,
    file: &'a Path,
    pub home: &'a dyn Fn() -> Option<PathBuf>,
    pub problems: Vec<Problem>,
    pub origins: Origins,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str, file: &'a Path, home: &'a dyn Fn() -> Option<PathBuf>) -> Reader<'a> {
        Reader { text, file, home, problems: Vec::new(), origins: Origins::default() }
    }

    /// Notes what is wrong with what stands `at` this byte.
    pub fn problem(&mut self, at: Option<usize>, text: String) {
        let line = at.map(|at| line_at(self.text, at));
        self.problems.push(Problem { file: Some(self.file.to_owned()), line, text });
    }

    /// The value of `key` if it is set and good, else `default`.
    pub fn value<T>(
        &mut self,
        key: &str,
        value: &Value,
        default: T,
        read: impl FnOnce(&Scalar) -> Result<T, String>,
    ) -> T {
        value.as_ref().and_then(|value| self.given(key, value, read)).unwrap_or(default)
    }

    /// What `key` is set to, if that is good.
    pub fn given<V, T>(
        &mut self,
        key: &str,
        value: &Spanned<V>,
        read: impl FnOnce(&V) -> Result<T, String>,
    ) -> Option<T> {
        let at = value.span().start;
        self.origins.0.insert(key.to_owned(), line_at(self.text, at));
        read(value.get_ref()).map_err(|why| self.problem(Some(at), format!("{key}: {why}"))).ok()
    }
}

/// The line of byte `at`, counted from 1.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&b| b == b'\n').count() + 1
}

/// Where the first of these that is set stands.
pub(super) fn first_of(values: &[&Value]) -> Option<usize> {
    values.iter().find_map(|value| value.as_ref().map(|value| value.span().start))
}
