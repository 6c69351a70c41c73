//! A question on the terminal, before more is done than one thing.

use std::io::{BufRead, IsTerminal, Read};

use crate::sys::output;

/// The most bytes of an answer.
const ANSWER_MAX: u64 = 1 << 10;

/// Whether somebody is there to be asked.
pub(super) fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks on the terminal.
pub(super) fn confirmed(question: &str) -> anyhow::Result<bool> {
    output::ask(&format!("{question} [y/N]"))?;
    let mut answer = String::new();
    std::io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
