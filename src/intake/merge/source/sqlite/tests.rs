use std::collections::BTreeMap;
use std::io::Write;

use super::*;
use crate::model::{Cell, Exit};

/// Columns, good rows and bad ones.
type Found = (Vec<String>, Vec<Vec<Cell>>, Vec<String>);

fn read(source: &mut SqliteSource) -> Result<Found, ReadError> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let each = &mut |_: &Columns, row: Result<Row, BadRow>| {
        match row {
            Ok(row) => good.push(row.cells),
            Err(why) => bad.push(why.to_string()),
        }
        Ok(())
    };
    let columns = source.read(each)?;
    Ok((columns.names().to_vec(), good, bad))
}

fn query(path: &Path, sql: &str) -> Result<Found, ReadError> {
    read(&mut SqliteSource::open(path, sql.to_owned())?)
}

/// A database of two people.
fn people(path: &Path, mode: &str) -> Connection {
    let db = Connection::open(path).expect("a database");
    db.pragma_update(None, "journal_mode", mode).expect("a mode");
    db.execute_batch(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, debt REAL, note);
         INSERT INTO people VALUES (1, 'a@b', 12.5, NULL), (2, 'ö@x', 3, x'4142');",
    )
    .expect("two people");
    db
}

/// What lies in a folder, and its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("a file")))
        .collect()
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

#[test]
fn a_query_gives_rows_in_its_order() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("a ?&#%é.db");
    drop(people(&path, "delete"));
    let (columns, good, bad) =
        query(&path, "SELECT email, debt, note, id AS nr FROM people ORDER BY id DESC; -- all").expect("rows");
    assert_eq!(columns, ["email", "debt", "note", "nr"]);
    let expected =
        [[text("ö@x"), text("3.0"), text("AB"), text("2")], [text("a@b"), text("12.5"), Cell::Null, text("1")]];
    assert!(good == expected && bad.is_empty(), "{good:?} {bad:?}");
}

#[test]
fn what_is_no_utf_8_or_too_large_is_a_bad_row() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("x.db");
    drop(people(&path, "delete"));
    let sql = "SELECT 1 AS a, x'ff' AS b UNION ALL SELECT 2, CAST(x'fe' AS TEXT) UNION ALL SELECT 3, zeroblob(2000000)
               UNION ALL SELECT 4, 'x'";
    let (_, good, bad) = query(&path, sql).expect("rows");
    assert_eq!(good, [[text("4"), text("x")]]);
    assert_eq!(bad.len(), 3);
    assert!(bad[0].contains("row 1: column \"b\" is not UTF-8") && bad[1].contains("row 2: column \"b\""), "{bad:?}");
    assert!(bad[2].contains("row 3: its values have more than"), "{bad:?}");
}

#[test]
fn only_one_select_is_run() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("x.db");
    drop(people(&path, "delete"));
    let before = files(temp.path());
    let copy = temp.path().join("copy");
    for sql in [
        "",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "DELETE FROM people",
        "DELETE FROM people RETURNING *",
        "INSERT INTO people VALUES (3, 'x', 1, 1) RETURNING *",
        "CREATE TABLE x (y)",
        &format!("ATTACH '{}' AS other", copy.display()),
        &format!("VACUUM INTO '{}'", copy.display()),
        "SELECT load_extension('x')",
        "SELECT * FROM people WHERE id = ?",
        "SELECT * FROM nobody",
        "SELECT 1 AS a, 2 AS a",
        "SELECT 1 AS ''",
        "SELECT 'x\0'",
        "COMMIT",
        "PRAGMA journal_mode = wal",
    ] {
        let error = query(&path, sql).expect_err(sql);
        assert!(matches!(error.exit(), Exit::DataErr | Exit::IoErr), "{sql}: {error}");
    }
    assert_eq!(files(temp.path()), before);
    let error = query(&path, "SELECT nme FROM people").expect_err("no such column").to_string();
    assert!(error.contains("the query: ") && error.contains("nme"), "{error}");
}

#[test]
fn what_is_no_database_is_told() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("x.db");
    for (bytes, why) in [
        (&b""[..], "it is empty"),
        (b"email\na@b\n", "this is no SQLite database"),
        (&[MAGIC, &[7; 5_000]].concat(), ""),
    ] {
        std::fs::write(&path, bytes).expect("written");
        let error = query(&path, "SELECT 1").expect_err(why);
        assert!(error.to_string().contains(why) && error.exit() == Exit::DataErr, "{error}");
    }
    assert_eq!(query(&temp.path().join("none"), "SELECT 1").expect_err("none").exit(), Exit::NoInput);
}

