//! How many rows something is true of, and the first five of them.

use serde::Serialize;

/// How many rows are named.
const NAMED: usize = 5;

/// How many, and the first five in order.
#[derive(Clone, Debug, Serialize)]
pub struct FirstFive<T> {
    pub count: u64,
    pub first: Vec<T>,
}

impl<T> Default for FirstFive<T> {
    fn default() -> FirstFive<T> {
        FirstFive { count: 0, first: Vec::new() }
    }
}

impl<T> FirstFive<T> {
    /// Counts one, which comes behind all that were counted.
    pub fn add(&mut self, one: impl FnOnce() -> T) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(one());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_five_are_named() {
        let mut found = FirstFive::default();
        (1..=9).for_each(|n| found.add(|| n));
        assert_eq!((found.count, found.first), (9, vec![1, 2, 3, 4, 5]));
    }
}
