//! The rows whose messages are most likely to look bad: the largest message, the most empty values, and of each column the
//! longest value.

use crate::model::Row;

/// How many rows are shown.
const SHOWN: usize = 10;

/// The worst rows so far; of several that are equally bad the first counts.
#[derive(Clone, Debug, Default)]
pub struct Worst {
    largest: Extreme,
    emptiest: Extreme,
    /// By column.
    longest: Vec<Extreme>,
}

/// A measure, and the row that has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extreme {
    measure: u64,
    row: u64,
}

impl Extreme {
    fn note(&mut self, other: Extreme) {
        if other.measure > self.measure {
            *self = other;
        }
    }
}

impl Worst {
    /// Takes note of a row whose message has so many bytes.
    pub fn note(&mut self, row: &Row, bytes: u64) {
        let of = |measure: usize| Extreme { measure: measure as u64, row: row.number };
        self.largest.note(Extreme { measure: bytes, row: row.number });
        self.emptiest.note(of(row.cells.iter().filter(|cell| cell.is_empty()).count()));
        self.longest.resize(row.cells.len().max(self.longest.len()), Extreme::default());
        for (longest, cell) in self.longest.iter_mut().zip(&row.cells) {
            longest.note(of(cell.text().map_or(0, str::len)));
        }
    }

    /// Adds those of rows that come later.
    pub fn merge(&mut self, later: &Worst) {
        self.largest.note(later.largest);
        self.emptiest.note(later.emptiest);
        self.longest.resize(later.longest.len().max(self.longest.len()), Extreme::default());
        self.longest.iter_mut().zip(&later.longest).for_each(|(longest, other)| longest.note(*other));
    }

    /// The message that is the largest: its bytes and its row.
    pub fn largest(&self) -> (u64, u64) {
        (self.largest.measure, self.largest.row)
    }

    /// Their numbers with what is bad of each, the worst first, each once.
    pub fn rows(&self, columns: &[String]) -> Vec<(u64, String)> {
        let mut longest: Vec<(Extreme, &String)> = self.longest.iter().copied().zip(columns).collect();
        longest.sort_by_key(|(extreme, _)| std::cmp::Reverse(extreme.measure));
        let named = [
            (self.largest, "the largest message".to_owned()),
            (self.emptiest, format!("{} empty values", self.emptiest.measure)),
        ];
        let of_columns = longest.into_iter().map(|(extreme, name)| (extreme, format!("the longest value of {name}")));
        let mut rows: Vec<(u64, String)> = Vec::new();
        for (Extreme { measure, row }, why) in named.into_iter().chain(of_columns) {
            let has_room = rows.len() < SHOWN;
            match rows.iter_mut().find(|(each, _)| *each == row) {
                _ if measure == 0 => {}
                Some((_, whys)) => whys.push_str(&format!(", {why}")),
                None if has_room => rows.push((row, why)),
                None => {}
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cell;

    #[test]
    fn each_extreme_is_shown_once_and_the_first_wins() {
        let row = |number, cells: [&str; 3]| Row { number, cells: cells.map(|text| Cell::Text(text.into())).into() };
        let rows = [
            (row(1, ["a", "b", "c"]), 100),
            (row(2, ["aaa", "", ""]), 100),
            (row(3, ["aaa", "bb", ""]), 300),
            (row(4, ["a", "b", "cccc"]), 10),
        ];
        let (mut whole, mut first, mut second) = (Worst::default(), Worst::default(), Worst::default());
        for (at, (row, bytes)) in rows.iter().enumerate() {
            whole.note(row, *bytes);
            if at < 2 { first.note(row, *bytes) } else { second.note(row, *bytes) }
        }
        first.merge(&second);
        let names = ["x", "y", "z"].map(str::to_owned);
        let shown = [
            (3, "the largest message, the longest value of y"),
            (2, "2 empty values, the longest value of x"),
            (4, "the longest value of z"),
        ];
        let shown: Vec<(u64, String)> = shown.map(|(row, why)| (row, why.to_owned())).into();
        assert_eq!((whole.rows(&names), first.rows(&names)), (shown.clone(), shown));
        assert_eq!(whole.largest(), (300, 3));
        let mut wide = Worst::default();
        (1..=40_u64).for_each(|n| {
            let cells = (1..=40).map(|at| Cell::Text("v".repeat(if at == n { 9 } else { 1 }))).collect();
            wide.note(&Row { number: n, cells }, n);
        });
        assert_eq!(wide.rows(&vec!["c".to_owned(); 40]).len(), 10);
    }
}
