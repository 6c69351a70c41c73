//! What a check of all rows finds, as lines for a person and as JSON for a program.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::first_five::FirstFive;
use super::kind::{BadReason, Kind};
use crate::policy::units::rough_size;
use crate::sys::output::Page;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// All rows of the source, also those that cannot be read.
    pub rows: u64,
    /// Rows that are left to be sent.
    pub send: u64,
    /// Of them, those beyond `--limit`.
    pub beyond_limit: u64,
    /// Bad rows are left out.
    pub skips_bad: bool,
    /// Bytes of the messages of all good rows together, and the largest with its row.
    pub bytes: u64,
    pub largest: (u64, u64),
    pub bad: BTreeMap<Kind, FirstFive<NamedRow>>,
    pub duplicates: FirstFive<Duplicate>,
    /// Duplicates are sent.
    pub keeps_duplicates: bool,
    /// The numbers of rows. What follows is of all good rows, also of those that are left out.
    pub suppressed: FirstFive<u64>,
    pub smtputf8: FirstFive<u64>,
    pub large_html: FirstFive<u64>,
    pub unaligned: FirstFive<NamedRow>,
    /// What is to be doubted of the template, and what was left out of it: a line each.
    pub warnings: Vec<String>,
}

/// A row, and what is to be said of it.
#[derive(Clone, Debug, Serialize)]
pub struct NamedRow {
    pub row: u64,
    pub what: String,
}

/// A row with the address of another.
#[derive(Clone, Debug, Serialize)]
pub struct Duplicate {
    pub row: u64,
    /// The row that has it first.
    pub first: u64,
}

impl Report {
    /// Counts a bad row.
    pub fn add_bad(&mut self, row: u64, reason: &BadReason) {
        self.bad.entry(reason.kind).or_default().add(|| NamedRow { row, what: reason.what.clone() });
    }

    /// How many rows are bad.
    pub fn bad_rows(&self) -> u64 {
        self.bad.values().map(|found| found.count).sum()
    }

    /// Whether all rows are sent, and nothing is to be doubted.
    pub fn is_clean(&self) -> bool {
        let doubts = self.large_html.count + self.unaligned.count + self.warnings.len() as u64;
        self.send == self.rows && self.duplicates.count == 0 && doubts == 0
    }

    /// The report as one JSON object.
    pub fn json(&self) -> Value {
        json!({
            "rows": self.rows,
            "send": self.send,
            "beyond_limit": self.beyond_limit,
            "bad_rows": self.bad_rows(),
            "skip_bad": self.skips_bad,
            "bad": self.bad.iter().map(|(kind, found)| (name(*kind), json!(found))).collect::<BTreeMap<_, _>>(),
            "duplicates": self.duplicates,
            "allow_duplicates": self.keeps_duplicates,
            "suppressed": self.suppressed,
            "smtputf8": self.smtputf8,
            "large_html": self.large_html,
            "unaligned": self.unaligned,
            "warnings": self.warnings,
            "good_left_out": self.good_left_out(),
            "bytes": self.bytes,
            "largest": {"bytes": self.largest.0, "row": self.largest.1},
        })
    }

    /// The report, a line for each thing.
    pub fn page(&self) -> Page {
        let mut page = Page::default();
        page.line(format!("{} rows, {} fit to be sent", self.rows, self.send));
        for (kind, found) in &self.bad {
            let fate = if self.skips_bad { " (left out)" } else { "" };
            page.line(format!("{}: {}{fate}", kind.label(), found.count));
            found.first.iter().for_each(|NamedRow { row, what }| page.line(format!("  row {row}: {what}")));
        }
        if self.duplicates.count > 0 {
            let fate = if self.keeps_duplicates { "sent all the same" } else { "left out" };
            page.line(format!("duplicates: {} ({fate})", self.duplicates.count));
            let pairs = self.duplicates.first.iter();
            pairs.for_each(|Duplicate { row, first }| page.line(format!("  row {row}: as row {first}")));
        }
        let mut numbered = |found: &FirstFive<u64>, what: &str| {
            if found.count > 0 {
                let more = if found.count > found.first.len() as u64 { ", …" } else { "" };
                let rows: Vec<String> = found.first.iter().map(u64::to_string).collect();
                page.line(format!("{what}: {} (rows {}{more})", found.count, rows.join(", ")));
            }
        };
        numbered(&self.suppressed, "suppressed, left out");
        numbered(&self.smtputf8, "sent only to servers with SMTPUTF8");
        numbered(&self.large_html, "warning: more than 102 KB of HTML, which readers cut");
        if self.unaligned.count > 0 {
            let count = self.unaligned.count;
            page.line(format!("warning: From is not aligned with the sender in {count}"));
            self.unaligned.first.iter().for_each(|NamedRow { row, what }| page.line(format!("  row {row}: {what}")));
        }
        self.warnings.iter().for_each(|warning| page.line(format!("warning: {warning}")));
        if self.beyond_limit > 0 {
            page.line(format!("limit: {} more are not sent", self.beyond_limit));
        }
        if self.largest.0 > 0 {
            let (all, (largest, row)) = (rough_size(self.bytes), self.largest);
            page.line(format!("messages: {all} together, the largest {} (row {row})", rough_size(largest)));
        }
        let (left_out, counts) =
            (self.good_left_out(), self.smtputf8.count + self.large_html.count + self.unaligned.count);
        if left_out > 0 && counts + self.bytes > 0 {
            page.line(format!(
                "the counts of SMTPUTF8, HTML, From and bytes include {left_out} good rows that are left out"
            ));
        }
        page
    }

    /// How many good rows are not sent.
    fn good_left_out(&self) -> u64 {
        self.rows.saturating_sub(self.bad_rows()).saturating_sub(self.send)
    }
}

/// A kind as JSON names it.
fn name(kind: Kind) -> String {
    json!(kind).as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_the_same_to_a_person_and_to_a_program() {
        let mut report = Report { rows: 12, send: 3, largest: (2_000, 4), bytes: 6_000, ..Report::default() };
        (1..=7).for_each(|row| report.add_bad(row, &BadReason { kind: Kind::Null, what: "text:1: name".into() }));
        report.duplicates.add(|| Duplicate { row: 9, first: 8 });
        report.suppressed.add(|| 10);
        report.warnings.push("no Subject".into());
        let json = report.json();
        assert_eq!((&json["bad_rows"], &json["bad"]["null"]["count"]), (&json!(7), &json!(7)));
        assert_eq!(json["bad"]["null"]["first"].as_array().map(Vec::len), Some(5));
        assert_eq!(json["duplicates"]["first"], json!([{"row": 9, "first": 8}]));
        let text = report.page().as_str().to_owned();
        for line in [
            "12 rows, 3 fit to be sent",
            "NULL that the template prints: 7",
            "  row 5: text:1: name",
            "  row 9: as row 8",
            "suppressed, left out: 1 (rows 10)",
            "warning: no Subject",
            "the counts of SMTPUTF8, HTML, From and bytes include 2 good rows that are left out",
        ] {
            assert!(text.lines().any(|each| each == line), "{line}: {text}");
        }
        assert!(!text.contains("row 6:"));
    }
}
