//! A command's steps: a person holds, removes or requeues a row, or pauses, lets go on or cancels the job.

use super::after::After;
use super::state::{Admin, Command, Head, Kept, Place, State, Step};
use super::tape::Says;
use super::worker::{applies, write};

pub fn steps(after: &mut After<'_>) {
    let from = after.from;
    match from.admin {
        None if from.left.commands > 0 => {
            for &command in after.run.commands {
                let mut to = from;
                let step = if command.is_of_job() { Step::MovesJob } else { Step::Tries };
                to.admin = Some(Admin { step, command, row: 0, stale: false });
                to.left.commands -= 1;
                after.add((name(command), 0), to);
            }
        }
        None => {}
        Some(admin) => {
            if from.left.kills > 0 {
                let mut to = from;
                (to.admin, to.left.kills) = (None, to.left.kills - 1);
                after.add(("the command is killed", admin.row), to);
            }
            step(after, admin);
        }
    }
}

fn name(command: Command) -> &'static str {
    match command {
        Command::Remove => "remove begins, row",
        Command::Hold => "hold begins, row",
        Command::Requeue => "requeue begins, row",
        Command::Pause => "pause begins",
        Command::Resume => "resume begins",
        Command::Cancel => "cancel begins",
    }
}

fn step(after: &mut After<'_>, admin: Admin) {
    let (from, rules) = (after.from, after.run.rules);
    let to = |step| State { admin: Some(Admin { step, ..admin }), ..from };
    let row = usize::from(admin.row);
    match admin.step {
        Step::Tries if after.log_is_locked() => {
            if !from.want {
                after.add(("leaves want/ and wakes", 0), State { want: true, ..from });
            }
        }
        Step::Tries if !rules.locks_first && admin.command == Command::Requeue => {
            let mut made = to(Step::Published);
            publish(&mut made, rules.fills_head);
            made.heads.iter_mut().for_each(Kept::settle);
            after.add(("publishes a head without the lock", 0), made);
        }
        Step::Tries => after.add(("locks log", admin.row), to(Step::HasLog)),
        Step::Published if after.log_is_locked() => {}
        Step::Published => after.add(("locks log", admin.row), to(Step::Writes)),
        Step::HasLog => {
            let is_cancelled = from.job.newest() == Place::Cancelled;
            if is_cancelled || !applies(admin.command, after.seen.rows[row].standing) {
                return after.add(("does not apply", admin.row), over(&from));
            }
            let noted = from.heads.iter().filter_map(|head| head.newest().noted()).next();
            let stale = rules.rewrites && from.may_be_lost(noted.unwrap_or(0));
            let publishes = admin.command == Command::Requeue && rules.head_first;
            let keeps = rules.keeps_times && from.heads[0].newest() == Head::None && waits_with_head(after, admin);
            let step = match publishes {
                true if keeps => Step::Keeps,
                true => Step::Publishes,
                false => Step::Writes,
            };
            after.add(("reads the log", admin.row), State { admin: Some(Admin { step, stale, ..admin }), ..from });
        }
        Step::Keeps => {
            let mut written = to(Step::SyncsKept);
            write(after, &mut written, Says::Waits(1 - admin.row));
            after.add(("writes the time of row", 1 - admin.row), written);
        }
        Step::SyncsKept => syncs(after, admin, Step::Publishes),
        Step::Publishes => {
            let mut made = to(if rules.head_first { Step::Writes } else { Step::Looks });
            if made.job.newest() == Place::Done {
                made.job = Kept::of(Place::Jobs);
            }
            publish(&mut made, rules.fills_head);
            if rules.command_syncs {
                made.heads.iter_mut().for_each(Kept::settle);
            }
            after.add(("publishes or renames the head", 0), made);
        }
        Step::Writes => {
            let says = match admin.command {
                Command::Remove => Says::Removed(admin.row),
                Command::Hold => Says::Held(admin.row),
                Command::Requeue if applies(admin.command, after.seen.rows[row].standing) => Says::Reopened(admin.row),
                Command::Requeue | Command::Pause | Command::Resume | Command::Cancel => {
                    return after.add(("does not apply", admin.row), over(&from));
                }
            };
            let mut written = to(Step::Syncs);
            write(after, &mut written, says);
            written.acked[row] = None;
            written.spare[row] += u8::from(admin.command == Command::Requeue);
            after.add(("writes its record, row", admin.row), written);
        }
        Step::Syncs => {
            let late = admin.command == Command::Requeue && !rules.head_first;
            syncs(after, admin, if late { Step::Publishes } else { Step::Looks });
        }
        Step::Looks => {
            let mut ends = over(&from);
            if ends.job.newest() == Place::Done && rules.brings_back {
                ends.job = Kept::of(Place::Jobs);
            }
            ends.acked[row] = Some(admin.command);
            after.add(("exits with 0", admin.row), ends);
        }
        Step::MovesJob => moves_job(after, admin),
        Step::SyncsJob => {
            let mut ends = over(&from);
            if rules.job_command_syncs {
                ends.job.settle();
            }
            ends.job_acked = Some(admin.command);
            after.add(("exits with 0", 0), ends);
        }
    }
}

/// The command is over; what it left in `want/` is gone.
fn over(from: &State) -> State {
    State { admin: None, want: false, ..*from }
}

/// Makes the head that is due now, or renames the one that is due later.
fn publish(state: &mut State, fills: bool) {
    state.made |= state.ending;
    if state.heads[0].newest() == Head::None {
        let later = state.heads[1].newest();
        state.heads[0].set(match later {
            Head::None | Head::Empty => new_head(fills),
            Head::Noting(_) | Head::Hollow(_) => later,
        });
        state.heads[1].set(Head::None);
    }
}

/// A head that notes nothing: its next claim writes all of the log again.
pub fn new_head(fills: bool) -> Head {
    if fills { Head::Noting(0) } else { Head::Hollow(0) }
}

/// Whether the other row waits for the head's time.
fn waits_with_head(after: &After<'_>, admin: Admin) -> bool {
    let other = usize::from(1 - admin.row);
    let row = &after.seen.rows[other];
    after.run.timed && after.is_open(other) && row.with_head && !row.in_flight
}

fn syncs(after: &mut After<'_>, admin: Admin, next: Step) {
    let (from, rules) = (after.from, after.run.rules);
    let mut synced = State { admin: Some(Admin { step: next, stale: false, ..admin }), ..from };
    if !rules.command_syncs {
        return after.add(("does not sync", admin.row), synced);
    }
    if admin.stale {
        synced.rewrite(from.heads.iter().filter_map(|head| head.newest().noted()).next().unwrap_or(0));
    }
    if from.left.faults > 0 {
        let mut failed = synced;
        (failed.admin, failed.want) = (None, false);
        failed.left.faults -= 1;
        failed.fail_sync();
        after.add(("cannot sync, and exits with 74", admin.row), failed);
    }
    synced.sync();
    after.add(("syncs the log", admin.row), synced);
}

fn moves_job(after: &mut After<'_>, admin: Admin) {
    let from = after.from;
    let place = match (admin.command, from.job.newest()) {
        (Command::Pause, Place::Jobs) => Place::Paused,
        (Command::Resume, Place::Paused) => Place::Jobs,
        (Command::Cancel, Place::Jobs | Place::Paused) => Place::Cancelled,
        _ => return after.add(("does not apply", 0), over(&from)),
    };
    let mut moved = State { admin: Some(Admin { step: Step::SyncsJob, ..admin }), job_acked: None, ..from };
    moved.job.set(place);
    after.add(("moves the job", 0), moved);
}
