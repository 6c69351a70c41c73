//! The configuration: what a queue, a transport and a limit are set to.
//!
//! Kept true: a [`Config`] that exists is valid. Every queue names a transport that is defined, no limit is zero, and
//! no retry's `max` lies below its `first`; so the rest of the program does not check again. With no file at all,
//! [`Config::embedded`] is in force: queues `outbound`, `inbound` and `bounce`; mail leaves through the host's sendmail
//! command where there is one and into a Maildir where there is none. Where the only sendmail command is this program, the
//! transport `sendmail` is [`Transport::Ourselves`] until the file defines it: what would leave through it waits, and
//! [`Config::no_way_out`] says so of a queue.
//!
//! [`site`] finds the spool and the file, [`load`] reads the file, [`error`] says what is wrong with it.
#![forbid(unsafe_code)]

mod bounces;
pub mod error;
pub mod load;
pub mod site;
mod smtp;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use bounces::{Bounces, PassOn};
pub use error::ConfigError;
pub use site::Site;
pub use smtp::{Connect, Login, Mechanism, Protocol, Secret, Smtp, Tls};

use crate::model::Address;
use crate::model::envelope::VERP;
use crate::policy::notice::Returned;
use crate::policy::rate::Rate;

/// Names that the spool has for itself or may come to have, and that no queue can take.
pub const RESERVED: [&str; 10] = ["all", "auto", "drop", "events", "jobs", "pace", "state", "tmp", "users", "version"];

/// Whether a queue can have this name.
pub fn is_queue_name(name: &str) -> bool {
    values::name(name).is_ok() && !RESERVED.contains(&name)
}

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub limits: Limits,
    pub drop: DropBounds,
    pub events: Events,
    pub notices: Notices,
    pub bounces: Bounces,
    /// How to find out whether this host is online; `None` is not to ask.
    pub online: Option<Online>,
    /// A file of addresses that list posts do not go to, one a line; default none.
    pub suppress: Option<PathBuf>,
    /// By name; `outbound`, `inbound` and `bounce` always exist.
    pub queues: BTreeMap<String, Queue>,
    /// By name; the `transport` of every queue is among them.
    pub transports: BTreeMap<String, Transport>,
    /// By the name of a transport; one that is not here has no limits.
    pub paces: BTreeMap<String, Pace>,
}

/// How fast a transport is fed, by all queues, runs and workers together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    /// The most hand-overs in a time.
    pub rate: Option<Rate>,
    /// The most of them at once, at least 1.
    pub sessions: Option<usize>,
}

/// What is refused before anything is queued.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of one message with its header; default 64 MiB.
    pub message: u64,
    /// Bytes of one message's header section; default 256 KiB.
    pub header: u64,
    /// Recipients of one entry; default 1,000 (RFC 5321 section 4.5.3.1.8 asks for at least 100).
    pub recipients: usize,
    /// The most workers of all queues of one run; default no limit.
    pub workers: Option<usize>,
    /// Bytes that must be free on the spool's file system for `submit` to accept mail;
    /// default twice the message limit and 64 MiB.
    pub min_free: u64,
}

/// What one user may have waiting who hands in through `drop/`, so that he keeps nobody else waiting.
#[derive(Clone, Debug, PartialEq)]
pub struct DropBounds {
    /// Bytes of his entries in all queues; at least one message's; default 1 GiB.
    pub bytes: u64,
    /// How many entries; default 100,000.
    pub entries: usize,
    /// How far off the time may be that he asks for; default a year.
    pub ahead: Duration,
}

impl Default for DropBounds {
    fn default() -> DropBounds {
        DropBounds { bytes: 1 << 30, entries: 100_000, ahead: Duration::from_secs(365 * 24 * 3600) }
    }
}

#[derive(Clone, Debug, PartialEq, Default)]
pub struct Events {
    /// Say each event to syslog (facility mail) too.
    pub syslog: bool,
}

/// What senders are told of mail that fails or is delayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Notices {
    /// What comes back of a message whose sender did not say (RFC 3461, RET); default its header.
    pub returned: Returned,
    /// Bytes of the largest message that comes back whole; default 1 MiB.
    pub size: u64,
    /// Who is told of mail without a sender that failed; default nobody, and it stays in `failed/`.
    pub postmaster: Option<Address>,
    /// The most notices to one sender in an hour, at least 1; default 100.
    pub per_hour: usize,
}

impl Default for Notices {
    fn default() -> Notices {
        Notices { returned: Returned::Header, size: 1 << 20, postmaster: None, per_hour: 100 }
    }
}

