//! The bounce queue: what was read is recorded once, whatever dies; who bounces too often gets no more mail, and what cannot
//! be read goes on. By the real program.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::crash::Trap;
use crate::support::{self, Site, message};

/// A site whose bounce queue delivers what it cannot read into a Maildir; `bounces` are lines of [bounces].
fn site(bounces: &str, extra: &str) -> Site {
    let site = Site::new("digits", &format!("workers = 2\n{extra}"));
    let before = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    let unread = format!("[transport.unread]\nkind = \"maildir\"\npath = {:?}\n", site.path("unread"));
    let queue = "[queue.bounce]\ntransport = \"unread\"\nworkers = 2\n";
    site.configure(&format!("{before}{unread}{queue}[bounces]\n{bounces}\n"));
    site
}

/// A report on `recipient`.
fn report(recipient: &str, action: &str, status: &str, words: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example.org\nTo: list@example.org\nSubject: Undelivered Mail Returned to Sender\n\
         Date: Tue, 24 Nov 2026 12:00:00 +0000\nMessage-ID: <r@mx.example.org>\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nIt \
         failed.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\nFinal-Recipient: \
         rfc822; {recipient}\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {words}\n\n--b--\n"
    )
}

fn unknown(recipient: &str) -> String {
    report(recipient, "failed", "5.1.1", "550 5.1.1 user unknown")
}

/// Queues a bounce that came to `to`.
fn bounce(site: &Site, to: &str, text: &str) {
    let output = site.feed(&["submit", "--queue", "bounce", "-f", "", "--", to], text.as_bytes());
    assert!(output.status.success(), "{output:?}");
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

fn shown(site: &Site, address: &str) -> serde_json::Value {
    json(&site.ok(&["bounces", "show", address, "--json"]))
}

fn reports(site: &Site) -> Vec<serde_json::Value> {
    site.ok(&["bounces", "list", "--json", "--limit", "1000000"]).lines().map(json).collect()
}

fn unread(site: &Site) -> usize {
    std::fs::read_dir(site.path("unread/new")).map_or(0, Iterator::count)
}

/// Who got the whole of message `n`, in the order of delivery.
fn got(site: &Site, n: u32) -> Vec<String> {
    let log = std::fs::read_to_string(site.path("log")).unwrap_or_default();
    let whole = format!("{n} sender@example.org whole ");
    let list = format!("{n} list@example.org whole ");
    let found = log.lines().filter_map(|line| line.strip_prefix(&whole).or(line.strip_prefix(&list)));
    found.flat_map(|to| to.split(' ')).map(str::to_owned).collect()
}

/// A script for sh; its path.
fn script(site: &Site, name: &str, text: &str) -> PathBuf {
    let path = site.path(name);
    std::fs::write(&path, format!("{text}\n")).expect("written");
    path
}

#[test]
fn what_is_read_is_recorded_and_what_is_not_goes_on() {
    let site = site("", "");
    bounce(&site, "list@example.org", &unknown("Bob@example.com"));
    bounce(&site, "list@example.org", &report("carol@example.com", "delayed", "4.4.1", "451 try again"));
    bounce(&site, "list+dave=example.com@example.org", &unknown("d@internal.example.net"));
    bounce(&site, "list@example.org", &message(1));
    site.ok(&["run"]);
    assert_eq!(unread(&site), 1, "what is no bounce");
    assert_eq!(site.list().len(), 0);
    let bob = shown(&site, "bob@EXAMPLE.com");
    assert_eq!((bob["bounces"].as_u64(), bob["suppressed_since"].is_null()), (Some(1), true));
    assert_eq!(
        (bob["reports"][0]["class"].as_str(), bob["reports"][0]["reply"].as_u64()),
        (Some("user-unknown"), Some(550))
    );
    assert_eq!(shown(&site, "dave@example.com")["bounces"], 1, "by the sender that VERP made");
    // A delay is listed, and is nobody's account.
    assert_eq!(site.try_run(&["bounces", "show", "carol@example.com"]).status.code(), Some(1));
    assert_eq!(reports(&site).iter().filter(|report| report["action"] == "delayed").count(), 1);
    let told: Vec<_> = site.events().iter().map(|event| event["transport"].as_str().unwrap_or("").to_owned()).collect();
    assert_eq!(told.iter().filter(|transport| *transport == "ledger").count(), 3, "{told:?}");
    assert_eq!(told.iter().filter(|transport| *transport == "unread").count(), 1, "{told:?}");
    let stats = site.ok(&["bounces", "stats"]);
    assert!(stats.contains("user-unknown") && stats.contains("2 addresses have an account, 0 of them"), "{stats}");
    let csv = site.ok(&["bounces", "export", "--address", "*@example.com", "--class", "user-unknown"]);
    assert!(csv.starts_with("at,address,action,class,status") && csv.lines().count() == 3, "{csv}");
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        let mode = std::fs::metadata(site.path("spool").join(file)).map(|meta| meta.permissions().mode() & 0o777);
        assert!(mode.as_ref().map_or(true, |mode| *mode == 0o600), "{file}: {mode:?}");
    }
    site.assert_clean();
}

