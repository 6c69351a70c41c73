//! A worker's steps: from the head's lock to the head's next name.

use super::super::replay::Standing;
use super::after::{After, due};
use super::state::{At, Command, Head, Kept, Place, SLOTS, State, Then, Word, Worker};
use super::tape::{NOTHING, Says, TORN};

pub fn steps(after: &mut After<'_>) {
    for n in 0..after.run.workers {
        let worker = after.from.workers[n];
        if worker.at == At::Idle {
            claims(after, n);
        } else {
            killed(after, n, worker);
            step(after, n, worker);
        }
    }
}

/// The same state with worker `n` elsewhere.
fn at(from: &State, n: usize, worker: Worker) -> State {
    let mut to = *from;
    to.workers[n] = worker;
    to
}

fn claims(after: &mut After<'_>, n: usize) {
    let from = after.from;
    if from.job.newest() != Place::Jobs || after.is_wanted() {
        return;
    }
    for (head, name) in (0..).zip(&from.heads) {
        let is_there = name.newest().noted().is_some();
        let is_taken = from.workers.iter().any(|other| other.at != At::Idle && other.head == head);
        if is_there && !is_taken && (head == 0 || from.later) {
            after.add(("locks head", head), at(&from, n, Worker { at: At::HasHead, head, ..Worker::IDLE }));
        }
    }
}

fn killed(after: &mut After<'_>, n: usize, worker: Worker) {
    if after.from.left.kills == 0 || worker.at == At::HasHead {
        return;
    }
    let mut to = at(&after.from, n, Worker::IDLE);
    to.left.kills -= 1;
    if is_in_flight(&worker) && !after.run.holds {
        to.spare_row(worker.row.into());
    }
    after.add(("killed, row", worker.row), to);
    if worker.at == At::Handed {
        tear(after, &mut to);
        after.add(("killed in the write of the answer, row", worker.row), to);
    }
}

/// Whether its row was handed over, and nothing tells what came of it.
pub fn is_in_flight(worker: &Worker) -> bool {
    matches!(worker.at, At::Handed | At::Stuck) && worker.word.is_some()
}

fn step(after: &mut After<'_>, n: usize, worker: Worker) {
    let (from, rules) = (after.from, after.run.rules);
    let to = |next| at(&from, n, Worker { at: next, ..worker });
    match worker.at {
        At::Idle => {}
        At::HasHead => {
            if after.log_is_locked() {
                after.add(("the log is busy", worker.head), at(&from, n, Worker::IDLE));
            } else if rules.looks_again && head_of(&from, &worker).noted().is_none() {
                after.add(("the head is gone", worker.head), at(&from, n, Worker::IDLE));
            } else {
                after.add(("locks log", worker.head), to(At::Replays));
            }
        }
        At::Replays => {
            let noted = head_of(&from, &worker).noted().unwrap_or(0);
            if after.seen.end < noted {
                after.harm = Some("rows are held for a short log that nothing has damaged");
            }
            let stale = rules.rewrites && from.may_be_lost(noted);
            after.add(("replays", n as u8), at(&from, n, Worker { at: At::Settles, stale, ..worker }));
        }
        At::Settles => match after.seen.rows.iter().position(|row| row.in_flight) {
            Some(row) if after.run.holds => {
                let mut held = from;
                write(after, &mut held, Says::Held(row as u8));
                after.add(("holds row", row as u8), held);
            }
            Some(_) | None => after.add(("goes on", n as u8), to(At::Picks)),
        },
        At::Picks => picks(after, n, worker),
        At::SyncsBegun if !rules.syncs_begun => after.add(("does not sync, row", worker.row), to(At::Begun)),
        At::SyncsBegun => syncs(after, n, worker, At::Begun, Then::HandsOver),
        At::Begun => hands_over(after, n, worker),
        At::Handed => answers(after, n, worker),
        At::Stuck => {
            let mut ended = at(&from, n, Worker::IDLE);
            if is_in_flight(&worker) && !after.run.holds {
                ended.spare_row(worker.row.into());
            }
            after.add(("the run ends", n as u8), ended);
        }
        At::Syncs => {
            let has_open = (0..2).any(|row| after.is_open(row));
            if !has_open && after.run.late {
                let mut waits = at(&from, n, Worker { at: At::Waits, stale: false, ..worker });
                write_again(&mut waits, &worker);
                after.add(("waits for a sync", worker.head), waits);
            } else if rules.syncs_before_move {
                syncs(after, n, worker, At::Moves, Then::Moves);
            } else {
                after.add(("does not sync", worker.head), to(At::Moves));
            }
        }
        At::Rewrites => rewrites(after, n, worker),
        At::Waits => {
            if worker.synced || !rules.syncs_before_move {
                let mut gone = at(&from, n, Worker::IDLE);
                gone.heads[usize::from(worker.head)].set(Head::None);
                after.add(("unlinks finished head", worker.head), gone);
            } else if worker.stale {
                let mut again = at(&from, n, Worker { stale: false, ..worker });
                write_again(&mut again, &worker);
                after.add(("writes again, and waits", worker.head), again);
            }
        }
        At::Moves => moves(after, n, worker),
    }
}

