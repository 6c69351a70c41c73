//! `generate`: manual pages, the sample configuration and the shell completions, from the definitions of the command line
//! and the declarations of the keys.
//!
//! Packagers call it, so it is not in `--help`. bulkmailer(1) is put together here: synopsis, commands and options from
//! the definitions, the rest from `man/bulkmailer.1.d`. Pages and sample are committed, and `tests/docs` holds them to
//! what they are made from.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, ValueHint};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

use super::config::{manual, sample};
use crate::model::Exit;

/// The day of the manual page's last change by hand.
const DATE: &str = "2026-11-30";

/// Bytes of a line in the page's source.
const WIDTH: usize = 78;

const DESCRIPTION: &str = include_str!("../../man/bulkmailer.1.d/description.roff");
const REST: &str = include_str!("../../man/bulkmailer.1.d/rest.roff");

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Write bulkmailer.1 and bulkmailer.toml.5
    Man {
        /// The folder to write to, which is made if it is missing
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Write the sample configuration, bulkmailer.toml
    Config {
        /// The folder to write to, which is made if it is missing
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Write completions for bash, zsh and fish
    Completions {
        /// The folder to write to, which is made if it is missing
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
}

/// Writes what was asked for; `command` is the definition of the whole command line.
pub fn run(command: Command, args: &Args) -> anyhow::Result<Exit> {
    match &args.what {
        What::Man { dir } => {
            let page = page(command).context("cannot put the manual page together")?;
            write(dir, "bulkmailer.1", &page)?;
            write(dir, "bulkmailer.toml.5", &manual::page())?;
        }
        What::Config { dir } => write(dir, "bulkmailer.toml", &sample::file())?,
        What::Completions { dir } => {
            make(dir)?;
            let mut command = command;
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
                let written = generate_to(shell, &mut command, "bulkmailer", dir);
                written.with_context(|| format!("{}: cannot write the completions", dir.display()))?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn write(dir: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    make(dir)?;
    let path = dir.join(name);
    std::fs::write(&path, text).with_context(|| format!("{}: cannot write", path.display()))
}

fn make(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("{}: cannot make the folder", dir.display()))
}

/// The text of bulkmailer(1).
pub fn page(mut command: Command) -> io::Result<String> {
    command.build();
    let version = command.get_version().unwrap_or_default();
    let mut text = format!(".TH BULKMAILER 1 {DATE} \"bulkmailer {version}\"\n");
    text.push_str(".SH NAME\nbulkmailer \\- keep mail safe in a queue, and feed the MTA from cron\n");
    text.push_str(".SH SYNOPSIS\n.B bulkmailer\n[\\fIoptions\\fR] \\fIcommand\\fR ...\n");
    text.push_str(DESCRIPTION);
    text.push_str(".SH OPTIONS\nThese go before or after any command.\n");
    let common: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    text.push_str(&options(&command, &[])?);
    text.push_str(".SH COMMANDS\n");
    for sub in command.get_subcommands() {
        commands(sub, "bulkmailer", &common, &mut text)?;
    }
    text.push_str(REST);
    Ok(text)
}

/// The part about `command` and the commands below it.
fn commands(command: &Command, above: &str, common: &[String], text: &mut String) -> io::Result<()> {
    if command.is_hide_set() || command.get_name() == "help" {
        return Ok(());
    }
    let name = format!("{above} {}", command.get_name());
    if command.has_subcommands() {
        for sub in command.get_subcommands() {
            commands(sub, &name, common, text)?;
        }
        return Ok(());
    }
    text.push_str(&format!(".SS {name}\n"));
    let usage = hide(command.clone(), common).bin_name(name).render_usage().to_string();
    for form in usage.trim_start_matches("Usage:").lines().map(str::trim).filter(|form| !form.is_empty()) {
        text.push_str(&format!(".B {}\n.br\n", form.replace('-', "\\-")));
    }
    text.push_str(".PP\n");
    text.push_str(&body(|man, out| man.render_description_section(out), command)?);
    text.push_str(&options(command, common)?);
    Ok(())
}

/// The list of a command's options, without those in `hidden`.
fn options(command: &Command, hidden: &[String]) -> io::Result<String> {
    let shown = hide(command.clone(), hidden);
    if shown.get_arguments().all(clap::Arg::is_hide_set) {
        return Ok(String::new());
    }
    body(|man, out| man.render_options_section(out), &shown)
}

fn hide(command: Command, ids: &[String]) -> Command {
    let listed = |arg: &clap::Arg| ids.contains(&arg.get_id().to_string());
    command.mut_args(|arg| if listed(&arg) { arg.hide(true) } else { arg })
}

/// A section without its heading, in lines as a manual page should have them.
fn body(render: impl FnOnce(&Man, &mut dyn io::Write) -> io::Result<()>, command: &Command) -> io::Result<String> {
    let mut bytes = Vec::new();
    render(&Man::new(command.clone()), &mut bytes)?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    // Italics say that a word stands for a value; brackets around it would say it twice.
    let text = text.replace("\\fI<", "\\fI").replace(">\\fR", "\\fR").replace(">...\\fR", "\\fR...");
    // The string that stands for an apostrophe is defined in the preamble that we leave out.
    let text = text.replace("\\*(Aq", "\\(aq");
    let mut body = String::new();
    for line in text.lines().filter(|line| ![".SH ", ".ie ", ".el "].iter().any(|macro_| line.starts_with(macro_))) {
        wrap(line, &mut body);
    }
    Ok(body)
}

/// Adds `line`, broken between words; a macro's line stays whole.
fn wrap(line: &str, out: &mut String) {
    if line.starts_with('.') {
        out.push_str(line);
        out.push('\n');
        return;
    }
    let mut width = 0;
    for word in line.split_whitespace() {
        if width > 0 && width + 1 + word.len() > WIDTH {
            out.push('\n');
            width = 0;
        }
        if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += word.len();
        if word == "?" {
            // At the end of a line it would end a sentence.
            out.push_str("\\&");
        }
    }
    out.push('\n');
}
