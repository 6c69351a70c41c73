//! One row of a merge's data: what the source gave for each of its columns.
//!
//! What holds: a row has as many cells as there are columns. NULL is no empty text, and JSON keeps its structure;
//! everything else is text.

use serde_json::Value;

/// What stands in one column of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// The source has no value: NULL of a database, `null` of JSON, a key that a JSON line does not have.
    Null,
    Text(String),
    /// An array or an object.
    Json(Value),
}

impl Cell {
    /// Its text; `None` for NULL and for what has a structure.
    pub fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(text) => Some(text),
            Cell::Null | Cell::Json(_) => None,
        }
    }

    /// NULL or the empty text: what a required column must not be.
    pub fn is_empty(&self) -> bool {
        match self {
            Cell::Null => true,
            Cell::Text(text) => text.is_empty(),
            Cell::Json(_) => false,
        }
    }
}

/// The names of a source's columns, in its order, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns(Vec<String>);

impl Columns {
    /// Errors: the name that is there twice.
    pub fn new(names: Vec<String>) -> Result<Columns, String> {
        let mut seen = std::collections::HashSet::new();
        match names.iter().find(|name| !seen.insert(name.as_str())) {
            Some(twice) => Err(twice.clone()),
            None => Ok(Columns(names)),
        }
    }

    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Which column has this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|each| each == name)
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its number in the source, counted from 1; a header line does not count.
    pub number: u64,
    /// One for each column, in their order.
    pub cells: Vec<Cell>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_a_name_of_its_own() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let columns = Columns::new(names("email name")).expect("two names");
        assert_eq!((columns.position("name"), columns.position("Name")), (Some(1), None));
        assert_eq!(Columns::new(names("email name email")), Err("email".to_owned()));
    }

    #[test]
    fn null_and_the_empty_text_are_empty_and_not_the_same() {
        assert!(Cell::Null.is_empty() && Cell::Text(String::new()).is_empty());
        assert_ne!(Cell::Null, Cell::Text(String::new()));
        assert!(!Cell::Json(serde_json::json!([])).is_empty());
        assert_eq!(Cell::Text("a".into()).text(), Some("a"));
    }
}
