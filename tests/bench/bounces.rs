//! Bounces read and recorded, and recipients looked up, with a ledger that knows a million addresses.

use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bulkmailer::bounce::ledger::{Item, Ledger};
use bulkmailer::bounce::{Action, Class, MessageKind, Reading, Report};
use bulkmailer::model::{Address, Micros};
use bulkmailer::policy::score::Rules;
use bulkmailer::spool::Spool;
use bulkmailer::sys::clock;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::program::{Outcome, Program, cost_of, done};
use super::site::Site;
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
        kind: MessageKind::Bounce,
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
fn submit_bounces(site: &Site<'_>, dir: &Path, first: u32, count: u32) -> Result<(), String> {
    let path = dir.join("box");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
    for n in first..first + count {
        writeln!(file, "From MAILER-DAEMON Tue\n{}", bounce(n)).expect("written");
    }
    file.flush().expect("written");
    let mbox = path.to_str().expect("a path");
    let submit = ["submit", "-q", "--queue", "bounce", "-f", "", "--mbox", mbox, "news@example.org"];
    done(&mut site.command(&submit)).map(drop)
}

/// A site that reads bounces; what is none goes into a Maildir.
fn reader<'d>(program: &'d Program, dir: &'d Path) -> Site<'d> {
    let table = "workers = 2\n[queue.bounce]\ntransport = \"t\"\nworkers = 2\n";
    Site::through(program, dir, &format!("kind = \"maildir\"\npath = {:?}\n", dir.join("unread")), table)
}

/// Reads and records the reports on the `first` address and those after it.
fn read(site: &Site<'_>, dir: &Path, first: u32, count: u32) -> Outcome {
    submit_bounces(site, dir, first, count)?;
    cost_of(&mut site.measured(&["run", "--queue", "bounce"]), count)
}

/// Reads and records reports, with a ledger that knows nobody yet.
pub fn read_first(tools: &Tools, program: &Program, count: u32) -> Outcome {
    let dir = tools.place(false);
    let site = reader(program, dir.path());
    // This makes the ledger.
    done(&mut site.command(&["suppress", "add", "nobody@example.org"]))?;
    read(&site, dir.path(), 0, count)
}

pub fn bounces(tools: &Tools) {
    let (known, count) = (tools.scale(1_000_000), tools.scale(20_000));
    let dir = tools.place(false);
    let site = reader(&tools.ours, dir.path());
    Spool::create(&site.spool()).expect("a spool");
    let mut ledger = Ledger::open(&site.spool()).expect("a ledger");
    fill(&mut ledger, known);
    let round = |n: u32| read(&site, dir.path(), known / 2 + n * count, count).expect("read").rate();
    let rates = (0..3).map(round).collect();
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

/// Seconds of processors that this process and its children that have ended used, in hundredths.
fn used() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc(5)");
    ticks(&stat).skip(11).take(4).sum::<f64>() / 100.0
}

/// Seconds of processors that the kernel's threads used: they write and discard what others changed.
fn used_by_kernel() -> f64 {
    const PF_KTHREAD: u64 = 0x0020_0000;
    let stat = |process: std::fs::DirEntry| std::fs::read_to_string(process.path().join("stat")).ok();
    let all = std::fs::read_dir("/proc").expect("proc(5)").flatten().filter_map(stat);
    let is_kernel = |stat: &String| ticks(stat).nth(6).is_some_and(|flags| flags as u64 & PF_KTHREAD != 0);
    all.filter(is_kernel).map(|stat| ticks(&stat).skip(11).take(2).sum::<f64>()).sum::<f64>() / 100.0
}

/// The numbers behind a process's name in proc_pid_stat(5); its state, which comes first, is 0.
fn ticks(stat: &str) -> impl Iterator<Item = f64> {
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).expect("a name");
    fields.map(|field| field.parse().unwrap_or(0.0))
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid"))
}

