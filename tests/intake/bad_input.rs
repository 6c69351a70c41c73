//! Bad input and bad places: one clear line, the status that sysexits.h has for it, and a spool as it was before.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::{Output, Stdio};

use crate::support::{Site, feed, message};

/// A site with an entry in its spool, so that there is something to change.
fn site(limits: &str) -> Site {
    let site = Site::new("ok", "");
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&config.replace("[limits]\n", &format!("[limits]\n{limits}\n")));
    site.submit(1, &["r1@example.net"]);
    site
}

/// One line on the standard error that contains `words`, nothing on the other, and this status.
#[track_caller]
fn assert_said(output: &Output, code: i32, words: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty() && said.lines().count() == 1 && said.ends_with('\n'), "{output:?}");
    assert!(said.starts_with("bulkmailer: ") && said.contains(words), "{words:?} is not in {said}");
}

/// The same, and the spool has not changed.
#[track_caller]
fn refuses(site: &Site, args: &[&OsStr], input: &[u8], code: i32, words: &str) {
    let before = site.tree();
    let mut command = site.command(&[]);
    command.args(args);
    assert_said(&feed(command, input), code, words);
    assert_eq!(site.tree(), before, "the spool has changed");
}

/// Both ways in refuse it.
#[track_caller]
fn both_refuse(site: &Site, args: &[&str], input: &[u8], code: i32, words: &str) {
    for way in ["submit", "sendmail"] {
        let args: Vec<&OsStr> = std::iter::once(way).chain(args.iter().copied()).map(OsStr::new).collect();
        refuses(site, &args, input, code, words);
    }
}

#[test]
fn nobody_to_send_to() {
    let site = site("");
    let text = message(2);
    both_refuse(&site, &[], text.as_bytes(), 64, "no recipients: name them as arguments");
    both_refuse(&site, &["-t"], text.as_bytes(), 65, "its To, Cc and Bcc name nobody");
    both_refuse(&site, &["-t"], b"To: undisclosed-recipients:;\nCc: <>\n\nx\n", 65, "its To, Cc and Bcc name nobody");
}

#[test]
fn addresses_that_are_none() {
    let site = site("");
    let long = format!("{}@example.org", "a".repeat(300));
    for bad in
        ["a b@example.org", "a@", "@example.org", "a@b@c", "a@-b", "a@b..c", "x\u{1}@y", "John Doe", "\"a@b", &long]
    {
        both_refuse(&site, &["--", "good@example.org", bad], message(2).as_bytes(), 65, "bad address");
        both_refuse(&site, &["-f", bad, "good@example.org"], message(2).as_bytes(), 65, "bad address");
        let header = format!("To: good@example.org,\n {bad}\n\nx\n");
        both_refuse(&site, &["-t"], header.as_bytes(), 65, "bad address");
    }
}

#[test]
fn an_address_that_begins_with_a_dash_is_an_address_where_one_belongs_and_an_option_elsewhere() {
    let site = site("");
    both_refuse(&site, &["-zz@example.org"], message(2).as_bytes(), 64, "-z");
    for args in [&["submit", "-q", "-f", "-f@example.org", "--", "-oQ/tmp@example.net"][..], &["submit", "-q", "-t"]] {
        let text = format!("To: <-t@example.net>\nFrom: x@example.org\n{}", message(3));
        assert!(site.feed(args, text.as_bytes()).status.success());
    }
    site.ok(&["run"]);
    let delivered = site.deliveries();
    for recipient in ["-oQ/tmp@example.net", "-t@example.net"] {
        assert_eq!(delivered.get(&(3, recipient.to_owned())), Some(&1), "{delivered:?}");
    }
    assert!(std::fs::read_to_string(site.path("log")).expect("text").contains("3 -f@example.org whole"));
}

