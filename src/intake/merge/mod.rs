//! `bulkmailer merge`: a message for each row of a person's data, rendered from a template.
//!
//! The order of steps: template, source and what is to be written are opened with the rights of the user who names them →
//! root becomes the spool's owner → the source is read to its end into a file without a name → every row is really
//! rendered → what is wrong is reported → the rows that are left are queued, or shown.
//!
//! What holds: nothing is queued before every row was rendered. A bad row is reported with its number and refuses all, or is
//! left out where that was asked for. Memory does not grow with the number of rows but by some bits a row.

mod args;
pub mod attachments;
mod bad_file;
pub mod check;
mod choice;
pub mod error;
mod first_five;
pub mod gathered;
mod html_page;
mod inputs;
pub mod judge;
pub mod kind;
mod left_out;
mod new_file;
mod out_folder;
mod preview;
mod progress;
mod queueing;
mod report;
mod send_test;
pub mod source;
mod suppressed;
#[cfg(test)]
mod tests;
mod threads;
mod worst;

pub use args::Args;

use std::io;

use serde_json::json;

use self::args::Mode;
use self::attachments::Attachments;
use self::bad_file::BadFile;
use self::check::{Checked, Searches, Wishes};
use self::choice::Choice;
use self::error::MergeError;
use self::gathered::Gathered;
use self::inputs::Inputs;
use self::judge::Plan;
use self::preview::Shown;
use self::queueing::Parts;
use self::suppressed::SuppressFile;
use super::refused::Refused;
use super::way_in::WayIn;
use crate::compose::MessageIds;
use crate::config::{ConfigError, Site};
use crate::model::{Address, EntryId, Exit};
use crate::spool::merge::attachment::MARK;
use crate::sys::output::{self, Page, tell};
use crate::sys::{ask, clock, process, random};

/// `bulkmailer merge`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    if !site.config.queues.contains_key(&args.queue) {
        let known: Vec<&str> = site.config.queues.keys().map(String::as_str).collect();
        return Err(ConfigError::unknown_queue(&args.queue, &known).into());
    }
    if args.mode() == Mode::Queue && !args.yes && !ask::is_possible() {
        return Err(Refused::Usage(UNASKED.to_owned()).into());
    }
    Ok(merge(site, args)?)
}

const UNASKED: &str = "merge: nobody is there to be asked: add --yes, or look first with --check";

fn merge(site: &Site, args: &Args) -> Result<Exit, MergeError> {
    let Inputs { what, files, template, mut source, suppress, sender, verp, bad, html, out } =
        Inputs::open(site, args)?;
    let uid = process::real_uid();
    let way = WayIn::into_spool(site, &args.queue)?;
    let mut gathered = Gathered::read(&what, &mut *source, way.queue()?)?;
    let columns = gathered.columns.clone();
    if columns.position(MARK).is_some() {
        return Err(MergeError::OwnColumn { what });
    }
    let missing = template.missing(&columns);
    if !missing.is_empty() {
        let named: Vec<String> = missing.iter().map(|(name, place)| format!("{name} ({place})")).collect();
        if args.json {
            print(&Page::of(json!({"rows": gathered.len(), "missing_columns": named}).to_string()))?;
        }
        return Err(MergeError::MissingColumns { what, columns: named.join(", ") });
    }
    let attachments = Attachments::open(template.settings(), &columns, way.queue()?)?;
    let plan = Plan {
        template: &template,
        columns: &columns,
        attachments: attachments.as_ref(),
        limits: &site.config.limits,
        sender: sender.as_ref(),
        verp: verp.as_deref(),
        ids: ids()?,
        now: clock::now(),
    };
    let mut shown = Shown { message: args.preview.is_some(), out, html };
    let checked = |gathered: &mut Gathered| check_all(site, args, &way, &plan, gathered, (suppress, bad));
    match args.mode() {
        Mode::SendTest { to, row } => submit_test(&plan, &what, &way, &mut gathered, (to, row)),
        Mode::Preview(Choice::Worst) => {
            let worst = checked(&mut gathered)?.worst.rows(columns.names());
            preview::show_all(&plan, &what, &mut gathered, &worst, &mut shown).map(|()| Exit::Ok)
        }
        Mode::Preview(choice) => {
            let row = preview::find(&plan, &what, &mut gathered, choice)?;
            preview::show(&plan, &what, &row, None, &mut shown).map(|()| Exit::Ok)
        }
        Mode::Check => {
            let checked = checked(&mut gathered)?;
            print_report(args, &checked)?;
            checked.refuse(&what).map(|()| Exit::Ok)
        }
        Mode::Queue => {
            let mut checked = checked(&mut gathered)?;
            match refused(args, &what, &checked)? {
                Some(exit) => Ok(exit),
                None => queueing::queue(
                    &way,
                    Parts { site, args, files: &files, plan: &plan, uid },
                    &mut checked,
                    &mut gathered,
                ),
            }
        }
    }
}

