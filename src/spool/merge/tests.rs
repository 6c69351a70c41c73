//! A merge as a job: queued whole or not at all, claimed row by row, settled by its log.

mod acted;
mod attached;
mod ended;
mod harmed;

use std::time::Duration;

use super::draft::{Common, MergeDraft};
use super::log::file::{Locked, Taken as TakenLog};
use crate::compose::Sources;
use crate::model::envelope::Origin;
use crate::model::{Address, Cell, Columns, EntryId, Envelope, Fields, Micros, Reason, Row, Verdict};
use crate::queue::{AttemptNote, Claim, Content, End, Found, NoMessage, Queue, Which};
use crate::spool::claim::Taken;
use crate::spool::claimed::Claimed;
use crate::spool::job::{JobKind, PostFile, Standing};
use crate::spool::names::State;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::clock;

pub(super) struct Site {
    _temp: tempfile::TempDir,
    pub queue: SpoolQueue,
}

pub(super) fn site() -> Site {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let queue = Spool::create(temp.path()).and_then(|spool| spool.queue("outbound")).expect("a queue");
    Site { _temp: temp, queue: queue.with_horizon(Duration::from_secs(3_600)) }
}

pub(super) fn address(n: u64) -> Address {
    format!("r{n}@x.example").parse().expect("an address")
}

fn sources() -> Sources {
    let headers = "From: s@example.org\nTo: {{ email }}\nSubject: no. {{ name }}\n";
    let files = [("headers", headers), ("text", "Dear {{ name }}\n")];
    Sources::new(files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into())
}

/// A draft with `count` rows; row n goes to r<n>, and what `due` says of it is its own time. A row without a name cannot be
/// rendered: number 7.
pub(super) fn draft<'q>(
    queue: &'q SpoolQueue,
    count: u64,
    per_entry: u64,
    due: impl Fn(u64) -> Option<Micros>,
) -> MergeDraft<'q> {
    draft_about(queue, count, PostFile { per_entry, ..PostFile::default() }, due)
}

/// The same of which this is noted.
fn draft_about(queue: &SpoolQueue, count: u64, about: PostFile, due: impl Fn(u64) -> Option<Micros>) -> MergeDraft<'_> {
    let now = clock::now();
    let origin = Origin { submitted: now, uid: 7, body: None, notify: None, ret: None, envid: None, verp: None };
    let like =
        Envelope { id: EntryId::new(now), sender: None, recipients: Vec::new(), fields: Fields::default(), origin };
    let columns = Columns::new(vec!["email".to_owned(), "name".to_owned()]).expect("columns");
    let common =
        Common { sources: &sources(), columns: &columns, address: "email", host: "x.org", window: None, rate: None };
    let mut draft = queue.merge(like, about, common).expect("a draft");
    for n in 1..=count {
        let name = if n == 7 { Cell::Null } else { Cell::Text(format!("N{n}")) };
        let row = Row { number: n, cells: vec![Cell::Text(address(n).to_string()), name] };
        draft.add(&row, address(n), due(n), None).expect("added");
    }
    draft
}

pub(super) fn merge(queue: &SpoolQueue, count: u64, per_entry: u64) -> EntryId {
    let draft = draft(queue, count, per_entry, |_| None);
    let id = draft.id().clone();
    let merged = draft.commit((1, 2)).expect("published");
    assert_eq!((merged.rows, merged.entries), (count, count.div_ceil(per_entry)));
    id
}

/// The next claim of a pass.
fn next<'q>(queue: &'q SpoolQueue) -> Option<Claimed<'q>> {
    let mut cursor = Queue::cursor(&queue).expect("a pass");
    loop {
        match Queue::claim(&queue, &mut cursor, Which::Any, clock::now(), &mut |_| true).expect("claimed") {
            Found::Claim(claim) => return Some(claim),
            Found::Later => {}
            Found::Nothing => return None,
            other => panic!("{other:?}"),
        }
    }
}

