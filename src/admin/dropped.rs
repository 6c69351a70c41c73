//! What waits in `drop/` and no run has adopted yet, for the commands that show what is there. They only look: the run
//! alone adopts, and what a user may do with a file of his own he may still do.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;

use serde::Serialize;

use super::filter::Filter;
use crate::config::{self, Config, Site};
use crate::intake::{Refused, adopt};
use crate::model::{Exit, Micros};
use crate::queue::QueueError;
use crate::spool::drop::{DropFile, DropView, Dropped, Unfit, Waiting};
use crate::spool::folders::UNKNOWN;
use crate::spool::row;
use crate::sys::output::{self, Page, Paper, warning};
use crate::sys::{clock, nss};

/// For whom a name in `drop/` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meant<'f> {
    /// A queue of the configuration, whose run looks at it.
    Queue(&'f str),
    /// A queue that the configuration does not have: no run takes it.
    Unknown(&'f str),
    /// Nobody: it is no drop file at all.
    Nobody,
}

/// The site's drop folder, if it has one. One that its owner alone may list is said, and keeps no command from its work.
pub(super) fn view(site: &Site) -> anyhow::Result<Option<DropView>> {
    match DropView::open(&site.spool) {
        Err(shut @ QueueError::Shut { .. }) => {
            warning!("{shut}");
            Ok(None)
        }
        other => Ok(other?),
    }
}

/// For whom a file is, by its name alone.
pub(super) fn meant<'f>(config: &Config, file: &'f DropFile) -> Meant<'f> {
    match file.queue.as_deref() {
        Some(queue) if config.queues.contains_key(queue) => Meant::Queue(queue),
        Some(queue) if file.regular && file.is_well_formed() && config::is_queue_name(queue) => Meant::Unknown(queue),
        Some(_) | None => Meant::Nobody,
    }
}

/// What waits there, counted without opening anything.
#[derive(Debug, Default)]
pub(super) struct DropCounts {
    /// For each queue of the configuration that something waits for.
    pub queues: BTreeMap<String, Waiting>,
    /// For queues that the configuration does not have, and the first of those.
    pub unknown: Waiting,
    pub unknown_queue: Option<String>,
    /// What is no mail.
    pub junk: u64,
}

/// Says how many names are no mail.
pub(super) fn junk_text(names: u64) -> String {
    let what = if names == 1 { "1 name in drop/ is".to_owned() } else { format!("{names} names in drop/ are") };
    format!("{what} no mail: see 'bulkmailer check'")
}

/// The number of files in `drop/`, in words.
pub(super) fn files_text(files: u64) -> String {
    if files == 1 { "1 file in drop/".to_owned() } else { format!("{files} files in drop/") }
}

/// A file's owner, for a person.
fn user(uid: u32) -> String {
    if uid == UNKNOWN { "an unknown user".to_owned() } else { nss::user_name(uid) }
}

/// Counts what waits in `drop/`, for all queues or for the one that was asked for. What waits for too long is opened.
pub(super) fn survey(site: &Site, asked: Option<&str>) -> anyhow::Result<DropCounts> {
    let (mut survey, now) = (DropCounts::default(), clock::now());
    let Some(view) = view(site)? else { return Ok(survey) };
    for file in view.files()? {
        let file = file?;
        match meant(&site.config, &file) {
            Meant::Queue(queue) | Meant::Unknown(queue) if asked.is_some_and(|asked| asked != queue) => {}
            Meant::Queue(_) if file.is_request() => {}
            Meant::Queue(queue) if file.regular && !is_left(&view, &file, queue, site, now) => {
                survey.queues.entry(queue.to_owned()).or_default().add(&file);
            }
            Meant::Unknown(queue) => {
                survey.unknown.add(&file);
                survey.unknown_queue.get_or_insert_with(|| queue.to_owned());
            }
            Meant::Queue(_) | Meant::Nobody => survey.junk += u64::from(asked.is_none()),
        }
    }
    Ok(survey)
}

/// Whether a file that waits for too long can never be taken up: nobody else is opened, and it is no mail that is late.
fn is_left(view: &DropView, file: &DropFile, queue: &str, site: &Site, now: Micros) -> bool {
    let late = site.config.queues.get(queue).is_some_and(|queue| now.since(file.since) > queue.warn_after);
    late && open(view, &file.name, &site.config).is_err()
}

/// Opens a file as its adopter will, with the bounds that can be known before its message is read. `None` if it is gone.
pub(super) fn open(view: &DropView, name: &OsStr, config: &Config) -> Result<Option<Dropped>, Unfit> {
    let Some(dropped) = view.open_file(name, config.limits.recipients)? else { return Ok(None) };
    let unfit = |refused: Refused| Unfit { why: refused.to_string(), changed: dropped.changed, uid: Some(dropped.uid) };
    adopt::check(&dropped, &config.limits, &config.drop).map_err(unfit)?;
    Ok(Some(dropped))
}

/// A file of `drop/` as listings have it.
pub(super) struct DropRow<'f> {
    pub queue: &'f str,
    pub file: DropFile,
    /// What its entry will be, or why there will be none.
    pub content: Result<Dropped, String>,
}

