//! `bulkmailer check`: verifies the spool, and mends it with `--repair`.

use std::path::PathBuf;

use serde_json::json;

use super::queues;
use crate::config::Site;
use crate::model::Exit;
use crate::spool::access::{self, Fault};
use crate::spool::{Spool, SpoolError, drop};
use crate::sys::output::{self, Page, print};

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Mend what can be mended without guessing
    #[arg(long)]
    pub repair: bool,
    /// This queue only
    #[arg(long, short = 'Q', value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// More files that are nobody's are not told of.
const STRAYS_MAX: usize = 100;

/// `bulkmailer check`: 0 if all is well or mended, 1 if not.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let (mut entries, mut page, mut rows, mut open) = (0, Page::default(), Vec::new(), 0);
    for queue in queues(site, args.queue.as_deref())? {
        let report = queue.check(args.repair)?;
        entries += report.entries;
        for problem in report.problems {
            let path = queue.path(&problem.path);
            open += u64::from(problem.mended.is_none());
            let end = problem.mended.map_or(String::new(), |mended| format!("; {mended}"));
            let path = output::name(path.as_os_str());
            page.line(format!("{path}: {}{end}", problem.what));
            rows.push(json!({"path": path, "what": problem.what, "mended": problem.mended}));
        }
        if args.repair {
            // Somebody may have met one of our locks.
            queue.wake()?;
        }
    }
    for (path, what) in strays(site, args.queue.as_deref())? {
        let path = output::name(path.as_os_str());
        open += 1;
        page.line(format!("{path}: {what}"));
        rows.push(json!({"path": path, "what": what, "mended": null}));
    }
    for (fault, mended) in doors(site, args)? {
        open += u64::from(mended.is_none());
        let end = mended.map_or(String::new(), |mended| format!("; {mended}"));
        let path = output::name(fault.path.as_os_str());
        page.line(format!("{path}: {}{end}", fault.what));
        rows.push(json!({"path": path, "what": fault.what, "mended": mended}));
    }
    if args.json {
        print(&Page::pretty(&json!({"entries": entries, "problems": rows})))?;
    } else if rows.is_empty() {
        print(&Page::of(format!("{entries} entries, all in order")))?;
    } else {
        let hint = if open > 0 && !args.repair { "; 'bulkmailer check --repair' mends what it can" } else { "" };
        page.line(format!("{entries} entries, {} problems{hint}", rows.len()));
        print(&page)?;
    }
    Ok(if open > 0 { Exit::Attention } else { Exit::Ok })
}

/// What keeps other users from handing mail in, and whether it was mended.
fn doors(site: &Site, args: &Args) -> anyhow::Result<Vec<(Fault, Option<&'static str>)>> {
    if args.queue.is_some() {
        return Ok(Vec::new());
    }
    if site.spool_is_hosts && site.spool.symlink_metadata().is_err() {
        return Ok(vec![(access::no_spool(&site.spool), None)]);
    }
    let looked = |source| SpoolError::Io { doing: "look at the drop folder of", path: site.spool.clone(), source };
    let found = access::faults(&site.spool, site.spool_is_hosts).map_err(looked)?;
    let left = match args.repair {
        true => access::mend(&site.spool, site.spool_is_hosts).map_err(looked)?,
        false => found.clone(),
    };
    let mended = |fault: &Fault| (!left.contains(fault)).then_some("mended");
    Ok(found.into_iter().map(|fault| (fault.clone(), mended(&fault))).collect())
}

/// The first of the files that are nobody's, and why: those in `drop/` that no queue adopts, and what has an odd name.
fn strays(site: &Site, queue: Option<&str>) -> anyhow::Result<Vec<(PathBuf, &'static str)>> {
    let Some(spool) = Spool::open(&site.spool)? else { return Ok(Vec::new()) };
    let odd = "its name is not UTF-8, so nobody looks at it: move it away by hand";
    let mut found: Vec<_> = spool.odd_names(queue, STRAYS_MAX)?.into_iter().map(|path| (path, odd)).collect();
    if queue.is_some() {
        return Ok(found);
    }
    let unknown = "it is meant for no queue of the configuration, so nobody adopts it: remove it";
    let names = match spool.drop_names() {
        Ok(names) => names,
        // What is wrong with the folder has a line of its own.
        Err(SpoolError::Shut { .. }) => return Ok(found),
        Err(error) => return Err(error.into()),
    };
    for name in names {
        let name = name?;
        let path = spool.root().join("drop").join(&name);
        let Some(text) = name.to_str() else {
            found.push((path, odd));
            continue;
        };
        let known = drop::queue_of(&name).is_some_and(|queue| site.config.queues.contains_key(queue));
        // Where the file system has no files without a name, one that is being written begins with a dot.
        if !known && !text.starts_with('.') {
            found.push((path, unknown));
        }
        if found.len() > STRAYS_MAX {
            break;
        }
    }
    found.truncate(STRAYS_MAX);
    Ok(found)
}
