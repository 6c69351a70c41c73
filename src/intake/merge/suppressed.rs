//! Whom a merge sends nothing to: the configuration's list, as for a list post, and where the queue looks at it, the list
//! of the bounces and of people's own decisions.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::error::MergeError;
use crate::bounce::ledger::{Ledger, LedgerError};
use crate::config::Site;
use crate::intake::address_list::{self, Bad};
use crate::intake::refused::{Failure, Refused};
use crate::model::Address;
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::spool::merge::rows::listed::ListedSearch;
use crate::sys::named;

/// How much of a list is read at once, in bytes.
const BUFFER: usize = 64 << 10;

/// The configuration's list, open, with its name.
#[derive(Debug)]
pub struct SuppressFile(String, BufReader<File>);

impl SuppressFile {
    /// Opens it, if there is one: before root becomes the spool's owner, who may not be able to.
    pub fn open(site: &Site) -> Result<Option<SuppressFile>, MergeError> {
        let Some(path) = &site.config.suppress else { return Ok(None) };
        let what = path.display().to_string();
        match named::open(path) {
            Ok(file) => Ok(Some(SuppressFile(what, BufReader::with_capacity(BUFFER, file)))),
            Err(source) => Err(Refused::suppress(Refused::NoInput { what, source }).into()),
        }
    }

    fn read(mut self, search: &mut ListedSearch) -> Result<(), MergeError> {
        let mut list = |address: &Address| search.list(address);
        match address_list::read(&self.0, &mut self.1, Bad::Refuse, &mut list) {
            Ok(_) => Ok(()),
            Err(Failure::Refused(refused)) => Err(Refused::suppress(refused).into()),
            Err(Failure::Spool(error)) => Err(error.into()),
        }
    }
}

/// A search for the rows of those on either list; `None` if there is none.
pub fn search(site: &Site, queue: &SpoolQueue, file: Option<SuppressFile>) -> Result<Option<ListedSearch>, MergeError> {
    let looks = site.config.queues.get(queue.name()).is_some_and(|queue| queue.suppress);
    let ledger = if looks { Ledger::existing(&site.spool)? } else { None };
    if file.is_none() && ledger.is_none() {
        return Ok(None);
    }
    let mut search = queue.listed_search()?;
    file.map_or(Ok(()), |file| file.read(&mut search))?;
    ledger.map_or(Ok(()), |ledger| read_ledger(&ledger, &site.spool, &mut search))?;
    Ok(Some(search))
}

fn read_ledger(ledger: &Ledger, spool: &Path, search: &mut ListedSearch) -> Result<(), MergeError> {
    let read = ledger.suppressions(&mut |found| {
        // What is no address here is none of a row either.
        if let Ok(address) = found.address.parse::<Address>() {
            search.list(&address)?;
        }
        Ok(true)
    });
    read.map_err(|error| match error.downcast::<LedgerError>() {
        Ok(error) => MergeError::Ledger(error),
        Err(other) => MergeError::Spool(other.downcast::<QueueError>().unwrap_or_else(|other| QueueError::Io {
            doing: "read the suppression list of",
            path: spool.to_owned(),
            source: std::io::Error::other(other.to_string()),
        })),
    })
}
