//! What reports do to the accounts of addresses.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, params};

use super::database::Ledger;
use super::error::LedgerError;
use super::row::{key, score, whole};
use super::suppression::suppress;
use crate::bounce::reading::Reading;
use crate::bounce::report::{Action, Report};
use crate::model::Micros;
use crate::policy::score::Rules;

/// How many reports that are too old each commit removes, so that none has much to do.
const PRUNED: usize = 500;

/// A message of the bounce queue that was read.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub entry: &'a str,
    pub at: Micros,
    pub reading: &'a Reading,
}

/// What became of one report.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportOutcome {
    pub score: f64,
    pub suppressed: bool,
    /// By this report, also if it is recorded again: whoever was to be told may not have been.
    pub newly: bool,
}

impl Ledger {
    /// Records what messages report, in one step. Reports that are older than `keep` go. For each item, what became of its
    /// reports, in their order.
    pub fn record(
        &mut self,
        items: &[Item<'_>],
        rules: &Rules,
        keep: Duration,
    ) -> Result<Vec<Vec<ReportOutcome>>, LedgerError> {
        self.change(|db| {
            let mut outcomes = Vec::with_capacity(items.len());
            for item in items {
                let reports = item.reading.reports.iter().enumerate();
                let each = reports.map(|(place, report)| record_one(db, item, place, report, rules));
                outcomes.push(each.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            if let Some(last) = items.iter().map(|item| item.at).max() {
                let keep = u64::try_from(keep.as_micros()).unwrap_or(u64::MAX);
                let old = whole(Micros(last.0.saturating_sub(keep)));
                db.prepare_cached(
                    "DELETE FROM bounce WHERE (entry, place) IN (SELECT entry, place FROM bounce WHERE at < ?1 LIMIT ?2)",
                )?
                .execute(params![old, PRUNED as i64])?;
            }
            Ok(outcomes)
        })
    }
}

fn record_one(
    db: &Transaction<'_>,
    item: &Item<'_>,
    place: usize,
    report: &Report,
    rules: &Rules,
) -> rusqlite::Result<ReportOutcome> {
    let (address, at) = (key(&report.recipient), item.at);
    let new = db
        .prepare_cached(
            "INSERT OR IGNORE INTO bounce (entry, place, at, address, action, class, status, reply, remote, text, message_id) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            item.entry,
            place as i64,
            whole(at),
            address,
            report.action.name(),
            report.class.name(),
            report.status,
            report.reply,
            report.remote,
            report.text,
            item.reading.message_id,
        ])?
        == 1;
    let mut ask =
        db.prepare_cached("SELECT score, at, day, of_day, bounces, suppressed FROM address WHERE address = ?1")?;
    let known = ask
        .query_row([&address], |row| Ok((score(row)?, row.get::<_, i64>(4)?, row.get::<_, Option<i64>>(5)?)))
        .optional()?;
    let (before, bounces, since) = known.unwrap_or_default();
    let suppressed = since.is_some();
    let weight = report.weight(rules);
    if !new || weight.is_none() {
        let mut ask = db.prepare_cached("SELECT at FROM bounce WHERE entry = ?1 AND place = ?2")?;
        let first: Option<i64> = ask.query_row(params![item.entry, place as i64], |row| row.get(0)).optional()?;
        let newly = !new && suppressed && weight.is_some() && first == since;
        return Ok(ReportOutcome { score: before.faded(at, rules), suppressed, newly });
    }
    let after = before.with(weight.unwrap_or(0.0), at, rules);
    db.prepare_cached(
        "INSERT INTO address (address, score, at, day, of_day, bounces) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (address) DO UPDATE SET score = ?2, at = ?3, day = ?4, of_day = ?5, bounces = ?6",
    )?
    .execute(params![
        address,
        after.value,
        whole(after.at),
        i64::try_from(after.day).unwrap_or(0),
        after.of_day,
        bounces + 1
    ])?;
    let enough = report.action == Action::Complaint || after.value >= rules.threshold;
    let newly = enough && !suppressed && suppress(db, &address, at, &report.why())? == 1;
    Ok(ReportOutcome { score: after.value, suppressed: suppressed || newly, newly })
}
