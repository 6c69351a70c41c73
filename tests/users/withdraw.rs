//! A user takes back mail of his that went through `drop/`, and nobody else's.

use crate::support::drop::{
    FIELDS, MARA, NILS, arrived, by, defer, dropped, ok, own, put, put_of, shared, skipped, text,
};
use crate::support::hosts::Plain;
use crate::support::{Site, message, wait_until};

/// Has the user `uid` ask for these entries.
fn ask(site: &Site, name: &str, uid: u32, ids: &[&str]) {
    put_of(site, uid, name, &format!("{}\n", serde_json::json!({"v": 1, "remove": ids})));
}

fn ids(site: &Site) -> Vec<String> {
    let mut ids: Vec<String> = site.list().iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn a_user_takes_back_his_own_and_no_other() {
    if skipped() {
        return;
    }
    let (site, mara, nils) = (shared(0, ""), Plain::with_uid(MARA), Plain::with_uid(NILS));
    defer(&site);
    let submit = |who: &Plain, n| ok(&by(&site, who, &["submit", "r@x.org"], message(n).as_bytes())).trim().to_owned();
    let (hers, his) = ([submit(&mara, 1), submit(&mara, 2)], submit(&nils, 3));
    site.try_run(&["run"]);
    assert_eq!(site.list().len(), 3);
    let roots = site.submit(4, &["r4@example.net"]);
    ask(&site, "outbound.remove-1", NILS, &[&hers[0], &his, &roots, "0nosuchentry", "d0", "k0"]);
    assert_eq!(ok(&site.try_run(&["run", "-Q", "outbound"])), "");
    let mut left = vec![hers[0].clone(), hers[1].clone(), roots];
    left.sort();
    assert_eq!((ids(&site), dropped(&site).len()), (left, 0));
    let events = site.path("spool/events");
    let events: String = std::fs::read_dir(events)
        .expect("events")
        .flatten()
        .map(|day| std::fs::read_to_string(day.path()).expect("text"))
        .collect();
    let removed: Vec<&str> = events.lines().filter(|line| line.contains("removed")).collect();
    assert!(removed.len() == 1 && removed[0].contains(&his) && removed[0].contains(&format!("removed by {NILS}")));
    // Held and failed ones, too; all of it in one request.
    site.ok(&["hold", &hers[0]]);
    ask(&site, "outbound.remove-2", MARA, &[&hers[0], &hers[1]]);
    site.try_run(&["run"]);
    assert_eq!((ids(&site).len(), dropped(&site).len()), (1, 0));
    site.assert_clean();
}

#[test]
fn what_is_not_adopted_yet_is_never_queued() {
    if skipped() {
        return;
    }
    let (site, mara, nils) = (shared(0, ""), Plain::with_uid(MARA), Plain::with_uid(NILS));
    let submit = |who: &Plain, args: &[&str], n| {
        let args = [&["submit"], args, &["r@x.org"]].concat();
        ok(&by(&site, who, &args, message(n).as_bytes())).trim().to_owned()
    };
    let (first, keyed, his) = (submit(&mara, &[], 1), submit(&mara, &["--key", "k"], 2), submit(&nils, &[], 3));
    submit(&mara, &[], 4);
    ask(&site, "outbound.remove-1", MARA, &[&first, &keyed, &his]);
    assert_eq!(ok(&site.try_run(&["run"])), "");
    let mail = arrived(&site);
    assert_eq!((mail.len(), dropped(&site).len()), (2, 0));
    assert!(mail.iter().all(|mail| mail.contains("X-Number: 3\n") || mail.contains("X-Number: 4\n")), "{mail:?}");
    // The key is hers still: it was never used.
    submit(&mara, &["--key", "k"], 5);
    assert_eq!(ok(&site.try_run(&["run"])), "");
    assert_eq!(arrived(&site).len(), 3);
}

#[test]
fn what_a_worker_has_in_hand_is_taken_back_once_it_has_not_left() {
    let site = own("");
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    let gate = site.path("gate");
    let command = format!("while [ ! -e {} ]; do sleep 0.02; done; echo 4.2.2; exit 75", gate.display());
    site.configure(
        &config
            .replace("kind = \"maildir\"", "kind = \"pipe\"\nprofile = \"postfix\"")
            .replace("path = ", &format!("command = [\"/bin/sh\", \"-c\", {command:?}, \"{{recipients}}\"] # ")),
    );
    put(&site, "outbound.1", &text(FIELDS, &message(1)));
    let run = site.start(&["run"]);
    let in_hand = || site.beat("outbound").is_some_and(|beat| !beat.in_hand.is_empty());
    wait_until("it is in hand", in_hand);
    let id = ids(&site).remove(0);
    ask(&site, "outbound.remove-1", nix::unistd::geteuid().as_raw(), &[&id]);
    let changed = || dropped(&site).len() == 1;
    wait_until("the request is there", changed);
    std::fs::write(&gate, "").expect("written");
    run.wait_with_output().expect("it ends");
    site.try_run(&["run"]);
    assert_eq!((ids(&site).len(), dropped(&site).len()), (0, 0));
}

#[test]
fn a_request_that_is_none_is_left_and_said() {
    let site = own("");
    put(&site, "outbound.remove-1", "rubbish");
    put(&site, "outbound.remove-2", &"{\"v\":1,\"remove\":[\"a\"]} ".repeat(100_000));
    put(&site, "outbound.remove-3", &text(FIELDS, &message(1)));
    std::os::unix::fs::symlink("/dev/zero", site.path("spool/drop/outbound.remove-4")).expect("a link");
    std::fs::write(site.path("spool/drop/outbound.remove-5"), "{\"v\":1,\"remove\":[\"../../x\"]}\n").expect("written");
    let run = site.try_run(&["run"]);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success() && said.lines().count() == 1, "{run:?}");
    assert_eq!((dropped(&site).len(), arrived(&site).len()), (5, 0));
}

#[cfg(feature = "faults")]
#[test]
fn killed_anywhere_a_request_is_done_by_the_next_run() {
    use crate::support::crash;
    for point in ["adopt.withdrawn", "amend.closed", "settle.unlink", "settle.unlinked", "tidy.begin", "tidy.synced"] {
        let site = own("");
        defer(&site);
        put(&site, "outbound.1", &text(FIELDS, &message(1)));
        site.try_run(&["run"]);
        let id = ids(&site).remove(0);
        let uid = nix::unistd::geteuid().as_raw();
        ask(&site, "outbound.remove-1", uid, &[&id]);
        crash::run_killed_at(&site, point);
        crash::wait_for_the_lock(&site);
        site.try_run(&["run"]);
        assert_eq!((ids(&site).len(), dropped(&site).len()), (0, 0), "{point}");
        site.assert_clean();
    }
}
