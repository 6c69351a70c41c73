//! What concerns a session with a server and no message: limits, verdicts of its own, one server of several that is dead.

use crate::support;
use crate::support::server::letters::{
    FIRST, KINDS, assert_all_came, assert_true, deliveries, queue, recipients, serve, verdicts,
};
use crate::support::server::{Act, At, Dead, Kind, Script, Server, ends, lead_to, say, site_of};

pub const LATER: &str = "retry = { first = \"1d\", max = \"1d\" }";

pub fn limit(at: usize, act: Act) -> Script {
    Script::steps(move |step| if step.at == At::Mail && step.transaction >= at { act.clone() } else { Act::Go })
}

#[test]
fn a_session_that_takes_no_more_messages_defers_none() {
    for kind in [0, 1, 3, 4] {
        for act in
            [say("452 4.5.3 Too many messages sent"), Act::SayAndClose("421 4.7.0 enough".to_owned()), Act::Close]
        {
            let what = format!("{}, {act:?}", KINDS[kind].0);
            let server = serve(kind, None, limit(100, act));
            let site = site_of(&server, LATER, "");
            queue(&site, 350);
            assert_eq!(ends(&site, &["run"]), (0, String::new()), "{what}");
            assert_all_came(&site, &server.log(), 350, &what);
            assert!(site.events().iter().all(|event| event["attempt"] == 1), "{what}");
            assert_eq!(server.sessions(), 4, "{what}");
        }
    }
}

#[test]
fn a_session_has_as_many_messages_as_was_said() {
    for kind in [0, 1] {
        let server = serve(kind, None, Script::good());
        let site = site_of(&server, "", "session_messages = 7");
        queue(&site, 100);
        assert_eq!(ends(&site, &["run"]), (0, String::new()));
        assert_all_came(&site, &server.log(), 100, "7");
        assert_eq!(server.sessions(), 15, "{}", KINDS[kind].0);
        let quits = server.log().commands.iter().filter(|(_, line)| line == "QUIT").count();
        assert!(quits >= 14, "{quits} of 15 sessions were ended in form");
    }
}

#[test]
fn a_word_that_nobody_asked_for_ends_the_session_and_no_message() {
    for kind in [0, 1, 3, 4] {
        // A server that has had enough says so when it has answered.
        let script = Script::steps(|step| match (step.at, step.transaction) {
            (At::Idle, 4) => Act::SayAndClose("421 4.4.2 idle".to_owned()),
            _ => Act::Go,
        });
        let server = serve(kind, None, script);
        let site = site_of(&server, LATER, "");
        queue(&site, 60);
        assert_eq!(ends(&site, &["run"]), (0, String::new()), "{}", KINDS[kind].0);
        assert_all_came(&site, &server.log(), 60, KINDS[kind].0);
        assert!(site.events().iter().all(|event| event["attempt"] == 1), "{}", KINDS[kind].0);
    }
}

#[test]
fn the_envelope_of_a_message_whose_recipients_are_all_refused_takes_no_content() {
    for kind in [0, 1, 3, 4] {
        let what = KINDS[kind].0;
        // Every third message's; and the server wants the content all the same.
        let bad =
            |line: &str| line.split(['r', '.']).any(|n| n.parse::<usize>().is_ok_and(|n| n >= FIRST && n % 3 == 0));
        let last = std::sync::Mutex::new((0, false));
        let server = serve(
            kind,
            None,
            Script::steps(move |step| {
                let mut last = last.lock().expect("no session panicked");
                match step.at {
                    At::Rcpt if bad(step.line) => {
                        *last = (step.session, true);
                        say("550 5.1.1 nobody of that name")
                    }
                    At::Mail => {
                        *last = (step.session, false);
                        Act::Go
                    }
                    At::Data if *last == (step.session, true) => say("354 go on"),
                    _ => Act::Go,
                }
            }),
        );
        let site = site_of(&server, LATER, "");
        queue(&site, 30);
        assert_eq!(ends(&site, &["run"]), (0, String::new()), "{what}");
        assert_true(&site, &server.log(), what);
        let told = verdicts(&site);
        for n in FIRST..FIRST + 30 {
            let verdict = if n % 3 == 0 { "failed" } else { "delivered" };
            assert!(recipients(n).iter().all(|recipient| told[recipient] == [verdict]), "{what}, {n}: {told:?}");
        }
    }
}

