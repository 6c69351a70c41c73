//! Bounces read and recorded, and recipients looked up, with a ledger that knows a million addresses.

use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use bulkmailer::bounce::ledger::{Item, Ledger};
use bulkmailer::bounce::{Action, Class, Kind, Reading, Report};
use bulkmailer::model::{Address, Micros};
use bulkmailer::policy::score::Rules;
use bulkmailer::spool::Spool;
use bulkmailer::sys::clock;
use nix::time::{ClockId, clock_gettime};

use super::rows::{Site, rate};
use super::smtp;
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

/// Puts `count` reports on the `first` address and those after it into the bounce queue.
fn submit_bounces(site: &Site, dir: &Path, first: u32, count: u32) {
    let path = dir.join("box");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
    for n in first..first + count {
        writeln!(file, "From MAILER-DAEMON Tue\n{}", bounce(n)).expect("written");
    }
    file.flush().expect("written");
    let mbox = path.to_str().expect("a path");
    time_of(&mut site.command(&["submit", "-q", "--queue", "bounce", "-f", "", "--mbox", mbox, "news@example.org"]));
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
        submit_bounces(&site, dir.path(), known / 2 + round * count, count);
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

/// Seconds of processors that the children that have ended used, in hundredths.
fn used() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc(5)");
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).expect("a name");
    fields.skip(13).take(2).map(|ticks| ticks.parse::<f64>().expect("ticks") / 100.0).sum()
}

/// Seconds of processors that others than this machine had, and that nothing was done in because the disk was waited for.
fn lost() -> [f64; 2] {
    let stat = std::fs::read_to_string("/proc/stat").expect("proc(5)");
    let ticks: Vec<f64> =
        stat.lines().next().expect("a line").split_whitespace().skip(1).flat_map(str::parse).collect();
    [ticks[7] / 100.0, ticks[4] / 100.0]
}

/// Runs `work` beside loops, one a processor, that use `share` of each and do nothing else.
fn beside_loops<R>(share: f64, work: impl FnOnce() -> R) -> R {
    let cpu = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock"));
    let turn = Duration::from_millis(1);
    let one = |over: Receiver<()>| {
        let (began, mut rest) = (Instant::now(), Duration::ZERO);
        while over.recv_timeout(rest) == Err(RecvTimeoutError::Timeout) {
            rest = turn;
            if cpu().as_secs_f64() < share * began.elapsed().as_secs_f64() {
                let until = cpu() + turn;
                while cpu() < until {}
                rest = Duration::ZERO;
            }
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().expect("a number").get();
        let start = |(ends, over): (Sender<()>, Receiver<()>)| {
            scope.spawn(|| one(over));
            ends
        };
        // They end when these are dropped.
        let _ends: Vec<Sender<()>> = (0..cores).map(|_| start(channel())).collect();
        work()
    })
}