/// Whether `child` lives, which stays unreaped: what it used would count as the others'. Waits for its end unless told not to.
fn lives(child: &Child, how: WaitPidFlag) -> bool {
    let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | how;
    waitid(Id::Pid(pid(child)), peek).expect("its state") == WaitStatus::StillAlive
}

/// Uses the processors for nothing, all of them, as long as `child` lives.
fn spin(child: &Child) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::black_box(0);
                }
            });
        }
        lives(child, WaitPidFlag::empty());
        over.store(true, Ordering::Relaxed);
    });
}

fn cores() -> usize {
    std::thread::available_parallelism().expect("a number").get()
}

/// How a list post was delivered.
struct Drain {
    /// Recipients a second.
    rate: f64,
    /// The shares of the processors that the others' processes and the kernel's threads used.
    others: f64,
    kernel: f64,
}

impl Drain {
    /// By what `start` starts, while `meanwhile` does what it does until that has ended.
    fn play(recipients: u32, start: impl Fn() -> Child, meanwhile: &dyn Fn(&Child)) -> Drain {
        let (began, before, kernel) = (Instant::now(), used(), used_by_kernel());
        let mut ours = start();
        let watch = || {
            lives(&ours, WaitPidFlag::empty());
            (began.elapsed(), used_by_kernel() - kernel)
        };
        let (took, kernel) = std::thread::scope(|scope| {
            let watch = scope.spawn(watch);
            meanwhile(&ours);
            watch.join().expect("it watches")
        });
        let others = used() - before;
        assert!(ours.wait().expect("it ends").success());
        let share = |seconds: f64| seconds / (took.as_secs_f64() * cores() as f64);
        Drain { rate: f64::from(recipients) / took.as_secs_f64(), others: share(others), kernel: share(kernel) }
    }

    /// By how much of its rate it fell, and how much more that is than the others used: their processes alone, and with what
    /// kernel threads did more than when it was alone.
    fn fell(&self, alone: &Drain) -> [f64; 3] {
        let fell = 1.0 - self.rate / alone.rate;
        [fell, fell - self.others, fell - self.others - (self.kernel - alone.kernel)]
    }
}

/// What a bulk delivery and a heap of bounces cost those who wait for their mail: a list post drains, with a run of its own as
/// cron has it, bounces lie in their queue, and posts come in.
pub fn queues(tools: &Tools) {
    for memory in [true, false] {
        let rounds: Vec<Round> =
            (0..if tools.is_quick() { 1 } else { 5 }).map(|_| Round::play(tools, memory)).collect();
        let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let place = if memory { "memory" } else { "disk" };
        println!(
            "{:<44} median {:.0} ms, longest {:.0} ms; {:.0} bounces read meanwhile",
            format!("queues, {place}: a post to inbound waits"),
            of(&|round| round.waits) * 1e3,
            of(&|round| round.longest) * 1e3,
            of(&|round| round.read)
        );
        println!("{:<44} {:.0} recipients/s", "    outbound alone", of(&|round| round.alone.rate));
        let print = |name: &str, which: &dyn Fn(&Round) -> &Drain| {
            let fell = |at: usize| of(&|round| which(round).fell(&round.alone)[at]);
            println!(
                "{:<44} {:.0} recipients/s; it fell by {:.2}, {:+.2} to the share that they used, {:+.2} with kernel threads",
                format!("    beside {name}"),
                of(&|round| which(round).rate),
                fell(0),
                fell(1),
                fell(2)
            );
        };
        print("loops that do nothing", &|round| &round.beside_loops);
        print("the other queues", &|round| &round.beside_queues);
    }
}

/// The same list post alone and in company.
struct Round {
    alone: Drain,
    beside_loops: Drain,
    beside_queues: Drain,
    /// Seconds between a post's submission and its delivery: the median, and the longest.
    waits: f64,
    longest: f64,
    /// Bounces.
    read: f64,
}

