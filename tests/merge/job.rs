//! A merge is a job: workers render its rows, hand them over, and know afterwards what came of each.

use std::collections::{BTreeMap, BTreeSet};

use bulkmailer::compose::Sources;
use bulkmailer::model::envelope::Origin;
use bulkmailer::model::time::zone;
use bulkmailer::model::{Cell, Columns, EntryId, Envelope, Fields, Micros, Row};
use bulkmailer::policy::rate::Rate;
use bulkmailer::policy::units::parse_rate;
use bulkmailer::policy::window::Window;
use bulkmailer::spool::Spool;
use bulkmailer::spool::job::PostFile;
use bulkmailer::spool::merge::draft::Common;
use bulkmailer::sys::clock;

use crate::support::Site;

/// One row of a test's merge: its recipient, and its own time.
pub struct Mail {
    pub to: String,
    pub due: Option<Micros>,
}

pub fn to(recipients: impl IntoIterator<Item = String>) -> Vec<Mail> {
    recipients.into_iter().map(|to| Mail { to, due: None }).collect()
}

/// What the sink knows a mail by; the text ends as its messages do.
const HEADERS: &str = "From: s@example.org\nTo: {{ email }}\nX-Number: {{ n }}\nSubject: {{ name }}\n";
const TEXT: &str = "Dear {{ name }},\n\nEND\n";

/// Queues a merge to these, numbered from 1 in their order.
pub fn merge(site: &Site, mails: &[Mail], per_entry: u64) -> EntryId {
    merge_with(site, mails, per_entry, "")
}

/// The same with more text in each mail.
pub fn merge_with(site: &Site, mails: &[Mail], per_entry: u64, more: &str) -> EntryId {
    merge_paced(site, mails, per_entry, more, (None, None))
}

/// The same with a window and a rate.
pub fn merge_paced(
    site: &Site,
    mails: &[Mail],
    per_entry: u64,
    more: &str,
    (window, rate): (Option<&str>, Option<&str>),
) -> EntryId {
    let spool = Spool::create(&site.path("spool")).expect("a spool");
    let queue = spool.queue("outbound").expect("a queue");
    let text = TEXT.replace("END", &format!("{more}END"));
    let files = [("headers", HEADERS), ("text", text.as_str())];
    let sources = Sources::new(files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into());
    let columns = Columns::new(["email", "n", "name"].map(str::to_owned).to_vec()).expect("columns");
    let now = clock::now();
    let origin = Origin { submitted: now, uid: 0, body: None, notify: None, ret: None, envid: None, verp: None };
    let sender = "s@example.org".parse().ok();
    let like = Envelope { id: EntryId::new(now), sender, recipients: Vec::new(), fields: Fields::default(), origin };
    let about = PostFile { per_entry, sender: "s@example.org".to_owned(), ..PostFile::default() };
    let window = window.map(|text| Window::parse(text, zone).expect("a window"));
    let rate = rate.map(|text| parse_rate(text).expect("a rate")).map(|(count, per)| Rate::new(count, per, None));
    let common = Common {
        sources: &sources,
        columns: &columns,
        address: "email",
        host: "example.org",
        window: window.as_ref(),
        rate,
    };
    let mut draft = queue.merge(like, about, common).expect("a draft");
    for (n, mail) in (1..).zip(mails) {
        let name = if mail.to.starts_with("nameless") { Cell::Null } else { Cell::Text(format!("no. {n}")) };
        let cells = vec![Cell::Text(mail.to.clone()), Cell::Text(n.to_string()), name];
        draft.add(&Row { number: n, cells }, mail.to.parse().expect("an address"), mail.due, None).expect("added");
    }
    let id = draft.id().clone();
    draft.commit((0, 0)).expect("published");
    id
}

/// Asserts that each of these rows came to its recipient so many times, and nothing else.
pub fn assert_came(site: &Site, mails: &[Mail], times: impl Fn(&str) -> u32, what: &str) {
    let found: BTreeMap<(u32, String), u32> = site.deliveries().into_iter().collect();
    let expected = (1..).zip(mails).map(|(n, mail)| ((n, mail.to.clone()), times(&mail.to)));
    let expected: BTreeMap<(u32, String), u32> = expected.filter(|(_, times)| *times > 0).collect();
    let differs =
        |one: &BTreeMap<(u32, String), u32>, other: &BTreeMap<(u32, String), u32>| -> Vec<(u32, String, u32)> {
            let rest = one.iter().filter(|(whom, times)| other.get(whom) != Some(times));
            rest.map(|((number, to), times)| (*number, to.clone(), *times)).collect()
        };
    assert_eq!(
        (differs(&found, &expected), differs(&expected, &found)),
        (vec![], vec![]),
        "{what}: came, and should have"
    );
}

pub fn people(count: u32) -> Vec<Mail> {
    to((1..=count).map(|n| format!("r0x{n}@h{}.example.net", n % 7)))
}

