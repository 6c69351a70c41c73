//! What one damaged file of a merge must not stop: other rows, other jobs, a person's command.

use crate::job::{assert_came, merge, to};
use crate::support::{Site, wait_until};
use crate::template::data;

const SLOW: &str = "workers = 1\nretry = { first = \"1d\", max = \"1d\" }";

/// Done, failed, held and left of a job.
fn counts(site: &Site, job: &str) -> [u64; 4] {
    let shown = site.json(&["jobs", "show", "--json", job]);
    ["done", "failed", "held", "left"].map(|name| shown[name].as_u64().expect("a number"))
}

#[test]
fn an_attachment_that_cannot_be_read_expires_and_the_other_rows_are_sent() {
    let site = Site::new("ok", "workers = 1\nretry = { first = \"1s\", max = \"1s\", expire = \"1s\" }");
    let (template, files) = (site.path("template"), site.path("files"));
    std::fs::create_dir(&template).expect("a folder");
    std::fs::create_dir(&files).expect("a folder");
    let settings = format!("attachment = \"file\"\nattachment_folder = {:?}\n", files.display().to_string());
    let headers = "From: s@example.org\nTo: {{ email }}\nX-Number: {{ n }}\nSubject: x\n";
    for (name, text) in [("merge.toml", settings.as_str()), ("headers", headers), ("text", "Hello\n\nEND\n")] {
        std::fs::write(template.join(name), text).expect("written");
    }
    for n in 1..=3 {
        std::fs::write(files.join(format!("{n}.txt")), "x").expect("written");
    }
    let people = ["a@x.example", "b@x.example", "c@x.example"];
    let rows = (1..).zip(people).map(|(n, to)| format!("{to},{n},{n}.txt\n")).collect::<String>();
    let rows = data(&site, "x.csv", &format!("email,n,file\n{rows}"));
    let output = crate::template::merge(&site, &rows, &["--yes"]);
    assert!(output.status.success(), "{output:?}");
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    std::fs::remove_file(files.join("1.txt")).expect("removed");
    let _socket = std::os::unix::net::UnixListener::bind(files.join("1.txt")).expect("a socket");
    site.ok(&["run"]);
    assert_eq!(counts(&site, &id), [2, 0, 0, 1]);
    wait_until("it has expired", || {
        site.ok(&["run"]);
        counts(&site, &id) == [2, 1, 0, 0]
    });
    let failed = site.events().into_iter().find(|event| event["verdict"] == "failed").expect("an event");
    assert!(failed.to_string().contains("given up after") && failed.to_string().contains("1.txt"), "{failed}");
}

#[test]
fn a_damaged_template_pauses_its_job_and_stops_no_other_mail() {
    let site = Site::new("ok", "workers = 2");
    let mails = to((0..100).map(|n| format!("r{n}@x.example")));
    let id = merge(&site, &mails, 1);
    std::fs::write(site.path(&format!("spool/outbound/jobs/{id}/template/text")), "Hello\n").expect("written");
    for n in 1_000..1_010 {
        site.submit(n, &["single@y.example"]);
    }
    let (_, said) = site.run_once();
    assert!(said.lines().count() == 1 && said.contains("it is paused"), "{said}");
    assert_eq!(site.deliveries().len(), 10);
    assert_eq!(site.json(&["jobs", "show", "--json", id.as_str()])["state"], "paused");
    assert_eq!(counts(&site, id.as_str()), [0, 0, 0, 100]);
    site.assert_clean();
}

#[test]
fn a_command_reaches_the_rows_of_a_damaged_head() {
    let site = Site::new("ok", SLOW);
    let mails = to(["a@x.example", "b@x.example", "c@x.example", "d@x.example"].map(str::to_owned));
    let id = merge(&site, &mails, 2);
    for named in [true, false] {
        let job = if named { format!("{id}.0.0") } else { id.to_string() };
        let name = site.files("/ready/0/").into_iter().find(|path| path.to_string_lossy().contains(".0.0+"));
        std::fs::write(name.expect("a head"), "x").expect("written");
        let how: &[&str] = if named { &[&job] } else { &["--yes", "--job", &job] };
        let output = site.try_run(&[&["hold"], how].concat());
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.lines().count() == 1 && said.contains("corrupt/"), "{said}");
        assert_eq!(counts(&site, id.as_str()), if named { [0, 0, 2, 2] } else { [0, 0, 4, 0] });
        if named {
            site.ok(&["release", &job]);
        }
    }
    site.ok(&["run"]);
    assert_came(&site, &mails, |_| 0, "they are held");
}

