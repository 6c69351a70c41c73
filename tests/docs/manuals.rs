//! The documents say what the program does: every key, every example, every option.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulkmailer::config::{Config, Profile, load};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn document(name: &str) -> String {
    let path = root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads `text` as a configuration on a host with a sendmail command.
fn parse(text: &str) -> Result<Config, String> {
    let embedded = Config::embedded(Some(Path::new("/usr/sbin/sendmail")), "/var/lib/bulkmailer/Maildir".into());
    let home = || Some(PathBuf::from("/home/mara"));
    load::parse(text, Path::new("example"), embedded, &home)
        .map(|(config, _)| config)
        .map_err(|error| error.problems().iter().map(|problem| format!("{problem}\n")).collect())
}

/// The keys that the loader names when it meets one that it does not know.
fn keys_of(table: &str, header: &str) -> BTreeSet<String> {
    let said = parse(&format!("{header}\nno-such-key = 1\n")).expect_err("this key does not exist");
    let (_, keys) = said.split_once("; the key").unwrap_or_else(|| panic!("{said}"));
    keys.split('`').skip(1).step_by(2).map(|key| format!("{table}{key}")).collect()
}

/// What stands between the lines `from` and `to`, for each time that both occur.
fn blocks(text: &str, from: &str, to: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while lines.any(|line| line == from) {
        found.push(lines.by_ref().take_while(|line| *line != to).map(|line| format!("{line}\n")).collect());
    }
    found
}

#[test]
fn the_manual_has_exactly_the_keys_that_the_loader_takes() {
    let mut taken = BTreeSet::new();
    for table in keys_of("", "") {
        taken.extend(match table.as_str() {
            "limits" | "drop" | "events" | "notices" | "bounces" | "online" | "suppress" => {
                keys_of(&format!("{table}."), &format!("[{table}]"))
            }
            "queue" => {
                let mut keys = keys_of("queue.NAME.", "[queue.x]");
                assert!(keys.remove("queue.NAME.retry"), "{keys:?}");
                keys.extend(keys_of("queue.NAME.retry.", "[queue.x.retry]"));
                keys
            }
            "transport" => keys_of("transport.NAME.", "[transport.x]"),
            other => panic!("the table {other} is new: say here which keys it has"),
        });
    }
    let page = document("man/bulkmailer.toml.5");
    let described: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix(".It Ic ")).map(str::to_owned).collect();
    assert_eq!(described, taken);
}

#[test]
fn the_examples_of_a_configuration_are_taken() {
    let page = blocks(&document("man/bulkmailer.toml.5"), ".Bd -literal -offset indent", ".Ed");
    let readme = blocks(&document("README.md"), "```toml", "```");
    assert!(!page.is_empty() && !readme.is_empty());
    let laptop = [document("contrib/laptop/bulkmailer.toml")];
    for example in page.iter().chain(&readme).chain(&laptop) {
        parse(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
    }
}

#[test]
fn the_crontab_line_is_the_same_everywhere() {
    let line = document("contrib/cron/crontab");
    assert!(document("README.md").contains(&line));
    assert!(document("man/bulkmailer.1").contains(&line));
    let host = line.replace("* /usr", "* root /usr");
    assert!(document("contrib/cron/bulkmailer.cron.d").contains(&host));
}

#[test]
fn the_manual_page_has_the_options_of_the_command_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = Command::new(env!("CARGO_BIN_EXE_bulkmailer")).args(["generate", "man"]).arg(folder.path()).output();
    let made = made.expect("the program starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let page = std::fs::read_to_string(folder.path().join("bulkmailer.1")).expect("a page was written");
    let committed = document("man/bulkmailer.1");
    let differs = page.lines().zip(committed.lines()).find(|(now, then)| now != then);
    assert!(page == committed, "man/bulkmailer.1 is not up to date, run 'make man': {differs:?}");
}

#[test]
fn completions_are_written_for_each_shell() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = env!("CARGO_BIN_EXE_bulkmailer");
    let made = Command::new(program).args(["generate", "completions"]).arg(folder.path()).output().expect("it starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for name in ["bulkmailer.bash", "_bulkmailer", "bulkmailer.fish"] {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.contains("submit"), "{name}");
    }
}

#[test]
fn each_profile_is_described() {
    let page = document("man/bulkmailer-transports.5");
    let profiles = page.split(".Sh PROFILES").nth(1).and_then(|rest| rest.split(".Sh ").next()).expect("a section");
    let described: BTreeSet<&str> = profiles.lines().filter_map(|line| line.strip_prefix(".It Sy ")).collect();
    let known = Profile::ALL.into_iter().filter(|profile| *profile != Profile::Auto).map(Profile::name);
    assert_eq!(described, known.collect());
}

#[test]
fn the_manual_pages_are_well_formed() {
    for page in [
        "bulkmailer.1",
        "bulkmailer.toml.5",
        "bulkmailer-spool.5",
        "bulkmailer-hosts.5",
        "bulkmailer-transports.5",
        "bulkmailer-bounces.5",
    ] {
        let lint = Command::new("mandoc").args(["-Tlint", "-Wstyle"]).arg(root().join("man").join(page)).output();
        let Ok(lint) = lint else {
            println!("skipped: mandoc is not installed");
            return;
        };
        // Whether the pages that it refers to are installed says nothing of the page.
        let said = String::from_utf8_lossy(&lint.stdout);
        let faults: Vec<_> = said.lines().filter(|line| !line.contains("referenced manual not found")).collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }
}
