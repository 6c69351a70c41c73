//! `bulkmailer check`: verifies the spool, and mends it with `--repair`. Of what is in `drop/` it tells what no run can adopt,
//! in memory that does not grow with it; it is its owner's, and left to a person.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::in_drop::count::files_text;
use super::in_drop::meant::{self, Meant, meant};
use super::selecting::open_queues::open_queues;
use crate::config::Site;
use crate::model::Exit;
use crate::queue::QueueError;
use crate::spool::Spool;
use crate::spool::drop::DropView;
use crate::spool::drop::access::{self, Fault};
use crate::sys::nss;
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

/// At most this many names that are nobody's, or cannot be adopted, are told.
const STRAYS_MAX: usize = 100;

/// What was found, as it is printed.
#[derive(Default)]
struct Findings {
    page: Page,
    rows: Vec<serde_json::Value>,
    /// How many were not mended.
    open: u64,
}

impl Findings {
    fn add(&mut self, path: &Path, what: &str, mended: Option<&str>) {
        self.open += u64::from(mended.is_none());
        let end = mended.map_or(String::new(), |mended| format!("; {mended}"));
        let path = output::name(path.as_os_str());
        self.page.line(format!("{path}: {what}{end}"));
        self.rows.push(json!({"path": path, "what": what, "mended": mended}));
    }
}

/// `bulkmailer check`: 0 if all is well or mended, 1 if not.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let (mut entries, mut found) = (0, Findings::default());
    if args.repair {
        upgrade(site, &mut found)?;
    }
    // First: what is adopted meanwhile is an entry, and looked at as one.
    let mut strays = Strays::default();
    dropped(site, args.queue.as_deref(), &mut strays)?;
    for queue in open_queues(site, args.queue.as_deref())? {
        let report = queue.check(args.repair)?;
        entries += report.entries;
        for problem in report.problems {
            found.add(&queue.path(&problem.path), &problem.what, problem.mended);
        }
        if args.repair {
            // Somebody may have met one of our locks.
            queue.wake()?;
        }
    }
    if let Some(spool) = Spool::open(&site.spool)? {
        spool.odd_names(args.queue.as_deref(), &mut |path| strays.add(|| (path, ODD.to_owned())))?;
    }
    let (files, more) = (strays.files, strays.more);
    strays.told.iter().for_each(|(path, what)| found.add(path, what, None));
    for (fault, mended) in doors(site, args)? {
        found.add(&fault.path, &fault.what, mended);
    }
    let Findings { mut page, rows, open } = found;
    let open = open + more;
    if more > 0 {
        page.line(format!("and {more} more"));
    }
    let counted = match files {
        0 => format!("{entries} entries"),
        files => format!("{entries} entries and {}", files_text(files)),
    };
    if args.json {
        print(&Page::pretty(&json!({"entries": entries, "dropped": files, "problems": rows, "more": more})))?;
    } else if rows.is_empty() {
        print(&Page::of(format!("{counted}, all in order")))?;
    } else {
        let hint = if open > 0 && !args.repair { "; 'bulkmailer check --repair' mends what it can" } else { "" };
        page.line(format!("{counted}, {} problems{hint}", rows.len() as u64 + more));
        print(&page)?;
    }
    Ok(if open > 0 { Exit::Attention } else { Exit::Ok })
}

/// Upgrades a spool of an older format before anything is mended in it.
fn upgrade(site: &Site, found: &mut Findings) -> anyhow::Result<()> {
    let spool = Spool::open(&site.spool)?.map(Spool::upgraded).transpose()?;
    if let Some(why) = spool.and_then(|spool| spool.says_why_older()) {
        found.add(&site.spool, &why, None);
    }
    Ok(())
}

/// What keeps other users from handing mail in, and whether it was mended.
fn doors(site: &Site, args: &Args) -> anyhow::Result<Vec<(Fault, Option<&'static str>)>> {
    if args.queue.is_some() {
        return Ok(Vec::new());
    }
    if site.spool_is_hosts && site.spool.symlink_metadata().is_err() {
        return Ok(vec![(access::no_spool(&site.spool), None)]);
    }
    let looked = |source| QueueError::Io { doing: "look at the drop folder of", path: site.spool.clone(), source };
    let found = access::faults(&site.spool, site.spool_is_hosts).map_err(looked)?;
    let left = match args.repair {
        true => access::mend(&site.spool, site.spool_is_hosts).map_err(looked)?,
        false => found.clone(),
    };
    let mended = |fault: &Fault| (!left.contains(fault)).then_some("mended");
    Ok(found.into_iter().map(|fault| (fault.clone(), mended(&fault))).collect())
}

const ODD: &str = "its name is not UTF-8, so nobody looks at it: move it away by hand";
const UNKNOWN: &str = "it is meant for no queue of the configuration, so nobody adopts it: remove it";

/// Names that are nobody's, or that no run can adopt. The first of them are kept, the others counted.
#[derive(Default)]
struct Strays {
    told: Vec<(PathBuf, String)>,
    more: u64,
    /// How many files were looked at in `drop/`.
    files: u64,
}

impl Strays {
    fn add(&mut self, stray: impl FnOnce() -> (PathBuf, String)) {
        if self.told.len() < STRAYS_MAX {
            self.told.push(stray());
        } else {
            self.more += 1;
        }
    }
}

/// Looks at what is in `drop/`, for all queues or for the one that was asked for. Each file is opened as its adopter will.
fn dropped(site: &Site, asked: Option<&str>, strays: &mut Strays) -> anyhow::Result<()> {
    let view = match DropView::open(&site.spool) {
        Ok(Some(view)) => view,
        // What is wrong with the folder has a line of its own.
        Ok(None) | Err(QueueError::Shut { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for file in view.files()? {
        let file = file?;
        let meant = meant(&site.config, &file);
        if asked.is_some_and(|asked| !matches!(meant, Meant::Queue(queue) if queue == asked)) {
            continue;
        }
        strays.files += u64::from(!file.is_request());
        let found = match meant {
            Meant::Queue(_) if file.is_request() => view.check_request(&file.name),
            Meant::Queue(_) => meant::open(&view, &file.name, &site.config).map(|_| ()),
            Meant::Unknown(_) | Meant::Nobody => {
                let what = if file.name.to_str().is_none() { ODD } else { UNKNOWN };
                strays.add(|| (view.path(&file.name), what.to_owned()));
                continue;
            }
        };
        if let Err(unfit) = found {
            strays.add(|| {
                let who = unfit.uid.map_or(String::new(), |uid| format!("of {}, ", nss::user_name(uid)));
                let what = format!("{who}cannot be taken up: {}; remove it once you have looked", unfit.why);
                (view.path(&file.name), what)
            });
        }
    }
    Ok(())
}
