//! The arrows of the house: which file of `src/` imports which, as the files themselves say, and the circles they make.
//!
//! A file imports the one that defines what it names, through `crate::`, `super::`, `self::`, a child module's name or an
//! alias, in `use` lines, in code, in attributes and inside of macros. A `pub use` hands a name on within its folder: who
//! names it there imports the file that defines it, and the file that hands it on imports nothing by that. A method whose
//! type has methods in several files is an arrow as well, from the files of the same folder that call it: by `self`, by the
//! type's name, or where no other method of the program has its name. Tests inside of the files do not count.

use std::collections::{BTreeMap, BTreeSet};

use super::house::House;
use super::source::{Parsed, Source};
use super::walk::Walk;

/// From file to file, and the names by which.
pub type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

/// All arrows between these files.
pub fn arrows(sources: &[Source]) -> Arrows {
    let files: Vec<Parsed> = sources.iter().map(Parsed::of).collect();
    let house = House::new(&files);
    let mut arrows = Arrows::new();
    (0..files.len()).for_each(|at| Walk::through(&house, at, &mut arrows));
    arrows
}

/// The circles: files that reach each other, each in order.
pub fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        next.entry(from).or_default().push(to);
    }
    let reached = |file: &'_ str| -> BTreeSet<&str> {
        let (mut seen, mut todo) = (BTreeSet::new(), next[file].clone());
        while let Some(file) = todo.pop() {
            if seen.insert(file) {
                todo.extend(next.get(file).into_iter().flatten());
            }
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|&file| (file, reached(file))).collect();
    let mut found = BTreeSet::new();
    for (file, reached) in reach.iter().filter(|(file, reached)| reached.contains(*file)) {
        let back = |other: &&&str| reach.get(**other).is_some_and(|theirs| theirs.contains(file));
        found.insert(reached.iter().filter(back).map(|&other| other.to_owned()).collect());
    }
    Vec::from_iter(found)
}
