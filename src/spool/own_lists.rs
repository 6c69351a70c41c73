//! `users/`: the lists of a user who may not look into the spool, one for each queue, as he reads them.
//!
//! A list is `<queue>.<uid>`: lines of [`Row`], and `{"more":N}` as the last where there are more than
//! [`ROWS_MAX`](super::lists::ROWS_MAX). `<queue>.seen` says when the lists of a queue were written last, or why they could
//! not be ([`ListsWritten`]).

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::io_at;
use super::row::Row;
use crate::model::{Micros, reserved};
use crate::queue::QueueError;
use crate::sys::dir;

/// The folder's name in the spool.
pub const LISTS: &str = reserved::USERS;
/// Longer than any line of a list: the recipients of one entry.
const LINE_MAX: u64 = 64 << 20;

/// When the lists of a queue were written last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListsWritten {
    pub at: Micros,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum ListLine<'a> {
    Row(Row<'a>),
    More { more: u64 },
}

/// The lists of one user in a spool that is another's.
#[derive(Debug)]
pub struct OwnLists {
    root: PathBuf,
    dir: File,
    uid: u32,
}

impl OwnLists {
    /// Those of the user `uid` in the spool at `root`.
    pub fn open(root: &Path, uid: u32) -> Result<OwnLists, QueueError> {
        let dir = dir::open_path(root).map_err(io_at("open the spool", root.to_owned()))?;
        Ok(OwnLists { root: root.to_owned(), dir, uid })
    }

    /// When a run wrote the lists of `queue` last; `None` if none did so far.
    pub fn noted(&self, queue: &str) -> Result<Option<ListsWritten>, QueueError> {
        let Some((file, path)) = self.file(&format!("{queue}.seen"))? else { return Ok(None) };
        let mut text = String::new();
        file.take(64 << 10).read_to_string(&mut text).map_err(io_at("read", path.clone()))?;
        let why = |error: serde_json::Error| QueueError::Corrupt { path, why: error.to_string() };
        serde_json::from_str(&text).map(Some).map_err(why)
    }

    /// Shows `each` what waits in `queue`, until it answers `false`. How many entries more there are is returned.
    pub fn rows(&self, queue: &str, each: &mut dyn FnMut(Row<'static>) -> io::Result<bool>) -> Result<u64, QueueError> {
        let Some((file, path)) = self.file(&format!("{queue}.{}", self.uid))? else { return Ok(0) };
        let failed = || io_at("read", path.clone());
        let mut lines = io::BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            if (&mut lines).take(LINE_MAX).read_until(b'\n', &mut line).map_err(failed())? == 0 {
                return Ok(0);
            }
            let why = |error: serde_json::Error| QueueError::Corrupt { path: path.clone(), why: error.to_string() };
            match serde_json::from_slice(&line).map_err(why)? {
                ListLine::Row(row) => {
                    if !each(row).map_err(failed())? {
                        return Ok(0);
                    }
                }
                ListLine::More { more } => return Ok(more),
            }
        }
    }

    /// A file in the folder; `None` where it is not there.
    fn file(&self, name: &str) -> Result<Option<(File, PathBuf)>, QueueError> {
        let path = self.root.join(LISTS).join(name);
        let file = match dir::open_file(&self.dir, &format!("{LISTS}/{name}"), dir::Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_at("open", path)(error)),
        };
        if !file.metadata().map_err(io_at("look at", path.clone()))?.is_file() {
            return Err(QueueError::Corrupt { path, why: "it is no regular file".to_owned() });
        }
        Ok(Some((file, path)))
    }
}
