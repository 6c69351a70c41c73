//! The command line: arguments → command → exit status, in one place.

mod exit;

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

use crate::admin::own_mail::{self, whose};
use crate::config::{ConfigError, Site};
use crate::model::Exit;
use crate::sys::output::warning;
use crate::sys::{named, nss, process, signals};
use crate::{admin, intake, runner};

/// Keeps mail safe in a spool, and feeds the MTA through parallel infeeds, launched by cron
///
/// Programs queue mail with 'bulkmailer submit' or through the sendmail command's face; cron launches 'bulkmailer run',
/// which hands what is due to the MTA and exits. A second launch while the first still works exits at once.
#[derive(Debug, Parser)]
#[command(name = "bulkmailer", version, max_term_width = 100)]
pub struct Cli {
    /// The spool's folder
    #[arg(long, global = true, value_name = "DIR")]
    spool: Option<PathBuf>,
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

// A command's options are put together when it is called: those of all take as long as starting the program. What is
// written above an `Args` would then take the place of what is written here, so its comment is no documentation.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    /// Deliver what is due, then exit: what cron calls
    Run(runner::Args),
    /// Queue a message, read from the standard input
    Submit(intake::submit::Args),
    /// Queue a message for each row of data, rendered from a template; or check, or show, what would be queued
    Merge(intake::merge::Args),
    /// Retry now: make waiting entries due, and deliver them. Mail for a time (submit --at) only if it is chosen
    Flush(admin::flush::Args),
    /// List what is queued, as mailq does
    List(admin::list::Args),
    /// Show one entry: its envelope, attempts with their reasons, header; or its message
    Show(admin::show::Args),
    /// Say who runs, what is done and left, how fast, how old the oldest entry is
    Status(admin::QueueArgs),
    /// Set waiting entries aside, until they are released
    Hold(admin::hold::Args),
    /// Let held entries go on: they are due now, as if they were new
    Release(admin::release::Args),
    /// Give failed entries another chance: they are due now, as if they were new
    Requeue(admin::requeue::Args),
    /// Remove entries for good; no notice is sent
    Remove(admin::remove::Args),
    /// List posts and batches: how far they are; pause one, let it go on, cancel it
    Jobs(admin::jobs::Args),
    /// What bounces say: who cannot be reached, and why
    Bounces(admin::bounces::Args),
    /// Who gets no more mail, because it bounced, somebody complained, or you say so
    Suppress(admin::suppress::Args),
    /// The red button: hand nothing more over, and return when nothing is in hand any more
    Stop(admin::QueueArgs),
    /// Let what was stopped go on with the next run
    Start(admin::QueueArgs),
    /// Verify the spool, and mend it
    Check(admin::check::Args),
    /// Check or show the configuration
    Config(admin::config::Args),
    /// The sendmail command's face; its options are those of sendmail(1)
    #[command(disable_help_flag = true)]
    Sendmail {
        /// Print help; -h is an option of sendmail(1)
        #[arg(long, action = clap::ArgAction::HelpLong)]
        help: Option<bool>,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION|RECIPIENT")]
        args: Vec<OsString>,
    },
    /// Show the whole way on this machine, with nothing installed: queue, overlap, drain, verify
    Demo(admin::demo::Args),
    /// Write the two generated manual pages, the sample configuration or the shells' completions
    #[command(hide = true)]
    Generate(admin::generate::Args),
}

/// The whole program, called with `args`, the first of which is its name. Whatever goes wrong becomes one line on the
/// standard error and a status of sysexits.h.
pub fn main(args: &[OsString]) -> u8 {
    signals::ignore_file_limit();
    process::private_umask();
    named::refuse_endless();
    let result = match face(args) {
        Some(face) => face,
        None => match Cli::try_parse_from(args) {
            Ok(cli) => dispatch(&cli),
            Err(error) => return exit::of_usage(&error).code(),
        },
    };
    let status = result.unwrap_or_else(|error| {
        warning!("{}", exit::text(&error));
        exit::of_error(&error)
    });
    status.code()
}

/// The sendmail face, by our name or as the first argument. It does not pass through the other commands' parser: its
/// options are its own, and it starts for every message.
fn face(args: &[OsString]) -> Option<anyhow::Result<Exit>> {
    let name = args.first().and_then(|arg| std::path::Path::new(arg).file_name()?.to_str()).unwrap_or("");
    let (name, rest) = match name {
        "sendmail" | "mailq" | "newaliases" => (name, args.get(1..)),
        _ if args.get(1).is_some_and(|arg| arg == "sendmail") && args.get(2).is_none_or(|arg| arg != "--help") => {
            ("sendmail", args.get(2..))
        }
        _ => return None,
    };
    Some(sendmail(&|| Site::resolve(None, None), name, rest.unwrap_or_default()))
}