fn names(queue: &SpoolQueue, job: &EntryId) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(queue.path(&format!("jobs/{job}/ready/0")))
        .map(|names| names.map(|name| name.expect("a name").file_name().into_string().expect("text")).collect())
        .unwrap_or_default();
    names.sort();
    names
}

fn text(claim: &Claimed<'_>, row: usize) -> String {
    let message = claim.message(&[row], true).expect("rendered");
    let Content::Memory { bytes, .. } = message.content() else { panic!("it is read by position") };
    String::from_utf8_lossy(bytes).into_owned()
}

/// Hands a row over, with this verdict.
fn hand(claim: &mut Claimed<'_>, row: usize, verdict: Verdict, next: Option<Micros>) {
    let now = clock::now();
    let (attempts, waited) = claim.own_attempts(row, now).expect("a row");
    let begun = claim.begin(vec![row], now).expect("begun");
    claim.answer(begun, Some(std::slice::from_ref(&verdict))).expect("answered");
    if !verdict.is_delivered() {
        let results = vec![(vec![row], verdict)];
        claim.note(&AttemptNote { number: attempts + 1, at: now, waited, next, results }).expect("noted");
    }
}

fn delivered() -> Verdict {
    Verdict::Delivered(None)
}

#[test]
fn a_merge_is_there_as_a_whole_or_not_at_all() {
    let site = site();
    drop(draft(&site.queue, 5, 2, |_| None));
    let empty = |folder: &str| site.queue.is_without(folder);
    assert!(empty("tmp") && empty("jobs"));
    draft(&site.queue, 0, 2, |_| None).commit((0, 0)).expect("nothing");
    assert!(empty("tmp") && empty("jobs"));

    let id = merge(&site.queue, 5, 2);
    let file = site.queue.job_file(&id, Standing::AtWork).expect("read").expect("a job");
    let JobKind::Merge(about) = &file.kind else { panic!("{file:?}") };
    assert_eq!((about.list.recipients, about.list.duplicates, about.host.as_str()), (5, 1, "x.org"));
    assert_eq!([0, 1, 2].map(|k| file.recipients_of(&id.of_job(0, k))), [2, 2, 1]);
    let mode = std::fs::metadata(site.queue.path(&format!("jobs/{id}/job.json"))).expect("a file");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    let mut seen = Vec::new();
    site.queue
        .each_name(State::Ready, &mut |name| {
            seen.push(name);
            true
        })
        .expect("listed");
    assert_eq!(seen.len(), 3);
    for name in seen {
        let log = std::fs::metadata(
            site.queue.path(&format!("jobs/{id}/log/0/{}", name.id.number_in_job().expect("a number").1)),
        );
        assert_eq!(name.log, Some(log.expect("a log").len()));
        let spot = crate::spool::names::Spot { state: State::Ready, name };
        let seen = site.queue.look(&spot).expect("read").expect("a head");
        assert_eq!(seen.extent.rows.map(|rows| rows.rows as usize), Some(seen.envelope.recipients.len()));
    }
    assert_eq!(site.queue.check(false).expect("checked").problems, []);
}

