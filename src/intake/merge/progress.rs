//! How far a merge is, on a terminal: rows, rate and the time that is left. Nothing ticks in a thread of its own.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on the terminal, or nothing where there is none. It is cleared when this is dropped.
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// Of rows that are read, of which nobody knows how many come.
    pub fn of_reading() -> Progress {
        Progress::new(None, "{spinner} {pos} rows read  {per_sec}")
    }

    /// Of `rows` rows that are rendered.
    pub fn of_checking(rows: u64) -> Progress {
        Progress::new(Some(rows), "{bar:30} {pos}/{len} rows checked  {per_sec}  {eta} left")
    }

    fn new(length: Option<u64>, form: &str) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress(None);
        }
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress(Some(bar))
    }

    /// So many rows more are done.
    pub fn advance(&self, rows: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(rows);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
