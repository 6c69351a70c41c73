//! A person decides about rows of a merge: each command acts on those that it means, and on no other.

use crate::job::{assert_came, merge, to};
use crate::support::Site;

const SLOW: &str = "workers = 2\nretry = { first = \"1d\", max = \"1d\" }";

/// Done, failed, held and left of a job.
fn counts(site: &Site, job: &str) -> [u64; 4] {
    let shown = site.json(&["jobs", "show", "--json", job]);
    ["done", "failed", "held", "left"].map(|name| shown[name].as_u64().expect("a number"))
}

#[test]
fn rows_are_held_released_requeued_and_removed_one_by_one() {
    let site = Site::new("digits", SLOW);
    let people = ["a0@x.example", "b75@x.example", "c67@x.example", "d75@y.example", "e0@y.example", "f67@y.example"];
    let mails = to(people.map(str::to_owned));
    let id = merge(&site, &mails, 3);
    let job = id.as_str();
    let first = format!("{job}.0.0");
    assert_eq!(site.run_once().0, 0);
    assert_eq!(counts(&site, job), [2, 2, 0, 2]);
    let shown = site.ok(&["show", &first]);
    for (to, word) in [("a0", "delivered"), ("b75", "deferred"), ("c67", "failed")] {
        assert!(shown.contains(&format!("recipient  {to}@x.example: {word}")), "{shown}");
    }
    assert!(!shown.contains("y.example"), "{shown}");
    let listed = site.list();
    let row = listed.iter().find(|row| row["id"] == first.as_str()).expect("it is listed");
    assert_eq!(row["recipients"], serde_json::json!(["b75@x.example", "c67@x.example"]), "{row}");

    // Its head goes, and the row stays where it is.
    site.ok(&["hold", "--recipient", "b75@*"]);
    assert_eq!(counts(&site, job), [2, 2, 1, 1]);
    assert_eq!(site.files("/ready/").len(), 1);
    assert!(site.ok(&["show", &first]).contains("held"), "whether it has a head or not");
    site.set_sink("ok", SLOW, "30s");
    site.ok(&["run"]);
    site.ok(&["flush", "-q"]);
    assert_came(&site, &mails, |to| u32::from(to.starts_with(['a', 'd', 'e'])), "what was deferred is flushed");
    assert_eq!(counts(&site, job), [3, 2, 1, 0]);

    assert_eq!(site.try_run(&["hold", &first]).status.code(), Some(1), "nothing of it waits");
    // A held row keeps the job, and what failed can be given another chance.
    site.ok(&["requeue", "--recipient", "c67@x.example"]);
    site.ok(&["run"]);
    assert_came(&site, &mails, |to| u32::from(!to.starts_with(['b', 'f'])), "what was requeued");
    assert_eq!(counts(&site, job), [4, 1, 1, 0]);
    site.ok(&["release", &first]);
    site.ok(&["run"]);
    assert_came(&site, &mails, |to| u32::from(!to.starts_with('f')), "what was released");
    assert_eq!(site.json(&["jobs", "show", "--json", job])["state"], "done");
    assert_eq!(counts(&site, job), [5, 1, 0, 0]);
    assert!(site.files("/want/").is_empty() && site.files("/held").is_empty(), "{:#?}", site.tree());
    site.assert_clean();
}

#[test]
fn a_row_that_is_removed_is_never_sent_and_its_job_ends() {
    let site = Site::new("exit=75", SLOW);
    let mails = to(["a@x.example", "b@x.example", "c@x.example"].map(str::to_owned));
    let id = merge(&site, &mails, 2);
    site.ok(&["remove", "--recipient", "b@x.example"]);
    assert_eq!(counts(&site, id.as_str()), [1, 0, 0, 2]);
    let removed: Vec<_> = site.events().into_iter().filter(|event| event["verdict"] == "removed").collect();
    assert!(removed.len() == 1 && removed[0]["recipient"] == "b@x.example", "{removed:?}");
    site.set_sink("ok", SLOW, "30s");
    site.ok(&["run"]);
    assert_came(&site, &mails, |to| u32::from(!to.starts_with('b')), "the others");
    let other = merge(&site, &mails, 2);
    site.ok(&["remove", "--yes", "--job", other.as_str()]);
    assert_eq!(site.json(&["jobs", "show", "--json", other.as_str()])["state"], "done");
    site.assert_clean();
}

#[test]
fn a_job_is_paused_resumed_and_cancelled() {
    let site = Site::new("ok", SLOW);
    let mails = to((0..20).map(|n| format!("r{n}@x.example")));
    let id = merge(&site, &mails, 5);
    site.ok(&["jobs", "pause", id.as_str()]);
    site.ok(&["run"]);
    assert_came(&site, &mails, |_| 0, "it is paused");
    site.ok(&["jobs", "resume", id.as_str()]);
    site.ok(&["run"]);
    assert_came(&site, &mails, |_| 1, "it was resumed");
    let other = merge(&site, &mails, 5);
    site.ok(&["jobs", "cancel", "--yes", other.as_str()]);
    site.ok(&["run"]);
    assert_came(&site, &mails, |_| 1, "it was cancelled");
    assert_eq!(counts(&site, other.as_str()), [0, 0, 0, 20]);
}

#[test]
fn more_than_one_entry_is_asked_about_and_what_would_happen_is_shown() {
    let site = Site::new("ok", SLOW);
    let mails = to(["a@x.example", "b@y.example", "c@x.example", "d@z.example"].map(str::to_owned));
    let id = merge(&site, &mails, 2);
    let refused = site.try_run(&["hold", "--recipient", "*@x.example"]);
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
    let shown = site.ok(&["hold", "--recipient", "*@x.example", "--dry-run"]);
    assert_eq!(shown.matches(": 1 rows of this entry of a merge would be held").count(), 2, "{shown}");
    assert_eq!(counts(&site, id.as_str()), [0, 0, 0, 4]);
    site.ok(&["hold", "--recipient", "*@x.example", "--yes"]);
    assert_eq!(counts(&site, id.as_str()), [0, 0, 2, 2]);
}

#[test]
fn what_may_have_been_sent_is_sent_again_only_when_that_is_said() {
    let site = Site::new("ok", SLOW);
    let mails = to(["a@x.example", "b@x.example"].map(str::to_owned));
    let id = merge(&site, &mails, 2);
    std::fs::remove_file(site.path(&format!("spool/outbound/jobs/{id}/log/0/0"))).expect("lost");
    site.ok(&["run"]);
    assert_eq!(counts(&site, id.as_str()), [0, 0, 2, 0]);
    let first = format!("{id}.0.0");
    assert_eq!(site.try_run(&["release", &first]).status.code(), Some(1));
    site.ok(&["run"]);
    assert_came(&site, &mails, |_| 0, "it may have been sent");
    site.ok(&["release", "--again", &first]);
    site.ok(&["run"]);
    assert_came(&site, &mails, |_| 1, "that was said");
    assert_eq!(site.json(&["jobs", "show", "--json", id.as_str()])["state"], "done");
}