impl<'f> DropRow<'f> {
    /// Looks at a file; `None` if it is no mail, or gone.
    fn of(view: &DropView, config: &Config, file: &'f DropFile) -> Option<DropRow<'f>> {
        let (queue, content) = match meant(config, file) {
            Meant::Queue(_) if file.is_request() => return None,
            Meant::Queue(queue) => (queue, open(view, &file.name, config).transpose()?.map_err(|unfit| unfit.why)),
            Meant::Unknown(queue) => (queue, Err(format!("the configuration has no queue {queue:?}"))),
            Meant::Nobody => return None,
        };
        Some(DropRow { queue, file: file.clone(), content })
    }

    /// The id that its entry will have; its name, if there will be none.
    pub fn label(&self) -> String {
        match &self.content {
            Ok(dropped) => dropped.id.to_string(),
            Err(_) => output::name(&self.file.name),
        }
    }

    fn matches(&self, filter: &Filter) -> bool {
        let names = [self.label(), output::name(&self.file.name)];
        let envelope = self.content.as_ref().ok().map(|dropped| &dropped.envelope);
        filter.matches_dropped(&names, envelope, self.file.since, self.content.as_ref().err().map(String::as_str))
    }

    fn bytes(&self) -> u64 {
        self.content.as_ref().map_or(self.file.bytes, |dropped| dropped.len)
    }

    /// What a listing has of it, with the reason `why` if there will be no entry.
    fn row(&self, why: impl FnOnce(&str) -> String) -> row::Row<'_> {
        match &self.content {
            Ok(dropped) => row::Row::dropped(self.queue, dropped),
            Err(reason) => {
                let changed = i64::try_from(self.file.since.0 / 1_000_000).unwrap_or(0);
                row::Row::unfit(self.queue, self.label(), changed, self.file.bytes, why(reason))
            }
        }
    }

    fn json(&self, path: &str, user: &str) -> serde_json::Result<Page> {
        #[derive(Serialize)]
        struct Whose<'a> {
            #[serde(flatten)]
            row: row::Row<'a>,
            file: &'a str,
            user: &'a str,
        }
        Page::json(&Whose { row: self.row(str::to_owned), file: path, user })
    }

    fn page(&self, path: &str, user: &str) -> Page {
        let row = self.row(|why| format!("{why}; remove {path} once you have looked"));
        let due = self.content.as_ref().ok().and_then(|dropped| dropped.at).unwrap_or(self.file.since);
        super::row::page(&row, due, &format!(", of {user}"))
    }
}

/// What a listing of `drop/` counted.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Mail that matched, and its bytes.
    pub files: u64,
    pub bytes: u64,
    /// Names that are no mail.
    pub junk: u64,
}

/// Prints the mail in `drop/` that matches, for all queues or for the one that was asked for.
pub(super) fn list(
    site: &Site,
    view: &DropView,
    asked: Option<&str>,
    filter: &Filter,
    json: bool,
    paper: &mut Paper,
) -> anyhow::Result<Listed> {
    // A name may cost a program's run, and users are few.
    let mut users = HashMap::new();
    let mut listed = Listed::default();
    for file in view.files()? {
        let file = file?;
        match meant(&site.config, &file) {
            Meant::Queue(queue) | Meant::Unknown(queue) if asked.is_some_and(|asked| asked != queue) => continue,
            Meant::Queue(_) | Meant::Unknown(_) => {}
            Meant::Nobody => {
                listed.junk += 1;
                continue;
            }
        }
        let Some(row) = DropRow::of(view, &site.config, &file).filter(|row| row.matches(filter)) else { continue };
        listed.files += 1;
        listed.bytes = listed.bytes.saturating_add(row.bytes());
        let user: &String = users.entry(row.file.uid).or_insert_with(|| user(row.file.uid));
        let path = output::name(view.path(&row.file.name).as_os_str());
        let page = if json { row.json(&path, user)? } else { row.page(&path, user) };
        if !paper.write(&page)? {
            break;
        }
    }
    Ok(listed)
}

/// Shows `each` the mail in `drop/` whose entry will have one of these ids, or that has one of these names, until it
/// answers `false`.
pub(super) fn named(
    site: &Site,
    ids: &[String],
    each: &mut dyn FnMut(&DropView, DropRow<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let Some(view) = view(site)? else { return Ok(()) };
    for file in view.files()? {
        let file = file?;
        let Some(row) = DropRow::of(&view, &site.config, &file) else { continue };
        let (label, name) = (row.label(), output::name(&file.name));
        if ids.iter().any(|id| *id == label || *id == name) && !each(&view, row)? {
            break;
        }
    }
    Ok(())
}

/// Says which of these ids are in `drop/` still, where a command finds no such entry: it acts on entries alone.
pub(super) fn explain(site: &Site, ids: &[String]) -> anyhow::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut left = ids.len();
    named(site, ids, &mut |view, row| {
        match &row.content {
            Ok(_) => warning!("{}: it is in drop/ still: the next run takes it up", row.label()),
            Err(why) => {
                let path = output::name(view.path(&row.file.name).as_os_str());
                warning!("{path}: it cannot be taken up: {why}; remove it once you have looked");
            }
        }
        left -= 1;
        Ok(left > 0)
    })
}

/// Says what to do instead, to who would act on files in `drop/`.
pub(super) fn refuse(verb: &str) -> Exit {
    warning!("{verb}: mail in drop/ is no entry yet: 'bulkmailer run' takes it up; remove a file there with rm(1)");
    Exit::Usage
}
