//! The rows that are to be sent become a job, which appears as a whole or not at all.

use serde_json::json;

use super::args::Args;
use super::check::Checked;
use super::error::MergeError;
use super::gathered::Gathered;
use super::judge::Plan;
use crate::compose::Sources;
use crate::config::Site;
use crate::intake::accept;
use crate::intake::refused::Refused;
use crate::intake::way_in::WayIn;
use crate::model::envelope::{Origin, verp};
use crate::model::{Envelope, Exit, Fields};
use crate::policy::rate::Rate;
use crate::policy::units::parse_instant;
use crate::spool::Published;
use crate::spool::job::PostFile;
use crate::spool::merge::draft::{Common, Merged};
use crate::spool::merge::rows::rows_an_entry;
use crate::sys::output::{Page, tell};
use crate::sys::{clock, process};

/// What the job is made of, besides its rows.
#[derive(Clone, Copy)]
pub struct Parts<'p> {
    pub site: &'p Site,
    pub args: &'p Args,
    pub files: &'p Sources,
    pub plan: &'p Plan<'p>,
    /// The user who asks for it, before root became the spool's owner.
    pub uid: u32,
}

/// Queues the rows that `checked` lets pass. When this returns, the job would survive a power cut.
pub fn queue(
    way: &WayIn<'_>,
    parts: Parts<'_>,
    checked: &mut Checked,
    gathered: &mut Gathered,
) -> Result<Exit, MergeError> {
    let Parts { site, args, files, plan, uid } = parts;
    way.check_room()?;
    let policy = site.config.queues.get(&args.queue);
    let workers = policy.and_then(|policy| policy.workers).unwrap_or(WORKERS) as u64;
    let like = like(args, plan, uid)?;
    let about = PostFile {
        name: args.job_name.clone(),
        sender: like.sender_text().to_owned(),
        uid: like.origin.uid,
        per_entry: rows_an_entry(checked.report.send, workers).into(),
        verp: like.origin.verp.clone(),
        not_before: args.at,
        ..PostFile::default()
    };
    let settings = plan.template.settings();
    let common = Common {
        sources: files,
        columns: plan.columns,
        address: &settings.address,
        host: &process::host_name(),
        window: args.window.as_ref(),
        rate: args.rate.map(|(count, per)| Rate::new(count, per, None)),
    };
    let mut draft = way.queue()?.merge(like, about, common)?;
    let job = draft.id().clone();
    let time = settings.send_time.as_deref().and_then(|name| plan.columns.position(name));
    checked.each(plan, gathered, &mut |row, recipient, mark| {
        let text = time.and_then(|at| row.cells.get(at)).and_then(|cell| cell.text());
        // It was read when the row was judged.
        let due = text.filter(|text| !text.is_empty()).and_then(|text| parse_instant(text, plan.now).ok());
        Ok(draft.add(row, recipient, due, mark)?)
    })?;
    let report = &checked.report;
    let left_out = if args.allow_duplicates { 0 } else { report.duplicates.count };
    let merged = draft.commit((left_out, report.suppressed.count))?;
    way.kick();
    way.remind();
    let Merged { rows, entries, published } = merged;
    tell(&Page::of(match args.json {
        false => job.to_string(),
        true => json!({
            "job": job,
            "queue": args.queue,
            "recipients": rows,
            "entries": entries,
            "duplicates": left_out,
            "suppressed": report.suppressed.count,
            "bad": report.bad_rows(),
            "new": published == Published::New,
        })
        .to_string(),
    }));
    Ok(Exit::Ok)
}

/// How many workers share a merge's rows where the configuration names no number: as many as "auto" stands for at most.
const WORKERS: usize = 16;

/// The envelope that all entries begin with.
fn like(args: &Args, plan: &Plan<'_>, uid: u32) -> Result<Envelope, MergeError> {
    let pattern = plan.verp.map(str::to_owned);
    if let (Some(pattern), sender) = (&pattern, plan.sender) {
        let sender = sender.ok_or_else(|| Refused::Verp("the sender is the null sender".to_owned()))?;
        let somebody = "user@example.org".parse().map_err(Refused::from)?;
        verp(pattern, sender, &somebody).map_err(|why| Refused::Verp(why.to_string()))?;
    }
    let submitted = clock::now();
    let origin = Origin { submitted, uid, body: None, notify: None, ret: None, envid: None, verp: pattern };
    let id = accept::id_of(args.key.as_deref());
    Ok(Envelope { id, sender: plan.sender.cloned(), recipients: Vec::new(), fields: Fields::default(), origin })
}
