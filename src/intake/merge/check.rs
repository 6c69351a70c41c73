//! All rows are judged: what is wrong is counted and reported in the source's order, and which rows are left to be sent is
//! known afterwards.
//!
//! What holds: a row is *bad* if it cannot be sent as it is. A good row whose address a good row before has is a *duplicate*,
//! so a bad row takes nobody's mail away. Neither duplicates nor suppressed rows are bad: they are left out. What a row attaches
//! is queued in the state in which it was judged, or not at all.

use std::iter::Peekable;

use super::bad_file::BadFile;
use super::error::MergeError;
use super::first_five::FirstFive;
use super::gathered::Gathered;
use super::judge::{Good, Plan};
use super::kind::{BadReason, Kind};
use super::left_out::{LeftOut, LeftOutFor};
use super::progress::Progress;
use super::report::{Duplicate, NamedRow, Report};
use super::threads::{JudgedChunk, JudgedRow, judge_all};
use super::worst::Worst;
use crate::model::{Address, Cell, Row};
use crate::spool::merge::attachment::FileMark;
use crate::spool::merge::rows::duplicates::DuplicateSearch;
use crate::spool::merge::rows::listed::ListedSearch;
use crate::spool::merge::rows::spooled::{RowSpool, Spooled, SpooledRows};

/// What a person asked for about rows that are not sent.
#[derive(Debug, Default)]
pub struct Wishes {
    pub skip_bad: bool,
    pub allow_duplicates: bool,
    pub limit: Option<u64>,
}

/// What is needed besides the rows.
pub struct Searches {
    pub duplicates: DuplicateSearch,
    /// With the list of whom nothing is sent to.
    pub suppressed: Option<ListedSearch>,
    pub bad_file: Option<BadFile>,
    /// Takes the marks of what the rows attach, if the template has a column for that.
    pub marks: Option<RowSpool>,
}

/// All rows, judged.
#[derive(Debug)]
pub struct Checked {
    pub report: Report,
    pub worst: Worst,
    left_out: LeftOut,
    /// For each row that was judged, in order, the mark of what it attaches.
    marks: Option<Spooled>,
}

/// Judges all rows of `gathered`, whose columns are those of `plan`.
///
/// Errors: those of the spool, of threads, and of writing the file of bad rows. Bad rows are no error here.
pub fn check(
    plan: &Plan<'_>,
    rows: &Spooled,
    unread: &mut Spooled,
    wishes: &Wishes,
    searches: Searches,
) -> Result<Checked, MergeError> {
    let progress = Progress::of_checking(rows.len());
    let keeps_bad = searches.bad_file.is_some();
    let mut tally = Tally {
        plan,
        report: Report { rows: rows.len() + unread.len(), ..Report::default() },
        worst: Worst::default(),
        left_out: LeftOut::default(),
        searches,
        unread: unread.rows(1)?.peekable(),
    };
    judge_all(plan, rows, keeps_bad, &mut |chunk: JudgedChunk| {
        progress.advance(chunk.rows.len() as u64);
        tally.worst.merge(&chunk.worst);
        chunk.rows.into_iter().try_for_each(|row| tally.add(row))
    })?;
    tally.finish(wishes)
}

/// What was found so far.
struct Tally<'t> {
    plan: &'t Plan<'t>,
    report: Report,
    worst: Worst,
    left_out: LeftOut,
    searches: Searches,
    unread: Peekable<SpooledRows<'t>>,
}