#[test]
fn nul_bytes() {
    let site = site("");
    for header in [&b"Subject: a\0b\n\nx\n"[..], b"Subject: a\n \0\n\nx\n", b"To: a\0@example.net\n\nx\n"] {
        both_refuse(&site, &["-t", "a@example.net"], header, 65, "NUL byte");
    }
    // A name with one is no field's, so this is all body, which may have them.
    let id = String::from_utf8(site.feed(&["submit", "a@example.net"], b"A\0: b\n").stdout).expect("an id");
    assert!(site.ok(&["show", "--message", id.trim()]).ends_with("\n\nA\0: b\n"));
}

#[test]
fn eight_bits_and_smtputf8() {
    let site = site("");
    let utf8 = "jörg@exämple.org";
    assert!(site.feed(&["submit", "-q", "-f", utf8, utf8], message(4).as_bytes()).status.success());
    assert!(site.feed(&["submit", "-q", "-t"], format!("To: J <{utf8}>\n{}", message(5)).as_bytes()).status.success());
    site.ok(&["run"]);
    assert!((4..=5).all(|n| site.deliveries().get(&(n, utf8.to_owned())) == Some(&1)), "{:?}", site.deliveries());
    // Bytes of another charset name nobody; a display name may have them.
    let latin1 = b"To: j\xf6rg@example.org\n\nx\n";
    both_refuse(&site, &["-t"], latin1, 65, "not UTF-8");
    let argument = OsString::from_vec(b"j\xf6rg@example.org".to_vec());
    for way in ["submit", "sendmail"] {
        refuses(&site, &[OsStr::new(way), &argument], message(2).as_bytes(), 64, "UTF-8");
    }
    let named = b"To: J\xf6rg <j@example.org>\n\n\xff\n";
    assert!(site.feed(&["submit", "-q", "-t"], named).status.success());
}

#[test]
fn a_header_of_a_mebibyte() {
    let header = format!("{}X-Long: {}\n{}", "X-Many: y\n".repeat(50_000), "z".repeat(548_576), message(2));
    let site = site("");
    both_refuse(&site, &["a@example.net"], header.as_bytes(), 65, "header is larger than 256K; raise [limits] header");
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&config.replace("[limits]\n", "[limits]\nheader = \"2M\"\n"));
    let id = String::from_utf8(site.feed(&["submit", "a@example.net"], header.as_bytes()).stdout).expect("an id");
    let kept = site.ok(&["show", "--message", id.trim()]);
    assert!(kept.split_once('\n').is_some_and(|(_, rest)| rest.ends_with(&header)), "{} bytes", kept.len());
}

#[test]
fn a_message_over_the_limit() {
    let site = site("message = \"64K\"\nheader = \"64K\"");
    let text = |body: usize| format!("Subject: x\n\n{}", "b".repeat(body));
    both_refuse(&site, &["a@example.net"], text(64 << 10).as_bytes(), 65, "larger than 64K; raise [limits] message");
    both_refuse(&site, &["a@example.net"], text(1 << 20).as_bytes(), 65, "larger than 64K; raise [limits] message");
    assert!(site.feed(&["submit", "a@example.net"], text(60 << 10).as_bytes()).status.success());
}

#[test]
fn too_many_recipients_and_a_loop() {
    let site = site("recipients = 3");
    both_refuse(&site, &["a@b.c", "b@b.c", "c@b.c", "d@b.c"], message(2).as_bytes(), 65, "too many recipients: 4");
    let three = site.feed(&["submit", "a@b.c", "b@b.c", "c@b.c", "a@b.c"], message(2).as_bytes());
    assert!(three.status.success(), "{three:?}");
    let looped = format!("{}{}", "Received: by x\n".repeat(51), message(2));
    both_refuse(&site, &["a@example.net"], looped.as_bytes(), 65, "this is a loop");
}

