//! A command that writes rows, as CSV or JSON lines, on its standard output.
//!
//! Its words are split by a shell's quotes, and no shell sees them: there are no variables, pipes or patterns. It is started
//! when it is read, by the user that we are then, with that user's HOME, USER and LOGNAME and of our environment PATH, LANG, the
//! LC_ variables and TZ alone: root's are not the spool's owner's. What it leaves running is killed. A status other than 0 refuses all of its rows, however many came before,
//! and the last line on its standard error is the reason. One that cannot be read to its end is killed.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{AccessFlags, access};

use super::error::{ReadError, SourceError};
use super::form::Form;
use super::row_source::{Each, RowSource};
use super::stream;
use crate::model::Columns;
use crate::sys::nss;
use crate::sys::process::{self, Ended};
use crate::sys::producer::Producer;

/// Where a program is looked for if the environment does not say.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A command that was not started yet.
#[derive(Debug)]
pub struct ExecSource {
    what: Arc<str>,
    words: Vec<String>,
    told: Option<Form>,
}

impl ExecSource {
    /// Takes the command line `command`, whose rows have the form `told`, or the one that their first character shows.
    ///
    /// Errors: a quote in it is not closed; it has no word.
    pub fn new(command: &str, told: Option<Form>) -> Result<ExecSource, SourceError> {
        let no_command = |why| SourceError::NoCommand { what: format!("exec:{command}").into(), why };
        let words = shlex::split(command).ok_or_else(|| no_command("a quote is never closed; close it"))?;
        match words.first().map(String::as_str) {
            None | Some("") => Err(no_command("it names no command; write 'exec:PROGRAM ARGUMENT...'")),
            Some(program) => Ok(ExecSource { what: format!("exec:{program}").into(), words, told }),
        }
    }

    fn start(&self) -> io::Result<Producer> {
        let mut args = self.words.iter().map(|word| CString::new(word.as_str())).collect::<Result<Vec<_>, _>>()?;
        if let Some(first) = args.first_mut() {
            *first = CString::new(find(OsStr::from_bytes(first.as_bytes()))?.as_os_str().as_bytes())?;
        }
        Producer::start(&args, &environment())
    }
}

/// What a command finds in its environment.
fn environment() -> Vec<CString> {
    let is_kept = |name: &OsStr| matches!(name.as_bytes(), b"LANG" | b"TZ") || name.as_bytes().starts_with(b"LC_");
    let kept = std::env::vars_os().filter(|(name, _)| is_kept(name));
    let uid = process::effective_uid();
    let name: OsString = nss::user_name(uid).into();
    let own = [
        ("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into())),
        ("HOME", nss::home(uid).map_or_else(|| "/".into(), OsString::from)),
        ("USER", name.clone()),
        ("LOGNAME", name),
    ];
    let all = kept.chain(own.map(|(name, value)| (OsString::from(name), value)));
    let text = all.map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    text.filter_map(|text| CString::new(text).ok()).collect()
}

/// The path of a program: as it is if it has a slash, else found in `PATH`.
fn find(program: &OsStr) -> io::Result<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Ok(program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| PATH.into());
    let is_program = |path: &PathBuf| path.is_file() && access(path.as_path(), AccessFlags::X_OK).is_ok();
    let found = std::env::split_paths(&path).map(|folder| Path::new(&folder).join(program)).find(is_program);
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such program in PATH"))
}

