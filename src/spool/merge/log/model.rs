//! The rules of the log, tried out: an entry of two rows, one or two workers, a person's command, kills, power cuts that keep
//! any of what was not synced, writes and syncs that fail. All states that can be reached are looked at, and in none is a row
//! lost, sent more often than it may be, or an acknowledged command undone. Each rule but one does harm when it is left out, and
//! the model finds it.
//!
//! Records are real ones, written and read by the real code; each has a page of its own ([`tape`]). The model has one command
//! at a time, and no disk that damages what was synced. `tests` has records that share a page, and room for answers.
//!
//! A row may be repeated after a kill or a stuck claim that had it in flight; after a power cut if it was in flight, or answered
//! since the last sync; and when a person requeues it. With `on_crash = "hold"` only the last. After a pause was acknowledged a
//! row is handed over only if its worker had looked before.

mod admin;
mod after;
mod explore;
mod harm;
mod rules;
mod state;
mod tape;
mod worker;
mod world;

use explore::explore;
use rules::{ALL, CALM, Rules, Run};
use state::Budget;
use state::Command::{self, Cancel, Hold, Pause, Remove, Requeue, Resume};
use state::Word::{self, Deferred, Delivered, Failed};

const fn budget(kills: u8, cuts: u8, faults: u8, syncfs: u8, commands: u8) -> Budget {
    Budget { kills, cuts, faults, syncfs, commands }
}

fn run(words: &'static [Word], commands: &'static [Command], budget: Budget) -> Run {
    Run { words, commands, budget, ..CALM }
}

fn holds(run: &Run) {
    let found = explore(run);
    if let Some((harm, story)) = found.harm {
        panic!("{harm}: {story:#?}");
    }
    assert!(found.states > 1_000, "{} states are too few to tell anything", found.states);
}

#[test]
fn kills_and_power_cuts() {
    holds(&run(&[Delivered], &[], budget(1, 1, 0, 0, 0)));
    holds(&run(&[Delivered], &[], budget(0, 2, 0, 0, 0)));
}

#[test]
fn writes_and_syncs_that_fail() {
    holds(&run(&[Delivered], &[], budget(1, 1, 1, 0, 0)));
}

#[test]
fn syncs_of_the_file_system_that_fail() {
    holds(&run(&[Delivered], &[], budget(1, 1, 0, 1, 0)));
    holds(&Run { late: true, ..run(&[Delivered], &[], budget(1, 1, 0, 1, 0)) });
}

#[test]
fn finished_heads_that_wait() {
    holds(&Run { late: true, ..run(&[Delivered], &[], budget(1, 1, 0, 0, 0)) });
    holds(&Run { late: true, ..run(&[Failed], &[Requeue], budget(0, 1, 0, 0, 1)) });
}

#[test]
fn removing_and_holding() {
    holds(&run(&[Delivered], &[Remove, Hold], budget(0, 1, 0, 0, 1)));
}

#[test]
fn requeueing_makes_heads() {
    holds(&run(&[Failed], &[Requeue], budget(0, 1, 0, 0, 1)));
    holds(&run(&[Failed], &[Requeue], budget(2, 0, 0, 0, 1)));
    holds(&run(&[Deferred, Failed], &[Requeue], budget(0, 0, 0, 0, 1)));
}

#[test]
fn rows_that_wait_for_the_time_of_their_job() {
    let timed = |run| Run { timed: true, ..run };
    holds(&timed(run(&[Delivered], &[Hold, Requeue], budget(1, 0, 0, 0, 2))));
    holds(&timed(run(&[Delivered], &[Hold, Requeue], budget(0, 1, 0, 0, 2))));
    holds(&timed(run(&[Delivered, Deferred], &[Hold, Requeue], budget(0, 0, 1, 0, 2))));
}

#[test]
fn pausing_and_cancelling() {
    holds(&run(&[Delivered], &[Pause, Cancel], budget(1, 1, 0, 0, 1)));
    holds(&run(&[Delivered], &[Pause, Resume, Cancel], budget(0, 1, 0, 0, 2)));
    holds(&run(&[Failed], &[Pause, Requeue, Cancel], budget(1, 0, 0, 0, 2)));
}

#[test]
fn holding_after_a_crash() {
    let hold = Run { holds: true, ..CALM };
    holds(&Run { budget: budget(1, 1, 0, 0, 1), words: &[Delivered], commands: &[Remove, Requeue], ..hold });
    holds(&Run { budget: budget(1, 1, 0, 0, 0), words: &[Delivered, Deferred], ..hold });
}

#[test]
fn two_workers() {
    let two = Run { workers: 2, ..CALM };
    // A head is renamed while one has it, so that the other may have it by its new name.
    holds(&Run { words: &[Deferred, Failed], commands: &[Requeue], budget: budget(1, 0, 0, 0, 1), ..two });
    holds(&Run { words: &[Delivered, Deferred], commands: &[Remove], budget: budget(1, 0, 0, 0, 1), ..two });
}

