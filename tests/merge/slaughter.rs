//! A long merge over SMTP whose processes are killed again and again: nobody is skipped, and each killed worker repeats one
//! mail at most, counted by Message-ID at the server.

use std::collections::{BTreeSet, HashMap};

use crate::job::{merge, people};
use crate::support::random::{Random, number_from};
use crate::support::server::letters::serve;
use crate::support::server::{Log, Script, site_of};
use crate::support::{children, crash, signal};

/// How often each Message-ID was taken.
fn by_message_id(log: &Log) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    for taken in &log.taken {
        let text = String::from_utf8_lossy(&taken.content);
        let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).expect("a Message-ID");
        *found.entry(id.to_owned()).or_default() += 1;
    }
    found
}

/// Kills up to `kills` processes of runs that send `rows`, less than `pause` microseconds apart; how many were.
fn killed_again_and_again(rows: u32, kills: u64, pause: u64) -> u64 {
    let seed = number_from("BULKMAILER_SEED", u64::from(std::process::id()));
    let what = format!("BULKMAILER_SEED={seed}");
    let server = serve(3, None, Script::good());
    let site = site_of(&server, "workers = 8", "");
    let mails = people(rows);
    merge(&site, &mails, 100);
    let (mut random, mut killed) = (Random(seed), 0);
    while !(site.files("/ready/").is_empty() && site.files("/jobs/").is_empty()) {
        let mut run = site.start(&["run"]);
        while killed < kills && run.try_wait().expect("a process").is_none() {
            random.pause(pause);
            let workers: Vec<u32> = children(run.id()).into_iter().flat_map(children).collect();
            if !workers.is_empty() {
                signal("KILL", *random.of(&workers));
                killed += 1;
            }
        }
        let _ = run.wait();
        crash::wait_for_the_lock(&site);
        // A row that two workers of a run died with waits for a person.
        let _ = site.try_run(&["release", "--yes", "--queue", "outbound"]);
    }
    let log = server.log();
    assert!(log.misdeeds.is_empty(), "{what}: {:?}", log.misdeeds);
    let found = by_message_id(&log);
    let whom: BTreeSet<&str> = log.taken.iter().flat_map(|taken| &taken.recipients).map(String::as_str).collect();
    let missing: Vec<&str> = mails.iter().map(|mail| mail.to.as_str()).filter(|to| !whom.contains(to)).collect();
    assert_eq!((found.len(), missing), (mails.len(), vec![]), "{what}: Message-IDs, and who was skipped");
    let repeats: usize = found.values().map(|times| times - 1).sum();
    assert!(repeats as u64 <= killed, "{what}: {killed} kills, and {repeats} repeats");
    site.assert_clean();
    println!("figures: {rows} rows, {killed} kills, {repeats} mails came twice, nobody was skipped; {what}");
    killed
}

#[test]
fn nobody_is_skipped_over_smtp() {
    assert!(killed_again_and_again(4_000, 6, 60_000) > 0);
}

#[test]
#[ignore = "it takes minutes; make slow"]
fn two_hundred_thousand_rows_outlive_a_hundred_kills() {
    assert_eq!(killed_again_and_again(200_000, 100, 150_000), 100);
}