impl RowSource for ExecSource {
    fn read(&mut self, each: &mut Each<'_>) -> Result<Columns, ReadError> {
        let what = &self.what;
        let mut producer = self.start().map_err(|source| SourceError::NotStarted { what: what.clone(), source })?;
        let read = stream::read(what, &mut producer, self.told, each);
        // A command ends by itself once its output was read. If it failed, that explains rows that are cut short.
        if !read.as_ref().map_or_else(ReadError::is_of_end, |_| true) {
            return read;
        }
        match producer.end() {
            Ok((Ended::Exited(0), _)) => read,
            Ok((ended, said)) => Err(SourceError::Command { what: what.clone(), ended, said }.into()),
            Err(source) => Err(SourceError::Lost { what: what.clone(), source }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exit, Row};

    /// The columns, and how many good rows there are.
    fn read(command: &str) -> Result<(Vec<String>, usize), ReadError> {
        let mut source = ExecSource::new(command, None).expect("a command");
        let mut count = 0;
        let each = &mut |_: &Columns, row: Result<Row, _>| {
            count += usize::from(row.is_ok());
            Ok(())
        };
        let columns = source.read(each)?;
        Ok((columns.names().to_vec(), count))
    }

    #[test]
    fn a_command_has_a_short_environment_of_its_users_own() {
        let mut source = ExecSource::new("sh -c 'echo line; env'", None).expect("a command");
        let mut lines = Vec::new();
        let each = &mut |_: &Columns, row: Result<Row, _>| {
            lines.extend(row.ok().and_then(|row| row.cells.first()?.text().map(str::to_owned)));
            Ok(())
        };
        source.read(each).expect("rows");
        let has = |line: String| lines.contains(&line);
        let uid = process::effective_uid();
        assert!(has(format!("HOME={}", nss::home(uid).expect("a home").display())), "{lines:?}");
        assert!(has(format!("USER={0}", nss::user_name(uid))) && has(format!("LOGNAME={0}", nss::user_name(uid))));
        // cargo sets many for a test.
        assert!(!lines.iter().any(|line| line.starts_with("CARGO")), "{lines:?}");
    }

    #[test]
    fn a_commands_rows_are_read_in_either_form_and_no_shell_sees_it() {
        let csv = r#"sh -c 'echo id,email; i=0; while [ $i -lt 20000 ]; do echo "$i,r$i@x.example"; i=$((i+1)); done'"#;
        assert_eq!(read(csv).expect("rows"), (vec!["id".to_owned(), "email".to_owned()], 20_000));
        let json = r#"printf '{"email":"a@b"}\n{"email":"c@d","name":null}\n'"#;
        assert_eq!(read(json).expect("rows"), (vec!["email".to_owned(), "name".to_owned()], 2));
        assert_eq!(read("printf '%s\\n' '$HOME `id`'").expect("a header").0, ["$HOME `id`"]);
    }

    #[test]
    fn a_command_that_fails_refuses_all_with_its_reason() {
        let error =
            read("sh -c 'echo a; echo 1; echo Traceback >&2; echo \"no such\ttable\" >&2; exit 3'").expect_err("3");
        assert_eq!(
            error.to_string(),
            "exec:sh: it ended with exit status 3, so its rows are not used (no such table); nothing was queued"
        );
        assert_eq!(error.exit(), Exit::Unavailable);
        assert_eq!(read("sh -c 'exit 75'").expect_err("75").exit(), Exit::TempFail);
        assert!(read("sh -c 'echo a; kill -9 $$'").expect_err("9").to_string().contains("signal 9"));
        // It ended in the middle of a row, or before the first.
        assert!(
            read("sh -c 'echo a; printf \"\\\"half\"; exit 1'").expect_err("1").to_string().contains("exit status 1")
        );
        assert!(read("false").expect_err("1").to_string().contains("exit status 1"));
    }

    #[test]
    fn one_without_an_end_is_killed_when_its_rows_are_of_no_use() {
        let error = read("sh -c 'echo a,a; exec sleep 1000'").expect_err("two columns of one name");
        assert!(matches!(error, ReadError::Source(SourceError::Header { .. })), "{error}");
    }

    #[test]
    fn what_is_no_command_is_told() {
        assert!(ExecSource::new("", None).is_err() && ExecSource::new("a 'b", None).is_err());
        for none in ["/nonexistent/program", "no-such-program-anywhere", "/etc/passwd"] {
            let error = read(none).expect_err(none);
            assert!(matches!(error, ReadError::Source(SourceError::NotStarted { .. })), "{error}");
        }
    }
}