impl Config {
    /// What is in force without a file: three queues, the transport `maildir` into `maildir`, and the transport
    /// `sendmail` where the host has such a command.
    pub fn embedded(sendmail: Option<&Path>, maildir: PathBuf) -> Config {
        let mut transports = BTreeMap::from([("maildir".to_owned(), Transport::Maildir { path: maildir })]);
        let outbound = if sendmail.is_some() { "sendmail" } else { "maildir" };
        if let Some(program) = sendmail {
            let program = program.to_string_lossy();
            let command = [&*program, "-oi", "-f", "{sender}", "--", "{recipients}"].map(str::to_owned).to_vec();
            let (profile, timeout) = (Profile::Auto, Transport::TIMEOUT);
            transports.insert("sendmail".to_owned(), Transport::Pipe { command, profile, timeout });
        }
        let inbound = Queue { suppress: false, priority: 20, ..Queue::through("maildir") };
        let bounce = Queue { read_bounces: true, priority: 10, ..inbound.clone() };
        let queues = [("outbound", Queue::through(outbound)), ("inbound", inbound), ("bounce", bounce)];
        let queues = queues.map(|(name, queue)| (name.to_owned(), queue));
        Config {
            limits: Limits::default(),
            drop: DropBounds::default(),
            events: Events::default(),
            notices: Notices::default(),
            bounces: Bounces::default(),
            online: None,
            suppress: None,
            queues: BTreeMap::from(queues),
            transports,
            paces: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The same for a host whose only sendmail command, `program`, is bulkmailer itself: mail for other hosts has no way out,
    /// and must not end in a Maildir that nobody looks into.
    pub fn without_way_out(mut self, program: &Path) -> Config {
        let program = program.to_owned();
        self.transports.insert("sendmail".to_owned(), Transport::Ourselves { program });
        if let Some(outbound) = self.queues.get_mut("outbound") {
            outbound.transport = "sendmail".to_owned();
        }
        self
    }

    /// Why mail of this queue has no way out, and what to do; `None` if it has one.
    pub fn no_way_out(&self, queue: &str) -> Option<String> {
        match self.transports.get(&self.queues.get(queue)?.transport)? {
            Transport::Ourselves { program } => Some(no_way_out(program)),
            Transport::Pipe { .. } | Transport::Command { .. } | Transport::Maildir { .. } | Transport::Smtp(_) => None,
        }
    }

    /// The patterns of the senders that VERP makes here, each once.
    pub fn verp_patterns(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.queues.values().map(|queue| &queue.verp).collect();
        all.into_iter().cloned().collect()
    }
}

/// Why mail has no way out where `program`, the host's sendmail command, is bulkmailer itself, and what to do.
pub fn no_way_out(program: &Path) -> String {
    format!(
        "{} is bulkmailer itself, and no transport is configured: set in [transport.sendmail] either kind = \"smtp\" and \
         connect = \"tcp:RELAY:587\" with the name of your relay, or, with an MTA installed beside it, kind = \"pipe\" and \
         command = [\"/PATH/OF/ITS/sendmail\", \"-oi\", \"-f\", \"{{sender}}\", \"--\", \"{{recipients}}\"]; \
         see bulkmailer.toml(5)",
        program.display()
    )
}

/// One queue's policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// The name of a transport.
    pub transport: String,
    /// How many infeeds; `None` is "auto".
    pub workers: Option<usize>,
    pub retry: Retry,
    /// The most recipients that are handed over together; default 50.
    pub max_recipients: usize,
    /// So many recipients has an entry of a list post; default 100.
    pub job_recipients: usize,
    /// The pattern of the senders that `submit --verp` makes; default [`VERP`].
    pub verp: String,
    /// How long a run waits for more mail before it exits; default zero.
    pub linger: Duration,
    /// Whether `submit` starts a run of its own, for hosts that have no cron; default no.
    pub kick: bool,
    /// How long an entry in `failed/` is kept; default 7 days.
    pub failed_keep: Duration,
    /// How long an id that counts once (a notice, `submit --key`) is remembered; default 7 days.
    pub key_keep: Duration,
    /// Whether senders are told of mail that failed; default yes.
    pub notices: bool,
    /// How long mail waits until its sender is told that it is delayed, once; zero, the default: he is not told.
    pub delay_warning: Duration,
    /// What becomes of recipients whose outcome is unknown; default [`OnCrash::Resend`].
    pub on_crash: OnCrash,
    /// The time between two hand-overs while it is in doubt whether the sink is down; default one second.
    pub probe_every: Duration,
    /// Mail that is due for longer is said; default one day.
    pub warn_after: Duration,
    /// The most hand-overs in a time, by all its workers and runs together; default no limit.
    pub rate: Option<Rate>,
    /// Where the workers of a run are limited, the queues with the highest get theirs first, from 0 to 100; default 20 for
    /// `inbound`, 10 for `bounce`, 0 for the others.
    pub priority: usize,
    /// Whether its mail is read as bounces, and recorded; default for the queue `bounce` alone.
    pub read_bounces: bool,
    /// Whether recipients that are suppressed get nothing; default for all but `inbound` and `bounce`.
    pub suppress: bool,
}

/// How it is found out whether this host is online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Online {
    /// A command ends with status 0. Its program is an absolute path, or a name in one of [`Online::FOLDERS`].
    Check(Vec<String>),
    /// A TCP connection succeeds, to `host:port`.
    Connect(String),
}

