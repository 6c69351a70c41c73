//! Everything that can be configured, and what is in force without a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::bounces::Bounces;
use super::drop::DropBounds;
use super::events::Events;
use super::limits::Limits;
use super::notices::Notices;
use super::online::Online;
use super::pace::TransportPace;
use super::queue::Queue;
use super::transport::{Profile, TIMEOUT, Transport, no_way_out};

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
    pub paces: BTreeMap<String, TransportPace>,
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
            let (profile, timeout) = (Profile::Auto, TIMEOUT);
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
    /// The same for a host whose only sendmail command, `program`, is bulkmailer itself: mail for other hosts has no way
    /// out, and must not end in a Maildir that nobody looks into.
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
