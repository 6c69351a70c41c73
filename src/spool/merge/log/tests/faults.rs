//! A claim that is killed, or whose steps fail, at each fault point of a log.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::spool::merge::log::file::{Claimant, Locked, Log, Taken, create};
use crate::sys::{dir, durable};

/// Where the other process works.
const SITE: &str = "BULKMAILER_TEST_LOG";
const POINTS: [&str; 6] =
    ["merge.opened", "merge.append", "merge.appended", "merge.sync", "merge.synced", "merge.rewrite"];

fn claim(folder: &Path, noted: Option<u64>) -> Option<Log> {
    let dir = dir::open(folder).expect("opened");
    let locked = loop {
        match Locked::take(&dir, "7") {
            Ok(Taken::Ours(locked)) => break locked,
            // A process that another test forks may still have it for a moment.
            Ok(Taken::Contended) => std::thread::yield_now(),
            Ok(Taken::Missing) | Err(_) => return None,
        }
    };
    Some(locked.read((&id(), ROWS), noted, Claimant { at: Micros(5), by: 0 }, &mut |_| {}).expect("read"))
}

/// Counts a hand-over of a row, as a sink does.
fn hand_over(folder: &Path, row: u16) {
    let path = folder.join(format!("sent-{row}"));
    let count: u32 = std::fs::read_to_string(&path).map_or(0, |text| text.parse().expect("a number"));
    std::fs::write(path, (count + 1).to_string()).expect("counted");
}

/// Delivers to what is open, as a worker does. What fails ends it.
fn deliver(folder: &Path, noted: Option<u64>) -> std::io::Result<()> {
    let Some(mut log) = claim(folder, noted) else { return Ok(()) };
    let open: Vec<u16> = log.rows().open().collect();
    let mut begun = None;
    for (n, &row) in open.iter().enumerate() {
        if begun != Some(row) {
            log.begin(row)?;
        }
        hand_over(folder, row);
        begun = open.get(n + 1).copied();
        match begun {
            Some(next) if !log.answer_and_begin(delivered(row, "250 ok"), next)? => begun = None,
            Some(_) => {}
            None => log.answer(delivered(row, "250 ok"))?,
        }
    }
    durable::sync_file_system(dir::open(folder)?)?;
    log.sync()
}

#[test]
#[ignore = "the other process of the test below"]
fn a_worker_that_is_hit() {
    if let Some(folder) = std::env::var_os(SITE) {
        let _ = deliver(Path::new(&folder), None);
    }
}

#[test]
fn whatever_point_is_hit_nobody_is_skipped_and_one_is_repeated() {
    for (point, action) in POINTS.iter().flat_map(|point| [(point, "kill"), (point, "eio"), (point, "enospc")]) {
        for count in 1..=6 {
            let temp = tempfile::tempdir().expect("a temporary folder");
            let dir = dir::open(temp.path()).expect("opened");
            create(&dir, "7", (&id(), ROWS), Micros(1), &[]).expect("made");
            let name = concat!(module_path!(), "::a_worker_that_is_hit");
            let name = name.split_once("::").expect("below the crate").1;
            let status = Command::new(std::env::current_exe().expect("its path"))
                .args(["--exact", name, "--ignored"])
                .env(SITE, temp.path())
                .env("BULKMAILER_FAULT", format!("{point}:{count}={action}"))
                .output()
                .expect("started");
            let what = format!("{point}:{count}={action}: {status:?}");
            let hit = action != "kill" || !status.status.success();
            assert!(count > 1 || hit, "the point was not met: {what}");
            deliver(temp.path(), None).expect("delivered");
            let sent: Vec<u32> = (0..ROWS)
                .map(|row| std::fs::read_to_string(temp.path().join(format!("sent-{row}"))).expect("sent"))
                .map(|text| text.parse().expect("a number"))
                .collect();
            assert!(sent.iter().sum::<u32>() <= u32::from(ROWS) + 1, "{sent:?}: {what}");
            let log = claim(temp.path(), None).expect("free");
            assert!(log.rows().iter().all(|(_, row)| row.standing == Standing::Delivered), "{what}");
        }
    }
}
