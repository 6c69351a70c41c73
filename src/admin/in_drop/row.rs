//! A file of `drop/` as listings have it.

use serde::Serialize;

use super::meant::{Meant, meant, open};
use crate::admin::printing::entry::entry_page;
use crate::admin::selecting::filter::Filter;
use crate::config::Config;
use crate::spool::brief::Brief;
use crate::spool::drop::{DropFile, DropView, Dropped};
use crate::spool::entry::Extent;
use crate::spool::row;
use crate::sys::output::{self, Page};

/// A file of `drop/` as listings have it.
pub struct DropRow<'f> {
    pub queue: &'f str,
    pub file: DropFile,
    /// What its entry will be, or why there will be none.
    pub content: Result<Dropped, String>,
}

impl<'f> DropRow<'f> {
    /// Looks at a file; `None` if it is no mail, or gone.
    pub fn of(view: &DropView, config: &Config, file: &'f DropFile) -> Option<DropRow<'f>> {
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

    pub fn matches(&self, filter: &Filter) -> bool {
        let names = [self.label(), output::name(&self.file.name)];
        let extent = |dropped: &Dropped| Extent { start: 0, len: dropped.len, apart: false, rows: None };
        let brief = self.content.as_ref().ok().map(|dropped| Brief::of(&dropped.envelope, extent(dropped)));
        filter.matches_dropped(&names, brief.as_ref(), self.file.since, self.content.as_ref().err().map(String::as_str))
    }

    pub fn bytes(&self) -> u64 {
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

    pub fn json(&self, path: &str, user: &str) -> serde_json::Result<Page> {
        #[derive(Serialize)]
        struct Whose<'a> {
            #[serde(flatten)]
            row: row::Row<'a>,
            file: &'a str,
            user: &'a str,
        }
        Page::json(&Whose { row: self.row(str::to_owned), file: path, user })
    }

    pub fn page(&self, path: &str, user: &str) -> Page {
        let row = self.row(|why| format!("{why}; remove {path} once you have looked"));
        entry_page(&row, &format!(", of {user}"))
    }
}