/// What a bulk delivery and a heap of bounces cost those who wait for their mail: a list post drains, with a run of its own as
/// cron has it, bounces lie in their queue, and posts come in.
pub fn queues(tools: &Tools) {
    let (recipients, waiting, posts) = (tools.scale(200_000), tools.scale(100_000), tools.scale(2_000));
    let dir = tools.place(false);
    // An MTA has several processes, and each smtp-sink is one.
    let sinks: Vec<smtp::Sink> = (0..4).map(|_| smtp::Sink::start()).collect();
    let connect: Vec<String> = sinks.iter().map(|sink| format!("tcp:127.0.0.1:{}", sink.port)).collect();
    let table = "max_recipients = 1\n[queue.bounce]\ntransport = \"m\"\nworkers = 2\nlinger = \"1h\"\n\
                 [queue.inbound]\ntransport = \"m\"\nworkers = 2\nlinger = \"1h\"\n";
    let more = format!("[transport.m]\nkind = \"maildir\"\npath = {:?}\n", dir.path().join("in"));
    let smtp = format!("kind = \"smtp\"\nconnect = {connect:?}\n{more}");
    let site = Site::through(dir.path(), &smtp, table);
    let list = dir.path().join("list");
    let post = |count: u32| {
        let text: String = (0..count).map(|n| format!("r{n}@d{}.example\n", n % 97)).collect();
        std::fs::write(&list, text).expect("written");
        let mut command = site.command(&["submit", "-q", "-f", "list@example.org", "--recipients"]);
        command.arg(&list).arg("--message").arg(dir.path().join("message"));
        time_of(&mut command);
    };
    std::fs::write(dir.path().join("message"), format!("Subject: x\n\n{}", "x".repeat(2_000))).expect("written");
    let run = |queue: &str| site.command(&["run", "--queue", queue]).spawn().expect("it starts");
    let sources = |count: u32| -> Vec<Child> {
        sinks.iter().map(|sink| smtp::start_source(sink.port, 2, count / sinks.len() as u32)).collect()
    };
    // Alone first.
    post(recipients / 4);
    let alone = rate(recipients / 4, end_of(Instant::now(), vec![run("outbound")]));
    let source_alone = rate(recipients / 2, end_of(Instant::now(), sources(recipients / 2)));
    let submit = |n: u32| {
        let mut submit =
            site.command(&["submit", "-q", "--queue", "inbound", "-f", "mara@example.net", "list@example.org"]);
        submit.stdin(std::fs::File::open(dir.path().join("message")).expect("a file"));
        assert!(submit.status().expect("it starts").success(), "post {n}");
    };
    // Beside the others: what `start` starts, until that ends.
    let beside = |start: &dyn Fn() -> Vec<Child>| {
        // What was left for the disk to do is nobody's here.
        nix::unistd::sync();
        let (began, before, lost_before) = (Instant::now(), used(), lost());
        let mut others = [run("inbound"), run("bounce")];
        let ours = start();
        (0..posts).for_each(submit);
        let submitted = began.elapsed();
        // What they used is known once they have ended.
        let mut used_by_others = used() - before;
        let took = end_of(began, ours);
        let (before, lost_after) = (used(), lost());
        for run in &mut others {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(run.id()).expect("a pid"));
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it lives");
            run.wait().expect("it ends");
        }
        used_by_others += used() - before;
        let share = |seconds: f64| seconds / (took.as_secs_f64() * cores());
        let lost = [0, 1].map(|at| share(lost_after[at] - lost_before[at]));
        Beside { took, submitted, others: share(used_by_others), lost }
    };
    submit_bounces(&site, dir.path(), 0, waiting);
    post(recipients);
    // A queue is there once something was in it.
    submit(posts);
    let ours = beside(&|| vec![run("outbound")]);
    let lines = || std::fs::read_to_string(site.spool().join("events").join(format!("{}.jsonl", clock::now().day())));
    let events: Vec<serde_json::Value> =
        lines().expect("events").lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let wait = |event: &serde_json::Value| {
        let at = Micros::parse(event["at"].as_str()?)?;
        let id: bulkmailer::model::EntryId = event["id"].as_str()?.parse().ok()?;
        Some(at.since(id.born()?).as_secs_f64())
    };
    let mut waits: Vec<f64> = events.iter().filter(|event| event["queue"] == "inbound").filter_map(wait).collect();
    waits.sort_by(f64::total_cmp);
    let read = events.iter().filter(|event| event["queue"] == "bounce").count();
    println!(
        "{:<44} median {:.0} ms, longest {:.0} ms, of {} posts in {:.0} s",
        "inbound waits",
        median(waits.clone()) * 1e3,
        waits.last().copied().unwrap_or(f64::NAN) * 1e3,
        waits.len(),
        ours.submitted.as_secs_f64()
    );
    println!("{:<44} {read} of {waiting}", "bounces read meanwhile");
    let among = rate(recipients, ours.took);
    ours.print("outbound meanwhile", "recipients/s", among, alone);
    let [stolen, disk] = ours.lost;
    println!(
        "{:<44} {stolen:.2} stolen by other machines, {disk:.2} waiting for the disk",
        "    and of the processors"
    );
    // The fastest client, beside the same.
    submit_bounces(&site, dir.path(), 0, waiting);
    let source = beside(&|| sources(recipients));
    let source_among = rate(recipients, source.took);
    source.print("smtp-source in its place", "messages/s", source_among, source_alone);
    println!(
        "{:<44} {:>30} ratio {:.2}",
        "what outbound keeps / what smtp-source keeps",
        "",
        (among / alone) / (source_among / source_alone)
    );
    // As much as that costs on this machine.
    post(recipients / 4);
    let again = beside_loops(ours.others, || end_of(Instant::now(), vec![run("outbound")]));
    let again = rate(recipients / 4, again);
    println!(
        "{:<44} {again:.0} recipients/s: it fell by {:.2}",
        "outbound beside loops that use as much",
        1.0 - again / alone
    );
}

fn cores() -> f64 {
    std::thread::available_parallelism().expect("a number").get() as f64
}

/// Waits for all of them, which must succeed; the time since `began`.
fn end_of(began: Instant, children: Vec<Child>) -> Duration {
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    began.elapsed()
}

/// What went on beside something.
struct Beside {
    took: Duration,
    /// All posts were in.
    submitted: Duration,
    /// The share of the processors that the others used.
    others: f64,
    /// See [`lost`], as shares.
    lost: [f64; 2],
}

impl Beside {
    fn print(&self, name: &str, unit: &str, among: f64, alone: f64) {
        println!(
            "{name:<44} {among:.0} {unit}, alone {alone:.0}: it fell by {:.2}, and the others used {:.2} of the processors",
            1.0 - among / alone,
            self.others
        );
    }
}
