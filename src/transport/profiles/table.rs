//! The table: one row an MTA. What is in it was seen with the real programs by tests/rig, or is documented by the MTA
//! where Debian has no package (qmail); bulkmailer-transports(5) shows it for people.

use super::behaviour::{Behaviour, Dsn, Meaning, MtaSigns};
use crate::config::Profile;

/// What most sendmails do, and what a row leaves unsaid.
const PLAIN: Behaviour = Behaviour {
    profile: Profile::Generic,
    null_sender: "<>",
    always: &[],
    dsn: None,
    at_once: 1,
    shields: true,
    quotes_replies: false,
    phrases: &[],
    refused_by: None,
    feeds_an_mta: true,
    sender_refused: &[],
    statuses: &[],
    signs: MtaSigns { names: &[], beside: &[], folders: &[], mark: "" },
};

/// A list manager's program, which says with sysexits.h what an MTA would be told.
const PROGRAM: Behaviour = Behaviour { feeds_an_mta: false, statuses: &[(77, Meaning::Failed)], ..PLAIN };

/// signal(7), on each architecture.
const SIGPIPE: i32 = 13;
const ANY: usize = usize::MAX;
/// What every server takes (RFC 5321 section 4.5.3.1.8).
const EVERY_SERVER: usize = 100;

pub const TABLE: [Behaviour; 10] = [
    PLAIN,
    // sendmail(1) of Postfix: one queue file for all recipients. It reads an envelope id of two characters as VERP
    // delimiters.
    Behaviour {
        profile: Profile::Postfix,
        dsn: Some(Dsn { failure: "failure", shortest_envid: 3 }),
        at_once: ANY,
        phrases: &[("message file too big", Meaning::Failed)],
        signs: MtaSigns { beside: &["postfix", "postdrop"], mark: "/postdrop", ..PLAIN.signs },
        ..PLAIN
    },
    // Without -oep it mails the sender about each refusal, at each attempt. Its -N discards the mail, its -R starts a
    // queue run, it knows no -V.
    Behaviour {
        profile: Profile::Exim,
        always: &["-oep"],
        at_once: ANY,
        phrases: &[("message rejected: message too big", Meaning::Failed), ("bad recipient address", Meaning::Failed)],
        signs: MtaSigns { names: &["exim", "exim4"], mark: "Exim version", ..PLAIN.signs },
        ..PLAIN
    },
    // With -odb it queues and ends, instead of telling us with a status what it also mails to the sender. It takes the
    // good ones of several recipients. A queue without room leaves the message in dead.letter, with status 0.
    Behaviour {
        profile: Profile::Sendmail,
        always: &["-odb"],
        dsn: Some(Dsn { failure: "failure", shortest_envid: 1 }),
        phrases: &[("Insufficient disk space", Meaning::Deferred), ("Invalid route address", Meaning::Failed)],
        statuses: &[(75, Meaning::Unknown)],
        signs: MtaSigns { folders: &["sm.bin", "sendmail"], mark: "submit.cf", ..PLAIN.signs },
        ..PLAIN
    },
    // 75: the daemon is away and the message lies in its offline queue. Its listener refuses DSN unless told otherwise.
    Behaviour {
        profile: Profile::Opensmtpd,
        at_once: EVERY_SERVER,
        quotes_replies: true,
        statuses: &[(75, Meaning::Delivered)],
        signs: MtaSigns { names: &["smtpctl"], mark: "smtpd.sock", ..PLAIN.signs },
        ..PLAIN
    },
    // It takes the good ones of several recipients. Whatever stands after "--", it reads what begins with a dash as an
    // option.
    Behaviour {
        profile: Profile::Courier,
        null_sender: "",
        dsn: Some(Dsn { failure: "fail", shortest_envid: 1 }),
        shields: false,
        quotes_replies: true,
        signs: MtaSigns { beside: &["courier"], folders: &["courier"], mark: "submitclient", ..PLAIN.signs },
        ..PLAIN
    },
    // Its daemon gives a message up for all recipients when the smarthost refuses one. Its sendmail hands the recipients to
    // nullmailer-inject without "--", and that dies of SIGPIPE when nullmailer-queue cannot write.
    Behaviour {
        profile: Profile::Nullmailer,
        shields: false,
        phrases: &[("Invalid recipient", Meaning::Failed)],
        refused_by: Some(SIGPIPE),
        signs: MtaSigns { beside: &["nullmailer-send"], mark: "nullmailer-inject", ..PLAIN.signs },
        ..PLAIN
    },
    // The server's answer is its answer. It refuses -N and -R where that server has no DSN, and knows no -V.
    Behaviour {
        profile: Profile::Msmtp,
        at_once: EVERY_SERVER,
        quotes_replies: true,
        phrases: &[("cannot connect to", Meaning::SinkDown), ("cannot locate host", Meaning::SinkDown)],
        sender_refused: &["envelope from address"],
        statuses: &[
            (65, Meaning::Deferred),
            (68, Meaning::SinkDown), // no such smarthost
            (77, Meaning::SinkDown), // it does not let us in
            (78, Meaning::SinkDown),
        ],
        signs: MtaSigns { names: &["msmtp"], mark: "msmtprc", ..PLAIN.signs },
        ..PLAIN
    },
    Behaviour {
        profile: Profile::Dma,
        at_once: ANY,
        signs: MtaSigns { names: &["dma"], mark: "/dma.conf", ..PLAIN.signs },
        ..PLAIN
    },
    // qmail-inject(8): 100 permanent, 111 temporary; nothing else is promised. Recipients that begin with a dash are not.
    Behaviour {
        profile: Profile::Qmail,
        null_sender: "",
        at_once: ANY,
        shields: false,
        statuses: &[(65, Meaning::Deferred), (67, Meaning::Deferred), (68, Meaning::Deferred)],
        signs: MtaSigns {
            beside: &["qmail-inject"],
            folders: &["qmail", "notqmail"],
            mark: "qmail-inject",
            ..PLAIN.signs
        },
        ..PLAIN
    },
];

/// What is assumed of a program that is no sendmail.
pub fn program() -> &'static Behaviour {
    &PROGRAM
}

/// What is assumed of a program that is not known.
pub fn generic() -> &'static Behaviour {
    &TABLE[0]
}
