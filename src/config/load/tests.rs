//! What a file does, and what is said of a faulty one.

use std::path::Path;
use std::time::Duration;

use super::{Origins, parse as read};
use crate::config::{Config, ConfigError, OnCrash, Online, Profile, Transport, TransportPace, values};
use crate::policy::notice::Returned;
use crate::policy::rate::Rate;

fn embedded() -> Config {
    Config::embedded(Some(Path::new("/usr/sbin/sendmail")), "/var/lib/bulkmailer/Maildir".into())
}

fn parse(text: &str) -> Result<(Config, Origins), ConfigError> {
    read(text, Path::new("/etc/b.toml"), embedded(), &|| Some("/home/mara".into()))
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")).0
}

/// Each problem as it is printed.
fn bad(text: &str) -> Vec<String> {
    let error = parse(text).err().unwrap_or_else(|| panic!("this was taken:\n{text}"));
    error.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_file_changes_nothing() {
    assert_eq!(good(""), embedded());
    assert_eq!(good("[queue.outbound]\n[limits]\n"), embedded());
    let bare = Config::embedded(None, "/m".into());
    assert_eq!(bare.queues["outbound"].transport, "maildir");
    assert!(!bare.transports.contains_key("sendmail"));
}

#[test]
fn every_key_is_taken() {
    let config = good(
        r#"
[limits]
message = "1M"
header = 4096
recipients = 10
min_free = 0
[events]
syslog = true
[notices]
return = "message"
size = "64K"
postmaster = "root@example.org"
per_hour = 5
[online]
check = ["nm-online", "-q"]
[queue.outbound]
transport = "relay"
workers = 4
retry = { first = "1m", max = "1h", expire = "2d" }
max_recipients = 1
linger = "55s"
kick = true
failed_keep = "1w"
key_keep = "2w"
notices = false
delay_warning = "4h"
on_crash = "hold"
probe_every = 0
warn_after = "2d"
rate = "2000/min"
[queue.news]
workers = "auto"
[transport.relay]
kind = "pipe"
command = ["/opt/mta/sendmail", "-f", "{sender}", "--", "{recipients}"]
profile = "postfix"
timeout = "30s"
rate = "20/sec"
burst = 5
sessions = 3
[transport.box]
kind = "maildir"
path = "~/Mail/in"
"#,
    );
    assert_eq!((config.limits.message, config.limits.header, config.limits.min_free), (1 << 20, 4096, 0));
    let outbound = &config.queues["outbound"];
    assert_eq!((outbound.workers, outbound.max_recipients, outbound.linger.as_secs()), (Some(4), 1, 55));
    assert_eq!((outbound.failed_keep.as_secs(), outbound.key_keep.as_secs()), (604_800, 1_209_600));
    assert_eq!((outbound.notices, outbound.delay_warning.as_secs()), (false, 14_400));
    let notices = &config.notices;
    assert_eq!((notices.returned, notices.size, notices.per_hour), (Returned::Message, 64 << 10, 5));
    assert_eq!(notices.postmaster.as_ref().map(|address| address.as_str()), Some("root@example.org"));
    assert_eq!(outbound.retry.first, Duration::from_secs(60));
    assert_eq!((outbound.on_crash, outbound.probe_every), (OnCrash::Hold, Duration::ZERO));
    assert_eq!(outbound.warn_after, Duration::from_secs(2 * 86_400));
    let minute = Duration::from_secs(60);
    assert_eq!((outbound.rate, config.queues["news"].rate), (Some(Rate::new(2_000, minute, Some(33))), None));
    let pace = TransportPace { rate: Some(Rate::new(20, Duration::from_secs(1), Some(5))), sessions: Some(3) };
    assert_eq!(config.paces, [("relay".to_owned(), pace)].into());
    assert_eq!(config.online, Some(Online::Check(vec!["nm-online".to_owned(), "-q".to_owned()])));
    assert_eq!(config.queues["news"].transport, "relay", "a queue goes where outbound goes unless it says otherwise");
    assert_eq!(config.queues["bounce"].transport, "maildir");
    assert_eq!(config.transports["box"], Transport::Maildir { path: "/home/mara/Mail/in".into() });
    let Transport::Pipe { profile, timeout, .. } = &config.transports["relay"] else { panic!("it is a pipe") };
    assert_eq!((*profile, timeout.as_secs()), (Profile::Postfix, 30));
}

#[test]
fn what_follows_from_the_message_limit_follows_it() {
    let config = good("[drop]\nbytes = \"64M\"\nentries = 7\nahead = \"30d\"\n");
    assert_eq!((config.drop.bytes, config.drop.entries), (64 << 20, 7));
    assert_eq!(config.drop.ahead, Duration::from_secs(30 * 86_400));
    // The default is never less than one message.
    assert_eq!(good("[limits]\nmessage = \"2G\"\n").drop.bytes, 2 << 30);
    let config = good("[limits]\nmessage = \"100K\"\n");
    assert_eq!(config.limits.header, 100 << 10);
    assert_eq!(config.limits.min_free, (200 << 10) + (64 << 20));
}

#[test]
fn each_fault_is_one_line_with_its_place_and_what_is_possible() {
    let cases = [
        ("[limits]\nmesage = 1", "/etc/b.toml:2: unknown key `mesage`: did you mean `message`?"),
        ("[events]\nlog = 1", "/etc/b.toml:2: unknown key `log`; the key here is `syslog`"),
        (
            "[drop]\nbytes = \"1M\"",
            "/etc/b.toml:2: drop.bytes: a message of 64M (limits.message) would never get through",
        ),
        ("[drop]\nentries = 0", "/etc/b.toml:2: drop.entries: 0 is not possible"),
        ("[drop]\nahead = \"0s\"", "/etc/b.toml:2: drop.ahead: \"0s\" is too short"),
        ("[limit]", "/etc/b.toml:1: unknown key `limit`: did you mean `limits`?"),
        ("[queue.outbound\n", "/etc/b.toml:1: "),
        ("[limits]\nmessage = 1\nmessage = 2", "/etc/b.toml:3: duplicate key"),
        ("[queue]\noutbound = 1", "/etc/b.toml:2: invalid type: integer `1`, expected a table, as in [queue.outbound]"),
        ("[limits]\nmessage = 1.5", "/etc/b.toml:2: invalid type: floating point `1.5`, expected a text"),
        ("[limits]\nmessage = \"64 MB\"", "/etc/b.toml:2: limits.message: \"64 MB\" is no size"),
        (
            "[queue.outbound]\nrate = 20",
            "/etc/b.toml:2: queue.outbound.rate: \"20\" is no rate: write a whole number, a",
        ),
        ("[queue.outbound]\nrate = \"0/s\"", "/etc/b.toml:2: queue.outbound.rate: \"0/s\" would let nothing leave"),
        ("[queue.outbound]\nrate = \"9999999/s\"", "/etc/b.toml:2: queue.outbound.rate: \"9999999/s\" is too high"),
        (
            "[queue.outbound]\nburst = 2",
            "/etc/b.toml:2: queue.outbound.burst: there is no rate that it could belong to",
        ),
        (
            "[queue.outbound]\nrate = \"9/s\"\nburst = 100001",
            "/etc/b.toml:3: queue.outbound.burst: 100001 is not possible: a whole number from 1 to 100000",
        ),
        (
            "[transport.x]\nkind = \"maildir\"\npath = \"/x\"\nsessions = 2",
            "/etc/b.toml:4: transport.x.sessions: a transport of kind \"maildir\" has no such key",
        ),
        (
            "[transport.x]\nkind = \"maildir\"\npath = \"/x\"\nrate = \"1/x\"",
            "/etc/b.toml:4: transport.x.rate: \"1/x\" is no rate",
        ),
        ("[limits]\nmessage = 0", "/etc/b.toml:2: limits.message: 0 is too small"),
        ("[limits]\nmessage = -1", "/etc/b.toml:2: limits.message: \"-1\" is no size"),
        ("[limits]\nmessage = \"1K\"\nheader = \"2K\"", "/etc/b.toml:3: limits.header: a header of 2K never fits"),
        ("[limits]\nrecipients = 0", "/etc/b.toml:2: limits.recipients: 0 is not possible"),
        (
            "[notices]\nreturn = \"all\"",
            "/etc/b.toml:2: notices.return: \"all\" is not possible: \"header\", or \"message\"",
        ),
        ("[notices]\npostmaster = \"a b@c\"", "/etc/b.toml:2: notices.postmaster: bad address \"a b@c\": "),
        ("[notices]\nper_hour = 0", "/etc/b.toml:2: notices.per_hour: 0 is not possible: "),
        ("[events]\nsyslog = \"yes\"", "/etc/b.toml:2: events.syslog: \"yes\" is neither true nor false"),
        ("[queue.outbound]\nworkers = 0", "/etc/b.toml:2: queue.outbound.workers: 0 is not possible: \"auto\", or"),
        ("[queue.outbound]\nworkers = 257", "/etc/b.toml:2: queue.outbound.workers: 257 is not possible"),
        ("[queue.outbound]\nworkers = \"4\"", "/etc/b.toml:2: queue.outbound.workers: \"4\" is not possible"),
        ("[queue.outbound]\nmax_recipients = 10001", "/etc/b.toml:2: queue.outbound.max_recipients: 10001"),
        ("[queue.outbound]\nlinger = 55", "/etc/b.toml:2: queue.outbound.linger: \"55\" is no duration"),
        ("[queue.outbound]\non_crash = \"drop\"", "/etc/b.toml:2: queue.outbound.on_crash: \"drop\" is not possible: "),
        ("[queue.outbound]\nwarn_after = 0", "/etc/b.toml:2: queue.outbound.warn_after: 0 is too short"),
        ("[online]\nconnect = \"example.org\"", "/etc/b.toml:2: online.connect: \"example.org\" is no host and port"),
        ("[online]\nconnect = \"::1:25\"", "/etc/b.toml:2: online.connect: \"::1:25\" is no host and port"),
        ("[online]\ncheck = []", "/etc/b.toml:2: online.check: \"\" is no command"),
        ("[online]\ncheck = [\"bin/x\"]", "/etc/b.toml:2: online.check: \"bin/x\" is no command"),
        ("[online]\nconnect = \"a:1\"\ncheck = [\"x\"]", "/etc/b.toml:3: online.check: \"connect\" is set, too"),
        ("[queue.outbound]\ntransport = 5", "/etc/b.toml:2: queue.outbound.transport: 5 is no text"),
        ("[queue.outbound]\ntransport = \"x\"", "/etc/b.toml:2: queue.outbound.transport: \"x\": no such transport"),
        ("[queue.outbound.retry]\nfirst = 0", "/etc/b.toml:2: queue.outbound.retry.first: 0 is too short"),
        (
            "[queue.outbound]\nretry = { first = \"5h\" }",
            "/etc/b.toml:2: queue.outbound.retry.max: 4h lies below first",
        ),
        ("[queue.outbound]\nretry.expire = \"1m\"", "/etc/b.toml:2: queue.outbound.retry.expire: 1m lies below first"),
        ("\n[queue.Out]", "/etc/b.toml:2: queue \"Out\": a name is"),
        ("[queue.-x]", "/etc/b.toml:1: queue \"-x\": a name is"),
        ("[queue.events]", "/etc/b.toml:1: queue \"events\": the spool uses this name"),
        (
            "[transport.a]",
            "/etc/b.toml:1: transport.a.kind: it is missing: \"pipe\", \"command\", \"smtp\", \"lmtp\" or \"maildir\"",
        ),
        ("[transport.a]\nkind = \"smoke\"", "/etc/b.toml:2: transport.a.kind: \"smoke\" is none: \"pipe\", "),
        ("[transport.a]\nkind = \"pipe\"", "/etc/b.toml:1: transport.a.command: it needs the command"),
        ("[transport.a]\nkind = \"maildir\"", "/etc/b.toml:1: transport.a.path: a maildir needs"),
        (
            "[transport.a]\nkind = \"maildir\"\npath = \"m\"",
            "/etc/b.toml:3: transport.a.path: \"m\" is no absolute path",
        ),
        (
            "[transport.a]\nkind = \"maildir\"\npath = \"/m\"\ntimeout = \"1s\"",
            "/etc/b.toml:4: transport.a.timeout: a tr",
        ),
    ];
    for (text, expected) in cases {
        let said = bad(text);
        assert!(said.iter().any(|line| line.starts_with(expected)), "{text}\nexpected {expected}\nsaid {said:#?}");
        assert!(said.iter().all(|line| !line.contains('\n')), "{said:?}");
    }
}

#[test]
fn a_command_that_cannot_work_is_refused() {
    let command = |args: &str| bad(&format!("[transport.a]\nkind = \"pipe\"\ncommand = {args}"));
    for (args, expected) in [
        ("[]", "the command is empty"),
        ("[\"sendmail\", \"{recipients}\"]", "is no absolute path"),
        ("[\"/s\"]", "must be one argument of its own, and is 0"),
        ("[\"/s\", \"{recipients}\", \"{recipients}\"]", "and is 2"),
        ("[\"/s\", \"to={recipients}\", \"{recipients}\"]", "would not be replaced"),
        ("[\"/s\", \"{recipient}\", \"{recipients}\"]", "would not be replaced"),
        ("[\"/s\", \"a\\u0000\", \"{recipients}\"]", "cannot hold a NUL"),
        ("[\"/s\", 5]", "expected a string"),
    ] {
        let said = command(args);
        assert!(said.len() == 1 && said[0].starts_with("/etc/b.toml:3: ") && said[0].contains(expected), "{said:?}");
    }
}

#[test]
fn all_problems_are_found_at_once_in_the_order_of_the_file() {
    let text =
        "[transport.a]\nkind = \"pipe\"\n[queue.outbound]\nworkers = 0\ntransport = \"a\"\n[limits]\nmessage = 0\n";
    let said = bad(text);
    let lines: Vec<_> = said.iter().filter_map(|line| line.split(':').nth(1)).collect();
    assert_eq!(lines, ["1", "4", "7"], "{said:#?}");
    let error = parse(text).expect_err("it is faulty").to_string();
    assert!(error.ends_with("(and 2 more problems: see 'bulkmailer config check')"), "{error}");
}

#[test]
fn a_key_that_is_unknown_or_no_value_ends_nothing() {
    let text = "[limits]\nmesage = 1\n[queue.outbound]\nretry = []\nworkers = 0\nlinger = 1.5\n\
                [queue.x.retry]\nfrist = \"1m\"\n[transport.x]\nkind = \"smtp\"\nconect = \"tcp:a:25\"\n[colours]\n";
    let said = bad(text);
    let place = |line: &str| line.strip_prefix("/etc/b.toml:").map(str::to_owned).unwrap_or_default();
    assert_eq!(
        said.iter().map(|line| place(line)).collect::<Vec<_>>(),
        [
            "2: unknown key `mesage`: did you mean `message`?",
            "4: invalid type: sequence, expected a table, as in { first = \"5m\", max = \"4h\", expire = \"5d\" }",
            "5: queue.outbound.workers: 0 is not possible: \"auto\", or a whole number from 1 to 256",
            "6: invalid type: floating point `1.5`, expected a text, a whole number, true or false",
            "8: unknown key `frist`: did you mean `first`?",
            "9: transport.x.connect: it needs a server, as in \"tcp:localhost:25\"",
            "11: unknown key `conect`: did you mean `connect`?",
            "12: unknown key `colours`; the keys here are `limits`, `drop`, `events`, `notices`, `bounces`, `online`, \
             `suppress`, `queue`, `transport`",
        ]
    );
    // A key with a dot stands in a table inside of the table, and nowhere else.
    assert_eq!(bad("[queue.x]\n\"retry.first\" = \"1m\"\n").len(), 1);
    assert_eq!(bad("[queue.x]\n\"a\\nb\" = 1\n")[0].lines().count(), 1);
}

#[test]
fn a_kind_that_is_none_hides_no_other_fault() {
    let text =
        "[transport.x]\nkind = \"smtpp\"\nconnect = \"mail:25\"\nprofile = \"x\"\npath = \"m\"\nrate = 1\ntls = 1\n";
    let said = bad(text);
    let lines: Vec<_> = said.iter().filter_map(|line| line.split(':').nth(1)).collect();
    assert_eq!(lines, ["2", "3", "4", "5", "6", "7"], "{said:#?}");
    let said = bad("[transport.x]\ncommand = [\"sendmail\"]\ntimeout = 0\n");
    let lines: Vec<_> = said.iter().filter_map(|line| line.split(':').nth(1)).collect();
    assert_eq!(lines, ["1", "2", "3"], "{said:#?}");
    assert_eq!(bad("[transport.x]\nkind = 3\n").len(), 1);
}

#[test]
fn a_line_has_one_problem() {
    for (text, said) in [
        ("[queue.outbound]\nburst = \"x\"\n", "queue.outbound.burst: \"x\" is not possible: "),
        ("[transport.sendmail]\nburst = 0\n", "transport.sendmail.burst: 0 is not possible: "),
        ("[limits]\nmessage = 99999999999999999999\n", "limits.message: 99999999999999999999 is too large a number"),
        ("[limits]\nrecipients = 0xffffffffffffffff\n", "limits.recipients: 18446744073709551615 is too large"),
        ("[limits]\nmessage = -99999999999999999999\n", "limits.message: -99999999999999999999 is too small a number"),
    ] {
        let all = bad(text);
        assert!(all.len() == 1 && all[0].starts_with(&format!("/etc/b.toml:2: {said}")), "{text}{all:#?}");
    }
    // The base of a number does not matter.
    let digits = "9".repeat(60);
    let all = bad(&format!("[limits]\nmessage = {digits}\n"));
    assert_eq!(all, [format!("/etc/b.toml:2: limits.message: {digits} is too large a number")]);
}

#[test]
fn a_transport_is_read_over_the_embedded_one_unless_it_is_of_another_kind() {
    let (config, origins) = parse("[transport.sendmail]\ntimeout = \"7m\"\nrate = \"20/s\"\n").expect("a good file");
    let Transport::Pipe { command, profile, timeout } = &config.transports["sendmail"] else { panic!("it is a pipe") };
    assert_eq!((command[0].as_str(), *profile, timeout.as_secs()), ("/usr/sbin/sendmail", Profile::Auto, 420));
    assert!(config.paces["sendmail"].rate.is_some());
    assert_eq!(origins.line("transport.sendmail.timeout"), Some(2));
    assert_eq!(origins.line("transport.sendmail.command"), None);
    assert_eq!(good("[transport.sendmail]\n[transport.maildir]\n"), embedded());
    let config = good("[transport.maildir]\npath = \"/m\"\n");
    assert_eq!(config.transports["maildir"], Transport::Maildir { path: "/m".into() });
    assert!(
        bad("[transport.maildir]\ntimeout = \"7m\"\n")[0].contains("a transport of kind \"maildir\" has no such key")
    );
    assert_eq!(good("[transport.sendmail]\nkind = \"pipe\"\n[transport.maildir]\nkind = \"maildir\"\n"), embedded());
    // Of another kind, nothing is taken over.
    let said = bad("[transport.sendmail]\nkind = \"command\"\n");
    assert!(said[0].contains("transport.sendmail.command: it needs"), "{said:?}");
    let said = bad("[transport.sendmail]\nkind = \"smtp\"\n");
    assert!(said[0].contains("transport.sendmail.connect: it needs"), "{said:?}");
    // On a host whose sendmail command is gone, or is this program, that leads nowhere, and the file stays good.
    let without = Config::embedded(None, "/m".into());
    for embedded in [without.clone(), without.without_way_out(Path::new("/s"))] {
        let read = |text: &str| read(text, Path::new("/etc/b.toml"), embedded.clone(), &|| None);
        let (config, _) = read("[transport.sendmail]\ntimeout = \"7m\"\nrate = \"9/s\"\n").expect("a good file");
        assert_eq!(config, embedded);
        for (text, fault) in [
            ("timeout = \"x\"", "transport.sendmail.timeout: "),
            ("command = [\"/x\"]", "transport.sendmail.kind: it is missing"),
        ] {
            let error = read(&format!("[transport.sendmail]\n{text}\n")).expect_err("a fault");
            assert!(error.problems().iter().any(|p| p.to_string().contains(fault)), "{error}");
        }
    }
}

#[test]
fn a_value_knows_its_line() {
    let (_, origins) = parse("[queue.outbound]\nworkers = 4\nretry = { max = \"5h\" }\n").expect("a good file");
    assert_eq!(origins.line("queue.outbound.workers"), Some(2));
    assert_eq!(origins.line("queue.outbound.retry.max"), Some(3));
    assert_eq!(origins.line("queue.outbound.retry.first"), None);
}

#[test]
fn the_embedded_configuration_is_one_that_the_reader_takes() {
    let config = embedded();
    for (name, queue) in &config.queues {
        assert!(values::name(name).is_ok());
        assert!(config.transports.contains_key(&queue.transport));
        assert!(queue.retry.first <= queue.retry.max && queue.retry.max <= queue.retry.expire);
    }
}

#[test]
fn where_sendmail_is_this_program_a_queue_has_a_way_out_only_by_the_file() {
    let read = |text: &str| {
        let embedded = Config::embedded(None, "/m".into()).without_way_out(Path::new("/usr/sbin/sendmail"));
        super::parse(text, Path::new("/etc/b.toml"), embedded, &|| None)
    };
    let stranded = |text: &str| {
        let (config, _) = read(text).unwrap_or_else(|error| panic!("{error}"));
        config.queues.keys().filter(|queue| config.no_way_out(queue).is_some()).cloned().collect::<Vec<_>>()
    };
    assert_eq!(stranded(""), ["outbound"]);
    assert_eq!(stranded("[queue.news]\nworkers = 2\n"), ["news", "outbound"], "it borrows outbound's");
    assert_eq!(stranded("[queue.news]\ntransport = \"maildir\"\n"), ["outbound"]);
    let smtp = "kind = \"smtp\"\nconnect = \"tcp:relay.example.org:587\"\n";
    let none: [&str; 0] = [];
    assert_eq!(stranded(&format!("[transport.sendmail]\n{smtp}[queue.news]\n")), none);
    assert_eq!(stranded("[transport.sendmail]\nkind = \"pipe\"\ncommand = [\"/opt/s\", \"{recipients}\"]\n"), none);
    assert_eq!(stranded(&format!("[queue.outbound]\ntransport = \"r\"\n[transport.r]\n{smtp}")), none);
    assert_eq!(stranded("[queue.outbound]\ntransport = \"maildir\"\n"), none, "somebody wants it so");
    let said = read("[queue.outbound]\ntransport = \"sendmail\"\n").expect_err("there is none").to_string();
    assert!(said.contains("define it in [transport.sendmail]"), "{said}");
}
