//! `config show` and `config check`: what is in force, where it came from, and whether it can work here.
//!
//! Both look only: nothing is made, and no program is started. A configuration that cannot be used is reported by
//! [`refused`], each problem on a line of its own, with status 78.
#![forbid(unsafe_code)]

mod check;

use serde_json::json;
use toml::Value;

use crate::config::{
    Bounces, ConfigError, Connect, DropBounds, Login, Notices, Online, Queue, Secret, Site, Smtp, Transport,
};
use crate::model::Exit;
use crate::policy::notice::Returned;
use crate::policy::rate::Rate;
use crate::policy::units::{duration_text, size_text};
use crate::sys::output::{Page, print};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what is wrong with the configuration, or "ok"
    Check {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        /// Take a spool on a network file system, where neither locks nor syncs can be relied on
        #[arg(long)]
        allow_network: bool,
    },
    /// Print every value and where it came from
    Show {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command on a configuration that could be read.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    match args.command {
        Command::Check { json, allow_network } => {
            let report = check::check(site, allow_network);
            print(&if json { report.to_json(site) } else { report.to_text(site) })?;
            Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Config })
        }
        Command::Show { json } => {
            print(&if json { show_json(site) } else { show_text(site) })?;
            Ok(Exit::Ok)
        }
    }
}

/// Reports a configuration that could not be read, in place of [`run`].
pub fn refused(error: &ConfigError, args: &Args) -> anyhow::Result<Exit> {
    let (Command::Check { json, .. } | Command::Show { json }) = args.command;
    let problems = error.problems();
    if json {
        let problems: Vec<_> = problems.iter().map(check::problem_json).collect();
        print(&Page::pretty(&json!({ "ok": false, "problems": problems, "warnings": [] })))?;
    } else {
        let mut page = Page::default();
        problems.iter().for_each(|problem| page.line(problem.to_string()));
        print(&page)?;
    }
    Ok(Exit::Config)
}