#[test]
fn each_row_is_sent_once_with_its_own_mail() {
    let site = Site::new("ok", "workers = 3");
    let mails = people(120);
    let id = merge(&site, &mails, 25);
    assert_eq!(site.run_once(), (0, String::new()));
    assert_came(&site, &mails, |_| 1, "once each");
    // Its rows and what came of them are kept.
    let (done, ready) = (site.files("/done/"), site.files("/ready/"));
    assert!(ready.is_empty() && done.iter().any(|path| path.ends_with("log/0/4")), "{:#?}", site.tree());
    let shown = site.json(&["jobs", "show", "--json", id.as_str()]);
    assert_eq!(
        (&shown["kind"], &shown["state"], &shown["done"]),
        (&"merge".into(), &"done".into(), &120.into()),
        "{shown}"
    );
    assert!(!shown.to_string().contains("key"), "{shown}");
    // A finished one is sent no more.
    site.ok(&["run"]);
    assert_came(&site, &mails, |_| 1, &format!("{id} again"));
    site.assert_clean();
}

#[test]
fn one_row_that_is_deferred_fails_or_cannot_be_made_keeps_no_other() {
    let site = Site::new("digits", "workers = 2\nretry = { first = \"1d\", max = \"1d\" }");
    let people = ["a0@x.example", "b75@x.example", "c67@x.example", "nameless0@x.example", "d0@y.example"];
    let mails = to(people.map(str::to_owned));
    merge(&site, &mails, 50);
    assert_eq!(site.run_once().0, 0);
    assert_came(&site, &mails, |to| u32::from(to.starts_with(['a', 'd'])), "the others");
    let verdicts: BTreeSet<(String, String)> = site
        .events()
        .iter()
        .filter_map(|event| Some((event["recipient"].as_str()?.to_owned(), event["verdict"].as_str()?.to_owned())))
        .collect();
    // Deliveries are summed up.
    let expected = [(people[1], "deferred"), (people[2], "failed"), (people[3], "failed")];
    let expected: BTreeSet<(String, String)> = expected.map(|(to, verdict)| (to.to_owned(), verdict.to_owned())).into();
    assert_eq!(verdicts, expected);
    // What was deferred waits, and its head says until when.
    let head = site.file("/ready/0/");
    assert!(head.to_string_lossy().contains('+'), "{head:?}");
    site.assert_clean();
}

#[test]
fn a_job_most_of_whose_mails_cannot_be_made_is_paused_and_its_rows_stay_open() {
    let site = Site::new("ok", "workers = 1");
    let mails =
        to((0..300).map(|n| if n % 10 == 9 { format!("nameless{n}@x.example") } else { format!("r{n}@x.example") }));
    let id = merge(&site, &mails, 50);
    let (_, said) = site.run_once();
    assert_eq!(said.matches("mails of job").count(), 1, "{said}");
    let shown = site.json(&["jobs", "show", "--json", id.as_str()]);
    assert_eq!((&shown["state"], &shown["failed"]), (&"paused".into(), &0.into()), "{shown}");
    let sent = site.deliveries().len() as u64;
    assert_eq!(shown["left"], 300 - sent, "{shown}");
    // One in a hundred, or fewer than ten, fail alone.
    let few =
        to((0..40).map(|n| if n % 10 == 9 { format!("nameless{n}@y.example") } else { format!("r{n}@y.example") }));
    let other = merge(&site, &few, 50);
    assert_eq!(site.run_once(), (0, String::new()));
    assert_eq!(site.json(&["jobs", "show", "--json", other.as_str()])["failed"], 4);
}

#[test]
fn failures_are_counted_over_all_workers_and_no_row_fails_before_the_others_had_their_turn() {
    let site = Site::new("ok", "workers = 8");
    let nameless = |n: u32| n % 50 < 9;
    let mails = to((0..400).map(|n| format!("{}{n}@x.example", if nameless(n) { "nameless" } else { "r" })));
    let id = merge(&site, &mails, 50);
    let shown = || site.json(&["jobs", "show", "--json", id.as_str()]);
    let mut pauses = 0;
    loop {
        let (_, said) = site.run_once();
        let job = shown();
        if job["state"] == "done" {
            break;
        }
        pauses += 1;
        // Once, whatever the number of workers; nine of each would not have been noticed.
        assert_eq!(said.matches("mails of job").count(), 1, "{said}");
        assert_eq!((&job["state"], &job["failed"]), (&"paused".into(), &0.into()), "{job}");
        assert_eq!(job["left"], 400 - site.deliveries().len() as u64, "{job}");
        assert!(pauses < 40, "{job}");
        site.ok(&["jobs", "resume", id.as_str()]);
    }
    assert!(pauses > 0);
    assert_eq!((&shown()["failed"], &shown()["left"]), (&72.into(), &0.into()), "{pauses} pauses");
    assert_came(&site, &mails, |to| u32::from(to.starts_with('r')), "the others");
    let attempts = |event: &serde_json::Value| (event["verdict"].clone(), event["attempt"].clone());
    let failed: Vec<_> = site.events().iter().map(attempts).filter(|(verdict, _)| verdict == "failed").collect();
    assert!(failed.len() == 72 && failed.iter().all(|(_, attempt)| attempt == 2), "{failed:?}");
    site.assert_clean();
}
