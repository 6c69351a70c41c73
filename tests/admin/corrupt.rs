//! Entries that cannot be read are set aside, and a person sees them, mends them, and has them back.

use super::decisions::{SLOW, code, file_of, loaded};
use crate::support::Site;
use crate::support::posts::{assert_each_once, delivered, id, post};
use serde_json::json;
use std::path::PathBuf;

#[test]
fn corrupt_files_are_listed_shown_removed_and_requeued_when_mended() {
    let site = Site::new("ok", SLOW);
    let [one, two, _] = loaded(&site);
    let (first, second) = (file_of(&site, &one, "ready"), file_of(&site, &two, "ready"));
    let whole = std::fs::read(&first).expect("read");
    std::fs::write(&first, &whole[..whole.len() - 5]).expect("cut");
    std::fs::write(&second, "no envelope\n").expect("rubbish");
    assert_eq!(site.try_run(&["run"]).status.code(), Some(0));
    let listed = site.ok(&["list"]);
    assert!(listed.contains("-- 2 more could not be read: see 'bulkmailer list --state corrupt'"), "{listed}");
    let row = site.json(&["list", "--state", "corrupt", "--json", &one]);
    assert_eq!((&row["sender"], &row["state"]), (&json!("a@example.org"), &json!("corrupt")));
    assert!(row["reason"].as_str().is_some_and(|why| why.contains("were written")), "{row}");
    let text = site.ok(&["list", "--state", "corrupt", "--reason", "envelope"]);
    assert!(text.contains(&two) && !text.contains(&one) && text.contains("corrupt since"), "{text}");
    let shown = site.ok(&["show", &two]);
    assert!(shown.contains("no envelope") && shown.contains("why "), "{shown}");
    let shown = site.ok(&["show", &one]);
    assert!(shown.contains("r75@x.org") && shown.contains("X-Number: 1"), "{shown}");
    assert!(
        site.ok(&["show", "-m", &one]).starts_with("Received: ") || site.ok(&["show", "-m", &one]).contains("From: ")
    );
    // As it is, it cannot be queued again; mended it can.
    let refused = site.try_run(&["requeue", &one]);
    assert!(refused.status.code() == Some(65) && String::from_utf8_lossy(&refused.stderr).contains("cannot be queued"));
    std::fs::write(file_of(&site, &one, "corrupt"), &whole).expect("mended");
    assert!(site.ok(&["list", "--state", "corrupt", &one]).contains("'bulkmailer requeue' queues it again"));
    assert_eq!(site.ok(&["requeue", &one]), "1 entry requeued\n");
    assert_eq!(site.ok(&["remove", &two]), "1 entry removed\n");
    assert_eq!(
        site.events().iter().filter(|event| event["verdict"] == "removed" && event["id"] == two.as_str()).count(),
        1
    );
    site.ok(&["run"]);
    assert!(site.list().is_empty() && site.ok(&["list", "--state", "corrupt"]) == "No such entry is queued.\n");
    assert!(site.deliveries().values().all(|&times| times == 1) && site.deliveries().len() == 6);
    site.assert_clean();
}

#[test]
fn the_journal_of_a_corrupt_entry_outlives_the_sweep() {
    let site = Site::new("digits", "max_recipients = 1");
    let id = site.submit(1, &["a0@x.org", "b67@x.org"]);
    site.ok(&["run"]);
    let file = file_of(&site, &id, "failed");
    let whole = std::fs::read(&file).expect("read");
    std::fs::write(&file, [&whole[..], b"junk"].concat()).expect("damaged");
    assert_ne!(code(&site, &["requeue", &id]), Some(0));
    std::fs::remove_file(site.path("spool/outbound/swept")).expect("it was swept before");
    site.ok(&["run"]);
    std::fs::write(file_of(&site, &id, "corrupt"), &whole).expect("mended");
    site.set_sink("ok", "", "30s");
    site.ok(&["requeue", &id]);
    site.ok(&["run"]);
    assert_eq!(site.deliveries()[&(1, "a0@x.org".to_owned())], 1, "who has it gets it no more");
    site.assert_clean();
}

#[test]
fn an_entry_that_cannot_be_read_is_set_aside_and_comes_back_when_it_is_mended() {
    let site = Site::new("ok", "workers = 1\njob_recipients = 1");
    let posted = post(&site, 1, "a@x.example\nb@x.example\n", &[]);
    site.ok(&["hold", &format!("{}.0.1", id(&posted))]);
    let line = site.tree().into_iter().find(|line| line.contains(".0.0 ")).expect("an entry");
    let file = PathBuf::from(line.split(' ').next().expect("a path"));
    let whole = std::fs::read(&file).expect("read");
    std::fs::write(&file, &whole[..whole.len() - 3]).expect("cut");
    assert_eq!(site.try_run(&["check"]).status.code(), Some(1));
    site.try_run(&["run"]);
    assert!(site.deliveries().is_empty());
    let corrupt = site.path("spool/outbound/corrupt").join(file.file_name().expect("a name"));
    std::fs::write(&corrupt, &whole).expect("mended");
    let shown = site.ok(&["show", "-m", &format!("{}.0.0", id(&posted))]);
    assert!(shown.contains("X-Number: 1"), "{shown}");
    site.ok(&["requeue", &format!("{}.0.0", id(&posted))]);
    site.ok(&["release", &format!("{}.0.1", id(&posted))]);
    site.ok(&["run"]);
    assert_each_once(&site, &["a@x.example".to_owned(), "b@x.example".to_owned()]);
    // A message that is not whole goes to nobody.
    let posted = post(&site, 2, "a@x.example\n", &[]);
    let message = site.path("spool/outbound/jobs").join(id(&posted)).join("message");
    let bytes = std::fs::read(&message).expect("read");
    std::fs::write(&message, &bytes[..bytes.len() / 2]).expect("cut");
    let output = site.try_run(&["run"]);
    assert_eq!((output.status.code(), delivered(&site)), (Some(74), 2), "{output:?}");
    let check = site.try_run(&["check"]);
    assert!(check.status.code() == Some(1) && String::from_utf8_lossy(&check.stdout).contains("/message"), "{check:?}");
    std::fs::write(&message, &bytes).expect("mended");
    site.ok(&["run"]);
    assert_eq!(delivered(&site), 3);
}
