//! The tokens of one rate, in a file that everybody maps who is bound by it.

use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::model::Micros;
use crate::policy::rate::Rate;
use crate::sys::shared::{self, Word};

/// The tokens of one rate.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    state: Word,
}

impl Bucket {
    /// The bucket whose state is the file `name` in `folder`.
    pub fn open(folder: &File, name: &str, rate: Rate) -> io::Result<Bucket> {
        Ok(Bucket { rate, state: shared::in_file(folder, name)? })
    }

    /// How long until there is a token; zero if there is one, which is then taken if it is meant to be.
    pub fn ask(&self, take: bool, clock: impl Fn() -> Micros) -> Duration {
        loop {
            let seen = self.state.load(Ordering::Acquire);
            // Read after the state: whoever wrote that had read its clock before.
            let allowance = self.rate.ask(seen, clock());
            let next = if take || !allowance.wait.is_zero() { allowance.state } else { seen };
            // Without a token only the state of a wrong clock changes.
            if next == seen || self.state.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return allowance.wait;
            }
        }
    }
}
