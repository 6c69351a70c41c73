//! `list`: every kind of entry as its file and its journal say, by due time or as it comes.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use bulkmailer::model::Micros;
use bulkmailer::policy::units::rough_size;
use bulkmailer::spool::names::{EntryName, Spot, State};
use serde_json::{Value, json};

use super::decisions::SLOW;
use crate::support::trace::{may_trace, trace, traced};
use crate::support::{Site, message};

/// The rows of `list --json` with these arguments.
fn rows(site: &Site, args: &[&str]) -> Vec<Value> {
    let text = site.ok(&[&["list", "--json"], args].concat());
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn time(row: &Value) -> Micros {
    Micros::parse(row["due"].as_str().expect("text")).expect("a time")
}

/// A row as a person reads it.
fn block(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().expect("text").to_owned();
    let sender = if text("sender").is_empty() { "<>".to_owned() } else { text("sender") };
    let size = rough_size(row["bytes"].as_u64().expect("a number"));
    let mut block = format!("{:<24} {:<9} {size:>8}  {sender}\n", text("id"), text("queue"));
    for recipient in row["recipients"].as_array().expect("a list") {
        block.push_str(&format!("{:>44} {}\n", "", recipient.as_str().expect("text")));
    }
    block.push_str(&match text("state").as_str() {
        "ready" if time(row) <= bulkmailer::sys::clock::now() => "    due now".to_owned(),
        "ready" => format!("    next try {}", time(row).local()),
        other => format!("    {other}"),
    });
    match row["attempts"].as_u64().expect("a number") {
        0 => {}
        1 => block.push_str(", after 1 attempt"),
        n => block.push_str(&format!(", after {n} attempts")),
    }
    if let Some(reason) = row["reason"].as_str() {
        block.push_str(&format!(": {reason}"));
    }
    block + "\n\n"
}

#[test]
fn each_kind_of_entry_is_listed_by_due_time_and_as_it_comes() {
    let site = Site::new("digits", SLOW);
    let id = |n: u32, recipients: &[&str]| site.submit(n, recipients);
    let deferred = [id(1, &["r75@x.org"]), id(2, &["b75@y.org", "\"o d d\"@y.org", "c0@y.org"])];
    let failed = [id(3, &["r67@x.org"])];
    let held = [id(4, &["r75@z.org"]), id(5, &["grüße75@example.org"])];
    site.ok(&["run"]);
    site.ok(&["hold", "--yes", &held[0], &held[1]]);
    let single = id(6, &["r6@x.org"]);
    let later = site.feed(&["submit", "-f", "<>", "--at", "2030-01-01 00:00", "r7@x.org"], message(7).as_bytes());
    let later = String::from_utf8(later.stdout).expect("text").trim().to_owned();
    let mbox = site.mbox("box", 10..32);
    site.ok(&["submit", "-q", "--mbox", mbox.to_str().expect("a path")]);
    let broken = [id(8, &["r8@x.org"]), id(9, &["r9@x.org"])];
    std::fs::write(site.file(&broken[0]), "no envelope\n").expect("damaged");
    std::fs::write(site.file(&broken[1]), "{\"size\":                   1,\"v\":99}\n\n").expect("newer");

    let output = site.try_run(&["list", "--json"]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!((output.status.code(), said.lines().count()), (Some(0), 2), "{said}");
    assert!(broken.iter().all(|id| said.contains(id)) && said.contains("see 'bulkmailer check'"), "{said}");
    let sorted = rows(&site, &[]);
    let of = |id: &String| sorted.iter().find(|row| row["id"] == id.as_str()).unwrap_or_else(|| panic!("no {id}"));
    assert_eq!(sorted.len(), 29, "{sorted:?}");
    for (ids, state, attempts) in [
        (&deferred[..], "ready", 1),
        (&failed, "failed", 1),
        (&held, "hold", 1),
        (&[single.clone(), later.clone()], "ready", 0),
    ] {
        for id in ids {
            assert_eq!((&of(id)["state"], &of(id)["attempts"]), (&json!(state), &json!(attempts)), "{}", of(id));
            assert_eq!(of(id)["reason"].is_string(), attempts > 0, "{}", of(id));
        }
    }
    assert_eq!(of(&deferred[1])["recipients"], json!(["b75@y.org"]));
    assert_eq!((&of(&later)["sender"], &of(&later)["due"]), (&json!(""), &of(&later)["due"]));

    // By due time, the entries of the job by their numbers; each state for itself.
    let place = |row: &Value| ["ready", "hold", "failed"].iter().position(|state| row["state"] == *state);
    assert!(sorted.is_sorted_by_key(|row| (place(row), time(row))), "{sorted:?}");
    let job: Vec<&str> = sorted.iter().filter_map(|row| row["id"].as_str()?.rsplit_once('.')).map(|id| id.1).collect();
    assert!((0..22).map(|k: u32| k.to_string()).eq(job.iter().map(|k| (*k).to_owned())), "{job:?}");
    // As they come, and for a person, they are the same.
    let mut unsorted = rows(&site, &["--unsorted"]);
    let key = |row: &Value| (place(row), time(row), sorted.iter().position(|other| other == row));
    unsorted.sort_by_key(key);
    assert_eq!(unsorted, sorted);
    let text: String = sorted.iter().map(block).collect();
    let bytes = sorted.iter().map(|row| row["bytes"].as_u64().expect("a number")).sum();
    assert_eq!(site.ok(&["list"]), format!("{text}-- 29 entries, {}\n", rough_size(bytes)));
    let blocks = |text: String| {
        let mut blocks: Vec<String> = text.split_inclusive("\n\n").map(str::to_owned).collect();
        blocks.sort();
        blocks
    };
    assert_eq!(blocks(site.ok(&["list", "--unsorted"])), blocks(site.ok(&["list"])));
    let some = rows(&site, &["--recipient", "R?5@X.*"]);
    assert_eq!(some, [of(&deferred[0]).clone()]);
    let check = site.json(&["check", "--json"]);
    assert_eq!((&check["entries"], check["problems"].as_array().map(Vec::len)), (&json!(31), Some(2)), "{check}");
}

#[test]
fn an_entry_that_gets_another_name_while_it_is_listed_is_listed() {
    const COUNT: u32 = 4_000;
    for order in [&[][..], &["--unsorted"]] {
        let site = Site::new("ok", "");
        let mbox = site.mbox("box", 0..COUNT);
        site.ok(&["submit", "-q", "--mbox", mbox.to_str().expect("a path")]);
        let ids: Vec<String> = rows(&site, order).iter().map(|row| row["id"].as_str().expect("text").into()).collect();
        let last = ids.last().expect("an entry").clone();
        let mut list = site.command(&[&["list", "--json"], order].concat());
        let mut list = list.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::with_capacity(64, list.stdout.take().expect("piped"));
        let mut first = String::new();
        lines.read_line(&mut first).expect("a line");
        // As a worker defers it. What was read ahead ends long before.
        let files = site.files(&last);
        let file = files.iter().find(|path| path.to_string_lossy().ends_with(&format!("-{last}"))).expect("its file");
        let due = Micros(1_900_000_000_000_000);
        let spot = Spot { state: State::Ready, name: EntryName::new(due, last.parse().expect("an id")) };
        std::fs::rename(file, site.path("spool/outbound").join(spot.path())).expect("renamed");
        let mut rest = String::new();
        lines.read_to_string(&mut rest).expect("the rest");
        assert!(list.wait().expect("it ends").success());
        let found: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(found.len() as u32 + 1, COUNT, "{order:?}");
        let row = found.iter().find(|row| row["id"] == last.as_str()).expect("it is there");
        assert_eq!(time(row), due, "{order:?}");
    }
}

#[test]
fn whoever_reads_one_line_keeps_no_listing_at_work() {
    let site = Site::new("ok", "");
    let mbox = site.mbox("box", 0..3_000);
    site.ok(&["submit", "-q", "--mbox", mbox.to_str().expect("a path")]);
    for order in [&["list"][..], &["list", "--unsorted"], &["list", "--json"]] {
        let mut list = site.command(order).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(list.stdout.take().expect("piped"));
        lines.read_line(&mut String::new()).expect("a line");
        drop(lines);
        let output = list.wait_with_output().expect("it ends");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
}

/// Four calls for each folder of single entries, which are made with the queue, and none for those that are not there.
#[test]
fn an_empty_queue_is_listed_with_few_calls() {
    if !may_trace("an_empty_queue_is_listed_with_few_calls") {
        return;
    }
    let site = Site::new("ok", "");
    site.submit(1, &["r1@x.org"]);
    site.ok(&["run"]);
    let command = site.command(&["list"]);
    assert!(traced(&site, &[], &command).status().expect("strace").success());
    // A debug build asks of each descriptor whether it is one.
    let calls = trace(&site);
    let calls = calls.iter().filter(|call| call.contains("/spool") && !call.contains("fcntl("));
    let calls: Vec<&String> = calls.collect();
    assert!(calls.len() < 256 * 4 + 100, "{} calls", calls.len());
    let folders = calls.iter().filter(|call| call.contains("openat(") && call.contains("\"ready/")).count();
    assert!(folders <= 256, "{folders}");
}
