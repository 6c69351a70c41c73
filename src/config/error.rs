//! What is wrong with the configuration: one line a problem, with the file, the line and what to do.
//!
//! A configuration is refused whole. The command that met it exits with 78 (EX_CONFIG), and queues or sends nothing.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// Counted from 1.
    pub line: Option<usize>,
    /// One line: the key, what is wrong with it, what it takes.
    pub text: String,
}

/// Why there is no configuration. There is at least one problem, and they are in the file's order.
#[derive(Clone, Debug, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// The problems of one file, in its order; `None` if there are none.
    pub fn of(mut problems: Vec<Problem>) -> Option<ConfigError> {
        problems.sort_by_key(|problem| problem.line);
        (!problems.is_empty()).then_some(ConfigError { problems })
    }

    /// One problem with `file` as a whole, or with no file.
    pub fn whole(file: Option<&Path>, text: String) -> ConfigError {
        ConfigError { problems: vec![Problem { file: file.map(Path::to_owned), line: None, text }] }
    }

    /// A queue that was asked for and that neither the file nor the embedded configuration has.
    pub fn unknown_queue(name: &str, known: &[&str]) -> ConfigError {
        let text = format!("no queue is called {name:?}: there are {}, or define [queue.NAME]", known.join(", "));
        ConfigError::whole(None, text)
    }

    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}: {}", file.display(), self.text),
            (Some(file), None) => write!(f, "{}: {}", file.display(), self.text),
            (None, _) => f.write_str(&self.text),
        }
    }
}

impl fmt::Display for ConfigError {
    /// One line: the first problem, and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, more)) = self.problems.split_first() else {
            return f.write_str("the configuration cannot be used");
        };
        match more.len() {
            0 => write!(f, "{first}"),
            1 => write!(f, "{first} (and one more problem: see 'bulkmailer config check')"),
            n => write!(f, "{first} (and {n} more problems: see 'bulkmailer config check')"),
        }
    }
}
