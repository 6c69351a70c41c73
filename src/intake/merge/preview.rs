//! `--preview` and `--html-preview`: messages as recipients would get them, with nothing queued.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use super::choice::Choice;
use super::error::MergeError;
use super::gathered::Gathered;
use super::html_page;
use super::judge::Plan;
use super::new_file::NewFile;
use super::out_folder::OutFolder;
use crate::model::{Address, Row, spelling};
use crate::sys::output::{self, Keep, Page, tell};

/// Where messages go.
#[derive(Debug, Default)]
pub struct Shown {
    /// Print them, or write them into `out`.
    pub message: bool,
    pub out: Option<OutFolder>,
    /// The page of the first.
    pub html: Option<NewFile>,
}

/// The row that `choice` means: that of a number, or the first of an address.
///
/// Errors: there is none; it is one that cannot be read.
pub fn find(plan: &Plan<'_>, what: &str, gathered: &mut Gathered, choice: &Choice) -> Result<Row, MergeError> {
    let is_it = |row: &Row| match choice {
        Choice::Row(number) => row.number == *number,
        Choice::Address(wanted) => plan.address(row).is_ok_and(|address| is_same(&address, wanted)),
        Choice::Worst => true,
    };
    for row in gathered.rows.rows(plan.columns.names().len())? {
        let row = row?;
        if is_it(&row) {
            return Ok(row);
        }
    }
    let shown = match choice {
        Choice::Row(number) => number.to_string(),
        Choice::Address(address) => address.to_string(),
        Choice::Worst => "worst".to_owned(),
    };
    for row in gathered.unread.rows(1)? {
        let Row { number, cells } = row?;
        if Choice::Row(number) == *choice {
            let why = cells.first().and_then(|cell| cell.text()).unwrap_or_default().to_owned();
            return Err(MergeError::BadRow { what: what.to_owned(), number, why });
        }
    }
    Err(MergeError::NoRow { what: what.to_owned(), row: shown })
}

/// Two addresses are one as among duplicates.
fn is_same(one: &Address, other: &Address) -> bool {
    spelling::local(one.local()) == spelling::local(other.local())
        && spelling::domain(one.domain()) == spelling::domain(other.domain())
}

/// Shows the rows of these numbers, each with a word why, in this order.
pub fn show_all(
    plan: &Plan<'_>,
    what: &str,
    gathered: &mut Gathered,
    chosen: &[(u64, String)],
    shown: &mut Shown,
) -> Result<(), MergeError> {
    let mut found: BTreeMap<u64, Row> = BTreeMap::new();
    for row in gathered.rows.rows(plan.columns.names().len())? {
        let row = row?;
        if chosen.iter().any(|(number, _)| *number == row.number) {
            found.insert(row.number, row);
        }
    }
    for (number, why) in chosen {
        let Some(row) = found.get(number) else { continue };
        show(plan, what, row, Some(why), shown)?;
    }
    Ok(())
}

/// Shows the message of `row`; `why` is said before it where several are printed.
///
/// Errors: the row is bad; those of writing.
pub fn show(plan: &Plan<'_>, what: &str, row: &Row, why: Option<&str>, shown: &mut Shown) -> Result<(), MergeError> {
    let number = row.number;
    let bad = |why: String| MergeError::BadRow { what: what.to_owned(), number, why };
    let mut judge = plan.judge();
    let (_, message) = judge.mail(row).map_err(|reason| bad(reason.what))?;
    if let Some(mut file) = shown.html.take() {
        let page = html_page::page(message).ok_or_else(|| bad("its message has no HTML".to_owned()))?;
        file.write_all(page.as_bytes()).map_err(|error| file.failed(error))?;
    }
    if !shown.message {
        return Ok(());
    }
    let heading = why.map(|why| format!("row {number}: {why}"));
    match &shown.out {
        Some(folder) => {
            let path = folder.write(number, message)?.display().to_string();
            tell(&Page::of(heading.map_or(path.clone(), |heading| format!("{path}: {heading}"))));
        }
        None => print(heading.as_deref(), message)
            .map_err(|source| MergeError::Write { path: "standard output".into(), source })?,
    }
    Ok(())
}

/// Prints a message as it is, but to a terminal nothing that it would obey. A reader who has seen enough is no error.
fn print(heading: Option<&str>, message: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let text = out.is_terminal().then(|| String::from_utf8_lossy(message));
    let text = text.as_ref().map(|text| output::escaped(text, Keep::Lines));
    let message = text.as_ref().map_or(message, |text| text.as_bytes());
    let mut write = || {
        if let Some(heading) = heading {
            out.write_all(Page::of(format!("=== {heading}")).as_str().as_bytes())?;
        }
        out.write_all(message)?;
        out.flush()
    };
    match write() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
