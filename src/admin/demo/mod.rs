//! `bulkmailer demo`: the whole way on this machine, with no MTA and no root. Several submitters queue mail at once, runs
//! overlap as they do under cron, everything ends in a Maildir, and each message is verified to be there once and intact.

mod letters;
mod merge;

use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

use crate::model::Exit;
use crate::sys::output::{Page, print};

/// How many processes submit at the same time.
const SUBMITTERS: u32 = 4;
/// So many of each submitter's messages are queued one command a message, the others as an mbox.
const SINGLY: u32 = 25;
/// The most rows of the merge.
const ROWS: u32 = 1_000;
/// How many runs are launched while mail is still being queued.
const LAUNCHES: u32 = 3;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How many messages
    #[arg(long, short = 'n', default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    messages: u32,
    /// Where to work; the folder must not exist. By default a new one in the temporary folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The demo's folder and our own program.
struct Stage {
    dir: PathBuf,
    program: PathBuf,
}

/// `bulkmailer demo`.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let dir = match &args.dir {
        Some(dir) => std::path::absolute(dir)?,
        None => std::env::temp_dir().join(format!("bulkmailer-demo-{}", std::process::id())),
    };
    fs::create_dir(&dir).with_context(|| format!("{}: cannot make this folder", dir.display()))?;
    let stage = Stage { dir, program: std::env::current_exe()? };
    stage.configure()?;
    print(&Page::of(format!("1. {} messages are queued by {SUBMITTERS} submitters at once", args.messages)))?;
    let started = Instant::now();
    let submitters = stage.submit(args.messages)?;
    print(&Page::of("2. a run drains the queue into a Maildir; more launches find it at work and leave at once"))?;
    stage.drain(submitters)?;
    let took = started.elapsed();
    print(&Page::of("3. each message is looked for in the Maildir"))?;
    stage.verify(args.messages)?;
    let rows = args.messages.min(ROWS);
    print(&Page::of(format!(
        "4. a merge: a template and a table become a message of its own for each of {rows} rows"
    )))?;
    stage.merge(rows)?;
    let (count, rate, dir) = (args.messages, rate(args.messages, took), stage.dir.display());
    let mut page = Page::of(format!(
        "   all {count} arrived once and intact: {rate:.0} a second from submit to Maildir, every one of them synced"
    ));
    page.line(format!("   all {rows} rows arrived once, each with its own name and number"));
    page.line("look around:");
    page.line(format!(
        "   spool    {dir}/spool    (bulkmailer --config {dir}/bulkmailer.toml --spool {dir}/spool status)"
    ));
    page.line(format!("   mail     {dir}/Maildir/new"));
    page.line(format!("   events   {dir}/spool/events"));
    page.line(format!("clean up:   rm -r {dir}"));
    print(&page)?;
    Ok(Exit::Ok)
}

fn rate(messages: u32, took: std::time::Duration) -> f64 {
    f64::from(messages) / took.as_secs_f64().max(1e-3)
}

impl Stage {
    fn configure(&self) -> anyhow::Result<()> {
        let maildir = self.dir.join("Maildir");
        let text = format!(
            "[queue.outbound]\ntransport = \"maildir\"\nworkers = 8\n\n[transport.maildir]\nkind = \"maildir\"\npath = {:?}\n",
            maildir.display().to_string()
        );
        fs::write(self.dir.join("bulkmailer.toml"), text)?;
        Ok(())
    }

    /// Our own program with the demo's spool and configuration.
    fn command(&self, command: &str) -> Command {
        let mut child = Command::new(&self.program);
        child.arg("--spool").arg(self.dir.join("spool")).arg("--config").arg(self.dir.join("bulkmailer.toml"));
        child.arg(command).stdin(Stdio::null());
        child
    }