#[test]
fn a_standard_input_that_gives_nothing() {
    let site = site("");
    both_refuse(&site, &["a@example.net"], b"", 65, "the input is empty");
    // For submit, a lone dot is a message's text.
    refuses(&site, &["sendmail", "a@example.net"].map(OsStr::new), b".\n", 65, "the input is empty");
    for way in ["submit", "sendmail"] {
        let before = site.tree();
        // Closed, as by a daemon that closed everything.
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "exec \"$@\" <&-", "sh", env!("CARGO_BIN_EXE_bulkmailer"), way, "a@example.net"]);
        shell.env("BULKMAILER_SPOOL", site.path("spool")).env("BULKMAILER_CONFIG", site.path("bulkmailer.toml"));
        assert_said(&shell.output().expect("it ends"), 65, "the input is empty");
        // Unreadable.
        let folder = std::fs::File::open(site.dir.path()).expect("a folder");
        let mut command = site.command(&[way, "a@example.net"]);
        assert_said(&command.stdin(Stdio::from(folder)).output().expect("it ends"), 74, "cannot read");
        assert_eq!(site.tree(), before);
    }
}

#[test]
fn a_configuration_that_is_wrong() {
    let site = site("");
    let good = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    for (bad, words) in [
        (format!("{good}colour = 3\n"), "unknown key `colour`"),
        (format!("{good}[queue.outbound.retri]\nfirst = \"1m\"\n"), "retri"),
        (good.replace("[queue.outbound]", "[queue.outbound]\nworkers = 0"), "workers: 0 is not possible"),
        (good.replace("\"sink\"\n", "\"nowhere\"\n"), "nowhere"),
        (format!("{good}[queue.x\n"), ""),
    ] {
        site.configure(&bad);
        let place = format!("{}:", site.path("bulkmailer.toml").display());
        for args in [&["submit", "a@b.c"][..], &["sendmail", "a@b.c"], &["run"], &["list"], &["flush"], &["status"]] {
            let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
            refuses(&site, &args, message(2).as_bytes(), 78, words);
            refuses(&site, &args, message(2).as_bytes(), 78, &place);
        }
    }
    site.configure(&good);
    refuses(&site, &["submit", "-Q", "nosuch", "a@b.c"].map(OsStr::new), message(2).as_bytes(), 78, "\"nosuch\"");
    std::fs::remove_file(site.path("bulkmailer.toml")).expect("it was there");
    refuses(&site, &["submit", "a@b.c"].map(OsStr::new), message(2).as_bytes(), 78, "cannot read the configuration");
}

#[test]
fn a_command_line_that_is_wrong() {
    let site = site("");
    for (args, words) in [
        (&["submit", "--nosuch", "a@b.c"][..], "--nosuch"),
        (&["nosuch"], "unrecognized subcommand 'nosuch'"),
        (&["list", "-n"], "see 'bulkmailer list --help'"),
        (&["show"], "<ID>"),
        (&["run", "--workers", "0"], "a number from 1 to 256"),
        (&["run", "--max-runtime", "soon"], "no duration"),
        (&["submit", "--mbox", "x", "--maildir", "y"], "cannot be used with"),
        (&["flush", "--sender", "a b"], "bad address"),
        (&["show", "NO/ID"], "is no entry id"),
        (&["flush", "../x"], "is no entry id"),
    ] {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        refuses(&site, &args, message(2).as_bytes(), 64, words);
    }
}

#[test]
fn a_place_that_is_no_spool() {
    let site = Site::new("ok", "");
    let spool = site.path("spool");
    std::fs::write(&spool, "a file").expect("written");
    let args = ["submit", "a@b.c"].map(OsStr::new);
    refuses(&site, &args, message(2).as_bytes(), 74, "Not a directory");
    std::fs::remove_file(&spool).expect("it was there");
    std::fs::create_dir(&spool).expect("a folder");
    std::fs::write(spool.join("thesis.tex"), "a file").expect("written");
    refuses(&site, &args, message(2).as_bytes(), 78, "this is no spool (it is not empty and has no version file)");
    std::fs::write(spool.join("version"), "999\n").expect("written");
    for args in [&["submit", "a@b.c"][..], &["run"], &["list"], &["status"], &["check", "--repair"], &["flush"]] {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        refuses(&site, &args, message(2).as_bytes(), 78, "this spool has format 999");
    }
}