#[test]
#[ignore = "takes minutes"]
fn more_at_once() {
    holds(&run(&[Delivered], &[Pause, Resume, Cancel], budget(1, 1, 0, 0, 2)));
    holds(&run(&[Failed], &[Pause, Requeue, Resume], budget(0, 1, 0, 0, 2)));
    holds(&run(&[Delivered, Deferred], &[], budget(0, 1, 0, 1, 0)));
    holds(&Run { workers: 2, ..run(&[Deferred, Failed], &[Requeue], budget(0, 1, 0, 0, 1)) });
}

/// What each rule prevents, in a run that shows it.
#[test]
fn each_rule_is_needed() {
    let delivers = |budget| run(&[Delivered], &[], budget);
    let defers = |budget| run(&[Delivered, Deferred], &[], budget);
    let requeues = |budget| run(&[Failed], &[Requeue], budget);
    let acts = |commands, budget| run(&[Delivered], commands, budget);
    let late = |run| Run { late: true, ..run };
    let hold = |run| Run { holds: true, ..run };
    let [lost, undone] = ["an open row has no head", "an acknowledged command is undone"];
    let [late_head, short] = ["a head is later than a row is due", "rows are held for a short log"];
    let [repeated, done] = ["a row is sent more often", "a job with an open or held row is in done/"];
    let cases: [(&str, Rules, Run); 22] = [
        (undone, Rules { chained: false, ..ALL }, acts(&[Hold, Requeue], budget(1, 1, 0, 0, 3))),
        (undone, Rules { random: false, ..ALL }, acts(&[Hold, Requeue], budget(1, 1, 0, 0, 3))),
        (late_head, Rules { rewrites: false, ..ALL }, defers(budget(0, 1, 1, 0, 0))),
        (late_head, Rules { rewrites_after_own: false, ..ALL }, defers(budget(0, 1, 1, 0, 0))),
        (late_head, Rules { rewrites_after_syncfs: false, ..ALL }, defers(budget(0, 1, 0, 1, 0))),
        (late_head, Rules { rewrites_after_syncfs: false, ..ALL }, late(defers(budget(0, 1, 0, 1, 0)))),
        (late_head, Rules { syncs_before_move: false, ..ALL }, defers(budget(0, 1, 0, 0, 0))),
        (short, Rules { notes_synced: false, ..ALL }, acts(&[Hold], budget(0, 1, 0, 0, 1))),
        (lost, Rules { waits_with_locks: false, ..ALL }, late(requeues(budget(0, 0, 0, 0, 1)))),
        (repeated, Rules { syncs_begun: false, ..ALL }, hold(delivers(budget(0, 1, 0, 0, 0)))),
        ("paused or cancelled", Rules { looks_at_job: false, ..ALL }, acts(&[Pause], budget(0, 0, 0, 0, 1))),
        ("paused or cancelled", Rules { looks_at_job: false, ..ALL }, acts(&[Cancel], budget(0, 0, 0, 0, 1))),
        ("keeps workers away", Rules { want_is_lock: false, ..ALL }, acts(&[Remove], budget(1, 0, 0, 0, 1))),
        (lost, Rules { locks_first: false, ..ALL }, requeues(budget(0, 0, 0, 0, 1))),
        (lost, Rules { head_first: false, ..ALL }, requeues(budget(1, 0, 0, 0, 1))),
        (
            "before its time",
            Rules { keeps_times: false, ..ALL },
            Run { timed: true, ..acts(&[Hold, Requeue], budget(0, 0, 0, 0, 2)) },
        ),
        ("a head has lost", Rules { fills_head: false, ..ALL }, requeues(budget(0, 1, 0, 0, 1))),
        (undone, Rules { command_syncs: false, ..ALL }, acts(&[Remove], budget(0, 1, 0, 0, 1))),
        ("pause or cancel is undone", Rules { job_command_syncs: false, ..ALL }, acts(&[Pause], budget(0, 1, 0, 0, 1))),
        (lost, Rules { reads_all_logs: false, ..ALL }, defers(budget(0, 1, 0, 0, 0))),
        (done, Rules { held_keeps_job: false, ..ALL }, acts(&[Hold], budget(0, 0, 0, 0, 1))),
        (done, Rules { brings_back: false, ..ALL }, requeues(budget(0, 0, 0, 0, 1))),
    ];
    for (expected, rules, run) in cases {
        let found = explore(&Run { rules, ..run });
        let (harm, story) = found.harm.unwrap_or_else(|| panic!("no harm in {} states with {rules:?}", found.states));
        assert!(harm.contains(expected), "{harm} with {rules:?}: {story:#?}");
    }
}

/// The log's lock alone keeps two workers apart: a worker at a head that has gone finds nothing to do in the log.
#[test]
fn looking_at_the_head_again_only_saves_work() {
    let rules = Rules { looks_again: false, ..ALL };
    let two = Run { rules, workers: 2, ..CALM };
    holds(&Run { words: &[Deferred, Failed], commands: &[Requeue], budget: budget(1, 0, 0, 0, 1), ..two });
}