#[test]
fn each_recipient_of_a_message_has_its_own_verdict() {
    let answers = ["250 ok", "450 4.2.1 later", "550 5.1.1 no", "250 ok", "452 4.2.2 full", "552 5.2.2 full"];
    let wanted = ["delivered", "deferred", "failed", "delivered", "deferred", "failed"];
    for (kind, at) in [(1, At::Rcpt), (4, At::Rcpt), (4, At::Content), (5, At::Content)] {
        let server = serve(
            kind,
            None,
            Script::steps(move |step| if step.at == at { say(answers[step.recipient]) } else { Act::Go }),
        );
        let site = site_of(&server, LATER, "");
        let to: Vec<String> = (0..6).map(|i| format!("r{i}@c.example")).collect();
        site.submit(1, &to.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ends(&site, &["run"]).0, 0);
        let told = verdicts(&site);
        // After a recipient too many, 552 is no word about its mailbox (RFC 5321 section 4.5.3.1.10).
        let wanted: Vec<&str> =
            wanted.iter().enumerate().map(|(i, &w)| if i == 5 && at == At::Rcpt { "deferred" } else { w }).collect();
        assert_eq!(to.iter().map(|to| told[to].join(" ")).collect::<Vec<_>>(), wanted, "{} {at:?}", KINDS[kind].0);
        // Only who was deferred is tried again, and gets the message once.
        server.set(Script::good());
        assert_eq!(ends(&site, &["flush", "-q"]).0, 0);
        let mut came: Vec<String> = server.log().taken.into_iter().flat_map(|taken| taken.recipients).collect();
        came.sort();
        let all: Vec<String> =
            to.iter().zip(&wanted).filter(|(_, w)| **w != "failed").map(|(to, _)| to.clone()).collect();
        assert_eq!(came, all, "{} {at:?}", KINDS[kind].0);
    }
}

#[test]
fn recipients_over_a_servers_limit_come_next_time() {
    for refusal in ["452 4.5.3 too many recipients", "552 too many recipients"] {
        let server = serve(
            1,
            None,
            Script::steps(
                move |step| {
                    if step.at == At::Rcpt && step.recipient >= 100 { say(refusal) } else { Act::Go }
                },
            ),
        );
        let site = site_of(&server, &format!("max_recipients = 1000\n{LATER}"), "");
        let to: Vec<String> = (0..250).map(|i| format!("r{i:03}@c.example")).collect();
        site.submit(1, &to.iter().map(String::as_str).collect::<Vec<_>>());
        for left in [150, 50, 0] {
            assert_eq!(ends(&site, &["flush", "-q"]).0, 0);
            let open: u64 = site.list().iter().map(|row| row["open"].as_u64().unwrap_or(0)).sum();
            let came: usize = server.log().taken.iter().map(|taken| taken.recipients.len()).sum();
            assert_eq!(came, 250 - left, "{refusal}: {open}");
        }
        assert!(site.list().is_empty());
    }
}

#[test]
fn a_name_with_several_addresses_is_tried_at_each() {
    // The server listens on 127.0.0.1 alone, and many hosts call ::1 localhost, too.
    let server = serve(1, None, Script::good());
    let site = site_of(&server, "", "");
    let port = server.connect().rsplit(':').next().expect("a port").to_owned();
    lead_to(&site, "smtp", &[&format!("tcp:localhost:{port}")], "", "timeout = \"20s\"");
    queue(&site, 3);
    assert_eq!(ends(&site, &["run"]), (0, String::new()));
    assert_all_came(&site, &server.log(), 3, "localhost");
}

