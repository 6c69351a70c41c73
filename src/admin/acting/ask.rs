//! A question on the terminal, before more is done than one thing.

use std::io::{BufRead, IsTerminal, Read};

use crate::model::Exit;
use crate::sys::output::{self, warning};

/// The most bytes of an answer.
const ANSWER_MAX: u64 = 1 << 10;

/// Whether somebody is there to be asked.
pub fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks whether to go on. If not, the status to end with; why was said, which is `unasked` where nobody can be asked.
pub fn refused(question: &str, unasked: &str) -> anyhow::Result<Option<Exit>> {
    if !is_possible() {
        warning!("{unasked}");
        return Ok(Some(Exit::Usage));
    }
    output::ask(&format!("{question} [y/N]"))?;
    let mut answer = String::new();
    std::io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(None);
    }
    warning!("nothing was done");
    Ok(Some(Exit::Attention))
}

/// The same before `verb` is done to this many entries.
pub fn about(verb: &str, entries: u64) -> anyhow::Result<Option<Exit>> {
    let unasked = format!("{verb}: this is about more than one entry: add --yes, or look first with --dry-run");
    refused(&format!("{verb} {entries} entries?"), &unasked)
}
