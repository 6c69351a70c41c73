//! The keys of a transport: `[transport.NAME]`, and which kinds of transports have them.

use super::connect::{Connect, connects};
use super::kind::TransportKind;
use super::program;
use super::table::TransportTable;
use crate::config::form::{ValueForm, array};
use crate::config::key::ConfigKey;
use crate::config::reader::{Reader, SetKeys, value_of};
use crate::config::table::ConfigTable;
use crate::config::values;

pub(in crate::config) const TABLE: ConfigTable<TransportTable> =
    ConfigTable { name: "transport.sendmail", about: "A transport: how mail leaves.", keys: KEYS };

const PROGRAM: &[TransportKind] = &[TransportKind::Pipe, TransportKind::Command];
const SERVER: &[TransportKind] = &[TransportKind::Smtp, TransportKind::Lmtp];
const NOT_MAILDIR: &[TransportKind] =
    &[TransportKind::Pipe, TransportKind::Command, TransportKind::Smtp, TransportKind::Lmtp];

type TransportKey = ConfigKey<TransportTable>;

const KEYS: &[TransportKey] = &[
    TransportKey::new(
        "kind",
        ValueForm::OneOf(|table| &mut table.kind),
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
    .otherwise(
        "It is required, but in
        .Ic [transport.sendmail]
        and
        .Ic [transport.maildir]
        where such a transport is there without a file.",
    ),
    TransportKey::new(
        "command",
        ValueForm::Command(
            |args, table| {
                if table.kind == Some(TransportKind::Pipe) {
                    program::command(args)
                } else {
                    values::plain_command(args)
                }
            },
            |table| &mut table.command,
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
        ValueForm::OneOf(|table| &mut table.profile),
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
    .of(&[TransportKind::Pipe]),
    TransportKey::new("path", ValueForm::Path(|table| &mut table.path), "It is made where it is missing.")
        .of(&[TransportKind::Maildir])
        .otherwise("")
        .example("\"/var/mail/incoming\""),
    TransportKey::new(
        "connect",
        ValueForm::Texts {
            words: "",
            read: |texts, table| connects(texts).map(|connect| table.smtp.connect = connect),
            show: |table| {
                let connect = &table.smtp.connect;
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
        ValueForm::Time(|table| &mut table.timeout),
        "A command that takes longer is ended, and the outcome is unknown.
        Of smtp and lmtp: the longest that one reply may take, or during which nothing
        moves; the reply to a message itself may take twice as long.",
    )
    .of(NOT_MAILDIR),
    TransportKey::new(
        "session_messages",
        ValueForm::Count(1..=1_000_000, |table| &mut table.smtp.session_messages),
        "The most messages of one session.",
    )
    .of(SERVER),
    TransportKey::new(
        "tls",
        ValueForm::OneOf(|table| &mut table.smtp.tls),
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
        ValueForm::Path(|table| &mut table.smtp.ca),
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
        ValueForm::Word(|table| &mut table.smtp.server_name),
        "The name that the certificate must bear.",
    )
    .of(SERVER)
    .otherwise(
        "By default the host in
            .Ic connect .",
    )
    .example("\"mail.example.org\""),
    TransportKey::new("hello", ValueForm::Word(|table| &mut table.smtp.hello), "The name that we call ourselves.")
        .of(SERVER)
        .otherwise("By default this host's.")
        .example("\"host.example.org\""),
    TransportKey::new(
        "user",
        ValueForm::Line(|table| &mut table.login.user),
        "Log in as this user; it needs
        .Ic password_file
        or
        .Ic password_command .",
    )
    .of(SERVER)
    .otherwise("")
    .example("\"mara@example.org\""),
    TransportKey::new(
        "password_file",
        ValueForm::Path(|table| &mut table.login.password_file),
        "A regular file whose first line is the password, for its owner
        alone; it needs
        .Ic user .",
    )
    .of(SERVER)
    .otherwise("")
    .example("\"/etc/bulkmailer.password\""),
    TransportKey::new(
        "password_command",
        ValueForm::Command(|args, _| values::plain_command(args), |table| &mut table.login.password_command),
        "A program's absolute path and its arguments,
        which prints the password, or the token of
        .Qq xoauth2 ,
        as its first line; it needs
        .Ic user .
        It is called for each session.",
    )
    .of(SERVER)
    .otherwise("")
    .example("[\"/usr/bin/pass\", \"show\", \"mail\"]"),
    TransportKey::new(
        "auth",
        ValueForm::OneOf(|table| &mut table.login.auth),
        "The mechanism of the login; it needs
        .Ic user .",
    )
    .of(SERVER)
    .otherwise("By default the first of plain and login that the server offers.")
    .example("\"plain\""),
    TransportKey::new(
        "rate",
        ValueForm::Rate(|table| &mut table.pace.rate),
        "The most hand-overs in that time, by all queues and runs that use this transport
        together, see
        .Sx Rates and sessions .",
    )
    .otherwise("Default: no limit.")
    .example("\"2000/min\""),
    TransportKey::new(
        "burst",
        ValueForm::Burst(|table| &mut table.pace.rate),
        "How many hand-overs may follow one another at once after a rest; it needs
        .Ic rate .",
    )
    .otherwise(
        "Default: what
        .Ic rate
        lets through in a second, at least 1.",
    )
    .example("100"),
    TransportKey::new(
        "sessions",
        ValueForm::Limit(1..=256, |table| &mut table.pace.sessions),
        "How many of its commands may be at work, or how many of its sessions may be
        open, at the same time, whatever number of workers, queues and runs use this
        transport.",
    )
    .of(NOT_MAILDIR)
    .otherwise("Default: no limit but the number of workers.")
    .example("4"),
];

/// Whether a transport of this kind has this key.
pub(in crate::config) fn is_of(name: &str, kind: TransportKind) -> bool {
    KEYS.iter().any(|key| key.name == name && key.is_of(kind))
}

/// Reads the keys of the transport `place`, and notes those that its kind does not have. Without a kind all are read.
pub(in crate::config) fn read(
    place: &str,
    found: &toml::de::DeTable<'_>,
    table: &mut TransportTable,
    reader: &mut Reader<'_>,
) -> SetKeys {
    let mut set = SetKeys::default();
    reader.strangers(&TABLE, found, table);
    for key in KEYS {
        match table.kind.filter(|kind| !key.is_of(*kind)) {
            None => reader.key(key, place, found, table, &mut set),
            Some(kind) => {
                let Some(value) = value_of(key.name, found) else { continue };
                let (kind, name) = (kind.name(), key.name);
                let text = format!("{place}.{name}: a transport of kind \"{kind}\" has no such key: remove it");
                reader.problem(Some(value.span().start), text);
            }
        }
    }
    set
}
