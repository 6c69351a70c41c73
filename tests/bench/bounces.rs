//! Bounces read and recorded, and recipients looked up, with a ledger that knows a million addresses.

use std::io::Write;
use std::time::{Duration, Instant};

use bulkmailer::bounce::ledger::{Item, Ledger};
use bulkmailer::bounce::{Action, Class, Kind, Reading, Report};
use bulkmailer::model::{Address, Micros};
use bulkmailer::policy::score::Rules;
use bulkmailer::spool::Spool;
use bulkmailer::sys::clock;

use super::rows::{Site, rate};
use super::tools::{Tools, median, memory_of, time_of};

fn address(n: u32) -> Address {
    format!("reader{:06}@d{}.example", n.wrapping_mul(2_654_435_761) % 10_000_000, n % 997).parse().expect("an address")
}

/// A report as Postfix writes it, with a message of ordinary size.
fn bounce(n: u32) -> String {
    let (to, body) = (address(n), "All mail that waits in a queue arrives in the end.\n".repeat(40));
    format!(
        "Return-Path: <>\nDate: Tue, 24 Nov 2026 12:00:00 +0000\nFrom: MAILER-DAEMON@mx.example.org (Mail Delivery System)\n\
         Subject: Undelivered Mail Returned to Sender\nTo: news@example.org\nMessage-Id: <b{n}@mx.example.org>\n\
         MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b/mx\"\n\n\
         --b/mx\nContent-Type: text/plain\n\nThis is the mail system at host mx.example.org.\n\n<{to}>: host mx.d.example \
         said: 550 5.1.1 User unknown\n\n--b/mx\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; \
         mx.example.org\n\nFinal-Recipient: rfc822; {to}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 \
         User unknown\n\n--b/mx\nContent-Type: message/rfc822\n\nMessage-ID: <{n}@example.org>\nTo: {to}\n\n{body}\n--b/mx--\n"
    )
}

/// Gives `count` addresses an account.
fn fill(ledger: &mut Ledger, count: u32) {
    let reading = |n: u32| Reading {
        kind: Kind::Bounce,
        reports: vec![Report {
            recipient: address(n),
            action: Action::Failed,
            status: Some("5.2.2".to_owned()),
            reply: Some(552),
            class: Class::MailboxFull,
            remote: Some("mx.d.example".to_owned()),
            text: "552 5.2.2 mailbox full".to_owned(),
        }],
        message_id: None,
    };
    let at = Micros(clock::now().0 - 86_400_000_000);
    for begin in (0..count).step_by(20_000) {
        let all: Vec<(String, Reading)> =
            (begin..(begin + 20_000).min(count)).map(|n| (format!("fill{n}"), reading(n))).collect();
        let items: Vec<Item<'_>> = all.iter().map(|(entry, reading)| Item { entry, at, reading }).collect();
        ledger.record(&items, &Rules::default(), Duration::from_secs(90 * 86_400)).expect("recorded");
    }
}

pub fn bounces(tools: &Tools) {
    let (known, count) = (tools.scale(1_000_000), tools.scale(20_000));
    let dir = tools.place(false);
    let table = "workers = 2\n[queue.bounce]\ntransport = \"t\"\nworkers = 2\n";
    let site =
        Site::through(dir.path(), &format!("kind = \"maildir\"\npath = {:?}\n", dir.path().join("unread")), table);
    Spool::create(&site.spool()).expect("a spool");
    let mut ledger = Ledger::open(&site.spool()).expect("a ledger");
    fill(&mut ledger, known);
    let mut rates = Vec::new();
    for round in 0..3 {
        let path = dir.path().join("box");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
        for n in 0..count {
            writeln!(file, "From MAILER-DAEMON Tue\n{}", bounce(known / 2 + round * count + n)).expect("written");
        }
        file.flush().expect("written");
        let mbox = path.to_str().expect("a path");
        time_of(&mut site.command(&[
            "submit",
            "-q",
            "--queue",
            "bounce",
            "-f",
            "",
            "--mbox",
            mbox,
            "news@example.org",
        ]));
        let took = time_of(&mut site.command(&["run", "--queue", "bounce"]));
        rates.push(rate(count, took));
    }
    let (accounts, _) = ledger.size().expect("counted");
    println!(
        "{:<44} {:.0} bounces/s, the ledger knows {accounts} addresses",
        "bounces read and recorded",
        median(rates)
    );
    let idle = memory_of(&mut site.command(&["run", "--queue", "bounce"]));
    println!("{:<44} {idle} KiB a process", "    its memory");
    let asked = tools.scale(200_000);
    let began = Instant::now();
    for n in 0..asked {
        ledger.suppression(&address(n.wrapping_mul(7_919))).expect("an answer");
    }
    let each = began.elapsed().as_secs_f64() / f64::from(asked);
    println!("{:<44} {:.1} µs", "a recipient looked up", each * 1e6);
}
