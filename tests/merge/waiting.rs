//! Workers that wait, for a token or for evidence, keep no command waiting; and who waits too long is held alone.

use crate::job::{assert_came, merge, to};
use crate::support::{self, Site, signal, wait_until};

fn held(site: &Site, job: &str) -> u64 {
    site.json(&["jobs", "show", "--json", job])["held"].as_u64().expect("a number")
}

/// Asks a run to end.
fn end(run: std::process::Child) {
    signal("TERM", run.id());
    run.wait_with_output().expect("it ends");
}

#[test]
fn a_finished_entry_is_let_go_while_its_worker_waits_for_a_token() {
    let site = Site::new("digits", "workers = 1\nrate = \"1/h\"");
    let mails = to(["a67@x.example", "b0@x.example"].map(str::to_owned));
    let id = merge(&site, &mails, 1);
    let run = site.start(&["run"]);
    wait_until("the first has failed", || site.events().iter().any(|event| event["verdict"] == "failed"));
    site.ok(&["requeue", &format!("{id}.0.0")]);
    end(run);
}

#[test]
fn what_is_kept_in_a_doubt_is_let_go_for_a_command() {
    let site = Site::new("digits", "workers = 1\nprobe_every = \"1h\"");
    let mails = to(["mute75@x.example", "mute75@y.example", "mute75@z.example"].map(str::to_owned));
    let id = merge(&site, &mails, 1);
    let run = site.start(&["run"]);
    let log = |k: u32| site.path(&format!("spool/outbound/jobs/{id}/log/0/{k}"));
    let is_written = |k: u32| std::fs::metadata(log(k)).expect("a log").len() > 1_000;
    // The third probe would come in an hour.
    wait_until("two were tried", || (0..3).filter(|k| is_written(*k)).count() == 2);
    for k in (0..3).filter(|k| is_written(*k)) {
        site.ok(&["hold", &format!("{id}.0.{k}")]);
    }
    assert_eq!(held(&site, id.as_str()), 2);
    end(run);
    site.assert_clean();
}

#[test]
fn of_an_entry_the_row_is_held_that_was_refused_for_too_long() {
    let site = Site::new("digits", "probe_every = 0\nretry = { first = \"1s\", max = \"1s\", expire = \"1s\" }");
    let mails = to(["mute75@x.example", "r0@x.example", "mute75@y.example"].map(str::to_owned));
    let id = merge(&site, &mails[..1], 1);
    wait_until("it is held", || {
        site.run_once();
        held(&site, id.as_str()) == 1
    });
    let id = merge(&site, &mails, 3);
    let mut said = String::new();
    wait_until("one is held", || {
        said = site.run_once().1;
        held(&site, id.as_str()) > 0
    });
    assert_eq!(held(&site, id.as_str()), 1, "{said}");
    assert!(said.contains("mute75@x.example is held"), "{said}");
    assert_came(&site, &mails, |to| u32::from(to.starts_with('r')), "the rest goes on");
}

/// Processes of a run that are stopped.
#[cfg(feature = "faults")]
fn stopped(run: u32) -> Vec<u32> {
    let is_stopped = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    };
    let children: Vec<u32> = support::children(run);
    let all = children.iter().copied().chain(children.iter().flat_map(|&child| support::children(child)));
    all.chain([run]).filter(is_stopped).collect()
}

#[cfg(feature = "faults")]
#[test]
fn a_job_whose_last_held_row_is_released_while_it_is_looked_through_ends() {
    for (point, action) in
        [("merge.holding", "CONT"), ("merge.held", "CONT"), ("merge.holding", "KILL"), ("merge.held", "KILL")]
    {
        let site = Site::new("ok", "workers = 1");
        // The sweep of the hour, which would put it right, is over.
        site.submit(1_000, &["single@x.example"]);
        site.ok(&["run"]);
        std::fs::remove_file(site.path("log")).expect("removed");
        let mails = to(["a@x.example", "b@x.example"].map(str::to_owned));
        let id = merge(&site, &mails, 1);
        site.ok(&["hold", &format!("{id}.0.0")]);
        let trap = support::crash::Trap::new(&site, &format!("{point}=stop"));
        let run = trap.set(site.command(&["run"])).spawn().expect("it starts");
        wait_until("a held row was seen", || stopped(run.id()).len() == 1);
        site.ok(&["release", &format!("{id}.0.0")]);
        stopped(run.id()).into_iter().for_each(|pid| signal(action, pid));
        run.wait_with_output().expect("it ends");
        support::crash::wait_for_the_lock(&site);
        site.ok(&["run"]);
        assert_came(&site, &mails, |_| 1, point);
        let shown = site.json(&["jobs", "show", "--json", id.as_str()]);
        assert_eq!(shown["state"], "done", "{point} {action}: {:#?}", site.tree());
    }
}