impl Round {
    fn play(tools: &Tools, memory: bool) -> Round {
        let (recipients, waiting, posts) = (tools.scale(200_000), tools.scale(100_000), tools.scale(2_000));
        let dir = tools.place(memory);
        // An MTA has several processes, and each smtp-sink is one.
        let sinks: Vec<smtp::Sink> = (0..4).map(|_| smtp::Sink::start()).collect();
        let connect: Vec<String> = sinks.iter().map(|sink| format!("tcp:127.0.0.1:{}", sink.port)).collect();
        let table = "max_recipients = 1\n[queue.bounce]\ntransport = \"m\"\nworkers = 2\nlinger = \"1h\"\n\
                     [queue.inbound]\ntransport = \"m\"\nworkers = 2\nlinger = \"1h\"\n";
        let more = format!("[transport.m]\nkind = \"maildir\"\npath = {:?}\n", dir.path().join("in"));
        let transport = format!("kind = \"smtp\"\nconnect = {connect:?}\n{more}");
        let site = Site::through(&tools.ours, dir.path(), &transport, table);
        let message = dir.path().join("message");
        std::fs::write(&message, format!("Subject: x\n\n{}", "x".repeat(2_000))).expect("written");
        let list = dir.path().join("list");
        let text: String = (0..recipients).map(|n| format!("r{n}@d{}.example\n", n % 97)).collect();
        std::fs::write(&list, text).expect("written");
        let post = || {
            let mut command = site.command(&["submit", "-q", "-f", "list@example.org", "--recipients"]);
            time_of(command.arg(&list).arg("--message").arg(&message));
            // What is left for the disk to do is nobody's here.
            nix::unistd::sync();
        };
        let submit = |n: u32| {
            let mut submit =
                site.command(&["submit", "-q", "--queue", "inbound", "-f", "mara@example.net", "list@example.org"]);
            submit.stdin(std::fs::File::open(&message).expect("a file"));
            assert!(submit.status().expect("it starts").success(), "post {n}");
        };
        // Each recipient is looked up in both.
        time_of(&mut site.command(&["suppress", "add", "nobody@example.org"]));
        let run = |queue: &str| site.command(&["run", "--queue", queue]).spawn().expect("it starts");
        let drain = |meanwhile: &dyn Fn(&Child)| Drain::play(recipients, || run("outbound"), meanwhile);
        post();
        let alone = drain(&|_| ());
        // Whatever else wants the processors may cost something beyond its share.
        post();
        let beside_loops = drain(&spin);
        submit_bounces(&site, dir.path(), 0, waiting).expect("queued");
        // A queue is there once something was in it.
        submit(posts);
        post();
        let beside_queues = drain(&|ours| {
            let mut others = [run("inbound"), run("bounce")];
            (0..posts).take_while(|_| lives(ours, WaitPidFlag::WNOHANG)).for_each(submit);
            lives(ours, WaitPidFlag::empty());
            for run in &mut others {
                nix::sys::signal::kill(pid(run), nix::sys::signal::Signal::SIGTERM).expect("it lives");
                run.wait().expect("it ends");
            }
        });

        let events = site.spool().join("events").join(format!("{}.jsonl", clock::now().day()));
        let events = std::fs::read_to_string(events).expect("events");
        let events: Vec<serde_json::Value> = events.lines().flat_map(serde_json::from_str).collect();
        let wait = |event: &serde_json::Value| {
            let at = Micros::parse(event["at"].as_str()?)?;
            let id: bulkmailer::model::EntryId = event["id"].as_str()?.parse().ok()?;
            Some(at.since(id.born()?).as_secs_f64())
        };
        let waits: Vec<f64> = events.iter().filter(|event| event["queue"] == "inbound").filter_map(wait).collect();
        Round {
            alone,
            beside_loops,
            beside_queues,
            longest: waits.iter().copied().fold(f64::NAN, f64::max),
            waits: median(waits),
            read: events.iter().filter(|event| event["queue"] == "bounce").count() as f64,
        }
    }
}