impl Tally<'_> {
    fn add(&mut self, judged: JudgedRow) -> Result<(), MergeError> {
        self.add_unread(judged.number)?;
        self.add_mark(judged.number, judged.found.as_ref().map_or(None, |good| good.mark))?;
        match judged.found {
            Ok(good) => self.add_good(judged.number, good),
            Err(reason) => self.add_bad(judged.number, &reason, judged.row.as_ref()),
        }
    }

    /// Adds the rows before `number` that cannot be read.
    fn add_unread(&mut self, number: u64) -> Result<(), MergeError> {
        let is_before = |row: &Result<Row, _>| row.as_ref().map_or(true, |row| row.number < number);
        while let Some(row) = self.unread.next_if(is_before) {
            let Row { number, cells } = row?;
            let what = cells.first().and_then(Cell::text).unwrap_or_default().to_owned();
            self.add_bad(number, &BadReason { kind: Kind::Unreadable, what }, None)?;
        }
        Ok(())
    }

    fn add_bad(&mut self, number: u64, reason: &BadReason, row: Option<&Row>) -> Result<(), MergeError> {
        self.left_out.bad.set(number);
        self.report.add_bad(number, reason);
        match &mut self.searches.bad_file {
            Some(file) => file.add(self.plan.columns, row, &format!("row {number}: {}", reason.what)),
            None => Ok(()),
        }
    }

    /// Keeps the mark of what row `number` attaches.
    fn add_mark(&mut self, number: u64, mark: Option<FileMark>) -> Result<(), MergeError> {
        let Some(marks) = &mut self.searches.marks else { return Ok(()) };
        marks.add(&Row { number, cells: vec![mark.map_or(Cell::Null, |mark| Cell::Text(mark.to_string()))] })?;
        Ok(())
    }

    fn add_good(&mut self, number: u64, good: Good) -> Result<(), MergeError> {
        self.searches.duplicates.add(number, &good.address)?;
        if let Some(search) = &mut self.searches.suppressed {
            search.add(number, &good.address)?;
        }
        let report = &mut self.report;
        report.bytes = report.bytes.saturating_add(good.bytes);
        if good.utf8 {
            report.smtputf8.add(|| number);
        }
        if good.large_html {
            report.large_html.add(|| number);
        }
        if let Some(what) = good.unaligned {
            report.unaligned.add(|| NamedRow { row: number, what });
        }
        Ok(())
    }

    fn finish(mut self, wishes: &Wishes) -> Result<Checked, MergeError> {
        self.add_unread(u64::MAX)?;
        let Tally { plan, mut report, worst, mut left_out, searches, .. } = self;
        searches.bad_file.map_or(Ok(()), BadFile::finish)?;
        let found = searches.duplicates.finish()?;
        let named = found.first_ones().map(|(row, first)| Duplicate { row, first }).collect();
        report.duplicates = FirstFive { count: found.count(), first: named };
        left_out.duplicates = (!wishes.allow_duplicates).then_some(found);
        left_out.suppressed = searches.suppressed.map(ListedSearch::finish).transpose()?;
        for number in 1..=report.rows {
            match left_out.why(number) {
                None => report.send += 1,
                Some(LeftOutFor::Suppressed) => report.suppressed.add(|| number),
                Some(LeftOutFor::Bad | LeftOutFor::Duplicate) => {}
            }
        }
        let all = report.send;
        report.send = all.min(wishes.limit.unwrap_or(u64::MAX));
        report.beyond_limit = all - report.send;
        report.skips_bad = wishes.skip_bad;
        report.keeps_duplicates = wishes.allow_duplicates;
        report.largest = worst.largest();
        let warnings = plan.template.warnings(plan.columns);
        report.warnings = warnings.iter().map(ToString::to_string).chain(plan.template.notes().to_vec()).collect();
        let marks = searches.marks.map(RowSpool::finish).transpose()?;
        Ok(Checked { report, worst, left_out, marks })
    }
}

/// Takes a row that is to be sent, its recipient, and what its attachment is known by.
pub type Take<'t> = dyn FnMut(&Row, Address, Option<FileMark>) -> Result<(), MergeError> + 't;

impl Checked {
    /// Refuses a merge that has bad rows which are not to be left out, or no row to be sent.
    pub fn refuse(&self, what: &str) -> Result<(), MergeError> {
        let (bad, rows) = (self.report.bad_rows(), self.report.rows);
        if bad > 0 && !self.report.skips_bad {
            return Err(MergeError::BadRows { what: what.to_owned(), bad, rows });
        }
        if self.report.send == 0 {
            return Err(MergeError::NothingLeft { what: what.to_owned(), rows });
        }
        Ok(())
    }

    /// Shows `take` the rows that are to be sent, in the source's order; as many as the report says.
    ///
    /// Errors: those of the spool, and of `take`; an attachment that has changed since it was judged.
    pub fn each(&mut self, plan: &Plan<'_>, gathered: &mut Gathered, take: &mut Take<'_>) -> Result<(), MergeError> {
        let mut left = self.report.send;
        let mut marks = self.marks.as_mut().map(|marks| marks.rows(1)).transpose()?;
        for row in gathered.rows.rows(plan.columns.names().len())? {
            let row = row?;
            if left == 0 {
                break;
            }
            let judged = marks.as_mut().and_then(Iterator::next).transpose()?;
            if self.left_out.why(row.number).is_some() {
                continue;
            }
            let number = row.number;
            let bad = |reason: BadReason| MergeError::BadRow { what: "the rows".to_owned(), number, why: reason.what };
            let mark = match plan.attachments {
                Some(attachments) => {
                    let changed = || MergeError::AttachmentChanged { path: attachments.path(&row), number };
                    let mark = attachments.of(&row).map_err(|_| changed())?.map(|file| file.mark);
                    let text = judged.as_ref().and_then(|judged| judged.cells.first()).and_then(Cell::text);
                    if mark.map(|mark| mark.to_string()).as_deref() != text {
                        return Err(changed());
                    }
                    mark
                }
                None => None,
            };
            take(&row, plan.address(&row).map_err(bad)?, mark)?;
            left -= 1;
        }
        Ok(())
    }
}
