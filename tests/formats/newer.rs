//! What a newer program wrote is left as it is, and said in one line.

use std::path::PathBuf;

use crate::support::{Site, message};

/// The files in `folder` of the queue, with their sizes.
fn files(site: &Site, folder: &str) -> Vec<String> {
    let inside = format!("/outbound/{folder}/");
    site.tree().into_iter().filter(|line| line.contains(&inside)).collect()
}

/// Submits a post of two entries and has its `job.json` say `to` instead of `from`; its id.
fn post_with(site: &Site, from: &str, to: &str) -> String {
    let list = site.path("list");
    std::fs::write(&list, "a@x.org\nb@y.org\n").expect("written");
    let args = ["submit", "-f", "l@example.org", "--recipients", list.to_str().expect("a path")];
    let posted = site.feed(&args, message(2).as_bytes());
    assert!(posted.status.success(), "{posted:?}");
    let job = String::from_utf8(posted.stdout).expect("an id").trim().to_owned();
    let path = job_file(site, &job);
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::write(path, text.replace(from, to)).expect("written");
    job
}

fn job_file(site: &Site, job: &str) -> PathBuf {
    site.path(&format!("spool/outbound/jobs/{job}/job.json"))
}

#[test]
fn a_job_of_an_unknown_kind_or_number_is_left_alone() {
    for (from, to, why) in [
        (r#""kind":"post""#, r#""kind":"stream""#, "this job is of kind 'stream'"),
        (r#""v":1"#, r#""v":9"#, "this job has format 9"),
    ] {
        let site = Site::new("ok", "workers = 1\njob_recipients = 1\nfailed_keep = \"0\"");
        let job = post_with(&site, from, to);
        site.submit(1, &["c@z.org"]);
        let before = files(&site, "jobs");
        let said = |args: &[&str]| {
            let output = site.try_run(args);
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(files(&site, "jobs"), before, "{args:?}: {text}");
            text
        };
        // Nobody hands anything of it over, and that is said once; another's mail goes on.
        assert_eq!(said(&["run"]).matches(why).count(), 1, "{to}");
        assert_eq!(site.deliveries().len(), 1);
        let entry = format!("{job}.0.0");
        for command in ["hold", "remove", "flush"] {
            let text = said(&[command, &entry]);
            assert!(text.contains(why), "{command}: {text}");
        }
        assert!(said(&["jobs", "list"]).contains(why));
        let check = site.try_run(&["check", "--repair"]);
        let told = String::from_utf8_lossy(&check.stdout).into_owned();
        assert_eq!((told.matches(why).count(), files(&site, "jobs")), (1, before.clone()), "{told}");
        assert!(files(&site, "corrupt").is_empty());

        // A program that knows it finds all of it.
        let path = job_file(&site, &job);
        let text = std::fs::read_to_string(&path).expect("read");
        std::fs::write(path, text.replace(to, from)).expect("written");
        site.ok(&["run"]);
        assert_eq!(site.deliveries().len(), 3);
    }
}

/// The entry file of `id`, which says from now on that a newer program made it.
fn renumber(site: &Site, id: &str) -> PathBuf {
    let path = site.file(&format!("{id} "));
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, text.replace(r#""v":1,"#, r#""v":9,"#)).expect("written");
    path
}

/// The exit status, the lines of stdout, and those of stderr.
fn told(site: &Site, args: &[&str]) -> (i32, Vec<String>, Vec<String>) {
    let output = site.try_run(args);
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
    (output.status.code().expect("a status"), lines(&output.stdout), lines(&output.stderr))
}

const ENTRY: &str = "this entry has format 9, and this bulkmailer knows formats up to 2; use the newer one";

#[test]
fn any_number_of_newer_entries_keeps_no_other_mail_from_being_sent() {
    let site = Site::new("ok", "workers = 2");
    let newer: Vec<String> = (0..70).map(|n| site.submit(n, &["a@x.org"])).collect();
    let paths: Vec<PathBuf> = newer.iter().map(|id| renumber(&site, id)).collect();
    (70..75).for_each(|n| {
        site.submit(n, &["b@x.org"]);
    });
    let (exit, _, lines) = told(&site, &["run"]);
    assert_eq!((exit, lines.len(), site.deliveries().len()), (0, 1, 5), "{lines:?}");
    assert!(lines[0].contains("outbound: 70 entries of a newer bulkmailer") && lines[0].contains(ENTRY), "{lines:?}");
    // Once a day; whoever asks is told.
    site.submit(75, &["b@x.org"]);
    assert_eq!(told(&site, &["run"]), (0, Vec::new(), Vec::new()));
    assert_eq!(site.deliveries().len(), 6);
    let (exit, lines, _) = told(&site, &["status"]);
    assert_eq!(exit, 1);
    assert!(lines.iter().any(|line| line.contains("70 entries and 0 jobs") && line.contains(ENTRY)), "{lines:?}");
    assert_eq!(site.json(&["status", "--json"])["queues"][0]["newer"]["entries"], 70);
    let (exit, lines, _) = told(&site, &["check"]);
    assert_eq!((exit, lines.iter().filter(|line| line.contains(ENTRY)).count()), (1, 70));
    // A command tells of the first few, and how many more there are.
    let (exit, _, lines) = told(&site, &["hold", "--queue", "outbound", "--yes"]);
    assert_eq!((exit, lines.len()), (74, 11), "{lines:?}");
    assert!(lines[10].contains("60 more entries of a newer bulkmailer"), "{lines:?}");
    assert!(paths.iter().all(|path| path.exists()));
    // The newer one takes them.
    paths.iter().for_each(|path| std::fs::remove_file(path).expect("removed"));
    assert_eq!(told(&site, &["status"]).0, 0);
}

#[test]
fn a_newer_job_is_refused_once_and_as_a_whole() {
    let site = Site::new("ok", "workers = 1\njob_recipients = 1\nfailed_keep = \"0\"");
    let job = post_with(&site, r#""kind":"post""#, r#""kind":"stream""#);
    let why = "this job is of kind 'stream'";
    let other = post_with(&site, "", "");
    let before = files(&site, "jobs");
    for (command, status) in [("cancel", 78), ("pause", 78), ("resume", 78)] {
        let args: &[&str] =
            if command == "cancel" { &["jobs", command, &job, "--yes"] } else { &["jobs", command, &job] };
        let (exit, out, lines) = told(&site, args);
        assert_eq!((exit, out.len(), lines.len()), (status, 0, 1), "{out:?} {lines:?}");
        assert!(lines[0].contains(why) && files(&site, "jobs") == before && site.events().is_empty(), "{lines:?}");
    }
    let (_, out, lines) = told(&site, &["jobs", "list"]);
    assert!(lines.len() == 1 && lines[0].contains(why) && out.iter().any(|line| line.contains(&other)), "{out:?}");
    // One line for all of its entries, though a command goes through them twice.
    let held = site.try_run(&["hold", "--yes", &format!("{other}.0.0"), &format!("{other}.0.1")]);
    assert!(held.status.success(), "{held:?}");
    let (exit, out, lines) = told(&site, &["hold", "--queue", "outbound", "--yes", "--json"]);
    assert_eq!((exit, lines.len()), (74, 1), "{lines:?}");
    let counts: serde_json::Value = serde_json::from_str(&out[0]).expect("JSON");
    assert_eq!(counts["faults"], 2, "{counts}");
    let (exit, _, lines) = told(&site, &["run"]);
    assert_eq!((exit, lines.len()), (0, 1), "{lines:?}");
    assert!(lines[0].contains("outbound: 1 job of a newer bulkmailer") && lines[0].contains(why), "{lines:?}");
    assert_eq!(told(&site, &["run"]), (0, Vec::new(), Vec::new()));
    let (exit, out, _) = told(&site, &["status"]);
    assert!(exit == 1 && out.iter().any(|line| line.contains("0 entries and 1 job of")), "{out:?}");
}

#[test]
fn an_entry_with_a_newer_journal_lies_where_it_was() {
    let site = Site::new("ok", "workers = 1\njob_recipients = 1");
    let id = site.submit(1, &["a@x.org", "b@x.org"]);
    let job = post_with(&site, "", "");
    let why = "this journal has format 2, and this bulkmailer knows formats up to 1; use the newer one";
    let entry = site.file(&format!("{id} "));
    let bucket = entry.parent().and_then(|folder| folder.file_name()).expect("a folder").to_string_lossy().into_owned();
    let single = site.path(&format!("spool/outbound/journal/{bucket}/{id}.log"));
    let of_job = site.path(&format!("spool/outbound/jobs/{job}/journal/{job}.0.0.log"));
    for journal in [&single, &of_job] {
        std::fs::create_dir_all(journal.parent().expect("a folder")).expect("made");
        std::fs::write(journal, "{\"journal\":2,\"recipients\":2}\n{\"what\":1}\n").expect("written");
    }
    site.submit(2, &["c@x.org"]);
    let before = site.files("/journal/");
    let (exit, _, lines) = told(&site, &["run"]);
    assert_eq!((exit, lines.len(), site.deliveries().len()), (0, 1, 2), "{lines:?}");
    assert!(lines[0].contains("2 entries") && lines[0].contains(why), "{lines:?}");
    for command in ["hold", "remove", "requeue", "flush", "show"] {
        let (exit, _, lines) = told(&site, &[command, &id]);
        assert!(exit != 0 && lines.len() == 1 && lines[0].contains(why), "{command}: {lines:?}");
    }
    let (_, out, _) = told(&site, &["check"]);
    assert_eq!(out.iter().filter(|line| line.contains(why)).count(), 2, "{out:?}");
    let (exit, _, lines) = told(&site, &["jobs", "list"]);
    assert!(exit == 0 && lines.len() == 1 && lines[0].contains(why), "{lines:?}");
    assert_eq!(site.files("/journal/"), before);
    assert!(entry.exists());
    // The brake looks at no journal.
    let (exit, out, lines) = told(&site, &["jobs", "cancel", "--yes", &job]);
    assert!(exit == 0 && lines.is_empty() && out.iter().all(|line| !line.contains(" 0 are left")), "{out:?} {lines:?}");
}

#[test]
fn a_sweep_leaves_newer_failures_alone() {
    let site = Site::new("exit=67", "workers = 1");
    let (newer, old) = (site.submit(1, &["a@x.org"]), site.submit(2, &["b@x.org"]));
    site.try_run(&["run"]);
    let path = renumber(&site, &newer);
    assert!(path.to_string_lossy().contains("/failed/"), "{path:?}");
    site.set_sink("ok", "failed_keep = \"0\"", "30s");
    std::fs::remove_file(site.path("spool/outbound/swept")).expect("removed");
    site.try_run(&["run"]);
    assert!(path.exists() && site.files(&format!("{old} ")).is_empty(), "{:?}", site.files("/failed/"));
}

#[test]
fn an_entry_with_a_newer_head_lies_where_it_was() {
    let site = Site::new("ok", "workers = 1");
    let id = site.submit(1, &["a@x.org"]);
    let path = site.tree().into_iter().find(|line| line.contains("/ready/")).expect("an entry");
    let path = path.split(' ').next().expect("a path").to_owned();
    let old = std::fs::read(&path).expect("read");
    let text = String::from_utf8(old.clone()).expect("text");
    std::fs::write(&path, text.replace(r#""v":1,"#, r#""v":9,"#)).expect("written");
    site.submit(2, &["b@x.org"]);
    let why = "this entry has format 9, and this bulkmailer knows formats up to 2; use the newer one";
    for (args, others) in [(&["run"][..], 1), (&["check", "--repair"], 0), (&["hold", &id], 0)] {
        let output = site.try_run(args);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(said.matches(why).count(), 1, "{args:?}: {said}");
        assert!(std::path::Path::new(&path).exists() && files(&site, "corrupt").is_empty(), "{args:?}");
        assert!(site.deliveries().len() >= others);
    }
    std::fs::write(&path, old).expect("written");
    site.ok(&["run"]);
    assert_eq!(site.deliveries().len(), 2);
}
