//! An entry file that bears a name: its head must be that of the name, and its size what the head says.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use super::entry::{self, Extent, Unreadable};
use super::names::EntryName;
use crate::model::Envelope;
use crate::sys::mutex::locked;

/// The largest file that a claim reads whole, in bytes.
const WHOLE_MAX: u64 = 16 << 10;

/// What a claim reads of its file.
pub(super) struct EntryFile {
    pub envelope: Envelope,
    pub extent: Extent,
    /// All of it, if it is small.
    pub held: Option<Arc<Vec<u8>>>,
}

/// Reads the head of an entry file of `size` bytes that bears `name`.
pub(super) fn read(file: &File, size: u64, name: &EntryName) -> Result<(Envelope, Extent), Unreadable> {
    checked(entry::read(file)?, size, name)
}

/// The same, with all of a file that is small: one read for its head and its message, into memory that is `spare`.
pub(super) fn read_whole(
    file: &File,
    size: u64,
    name: &EntryName,
    spare: &Mutex<Vec<u8>>,
) -> Result<EntryFile, Unreadable> {
    if size > WHOLE_MAX {
        return read(file, size, name).map(|(envelope, extent)| EntryFile { envelope, extent, held: None });
    }
    let mut bytes = std::mem::take(&mut *locked(spare));
    bytes.resize(size as usize, 0);
    file.read_exact_at(&mut bytes, 0).map_err(|error| format!("it cannot be read: {error}"))?;
    let (envelope, extent) = checked(entry::read_if(&bytes[..], |_| Ok(()))?, size, name)?;
    Ok(EntryFile { envelope, extent, held: Some(Arc::new(bytes)) })
}

fn checked(
    (envelope, extent): (Envelope, Extent),
    size: u64,
    name: &EntryName,
) -> Result<(Envelope, Extent), Unreadable> {
    if envelope.id != name.id {
        return Err(format!("its envelope belongs to entry {}", envelope.id).into());
    }
    match extent.wrong_size(size) {
        Some(why) => Err(why.into()),
        None => Ok((envelope, extent)),
    }
}