fn sendmail(site: &dyn Fn() -> Result<Site, ConfigError>, name: &str, args: &[OsString]) -> anyhow::Result<Exit> {
    match intake::sendmail::parse(name, args)? {
        intake::sendmail::Invocation::Mail(options) => intake::sendmail::mail(&site()?, &options),
        intake::sendmail::Invocation::ListQueue => list(site()?, &admin::list::Args::default()),
        intake::sendmail::Invocation::Flush { id, site: domain } => {
            let recipient = domain.map(|domain| format!("*@{domain}"));
            let ids = id.into_iter().collect();
            let selection = admin::Selection { ids, recipient, ..Default::default() };
            admin::flush::run(
                &as_owner(as_runner(site()?)?)?,
                &admin::flush::Args { selection, quiet: true, ..Default::default() },
            )
        }
        intake::sendmail::Invocation::Serve => {
            intake::smtpd::run(&site().inspect_err(intake::smtpd::unavailable)?, intake::smtpd::QUEUE)
        }
        intake::sendmail::Invocation::Verify { recipients } => intake::sendmail::verify(&recipients),
        intake::sendmail::Invocation::Done(exit) => Ok(exit),
    }
}

/// Has root act as the spool's owner, who is the service's user: at once, before anything in the spool is opened. Handing
/// mail in needs no such thing: root's goes through `drop/` like any other user's.
///
/// Errors: the spool is another's, and this user may only hand mail in.
fn as_owner(site: Site) -> anyhow::Result<Site> {
    whose::refuse(&site)?;
    if let Ok(spool) = site.spool.metadata() {
        nss::become_user(spool.uid(), spool.gid())
            .with_context(|| format!("cannot become the owner of {}", site.spool.display()))?;
    }
    Ok(site)
}

/// A list of everything, or of the user's own in a spool that is another's.
fn list(site: Site, args: &admin::list::Args) -> anyhow::Result<Exit> {
    match whose::owner(&site) {
        Some(owner) => own_mail::list::run(&site, args, owner),
        None => admin::list::run(&as_owner(site)?, args),
    }
}

/// Removes entries at once; in a spool that is another's, the next run is asked to.
fn remove(site: Site, args: &admin::remove::Args, user: u32) -> anyhow::Result<Exit> {
    match whose::owner(&site) {
        Some(owner) => own_mail::remove::run(&site, args, owner),
        None => admin::remove::run(&as_owner(site)?, args, user),
    }
}

/// The same, and what is missing of the host's folders is made.
fn as_maker(site: Site) -> anyhow::Result<Site> {
    intake::host::make(&site)?;
    let site = as_owner(site)?;
    intake::host::make_drop(&site)?;
    Ok(site)
}

/// Refuses a user who is not the one that runs the host's mail.
fn as_runner(site: Site) -> anyhow::Result<Site> {
    intake::host::refuse_others(&site)?;
    Ok(site)
}

/// What a plain user sees first of the host's spool is that his own has mail left.
fn reminded(site: Site) -> Site {
    intake::host::say_left_behind(&site);
    site
}

fn dispatch(cli: &Cli) -> anyhow::Result<Exit> {
    let look = || Site::resolve(cli.spool.as_deref(), cli.config.as_deref());
    let resolve = || as_owner(look()?);
    // Who decides about entries and queues is noted; afterwards root is the spool's owner.
    let user = process::real_uid();
    match &cli.command {
        Command::Run(args) => runner::run(&as_maker(as_runner(look()?)?)?, args),
        Command::Submit(args) => intake::submit::run(&look()?, args),
        Command::Merge(args) => intake::merge::run(&look()?, args),
        Command::Flush(args) => admin::flush::run(&as_owner(as_runner(look()?)?)?, args),
        Command::List(args) => list(reminded(look()?), args),
        Command::Show(args) => admin::show::run(&resolve()?, args),
        Command::Status(args) => admin::status::run(&as_owner(reminded(look()?))?, args),
        Command::Hold(args) => admin::hold::run(&resolve()?, args, user),
        Command::Release(args) => admin::release::run(&resolve()?, args, user),
        Command::Requeue(args) => admin::requeue::run(&resolve()?, args, user),
        Command::Remove(args) => remove(look()?, args, user),
        Command::Jobs(args) => admin::jobs::run(&resolve()?, args, user),
        Command::Bounces(args) => admin::bounces::run(&resolve, args),
        Command::Suppress(args) => admin::suppress::run(&as_maker(look()?)?, args),
        Command::Stop(args) => match look() {
            Ok(site) => admin::stop::run(&as_maker(site)?, args, user),
            Err(error) => {
                warning!("{error}; this stops the queue all the same");
                admin::stop::run(&as_owner(Site::without_file(cli.spool.as_deref())?)?, args, user)
            }
        },
        Command::Start(args) => admin::start::run(&resolve()?, args),
        Command::Check(args) if args.repair => admin::check::run(&as_maker(look()?)?, args),
        Command::Check(args) => admin::check::run(&resolve()?, args),
        Command::Config(args) => match look() {
            Ok(site) => admin::config::run(&site, args),
            Err(error) => admin::config::refused(&error, args),
        },
        Command::Sendmail { args, .. } => sendmail(&look, "sendmail", args),
        Command::Demo(args) => admin::demo::run(args),
        Command::Generate(args) => admin::generate::run(Cli::command(), args),
    }
}