#[test]
fn of_several_servers_each_has_its_turn_and_a_dead_one_is_passed_over() {
    let (one, two) =
        (serve(1, None, limit(10, say("452 4.5.3 enough"))), serve(1, None, limit(10, say("452 4.5.3 enough"))));
    let site = site_of(&one, "", "");
    let dead = Dead::tcp();
    let socket = site.path("socket");
    let unix = format!("unix:{}", socket.display());
    lead_to(&site, "smtp", &[one.connect(), &dead.connect, two.connect(), &unix], LATER, "timeout = \"20s\"");
    queue(&site, 100);
    assert_eq!(ends(&site, &["run"]), (0, String::new()));
    let (first, second) = (one.log(), two.log());
    assert_eq!(deliveries(&first).len() + deliveries(&second).len(), 200);
    assert!(first.taken.len() >= 40 && second.taken.len() >= 40, "{} and {}", first.taken.len(), second.taken.len());
    assert!(site.events().iter().all(|event| event["attempt"] == 1 && event["verdict"] == "delivered"));
    // A run that follows looks again.
    let three = Server::unix(&socket, Kind::smtp(&["PIPELINING"]), Script::good());
    site.submit(1, &["a@c.example"]);
    drop((one, two));
    assert_eq!(ends(&site, &["run"]), (0, String::new()));
    assert_eq!(three.log().taken.len(), 1);
    // All are dead: each is named.
    drop(three);
    site.submit(2, &["b@c.example"]);
    let (status, said) = ends(&site, &["run"]);
    assert!(status == 75 && said.contains(&dead.connect) && said.contains(&unix), "{said}");
    assert_eq!(site.list()[0]["attempts"], 0);
}

#[test]
fn a_content_that_is_refused_before_its_end_is_refused() {
    for (kind, fresh) in [(0, true), (1, true), (1, false), (3, true), (3, false), (4, true), (4, false), (5, true)] {
        for unix in [false, true] {
            let what = format!("{}, fresh {fresh}, unix {unix}", KINDS[kind].0);
            let (_, lmtp, offers) = KINDS[kind];
            let limited = Kind { lmtp, most: Some(700_000), ..Kind::smtp(offers) };
            let folder = tempfile::tempdir().expect("a folder");
            let server = match unix {
                true => Server::unix(&folder.path().join("socket"), limited, Script::good()),
                false => Server::tcp(limited, Script::good()),
            };
            let site = site_of(&server, LATER, "");
            if !fresh {
                queue(&site, 20);
            }
            let message = support::message(1).replace("END", &"A line of a long message.\n".repeat(400_000));
            let output = site.feed(&["submit", "-f", "s@b.example", "--", "a@c.example"], message.as_bytes());
            assert!(output.status.success(), "{output:?}");
            let (status, said) = ends(&site, &["run"]);
            assert_eq!((status, said.as_str()), (0, ""), "{what}");
            assert_eq!(verdicts(&site)["a@c.example"], ["failed"], "{what}");
            assert!(verdicts(&site).iter().all(|(to, told)| to == "a@c.example" || told == &["delivered"]), "{what}");
        }
    }
}

#[test]
fn what_the_sender_asked_to_be_told_goes_where_that_is_offered() {
    for (kind, dsn) in [(1, true), (0, false), (3, false)] {
        let server = serve(kind, None, Script::good());
        let site = site_of(&server, "", "");
        let asked =
            ["sendmail", "-oi", "-N", "success,delay", "-R", "hdrs", "-V", "an+id", "-f", "s@b.example", "a@c.example"];
        let output = site.feed(&asked, support::message(1).as_bytes());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(ends(&site, &["run"]).0, 0);
        let log = server.log();
        let of = |verb: &str| {
            log.commands
                .iter()
                .find(|(_, line)| line.starts_with(verb))
                .map_or("", |(_, line)| line.as_str())
                .to_owned()
        };
        let (mail, rcpt) = (of("MAIL"), of("RCPT"));
        assert_eq!(mail.contains(" RET=HDRS ENVID=an+2Bid"), dsn, "{mail}");
        assert_eq!(rcpt.contains(" NOTIFY=SUCCESS,DELAY"), dsn, "{rcpt}");
        assert!(log.misdeeds.is_empty() && log.taken.len() == 1, "{:?}", log.misdeeds);
    }
}

