//! No way out: the host's sendmail command is this program. A run refuses such a queue before it opens a transport; should
//! one be opened all the same, its sink is down and every entry stays as it is.

use std::time::Duration;

use super::handover::{Handover, Next, Transport};
use crate::model::{Attempt, Envelope};
use crate::policy::notice::About;
use crate::sys::signals::Signals;

#[derive(Debug)]
pub struct NoWayOut {
    why: String,
}

impl NoWayOut {
    pub fn new(why: String) -> NoWayOut {
        NoWayOut { why }
    }
}

impl Transport for NoWayOut {
    fn probe(&self) -> Result<(), String> {
        Err(self.why.clone())
    }

    fn fit(&self, _envelope: &Envelope, group: &[usize]) -> usize {
        group.len().max(1)
    }

    fn shares_verdicts(&self) -> bool {
        false
    }

    fn success(&self) -> Option<About> {
        None
    }

    fn longest(&self) -> Duration {
        Duration::ZERO
    }

    fn send(&mut self, _handover: Handover<'_>, _next: &mut Next<'_>, _signals: &Signals) -> Attempt {
        Attempt::SinkDown(self.why.clone())
    }
}
