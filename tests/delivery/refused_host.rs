//! A server that refuses this host, and not some message: it is down, and nothing fails.

use super::refusals::{OFFERS, assert_came, ordinary, queue, recipients, serve, taken, untouched, verdicts};
use crate::support::server::{Act, At, Script, ends, lead_to, say, site_of};
use crate::support::{self, Site};

/// Whatever it says: who refuses everybody has something against this host.
#[test]
fn a_server_that_refuses_all_senders_for_good_fails_no_mail() {
    for reply in ["550 no", "554 5.7.1 access denied", "553 5.1.8 bad sender"] {
        let text = reply.to_owned();
        let server = serve(false, OFFERS[0], move |step| if step.at == At::Mail { say(&text) } else { Act::Go });
        let site = site_of(&server, "workers = 2", "");
        let letters = ordinary(40);
        queue(&site, &letters);
        let (status, said) = ends(&site, &["run"]);
        assert_eq!((status, said.lines().count()), (75, 1), "{reply}: {said}");
        assert!(said.contains("the sink is down: ") && said.contains("this host") && said.contains(reply), "{said}");
        assert_eq!(ends(&site, &["run"]), (75, String::new()), "{reply}: it is said once");
        assert_eq!((untouched(&site), site.events().len()), (40, 0), "{reply}");
        assert_eq!(site.try_run(&["status"]).status.code(), Some(1));
        server.set(Script::good());
        let (status, said) = ends(&site, &["run"]);
        assert!(status == 0 && said.contains("takes mail again"), "{reply}: {said}");
        assert_came(&server, &letters, reply);
        site.assert_clean();
    }
}

/// Ten are enough, however many are in flight at once, and whatever the words are.
#[test]
fn ten_that_are_refused_for_good_fail_nobody() {
    for (workers, count) in [(1, 10), (4, 10), (4, 12), (8, 14)] {
        for lmtp in [false, true] {
            let server = serve(lmtp, OFFERS[0], |step| match step.at {
                At::Mail => {
                    say(&format!("550 5.7.1 refused, ref {}", step.line.replace(|c: char| !c.is_alphabetic(), "")))
                }
                _ => Act::Go,
            });
            let site = site_of(&server, &format!("workers = {workers}"), "");
            queue(&site, &ordinary(count));
            let (status, said) = ends(&site, &["run"]);
            assert_eq!((status, untouched(&site)), (75, count), "{workers} workers, {count}, lmtp {lmtp}: {said}");
        }
    }
}

#[test]
fn words_that_blame_us_stop_the_queue_at_any_step() {
    for (at, reply) in [
        (At::Mail, "550 5.7.1 your account is disabled until you pay"),
        (At::Mail, "504 5.5.2 EHLO must be fully qualified"),
        (At::Rcpt, "550 5.7.1 client host rejected: no PTR record"),
        (At::Rcpt, "554 5.7.1 hourly quota reached, wait 12 minutes"),
        (At::Data, "550 5.4.5 you sent too many today"),
        (At::Content, "554 5.7.0 outgoing messages: limit reached"),
        (At::Content, "550 messages per day: 500 of 500"),
    ] {
        for lmtp in [false, true] {
            let text = reply.to_owned();
            let server = serve(lmtp, OFFERS[0], move |step| if step.at == at { say(&text) } else { Act::Go });
            let site = site_of(&server, "workers = 2\nmax_recipients = 5", "");
            // One sender, one domain, and few.
            let letters: Vec<_> = (0..4).map(|n| ("s@example.org".to_owned(), format!("r{n}@example.net"))).collect();
            queue(&site, &letters);
            let what = format!("{at:?} {reply}, lmtp {lmtp}");
            let (status, said) = ends(&site, &["run"]);
            assert!(status == 75 && said.contains(reply), "{what}: {status} {said}");
            assert_eq!((untouched(&site), site.ids("failed").len()), (4, 0), "{what}");
            assert_eq!(ends(&site, &["run"]), (75, String::new()), "{what}");
            server.set(Script::good());
            assert_eq!(ends(&site, &["run"]).0, 0, "{what}");
            assert_came(&server, &letters, &what);
        }
    }
}