fn head_of(state: &State, worker: &Worker) -> Head {
    state.heads[usize::from(worker.head)].newest()
}

fn picks(after: &mut After<'_>, n: usize, worker: Worker) {
    let (from, run) = (after.from, after.run);
    if after.is_wanted() {
        let mut gone = at(&from, n, Worker::IDLE);
        if !run.rules.notes_synced && head_of(&from, &worker) != Head::None {
            gone.heads[usize::from(worker.head)].set(Head::Noting(after.seen.end));
        }
        after.add(("lets go", worker.head), gone);
        return;
    }
    let due = (0..2).find(|&row| after.is_due(row)).filter(|_| from.job.newest() == Place::Jobs);
    let Some(row) = due else {
        return after.add(("nothing is due", worker.head), at(&from, n, Worker { at: At::Syncs, ..worker }));
    };
    let mut begun = at(&from, n, begins(after, worker, row));
    write(after, &mut begun, Says::Begun(row as u8));
    is_begun(&mut begun, row);
    after.add(("begins row", row as u8), begun);
    if from.left.faults > 0 {
        let mut failed = at(&from, n, Worker::IDLE);
        failed.left.faults -= 1;
        tear(after, &mut failed);
        after.add(("cannot write that it begins row", row as u8), failed);
    }
}

fn begins(after: &After<'_>, worker: Worker, row: usize) -> Worker {
    let next = if after.run.holds { At::SyncsBegun } else { At::Begun };
    Worker { at: next, row: row as u8, word: None, ..worker }
}

/// A row that was requeued is on its way.
fn is_begun(state: &mut State, row: usize) {
    if state.acked[row] == Some(Command::Requeue) {
        state.acked[row] = None;
    }
}

fn hands_over(after: &mut After<'_>, n: usize, worker: Worker) {
    let (from, row) = (after.from, usize::from(worker.row));
    let is_moved = from.job.newest() != Place::Jobs;
    if after.is_wanted() || is_moved {
        let mut back = at(&from, n, Worker { at: At::Picks, ..worker });
        write(after, &mut back, Says::TakenBack(worker.row));
        after.add(("takes back row", worker.row), back);
    }
    if is_moved && after.run.rules.looks_at_job {
        return;
    }
    let is_other = |(m, other): (usize, &Worker)| m != n && other.at == At::Handed && other.row == worker.row;
    after.harm = after.harm.or(match (from.acked[row], from.job_acked) {
        (Some(Command::Remove | Command::Hold), _) => Some("a row that was removed or held is handed over"),
        (_, Some(Command::Pause | Command::Cancel)) => Some("a row of a paused or cancelled job is handed over"),
        _ if from.workers.iter().enumerate().any(is_other) => Some("two workers hand one row over"),
        _ if due(after.run, &after.seen, row) > u8::from(from.later) => Some("a row is handed over before its time"),
        _ => None,
    });
    for &word in after.run.words {
        if word != Word::Delivered && after.seen.rows[row].tried {
            continue;
        }
        let mut handed = at(&from, n, Worker { at: At::Handed, word: Some(word), ..worker });
        handed.sent[row] += u8::from(word == Word::Delivered);
        after.add((hands(word), worker.row), handed);
    }
}

fn hands(word: Word) -> &'static str {
    match word {
        Word::Delivered => "hands over, and it is delivered: row",
        Word::Deferred => "hands over, and it is deferred: row",
        Word::Failed => "hands over, and it fails: row",
    }
}

