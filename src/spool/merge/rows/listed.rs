//! Which of any number of rows name an address that is on a list. The case of an address does not count, as in the list of
//! whom no list post goes to. Memory and disk are those of a search for duplicates.

use super::duplicates::{DuplicateSearch, Duplicates, NO_ROW, identity};
use crate::model::Address;
use crate::queue::QueueError;
use crate::spool::queue::SpoolQueue;

/// A list, and then rows.
#[derive(Debug)]
pub struct ListedSearch(DuplicateSearch);

impl SpoolQueue {
    /// Starts to look for listed addresses, by means of this queue's `tmp/`.
    pub fn listed_search(&self) -> Result<ListedSearch, QueueError> {
        self.duplicate_search().map(ListedSearch)
    }
}

impl ListedSearch {
    /// Puts an address on the list. All of them come before the first row.
    pub fn list(&mut self, address: &Address) -> Result<(), QueueError> {
        self.add(NO_ROW, address)
    }

    /// Adds the address of the row at `place`; places grow from call to call.
    pub fn add(&mut self, place: u64, address: &Address) -> Result<(), QueueError> {
        self.0.put(place, identity(&address.local().to_lowercase(), address.domain()))
    }

    /// Finds the rows whose addresses are listed.
    pub fn finish(self) -> Result<Duplicates, QueueError> {
        self.0.find(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Spool;

    #[test]
    fn rows_of_listed_addresses_are_found_whatever_the_case() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let queue = Spool::create(temp.path()).and_then(|spool| spool.queue("outbound")).expect("a queue");
        let mut search = queue.listed_search().expect("a search");
        let address = |text: &str| text.parse::<Address>().expect("an address");
        for listed in ["Gone@x.org", "gone@x.org", "other@y.org", "\"Bob\"@z.org", "anna@xn--bcher-kva.example"] {
            search.list(&address(listed)).expect("listed");
        }
        let rows = [
            "a@x.org",
            "gone@X.org.",
            "a@x.org",
            "GONE@x.org",
            "gone@sub.x.org",
            "bob@z.org",
            "\"anna\"@b\u{fc}cher.example",
        ];
        for (place, row) in (1..).zip(rows) {
            search.add(place, &address(row)).expect("added");
        }
        let found = search.finish().expect("finished");
        let places: Vec<u64> = (0..99).filter(|&place| found.contains(place)).collect();
        assert_eq!((places, found.count()), (vec![2, 4, 6, 7], 4));
        assert_eq!(std::fs::read_dir(queue.path("tmp")).expect("a folder").count(), 0);
    }

    #[test]
    fn many_are_found_behind_a_long_list() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let queue = Spool::create(temp.path()).and_then(|spool| spool.queue("outbound")).expect("a queue");
        let mut search = queue.listed_search().expect("a search");
        let address = |n: u64| format!("r{n}@x.org").parse::<Address>().expect("an address");
        (0..200_000).for_each(|n| search.list(&address(n * 2)).expect("listed"));
        (0..200_000).for_each(|n| search.add(n, &address(n)).expect("added"));
        let found = search.finish().expect("finished");
        assert_eq!(found.count(), 100_000);
        assert!((0..200_000).all(|n| found.contains(n) == (n % 2 == 0)));
    }
}
