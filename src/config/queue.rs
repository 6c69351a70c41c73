//! One queue's policy: `[queue.NAME]`.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::pace;
use super::reader::{Reader, first_of};
use super::scalar::{Scalar, Value};
use super::values;
use crate::model::envelope::{VERP, verp_fault};
use crate::policy::rate::Rate;
use crate::policy::units::duration_text;

/// Names that the spool has for itself or may come to have, and that no queue can take.
pub const RESERVED: [&str; 10] = ["all", "auto", "drop", "events", "jobs", "pace", "state", "tmp", "users", "version"];

/// Whether a queue can have this name.
pub fn is_queue_name(name: &str) -> bool {
    values::name(name).is_ok() && !RESERVED.contains(&name)
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

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [queue.outbound]")]
pub(super) struct Table {
    pub transport: Value,
    pub workers: Value,
    pub retry: RetryTable,
    pub max_recipients: Value,
    pub job_recipients: Value,
    pub verp: Value,
    pub linger: Value,
    pub kick: Value,
    pub failed_keep: Value,
    pub key_keep: Value,
    pub notices: Value,
    pub delay_warning: Value,
    pub on_crash: Value,
    pub probe_every: Value,
    pub warn_after: Value,
    pub rate: Value,
    pub burst: Value,
    pub priority: Value,
    pub read_bounces: Value,
    pub suppress: Value,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in { first = \"5m\", max = \"4h\", expire = \"5d\" }")]
pub(super) struct RetryTable {
    pub first: Value,
    pub max: Value,
    pub expire: Value,
}

impl Table {
    /// The queue called `name`; what is not said is that of `base`.
    pub fn read(&self, name: &Spanned<String>, base: Queue, reader: &mut Reader<'_>) -> Queue {
        let word = name.get_ref();
        if let Err(why) = values::name(word) {
            reader.problem(Some(name.span().start), format!("queue {word:?}: {why}"));
        } else if RESERVED.contains(&word.as_str()) {
            let why = "the spool uses this name itself: choose another";
            reader.problem(Some(name.span().start), format!("queue {word:?}: {why}"));
        }
        let key = |inside: &str| format!("queue.{word}.{inside}");
        Queue {
            transport: reader.value(&key("transport"), &self.transport, base.transport, values::text),
            workers: reader.value(&key("workers"), &self.workers, base.workers, workers),
            retry: self.retry.read(&key("retry"), base.retry, reader),
            max_recipients: reader.value(
                &key("max_recipients"),
                &self.max_recipients,
                base.max_recipients,
                values::count(1..=10_000),
            ),
            job_recipients: reader.value(
                &key("job_recipients"),
                &self.job_recipients,
                base.job_recipients,
                values::count(1..=10_000),
            ),
            verp: reader.value(&key("verp"), &self.verp, base.verp, verp),
            linger: reader.value(&key("linger"), &self.linger, base.linger, values::duration),
            kick: reader.value(&key("kick"), &self.kick, base.kick, values::flag),
            failed_keep: reader.value(&key("failed_keep"), &self.failed_keep, base.failed_keep, values::duration),
            key_keep: reader.value(&key("key_keep"), &self.key_keep, base.key_keep, values::duration),
            notices: reader.value(&key("notices"), &self.notices, base.notices, values::flag),
            delay_warning: reader.value(
                &key("delay_warning"),
                &self.delay_warning,
                base.delay_warning,
                values::duration,
            ),
            on_crash: reader.value(&key("on_crash"), &self.on_crash, base.on_crash, on_crash),
            probe_every: reader.value(&key("probe_every"), &self.probe_every, base.probe_every, values::duration),
            warn_after: reader.value(&key("warn_after"), &self.warn_after, base.warn_after, values::some_time),
            rate: pace::rate(&key, &self.rate, &self.burst, reader),
            priority: reader.value(&key("priority"), &self.priority, base.priority, values::count(0..=100)),
            read_bounces: reader.value(&key("read_bounces"), &self.read_bounces, base.read_bounces, values::flag),
            suppress: reader.value(&key("suppress"), &self.suppress, base.suppress, values::flag),
        }
    }
}

impl RetryTable {
    fn read(&self, key: &str, base: Retry, reader: &mut Reader<'_>) -> Retry {
        let mut time = |inside: &str, value: &Value, default: Duration| {
            reader.value(&format!("{key}.{inside}"), value, default, values::some_time)
        };
        let first = time("first", &self.first, base.first);
        let max = time("max", &self.max, base.max);
        let expire = time("expire", &self.expire, base.expire);
        if max < first {
            let why =
                format!("{} lies below first, {}: raise max or lower first", duration_text(max), duration_text(first));
            reader.problem(first_of(&[&self.max, &self.first]), format!("{key}.max: {why}"));
        }
        if expire < first {
            let why = format!(
                "{} lies below first, {}: nothing would be tried again",
                duration_text(expire),
                duration_text(first)
            );
            reader.problem(first_of(&[&self.expire, &self.first]), format!("{key}.expire: {why}"));
        }
        Retry { first, max, expire }
    }
}

/// `"auto"` (`None`), or how many.
fn workers(value: &Scalar) -> Result<Option<usize>, String> {
    match value {
        Scalar::Text(text) if text == "auto" => Ok(None),
        Scalar::Text(_) | Scalar::Whole(_) | Scalar::Flag(_) => values::count(1..=256)(value)
            .map(Some)
            .map_err(|_| format!("{value} is not possible: \"auto\", or a whole number from 1 to 256")),
    }
}

/// A pattern of VERP senders.
fn verp(value: &Scalar) -> Result<String, String> {
    let pattern = values::text(value)?;
    verp_fault(&pattern).map_or(Ok(pattern), |why| Err(why.to_owned()))
}

fn on_crash(value: &Scalar) -> Result<OnCrash, String> {
    let name = values::text(value)?;
    let found = OnCrash::ALL.into_iter().find(|choice| choice.name() == name);
    found.ok_or_else(|| format!("{value} is not possible: \"resend\" or \"hold\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_names_that_would_pass_otherwise() {
        for name in RESERVED {
            assert!(values::name(name).is_ok(), "{name}");
        }
    }
}
