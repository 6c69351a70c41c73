//! Rows over SMTP: an answer and the next row are one record, also where a kill or a person comes between; what a row's header
//! or size needs of the server concerns this row alone.

use std::collections::BTreeMap;

use crate::support::Site;
use crate::support::server::{At, Kind, Log, Script, Server, lead_to, say};
use crate::template::{checked, data, merge};

/// What came of each recipient: that the server took its mail, or the verdict and status of its event.
fn verdicts(site: &Site, server: &Server) -> BTreeMap<String, String> {
    let log = server.log();
    let answered = log.taken.iter().filter(|taken| taken.answered).flat_map(|taken| taken.recipients.clone());
    let mut found: Vec<(String, String)> = answered.map(|to| (to, "delivered".to_owned())).collect();
    for event in site.events().iter().filter(|event| event["verdict"].is_string()) {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        found.push((text("recipient"), format!("{} {}", text("verdict"), text("status"))));
    }
    let count = found.len();
    let found: BTreeMap<String, String> = found.into_iter().collect();
    assert_eq!(found.len(), count, "one each: {found:?}");
    found
}

fn told(expected: &[(&str, &str)]) -> BTreeMap<String, String> {
    expected.iter().map(|(to, verdict)| ((*to).to_owned(), (*verdict).to_owned())).collect()
}

/// The MAIL commands, each with its session.
fn mails(log: &Log) -> Vec<String> {
    let is_mail = |command: &&(usize, String)| command.1.starts_with("MAIL");
    log.commands.iter().filter(is_mail).map(|(_, line)| line.clone()).collect()
}

#[cfg(feature = "faults")]
mod records {
    use crate::job::{merge, people};
    use crate::support::crash::{self, Trap};
    use crate::support::server::{Kind, Script, Server, site_of};
    use crate::support::{Site, children, signal, wait_until};

    const HOLD: &str = "on_crash = \"hold\"\nretry = { first = \"1d\", max = \"1d\" }";

    /// A merge of six rows in one entry to a server with these offers.
    fn six(offers: &[&'static str], queue: &str) -> (Server, Site, String) {
        let server = Server::tcp(Kind::smtp(offers), Script::good());
        let site = site_of(&server, queue, "");
        let id = merge(&site, &people(6), 6);
        (server, site, id.as_str().to_owned())
    }

    fn assert_all_came_once(server: &Server, site: &Site, what: &str) {
        let mut came: Vec<String> = server.log().taken.iter().flat_map(|taken| taken.recipients.clone()).collect();
        came.sort();
        let mut expected: Vec<String> = people(6).into_iter().map(|mail| mail.to).collect();
        expected.sort();
        assert_eq!(came, expected, "{what}");
        site.assert_clean();
    }

    #[test]
    fn an_answer_and_the_next_row_are_written_at_once() {
        // The first *begun*, and a record a row; without read-ahead two a row.
        for (offers, writes) in [(&["PIPELINING"][..], 7), (&["PIPELINING", "CHUNKING"], 7), (&["8BITMIME"], 12)] {
            for (count, is_met) in [(writes, true), (writes + 1, false)] {
                let (server, site, _) = six(offers, "");
                let trap = Trap::new(&site, &format!("merge.append:{count}=eio"));
                trap.run(&site, &["run"]);
                assert_eq!(trap.was_met(), is_met, "{offers:?}: write {count}");
                if !is_met {
                    assert_all_came_once(&server, &site, "no fault");
                }
            }
        }
    }

    #[test]
    fn a_kill_behind_an_answer_leaves_that_and_the_next_row_in_doubt() {
        let (server, site, id) = six(&["PIPELINING"], HOLD);
        let trap = Trap::new(&site, "worker.answered:2");
        trap.run(&site, &["run"]);
        assert!(trap.was_met());
        crash::wait_for_the_lock(&site);
        site.ok(&["run"]);
        let shown = site.json(&["jobs", "show", "--json", &id]);
        assert_eq!((&shown["held"], &shown["done"]), (&1.into(), &5.into()), "{shown}");
        site.ok(&["release", &format!("{id}.0.0")]);
        site.ok(&["run"]);
        // It had not been handed over.
        assert_all_came_once(&server, &site, "released");
    }

    #[test]
    fn a_row_whose_turn_a_person_took_away_is_not_in_doubt() {
        let (server, site, id) = six(&["PIPELINING"], HOLD);
        let trap = Trap::new(&site, "worker.recorded:2=stop");
        let mut run = trap.set(site.command(&["run"])).spawn().expect("it starts");
        wait_until("a worker has come there", || trap.was_met());
        site.ok(&["jobs", "pause", &id]);
        let worker = children(run.id()).into_iter().flat_map(children).next();
        signal("CONT", worker.expect("a worker"));
        assert!(run.wait().expect("it ends").success());
        assert_eq!(server.log().taken.len(), 2, "nothing more was handed over");
        site.ok(&["jobs", "resume", &id]);
        site.ok(&["run"]);
        let shown = site.json(&["jobs", "show", "--json", &id]);
        assert_eq!((&shown["held"], &shown["done"]), (&0.into(), &6.into()), "{shown}");
        assert_all_came_once(&server, &site, "resumed");
    }
}

/// A site whose rows have a Reply-To and a text of their own, and `rows` of email, reply and body.
fn written(server: &Server, rows: &[(&str, &str, &str)]) -> (Site, String) {
    let site = crate::template::site("");
    lead_to(&site, "smtp", &[server.connect()], "", "timeout = \"20s\"");
    let headers = "From: Shop <shop@example.org>\nTo: {{ email }}\nReply-To: {{ reply }}\nSubject: Gr\u{fc}\u{df}e\n";
    std::fs::write(site.path("template/headers"), headers).expect("written");
    std::fs::write(site.path("template/text"), "{{ body }}\n").expect("written");
    std::fs::remove_file(site.path("template/html")).expect("removed");
    std::fs::remove_dir_all(site.path("template/inline")).expect("removed");
    let lines: String = rows.iter().map(|(email, reply, body)| format!("{email},{reply},{body}\n")).collect();
    let rows = data(&site, "x.csv", &format!("email,reply,body\n{lines}"));
    (site, rows)
}

#[test]
fn a_header_beyond_ascii_needs_smtputf8_as_an_address_does() {
    let rows = [
        ("a@x.example", "shop@example.org", "x"),
        ("b@x.example", "j\u{fc}rgen@example.org", "x"),
        ("zo\u{eb}@x.example", "shop@example.org", "x"),
        ("d@x.example", "shop@example.org", "x"),
    ];
    for offers in [&["PIPELINING", "SMTPUTF8"][..], &["SMTPUTF8"], &["PIPELINING"], &["8BITMIME"]] {
        let server = Server::tcp(Kind::smtp(offers), Script::good());
        let (site, data) = written(&server, &rows);
        // The check counts the same.
        let (report, status) = checked(&site, &data, &[]);
        assert_eq!((&report["smtputf8"]["first"], status), (&serde_json::json!([2, 3]), 0), "{report}");
        assert!(merge(&site, &data, &["--yes"]).status.success());
        site.ok(&["run"]);
        let needs = if offers.contains(&"SMTPUTF8") { "delivered" } else { "failed 5.6.7" };
        let expected = [(rows[0].0, "delivered"), (rows[1].0, needs), (rows[2].0, needs), (rows[3].0, "delivered")];
        assert_eq!(verdicts(&site, &server), told(&expected), "{offers:?}");
        let log = server.log();
        assert!(log.misdeeds.is_empty(), "{offers:?}: {:?}", log.misdeeds);
        assert_eq!(server.sessions(), 1, "{offers:?}: none costs the session");
        let with = |log: &Log| mails(log).iter().filter(|line| line.ends_with(" SMTPUTF8")).count();
        assert_eq!((mails(&log).len(), with(&log)), if needs == "delivered" { (4, 2) } else { (2, 0) }, "{offers:?}");
        site.assert_clean();
    }
}

#[test]
fn a_sender_beyond_ascii_is_counted_for_each_row() {
    let server = Server::tcp(Kind::smtp(&["PIPELINING"]), Script::good());
    let (site, data) = written(&server, &[("a@x.example", "shop@example.org", "x")]);
    let template = site.path("template").display().to_string();
    let sender = ["-f", "b\u{fc}ro@example.org", "--check", "--json"];
    let output = site.try_run(&[&["merge", "--template", &template, "--data", &data], &sender[..]].concat());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["smtputf8"]["first"], serde_json::json!([1]), "{report}");
}

