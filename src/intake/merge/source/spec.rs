//! A source as a person names it.

use std::path::{Path, PathBuf};

use super::error::SourceError;
use super::exec::ExecSource;
use super::file::FileSource;
use super::form::Form;
use super::row_source::RowSource;
use super::sqlite::SqliteSource;
use super::stream::StdinSource;

/// Which source is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    File {
        path: PathBuf,
        form: Form,
    },
    /// The standard input; without a form told, its first character shows it.
    Stdin(Option<Form>),
    Sqlite {
        path: PathBuf,
        query: String,
    },
    Exec {
        command: String,
        form: Option<Form>,
    },
}

impl Spec {
    /// Reads `x.csv`, `x.tsv`, `x.jsonl`, `-`, `sqlite:PATH` or `exec:COMMAND`. `form` is the form that was told, which counts
    /// before a file's extension; `query` is for a database alone, which needs one.
    ///
    /// Errors: what is wrong, and what to do; the exit status is 64.
    pub fn parse(text: &str, form: Option<Form>, query: Option<String>) -> Result<Spec, String> {
        let spec = match (text, text.split_once(':')) {
            ("-", _) => Spec::Stdin(form),
            (_, Some(("sqlite", path))) => {
                let query = query.ok_or("a database needs a query; give it with --query or --query-file")?;
                return Ok(Spec::Sqlite { path: path.into(), query });
            }
            (_, Some(("exec", command))) => Spec::Exec { command: command.to_owned(), form },
            (name, _) => match form.or_else(|| Form::of_name(name)) {
                Some(form) => Spec::File { path: name.into(), form },
                None => {
                    let kinds = "FILE.csv, FILE.tsv, FILE.jsonl, -, sqlite:PATH or exec:COMMAND";
                    return Err(format!("{name}: this is no kind of source; name {kinds}"));
                }
            },
        };
        match query {
            Some(_) => Err(format!("{text}: a query is for a database; leave it out, or name sqlite:PATH")),
            None => Ok(spec),
        }
    }

    /// Opens the source with the rights of the user who named it. Neither does a command run yet, nor a query.
    ///
    /// Errors: those of the source, among them a command whose quotes are not closed.
    pub fn open(&self) -> Result<Box<dyn RowSource>, SourceError> {
        Ok(match self {
            Spec::File { path, form } => Box::new(FileSource::open(path, *form)?),
            Spec::Stdin(form) => Box::new(StdinSource::open(*form)?),
            Spec::Sqlite { path, query } => Box::new(SqliteSource::open(Path::new(path), query.clone())?),
            Spec::Exec { command, form } => Box::new(ExecSource::new(command, *form)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_by_their_names() {
        let parse = |text: &str| Spec::parse(text, None, None);
        let file = |path: &str, form| Ok(Spec::File { path: path.into(), form });
        assert_eq!(parse("x.csv"), file("x.csv", Form::Csv));
        assert_eq!(parse("a.b/X.TSV"), file("a.b/X.TSV", Form::Tsv));
        assert_eq!(parse("x.jsonl"), file("x.jsonl", Form::JsonLines));
        // A name that begins like another kind has a folder before it.
        assert_eq!(parse("./sqlite:x.csv"), file("./sqlite:x.csv", Form::Csv));
        assert_eq!(Spec::parse("x.txt", Some(Form::Tsv), None), file("x.txt", Form::Tsv));
        assert_eq!(parse("-"), Ok(Spec::Stdin(None)));
        assert_eq!(parse("exec:a b"), Ok(Spec::Exec { command: "a b".to_owned(), form: None }));
        let query = Some("SELECT 1".to_owned());
        let sqlite = Spec::Sqlite { path: "x:y.db".into(), query: "SELECT 1".to_owned() };
        assert_eq!(Spec::parse("sqlite:x:y.db", None, query.clone()), Ok(sqlite));
        for (text, query) in [("x.txt", None), ("x", None), ("", None), ("sqlite:x.db", None), ("x.csv", query)] {
            assert!(Spec::parse(text, None, query).is_err(), "{text}");
        }
    }
}
