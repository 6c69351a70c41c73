//! Each system call that changes or syncs the spool fails once, for want of room and by a fault of the disk, and kills once,
//! in what a person does with entries and jobs, in the adoption of mail from `drop/`, in deliveries, and in mail that comes
//! in by LMTP.
//!
//! Whatever happened: the same command again finishes it, the spool is in order, and every recipient is accounted for:
//! delivered, once, or failed with one notice, or removed as asked. Only the one hand-over that a killed worker had in flight
//! may come again. A failure has a status of sysexits and its reason in a line. Other queues are as they were.
//!
//! A sample runs with the other tests; `make slow WHAT=faults` plays every call of every command. A failure names its fault,
//! and with that in the environment (`FAULT=unlinkat:2:signal=KILL cargo test --test faults -- --ignored remove`) it is played
//! alone. Skipped, with a line, where strace is missing or may not trace.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

mod account;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod sweep;

use std::collections::BTreeSet;

use scene::{Act, Template};
use support::trace::may_trace;
use sweep::{Fault, Pick, Played, play};

/// Each kind of call meets each fault, in one command after another of those that make it; each command has every kind once at
/// least.
#[test]
fn a_call_of_each_kind_fails_in_each_way() {
    if !may_trace("a_call_of_each_kind_fails_in_each_way") {
        return;
    }
    let mut acts: Vec<_> = (Act::ALL.into_iter())
        .map(|act| {
            let template = Template::new(act);
            let calls = template.calls();
            (template, calls, Vec::<Pick>::new())
        })
        .collect();
    let kinds: BTreeSet<String> = acts.iter().flat_map(|(_, calls, _)| calls.keys().cloned()).collect();
    assert!(kinds.len() >= 8, "{kinds:?}");
    for (at, kind) in kinds.iter().enumerate() {
        let making: Vec<usize> = (0..acts.len()).filter(|&act| acts[act].1.contains_key(kind)).collect();
        for turn in 0..making.len().max(Fault::ALL.len()) {
            let (_, calls, picks) = &mut acts[making[turn % making.len()]];
            let (numbers, fault) = (&calls[kind], Fault::ALL[turn % Fault::ALL.len()]);
            picks.push(Pick { kind: kind.clone(), number: numbers[(turn * 5 + at) % numbers.len()], fault });
        }
    }
    let count: usize = acts.iter().map(|(_, _, picks)| picks.len()).sum();
    let played: Vec<Played> = acts.iter().map(|(template, _, picks)| play(template, picks)).collect();
    let faults: Vec<String> = played.iter().flat_map(|played| played.faults.clone()).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let missed: usize = played.iter().map(|played| played.missed).sum();
    assert!(missed * 10 < count, "{missed} of {count} were not met");
}

fn sweep(act: Act) {
    if !may_trace(act.name()) {
        return;
    }
    let template = Template::new(act);
    let calls = template.calls();
    let all: Vec<Pick> = (calls.iter())
        .flat_map(|(kind, numbers)| numbers.iter().map(move |&number| (kind, number)))
        .flat_map(|(kind, number)| Fault::ALL.map(|fault| Pick { kind: kind.clone(), number, fault }))
        .collect();
    let picks = Pick::named().map_or(all, |only| vec![only]);
    let played = play(&template, &picks);
    println!("figures: {}: {} faults in {} calls, {} not met", act.name(), picks.len(), picks.len() / 3, played.missed);
    assert!(played.faults.is_empty(), "{}", played.faults.join("\n"));
    assert!(played.missed * 4 < picks.len(), "{}: {} of {} were not met", act.name(), played.missed, picks.len());
}

#[test]
#[ignore = "some minutes: make slow"]
fn hold_meets_each_fault() {
    sweep(Act::Hold);
}

#[test]
#[ignore = "some minutes: make slow"]
fn release_meets_each_fault() {
    sweep(Act::Release);
}

#[test]
#[ignore = "some minutes: make slow"]
fn requeue_meets_each_fault() {
    sweep(Act::Requeue);
}

#[test]
#[ignore = "some minutes: make slow"]
fn remove_meets_each_fault() {
    sweep(Act::Remove);
}

#[test]
#[ignore = "some minutes: make slow"]
fn jobs_pause_meets_each_fault() {
    sweep(Act::Pause);
}

#[test]
#[ignore = "some minutes: make slow"]
fn jobs_resume_meets_each_fault() {
    sweep(Act::Resume);
}

#[test]
#[ignore = "some minutes: make slow"]
fn jobs_cancel_meets_each_fault() {
    sweep(Act::Cancel);
}

#[test]
#[ignore = "some minutes: make slow"]
fn adoption_meets_each_fault() {
    sweep(Act::Adopt);
}

#[test]
#[ignore = "some minutes: make slow"]
fn delivery_by_lmtp_meets_each_fault() {
    sweep(Act::Deliver);
}

#[test]
#[ignore = "some minutes: make slow"]
fn mail_in_by_lmtp_meets_each_fault() {
    sweep(Act::Serve);
}

/// Looking at jobs changes nothing, so nothing of it can be half-done.
#[test]
fn to_look_at_jobs_changes_nothing() {
    if !may_trace("to_look_at_jobs_changes_nothing") {
        return;
    }
    let template = Template::new(Act::Pause);
    let job = template.id("post").to_owned();
    for args in [&["jobs", "list"][..], &["jobs", "show", &job], &["list"], &["status"]] {
        let changes = template.changes_of(args);
        assert!(changes.is_empty(), "{args:?}: {changes:#?}");
    }
}
