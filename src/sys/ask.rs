//! A question on the terminal, before more is done than one thing.

use std::io::{self, BufRead, IsTerminal, Read};

use super::output::{self, warning};
use crate::model::Exit;

/// The most bytes of an answer.
const ANSWER_MAX: u64 = 1 << 10;

/// Whether somebody is there to be asked.
pub fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks whether to go on. If not, the status to end with; why was said, which is `unasked` where nobody can be asked.
///
/// Errors: those of the terminal.
pub fn refused(question: &str, unasked: &str) -> io::Result<Option<Exit>> {
    if !is_possible() {
        warning!("{unasked}");
        return Ok(Some(Exit::Usage));
    }
    output::ask(&format!("{question} [y/N]"))?;
    let mut answer = String::new();
    io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(None);
    }
    warning!("nothing was done");
    Ok(Some(Exit::Attention))
}
