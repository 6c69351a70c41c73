//! Queues are apart: while one is busy, for as long as that takes, another's mail is delivered.

use std::fs::{File, OpenOptions};

use crate::support::{self, Site, assert_silent, wait_until};

const OUTBOUND: std::ops::Range<u32> = 0..100;
const OTHERS: std::ops::Range<u32> = 100..110;

/// A site with three queues and a campaign in outbound, whose sink waits at the gate.
fn campaign() -> Site {
    let site = Site::new("ok", "workers = 2");
    let (gate, sink) = (site.path("gate"), site.path("slow-sink"));
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    // It can be opened for reading as soon as somebody has it open for writing.
    let script = format!(": > {0}.met\n: < {0}\nexec {1} \"$@\"", gate.display(), support::sink().display());
    support::program(&sink, &format!("#!/bin/sh\n{script}\n"));
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    let (queues, transport) = config.split_once("[transport.sink]").expect("a transport");
    let slow = transport.replace(&support::sink().display().to_string(), &sink.display().to_string());
    let queues = queues.replace("\"sink\"", "\"slow\"");
    let others = "[queue.inbound]\ntransport = \"sink\"\n[queue.bounce]\ntransport = \"sink\"\n";
    site.configure(&format!("{queues}{others}[transport.sink]{transport}[transport.slow]{slow}"));
    site.ok(&["submit", "-q", "--mbox", site.mbox("campaign", OUTBOUND).to_str().expect("a path")]);
    site
}

/// Queues five messages in each of the other queues.
fn submit_others(site: &Site) {
    for n in OTHERS {
        let queue = if n % 2 == 0 { "inbound" } else { "bounce" };
        let args = ["submit", "-q", "--queue", queue, "-f", "sender@example.org", &format!("r{n}@example.net")];
        let output = site.feed(&args, support::message(n).as_bytes());
        assert!(output.status.success(), "{output:?}");
    }
}

/// Lets the campaign's sink go on for as long as the result lives.
fn open_gate(site: &Site) -> File {
    OpenOptions::new().read(true).write(true).open(site.path("gate")).expect("the gate")
}

#[test]
fn a_long_campaign_does_not_keep_the_next_launch_from_other_queues() {
    let site = campaign();
    let mut first = site.start(&["run"]);
    wait_until("the campaign's sink is at the gate", || site.path("gate.met").exists());
    submit_others(&site);
    assert_silent(site.start(&["run"]));
    site.assert_each_once(OTHERS);
    assert_eq!(site.list().len(), OUTBOUND.len(), "all of the campaign waits, and nothing else");
    assert!(first.try_wait().expect("a child").is_none(), "the campaign goes on");
    let _open = open_gate(&site);
    assert_silent(first);
    site.assert_each_once(0..OTHERS.end);
    site.assert_clean();
}

#[test]
fn one_launch_serves_other_queues_while_a_campaign_waits() {
    let site = campaign();
    submit_others(&site);
    let run = site.start(&["run"]);
    wait_until("the other queues are empty", || site.list().iter().all(|row| row["queue"] == "outbound"));
    site.assert_each_once(OTHERS);
    assert_eq!(site.list().len(), OUTBOUND.len());
    let _open = open_gate(&site);
    assert_silent(run);
    site.assert_each_once(0..OTHERS.end);
    site.assert_clean();
}
