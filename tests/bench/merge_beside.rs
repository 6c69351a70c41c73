//! The same template, rows and server, with what people use for this today: mailmerge and jinja2 + email + smtplib (PyPI),
//! nunjucks + nodemailer (npm). They are fetched into a folder of this run; what cannot be had is said, and left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::merge::{Kind, Merge};
use super::program::{Cost, Meter, cost_of};
use super::render::{FIELDS, PYTHON, has_jinja, values};
use super::site::{Site, to_smtp};
use super::smtp::Sink;
use super::tools::{Tools, median, time_of};

/// A tool, and how it is made ready in a folder: the command that sends all, or why there is none.
type Other = (&'static str, fn(&Tools, &Path, u16) -> Result<Command, String>);

const OTHERS: [Other; 3] =
    [("jinja2 + email + smtplib", smtplib), ("mailmerge", mailmerge), ("nunjucks + nodemailer", nodemailer)];

/// Ours queues, which checks every row, and sends; the others send as they render.
pub fn beside(tools: &Tools) {
    let count = tools.scale(3_000);
    let sink = Sink::start();
    for (name, ready) in OTHERS {
        let dir = tools.place(true);
        let merge = Merge::new(dir.path(), Kind::Csv, count);
        let rows: Vec<Vec<String>> = (1..=u64::from(count)).map(values).collect();
        let data = serde_json::json!({ "fields": FIELDS, "rows": rows });
        fs::write(merge.template.join(".rows.json"), data.to_string()).expect("written");
        if let Err(why) = ready(tools, dir.path(), sink.port) {
            println!("{:<44} not measured: {why}", format!("merge / {name}"));
            continue;
        }
        let ours = || {
            let place = tools.place(true);
            let site = Site::through(&tools.ours, place.path(), &to_smtp(sink.port), "workers = 8");
            let queued = cost_of(&mut merge.queue(&site), count).expect("queued");
            queued.plus(&cost_of(&mut site.command(&["run"]), count).expect("sent"))
        };
        let theirs = || {
            let mut command = ready(tools, dir.path(), sink.port).expect("as before");
            let meter = Meter::start();
            time_of(command.stdout(Stdio::null()));
            meter.stop(count)
        };
        let rounds = if tools.is_quick() { 1 } else { 3 };
        let pairs: Vec<(Cost, Cost)> = (0..rounds).map(|_| (ours(), theirs())).collect();
        let of = |value: &dyn Fn(&(Cost, Cost)) -> f64| median(pairs.iter().map(value).collect());
        println!(
            "{:<44} {:>9.0} {:>9.0} messages/s, ratio {:.1}; of the processors' time {:.1}",
            format!("merge / {name}"),
            of(&|(ours, _)| ours.rate()),
            of(&|(_, theirs)| theirs.rate()),
            of(&|(ours, theirs)| ours.rate() / theirs.rate()),
            of(&|(ours, theirs)| theirs.cpu.as_secs_f64() / ours.cpu.as_secs_f64())
        );
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench").join(name)
}

fn smtplib(_: &Tools, folder: &Path, port: u16) -> Result<Command, String> {
    if !has_jinja() {
        return Err(format!("it needs {PYTHON} with python3-jinja2"));
    }
    let mut command = Command::new(PYTHON);
    command.arg(script("merge_smtplib.py")).arg(folder.join("template")).arg(port.to_string());
    Ok(command)
}

fn mailmerge(tools: &Tools, folder: &Path, port: u16) -> Result<Command, String> {
    let site = tools.program("mailmerge.pip");
    if !site.exists() {
        let mut pip = Command::new(PYTHON);
        fetch(pip.args(["-m", "pip", "install", "--quiet", "--target"]).arg(&site).arg("mailmerge==2.3.0"))?;
    }
    let (template, read) = (folder.join("template"), |path: PathBuf| fs::read_to_string(path).expect("written"));
    let (text, html) = (read(template.join("text")), read(template.join("html")));
    let part = |kind: &str, body: &str| format!("--part\nContent-Type: text/{kind}; charset=utf-8\n\n{body}\n");
    let headers =
        read(template.join("headers")).replace("\nTo: {{ first }} {{ name }} <{{ email }}>", "\nTo: {{ email }}");
    let letter = format!(
        "{headers}MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=\"part\"\n\n{}{}--part--\n",
        part("plain", &text),
        part("html", &html)
    );
    fs::write(folder.join("mailmerge_template.txt"), letter).expect("written");
    fs::write(folder.join("mailmerge_server.conf"), format!("[smtp_server]\nhost = 127.0.0.1\nport = {port}\n"))
        .expect("written");
    let mut command = Command::new(PYTHON);
    command.current_dir(folder).env("PYTHONPATH", site);
    command.args(["-c", "from mailmerge.__main__ import main; main()", "--no-dry-run", "--no-limit"]);
    command.args(["--output-format", "text", "--database", "rows.csv"]);
    Ok(command)
}

fn nodemailer(tools: &Tools, folder: &Path, port: u16) -> Result<Command, String> {
    let site = tools.program("nodemailer.npm");
    if !site.exists() {
        fs::create_dir(&site).expect("a folder");
        let mut npm = Command::new("npm");
        let fetched = fetch(
            npm.current_dir(&site)
                .args(["install", "--silent", "--no-audit", "--no-fund"])
                .args(["nunjucks@3", "nodemailer@7"]),
        );
        if let Err(why) = fetched {
            let _ = fs::remove_dir_all(&site);
            return Err(why);
        }
    }
    let mut command = Command::new("node");
    command.env("NODE_PATH", site.join("node_modules"));
    command.arg(script("merge_nodemailer.js")).arg(folder.join("template")).arg(port.to_string());
    Ok(command)
}

/// Runs what fetches a tool.
fn fetch(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{name} cannot fetch it: {text}")) }
}
