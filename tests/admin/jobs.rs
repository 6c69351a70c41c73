//! Jobs: how one is paused, resumed and cancelled, and given another chance; and what kills in its middle leave.

use crate::support::posts::{assert_each_once, delivered, id, lines, post, recipients, shown};
use crate::support::{self, Site};

#[test]
fn what_failed_is_given_another_chance_as_a_whole() {
    let site = Site::new("digits", "workers = 2\njob_recipients = 2\nmax_recipients = 1");
    let text = "a0@x.example\nb67@x.example\nc0@x.example\nd67@y.example\ne75@y.example\n";
    let posted = post(&site, 1, text, &[]);
    site.ok(&["run"]);
    let job = shown(&site, id(&posted));
    assert_eq!((&job["done"], &job["failed"], &job["left"]), (&2.into(), &2.into(), &1.into()), "{job}");
    site.set_sink("ok", "", "30s");
    site.ok(&["requeue", "-y", "--job", id(&posted)]);
    site.ok(&["flush", "-q", "--job", id(&posted)]);
    let job = shown(&site, id(&posted));
    assert_eq!((&job["state"], &job["done"]), (&"done".into(), &5.into()), "{job}");
    assert!(site.deliveries().values().all(|&times| times == 1));
    site.assert_clean();
}

#[test]
fn a_paused_job_hands_nothing_over_until_it_is_resumed_and_a_cancelled_one_never() {
    const WORKERS: usize = 2;
    let site = Site::new("wait=10", "workers = 2\njob_recipients = 10\nmax_recipients = 1");
    let all = recipients(300);
    let posted = post(&site, 1, &lines(&all), &[]);
    let begin = |before: usize| {
        let run = site.start(&["run"]);
        support::wait_until("some are delivered", || delivered(&site) >= before + 20);
        run
    };
    let run = begin(0);
    site.ok(&["jobs", "pause", id(&posted)]);
    let at_pause = delivered(&site);
    support::assert_silent(run);
    let after = delivered(&site);
    // What was in a worker's hand was finished.
    assert!(after <= at_pause + WORKERS && after < all.len(), "{at_pause}, then {after}");
    let job = shown(&site, id(&posted));
    assert_eq!((&job["state"], job["done"].as_u64()), (&"paused".into(), Some(after as u64)), "{job}");
    assert_eq!(job["left"].as_u64(), Some((all.len() - after) as u64), "{job}");
    assert!(site.list().is_empty());
    site.ok(&["run"]);
    assert_eq!(delivered(&site), after);
    site.assert_clean();
    // Resumed while a run is busy with another job, it goes on in that run.
    let other: Vec<String> = (0..100).map(|n| format!("o{n}@other.example")).collect();
    post(&site, 2, &lines(&other), &[]);
    let run = begin(after);
    site.ok(&["jobs", "resume", id(&posted)]);
    support::assert_silent(run);
    assert_each_once(&site, &[all, other].concat());
    assert_eq!(shown(&site, id(&posted))["state"], "done");
    site.assert_clean();

    let more: Vec<String> = (0..300).map(|n| format!("m{n}@more.example")).collect();
    let posted = post(&site, 3, &lines(&more), &[]);
    let run = begin(400);
    let unsure = site.try_run(&["jobs", "cancel", id(&posted)]);
    assert_eq!(unsure.status.code(), Some(64), "{unsure:?}");
    site.ok(&["jobs", "cancel", "--yes", id(&posted)]);
    let at_cancel = delivered(&site);
    support::assert_silent(run);
    let after = delivered(&site);
    assert!(after <= at_cancel + WORKERS && after < 700, "{at_cancel}, then {after}");
    assert_eq!(shown(&site, id(&posted))["state"], "cancelled");
    let again = site.try_run(&["jobs", "resume", id(&posted)]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    site.ok(&["run"]);
    assert_eq!((delivered(&site), site.list().len()), (after, 0));
    assert!(site.deliveries().values().all(|&times| times == 1));
    site.assert_clean();
    let events = site.events();
    let told = events.iter().find(|event| event["verdict"] == "cancelled").expect("an event");
    // What was in hand then was delivered.
    assert!(told["left"].as_u64().is_some_and(|left| left >= 700 - after as u64), "{told}");
}

/// A person who is killed while he moves a job has moved it or not; the workers of a run that goes on lose nothing.
#[cfg(feature = "faults")]
#[test]
fn a_job_that_is_moved_by_one_who_is_killed_lies_in_one_place() {
    use crate::support::crash::{self, Trap};
    for point in crash::points(&["shift."]) {
        for verb in ["pause", "resume", "cancel"] {
            for action in ["kill", "eio"].into_iter().filter(|action| point.fails || *action == "kill") {
                let what = format!("{verb}: {action} at {}", point.name);
                let site = Site::new("ok", "workers = 2\njob_recipients = 2");
                let all = recipients(7);
                let posted = post(&site, 1, &lines(&all), &[]);
                if verb == "resume" {
                    site.ok(&["jobs", "pause", id(&posted)]);
                }
                let trap = Trap::new(&site, &format!("{}={action}", point.name));
                let yes = if verb == "cancel" { &["--yes"][..] } else { &[] };
                let output = trap.run(&site, &[&["jobs", verb, id(&posted)], yes].concat());
                assert!(trap.was_met() && !output.status.success(), "{what}: {output:?}");
                site.assert_clean();
                let state = shown(&site, id(&posted))["state"].clone();
                let moved = point.name != "shift.rename";
                let expected = match (verb, moved) {
                    ("pause", true) | ("resume", false) => "paused",
                    ("cancel", true) => "cancelled",
                    _ => "at work",
                };
                assert_eq!(state, expected, "{what}");
                if state == "paused" {
                    site.ok(&["jobs", "resume", id(&posted)]);
                }
                site.ok(&["run"]);
                match expected {
                    "cancelled" => assert!(site.deliveries().is_empty(), "{what}"),
                    _ => assert_each_once(&site, &all),
                }
            }
        }
    }
}

/// What a worker has in hand when its job is paused is settled where the job lies then, at whatever step it was.
#[cfg(feature = "faults")]
#[test]
fn an_entry_in_hand_is_settled_in_a_job_that_was_paused_meanwhile() {
    use crate::support::crash::{self, Trap};
    for point in ["claim.taken", "worker.handing", "worker.handed", "worker.answered", "settle.unlink", "settle.rename"]
    {
        for state in ["resume", "cancel"] {
            let what = format!("stopped at {point}, {state}");
            let site = Site::new("digits", "workers = 1\njob_recipients = 2\nmax_recipients = 1");
            let posted = post(&site, 1, "a0@x.example\nb0@x.example\nc75@y.example\nd67@z.example\n", &[]);
            let trap = Trap::new(&site, &format!("{point}=stop"));
            let run = trap.set(site.command(&["run"])).spawn().expect("it starts");
            support::wait_until("a worker has come there", || trap.was_met());
            let worker = || support::children(run.id()).into_iter().flat_map(support::children).next();
            site.ok(&["jobs", "pause", id(&posted)]);
            if state == "cancel" {
                site.ok(&["jobs", "cancel", "-y", id(&posted)]);
            }
            support::signal("CONT", worker().expect("a worker"));
            let output = run.wait_with_output().expect("it ends");
            assert!(output.status.success() && output.stderr.is_empty(), "{what}: {output:?}");
            site.assert_clean();
            let before = delivered(&site);
            site.ok(&["run"]);
            assert_eq!(delivered(&site), before, "{what}");
            if state == "resume" {
                site.ok(&["jobs", "resume", id(&posted)]);
                site.ok(&["run"]);
                site.set_sink("ok", "", "30s");
                crash::drain(&site);
                let job = shown(&site, id(&posted));
                assert_eq!((&job["done"], &job["failed"]), (&3.into(), &1.into()), "{what}: {job}");
            }
            assert!(site.deliveries().values().all(|&times| times == 1), "{what}: {:?}", site.deliveries());
            site.assert_clean();
        }
    }
}

/// A command that was killed, or failed, in the middle is given again.
#[test]
fn a_job_may_be_moved_once_more_to_where_it_is() {
    let site = Site::new("ok", "");
    let posted = post(&site, 1, "a@x.example\nb@x.example\n", &[]);
    for (verb, already) in [("pause", "paused"), ("resume", "at work"), ("cancel", "cancelled")] {
        let args = if verb == "cancel" { &["--yes", id(&posted)][..] } else { &[id(&posted)] };
        let args = [&["jobs", verb], args].concat();
        site.ok(&args);
        let events = site.events().len();
        assert_eq!(site.ok(&args), format!("{} is {already} already; 2 are left of it\n", id(&posted)));
        assert_eq!(site.events().len(), events, "what was recorded once is not recorded again");
    }
    assert_eq!(site.try_run(&["jobs", "resume", id(&posted)]).status.code(), Some(1));
}

/// A worker that waits for its rate does not hand over what was paused meanwhile, and does not wait on for it.
#[test]
fn a_job_that_is_paused_while_its_turn_is_waited_for_is_left_at_once() {
    for yes in [&["pause"][..], &["cancel", "--yes"]] {
        let site = Site::new("ok", "workers = 1\nmax_recipients = 1\nrate = \"1/h\"\nburst = 1");
        let posted = post(&site, 1, "a@x.example\nb@x.example\n", &[]);
        let run = site.start(&["run"]);
        support::wait_until("the first is delivered", || delivered(&site) == 1);
        site.ok(&[&["jobs"], yes, &[id(&posted)]].concat());
        support::assert_silent(run);
        assert_eq!((delivered(&site), shown(&site, id(&posted))["left"].as_u64()), (1, Some(1)));
        site.assert_clean();
    }
}