/// What was accepted before an outage says nothing of the sink that is tried again.
#[test]
fn a_run_that_waits_for_a_server_that_refuses_everybody_fails_nobody() {
    for reply in ["550 5.7.1 no", "451 later", "550 5.4.5 daily limit reached"] {
        let mails = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (count, text) = (std::sync::Arc::clone(&mails), reply.to_owned());
        let server = serve(false, OFFERS[0], move |step| match step.at {
            At::Mail if count.fetch_add(1, std::sync::atomic::Ordering::AcqRel) >= 3 => say(&text),
            _ => Act::Go,
        });
        let site = site_of(&server, "workers = 1", "");
        queue(&site, &ordinary(30));
        let run = site.start(&["run", "--max-runtime", "1d"]);
        support::wait_until("it was tried again twice", || mails.load(std::sync::atomic::Ordering::Acquire) > 40);
        support::signal("TERM", run.id());
        let output = run.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(75), 1), "{reply}: {said}");
        assert_eq!((untouched(&site), site.events().len()), (27, 3), "{reply}: {:?}", verdicts(&site));
    }
}

/// Of two servers one has blocked the account: the other gets everything.
#[test]
fn a_server_that_blames_us_is_left_out_where_there_is_another() {
    let blocked = serve(false, OFFERS[0], |step| match step.at {
        At::Content => say("550 5.7.1 your account has been blocked from sending"),
        _ => Act::Go,
    });
    let good = serve(false, OFFERS[0], |_| Act::Go);
    for workers in [1, 4] {
        let site = site_of(&good, "", "");
        lead_to(
            &site,
            "smtp",
            &[blocked.connect(), good.connect()],
            &format!("workers = {workers}"),
            "timeout = \"20s\"",
        );
        let letters: Vec<_> =
            (0..20).map(|n| (format!("s{n}@example.org"), format!("w{workers}-{n}@x{n}.example"))).collect();
        queue(&site, &letters);
        assert_eq!(ends(&site, &["run"]), (0, String::new()), "{workers} workers");
        let found = taken(&good);
        assert!(recipients(&letters).iter().all(|to| found.get(to) == Some(&1)), "{workers} workers: {found:?}");
    }
}

/// A command that quotes its server is understood like one.
#[test]
fn a_command_whose_server_refuses_us_fails_no_mail() {
    for (step, reply, kept) in [
        ("envelope from address", "550 5.7.1 denied", true),
        ("recipient address", "550 5.7.1 relay quota used up", true),
        (
            "the server did not accept the mail:",
            "550-5.4.5 daily sending quota exceeded\\n550 5.4.5 https://x.example",
            true,
        ),
        ("recipient address", "550 5.1.1 no such user", false),
    ] {
        let site = Site { dir: tempfile::tempdir().expect("a folder") };
        let script = site.path("msmtp");
        let text = format!(
            "#!/bin/sh\ncat >/dev/null\n[ ! -e {open} ] || {{ echo \"$@\" >>{log}; exit 0; }}\n\
             echo 'msmtp: {step} x@y not accepted by the server' >&2\nprintf 'msmtp: server message: {reply}\\n' >&2\nexit 65\n",
            open = site.path("open").display(),
            log = site.path("came").display()
        );
        support::program(&script, &text);
        site.configure(&format!(
            "[limits]\nmin_free = 0\n[queue.outbound]\ntransport = \"x\"\nnotices = false\nworkers = 2\nprobe_every = 0\n\
             [transport.x]\nkind = \"pipe\"\nprofile = \"msmtp\"\ncommand = [{script:?}, \"--\", \"{{recipients}}\"]\n"
        ));
        queue(&site, &ordinary(20));
        let (status, said) = ends(&site, &["run"]);
        let what = format!("{step}: {reply}: {said}");
        assert_eq!((status, untouched(&site)), if kept { (75, 20) } else { (0, 0) }, "{what}");
        assert_eq!(site.ids("failed").len(), if kept { 0 } else { 20 }, "{what}");
        std::fs::write(site.path("open"), "").expect("written");
        assert_eq!(ends(&site, &["run"]).0, 0, "{what}");
        let came = std::fs::read_to_string(site.path("came")).unwrap_or_default();
        assert_eq!(came.lines().count(), if kept { 20 } else { 0 }, "{what}");
    }
}