    /// Starts the submitters, and queues some messages one by one meanwhile. Returns those that are still at it.
    fn submit(&self, messages: u32) -> anyhow::Result<Vec<Child>> {
        let share = |i: u32| {
            (messages / SUBMITTERS * i)..if i + 1 == SUBMITTERS { messages } else { messages / SUBMITTERS * (i + 1) }
        };
        let mut children = Vec::new();
        for i in 0..SUBMITTERS {
            let mbox = self.mbox(i, share(i).skip(SINGLY as usize))?;
            children.push(self.command("submit").arg("--quiet").arg("--mbox").arg(mbox).spawn()?);
        }
        for n in (0..SUBMITTERS).flat_map(|i| share(i).take(SINGLY as usize)) {
            self.single(n)?;
        }
        Ok(children)
    }

    fn mbox(&self, i: u32, numbers: impl Iterator<Item = u32>) -> anyhow::Result<PathBuf> {
        let path = self.dir.join(format!("submitter{i}.mbox"));
        let mut file = std::io::BufWriter::new(File::create(&path)?);
        for n in numbers {
            let (_, text) = letters::letter(n);
            writeln!(file, "From demo@example.org Tue Nov 24 12:00:00 2026")?;
            for line in text.lines() {
                // mboxrd: what looks like a separator, quoted or not, gets one quote more.
                let quote = if line.trim_start_matches('>').starts_with("From ") { ">" } else { "" };
                writeln!(file, "{quote}{line}")?;
            }
            writeln!(file)?;
        }
        file.flush()?;
        Ok(path)
    }

    fn single(&self, n: u32) -> anyhow::Result<()> {
        let (recipient, text) = letters::letter(n);
        let mut command = self.command("submit");
        command.args(["--quiet", "-f", "demo@example.org", "--"]).arg(recipient).stdin(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(text.as_bytes())?;
        }
        finish(child)
    }

    /// Queues a merge, sends it and looks for each of its messages.
    fn merge(&self, rows: u32) -> anyhow::Result<()> {
        let folder = self.dir.join("merge");
        merge::prepare(&folder, rows)?;
        let mut command = self.command("merge");
        command.args(["--yes", "-f", "demo@example.org", "--template"]).arg(folder.join("template"));
        command.arg("--data").arg(folder.join("readers.csv")).stdout(Stdio::null());
        finish(command.spawn()?)?;
        finish(self.command("run").spawn()?)?;
        merge::verify(&self.dir.join("Maildir/new"), rows)
    }

    /// Drains the queue, with launches beside it that must leave at once and in silence, until the submitters are done
    /// and nothing is left.
    fn drain(&self, submitters: Vec<Child>) -> anyhow::Result<()> {
        let bar = std::io::stderr().is_terminal();
        let run = self.command("run").args((!bar).then_some("--quiet")).spawn()?;
        for _ in 0..LAUNCHES {
            let output = self.command("run").output()?;
            if !output.status.success() || !output.stdout.is_empty() || !output.stderr.is_empty() {
                bail!("an overlapping launch was not silent: {output:?}");
            }
        }
        for submitter in submitters {
            finish(submitter)?;
        }
        finish(run)?;
        finish(self.command("run").arg("--quiet").spawn()?)
    }

    fn verify(&self, messages: u32) -> anyhow::Result<()> {
        let mut seen = vec![false; messages as usize];
        for file in fs::read_dir(self.dir.join("Maildir/new"))? {
            let path = file?.path();
            let number = letters::recognise(&fs::read(&path)?);
            match number.and_then(|n| seen.get_mut(n as usize)) {
                None => bail!("{}: this is none of the demo's messages, or damaged", path.display()),
                Some(true) => bail!("{}: this message arrived twice", path.display()),
                Some(seen) => *seen = true,
            }
        }
        let missing = seen.iter().filter(|seen| !**seen).count();
        if missing > 0 {
            bail!("{missing} of {messages} messages are missing; look at {}", Path::display(&self.dir));
        }
        Ok(())
    }
}

fn finish(mut child: Child) -> anyhow::Result<()> {
    let status = child.wait()?;
    if !status.success() {
        bail!("a step of the demo ended with {status}");
    }
    Ok(())
}
