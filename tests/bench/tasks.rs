//! What is measured of the program, by whichever binary: against a limit ([`super::rows`]), or another commit's
//! ([`super::against`]).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use super::program::{Cost, Meter, Outcome, Program, cost_of, done, launches};
use super::site::{Site, message, to_smtp};
use super::tools::Tools;

/// Drains a queue of `count` messages, in memory or on a disk, through a transport of these lines. The run's summary, too.
pub fn drain(
    tools: &Tools,
    program: &Program,
    memory: bool,
    transport: &str,
    workers: u32,
    count: u32,
) -> Result<(Cost, serde_json::Value), String> {
    let dir = tools.place(memory);
    let site = Site::through(program, dir.path(), transport, "");
    done(&mut site.submit(&site.mbox(count)))?;
    let meter = Meter::start();
    let output = done(&mut site.measured(&["run", "--json", "--workers", &workers.to_string()]))?;
    let cost = meter.stop(count);
    let sum: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let sum = sum["queues"][0].clone();
    if sum["delivered"] != count {
        return Err(format!("not all of {count} were delivered: {sum}"));
    }
    Ok((cost, sum))
}

/// Queues an mbox of `count` messages on a disk.
pub fn mbox(tools: &Tools, program: &Program, count: u32) -> Outcome {
    let dir = tools.place(false);
    let site = Site::into_sink(program, dir.path(), tools, "");
    let mbox = site.mbox(count);
    cost_of(&mut site.measured(&["submit", "-q", "--mbox", mbox.to_str().expect("a path")]), count)
}

/// By which command one message is queued.
#[derive(Clone, Copy)]
pub enum Face {
    Sendmail,
    Submit,
}

/// Queues one message, again and again.
pub fn one_message(tools: &Tools, program: &Program, face: Face, memory: bool, times: u32) -> Outcome {
    let dir = tools.place(memory);
    let site = Site::into_sink(program, dir.path(), tools, "");
    let letter = dir.path().join("letter");
    std::fs::write(&letter, message(1)).expect("written");
    // The first makes the spool.
    let input = || std::fs::File::open(&letter).expect("readable");
    done(site.command(&["submit", "-q", "-f", "s@example.org", "r@example.net"]).stdin(input()))?;
    launches(times, || {
        let mut command = match face {
            Face::Sendmail => site.sendmail(&["-i", "-f", "s@example.org", "r@example.net"]),
            Face::Submit => site.measured(&["submit", "-q", "-f", "s@example.org", "r@example.net"]),
        };
        command.stdin(input());
        command
    })
}

/// Runs with nothing to do.
pub fn empty_run(tools: &Tools, program: &Program, times: u32) -> Outcome {
    let dir = tools.place(true);
    let site = Site::into_sink(program, dir.path(), tools, "");
    done(&mut site.submit(&site.mbox(1)))?;
    done(&mut site.command(&["run"]))?;
    launches(times, || site.measured(&["run"]))
}

/// Starts, and no more.
pub fn version(program: &Program, times: u32) -> Outcome {
    launches(times, || {
        let mut command = program.measured();
        command.arg("--version");
        command
    })
}

/// Takes messages over SMTP in one session, from a client that waits for each, into a spool on a disk.
pub fn smtp_in(tools: &Tools, program: &Program, count: u32) -> Outcome {
    let text = message(0);
    let (head, body) = text.split_once("\n\n").expect("a header");
    let content = format!("{head}\n\n{body}.\n").replace('\n', "\r\n");
    let dir = tools.place(false);
    let site = Site::into_sink(program, dir.path(), tools, "");
    let meter = Meter::start();
    let server = site.measured(&["sendmail", "-bs"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut server = server.map_err(|error| error.to_string())?;
    let mut input = server.stdin.take().expect("piped");
    let mut replies = BufReader::new(server.stdout.take().expect("piped")).lines();
    let mut say = |text: &str, code: &str| {
        input.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
        let came = replies.any(|line| line.is_ok_and(|line| line.starts_with(code)));
        if came { Ok(()) } else { Err(format!("sendmail -bs: no {code}")) }
    };
    let mut session = || {
        say("EHLO bench\r\n", "250 ")?;
        for n in 0..count {
            let group = format!("MAIL FROM:<s@example.org>\r\nRCPT TO:<r{n}@example.net>\r\nDATA\r\n");
            say(&group, "354 ")?;
            say(&content, "250 2.0.0 queued")?;
        }
        say("QUIT\r\n", "221 ")
    };
    let said = session();
    drop(input);
    let status = server.wait().expect("it ends");
    said?;
    if status.success() { Ok(meter.stop(count)) } else { Err(format!("sendmail -bs: {status}")) }
}

/// A list post to `count` recipients into an SMTP server, queued on a disk and delivered; both count.
pub fn post(tools: &Tools, program: &Program, port: u16, verp: bool, count: u32) -> Outcome {
    let dir = tools.place(false);
    let site = Site::through(program, dir.path(), &to_smtp(port), "workers = 4");
    let queued = queue_post(&site, dir.path(), verp, count, 0)?;
    Ok(queued.plus(&cost_of(&mut site.measured(&["run"]), count)?))
}

/// Queues a list post to `count` recipients, of at least so many `bytes`, made in `folder`.
pub fn queue_post(site: &Site<'_>, folder: &Path, verp: bool, count: u32, bytes: usize) -> Outcome {
    let (list, letter) = (folder.join("list"), folder.join("letter"));
    let text: String = (0..count).map(|n| format!("{}\n", reader(n))).collect();
    std::fs::write(&list, text).expect("written");
    let body = "Small.\n".repeat(bytes / 7 + 1);
    std::fs::write(&letter, format!("{LETTER}To: list@example.org\n\n{body}")).expect("written");
    let mut submit = site.measured(&["submit", "-q", "-f", "l@example.org", "--recipients"]);
    submit.arg(&list).args(verp.then_some("--verp")).stdin(std::fs::File::open(&letter).expect("readable"));
    cost_of(&mut submit, count)
}

/// The header of a letter to a list, but for its To.
pub const LETTER: &str = "From: l@example.org\nDate: Tue, 24 Nov 2026 12:00:00 +0000\nMessage-ID: <1@x>\n";

/// The `n`-th reader of a list.
pub fn reader(n: u32) -> String {
    format!("r{n}@d{}.example.net", n % 20_000)
}
