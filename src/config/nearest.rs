//! Which name was meant by one that is misspelt.

/// The one of `names` that differs from `name` by the fewest letters, if they are few for its length. A letter that is
/// missing, added, another, or changed places with its neighbour counts as one.
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let few = |name: &str| (name.chars().count() / 3).clamp(1, 3);
    let near = names.map(|known| (distance(name, known), known)).filter(|(letters, known)| *letters <= few(known));
    near.min_by_key(|(letters, _)| *letters).map(|(_, known)| known)
}

/// By how many letters they differ.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    // The rows of the two letters before, each from no letter of `other` to all of them.
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut last = None;
    for (i, letter) in one.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, &theirs) in other.iter().enumerate() {
            let replaced = row[j] + usize::from(letter != theirs);
            let mut least = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if j > 0 && last == Some(theirs) && other[j - 1] == letter && letter != theirs {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(letter);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let names = ["transport", "workers", "retry", "rate", "max_recipients", "job_recipients", "verp", "ca"];
        for (slip, meant) in [
            ("worker", Some("workers")),
            ("wrokers", Some("workers")),
            ("retri", Some("retry")),
            ("raet", Some("rate")),
            ("max-recipient", Some("max_recipients")),
            ("maxrecipients", Some("max_recipients")),
            ("verb", Some("verp")),
            ("colour", None),
            ("", None),
            ("no-such-key", None),
        ] {
            assert_eq!(nearest(slip, names.into_iter()), meant, "{slip}");
        }
    }

    proptest! {
        #[test]
        fn a_distance_is_one(one in "[a-c]{0,6}", other in "[a-c]{0,6}", at in 0_usize..7) {
            prop_assert_eq!(distance(&one, &other), distance(&other, &one));
            prop_assert_eq!(distance(&one, &other) == 0, one == other);
            prop_assert!(distance(&one, &other) <= one.len().max(other.len()));
            let mut longer = other.clone();
            longer.insert(at.min(other.len()), 'x');
            prop_assert_eq!(distance(&other, &longer), 1);
        }
    }
}
