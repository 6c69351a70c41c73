//! What the crash tests share: the fault points as the sources have them, and what must hold after whatever happened.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::Site;

/// A fault point, as it stands in the sources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub name: String,
    /// A step can fail here; otherwise one can only be killed.
    pub fails: bool,
}

/// All points of the sources whose names begin with one of `prefixes`; there must be some.
pub fn points(prefixes: &[&str]) -> Vec<Point> {
    let all = all_points();
    let found: Vec<Point> =
        all.into_iter().filter(|p| prefixes.iter().any(|prefix| p.name.starts_with(prefix))).collect();
    assert!(!found.is_empty(), "no fault point begins with {prefixes:?}");
    found
}

/// Every point of the sources, so that a new one cannot be forgotten.
pub fn all_points() -> BTreeSet<Point> {
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = BTreeSet::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        for (call, fails) in [("fault::point(\"", true), ("fault::instant(\"", false)] {
            let names = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(|name| Point { name: name.to_owned(), fails }));
        }
    }
    found
}

/// A fault that hits one process of all that come there.
pub struct Trap {
    fault: String,
    once: PathBuf,
}

impl Trap {
    /// `fault` is what `BULKMAILER_FAULT` says.
    pub fn new(site: &Site, fault: &str) -> Trap {
        let once = site.path("trap");
        let _ = std::fs::remove_file(&once);
        Trap { fault: fault.to_owned(), once }
    }

    pub fn set(&self, mut command: Command) -> Command {
        command.env("BULKMAILER_FAULT", &self.fault).env("BULKMAILER_FAULT_ONCE", &self.once);
        command
    }

    pub fn run(&self, site: &Site, args: &[&str]) -> Output {
        self.set(site.command(args)).output().expect("the program starts")
    }

    /// Whether anybody met the point.
    pub fn was_met(&self) -> bool {
        self.once.exists()
    }
}

/// A run of which one process is killed at `point`.
pub fn run_killed_at(site: &Site, point: &str) {
    let trap = Trap::new(site, point);
    trap.run(site, &["run"]);
    assert!(trap.was_met(), "{point} was not met");
}

/// Waits until no process of an earlier run holds the queue; what a killed one had forked finishes what it has in hand.
pub fn wait_for_the_lock(site: &Site) {
    let Ok(lock) = std::fs::File::open(site.path("spool/outbound/lock")) else { return };
    super::wait_until("the queue is free", || fs2::FileExt::try_lock_exclusive(&lock).is_ok());
    // Not by closing it: what another test starts just now holds the file, too, until it executes.
    fs2::FileExt::unlock(&lock).expect("unlocked");
}

/// Runs until nothing is due and nothing waits; the sink must take everything.
pub fn drain(site: &Site) {
    wait_for_the_lock(site);
    site.ok(&["run"]);
    site.ok(&["flush", "-q"]);
    assert_eq!(site.ids("ready"), Vec::<String>::new(), "it should be empty");
}

/// How often each message came to each recipient beyond once: message and recipients.
pub fn surplus(site: &Site) -> HashMap<(u32, String), u32> {
    let found = site.deliveries().into_iter();
    found.filter(|(_, times)| *times > 1).map(|(whom, times)| (whom, times - 1)).collect()
}

/// Asserts that nothing was delivered twice.
pub fn assert_no_surplus(site: &Site, what: &str) {
    let surplus = surplus(site);
    assert!(surplus.is_empty(), "{what}: delivered twice: {surplus:?}");
}

/// Asserts that at most one hand-over, of at most `recipients` of one message, was repeated once.
pub fn assert_surplus_in_one_hand(site: &Site, recipients: usize, what: &str) {
    let surplus = surplus(site);
    let messages: BTreeSet<u32> = surplus.keys().map(|(number, _)| *number).collect();
    assert!(
        messages.len() <= 1 && surplus.len() <= recipients && surplus.values().all(|&times| times == 1),
        "{what}: delivered twice: {surplus:?}"
    );
}

/// Asserts that no event tells of a delivery that was not, and that at most `missing` deliveries have none.
pub fn assert_events_tell_the_truth(site: &Site, missing: usize, what: &str) {
    let mut told: HashMap<String, u32> = HashMap::new();
    for event in site.events().iter().filter(|event| event["verdict"] == "delivered") {
        *told.entry(event["recipient"].as_str().expect("text").to_owned()).or_default() += 1;
    }
    let mut came: HashMap<String, u32> = HashMap::new();
    for ((_, recipient), times) in site.deliveries() {
        *came.entry(recipient).or_default() += times;
    }
    for (recipient, times) in &told {
        let came = came.get(recipient).copied().unwrap_or(0);
        assert!(*times <= came, "{what}: {times} events of {came} deliveries to {recipient}");
    }
    let untold: Vec<_> = came.keys().filter(|recipient| !told.contains_key(*recipient)).collect();
    assert!(untold.len() <= missing, "{what}: no event for {untold:?}");
}

/// Asserts that nothing is left in `tmp/` of the outbound queue.
pub fn assert_tmp_is_empty(site: &Site, what: &str) {
    let left: Vec<_> = std::fs::read_dir(site.path("spool/outbound/tmp")).into_iter().flatten().flatten().collect();
    assert!(left.is_empty(), "{what}: left in tmp/: {left:?}");
}

/// The program was killed by us.
pub fn was_killed(output: &Output) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(9)
}

/// How many lines a program said on its standard error.
pub fn lines_said(output: &Output) -> usize {
    String::from_utf8_lossy(&output.stderr).lines().count()
}