#[test]
fn rows_are_rendered_handed_over_and_settled_one_by_one() {
    let site = site();
    let id = merge(&site.queue, 8, 8);
    let mut claim = next(&site.queue).expect("a claim");
    assert!(claim.has_rows() && claim.id() == &id.of_job(0, 0));
    assert!(next(&site.queue).is_none(), "it is in hand");
    assert_eq!((claim.open(), claim.in_flight()), ((0..8).collect(), vec![]));
    for row in [0, 1, 2, 7] {
        let size = claim.size(&[row]);
        let mail = text(&claim, row);
        let n = row + 1;
        assert!(mail.contains(&format!("To: r{n}@x.example\n")) && mail.contains(&format!("\nDear N{n}\n")), "{mail}");
        assert!(mail.contains(&format!("Message-ID: <{id}.{n}.")), "{mail}");
        assert_eq!(size, mail.len() as u64);
    }
    // To a command as a file that nobody can change.
    let message = claim.message(&[0], false).expect("rendered");
    let mut given = String::new();
    std::io::Read::read_to_string(&mut &**message.file().expect("a file"), &mut given).expect("read");
    assert!(given.ends_with("\nDear N1\n"), "{given}");
    let Err(NoMessage::PutBack(why)) = claim.message(&[6], true) else { panic!("it has no name") };
    assert!(why.status.as_deref() == Some("5.6.0") && why.text.contains("headers:3"), "{why:?}");
    assert_eq!(claim.size(&[6]), 0);

    let later = clock::now().plus(Duration::from_secs(60));
    for row in [0, 1, 2] {
        hand(&mut claim, row, delivered(), None);
    }
    hand(&mut claim, 3, Verdict::Deferred(Reason::new("450 later")), Some(later));
    hand(&mut claim, 6, Verdict::Failed(why), None);
    hand(&mut claim, 4, Verdict::Held(Reason::new("why")), None);
    assert_eq!(claim.open(), [3, 5, 7]);
    assert_eq!(claim.last_reason(&[3]).map(|reason| reason.text.as_str()), Some("450 later"));
    // Its worker dies here.
    drop(claim);
    let before = names(&site.queue, &id);
    let mut claim = next(&site.queue).expect("a claim");
    assert_eq!((claim.open(), claim.own_attempts(3, later).map(|own| own.0)), (vec![5, 7], Some(1)));
    for row in [5, 7] {
        hand(&mut claim, row, delivered(), None);
    }
    claim.settle(End::Delivered).expect("settled");
    let after = names(&site.queue, &id);
    assert!(after != before && after[0].starts_with(&format!("{:016}-{id}.0.0+", later.0)), "{after:?}");
    assert!(next(&site.queue).is_none(), "the row waits");
    // With what its log has by now.
    let noted = |name: &String| name.rsplit('+').next().and_then(|bytes| bytes.parse::<u64>().ok());
    let log = std::fs::metadata(site.queue.path(&format!("jobs/{id}/log/0/0"))).expect("a log").len();
    assert!(noted(&before[0]) < noted(&after[0]) && noted(&after[0]) <= Some(log), "{before:?} {after:?}");
}

/// What a worker's death in this moment leaves open and in flight.
fn left<'q>(site: &'q Site, claim: Claimed<'q>) -> (Claimed<'q>, Vec<usize>, Vec<usize>) {
    drop(claim);
    let claim = next(&site.queue).expect("a claim");
    let (open, in_flight) = (claim.open(), claim.in_flight());
    (claim, open, in_flight)
}

#[test]
fn an_answer_begins_the_next_row_if_its_turn_has_come() {
    let site = site();
    merge(&site.queue, 6, 6);
    let mut claim = next(&site.queue).expect("a claim");
    let begin = |claim: &mut Claimed<'_>, row| claim.begin(vec![row], clock::now()).expect("begun");
    let begun = begin(&mut claim, 0);
    claim.admit_next(&[1]);
    claim.answer(begun, Some(&[delivered()])).expect("answered");
    let (mut claim, open, in_flight) = left(&site, claim);
    assert_eq!((open, in_flight), (vec![1, 2, 3, 4, 5], vec![1]));
    // Any other verdict is written with its next time.
    let later = clock::now().plus(Duration::from_secs(60));
    let begun = begin(&mut claim, 1);
    claim.admit_next(&[2]);
    let verdict = Verdict::Deferred(Reason::new("450 later"));
    claim.answer(begun, Some(std::slice::from_ref(&verdict))).expect("answered");
    let results = vec![(vec![1], verdict)];
    let note = AttemptNote { number: 1, at: clock::now(), waited: Duration::ZERO, next: Some(later), results };
    claim.note(&note).expect("noted");
    // It is handed over without another record, and answered alone.
    let begun = begin(&mut claim, 2);
    claim.answer(begun, Some(&[delivered()])).expect("answered");
    let (mut claim, open, in_flight) = left(&site, claim);
    assert_eq!((open, in_flight), (vec![3, 4, 5], vec![]));
    // Its turn was taken away, before the answer and after.
    let begun = begin(&mut claim, 3);
    claim.admit_next(&[4]);
    claim.take_back_next().expect("nothing to do");
    claim.answer(begun, Some(&[delivered()])).expect("answered");
    let begun = begin(&mut claim, 4);
    claim.admit_next(&[5]);
    claim.answer(begun, Some(&[delivered()])).expect("answered");
    claim.take_back_next().expect("taken back");
    let (claim, open, in_flight) = left(&site, claim);
    assert_eq!((open, in_flight), (vec![5], vec![]));
    drop(claim);
}