#[test]
fn a_message_larger_than_the_server_takes_fails_that_row_alone() {
    let (large, small) = ("y".repeat(5_000), "z".repeat(900));
    let rows: Vec<(String, &str)> =
        (1..=6).map(|n| (format!("r{n}@x.example"), if n % 3 == 2 { &*large } else { &*small })).collect();
    let rows: Vec<(&str, &str, &str)> = rows.iter().map(|(to, body)| (&**to, "shop@example.org", *body)).collect();
    let too_large = |line: &str| {
        let size = line.split(" SIZE=").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        size.is_some_and(|size| size > 4_000)
    };
    let cases: [(&[&str], At); 5] = [
        // Told at EHLO: it is not even asked.
        (&["PIPELINING", "SIZE 4000"], At::Hello),
        (&["SIZE 4000"], At::Hello),
        (&["PIPELINING", "SIZE"], At::Mail),
        (&["SIZE 0"], At::Mail),
        (&["PIPELINING"], At::Content),
    ];
    for (offers, at) in cases {
        let script = Script::steps(move |step| match (step.at, at) {
            (At::Mail, At::Mail) if too_large(step.line) => say("552 5.3.4 message size exceeds fixed limit"),
            (At::Content, At::Content) if step.transaction % 3 == 1 => say("552 5.3.4 too much"),
            _ => crate::support::server::Act::Go,
        });
        let server = Server::tcp(Kind::smtp(offers), script);
        let (site, data) = written(&server, &rows);
        assert!(merge(&site, &data, &["--yes"]).status.success());
        assert_eq!(site.run_once(), (0, String::new()), "{offers:?}");
        let expected: Vec<(&str, &str)> = rows
            .iter()
            .map(|(to, _, body)| (*to, if body.len() > 4_000 { "failed 5.3.4" } else { "delivered" }))
            .collect();
        assert_eq!(verdicts(&site, &server), told(&expected), "{offers:?}");
        let log = server.log();
        assert_eq!(mails(&log).iter().any(|line| too_large(line)), at == At::Mail, "{offers:?}: {:?}", mails(&log));
        assert!(log.misdeeds.is_empty() && server.sessions() == 1, "{offers:?}: {:?}", log.misdeeds);
        let reason = site.events().iter().map(ToString::to_string).find(|event| event.contains("5.3.4")).expect("one");
        assert!(reason.contains("552"), "{reason}");
        site.assert_clean();
    }
}
