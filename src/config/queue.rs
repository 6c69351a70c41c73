//! One queue's policy: `[queue.NAME]`.
//!
//! A new key is a field with its default here, an entry in `KEYS` in `queue/keys.rs`, and then `make man`.

pub(super) mod keys;

use std::time::Duration;

use super::choice::NamedValue;
use super::values;
use crate::model::envelope::VERP;
use crate::model::reserved::RESERVED;
use crate::policy::rate::Rate;

/// Whether a queue can have this name.
pub fn is_queue_name(name: &str) -> bool {
    name_fault(name).is_none()
}

/// Why a queue cannot have this name.
pub(super) fn name_fault(name: &str) -> Option<String> {
    let reserved = || "the spool uses this name itself: choose another".to_owned();
    values::name(name).err().or_else(|| RESERVED.contains(&name).then(reserved))
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
    /// How many recipients an entry of a list post has; default 100.
    pub job_recipients: usize,
    /// The pattern of the senders that `submit --verp` makes; default [`VERP`].
    pub verp: String,
    /// How long a run waits for more mail before it exits; default zero.
    pub linger: Duration,
    /// Whether `submit` starts a run of its own, for hosts that have no cron; default no.
    pub kick: bool,
    /// How long an entry in `failed/` is kept; default 7 days.
    pub failed_keep: Duration,
    /// How long a merge that has ended or was cancelled is kept; default 90 days.
    pub merge_keep: Duration,
    /// How long an id that counts once (a notice, `submit --key`) is remembered; default 7 days.
    pub key_keep: Duration,
    /// Whether senders are notified of mail that failed; default yes.
    pub notices: bool,
    /// After this wait the sender is notified, once, that the mail is delayed; zero, the default: never.
    pub delay_warning: Duration,
    /// What becomes of recipients whose outcome is unknown; default [`OnCrash::Resend`].
    pub on_crash: OnCrash,
    /// The time between two hand-overs while it is in doubt whether the sink is down; default one second.
    pub probe_every: Duration,
    /// Mail that is due for longer is reported; default one day.
    pub warn_after: Duration,
    /// The most hand-overs in a time, by all its workers and runs together; default no limit.
    pub rate: Option<Rate>,
    /// Where the workers of a run are limited, the queues with the highest get theirs first, from 0 to 100; default 20
    /// for `inbound`, 10 for `bounce`, 0 for the others.
    pub priority: usize,
    /// Whether its mail is read as bounces, and recorded; default for the queue `bounce` alone.
    pub read_bounces: bool,
    /// Whether recipients that are suppressed get nothing; default for all but `inbound` and `bounce`.
    pub suppress: bool,
}

/// What becomes of recipients whose outcome is unknown: a worker died with them in flight, or no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCrash {
    /// They are handed over again, and may get the message twice.
    Resend,
    /// They are held until a person decides. Each hand-over waits for a sync before it begins.
    Hold,
}

impl NamedValue for OnCrash {
    const VALUES: &'static [OnCrash] = &[OnCrash::Resend, OnCrash::Hold];

    fn word(self) -> &'static str {
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
            merge_keep: Duration::from_secs(90 * 24 * 3600),
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
