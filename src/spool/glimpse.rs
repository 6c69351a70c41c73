//! A look at an entry's head for a listing: one file is opened, one block read, and nothing kept but for the next look.

use std::io;
use std::os::unix::fs::FileExt;

use super::brief::{Brief, quick};
use super::entry::{self, Extent, HEAD};
use super::names::Spot;
use super::queue::SpoolQueue;
use crate::model::Envelope;
use crate::queue::QueueError;
use crate::sys::dir;

/// Room for a head.
#[derive(Debug)]
pub struct HeadRoom {
    block: [u8; HEAD],
    /// One that is read in full.
    full: Option<(Envelope, Extent)>,
}

impl Default for HeadRoom {
    fn default() -> HeadRoom {
        HeadRoom { block: [0; HEAD], full: None }
    }
}

impl SpoolQueue {
    /// Looks at the entry at `spot` without claiming it, and at no journal; `None` if it is not there any more.
    ///
    /// Errors: it cannot be opened or read.
    pub fn glimpse<'r>(&self, spot: &'r Spot, room: &'r mut HeadRoom) -> Result<Option<Brief<'r>>, QueueError> {
        let path = spot.path();
        let file = match dir::open_file(&self.dir, &path, dir::Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("open", &path)(error)),
        };
        // If this read fails, the one below reports why.
        let read = file.read_at(&mut room.block, 0).unwrap_or(0);
        if let Some(brief) = quick(room.block.get(..read).unwrap_or_default(), &spot.name.id) {
            return Ok(Some(brief));
        }
        let (envelope, extent) = entry::read(&file).map_err(|fault| self.unreadable(&path, fault))?;
        let (envelope, extent) = room.full.insert((envelope, extent));
        Ok(Some(Brief::of(envelope, *extent)))
    }
}