#[test]
fn a_row_that_cannot_be_made_comes_after_the_others_and_fails_then() {
    let site = site();
    let id = merge(&site.queue, 8, 8);
    let mut claim = next(&site.queue).expect("a claim");
    let put_back = |claim: &mut Claimed<'_>| {
        let Err(NoMessage::PutBack(why)) = claim.message(&[6], true) else { panic!("it has no name") };
        let results = vec![(vec![6], Verdict::Deferred(why))];
        let now = clock::now();
        claim
            .note(&AttemptNote { number: 1, at: now, waited: Duration::ZERO, next: Some(now), results })
            .expect("noted");
    };
    put_back(&mut claim);
    hand(&mut claim, 0, delivered(), None);
    let (mut claim, open, _) = left(&site, claim);
    assert_eq!(open, [1, 2, 3, 4, 5, 7], "not before the others");
    open.into_iter().for_each(|row| hand(&mut claim, row, delivered(), None));
    let before = names(&site.queue, &id);
    claim.settle(End::Delivered).expect("settled");
    assert!(names(&site.queue, &id) > before, "behind what was due before");
    let claim = next(&site.queue).expect("a claim");
    assert_eq!(claim.open(), [6]);
    let Err(NoMessage::Row(Verdict::Failed(why))) = claim.message(&[6], true) else { panic!("it has no name") };
    assert!(why.status.as_deref() == Some("5.6.0") && why.text.contains("headers:3"), "{why:?}");
}

