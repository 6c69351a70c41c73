//! Recipients that are suppressed get nothing: they are closed before anything is handed over.
//!
//! A list post's sender is not told of them, one who wrote to them is: he would think that they had it.

use std::path::Path;
use std::time::{Duration, Instant};

use super::context::Context;
use super::hand::Hand;
use super::record::{Judged, record};
use crate::bounce::ledger::{Ledger, LedgerError, Suppression};
use crate::model::{Address, Reason, Verdict};
use crate::queue::{Claim, Queue, QueueError};

/// How often it is looked whether there is a ledger yet.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a worker knows of the suppression list.
#[derive(Debug)]
pub(super) struct Gate<'a> {
    spool: &'a Path,
    ledger: Option<Ledger>,
    looked: Option<Instant>,
}

impl<'a> Gate<'a> {
    pub fn new(spool: &'a Path) -> Gate<'a> {
        Gate { spool, ledger: None, looked: None }
    }

    /// Those of `recipients`, each with its place, who get no mail, and why.
    fn refuses<'b>(
        &mut self,
        recipients: impl Iterator<Item = (usize, &'b Address)>,
    ) -> Result<Vec<(usize, Reason)>, LedgerError> {
        if self.ledger.is_none() && self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            self.ledger = Ledger::existing(self.spool)?;
            self.looked = Some(Instant::now());
        }
        let Some(ledger) = &self.ledger else { return Ok(Vec::new()) };
        let found = ledger.suppressed_among(recipients)?;
        Ok(found.into_iter().map(|(place, found)| (place, reason(&found))).collect())
    }
}

fn reason(found: &Suppression) -> Reason {
    let text = format!(
        "suppressed since {}: {}; 'bulkmailer suppress remove {}' lets mail go there again",
        found.since.day(),
        found.why,
        found.address
    );
    // RFC 3463: delivery not authorized.
    Reason::new(&text).with_status(Some("5.7.1".to_owned()))
}

/// Closes those of the hand's rest who get no mail. `false` if that cannot be told; then nobody may get any.
pub(super) fn turn_away<Q: Queue>(
    context: &Context<'_, Q>,
    gate: &mut Gate<'_>,
    hand: &mut Hand<Q::Claim>,
) -> Result<bool, QueueError> {
    let recipients = &hand.claim.envelope().recipients;
    let refused = match gate.refuses(hand.rest.iter().filter_map(|&place| Some((place, recipients.get(place)?)))) {
        Ok(refused) => refused,
        Err(error) => {
            context.board.sink_down(&error.to_string());
            return Ok(false);
        }
    };
    let (group, verdicts): (Vec<usize>, Vec<Verdict>) =
        refused.into_iter().map(|(place, reason)| (place, Verdict::Suppressed(reason))).unzip();
    if !group.is_empty() {
        hand.rest.retain(|recipient| !group.contains(recipient));
        record(context, hand, &Judged { group, verdicts, answered: false, took: Duration::ZERO })?;
    }
    Ok(true)
}
