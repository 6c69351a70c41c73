//! The progress bar on a terminal. It is drawn by main, from the boards; nothing ticks in a thread of its own.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Plan;
use crate::sys::clock;
use crate::worker::board::{Board, Counter};

/// How often the entries that are left are counted anew.
const COUNT_EVERY: Duration = Duration::from_secs(5);

pub fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// The bar for all queues of a run together.
pub struct Progress<'p, 'a> {
    bar: ProgressBar,
    plans: &'p [Plan<'a>],
    counted: Option<Instant>,
}

impl<'p, 'a> Progress<'p, 'a> {
    pub fn new(plans: &'p [Plan<'a>]) -> Progress<'p, 'a> {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        let form = "{bar:30} {pos}/{len} entries  {per_sec}  {eta} left  {msg}";
        bar.set_style(ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress { bar, plans, counted: None }
    }

    fn settled(&self) -> u64 {
        self.plans.iter().map(|plan| plan.board.count(Counter::Settled)).sum()
    }

    fn left(&self) -> u64 {
        let due = |plan: &Plan<'_>| {
            let (_, queue) = plan.open().ok()??;
            Some(queue.survey(clock::now(), u64::MAX).ok()?.due)
        };
        self.plans.iter().filter_map(due).sum()
    }

    pub fn draw(&mut self) {
        if self.counted.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
            self.bar.set_length(self.settled() + self.left());
            self.counted = Some(Instant::now());
        }
        let settled = self.settled();
        if self.bar.length().is_some_and(|length| length < settled) {
            self.bar.set_length(settled);
        }
        self.bar.set_position(settled);
        let sum = |counter| self.plans.iter().map(|plan| Board::count(&plan.board, counter)).sum::<u64>();
        let (deferred, failed) = (sum(Counter::Deferred), sum(Counter::Failed));
        let or = |count: u64, word: &str| if count > 0 { format!("{count} {word} ") } else { String::new() };
        self.bar.set_message(or(deferred, "deferred") + &or(failed, "failed"));
    }

    pub fn finish(mut self) {
        self.draw();
        self.bar.finish_and_clear();
    }
}