#[test]
fn who_bounces_too_often_gets_no_more_mail() {
    let site = site("threshold = \"0.9\"", "notices = true");
    bounce(&site, "list@example.org", &unknown("b0@example.com"));
    bounce(&site, "list@example.org", &report("full@example.com", "failed", "5.2.2", "552 mailbox full"));
    bounce(&site, "list@example.org", &report("spam@example.com", "failed", "5.7.1", "554 rejected as spam"));
    site.ok(&["run"]);
    let check = |address: &str| site.try_run(&["suppress", "check", address]).status.code();
    assert_eq!(check("B0@example.com"), Some(1));
    assert_eq!((check("full@example.com"), check("spam@example.com")), (Some(0), Some(0)));
    assert_eq!(shown(&site, "spam@example.com")["score"], 0.0, "what a filter dislikes says nothing of the address");
    assert_eq!(site.events().iter().filter(|event| event["suppressed"] == "b0@example.com").count(), 1);
    // One who wrote to him is told.
    site.submit(1, &["b0@example.com", "a0@example.net"]);
    site.ok(&["run", "--queue", "outbound"]);
    assert_eq!(got(&site, 1), ["a0@example.net"]);
    let event = |verdict: &str| {
        let events = site.events();
        let found: Vec<_> = events.iter().filter(|event| event["verdict"] == verdict).cloned().collect();
        found
    };
    let [suppressed] = event("suppressed").try_into().expect("one");
    assert_eq!(
        (suppressed["recipient"].as_str(), suppressed["status"].as_str()),
        (Some("b0@example.com"), Some("5.7.1"))
    );
    assert!(suppressed["reason"].as_str().is_some_and(|reason| reason.contains("suppress remove")), "{suppressed}");
    let log = std::fs::read_to_string(site.path("log")).expect("a log");
    assert!(log.lines().any(|line| line.contains("<>") && line.ends_with("sender@example.org")), "a notice: {log}");
    // A list's sender is not, and nothing is left of it.
    let list = site.path("list");
    std::fs::write(&list, "b0@example.com\nc0@example.net\n").expect("written");
    let post = ["submit", "-f", "list@example.org", "--recipients", list.to_str().expect("a path")];
    assert!(site.feed(&post, message(2).as_bytes()).status.success());
    let before = site.ids("failed");
    site.ok(&["run", "--queue", "outbound"]);
    assert_eq!(got(&site, 2), ["c0@example.net"]);
    assert_eq!(event("suppressed").len(), 2);
    assert_eq!(site.ids("failed"), before, "of a post nothing fails");
    // He is let in again.
    site.ok(&["suppress", "remove", "b0@example.com"]);
    assert_eq!((check("b0@example.com"), shown(&site, "b0@example.com")["score"].as_f64()), (Some(0), Some(0.0)));
    site.ok(&["requeue", "--yes", &before[0]]);
    site.ok(&["run", "--queue", "outbound"]);
    assert_eq!(got(&site, 1), ["a0@example.net", "b0@example.com"]);
    site.assert_clean();
}

