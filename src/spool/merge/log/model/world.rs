//! What happens beside workers and commands: time, syncs of the file system, power cuts, the end of the job.

use super::super::replay::Standing;
use super::admin::new_head;
use super::after::{After, due};
use super::rules::Run;
use super::state::{At, Head, Kept, Place, SLOTS, Slot, State, Worker};
use super::tape::{FIRST, NOTHING};
use super::worker::is_in_flight;

/// A published job: its log has the first record, and one head is due.
pub fn beginning(run: &Run) -> State {
    let page = |record| Slot { kept: Kept::of(record), dirty: false };
    let mut slots = [page(NOTHING); SLOTS];
    slots[0] = page(FIRST);
    State {
        slots,
        len: 1,
        heads: match run.timed {
            false => [Kept::of(Head::Noting(1)), Kept::of(Head::None)],
            true => [Kept::of(Head::None), Kept::of(Head::Noting(1))],
        },
        job: Kept::of(Place::Jobs),
        ending: false,
        made: false,
        later: false,
        epoch: 0,
        want: false,
        workers: [Worker::IDLE; 2],
        admin: None,
        sent: [0; 2],
        spare: [0; 2],
        acked: [None; 2],
        job_acked: None,
        unsynced: [false; 2],
        left: run.budget,
    }
}

pub fn steps(after: &mut After<'_>) {
    let from = after.from;
    let waits = |state: &State| state.heads[1].newest() != Head::None;
    if !from.later && (waits(&from) || after.seen.rows.iter().any(|row| row.later)) {
        after.add(("time passes", 0), State { later: true, ..from });
    }
    syncs(after);
    ends(after);
    if from.left.cuts > 0 {
        cuts(after);
    }
}

fn syncs(after: &mut After<'_>) {
    let from = after.from;
    let names_wait = from.heads.iter().any(|head| !head.is_settled() || matches!(head.newest(), Head::Hollow(_)));
    let worker_waits = from.workers.iter().any(|worker| worker.at == At::Waits && !worker.synced);
    let dirty = from.pages().iter().any(|slot| slot.dirty && !slot.kept.is_settled());
    if !names_wait && !worker_waits && !dirty && from.job.is_settled() {
        return;
    }
    let mut synced = from;
    synced.sync();
    synced.job.settle();
    for head in &mut synced.heads {
        let newest = head.newest();
        *head = Kept::of(newest.noted().map_or(newest, Head::Noting));
    }
    for worker in synced.workers.iter_mut().filter(|worker| worker.at == At::Waits && !worker.stale) {
        worker.synced = true;
    }
    after.add(("the file system is synced", 0), synced);
    if from.left.syncfs > 0 && dirty {
        let mut failed = from;
        failed.fail_sync();
        failed.left.syncfs -= 1;
        if after.run.rules.rewrites_after_syncfs {
            let waits_with_locks = after.run.rules.waits_with_locks;
            for worker in failed.workers.iter_mut().filter(|worker| worker.has_log(waits_with_locks)) {
                worker.stale = true;
            }
            if let Some(admin) = failed.admin.as_mut().filter(|admin| admin.has_log()) {
                admin.stale = true;
            }
        }
        after.add(("the file system cannot be synced", 0), failed);
    }
}

/// The job's end: somebody sees that nothing is left, syncs, and moves the folder.
fn ends(after: &mut After<'_>) {
    let (from, rules) = (after.from, after.run.rules);
    let is_in_done = from.job.newest() == Place::Done;
    if is_in_done && from.made && rules.brings_back {
        let mut back = State { made: false, ..from };
        back.job = Kept::of(Place::Jobs);
        after.add(("brings the job back", 0), back);
    }
    if from.ending {
        let mut ended = State { ending: false, ..from };
        if from.job.newest() == Place::Jobs {
            ended.job.set(Place::Done);
        }
        return after.add(("moves the job to done/", 0), ended);
    }
    if from.job.newest() != Place::Jobs || from.has_head() || after.log_is_locked() {
        return;
    }
    let first = (0..2).filter(|&row| after.is_open(row)).map(|row| due(after.run, &after.seen, row)).min();
    if let Some(first) = first.filter(|_| rules.reads_all_logs) {
        let mut made = from;
        made.heads[usize::from(first)].set(new_head(rules.fills_head));
        return after.add(("makes a head for an open row", 0), made);
    }
    let is_held = after.seen.rows.iter().any(|row| row.standing == Standing::Held);
    if is_held && rules.held_keeps_job {
        return;
    }
    let mut ending = State { ending: true, made: false, ..from };
    ending.rewrite(0);
    ending.sync();
    after.add(("sees that nothing is left in the job", 0), ending);
}

/// The power is cut: of each page and name any version is left that may be on disk.
fn cuts(after: &mut After<'_>) {
    let mut to = after.from;
    for row in 0..2 {
        let in_flight = to.workers.iter().any(|worker| is_in_flight(worker) && usize::from(worker.row) == row);
        if (to.unsynced[row] || in_flight) && !after.run.holds {
            to.spare_row(row);
        }
    }
    to.left.cuts -= 1;
    to.epoch += 1;
    (to.workers, to.admin, to.ending, to.unsynced) = ([Worker::IDLE; 2], None, false, [false; 2]);
    let mut left = vec![to];
    for n in 0..usize::from(to.len) {
        choose(
            &mut left,
            |state| state.slots[n].kept.each().collect(),
            |state, page| {
                state.slots[n] = Slot { kept: Kept::of(page), dirty: false };
            },
        );
    }
    for n in 0..2 {
        choose(
            &mut left,
            |state| state.heads[n].each().flat_map(after_cut).collect(),
            |state, head| {
                state.heads[n] = Kept::of(head);
            },
        );
    }
    choose(&mut left, |state| state.job.each().collect(), |state, place| state.job = Kept::of(place));
    for mut state in left {
        // A page without anything behind all others is as good as none.
        while state.len > 0 && state.slots[usize::from(state.len) - 1].kept.newest() == NOTHING {
            state.len -= 1;
        }
        after.add(("POWER CUT", state.len), state);
    }
}

fn after_cut(head: Head) -> Vec<Head> {
    match head {
        Head::Hollow(len) => vec![Head::Noting(len), Head::Empty],
        Head::None | Head::Noting(_) | Head::Empty => vec![head],
    }
}

fn choose<T>(left: &mut Vec<State>, all: impl Fn(&State) -> Vec<T>, put: impl Fn(&mut State, T)) {
    let before = std::mem::take(left);
    for state in before {
        for one in all(&state) {
            let mut chosen = state;
            put(&mut chosen, one);
            left.push(chosen);
        }
    }
}
