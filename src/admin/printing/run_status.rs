//! The run at work in a queue, as its heartbeat shows it: how fast it is, and when it will be through.

use std::time::Duration;

use serde::Serialize;

use crate::model::Micros;
use crate::policy::units::duration_text;
use crate::runner::{self, Beat};
use crate::spool::SpoolQueue;
use crate::sys::output::Page;
use crate::sys::process;

/// The run at work.
#[derive(Debug, Serialize)]
pub struct RunStatus {
    #[serde(flatten)]
    beat: Beat,
    /// Recipients brought to a verdict, a second, since it began.
    pub rate: f64,
    /// Seconds to the end of what is due, at this rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// Its heartbeat has stopped.
    pub hangs: bool,
}

impl RunStatus {
    /// The run of this queue, and how long it needs for so much, if one is at work.
    pub fn of(queue: &SpoolQueue, due: u64) -> anyhow::Result<Option<RunStatus>> {
        let Some(beat) = Beat::last(queue)? else { return Ok(None) };
        let alive = beat.host != process::host_name() || process::exists(beat.pid);
        if beat.ended.is_some() || !alive {
            return Ok(None);
        }
        let done = beat.delivered + beat.deferred + beat.failed + beat.unknown;
        let seconds = beat.at.since(beat.started).as_secs_f64();
        let rate = if seconds > 0.0 { done as f64 / seconds } else { 0.0 };
        let left = (rate > 0.0).then(|| (due as f64 / rate).ceil() as u64);
        let hangs = runner::silence(queue) > runner::STALE;
        Ok(Some(RunStatus { beat, rate, left, hangs }))
    }

    /// Adds what the run does, and what it has in hand.
    pub fn lines(&self, now: Micros, page: &mut Page) {
        let beat = &self.beat;
        let mut text = format!(
            "           process {} on {} works since {}: {} delivered, {} deferred, {} failed; {:.0}/s",
            beat.pid,
            beat.host,
            beat.started.local(),
            beat.delivered,
            beat.deferred,
            beat.failed,
            self.rate
        );
        if let Some(left) = self.left {
            text.push_str(&format!(", {} left", rough(left)));
        }
        page.line(text);
        if self.hangs {
            let last = beat.at.local();
            page.line(format!("           it hangs: its last sign of life was {last}; kill it and run again"));
        }
        for hand in &beat.in_hand {
            let paced = if hand.paced { ", waits for its turn (rate or sessions)" } else { "" };
            let (id, since) = (&hand.id, rough(now.since(hand.since).as_secs()));
            page.line(format!("           {id} in hand for {since}{paced}"));
        }
    }
}

/// Seconds for a person: the two largest units.
pub fn rough(seconds: u64) -> String {
    let unit = match seconds {
        0..=119 => 1,
        120..=7_199 => 60,
        7_200..=172_799 => 3_600,
        _ => 86_400,
    };
    duration_text(Duration::from_secs(seconds / unit * unit))
}
