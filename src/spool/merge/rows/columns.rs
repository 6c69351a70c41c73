//! `rows/columns`: the names of a merge's columns, as one JSON line, and the CRC-32 of that line in hexadecimal as another. A
//! damaged name would put values into the wrong places of each mail.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use super::error::{RowsError, unwritten};
use crate::model::Columns;
use crate::queue::QueueError;
use crate::sys::dir;

/// Below the job's folder.
const FILE: &str = "rows/columns";
/// The most bytes of it: SQLite's 2,000 columns with long names.
const LARGEST: u64 = 16 << 20;

/// Writes them into the folder `job` of a job that is being built, which lies at `path` and has its `rows/`.
pub fn write(job: &File, path: &Path, columns: &Columns) -> Result<(), QueueError> {
    let write = || {
        let mut text = serde_json::to_string(columns.names())? + "\n";
        text += &format!("{:08x}\n", crc32fast::hash(text.as_bytes()));
        dir::open_file(job, FILE, dir::Open::CreateNew)?.write_all(text.as_bytes())
    };
    write().map_err(unwritten(path.join(FILE)))
}

/// Reads them.
pub fn read(job: &File, path: &Path) -> Result<Columns, RowsError> {
    let path = path.join(FILE);
    let mut text = String::new();
    let file = dir::open_file(job, FILE, dir::Open::Read).map_err(RowsError::io(path.clone()))?;
    let read = file.take(LARGEST).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {}
        Err(error) => return Err(RowsError::io(path)(error)),
        Ok(_) => {
            if let Some(columns) = parse(&text) {
                return Ok(columns);
            }
        }
    }
    Err(RowsError::Damaged { path, why: "the columns' names are damaged" })
}

fn parse(text: &str) -> Option<Columns> {
    let at = text.find('\n')? + 1;
    let (line, checksum) = text.split_at_checked(at)?;
    if format!("{:08x}\n", crc32fast::hash(line.as_bytes())) != checksum {
        return None;
    }
    Columns::new(serde_json::from_str(line).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_a_flipped_bit_is_seen() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let job = dir::open(temp.path()).expect("a folder");
        dir::make(&job, "rows").expect("a folder");
        let columns = Columns::new(["email", "Größe \"x\"\n"].map(str::to_owned).to_vec()).expect("columns");
        write(&job, temp.path(), &columns).expect("written");
        assert_eq!(read(&job, temp.path()).expect("columns"), columns);
        let path = temp.path().join(FILE);
        let whole = std::fs::read(&path).expect("a file");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x80 >> (at % 8);
            std::fs::write(&path, &bytes).expect("written");
            assert!(matches!(read(&job, temp.path()), Err(RowsError::Damaged { .. })), "byte {at}");
            std::fs::write(&path, &whole[..at]).expect("written");
            assert!(matches!(read(&job, temp.path()), Err(RowsError::Damaged { .. })), "{at} bytes");
        }
    }
}