impl Online {
    /// Where a command without a path is looked for, whatever `PATH` a launcher sets.
    pub const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

    /// The program that `name` stands for, if it is there.
    pub fn find(name: &str) -> Option<PathBuf> {
        // An absolute name takes the folder's place.
        Online::FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
    }
}

/// What becomes of recipients whose outcome is unknown: a worker died with them in flight, or no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCrash {
    /// They are handed over again, and may get the message twice.
    Resend,
    /// They are held until a person decides. Each hand-over waits for a sync before it begins.
    Hold,
}

impl OnCrash {
    pub const ALL: [OnCrash; 2] = [OnCrash::Resend, OnCrash::Hold];

    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            OnCrash::Resend => "resend",
            OnCrash::Hold => "hold",
        }
    }
}

/// When a deferred entry is tried again: after `first`, doubled each time up to `max`, with jitter, until it has
/// waited for `expire`.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// At least one second; default 5 minutes.
    pub first: Duration,
    /// At least `first`; default 4 hours.
    pub max: Duration,
    /// Default 5 days (RFC 5321 section 4.5.4.1 asks for 4 to 5).
    pub expire: Duration,
}

/// How an entry leaves.
#[derive(Clone, Debug, PartialEq)]
pub enum Transport {
    /// A command that reads the message on its standard input.
    Pipe {
        /// The program's absolute path and its arguments; `{sender}` and `{recipients}` are replaced.
        command: Vec<String>,
        profile: Profile,
        /// How long one hand-over may take.
        timeout: Duration,
    },
    /// A program that reads the message on its standard input, and finds the envelope in its environment.
    Command {
        /// The program's absolute path and its arguments.
        command: Vec<String>,
        /// How long one hand-over may take.
        timeout: Duration,
    },
    /// Delivery into a Maildir, which is made where it is missing.
    Maildir { path: PathBuf },
    /// No way out: the host's sendmail command is this program. No file can say so.
    Ourselves { program: PathBuf },
    /// A dialogue with a server.
    Smtp(Box<Smtp>),
}

/// Which MTA's sendmail a pipe leads to: how its exit status and its options are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Found out from the program itself.
    Auto,
    Generic,
    Postfix,
    Exim,
    Sendmail,
    Opensmtpd,
    Courier,
    Nullmailer,
    Msmtp,
    Dma,
    /// qmail and notqmail.
    Qmail,
}

impl Profile {
    pub const ALL: [Profile; 11] = [
        Profile::Auto,
        Profile::Generic,
        Profile::Postfix,
        Profile::Exim,
        Profile::Sendmail,
        Profile::Opensmtpd,
        Profile::Courier,
        Profile::Nullmailer,
        Profile::Msmtp,
        Profile::Dma,
        Profile::Qmail,
    ];

    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Auto => "auto",
            Profile::Generic => "generic",
            Profile::Postfix => "postfix",
            Profile::Exim => "exim",
            Profile::Sendmail => "sendmail",
            Profile::Opensmtpd => "opensmtpd",
            Profile::Courier => "courier",
            Profile::Nullmailer => "nullmailer",
            Profile::Msmtp => "msmtp",
            Profile::Dma => "dma",
            Profile::Qmail => "qmail",
        }
    }
}

impl Transport {
    /// How long one hand-over may take where nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(5 * 60);
}

impl Default for Limits {
    fn default() -> Limits {
        let message = 64 << 20;
        Limits { message, header: 256 << 10, recipients: 1_000, workers: None, min_free: Limits::min_free_for(message) }
    }
}

impl Limits {
    /// What must stay free where messages may have `message` bytes: room for two of them and 64 MiB.
    pub fn min_free_for(message: u64) -> u64 {
        message.saturating_mul(2).saturating_add(64 << 20)
    }
}

impl Default for Retry {
    fn default() -> Retry {
        Retry {
            first: Duration::from_secs(5 * 60),
            max: Duration::from_secs(4 * 3600),
            expire: Duration::from_secs(5 * 24 * 3600),
        }
    }
}

impl Queue {
    /// The defaults of a queue that uses `transport`.
    pub fn through(transport: &str) -> Queue {
        Queue {
            transport: transport.to_owned(),
            workers: None,
            retry: Retry::default(),
            max_recipients: 50,
            job_recipients: 100,
            verp: VERP.to_owned(),
            linger: Duration::ZERO,
            kick: false,
            failed_keep: Duration::from_secs(7 * 24 * 3600),
            key_keep: Duration::from_secs(7 * 24 * 3600),
            notices: true,
            delay_warning: Duration::ZERO,
            on_crash: OnCrash::Resend,
            probe_every: Duration::from_secs(1),
            warn_after: Duration::from_secs(24 * 3600),
            rate: None,
            priority: 0,
            read_bounces: false,
            suppress: true,
        }
    }
}
