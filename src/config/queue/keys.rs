//! The keys of a queue: `[queue.NAME]`.
//!
//! A new key is a field with its default in `config/queue.rs`, an entry in `KEYS` here, and then `make man`.

use super::Queue;
use crate::config::form::ValueForm;
use crate::config::key::ConfigKey;
use crate::config::pace;
use crate::config::reader::{Reader, SetKeys};
use crate::config::scalar::Scalar;
use crate::config::table::ConfigTable;
use crate::config::values;
use crate::model::envelope::verp_fault;
use crate::policy::units::duration_text;

pub(in crate::config) const TABLE: ConfigTable<Queue> = ConfigTable {
    name: "queue.outbound",
    about: "A queue: where its mail goes, how fast, and what becomes of mail that cannot go.",
    keys: KEYS,
};

type QueueKey = ConfigKey<Queue>;

const KEYS: &[QueueKey] = &[
    QueueKey::new("transport", ValueForm::Text(|queue| &mut queue.transport), "The name of a transport, see below.")
        .otherwise(
            "Default: for
        .Sy outbound
        the transport
        .Sy sendmail
        where the host has that command, else
        .Sy maildir ;
        for
        .Sy inbound
        and
        .Sy bounce
        the transport
        .Sy maildir ;
        for any other queue the one that
        .Sy outbound
        uses.",
        ),
    QueueKey::new(
        "workers",
        ValueForm::Auto(1..=256, |queue| &mut queue.workers),
        "How many workers hand mail over at the same time.",
    )
    .otherwise(
        "Default {}: 8 where the transport is smtp or lmtp; else twice the number of processors, at
        least 2 and at most 16.",
    ),
    QueueKey::new(
        "retry.first",
        ValueForm::Time(|queue| &mut queue.retry.first),
        "How long mail waits after its first attempt.
        Each wait is twice the one before it, changed a little at random so that many
        messages do not return at once.",
    ),
    QueueKey::new(
        "retry.max",
        ValueForm::Time(|queue| &mut queue.retry.max),
        "The longest wait between two attempts, not below
        .Ic retry.first .",
    ),
    QueueKey::new(
        "retry.expire",
        ValueForm::Time(|queue| &mut queue.retry.expire),
        "Mail that has waited for so long is given up; not below
        .Ic retry.first .
        Time in which the sink was down does not count.",
    ),
    QueueKey::new(
        "max_recipients",
        ValueForm::Count(1..=10_000, |queue| &mut queue.max_recipients),
        "The most recipients that are handed over together.
        A command whose status speaks for one recipient gets one at a time whatever this
        says, see
        .Xr bulkmailer-transports 5 .",
    ),
    QueueKey::new(
        "job_recipients",
        ValueForm::Count(1..=10_000, |queue| &mut queue.job_recipients),
        "The most recipients of one entry of a list post, and never more than
        .Ic limits.recipients .
        An entry is what one worker takes: more make a post's files fewer, less make its
        workers take turns with other mail more often.",
    ),
    QueueKey::new(
        "verp",
        ValueForm::Other {
            words: "A text:",
            read: |value, queue| verp(value).map(|pattern| queue.verp = pattern),
            show: |queue| Some(toml::Value::String(queue.verp.clone())),
        },
        "The pattern of the senders that
        .Ic submit --verp
        gives each recipient.
        .Sy {local}
        and
        .Sy {domain}
        stand for the parts of the sender's address,
        .Sy {rlocal}
        and
        .Sy {rdomain} ,
        which must be there, for the recipient's.",
    ),
    QueueKey::new(
        "linger",
        ValueForm::Duration(|queue| &mut queue.linger),
        "How long a run waits for more mail before it ends.
        .Qq 55s
        gives mail that arrives between two launches of
        .Xr cron 8
        no delay.",
    ),
    QueueKey::new(
        "kick",
        ValueForm::Flag(|queue| &mut queue.kick),
        "Whether
        .Ic submit
        and the sendmail command start a run of this queue, and do not wait for it; for
        hosts where nothing else starts one soon.
        Mail of other users, through
        .Pa drop/ ,
        starts none.",
    ),
    QueueKey::new(
        "failed_keep",
        ValueForm::Duration(|queue| &mut queue.failed_keep),
        "How long mail that was given up is kept for inspection, and what is left of a
        list post that has ended or was cancelled.",
    ),
    QueueKey::new(
        "merge_keep",
        ValueForm::Duration(|queue| &mut queue.merge_keep),
        "How long a merge that has ended or was cancelled is kept, with its rows and what came
        of them.",
    ),
    QueueKey::new(
        "key_keep",
        ValueForm::Duration(|queue| &mut queue.key_keep),
        "How long the key of a
        .Ic submit Fl Fl key
        is remembered.",
    ),
    QueueKey::new(
        "notices",
        ValueForm::Flag(|queue| &mut queue.notices),
        "Whether senders are told of mail that failed, see
        .Sx NOTICES .",
    ),
    QueueKey::new(
        "delay_warning",
        ValueForm::Duration(|queue| &mut queue.delay_warning),
        "Mail that has waited for so long has its sender told, once, that it is delayed.",
    )
    .otherwise("Default {}: he is not told."),
    QueueKey::new(
        "on_crash",
        ValueForm::OneOf(|queue| &mut queue.on_crash),
        "What becomes of recipients of whom nobody knows whether the message was taken,
        because the run was killed, the host went down, or the command was ended or
        killed before it answered.
        .Qq resend :
        they are handed over again, and may get the message twice.
        .Qq hold :
        they are held, with the reason, and a line says so; the other recipients go on,
        and the entry moves to
        .Pa hold/
        when nobody else is left.
        No crash hands a message over twice then.
        It costs a sync of the disk before each hand-over; workers that wait at the same
        time share it, so that more of them help.
        Into a command that takes no time at all, four workers were measured to hand
        over half as many messages, and one a quarter; the more time the command takes,
        the smaller is the difference.",
    ),
    QueueKey::new(
        "probe_every",
        ValueForm::Duration(|queue| &mut queue.probe_every),
        "The time between two hand-overs while it is in doubt whether the sink is down,
        see
        .Sx When the sink is down .",
    ),
    QueueKey::new(
        "warn_after",
        ValueForm::Time(|queue| &mut queue.warn_after),
        "A run that ends while mail is due for longer warns, once a day, also while the
        host is offline, and
        .Ic bulkmailer status
        exits with 1, as it does while mail is in
        .Pa drop/
        for longer.",
    ),
    QueueKey::new(
        "priority",
        ValueForm::Count(0..=100, |queue| &mut queue.priority),
        "Where
        .Ic limits.workers
        is less than all queues want, those with the highest get their workers first,
        and every queue one at least.",
    )
    .otherwise(
        "Default 20 for
        .Sy inbound ,
        10 for
        .Sy bounce ,
        {} for the others.",
    ),
    QueueKey::new(
        "read_bounces",
        ValueForm::Flag(|queue| &mut queue.read_bounces),
        "Whether its mail is read as bounces, and recorded.",
    )
    .otherwise(
        "Default true for
        .Sy bounce ,
        {} for the others.",
    ),
    QueueKey::new(
        "suppress",
        ValueForm::Flag(|queue| &mut queue.suppress),
        "Whether recipients that are suppressed get nothing, see
        .Xr bulkmailer-bounces 5 .",
    )
    .otherwise(
        "Default false for
        .Sy inbound
        and
        .Sy bounce ,
        {} for the others.",
    ),
    QueueKey::new(
        "rate",
        ValueForm::Rate(|queue| &mut queue.rate),
        "The most hand-overs in that time, by all workers and runs of the queue together,
        see
        .Sx Rates and sessions .",
    )
    .otherwise("Default: no limit.")
    .example("\"2000/min\""),
    QueueKey::new(
        "burst",
        ValueForm::Burst(|queue| &mut queue.rate),
        "How many hand-overs may follow one another at once after a rest; it needs
        .Ic rate .",
    )
    .otherwise(
        "Default: what
        .Ic rate
        lets through in a second, at least 1.",
    )
    .example("100"),
];

/// Whether what was read into the queue `place` fits together.
pub(in crate::config) fn settle(place: &str, queue: &Queue, set: &SetKeys, reader: &mut Reader<'_>) {
    let (first, max, expire) = (queue.retry.first, queue.retry.max, queue.retry.expire);
    if max < first {
        let why = "raise max or lower first";
        let text =
            format!("{place}.retry.max: {} lies below first, {}: {why}", duration_text(max), duration_text(first));
        reader.problem(set.first_of(&["retry.max", "retry.first"]), text);
    }
    if expire < first {
        let (expire, first) = (duration_text(expire), duration_text(first));
        let why = "nothing would be tried again";
        let text = format!("{place}.retry.expire: {expire} lies below first, {first}: {why}");
        reader.problem(set.first_of(&["retry.expire", "retry.first"]), text);
    }
    pace::settle(place, set, reader);
}

/// A pattern of VERP senders.
fn verp(value: &Scalar) -> Result<String, String> {
    let pattern = values::text(value)?;
    verp_fault(&pattern).map_or(Ok(pattern), |why| Err(why.to_owned()))
}