/// Bytes of a log without the zeros behind it.
fn used(log: &std::path::Path) -> usize {
    let bytes = std::fs::read(log).expect("a log");
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

#[test]
fn the_head_goes_when_no_row_is_open_and_its_log_stays() {
    let site = site();
    let id = merge(&site.queue, 3, 3);
    let mut claim = next(&site.queue).expect("a claim");
    for row in 0..3 {
        hand(&mut claim, row, delivered(), None);
    }
    claim.settle(End::Delivered).expect("settled");
    // It waits for a sync, under both locks.
    assert_eq!(names(&site.queue, &id).len(), 1);
    let job = crate::sys::dir::open(&site.queue.path(&format!("jobs/{id}"))).expect("a folder");
    assert!(matches!(Locked::take(&job, "log/0/0"), Ok(TakenLog::Contended)));
    let spot = site.queue.locate(&id.of_job(0, 0)).expect("a look").expect("a head");
    assert!(matches!(site.queue.take(&spot), Ok(Taken::Contended)));
    site.queue.tidy().expect("tidied");
    assert!(names(&site.queue, &id).is_empty());
    assert!(matches!(Locked::take(&job, "log/0/0"), Ok(TakenLog::Ours(_))));
}

#[test]
fn a_row_that_was_in_flight_is_known_and_what_was_taken_back_is_not() {
    let site = site();
    merge(&site.queue, 3, 3);
    let mut claim = next(&site.queue).expect("a claim");
    let begun = claim.begin(vec![1], clock::now()).expect("begun");
    claim.answer(begun, None).expect("taken back");
    drop(claim);
    let mut claim = next(&site.queue).expect("a claim");
    assert_eq!(claim.in_flight(), Vec::<usize>::new());
    let _killed = claim.begin(vec![2], clock::now()).expect("begun");
    drop(claim);
    let claim = next(&site.queue).expect("a claim");
    assert_eq!((claim.in_flight(), claim.open()), (vec![2], vec![0, 1, 2]));
}

#[test]
fn a_row_waits_for_its_own_time() {
    let site = site();
    // Beyond the horizon, for it was asked for.
    let later = clock::now().plus(Duration::from_secs(100_000));
    let all = draft(&site.queue, 2, 2, |n| Some(later.plus(Duration::from_secs(n))));
    let waits = all.id().clone();
    all.commit((0, 0)).expect("published");
    assert!(names(&site.queue, &waits)[0].starts_with(&format!("{:016}@", later.plus(Duration::from_secs(1)).0)));
    assert!(next(&site.queue).is_none());
    let some = draft(&site.queue, 2, 2, |n| (n == 2).then_some(later));
    let job = some.id().clone();
    some.commit((0, 0)).expect("published");
    let mut claim = next(&site.queue).expect("one is due");
    assert_eq!(claim.open(), [0]);
    hand(&mut claim, 0, delivered(), None);
    claim.settle(End::Delivered).expect("settled");
    assert!(names(&site.queue, &job)[0].starts_with(&format!("{:016}@", later.0)));
    assert!(next(&site.queue).is_none());
}

#[test]
fn open_rows_of_a_log_that_is_missing_or_short_are_held() {
    for cut in [None, Some(5)] {
        let site = site();
        let id = merge(&site.queue, 3, 3);
        let mut claim = next(&site.queue).expect("a claim");
        hand(&mut claim, 0, delivered(), None);
        hand(&mut claim, 1, Verdict::Deferred(Reason::new("450 later")), Some(clock::now()));
        claim.settle(End::Delivered).expect("settled");
        let log = site.queue.path(&format!("jobs/{id}/log/0/0"));
        match cut {
            None => std::fs::remove_file(&log).expect("removed"),
            Some(bytes) => {
                let file = std::fs::OpenOptions::new().write(true).open(&log).expect("a log");
                file.set_len(used(&log) as u64 - bytes).expect("cut");
            }
        }
        let claim = next(&site.queue).expect("a claim");
        assert_eq!(claim.open(), Vec::<usize>::new(), "{cut:?}");
        assert!(claim.any(crate::model::verdict::Kind::Held));
        claim.settle(End::Delivered).expect("settled");
        site.queue.tidy().expect("tidied");
        assert!(names(&site.queue, &id).is_empty() && log.exists());
    }
}

#[test]
fn a_worker_lets_go_where_rows_are_wanted_or_the_job_is_paused() {
    let site = site();
    let id = merge(&site.queue, 3, 3);
    let claim = next(&site.queue).expect("a claim");
    assert!(!claim.job_was_moved());
    let want = site.queue.path(&format!("want/{id}.0.0"));
    std::fs::create_dir(site.queue.path("want")).expect("a folder");
    let file = std::fs::File::create(&want).expect("made");
    site.queue.wake().expect("woken");
    assert!(!claim.job_was_moved(), "nobody has it locked");
    assert!(crate::sys::lock::try_exclusive(&file).expect("locked"));
    site.queue.wake().expect("woken");
    assert!(claim.job_was_moved());
    drop(claim);
    assert!(next(&site.queue).is_none(), "workers stay away");
    assert_eq!(site.queue.drop_stale_wants(), 0);
    drop(file);
    let claim = next(&site.queue).expect("a claim");
    assert_eq!((site.queue.drop_stale_wants(), want.exists()), (1, false));
    assert!(site.queue.move_job(&id, Standing::AtWork, Standing::Paused).expect("moved"));
    assert!(claim.job_was_moved());
    // What was answered meanwhile is in the log, wherever it lies.
    claim.settle(End::Delivered).expect("settled");
}
