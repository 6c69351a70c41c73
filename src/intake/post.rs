//! `submit --recipients`: one message to the many recipients of a list, as a job that appears as a whole or not at all.
//!
//! The order of steps: the lists are read, checked and sorted → the message is stored, once → the entries are written, each
//! with its part of the recipients → the job is published. Memory does not grow with the number of recipients.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde_json::json;

use super::accept::{self, Request};
use super::list::{self, Bad};
use super::submit::Args;
use super::way::Way;
use super::{Failure, Refused};
use crate::config::Site;
use crate::model::Exit;
use crate::model::envelope::VERP;
use crate::spool::Published;
use crate::spool::job::PostFile;
use crate::sys::output::{Page, tell};
use crate::sys::{named, process};

/// How much of a list is read at once.
const BUFFER: usize = 64 << 10;

/// Submits to the recipients that the file `recipients` names.
pub fn run(site: &Site, args: &Args, recipients: &Path, request: Request) -> anyhow::Result<Exit> {
    let listed = name_of(recipients);
    if is_stdin(recipients) && args.message.as_deref().is_none_or(is_stdin) {
        let why = "the standard input has the recipients, so name the message's file with --message";
        return Err(Refused::Usage(why.to_owned()).into());
    }
    let policy = site.config.queues.get(&args.queue);
    let mut request = Request { user: Some(process::real_uid()), ..request };
    if request.sender.is_none() && !request.sender_from_header {
        request.sender = Some(Some(accept::user()?));
    }
    // All this before root becomes the spool's owner, who may not be able to open them.
    let mut list = open(recipients)?;
    let mut message = args.message.as_deref().map_or_else(|| Ok(stdin()), open)?;
    let unwanted = site.config.suppress.as_deref();
    let mut suppressed = unwanted.map(open_regular).transpose().map_err(Refused::suppress)?;
    let way = Way::into_spool(site, &args.queue)?;
    let queue = way.queue()?;
    let bad = if args.skip_bad { Bad::Skip } else { Bad::Refuse };
    let mut wanted = queue.sorter();
    let count = list::read(&listed, &mut list, bad, &mut wanted)?;
    if count.found == 0 {
        return Err(Refused::EmptyList { what: listed }.into());
    }
    let mut but = queue.sorter();
    if let (Some(path), Some(input)) = (unwanted, &mut suppressed) {
        list::read(&name_of(path), input, Bad::Refuse, &mut but).map_err(|failure| match failure {
            Failure::Refused(refused) => Refused::suppress(refused).into(),
            Failure::Spool(error) => Failure::Spool(error),
        })?;
    }
    let verp = args.verp.as_ref().map(|pattern| match (pattern, policy) {
        (Some(pattern), _) => pattern.clone(),
        (None, Some(policy)) => policy.verp.clone(),
        (None, None) => VERP.to_owned(),
    });
    let about = PostFile {
        name: args.job_name.clone(),
        per_entry: policy.map_or(1, |policy| policy.job_recipients.min(site.config.limits.recipients) as u64),
        verp: verp.clone(),
        not_before: request.at,
        ..PostFile::default()
    };
    let request = Request { verp, ..request };
    let lists = (wanted.sorted()?, but.sorted()?);
    let (id, job, published) = accept::post(queue, &site.config.limits, request, &mut message, lists, about)?;
    way.kick();
    if !args.quiet {
        way.remind();
    }
    let post = job.post.unwrap_or_default();
    if args.json {
        let row = json!({
            "job": id,
            "queue": args.queue,
            "recipients": post.recipients,
            "entries": job.entries,
            "duplicates": post.duplicates,
            "suppressed": post.suppressed,
            "bad": count.bad,
            "bytes": post.bytes,
            "new": published == Published::New,
        });
        tell(&Page::of(row.to_string()));
    } else if !args.quiet {
        tell(&Page::of(id.as_str()));
    }
    Ok(Exit::Ok)
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
