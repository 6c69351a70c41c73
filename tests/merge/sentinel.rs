//! No mail ever carries another row's value, whatever the server does: each row has a word of its own in its header and its
//! text, and each content that the server got is looked through.

use std::collections::HashMap;

use crate::job::{assert_came, merge, to};
use crate::support::server::letters::{KINDS, serve};
use crate::support::server::{Act, At, Cut, How, Log, Mark, Script, say, site_of};
use crate::support::{Site, wait_until};

const ROWS: usize = 480;

/// Asserts that each content is the one of its recipient; how often each was answered.
fn look_through(log: &Log, what: &str) -> HashMap<String, usize> {
    assert!(log.misdeeds.is_empty(), "{what}: {:?}", log.misdeeds);
    let mut answered: HashMap<String, usize> = HashMap::new();
    for taken in &log.taken {
        let text = String::from_utf8_lossy(&taken.content);
        let [to] = taken.recipients.as_slice() else { panic!("{what}: {:?} together", taken.recipients) };
        let number = to.trim_start_matches('r').split('x').next().expect("a number");
        for own in [
            format!("To: {to}\r\n"),
            format!("X-Number: {number}\r\n"),
            format!("Subject: no. {number}\r\n"),
            format!("Dear no. {number},\r\n"),
            format!(".{number}."),
        ] {
            assert!(text.contains(&own), "{what}: {to} has no {own:?}: {text}");
        }
        assert_eq!(text.matches("no. ").count(), 2, "{what}: {to}: {text}");
        *answered.entry(to.clone()).or_default() += usize::from(taken.answered);
    }
    answered
}

#[test]
fn over_smtp_each_row_gets_its_own_mail_in_all_weathers() {
    for (kind, (what, _, _)) in KINDS.iter().enumerate() {
        let script = Script::steps(|step| match (step.at, (step.session * 7 + step.transaction) % 23) {
            (At::Mail, 5) => say("451 4.3.0 not now"),
            (At::Rcpt, 11) => say("450 4.2.0 greylisted"),
            (At::Content, 17) => say("451 4.7.1 later"),
            (At::Mail, 21) => Act::SayAndClose("421 4.7.0 enough".to_owned()),
            _ => Act::Go,
        });
        // In the middle of a content, or of what comes behind it.
        let cut = |session: usize| {
            (session % 3 == 1).then_some(Cut { mark: Mark::First, read: true, bytes: 700 * session, how: How::Close })
        };
        let server = serve(kind, None, script.with_cuts(cut));
        let site = site_of(&server, "workers = 8\nretry = { first = \"1d\", max = \"1d\" }", "");
        let mails = to((1..=ROWS).map(|n| format!("r{n}x@h{}.example.net", n % 5)));
        let id = merge(&site, &mails, 40);
        let run = |site: &Site| assert!(site.try_run(&["run"]).status.code().is_some(), "{what}");
        // It is paused while it is sent.
        let mut first = site.start(&["run"]);
        wait_until("some came", || {
            server.with_log(|log| log.taken.len() > 30) || first.try_wait().is_ok_and(|ended| ended.is_some())
        });
        let paused = site.try_run(&["jobs", "pause", id.as_str()]);
        let _ = first.wait();
        look_through(&server.log(), what);
        if paused.status.success() {
            site.ok(&["jobs", "resume", id.as_str()]);
        }
        run(&site);
        look_through(&server.log(), what);
        server.set(Script::good());
        for _ in 0..3 {
            site.ok(&["flush", "-q"]);
            run(&site);
        }
        let answered = look_through(&server.log(), what);
        let wrong: Vec<_> =
            mails.iter().filter(|mail| answered.get(&mail.to) != Some(&1)).map(|mail| &mail.to).collect();
        assert!(wrong.is_empty(), "{what}: not answered once: {wrong:?}");
        assert!(site.files("/ready/").is_empty(), "{what}");
        site.assert_clean();
    }
}

#[test]
fn a_program_gets_a_large_mail_whole() {
    let site = Site::new("ok", "workers = 2");
    let long = "x".repeat(300);
    let mails = to((0..3).map(|n| format!("r{n}@{}.example", &long[..20])));
    // Beyond what goes through memory.
    crate::job::merge_with(&site, &mails, 10, &"All of it arrives.\n".repeat(20_000));
    assert_eq!(site.run_once(), (0, String::new()));
    assert_came(&site, &mails, |_| 1, "whole");
    assert_eq!(std::fs::read_dir(site.path("spool/outbound/tmp")).expect("a folder").count(), 0);
}