#[test]
fn a_complaint_suppresses_at_once() {
    let site = site("", "");
    let text = "From: fbl@example.net\nSubject: complaint\nDate: Tue, 24 Nov 2026 12:00:00 +0000\nMIME-Version: 1.0\n\
                Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: \
                message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\nUser-Agent: x/1\nOriginal-Rcpt-To: \
                <angry@example.com>\n\n--b--\n";
    bounce(&site, "fbl@example.org", text);
    site.ok(&["run"]);
    let angry = shown(&site, "angry@example.com");
    assert!(angry["why"].as_str().is_some_and(|why| why.starts_with("complaint")), "{angry}");
}

#[test]
fn the_hook_is_told_of_each_report_and_one_that_fails_is_told_again() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (told, fail) = (dir.path().join("told"), dir.path().join("fail"));
    let site = site("threshold = \"0.9\"", "");
    let hook = script(&site, "hook", &format!("[ -e {fail:?} ] && {{ echo no room; exit 75; }}\ncat >> {told:?}"));
    let before = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&format!("{before}hook = [\"/bin/sh\", {:?}]\n", hook.display().to_string()));
    std::fs::write(&fail, "").expect("written");
    bounce(&site, "list@example.org", &unknown("bob@example.com"));
    site.ok(&["run"]);
    assert!(!told.exists());
    let waiting = site.list();
    assert!(waiting[0]["reason"].as_str().is_some_and(|reason| reason.contains("no room")), "{waiting:?}");
    std::fs::remove_file(&fail).expect("removed");
    site.ok(&["flush", "-q"]);
    let text = std::fs::read_to_string(&told).expect("told");
    let object = json(text.trim());
    assert_eq!(
        (object["address"].as_str(), object["to"].as_str()),
        (Some("bob@example.com"), Some("list@example.org"))
    );
    assert_eq!((object["class"].as_str(), object["suppressed"].as_bool()), (Some("user-unknown"), Some(true)));
    assert_eq!(object["newly_suppressed"], true, "the first telling failed: {object}");
    assert_eq!(shown(&site, "bob@example.com")["bounces"], 1, "counted once");
    assert_eq!(site.list().len(), 0);
}

#[test]
fn everything_goes_on_where_the_list_manager_reads_bounces_itself() {
    let site = site("pass_on = \"all\"", "");
    bounce(&site, "list@example.org", &unknown("bob@example.com"));
    site.ok(&["run"]);
    assert_eq!((unread(&site), shown(&site, "bob@example.com")["bounces"].as_u64()), (1, Some(1)));
}

#[test]
fn a_list_is_kept_by_hand_and_exchanged_with_other_programs() {
    let site = site("", "");
    assert_eq!(site.ok(&["suppress", "list"]), "Nobody is suppressed.\n");
    assert_eq!(site.ok(&["suppress", "add", "a@x.org", "B@x.org", "-r", "asked, by letter"]), "2 suppressed now\n");
    assert_eq!(site.ok(&["suppress", "add", "b@X.ORG", "c@x.org"]), "1 suppressed now; 1 was already\n");
    for args in [["suppress", "export"].as_slice(), &["suppress", "export", "--json"]] {
        let list = site.ok(args);
        site.ok(&["suppress", "remove", "a@x.org", "b@x.org", "c@x.org"]);
        let output = site.feed(&["suppress", "import", "-"], list.as_bytes());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(site.ok(args), list, "what was written is read");
    }
    let plain = "# comment\n\nd@x.org\nnot an address\ne@x.org,2026-11-01,gone\nf@x.org,yesterday\n";
    let output = site.feed(&["suppress", "import", "-"], plain.as_bytes());
    assert_eq!(output.status.code(), Some(65));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 suppressed now; 0 were already; 2 lines were passed over\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("-:4: passed over"), "{output:?}");
    assert!(site.ok(&["suppress", "list"]).contains("e@x.org  since 2026-11-01"));
    assert_eq!(site.try_run(&["suppress", "remove", "z@x.org"]).status.code(), Some(1));
    let checked = site.try_run(&["suppress", "check", "--json", "z@x.org", "d@x.org"]);
    assert_eq!((checked.status.code(), String::from_utf8_lossy(&checked.stdout).lines().count()), (Some(1), 2));
}

