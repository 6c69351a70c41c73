//! Reading the rows of one entry, in any order.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::RowsError;
use super::{COUNT, Noted, ROW_INDEX, line};
use crate::model::Row;
use crate::sys::dir;

/// The rows of entry `n`, `k`, below the job's folder.
pub(super) fn path_of(n: u32, k: u32) -> String {
    format!("rows/{n}/{k}")
}

/// The rows of an entry, open. Its index is in memory: 8 bytes a row.
#[derive(Debug)]
pub struct Rows {
    file: File,
    path: PathBuf,
    index: Vec<u8>,
    columns: usize,
}

impl Rows {
    /// Opens the rows of entry `n`, `k` of the job whose folder is `job` and lies at `path`, and checks their index by what
    /// the head noted. They have `columns` cells.
    pub fn open(job: &File, path: &Path, (n, k): (u32, u32), noted: Noted, columns: usize) -> Result<Rows, RowsError> {
        let (file, path) = open(job, path, (n, k))?;
        let rows = Rows::read(file, path, noted.rows, columns)?;
        let damaged = |why| Err(RowsError::Damaged { path: rows.path.clone(), why });
        match rows.noted()? {
            found if found.length != noted.length => damaged("it has not the length that its head notes"),
            found if found.checksum != noted.checksum => damaged("its index is not the one that its head notes"),
            _ => Ok(rows),
        }
    }

    /// Opens them without their head, for one who makes a new one or looks what is there: the index may be damaged
    /// unnoticed, and each row is checked still.
    pub fn open_alone(job: &File, path: &Path, (n, k): (u32, u32), columns: usize) -> Result<Rows, RowsError> {
        let (file, path) = open(job, path, (n, k))?;
        let length = file.metadata().map_err(RowsError::io(path.clone()))?.len();
        let mut count = [0; COUNT];
        let at = length.checked_sub(COUNT as u64).ok_or_else(|| short(&path))?;
        file.read_exact_at(&mut count, at).map_err(RowsError::io(path.clone()))?;
        Rows::read(file, path, u32::from_le_bytes(count), columns)
    }

    fn read(file: File, path: PathBuf, rows: u32, columns: usize) -> Result<Rows, RowsError> {
        let length = file.metadata().map_err(RowsError::io(path.clone()))?.len();
        let size = Noted { rows, length, checksum: 0 }.index_length();
        let start = length.checked_sub(size).filter(|_| u64::from(rows) <= super::MOST).ok_or_else(|| short(&path))?;
        // At most 8,004 bytes.
        let mut index = vec![0; size as usize];
        file.read_exact_at(&mut index, start).map_err(RowsError::io(path.clone()))?;
        let rows = Rows { file, path, index, columns };
        match rows.len().checked_sub(1).and_then(|last| rows.entry(last)) {
            Some((end, _)) if u64::from(end) != start => Err(short(&rows.path)),
            Some(_) | None => Ok(rows),
        }
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        (self.index.len() / ROW_INDEX) as u32
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a head must note of them.
    pub fn noted(&self) -> Result<Noted, RowsError> {
        let length = self.file.metadata().map_err(RowsError::io(self.path.clone()))?.len();
        Ok(Noted { rows: self.len(), length, checksum: crc32fast::hash(&self.index) })
    }

    /// The row at place `at` of the entry, counted from 0, by one pread(2).
    pub fn row(&self, at: u32) -> Result<Row, RowsError> {
        let damaged = |why: &str| RowsError::Row { path: self.path.clone(), at, why: why.to_owned() };
        let (end, checksum) = self.entry(at).ok_or_else(|| damaged("there is no such row"))?;
        let start = at.checked_sub(1).and_then(|before| self.entry(before)).map_or(0, |(end, _)| end);
        let length = end.checked_sub(start).map(|length| length as usize).filter(|&length| length <= line::LONGEST);
        let mut bytes = vec![0; length.ok_or_else(|| damaged("its place is none"))?];
        self.file.read_exact_at(&mut bytes, start.into()).map_err(RowsError::io(self.path.clone()))?;
        if crc32fast::hash(&bytes) != checksum {
            return Err(damaged("its checksum is wrong"));
        }
        line::read(&bytes, self.columns).map_err(|why| damaged(&why))
    }

    /// Where a row's line ends, and its checksum.
    fn entry(&self, at: u32) -> Option<(u32, u32)> {
        let start = at as usize * ROW_INDEX;
        let (end, checksum) = self.index.get(start..start + ROW_INDEX)?.split_at_checked(4)?;
        Some((u32::from_le_bytes(end.try_into().ok()?), u32::from_le_bytes(checksum.try_into().ok()?)))
    }
}

fn open(job: &File, path: &Path, (n, k): (u32, u32)) -> Result<(File, PathBuf), RowsError> {
    let inside = path_of(n, k);
    let path = path.join(&inside);
    let file = dir::open_file(job, &inside, dir::Open::Read).map_err(RowsError::io(path.clone()))?;
    Ok((file, path))
}

fn short(path: &Path) -> RowsError {
    RowsError::Damaged { path: path.to_owned(), why: "it is cut short, or its index is damaged" }
}

#[cfg(test)]
mod tests {
    use super::super::draft::{EntryRows, RowsDraft};
    use super::*;
    use crate::model::Cell;