/// A table of the configuration: its name, and its keys with their values in the file's form.
type Table = (String, Vec<(&'static str, Value)>);

/// Everything that is in force.
fn tables(site: &Site) -> Vec<Table> {
    let config = &site.config;
    let mut limits = vec![
        ("message", size(config.limits.message)),
        ("header", size(config.limits.header)),
        ("recipients", number(config.limits.recipients)),
        ("min_free", size(config.limits.min_free)),
    ];
    limits.extend(config.limits.workers.map(|most| ("workers", number(most))));
    let mut tables = vec![
        ("limits".to_owned(), limits),
        ("drop".to_owned(), drop_keys(&config.drop)),
        ("events".to_owned(), vec![("syslog", Value::Boolean(config.events.syslog))]),
        ("notices".to_owned(), notice_keys(&config.notices)),
        ("bounces".to_owned(), bounce_keys(&config.bounces)),
    ];
    tables.extend(config.online.as_ref().map(|online| ("online".to_owned(), vec![online_key(online)])));
    let file = |path: &std::path::PathBuf| ("file", Value::String(path.to_string_lossy().into_owned()));
    tables.extend(config.suppress.as_ref().map(|path| ("suppress".to_owned(), vec![file(path)])));
    tables.extend(config.queues.iter().map(|(name, queue)| (format!("queue.{name}"), queue_keys(queue))));
    let ways = config.transports.iter().filter(|(_, way)| !matches!(way, Transport::Ourselves { .. }));
    tables.extend(ways.map(|(name, way)| {
        let pace = config.paces.get(name).cloned().unwrap_or_default();
        let mut keys = transport_keys(way);
        keys.extend(rate_keys(pace.rate));
        keys.extend(pace.sessions.map(|count| ("sessions", number(count))));
        (format!("transport.{name}"), keys)
    }));
    tables
}

/// Only where there is a limit: no text says that there is none.
fn rate_keys(rate: Option<Rate>) -> Vec<(&'static str, Value)> {
    let burst = |rate: Rate| number(usize::try_from(rate.burst()).unwrap_or(usize::MAX));
    rate.map_or_else(Vec::new, |rate| vec![("rate", Value::String(rate.text())), ("burst", burst(rate))])
}

fn drop_keys(drop: &DropBounds) -> Vec<(&'static str, Value)> {
    vec![("bytes", size(drop.bytes)), ("entries", number(drop.entries)), ("ahead", time(drop.ahead))]
}

fn notice_keys(notices: &Notices) -> Vec<(&'static str, Value)> {
    let returned = match notices.returned {
        Returned::Header => "header",
        Returned::Message => "message",
    };
    let postmaster = notices.postmaster.as_ref().map_or("", |address| address.as_str());
    vec![
        ("return", Value::String(returned.to_owned())),
        ("size", size(notices.size)),
        ("postmaster", Value::String(postmaster.to_owned())),
        ("per_hour", number(notices.per_hour)),
    ]
}

fn bounce_keys(bounces: &Bounces) -> Vec<(&'static str, Value)> {
    let mut keys = vec![
        ("threshold", Value::String(bounces.rules.threshold.to_string())),
        ("soft", Value::String(bounces.rules.soft.to_string())),
        ("half_life", time(bounces.rules.half_life)),
        ("keep", time(bounces.keep)),
        ("pass_on", Value::String(bounces.pass_on.name().to_owned())),
    ];
    let words = |command: &Vec<String>| Value::Array(command.iter().cloned().map(Value::String).collect());
    keys.extend(bounces.hook.as_ref().map(|command| ("hook", words(command))));
    keys
}

fn queue_keys(queue: &Queue) -> Vec<(&'static str, Value)> {
    let mut keys = vec![
        ("transport", Value::String(queue.transport.clone())),
        ("workers", queue.workers.map_or_else(|| Value::String("auto".to_owned()), number)),
        ("retry.first", time(queue.retry.first)),
        ("retry.max", time(queue.retry.max)),
        ("retry.expire", time(queue.retry.expire)),
        ("max_recipients", number(queue.max_recipients)),
        ("job_recipients", number(queue.job_recipients)),
        ("verp", Value::String(queue.verp.clone())),
        ("linger", time(queue.linger)),
        ("kick", Value::Boolean(queue.kick)),
        ("failed_keep", time(queue.failed_keep)),
        ("key_keep", time(queue.key_keep)),
        ("notices", Value::Boolean(queue.notices)),
        ("delay_warning", time(queue.delay_warning)),
        ("on_crash", Value::String(queue.on_crash.name().to_owned())),
        ("probe_every", time(queue.probe_every)),
        ("warn_after", time(queue.warn_after)),
        ("priority", number(queue.priority)),
        ("read_bounces", Value::Boolean(queue.read_bounces)),
        ("suppress", Value::Boolean(queue.suppress)),
    ];
    keys.extend(rate_keys(queue.rate));
    keys
}

fn online_key(online: &Online) -> (&'static str, Value) {
    match online {
        Online::Check(command) => ("check", Value::Array(command.iter().cloned().map(Value::String).collect())),
        Online::Connect(to) => ("connect", Value::String(to.clone())),
    }
}

fn transport_keys(transport: &Transport) -> Vec<(&'static str, Value)> {
    match transport {
        Transport::Pipe { command, profile, timeout } => vec![
            ("kind", Value::String("pipe".to_owned())),
            ("command", Value::Array(command.iter().cloned().map(Value::String).collect())),
            ("profile", Value::String(profile.name().to_owned())),
            ("timeout", time(*timeout)),
        ],
        Transport::Command { command, timeout } => vec![
            ("kind", Value::String("command".to_owned())),
            ("command", Value::Array(command.iter().cloned().map(Value::String).collect())),
            ("timeout", time(*timeout)),
        ],
        Transport::Maildir { path } => vec![
            ("kind", Value::String("maildir".to_owned())),
            ("path", Value::String(path.to_string_lossy().into_owned())),
        ],
        // No file can say so: what is shown has no such table.
        Transport::Ourselves { .. } => Vec::new(),
        Transport::Smtp(smtp) => smtp_keys(smtp),
    }
}

/// What is set, and what follows from nothing else. The secret is named by its place.
fn smtp_keys(smtp: &Smtp) -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::String(text.to_owned());
    let list = |words: &[String]| Value::Array(words.iter().map(|word| text(word)).collect());
    let connect: Vec<String> = smtp.connect.iter().map(Connect::to_string).collect();
    let mut keys = vec![
        ("kind", text(smtp.protocol.name())),
        ("connect", list(&connect)),
        ("timeout", time(smtp.timeout)),
        ("session_messages", number(smtp.session_messages)),
    ];
    keys.extend(smtp.tls.map(|tls| ("tls", text(tls.name()))));
    keys.extend(smtp.ca.as_ref().map(|path| ("ca", text(&path.to_string_lossy()))));
    keys.extend(smtp.server_name.as_ref().map(|name| ("server_name", text(name))));
    keys.extend(smtp.hello.as_ref().map(|name| ("hello", text(name))));
    if let Some(Login { user, secret, mechanism }) = &smtp.login {
        keys.push(("user", text(user)));
        keys.push(match secret {
            Secret::File(path) => ("password_file", text(&path.to_string_lossy())),
            Secret::Command(command) => ("password_command", list(command)),
        });
        keys.extend(mechanism.map(|mechanism| ("auth", text(&mechanism.name().to_ascii_lowercase()))));
    }
    keys
}

fn size(bytes: u64) -> Value {
    Value::String(size_text(bytes))
}

fn time(duration: std::time::Duration) -> Value {
    Value::String(duration_text(duration))
}

fn number(count: usize) -> Value {
    // Every count has a bound far below this.
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Where `key` was set: `/etc/bulkmailer.toml:3`, or `default`.
fn origin(site: &Site, key: &str) -> String {
    match (&site.file, site.origins.line(key)) {
        (Some(file), Some(line)) => format!("{}:{line}", file.display()),
        (Some(_) | None, _) => "default".to_owned(),
    }
}

/// The file that would say all this, with comments that say where it came from.
fn show_text(site: &Site) -> Page {
    let mut page = heading(site, "# ");
    page.line(format!("# sendmail: {}", site.sendmail_why));
    for (queue, why) in stranded(site) {
        page.line(format!("# no way out: {queue}: {why}"));
    }
    for (table, keys) in tables(site) {
        page.line("");
        page.line(format!("[{table}]"));
        for (key, value) in keys {
            let line = format!("{key} = {value}");
            page.line(format!("{line:<39} # {}", origin(site, &format!("{table}.{key}"))));
        }
    }
    page
}

/// Which spool and which file, and why.
fn heading(site: &Site, mark: &str) -> Page {
    let file = site.file.as_ref().map_or_else(|| "none".to_owned(), |file| file.display().to_string());
    let mut page = Page::of(format!("{mark}spool: {} ({})", site.spool.display(), site.spool_why));
    page.line(format!("{mark}file: {file} ({})", site.file_why));
    page
}

fn places_json(site: &Site) -> (serde_json::Value, serde_json::Value) {
    let spool = json!({ "path": site.spool.to_string_lossy(), "why": site.spool_why });
    let file = site.file.as_ref().map(|file| file.to_string_lossy());
    (spool, json!({ "path": file, "why": site.file_why }))
}

fn show_json(site: &Site) -> Page {
    let (spool, file) = places_json(site);
    let mut values = serde_json::Map::new();
    for (table, keys) in tables(site) {
        for (key, value) in keys {
            let key = format!("{table}.{key}");
            let from = origin(site, &key);
            values.insert(key, json!({ "value": value, "from": from }));
        }
    }
    let sendmail = &site.sendmail_why;
    let stranded: serde_json::Map<_, _> = stranded(site).map(|(queue, why)| (queue.clone(), json!(why))).collect();
    Page::pretty(
        &json!({ "spool": spool, "file": file, "sendmail": sendmail, "no_way_out": stranded, "values": values }),
    )
}

/// The queues whose mail has no way out, and why.
fn stranded(site: &Site) -> impl Iterator<Item = (&String, String)> {
    site.config.queues.keys().filter_map(|queue| Some((queue, site.config.no_way_out(queue)?)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Environment, Host, RESERVED, load};

    /// A site with nothing found, in `root`.
    pub(super) fn site(root: &Path, file: Option<&str>) -> Site {
        let at = |name: &str| root.join(name);
        let host = Host { file: at("etc"), spool: at("s"), maildir: at("m"), sendmails: vec![], own: at("own") };
        let (spool, config, xdg_config, xdg_state) = (None, None, None, None);
        let home = Some(root.to_owned());
        let env = Environment { uid: 1000, home, spool, config, xdg_config, xdg_state, host };
        if let Some(text) = file {
            std::fs::write(at("etc"), text).expect("written");
            // With the host's file the spool is the host's.
            for (folder, mode) in [(at("s"), 0o711), (at("s/drop"), 0o3733)] {
                std::fs::create_dir_all(&folder).expect("a folder");
                std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("a mode");
            }
        }
        Site::resolve_in(&env, None, None).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_configuration() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let text = "[online]\ncheck = [\"nm-online\", \"-q\"]\n[queue.news]\nlinger = \"1h30m\"\nrate = \"90/hour\"\nburst = 7\n\
                    [transport.x]\nkind = \"pipe\"\nrate = \"2000/min\"\nsessions = 3\n\
                    command = [\"/x\", 'a \"b\" \\ ', \"{recipients}\"]\n";
        let site = site(temp.path(), Some(text));
        let page = show_text(&site);
        let shown = page.as_str();
        let read = load::parse(shown, Path::new("shown"), Config::embedded(None, "/elsewhere".into()), &|| None);
        let (config, _) = read.unwrap_or_else(|error| panic!("{error}\n{shown}"));
        assert_eq!(config, site.config, "{shown}");
        let from = format!("linger = \"90m\"                          # {}:4\n", temp.path().join("etc").display());
        assert!(shown.contains(&from), "{shown}");
        assert!(shown.contains("message = \"64M\"                         # default\n"), "{shown}");
    }

    #[test]
    fn the_json_has_every_value_with_its_origin() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let site = site(temp.path(), Some("[limits]\nrecipients = 7\n"));
        let shown: serde_json::Value = serde_json::from_str(show_json(&site).as_str()).expect("JSON");
        assert_eq!(shown["values"]["limits.recipients"]["value"], 7);
        assert!(shown["values"]["limits.recipients"]["from"].as_str().is_some_and(|from| from.ends_with("etc:2")));
        assert_eq!(shown["values"]["queue.outbound.retry.first"], json!({ "value": "5m", "from": "default" }));
        assert!(shown["spool"]["path"].as_str().is_some_and(|path| path.ends_with("/s")));
    }

    #[test]
    fn no_queue_can_have_a_name_of_the_spools_own() {
        let possible = crate::spool::folders::RESERVED.into_iter().filter(|name| !name.contains('.'));
        for name in possible {
            assert!(RESERVED.contains(&name), "{name}");
        }
    }
}