#[test]
fn a_ledger_that_cannot_be_used_stops_the_queue_and_nothing_is_lost() {
    let site = site("", "");
    bounce(&site, "list@example.org", &unknown("bob@example.com"));
    std::fs::write(site.path("spool/state.db"), "this is no database, and longer than a header of one".repeat(9))
        .expect("written");
    let output = site.try_run(&["run"]);
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("state.db"), "{output:?}");
    assert_eq!(site.list()[0]["attempts"], 0);
    // Nor does anybody get mail who might be suppressed.
    site.submit(1, &["a0@example.net"]);
    assert_eq!(site.try_run(&["run", "--queue", "outbound"]).status.code(), Some(75));
    assert_eq!(site.deliveries().len(), 0);
    std::fs::remove_file(site.path("spool/state.db")).expect("removed");
    site.ok(&["run"]);
    assert_eq!((shown(&site, "bob@example.com")["bounces"].as_u64(), site.deliveries().len()), (Some(1), 1));
    // A link, and a ledger of a later version.
    std::fs::remove_file(site.path("spool/state.db")).expect("removed");
    std::os::unix::fs::symlink("/etc/passwd", site.path("spool/state.db")).expect("a link");
    assert_ne!(site.try_run(&["suppress", "list"]).status.code(), Some(0));
}

#[test]
fn a_ledger_of_the_first_layout_is_brought_up_to_date_and_a_newer_one_is_refused() {
    let site = site("", "");
    site.ok(&["suppress", "add", "a0@example.net", "Z@x.org"]);
    let db = || rusqlite::Connection::open(site.path("spool/state.db")).expect("a ledger");
    let back = "DROP INDEX suppressed;
        CREATE INDEX suppressed ON address (suppressed) WHERE suppressed IS NOT NULL; PRAGMA user_version = 1";
    db().execute_batch(back).expect("as the first layout was");
    // What only reads it leaves it as it is.
    let layout = || db().query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).expect("a layout");
    site.submit(1, &["A0@Example.net", "b0@example.net"]);
    site.ok(&["run"]);
    assert_eq!((site.deliveries().len(), layout()), (1, 1));
    site.ok(&["suppress", "add", "c0@example.net"]);
    let index: String = db()
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'suppressed'", [], |row| row.get(0))
        .expect("an index");
    assert_eq!((layout(), index.contains("(address)")), (2, true), "{index}");
    assert_eq!(site.try_run(&["suppress", "check", "z@x.org"]).status.code(), Some(1), "suppressed");
    db().execute_batch("PRAGMA user_version = 3").expect("as a later layout");
    let output = site.try_run(&["suppress", "list"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("format 3"), "{output:?}");
}

#[cfg(feature = "faults")]
#[test]
fn a_worker_that_is_killed_while_it_records_counts_nobody_twice() {
    for point in support::crash::points(&["bounces."]) {
        let site = site("", "");
        for n in 0..250 {
            bounce(&site, "list@example.org", &unknown(&format!("r{n}@example.com")));
        }
        let trap = Trap::new(&site, &format!("{}:1", point.name));
        trap.run(&site, &["run"]);
        assert!(trap.was_met(), "{}", point.name);
        site.ok(&["run"]);
        assert_eq!(site.list().len(), 0, "{}", point.name);
        let all = reports(&site);
        assert_eq!(all.len(), 250, "{}", point.name);
        let counts = (0..250).map(|n| shown(&site, &format!("r{n}@example.com"))["bounces"].as_u64());
        assert!(counts.into_iter().all(|count| count == Some(1)), "{}", point.name);
        site.assert_clean();
    }
}