/// A server in sh: it takes everything, and writes what it was told into `log`.
const SPEAKER: &str = "echo started >> log; printf '220 sh\\r\\n'; data=
while IFS= read -r line; do
    echo \"$line\" >> log
    line=$(printf '%s' \"$line\" | tr -d '\\r')
    case $data$line in
    data.) data=; printf '250 taken\\r\\n' ;;
    data*) ;;
    DATA) data=data; printf '354 go on\\r\\n' ;;
    QUIT) printf '221 bye\\r\\n'; exit ;;
    *) printf '250 ok\\r\\n' ;;
    esac
done";

#[test]
fn a_command_that_speaks_smtp_is_started_once_and_ended() {
    let server = serve(1, None, Script::good());
    let site = site_of(&server, "", "");
    let script = site.path("speaker");
    std::fs::write(&script, format!("cd {}\n{SPEAKER}\n", site.dir.path().display())).expect("written");
    lead_to(&site, "smtp", &[&format!("exec:/bin/sh {}", script.display())], LATER, "timeout = \"20s\"");
    queue(&site, 10);
    assert_eq!(ends(&site, &["run"]), (0, String::new()));
    let log = std::fs::read_to_string(site.path("log")).expect("text");
    let count = |line: &str| log.lines().filter(|found| found.trim_end() == line).count();
    assert_eq!((count("started"), count("END"), count("RSET")), (1, 10, 0), "{log}");
    support::wait_until("it has heard QUIT", || {
        std::fs::read_to_string(site.path("log")).expect("text").trim_end().ends_with("QUIT")
    });
    assert!(site.list().is_empty());
    // One that cannot be run, ends at once, or says something else.
    for command in ["/nonexistent/sendmail -bs", "/bin/false", "/bin/echo hello"] {
        lead_to(&site, "smtp", &[&format!("exec:{command}")], LATER, "timeout = \"5s\"");
        site.submit(1, &["a@c.example"]);
        let _ = std::fs::remove_file(site.path("spool/outbound/sink"));
        let (status, said) = ends(&site, &["run"]);
        let program = command.split(' ').next().expect("a program");
        assert!(status == 75 && said.contains(program), "{command}: {status} {said}");
        assert!(site.list().iter().all(|row| row["attempts"] == 0), "{command}");
    }
}

#[test]
fn a_run_that_is_told_to_end_leaves_no_message_in_doubt() {
    for kind in [0, 1, 3, 4] {
        let what = KINDS[kind].0;
        let server = serve(kind, None, Script::good());
        let site = site_of(&server, &format!("workers = 3\non_crash = \"hold\"\n{LATER}"), "");
        queue(&site, 1_500);
        let mut before = 0;
        for _ in 0..5 {
            let run = site.start(&["run"]);
            support::wait_until("some are delivered", || {
                server.log().taken.len() > before + 20 || site.ids("ready").is_empty()
            });
            support::signal("TERM", run.id());
            support::assert_silent(run);
            before = server.log().taken.len();
        }
        assert_eq!(ends(&site, &["run"]), (0, String::new()), "{what}");
        assert_all_came(&site, &server.log(), 1_500, what);
    }
}

#[test]
fn a_server_that_takes_few_sessions_gets_all_through_those() {
    for kind in [0, 1, 4] {
        let (what, lmtp, offers) = KINDS[kind];
        let server = Server::tcp(Kind { lmtp, at_once: Some(2), ..Kind::smtp(offers) }, Script::good());
        let site = site_of(&server, &format!("workers = 6\n{LATER}"), "");
        queue(&site, 600);
        assert_eq!(ends(&site, &["run"]), (0, String::new()), "{what}");
        assert_all_came(&site, &server.log(), 600, what);
        assert!(site.events().iter().all(|event| event["attempt"] == 1), "{what}");
    }
}