fn check_all(
    site: &Site,
    args: &Args,
    way: &WayIn<'_>,
    plan: &Plan<'_>,
    gathered: &mut Gathered,
    (suppress, bad_file): (Option<SuppressFile>, Option<BadFile>),
) -> Result<Checked, MergeError> {
    let queue = way.queue()?;
    let wishes = Wishes { skip_bad: args.skip_bad, allow_duplicates: args.allow_duplicates, limit: args.limit };
    let suppressed = suppressed::search(site, queue, suppress)?;
    let marks = plan.attachments.map(|_| queue.row_spool()).transpose()?;
    let searches = Searches { duplicates: queue.duplicate_search()?, suppressed, bad_file, marks };
    check::check(plan, &gathered.rows, &mut gathered.unread, &wishes, searches)
}

fn submit_test(
    plan: &Plan<'_>,
    what: &str,
    way: &WayIn<'_>,
    gathered: &mut Gathered,
    (to, row): (&str, &Choice),
) -> Result<Exit, MergeError> {
    let to: Address = to.parse().map_err(Refused::from)?;
    let row = preview::find(plan, what, gathered, row)?;
    let id = send_test::send(plan, what, way, row, &to)?;
    way.kick();
    tell(&Page::of(id.as_str()));
    Ok(Exit::Ok)
}

/// Prints what was found.
fn print_report(args: &Args, checked: &Checked) -> Result<(), MergeError> {
    match args.json {
        true => print(&Page::of(checked.report.json().to_string())),
        false => print(&checked.report.page()),
    }
}

/// Whether the rows are not to be queued: the status to end with, if a person says so. What was found is said before.
fn refused(args: &Args, what: &str, checked: &Checked) -> Result<Option<Exit>, MergeError> {
    let refusal = checked.refuse(what);
    match (args.json, refusal.is_err()) {
        (true, true) => print_report(args, checked)?,
        (true, false) => {}
        (false, false) if checked.report.is_clean() && !ask::is_possible() => {}
        // The standard output is for what is queued.
        (false, _) => checked.report.page().as_str().lines().for_each(output::warn),
    }
    refusal?;
    if args.yes {
        return Ok(None);
    }
    let question = format!("send {} messages?", checked.report.send);
    ask::refused(&question, UNASKED).map_err(unprinted)
}

fn print(page: &Page) -> Result<(), MergeError> {
    output::print(page).map_err(unprinted)
}

fn unprinted(source: io::Error) -> MergeError {
    MergeError::Write { path: "the terminal".into(), source }
}

/// Message-IDs that nobody else makes.
fn ids() -> Result<MessageIds, MergeError> {
    let mut key = [0; 32];
    for part in key.chunks_exact_mut(8) {
        part.copy_from_slice(&random::number().ok_or(MergeError::Random)?.to_le_bytes());
    }
    Ok(MessageIds::new(EntryId::new(clock::now()).as_str(), &process::host_name(), &key))
}