/// Three rows that wait for the time of their job.
fn timed(site: &Site) -> Vec<crate::job::Mail> {
    let template = site.path("template");
    std::fs::create_dir(&template).expect("a folder");
    let headers = "From: s@example.org\nTo: {{ email }}\nX-Number: {{ n }}\nSubject: x\n";
    for (name, text) in [("merge.toml", ""), ("headers", headers), ("text", "Hello\n\nEND\n")] {
        std::fs::write(template.join(name), text).expect("written");
    }
    let people = ["a@x.example", "b@x.example", "c@x.example"];
    let rows = (1..).zip(people).map(|(n, to)| format!("{to},{n}\n")).collect::<String>();
    let rows = data(site, "x.csv", &format!("email,n\n{rows}"));
    let output = crate::template::merge(site, &rows, &["--yes", "--at", "2099-01-01T00:00:00Z"]);
    assert!(output.status.success(), "{output:?}");
    to(people.map(str::to_owned))
}

#[test]
fn rows_that_wait_for_the_time_of_their_job_do_so_where_another_is_released_or_flushed() {
    let site = Site::new("ok", SLOW);
    let mails = timed(&site);
    site.ok(&["hold", "--recipient", "b@*"]);
    site.ok(&["release", "--recipient", "b@*"]);
    site.ok(&["run"]);
    assert_came(&site, &mails, |to| u32::from(to.starts_with('b')), "it was released");
    // A network that comes up flushes all but mail for a time.
    site.ok(&["flush", "-q"]);
    assert_came(&site, &mails, |to| u32::from(to.starts_with('b')), "they wait");
    site.ok(&["flush", "-q", "--recipient", "c@*"]);
    assert_came(&site, &mails, |to| u32::from(!to.starts_with('a')), "it was chosen");
    site.assert_clean();
}

#[cfg(feature = "faults")]
#[test]
fn they_do_so_where_the_command_is_killed() {
    for point in ["merge.append", "merge.sync", "merge.early", "merge.earlier", "merge.append:2", "merge.sync:2"] {
        let site = Site::new("ok", SLOW);
        let mails = timed(&site);
        site.ok(&["hold", "--recipient", "b@*"]);
        let mut command = site.command(&["release", "--recipient", "b@*"]);
        let killed = command.env("BULKMAILER_FAULT", point).output().expect("it starts");
        assert_eq!(killed.status.code(), None, "{point}: {killed:?}");
        site.ok(&["run"]);
        let came = u32::from(point == "merge.sync:2");
        assert_came(&site, &mails, |to| if to.starts_with('b') { came } else { 0 }, point);
        if came == 0 {
            site.ok(&["release", "--recipient", "b@*"]);
            site.ok(&["run"]);
        }
        assert_came(&site, &mails, |to| u32::from(to.starts_with('b')), point);
        site.assert_clean();
    }
}

#[test]
fn rows_with_times_of_their_own_wait_where_another_row_of_their_entry_is_flushed() {
    let site = Site::new("digits", SLOW);
    let mut mails = to(["a75@x.example", "b0@x.example", "c0@x.example"].map(str::to_owned));
    mails[1].due = Some(bulkmailer::sys::clock::now().plus(std::time::Duration::from_secs(600_000)));
    merge(&site, &mails, 3);
    site.ok(&["run"]);
    assert_came(&site, &mails, |to| u32::from(to.starts_with('c')), "one is deferred");
    site.set_sink("ok", SLOW, "30s");
    site.ok(&["flush", "-q"]);
    assert_came(&site, &mails, |to| u32::from(!to.starts_with('b')), "one has its time");
    site.ok(&["flush", "-q", "--recipient", "b0@*"]);
    assert_came(&site, &mails, |_| 1, "it was chosen");
    site.assert_clean();
}