fn answers(after: &mut After<'_>, n: usize, worker: Worker) {
    let from = after.from;
    let (row, word) = (worker.row, worker.word.unwrap_or(Word::Delivered));
    let mut answered = at(&from, n, Worker { at: At::Picks, word: None, ..worker });
    answered.unsynced[usize::from(row)] = true;
    let mut alone = answered;
    write(after, &mut alone, Says::Answer(row, word, None));
    after.add(("answers row", row), alone);
    let may_begin = !after.is_wanted() && from.job.newest() == Place::Jobs;
    let next = (0..2).find(|&next| next != usize::from(row) && after.is_due(next)).filter(|_| may_begin);
    if let Some(next) = next {
        answered.workers[n] = begins(after, worker, next);
        write(after, &mut answered, Says::Answer(row, word, Some(next as u8)));
        is_begun(&mut answered, next);
        after.add(("begins another, and answers row", row), answered);
    }
    if from.left.faults > 0 {
        let mut stuck = at(&from, n, Worker { at: At::Stuck, ..worker });
        stuck.left.faults -= 1;
        tear(after, &mut stuck);
        after.add(("cannot answer, and is stuck: row", row), stuck);
    }
}

fn syncs(after: &mut After<'_>, n: usize, worker: Worker, next: At, then: Then) {
    let mut synced = at(&after.from, n, Worker { at: next, stale: false, ..worker });
    write_again(&mut synced, &worker);
    if after.from.left.faults > 0 {
        let stale = after.run.rules.rewrites_after_own;
        let mut failed = synced;
        failed.workers[n] = Worker { at: At::Rewrites, then, stale, ..worker };
        failed.fail_sync();
        failed.left.faults -= 1;
        after.add(("cannot sync", n as u8), failed);
    }
    synced.sync();
    after.add(("syncs", n as u8), synced);
}

fn rewrites(after: &mut After<'_>, n: usize, worker: Worker) {
    let next = match worker.then {
        Then::Moves => At::Moves,
        Then::HandsOver => At::Begun,
    };
    let mut synced = at(&after.from, n, Worker { at: next, stale: false, then: Then::Moves, ..worker });
    write_again(&mut synced, &worker);
    let mut stuck = synced;
    stuck.workers[n] = Worker { at: At::Stuck, word: None, stale: false, then: Then::Moves, ..worker };
    stuck.fail_sync();
    after.add(("cannot sync again, and is stuck", n as u8), stuck);
    synced.sync();
    after.add(("syncs what it wrote again", n as u8), synced);
}

/// Writes again what may not be on disk, if it must.
fn write_again(state: &mut State, worker: &Worker) {
    if worker.stale {
        state.rewrite(head_of(state, worker).noted().unwrap_or(0));
    }
}

fn moves(after: &mut After<'_>, n: usize, worker: Worker) {
    let mut to = at(&after.from, n, Worker::IDLE);
    let (end, head) = (after.seen.end, usize::from(worker.head));
    if to.heads[head].newest() == Head::None {
        return after.add(("its head was moved", worker.head), to);
    }
    let time = |row: usize| if after.seen.rows[row].with_head { head } else { after.seen.rows[row].later.into() };
    let first = (0..2).filter(|&row| after.is_open(row)).map(time).min();
    match first {
        Some(due) => {
            to.heads[head].set(if due == head { Head::Noting(end) } else { Head::None });
            to.heads[due].set(Head::Noting(end));
            after.add(("names head", due as u8), to);
        }
        None => {
            to.heads[head].set(Head::None);
            after.add(("unlinks head", worker.head), to);
        }
    }
}

/// Writes a record at the log's end, with a claim before it if there was a power cut since the last.
pub fn write(after: &mut After<'_>, state: &mut State, says: Says) {
    let (mut end, mut last) = (after.seen.end, after.seen.last);
    let claim = after.run.rules.random && after.seen.claim != state.epoch;
    for says in claim.then_some(Says::Claimed(state.epoch)).into_iter().chain([says]) {
        last = after.tape.write(last, says);
        place(state, end, last);
        end += 1;
    }
}

/// Leaves half a record at the log's end.
fn tear(after: &After<'_>, state: &mut State) {
    place(state, after.seen.end, TORN);
}

fn place(state: &mut State, at: u8, record: u16) {
    let at = usize::from(at);
    assert!(at < SLOTS, "a log is longer than the model has room for");
    while usize::from(state.len) <= at {
        state.slots[usize::from(state.len)] = super::state::Slot { kept: Kept::of(NOTHING), dirty: false };
        state.len += 1;
    }
    state.slots[at].kept.set(record);
    state.slots[at].dirty = true;
}

/// Whether a command applies to a row that stands so.
pub fn applies(command: Command, standing: Standing) -> bool {
    match command {
        Command::Requeue => matches!(standing, Standing::Failed | Standing::Held | Standing::Removed),
        Command::Remove | Command::Hold => standing == Standing::Open,
        Command::Pause | Command::Resume | Command::Cancel => false,
    }
}
