//! The names of a source's columns: each has one, and no other column has it.

use std::sync::Arc;

use super::bounds;
use super::error::SourceError;
use crate::model::Columns;

/// The columns of these names.
pub fn columns(what: &Arc<str>, names: Vec<String>) -> Result<Columns, SourceError> {
    let header = |why| SourceError::Header { what: what.clone(), why };
    if names.len() > bounds::COLUMNS {
        return Err(SourceError::TooManyColumns { what: what.clone(), row: 0 });
    }
    if let Some(at) = names.iter().position(String::is_empty) {
        return Err(header(format!("column {} has none; name it, or leave it out", at + 1)));
    }
    Columns::new(names).map_err(|twice| header(format!("{twice:?} is there twice; give one of them another name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_has_a_name_of_its_own() {
        let what: Arc<str> = "x".into();
        let of = |names: &[&str]| columns(&what, names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(of(&["a", "b"]).expect("columns").names(), ["a", "b"]);
        assert_eq!(
            of(&["a", "b", "a"]).expect_err("twice").to_string(),
            "x: the columns' names: \"a\" is there twice; give one of them another name"
        );
        assert!(of(&["a", ""]).expect_err("no name").to_string().contains("column 2 has none"));
        let many: Vec<String> = (0..=bounds::COLUMNS).map(|n| n.to_string()).collect();
        assert!(matches!(columns(&what, many), Err(SourceError::TooManyColumns { .. })));
    }
}
