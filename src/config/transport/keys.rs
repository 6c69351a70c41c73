//! The keys of a transport: `[transport.NAME]`, and which kinds of transports have them.

use super::connect::{Connect, connects};
use super::draft::Draft;
use super::program;
use crate::config::form::{Form, array};
use crate::config::key::Key;
use crate::config::reader::{Reader, Set, value_of};
use crate::config::table::Table;
use crate::config::values;

pub(in crate::config) const TABLE: Table<Draft> =
    Table { name: "transport.sendmail", about: "A transport: how mail leaves.", keys: KEYS };

const KINDS: [&str; 5] = ["pipe", "command", "maildir", "smtp", "lmtp"];
const PROGRAM: &[&str] = &["pipe", "command"];
const SERVER: &[&str] = &["smtp", "lmtp"];
const NOT_MAILDIR: &[&str] = &["pipe", "command", "smtp", "lmtp"];

type TransportKey = Key<Draft>;

const KEYS: &[TransportKey] = &[
    TransportKey::new(
        "kind",
        Form::Other {
            words: ".Qq pipe ,
                .Qq command ,
                .Qq smtp ,
                .Qq lmtp
                or
                .Qq maildir .",
            read: |value, draft| {
                draft.said = Some(value.to_string());
                values::text(value).map(|kind| draft.kind = kind)
            },
            show: |draft| Some(toml::Value::String(draft.kind.clone())),
        },
        "How mail leaves.
        .Qq pipe :
        a command that takes the message on its standard input, such as
        .Xr sendmail 8 .
        .Qq command :
        a program that takes the message so, too, and finds the envelope in its
        environment, such as a list manager's.
        .Qq smtp
        and
        .Qq lmtp :
        a dialogue with a server, over a session that is kept from one message to the
        next; this is the fast way into an MTA.
        .Qq maildir :
        delivery into a Maildir.",
    )
    .otherwise("There is no default."),
    TransportKey::new(
        "command",
        Form::Command(
            |args, draft| if draft.kind == "pipe" { program::command(args) } else { values::plain_command(args) },
            |draft| &mut draft.command,
        ),
        "The absolute path of the program, and its arguments.
        No shell and no
        .Ev PATH
        has a part in it.
        .Pp
        Of a pipe: the argument
        .Qq {recipients}
        becomes the recipients, one argument each, and must stand there once, after
        .Qq -- ,
        so that an address that begins with
        .Ql -
        is no option.
        .Qq {sender} ,
        in any argument, becomes the envelope's sender, or what the profile writes for
        none.
        A command that is bulkmailer itself is an error.
        .Pp
        Of a command: the same without replacements.
        It is run for each recipient, with
        .Ev SENDER
        .Pq empty where there is none ,
        .Ev RECIPIENT ,
        its parts
        .Ev LOCAL_PART , EXTENSION
        .Pq behind the first Ql +
        and
        .Ev DOMAIN ,
        and the entry's id in
        .Ev ENTRY .
        Status 0 is a delivery; 65, 67, 68, 77 and 100 are failures, of which the sender
        is told; 126 and 127 mean that the program is not there; after any other the
        message is tried again.
        What the program says is kept as the reason.",
    )
    .of(PROGRAM)
    .otherwise("")
    .example("[\"/usr/sbin/sendmail\", \"-oi\", \"-f\", \"{sender}\", \"--\", \"{recipients}\"]"),
    TransportKey::new(
        "profile",
        Form::OneOf(|draft| &mut draft.profile),
        "Which MTA the command belongs to, that is, what its exit status
        means and which options it knows.
        .Qq qmail
        is notqmail, too;
        .Qq generic
        goes by the statuses of
        .Xr sysexits 3 ;
        .Qq auto
        finds out from where the program's links lead, what lies beside it and
        what is written in it, and starts nothing.
        .Xr bulkmailer-transports 5
        has a row for each, and
        .Ic bulkmailer config check
        says which is in force and why.",
    )
    .of(&["pipe"]),
    TransportKey::new("path", Form::Path(|draft| &mut draft.path), "It is made where it is missing.")
        .of(&["maildir"])
        .otherwise("")
        .example("\"/var/mail/incoming\""),
    TransportKey::new(
        "connect",
        Form::Texts {
            words: "",
            read: |texts, draft| connects(texts).map(|connect| draft.smtp.connect = connect),
            show: |draft| {
                let connect = &draft.smtp.connect;
                (!connect.is_empty()).then(|| array(connect.iter().map(Connect::to_string)))
            },
        },
        "Where the server is:
        .Qq tcp:HOST:PORT ,
        .Qq unix:/PATH ,
        or
        .Qq exec:/PROGRAM ARGUMENT ,
        a command that speaks on its standard input and output, as in
        .Qq exec:/usr/sbin/sendmail -bs .
        A list names several, which take turns, a session each; one that fails is left
        out for a minute.",
    )
    .of(SERVER)
    .otherwise("")
    .example("\"tcp:mail.example.org:587\""),
    TransportKey::new(
        "timeout",
        Form::Time(|draft| &mut draft.timeout),
        "A command that takes longer is ended, and the outcome is unknown.
        Of smtp and lmtp: the longest that one reply may take, or during which nothing
        moves; the reply to a message itself may take twice as long.",
    )
    .of(NOT_MAILDIR),
    TransportKey::new(
        "session_messages",
        Form::Count(1..=1_000_000, |draft| &mut draft.smtp.session_messages),
        "The most messages of one session.",
    )
    .of(SERVER),
    TransportKey::new(
        "tls",
        Form::OneOf(|draft| &mut draft.smtp.tls),
        "How the session is encrypted.
        With
        .Qq starttls
        nothing is handed over without it; with
        .Qq implicit
        the session is encrypted from its first byte.
        The server's certificate is always verified.",
    )
    .of(SERVER)
    .otherwise(
        "By default
        .Qq implicit
        to port 465,
        .Qq none
        where nothing leaves this host, and else
        .Qq starttls .",
    )
    .example("\"starttls\""),
    TransportKey::new(
        "ca",
        Form::Path(|draft| &mut draft.smtp.ca),
        "A file with the certificates
        .Pq PEM
        of those who are trusted to name servers.
        It is a regular file, of at most 16 MiB.",
    )
    .of(SERVER)
    .otherwise("By default this host's.")
    .example("\"/etc/ssl/certs/ca.pem\""),
    TransportKey::new(
        "server_name",
        Form::Word(|draft| &mut draft.smtp.server_name),
        "The name that the certificate must bear.",
    )
    .of(SERVER)
    .otherwise(
        "By default the host in
            .Ic connect .",
    )
    .example("\"mail.example.org\""),
    TransportKey::new("hello", Form::Word(|draft| &mut draft.smtp.hello), "The name that we call ourselves.")
        .of(SERVER)
        .otherwise("By default this host's.")
        .example("\"host.example.org\""),
    TransportKey::new(
        "user",
        Form::Line(|draft| &mut draft.login.user),
        "Log in as this user.
        Needs one of the next two.",
    )
    .of(SERVER)
    .otherwise("")
    .example("\"mara@example.org\""),
    TransportKey::new(
        "password_file",
        Form::Path(|draft| &mut draft.login.password_file),
        "A regular file whose first line is the password, for its owner
        alone.",
    )
    .of(SERVER)
    .otherwise("")
    .example("\"/etc/bulkmailer.password\""),
    TransportKey::new(
        "password_command",
        Form::Command(|args, _| values::plain_command(args), |draft| &mut draft.login.password_command),
        "A program's absolute path and its arguments,
        which prints the password, or the token of
        .Qq xoauth2 ,
        as its first line.
        It is called for each session.",
    )
    .of(SERVER)
    .otherwise("")
    .example("[\"/usr/bin/pass\", \"show\", \"mail\"]"),
    TransportKey::new("auth", Form::OneOf(|draft| &mut draft.login.auth), "How the login is told to the server.")
        .of(SERVER)
        .otherwise("By default the first of plain and login that the server offers.")
        .example("\"plain\""),
    TransportKey::new(
        "rate",
        Form::Rate(|draft| &mut draft.pace.rate),
        "The most hand-overs in that time, by all queues and runs that use this transport
        together, see
        .Sx Rates and sessions .",
    )
    .otherwise("Default: no limit.")
    .example("\"2000/min\""),
    TransportKey::new(
        "burst",
        Form::Burst(|draft| &mut draft.pace.rate),
        "How many hand-overs may follow one another at once after a rest.",
    )
    .otherwise(
        "Default: what
        .Ic rate
        lets through in a second, at least 1.",
    )
    .example("100"),
    TransportKey::new(
        "sessions",
        Form::Limit(1..=256, |draft| &mut draft.pace.sessions),
        "How many of its commands may be at work, or how many of its sessions may be
        open, at the same time, whatever number of workers, queues and runs use this
        transport.",
    )
    .of(NOT_MAILDIR)
    .otherwise("Default: no limit but the number of workers.")
    .example("4"),
];

/// Whether a transport of this kind has this key.
pub(in crate::config) fn is_of(name: &str, kind: &str) -> bool {
    KEYS.iter().any(|key| key.name == name && key.is_of(kind))
}

/// Reads the keys of the transport `place` that its kind has, and notes those that it does not have.
pub(in crate::config) fn read(
    place: &str,
    found: &toml::de::DeTable<'_>,
    draft: &mut Draft,
    reader: &mut Reader<'_>,
) -> Set {
    let mut set = Set::default();
    reader.strangers(&TABLE, found, draft);
    for key in KEYS {
        if key.is_of(&draft.kind) {
            reader.key(key, place, found, draft, &mut set);
        } else if KINDS.contains(&&*draft.kind)
            && let Some(value) = value_of(key.name, found)
        {
            let kind = &draft.kind;
            let text = format!("{place}.{}: a transport of kind \"{kind}\" has no such key: remove it", key.name);
            reader.problem(Some(value.span().start), text);
        }
    }
    set
}
