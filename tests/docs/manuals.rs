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

/// What stands between the lines `from` and `to`, for each time that both occur.
fn blocks(text: &str, from: &str, to: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while lines.any(|line| line == from) {
        found.push(lines.by_ref().take_while(|line| *line != to).map(|line| format!("{line}\n")).collect());
    }
    found
}

/// What `bulkmailer generate WHAT` writes as `name`.
fn generated(what: &str, name: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = Command::new(env!("CARGO_BIN_EXE_bulkmailer")).args(["generate", what]).arg(folder.path()).output();
    let made = made.expect("the program starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::read_to_string(folder.path().join(name)).expect("it was written")
}

/// The committed `path` is what `text` says, which was made from the program.
#[track_caller]
fn assert_current(path: &str, text: &str) {
    let committed = document(path);
    let differs = text.lines().zip(committed.lines()).find(|(now, then)| now != then);
    assert!(text == committed, "{path} is not up to date, run 'make man': {differs:?}");
}

#[test]
fn the_manual_has_the_keys_as_they_are_declared() {
    let page = generated("man", "bulkmailer.toml.5");
    assert_current("man/bulkmailer.toml.5", &page);
    for key in ["limits.message", "queue.NAME.retry.first", "transport.NAME.sessions", "suppress.file"] {
        assert!(page.lines().any(|line| line == format!(".It Ic {key}")), "{key}");
    }
    assert!(page.lines().all(|line| line.len() <= 80 && !line.contains("{}")));
}

#[test]
fn the_sample_without_its_comments_is_what_is_in_force_without_a_file() {
    let sample = generated("config", "bulkmailer.toml");
    assert_current("contrib/bulkmailer.toml", &sample);
    assert_eq!(parse(&sample), parse(""), "it is all comments");
    let uncommented =
        |line: &str| line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' ')).is_some();
    let set: String = sample.lines().filter(|line| uncommented(line)).map(|line| format!("{}\n", &line[1..])).collect();
    assert!(set.contains("[limits]\nmessage = \"64M\"\n") && set.contains("\nretry.first = \"5m\"\n"), "{set}");
    assert_eq!(parse(&set), parse(""), "{set}");
}

#[test]
fn the_examples_of_the_sample_are_taken() {
    let sample = document("contrib/bulkmailer.toml");
    // Of two that exclude each other, one.
    let other = |line: &&str| !line.contains(" check = ") && !line.contains(" password_command = ");
    let text: String = sample.lines().filter(other).fold(String::new(), |text, line| {
        let set = line.strip_prefix("#   ").or(line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')));
        text + set.unwrap_or_default() + "\n"
    });
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(config.transports.contains_key("relay") && config.online.is_some() && config.suppress.is_some(), "{text}");
    assert!(config.queues["outbound"].rate.is_some() && config.paces["sendmail"].sessions.is_some(), "{text}");
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
    assert_current("man/bulkmailer.1", &generated("man", "bulkmailer.1"));
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
        "bulkmailer-merge.7",
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
