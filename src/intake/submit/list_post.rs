//! `submit --recipients`: one message to the many recipients of a list, as a job that appears as a whole or not at all.
//!
//! The order of steps: the lists are read, checked and sorted → the message is stored, once → the entries are written, each
//! with its part of the recipients → the job is published. Memory does not grow with the number of recipients.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::Args;
use crate::config::Site;
use crate::intake::accept;
use crate::intake::address_list::{self, Bad};
use crate::intake::letter;
use crate::intake::refused::{Failure, Refused};
use crate::intake::submission::Submission;
use crate::intake::way_in::WayIn;
use crate::model::envelope::VERP;
use crate::model::{Address, EntryId, Exit};
use crate::spool::job::PostFile;
use crate::spool::job::post::Posted;
use crate::spool::sorter::Sorted;
use crate::spool::{Published, SpoolQueue};
use crate::sys::output::{Page, tell};
use crate::sys::{named, process};

/// How much of a list is read at once.
const BUFFER: usize = 64 << 10;

/// Submits to the recipients that the file `recipients` names.
pub fn run(site: &Site, args: &Args, recipients: &Path, submission: Submission) -> anyhow::Result<Exit> {
    if is_stdin(recipients) && args.message.as_deref().is_none_or(is_stdin) {
        let why = "the standard input has the recipients, so name the message's file with --message";
        return Err(Refused::Usage(why.to_owned()).into());
    }
    let policy = site.config.queues.get(&args.queue);
    let mut submission = Submission { user: Some(process::real_uid()), ..submission };
    if submission.sender.is_none() && !submission.sender_from_header {
        submission.sender = Some(Some(letter::user()?));
    }
    // Before root becomes the spool's owner, who may not be able to open them.
    let mut inputs = Inputs::open(site, args, recipients)?;
    let way = WayIn::into_spool(site, &args.queue)?;
    let queue = way.queue()?;
    let (lists, bad) = inputs.sort(queue, if args.skip_bad { Bad::Skip } else { Bad::Refuse })?;
    let verp = args.verp.as_ref().map(|pattern| match (pattern, policy) {
        (Some(pattern), _) => pattern.clone(),
        (None, Some(policy)) => policy.verp.clone(),
        (None, None) => VERP.to_owned(),
    });
    let about = PostFile {
        name: args.job_name.clone(),
        per_entry: policy.map_or(1, |policy| policy.job_recipients.min(site.config.limits.recipients) as u64),
        verp: verp.clone(),
        not_before: submission.at,
        ..PostFile::default()
    };
    let submission = Submission { verp, ..submission };
    let posted = accept::list_post(queue, &site.config.limits, submission, &mut inputs.message, lists, about)?;
    way.kick();
    if !args.quiet {
        way.remind();
    }
    report(args, posted, bad);
    Ok(Exit::Ok)
}

/// What a post is made of, open.
struct Inputs {
    listed: String,
    list: Box<dyn BufRead>,
    message: Box<dyn BufRead>,
    /// The configuration's suppression list, with its name.
    suppressed: Option<(String, BufReader<File>)>,
}

impl Inputs {
    fn open(site: &Site, args: &Args, recipients: &Path) -> Result<Inputs, Refused> {
        let list = open(recipients)?;
        let message = args.message.as_deref().map_or_else(|| Ok(stdin()), open)?;
        let unwanted = |path: &PathBuf| Ok((name_of(path), open_regular(path)?));
        let suppressed = site.config.suppress.as_ref().map(unwanted).transpose().map_err(Refused::suppress)?;
        Ok(Inputs { listed: name_of(recipients), list, message, suppressed })
    }

    /// Reads and sorts the lists of those who are wanted and of those who are not, and counts the bad lines.
    fn sort(&mut self, queue: &SpoolQueue, bad: Bad) -> Result<((Sorted, Sorted), u64), Failure> {
        let mut wanted = queue.sorter();
        let count = address_list::read(&self.listed, &mut self.list, bad, &mut |address| wanted.add(address))?;
        if count.found == 0 {
            return Err(Refused::EmptyList { what: self.listed.clone() }.into());
        }
        let mut but = queue.sorter();
        if let Some((name, input)) = &mut self.suppressed {
            let mut take = |address: &Address| but.add(address);
            address_list::read(name, input, Bad::Refuse, &mut take).map_err(|failure| match failure {
                Failure::Refused(refused) => Refused::suppress(refused).into(),
                Failure::Spool(error) => Failure::Spool(error),
            })?;
        }
        Ok(((wanted.sorted()?, but.sorted()?), count.bad))
    }
}

/// Prints what was queued, and that `bad` lines were passed over.
fn report(args: &Args, (id, posted): (EntryId, Posted), bad: u64) {
    let Posted { about, entries, published } = posted;
    if args.json {
        let row = json!({
            "job": id,
            "queue": args.queue,
            "recipients": about.recipients,
            "entries": entries,
            "duplicates": about.duplicates,
            "suppressed": about.suppressed,
            "bad": bad,
            "bytes": about.bytes,
            "new": published == Published::New,
        });
        tell(&Page::of(row.to_string()));
    } else if !args.quiet {
        tell(&Page::of(id.as_str()));
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name_of(path: &Path) -> String {
    if is_stdin(path) { "the standard input".to_owned() } else { path.display().to_string() }
}

fn stdin() -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(BUFFER, io::stdin()))
}

/// The configuration's list is a file, and no stream.
fn open_regular(path: &Path) -> Result<BufReader<File>, Refused> {
    let file = named::open(path).map_err(|source| Refused::NoInput { what: name_of(path), source })?;
    Ok(BufReader::with_capacity(BUFFER, file))
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Refused> {
    if is_stdin(path) {
        return Ok(stdin());
    }
    let file = File::open(path).map_err(|source| Refused::NoInput { what: name_of(path), source })?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, file)))
}
