//! Which rows of a merge are not sent, by their numbers: three bits a row.

use crate::spool::merge::rows::duplicates::Duplicates;

/// A set of numbers, with a bit for each up to the largest.
#[derive(Debug, Default)]
pub struct Bits(Vec<u64>);

impl Bits {
    pub fn set(&mut self, number: u64) {
        let word = (number / 64) as usize;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (number % 64);
        }
    }

    pub fn contains(&self, number: u64) -> bool {
        self.0.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

/// Why a row is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOutFor {
    Bad,
    /// A good row before has its address.
    Duplicate,
    Suppressed,
}

/// The rows that are not sent.
#[derive(Debug, Default)]
pub struct LeftOut {
    pub bad: Bits,
    /// `None`: duplicates are sent.
    pub duplicates: Option<Duplicates>,
    pub suppressed: Option<Duplicates>,
}

impl LeftOut {
    /// Why row `number` is not sent; `None`: it is. The first reason counts.
    pub fn why(&self, number: u64) -> Option<LeftOutFor> {
        let has = |found: &Option<Duplicates>| found.as_ref().is_some_and(|found| found.contains(number));
        match () {
            () if self.bad.contains(number) => Some(LeftOutFor::Bad),
            () if has(&self.duplicates) => Some(LeftOutFor::Duplicate),
            () if has(&self.suppressed) => Some(LeftOutFor::Suppressed),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_apart() {
        let mut left = LeftOut::default();
        [3, 64, 700].into_iter().for_each(|number| left.bad.set(number));
        let found: Vec<u64> = (0..2_000).filter(|&number| left.why(number) == Some(LeftOutFor::Bad)).collect();
        assert_eq!(found, [3, 64, 700]);
    }
}