    fn row(number: u64) -> Row {
        Row {
            number,
            cells: vec![Cell::Text(format!("r{number}@x.example")), Cell::Null, Cell::Text("ö\n".repeat(20))],
        }
    }

    /// Rows 1 to `count`, in a job's folder.
    fn written(job: &Path, count: u64, rows_an_entry: u32) -> (File, Vec<EntryRows>) {
        let folder = dir::open(job).expect("a folder");
        let mut draft =
            RowsDraft::new(folder.try_clone().expect("the same"), job.to_owned(), rows_an_entry).expect("a draft");
        let mut entries: Vec<EntryRows> = (1..=count).filter_map(|n| draft.add(&row(n)).expect("added")).collect();
        entries.extend(draft.finish().expect("finished"));
        (folder, entries)
    }

    #[test]
    fn twenty_thousand_rows_are_read_one_by_one() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (job, entries) = written(temp.path(), 20_017, 17);
        assert_eq!(entries.len(), 20_017_usize.div_ceil(17));
        let places = entries.iter().map(|entry| (entry.n, entry.k));
        assert!(places.eq((0..1_178).map(|at| (at / 1_000, at % 1_000))));
        let (mut next, mut bytes, mut lines) = (1, 0, 0);
        for entry in &entries {
            let rows = Rows::open(&job, temp.path(), (entry.n, entry.k), entry.noted, 3).expect("rows");
            assert_eq!(
                Rows::open_alone(&job, temp.path(), (entry.n, entry.k), 3).expect("rows").noted().expect("noted"),
                entry.noted
            );
            // Any order will do.
            for at in (0..rows.len()).rev() {
                assert_eq!(rows.row(at).expect("a row"), row(next + u64::from(at)));
                let mut line = Vec::new();
                line::write(&row(next + u64::from(at)), &mut line).expect("a line");
                lines += line.len() as u64;
            }
            assert!(rows.row(rows.len()).is_err());
            (next, bytes) = (next + u64::from(rows.len()), bytes + entry.noted.length);
        }
        assert_eq!(next, 20_018);
        assert_eq!(bytes - lines, 20_017 * ROW_INDEX as u64 + entries.len() as u64 * COUNT as u64);
    }

    #[test]
    fn a_flipped_bit_is_the_fault_of_its_row_and_one_of_the_index_is_everybodys() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (job, entries) = written(temp.path(), 5, 50);
        let (path, noted) = (temp.path().join("rows/0/0"), entries[0].noted);
        let whole = std::fs::read(&path).expect("a file");
        let index = whole.len() - noted.index_length() as usize;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).expect("written");
            let rows = Rows::open(&job, temp.path(), (0, 0), noted, 3);
            if at >= index {
                assert!(matches!(rows, Err(RowsError::Damaged { .. })), "byte {at}");
                // Without the head nothing panics, and no wrong row is read.
                if let Ok(rows) = Rows::open_alone(&job, temp.path(), (0, 0), 3) {
                    (0..rows.len())
                        .filter_map(|at| rows.row(at).ok())
                        .for_each(|found| assert_eq!(found, row(found.number)));
                }
                continue;
            }
            let rows = rows.expect("an index");
            let line = whole[..at].iter().filter(|&&b| b == b'\n').count() as u32;
            for place in 0..5 {
                match rows.row(place) {
                    Ok(found) => assert!(place != line && found == row(u64::from(place) + 1), "byte {at}"),
                    Err(RowsError::Row { at: said, .. }) => assert_eq!((said, place), (line, line), "byte {at}"),
                    Err(other) => panic!("byte {at}: {other}"),
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_cut_or_gone_is_told() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (job, entries) = written(temp.path(), 5, 50);
        let (path, noted) = (temp.path().join("rows/0/0"), entries[0].noted);
        let whole = std::fs::read(&path).expect("a file");
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).expect("written");
            let damaged = Rows::open(&job, temp.path(), (0, 0), noted, 3);
            assert!(matches!(damaged, Err(RowsError::Damaged { .. })), "{length}");
            let _ = Rows::open_alone(&job, temp.path(), (0, 0), 3).map(|rows| rows.row(0));
        }
        std::fs::remove_file(&path).expect("removed");
        let missing = Rows::open(&job, temp.path(), (0, 0), noted, 3);
        assert!(matches!(missing, Err(RowsError::Missing { .. })));
    }
}