#[test]
fn a_write_ahead_log_and_its_database_stay_as_they_are() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let (live, copy) = (temp.path().join("live"), temp.path().join("copy"));
    std::fs::create_dir(&live).and_then(|()| std::fs::create_dir(&copy)).expect("folders");
    let db = people(&live.join("x.db"), "wal");
    // As after a crash: changes in the log, and nobody who has it open.
    for (name, bytes) in files(&live) {
        std::fs::write(copy.join(name), bytes).expect("copied");
    }
    let before = files(&copy);
    assert!(before.contains_key("x.db-wal") && before.contains_key("x.db-shm"));
    assert_eq!(query(&copy.join("x.db"), "SELECT * FROM people").expect("rows").1.len(), 2);
    assert_eq!(files(&copy), before);
    // Without the shared memory nobody can read the log who may not write.
    std::fs::remove_file(copy.join("x.db-shm")).expect("removed");
    let before = files(&copy);
    let error = query(&copy.join("x.db"), "SELECT * FROM people").expect_err("a log alone");
    assert!(error.to_string().contains("wal_checkpoint") && error.exit() == Exit::DataErr, "{error}");
    assert_eq!(files(&copy), before);
    // Closed by its last user, it has no log, and gets none.
    drop(db);
    let before = files(&live);
    assert_eq!(before.len(), 1);
    assert_eq!(query(&live.join("x.db"), "SELECT * FROM people").expect("rows").1.len(), 2);
    assert_eq!(files(&live), before);
}

#[test]
fn a_database_that_another_process_writes_to_is_read_by_its_log() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("x.db");
    let script = r"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('PRAGMA journal_mode = wal')
db.executescript('BEGIN; CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); COMMIT')
db.execute('SELECT * FROM t').fetchall()
print('ready', flush=True)
for line in sys.stdin:
    db.execute('INSERT INTO t VALUES (3)')
    print('ready', flush=True)
";
    let mut python = std::process::Command::new("python3");
    python.args(["-c", script]).arg(&path);
    python.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let Ok(mut writer) = python.spawn() else { return println!("skipped: no python3") };
    let mut said = [0; 6];
    if writer.stdout.as_mut().expect("a pipe").read_exact(&mut said).is_err() {
        writer.wait().expect("an end");
        return println!("skipped: python3 has no sqlite3");
    }
    let mut source = SqliteSource::open(&path, "SELECT a FROM t".to_owned()).expect("a source");
    writer.stdin.as_mut().expect("a pipe").write_all(b"\n").expect("written");
    writer.stdout.as_mut().expect("a pipe").read_exact(&mut [0; 6]).expect("it has committed");
    // What is committed after the first look is not seen, and its writer did not wait.
    let before = files(temp.path());
    assert_eq!(read(&mut source).expect("rows").1, [[text("1")], [text("2")]]);
    drop(source);
    let after = files(temp.path());
    assert!(
        before.keys().eq(after.keys()) && before["x.db"] == after["x.db"] && before["x.db-wal"] == after["x.db-wal"]
    );
    drop(writer.stdin.take());
    assert!(writer.wait().expect("an end").success());
}

#[test]
fn a_database_that_changes_although_nobody_seemed_to_have_it_is_to_be_tried_again() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("x.db");
    drop(people(&path, "wal"));
    let mut source = SqliteSource::open(&path, "SELECT * FROM people".to_owned()).expect("a source");
    let db = Connection::open(&path).expect("a database");
    db.execute_batch("CREATE TABLE more (x); INSERT INTO more VALUES (zeroblob(100000))").expect("a change");
    drop(db);
    assert_eq!(read(&mut source).expect_err("changed").exit(), Exit::TempFail);
}

#[test]
fn twenty_thousand_rows_come_in_bounded_memory() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("x.db");
    let db = people(&path, "delete");
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO people SELECT i, 'r' || i || '@x.example', i / 4.0, NULL FROM n;",
    )
    .expect("many people");
    drop(db);
    let (_, good, bad) = query(&path, "SELECT email, debt FROM people ORDER BY email").expect("rows");
    assert_eq!((good.len(), bad.len()), (20_000, 0));
    assert_eq!(good[1], [text("r10000@x.example"), text("2500.0")]);
}
