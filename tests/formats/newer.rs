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
        (r#""kind":"post""#, r#""kind":"merge""#, "this job is of kind 'merge'"),
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
