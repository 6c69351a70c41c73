//! A limit on the size of files (`ulimit -f`) is a disk without room: an error with its status, and nobody's death.

use std::process::{Command, Output};

use crate::support::{self, Site, feed, message};

/// The program under a limit of so many blocks of 512 bytes.
fn limited(site: &Site, blocks: u32, args: &[&str]) -> Command {
    let plain = site.command(args);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -f {blocks} && exec \"$@\""), "sh"]);
    command.arg(plain.get_program()).args(plain.get_args()).env_remove("BULKMAILER_FAULT");
    command.stdin(std::process::Stdio::null());
    command
}

fn run(site: &Site, blocks: u32, args: &[&str]) -> Output {
    limited(site, blocks, args).output().expect("the shell starts")
}

#[test]
fn a_run_loses_nothing_and_holds_nothing() {
    for blocks in [0, 1, 3, 8, 31, 100] {
        let site = Site::new("ok", "workers = 2");
        for n in 0..4 {
            site.submit(n, &[&format!("r{n}@example.net")]);
        }
        // Several recipients have a journal.
        site.submit(4, &["r4@example.net", "s4@example.net"]);
        let output = run(&site, blocks, &["run"]);
        assert!(matches!(output.status.code(), Some(0 | 74 | 75)), "{blocks}: {output:?}");
        assert_eq!((site.ids("hold"), site.ids("failed")), (vec![], vec![]), "{blocks}: {output:?}");
        site.ok(&["flush", "-q"]);
        assert_eq!(site.list().len(), 0, "{blocks}");
        let found = site.deliveries();
        // Under the lowest limits the sink itself cannot write its log.
        assert!(blocks < 8 || found.len() == 6, "{blocks}: {found:?}");
        assert!(found.values().all(|&times| times == 1), "{blocks}: {found:?}");
        site.assert_clean();
    }
}

#[test]
fn what_a_command_says_is_cut_and_it_is_not_killed() {
    let site = Site::new("ok", "");
    let program = site.path("loud");
    support::program(&program, "#!/bin/sh\ncat > /dev/null\n(yes x | head -c 100000) 2> /dev/null\nexit 67\n");
    site.configure(&format!(
        "[limits]\nmin_free = 0\n[queue.outbound]\ntransport = \"t\"\nnotices = false\n[transport.t]\nkind = \"pipe\"\n\
         command = [{:?}, \"--\", \"{{recipients}}\"]\nprofile = \"generic\"\n",
        program.display().to_string()
    ));
    for (n, blocks) in [4, 20, 1_000].into_iter().enumerate() {
        site.submit(1, &["r@example.net"]);
        let output = run(&site, blocks, &["run"]);
        assert_eq!((output.status.code(), site.ids("failed").len()), (Some(0), n + 1), "{blocks}: {output:?}");
    }
    for row in site.list() {
        let reason = row["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("exit status 67 (no such user)"), "{reason}");
    }
}

#[test]
fn a_submission_is_refused_for_now_and_leaves_nothing() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let before = site.tree();
    let big = format!("Subject: x\n\n{}", "a line of a message that is too long\n".repeat(3_000));
    let list: String = (0..9_000).map(|n| format!("user{n}@example.net\n")).collect();
    std::fs::write(site.path("list"), list).expect("written");
    let mbox = format!("From a@example.org Tue\nTo: b@example.net\n{big}\n");
    std::fs::write(site.path("mbox"), mbox).expect("written");
    let (list, mbox) = (site.path("list").display().to_string(), site.path("mbox").display().to_string());
    let cases: [&[&str]; 4] = [
        &["submit", "-f", "a@example.org", "b@example.net"],
        &["sendmail", "-f", "a@example.org", "b@example.net"],
        &["submit", "--mbox", &mbox],
        &["submit", "-f", "a@example.org", "--recipients", &list],
    ];
    for args in cases {
        let output = feed(limited(&site, 40, args), big.as_bytes());
        assert_eq!(output.status.code(), Some(75), "{args:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.lines().count() == 1 && said.contains("File too large"), "{args:?}: {said}");
        assert_eq!(site.tree(), before, "{args:?}");
    }
    // What fits is taken.
    let output = feed(limited(&site, 40, cases[0]), message(2).as_bytes());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_client_of_ours_is_told_to_come_again() {
    let site = Site::new("ok", "");
    let talk = |blocks: u32| {
        let body = "a line of a message\r\n".repeat(3_000);
        let input = format!(
            "EHLO a\r\nMAIL FROM:<a@b.org>\r\nRCPT TO:<c@d.org>\r\nDATA\r\nSubject: x\r\n\r\n{body}.\r\nQUIT\r\n"
        );
        let output = feed(limited(&site, blocks, &["sendmail", "-bs"]), input.as_bytes());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(talk(20).contains("\r\n452 4.3.1 "), "{}", talk(20));
    assert_eq!(site.list().len(), 0);
    assert!(talk(2_000).contains("\r\n250 2.0.0 "));
}

#[test]
fn the_ledger_takes_nothing_or_all_of_it() {
    for blocks in [0, 4, 16, 40] {
        let site = Site::new("ok", "");
        site.submit(1, &["r1@example.net"]);
        let output = run(&site, blocks, &["suppress", "add", "a@example.net"]);
        assert_eq!(output.status.code(), Some(75), "{blocks}: {output:?}");
        let check = site.try_run(&["suppress", "check", "a@example.net"]);
        assert_eq!(check.status.code(), Some(0), "{blocks}: not suppressed: {check:?}");
        site.ok(&["suppress", "add", "b@example.net"]);
        let output = run(&site, blocks, &["suppress", "add", "a@example.net"]);
        assert_eq!(output.status.code(), Some(75), "{blocks}: {output:?}");
        // What cannot be asked keeps the mail, and is no answer.
        site.submit(2, &["b@example.net"]);
        let output = run(&site, blocks, &["run"]);
        assert!(matches!(output.status.code(), Some(74 | 75)), "{blocks}: {output:?}");
        site.ok(&["run"]);
        site.assert_each_once(1..2);
    }
}
