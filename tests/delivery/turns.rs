//! Who comes when: a single mail does not wait behind a list post of the same queue, not even behind one entry of it.

use crate::support::crash::Trap;
use crate::support::server::{self, At, Kind, Script, Server, say, site_of};
use crate::support::{self, Site};

/// One worker, and a transport that takes one recipient at a time.
const ONE_BY_ONE: &str = "workers = 1\nmax_recipients = 1";

/// Starts a run of a post to `a@x.example` … `e@x.example`, one entry, that stops at `point` when it comes there first;
/// submits the messages `singles`, and lets it go on to its end.
fn post_and_singles(site: &Site, point: &str, singles: std::ops::Range<u32>) {
    let list = site.path("list");
    std::fs::write(&list, "a@x.example\nb@x.example\nc@x.example\nd@x.example\ne@x.example\n").expect("written");
    let list = list.to_str().expect("a path");
    let posted = site.feed(&["submit", "-f", "l@example.org", "--recipients", list], support::message(1).as_bytes());
    assert!(posted.status.success(), "{posted:?}");
    let trap = Trap::new(site, &format!("{point}=stop"));
    let run = trap.set(site.command(&["run"])).spawn().expect("it starts");
    support::wait_until("a worker has come there", || trap.was_met());
    for n in singles {
        site.submit(n, &[&format!("s{n}@y.example")]);
    }
    let worker = support::children(run.id()).into_iter().flat_map(support::children).next();
    support::signal("CONT", worker.expect("a worker"));
    let output = run.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// `p` for a recipient of the post, `s` for one of the singles, as they were delivered.
fn order(site: &Site) -> String {
    let events = site.events();
    let delivered = events.iter().filter(|event| event["verdict"] == "delivered");
    let kind = |event: &serde_json::Value| {
        let to = event["recipient"].as_str().expect("text");
        if to.starts_with('s') { 's' } else { 'p' }
    };
    delivered.map(kind).collect()
}

#[test]
fn a_single_mail_has_its_turn_between_two_groups_of_a_post() {
    let site = Site::new("ok", ONE_BY_ONE);
    post_and_singles(&site, "worker.handed", 2..5);
    assert_eq!(order(&site), "pspspspp");
    site.assert_clean();
}

/// What came when the next envelope had been sent ahead has its turn after that.
#[test]
fn over_smtp_too_and_the_session_is_kept() {
    for (point, expected) in [("worker.handing", "pspspspp"), ("smtp.sent", "ppspspsp")] {
        let (site, server) = (Site::new("ok", ""), Site::new("ok", ""));
        let exec = format!(
            "exec:/usr/bin/env BULKMAILER_SPOOL={} BULKMAILER_CONFIG={} /bin/sh {}",
            server.path("spool").display(),
            server.path("bulkmailer.toml").display(),
            server.path("serve").display()
        );
        let serve = format!(
            "echo session >> {}\nexec {} sendmail -bs\n",
            server.path("sessions").display(),
            env!("CARGO_BIN_EXE_bulkmailer")
        );
        std::fs::write(server.path("serve"), serve).expect("written");
        site.configure(&format!(
            "[limits]\nmin_free = \"0\"\n[queue.outbound]\ntransport = \"sink\"\n{ONE_BY_ONE}\nnotices = false\n\
             [transport.sink]\nkind = \"smtp\"\nconnect = {exec:?}\n"
        ));
        post_and_singles(&site, point, 2..5);
        assert_eq!(order(&site), expected, "{point}");
        assert_eq!(server.list().len(), 8);
        assert_eq!(std::fs::read_to_string(server.path("sessions")).expect("a log"), "session\n");
        site.assert_clean();
    }
}

/// A worker that dies with a single mail in hand leaves the post's entry, of which it had done a part.
#[test]
fn one_that_is_killed_between_two_groups_repeats_nothing() {
    for point in ["claim.taken:2", "claim.taken:3", "worker.handing:2", "worker.handing:3"] {
        let site = Site::new("ok", ONE_BY_ONE);
        let list = site.path("list");
        std::fs::write(&list, "a@x.example\nb@x.example\nc@x.example\n").expect("written");
        let list = list.to_str().expect("a path");
        site.feed(&["submit", "-f", "l@example.org", "--recipients", list], support::message(1).as_bytes());
        site.submit(2, &["s@y.example"]);
        site.submit(3, &["s@y.example"]);
        let trap = Trap::new(&site, point);
        trap.run(&site, &["run"]);
        assert!(trap.was_met(), "{point}");
        support::crash::drain(&site);
        let found = site.deliveries();
        assert!(found.len() == 5 && found.values().all(|&times| times == 1), "{point}: {found:?}");
        site.assert_clean();
    }
}

/// The single mail that was looked at ahead may meet a server that takes nobody's mail any more, and the run may end there.
#[test]
fn a_post_that_is_done_is_settled_before_a_single_mail_has_its_turn() {
    let refuse = |line: &str, reply: &str| if line.contains("<sender@") { say(reply) } else { server::Act::Go };
    for reply in ["451 4.3.0 later", "530 5.7.0 log in"] {
        let script = Script::steps(move |step| match step.at {
            At::Mail => refuse(step.line, reply),
            _ => server::Act::Go,
        });
        let server = Server::tcp(Kind::smtp(&["PIPELINING"]), script);
        let site = site_of(&server, "", "");
        let list = site.path("list");
        std::fs::write(&list, "a@x.example\n").expect("written");
        let list = list.to_str().expect("a path");
        site.feed(&["submit", "-f", "l@example.org", "--recipients", list], support::message(1).as_bytes());
        site.submit(2, &["s@y.example"]);
        for _ in 0..3 {
            server::ends(&site, &["run"]);
        }
        let taken = server.with_log(|log| log.taken.len());
        assert_eq!((taken, order(&site).as_str()), (1, "p"), "{reply}");
        assert_eq!(site.ids("ready").len(), 1, "{reply}");
    }
}
