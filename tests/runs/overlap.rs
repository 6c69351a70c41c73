//! Launches that overlap, and signals.

use crate::support::{Site, assert_silent, children, signal, term_twice, wait_until};

#[test]
fn twenty_launches_while_five_thousand_drain() {
    let site = Site::new("ok", "workers = 4");
    site.ok(&["submit", "-q", "--mbox", site.mbox("box", 0..5_000).to_str().expect("a path")]);
    let main = site.start(&["run"]);
    wait_until("something is delivered", || site.path("log").exists());
    let others: Vec<_> = (0..19).map(|_| site.start(&["run"])).collect();
    others.into_iter().for_each(assert_silent);
    assert!(site.deliveries().len() < 5_000, "the others must have met the first at work");
    assert_silent(main);
    site.assert_each_once(0..5_000);
    assert!(site.list().is_empty());
    site.assert_clean();
}

#[test]
fn a_verbose_launch_says_who_is_at_work() {
    let site = Site::new("never", "workers = 1");
    site.submit(1, &["r1@example.net"]);
    let mut main = site.start(&["run"]);
    wait_until("the run holds the queue", || site.path("spool/outbound/run.json").exists());
    let supervisor = children(main.id())[0];
    let output = site.try_run(&["run", "-v"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains(&format!("process {supervisor} ")), "{said}");
    term_twice(main.id());
    main.wait().expect("it ends");
}

#[test]
fn term_finishes_what_is_in_hand_and_leaves_the_rest() {
    let site = Site::new("wait=300", "workers = 2");
    for n in 0..20 {
        site.submit(n, &[&format!("r{n}@example.net")]);
    }
    let main = site.start(&["run"]);
    wait_until("both workers are busy", || site.busy() == 2);
    signal("TERM", main.id());
    assert_silent(main);
    let (done, left) = (site.deliveries().len(), site.list().len());
    assert!(done >= 2 && done + left == 20 && left > 0, "{done} delivered, {left} left");
    assert!(site.deliveries().values().all(|&times| times == 1));
    site.assert_clean();
}

#[test]
fn a_second_term_stops_at_once_and_the_outcome_is_unknown() {
    let site = Site::new("never", "workers = 2");
    site.submit(1, &["r1@example.net"]);
    let main = site.start(&["run"]);
    wait_until("a worker is busy", || site.busy() == 1);
    term_twice(main.id());
    let output = main.wait_with_output().expect("it ends long before the sink's 30 seconds");
    assert!(output.status.success(), "{output:?}");
    let rows = site.list();
    assert!(rows[0]["reason"].as_str().is_some_and(|reason| reason.contains("stopped with the run")), "{rows:?}");
}

#[test]
fn max_runtime_ends_a_run_as_term_does() {
    let site = Site::new("wait=50", "workers = 1");
    site.ok(&["submit", "-q", "--mbox", site.mbox("box", 0..200).to_str().expect("a path")]);
    site.ok(&["run", "--max-runtime", "1s"]);
    let (done, left) = (site.deliveries().len(), site.list().len());
    assert!(done > 0 && left > 0 && done + left == 200, "{done} {left}");
}

#[test]
fn where_every_run_is_told_to_end_one_a_day_sweeps() {
    let site = Site::new("digits", "workers = 1\nfailed_keep = \"0s\"");
    // The first run of a queue sweeps it; the next hour none does that ends by itself.
    site.submit(1, &["a0@x.org"]);
    site.ok(&["run"]);
    site.submit(2, &["b67@x.org"]);
    site.ok(&["run"]);
    let interrupted = |n: u32| {
        site.set_sink("wait=300", "workers = 1\nfailed_keep = \"0s\"", "30s");
        site.submit(n, &["a0@x.org"]);
        let main = site.start(&["run"]);
        wait_until("a worker is busy", || site.busy() == 1);
        signal("TERM", main.id());
        assert!(main.wait_with_output().expect("it ends").status.success());
        site.ids("failed").len()
    };
    assert_eq!(interrupted(3), 1);
    let swept = std::fs::File::options().write(true).open(site.path("spool/outbound/swept")).expect("it was swept");
    let before = std::time::SystemTime::now().checked_sub(std::time::Duration::from_secs(25 * 3_600));
    swept.set_modified(before.expect("a time")).expect("set");
    assert_eq!(interrupted(4), 0);
    site.assert_clean();
}

#[test]
fn workers_of_a_killed_supervisor_keep_the_next_launch_away() {
    let site = Site::new("wait=1500", "workers = 1");
    site.submit(1, &["r1@example.net"]);
    site.submit(2, &["r2@example.net"]);
    let mut main = site.start(&["run"]);
    wait_until("the worker is busy", || site.busy() == 1);
    let supervisor = children(main.id())[0];
    let worker = children(supervisor)[0];
    signal("KILL", main.id());
    signal("KILL", supervisor);
    main.wait().expect("killed");
    // The worker has the lock, and finishes what it has in hand.
    site.ok(&["run"]);
    assert_eq!(site.deliveries().len(), 0, "the second launch must have left at once");
    wait_until("the worker has ended", || !std::path::Path::new(&format!("/proc/{worker}")).exists());
    assert_eq!(site.deliveries().len(), 1);
    site.ok(&["run"]);
    let found = site.deliveries();
    assert!(found.len() == 2 && found.values().all(|&times| times == 1), "{found:?}");
    site.assert_clean();
}

#[test]
fn what_arrives_late_gets_all_workers_again() {
    let site = Site::new("wait=200", "workers = 4");
    site.submit(0, &["r0@example.net"]);
    let main = site.start(&["run"]);
    wait_until("a worker is busy", || site.busy() == 1);
    site.ok(&["submit", "-q", "--mbox", site.mbox("box", 1..40).to_str().expect("a path")]);
    wait_until("four workers are busy", || site.busy() == 4);
    assert_silent(main);
    site.assert_each_once(0..40);
}

#[test]
fn a_run_whose_spool_is_moved_away_works_there_and_leaves_what_is_put_in_its_place() {
    for restore in [false, true] {
        let site = Site::new("ok", "workers = 2");
        for n in 1..6 {
            site.submit(n, &[&format!("r{n}@example.net")]);
        }
        // Between the supervisor's opening the spool and its workers'.
        let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
        let (here, there) = (site.path("spool"), site.path("moved"));
        let copy = if restore { "&& cp -a \"$2\" \"$1\"" } else { "" };
        let script = format!("[ -e \"$2\" ] || {{ mv \"$1\" \"$2\" {copy}; }}");
        site.configure(&format!(
            "{config}[online]\ncheck = [\"sh\", \"-c\", {script:?}, \"sh\", {here:?}, {there:?}]\n"
        ));
        let output = site.try_run(&["run"]);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        site.assert_each_once(1..6);
        assert_eq!(here.exists(), restore);
        if restore {
            assert_eq!(site.ids("ready").len(), 5, "the copy is nobody's yet");
            std::fs::remove_dir_all(&here).expect("removed");
        }
        std::fs::rename(there, here).expect("moved back");
        assert!(site.list().is_empty());
        site.assert_clean();
    }
}
