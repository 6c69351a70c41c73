//! Files that are named in the environment, in options or in the configuration and that never end, or that nobody writes to:
//! they are refused, or not used, and nothing waits for them.

use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::support::{self, Site, feed, message};

/// A FIFO that nobody opens for writing.
fn fifo(site: &Site) -> PathBuf {
    let path = site.path("fifo");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success() || path.exists());
    path
}

/// A sparse file beyond all bounds.
fn huge(site: &Site) -> PathBuf {
    let path = site.path("huge");
    std::fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
    path
}

/// The command with its memory bounded and a time to end in: a test that fails must not take the machine with it.
fn bounded(command: &Command) -> Command {
    let mut bounded = Command::new("sh");
    bounded.args(["-c", "ulimit -v 2000000 && exec timeout 60 \"$@\"", "sh"]);
    bounded.arg(command.get_program()).args(command.get_args()).env_remove("BULKMAILER_FAULT");
    bounded.stdin(Stdio::null());
    bounded
}

fn run(site: &Site, args: &[&str]) -> Output {
    bounded(&site.command(args)).output().expect("the shell starts")
}

#[test]
fn a_time_zone_is_a_regular_file_or_none() {
    let site = Site::new("ok", "");
    let (fifo, huge) = (fifo(&site), huge(&site));
    let above = |path: &std::path::Path| format!("../../..{}", path.display());
    let zones = [
        ("/dev/zero".to_owned(), None),
        (":/dev/zero".to_owned(), None),
        ("../../../dev/urandom".to_owned(), None),
        ("zero".to_owned(), Some("/dev".to_owned())),
        (fifo.display().to_string(), None),
        (above(&fifo), None),
        (huge.display().to_string(), None),
        (site.dir.path().display().to_string(), None),
        ("Europe/Berlin".to_owned(), Some(fifo.display().to_string())),
        ("No/Such".to_owned(), None),
        (String::new(), None),
        ("<+09>-9".to_owned(), None),
    ];
    for (zone, folder) in zones {
        let mut command = bounded(&site.command(&["submit", "-f", "a@example.org", "b@example.net"]));
        command.env("TZ", &zone);
        match &folder {
            Some(folder) => command.env("TZDIR", folder),
            None => command.env_remove("TZDIR"),
        };
        let output = feed(command, message(1).as_bytes());
        assert!(output.status.success() && output.stderr.is_empty(), "{zone} {folder:?}: {output:?}");
    }
}

#[test]
fn a_time_zone_that_is_one_counts_as_before() {
    let site = Site::new("ok", "");
    let id = site.submit(1, &["b@example.net"]);
    let due = |zone: &str| {
        let output = site.command(&["show", &id]).env("TZ", zone).output().expect("it starts");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().find(|line| line.starts_with("submitted")).expect("a time").to_owned()
    };
    let hours = |text: &str| text.split(' ').nth(3).and_then(|time| time[..2].parse::<u32>().ok()).expect("an hour");
    let utc = hours(&due("UTC0"));
    assert_eq!(hours(&due("<+09>-9")), (utc + 9) % 24);
    assert_eq!(hours(&due("")), utc);
    if std::path::Path::new("/usr/share/zoneinfo/Asia/Tokyo").exists() {
        for zone in ["Asia/Tokyo", ":Asia/Tokyo", "/usr/share/zoneinfo/Asia/Tokyo"] {
            assert_eq!(hours(&due(zone)), (utc + 9) % 24, "{zone}");
        }
    }
}

#[test]
fn what_a_run_starts_is_spared_a_variable_that_never_ends() {
    let site = Site::new("ok", "");
    let (program, seen) = (site.path("program"), site.path("seen"));
    support::program(&program, &format!("#!/bin/sh\ncat > /dev/null\nenv > {}\n", seen.display()));
    site.configure(&format!(
        "[limits]\nmin_free = 0\n[queue.outbound]\ntransport = \"t\"\n[transport.t]\nkind = \"pipe\"\n\
         command = [{:?}, \"--\", \"{{recipients}}\"]\nprofile = \"generic\"\n",
        program.display().to_string()
    ));
    site.submit(1, &["b@example.net"]);
    let fifo = fifo(&site).display().to_string();
    let mut command = bounded(&site.command(&["run"]));
    command.env("TZ", &fifo).env("HOSTALIASES", "/dev/zero").env("RESOLV_HOST_CONF", &fifo).env("OTHER", "/dev/zero");
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    let seen = std::fs::read_to_string(seen).expect("an environment");
    let has = |name: &str| seen.lines().any(|line| line.starts_with(&format!("{name}=")));
    assert!(!has("TZ") && !has("HOSTALIASES") && !has("RESOLV_HOST_CONF") && has("OTHER"), "{seen}");
}

#[test]
fn a_list_has_lines_and_a_message_has_bounds() {
    let site = Site::new("ok", "");
    std::fs::write(site.path("message"), message(1)).expect("written");
    let text = site.path("message").display().to_string();
    let lists: [(&[&str], i32); 4] = [
        (&["submit", "-f", "a@b.org", "--message", &text, "--recipients", "/dev/zero"], 65),
        (&["submit", "-f", "a@b.org", "--message", &text, "--skip-bad", "--recipients", "/dev/zero"], 65),
        (&["suppress", "import", "/dev/zero"], 1),
        (&["submit", "--mbox", "/dev/zero"], 65),
    ];
    for (args, status) in lists {
        let output = run(&site, args);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("/dev/zero"), "{args:?}: {said}");
    }
    let zero = || std::fs::File::open("/dev/zero").expect("a device");
    for args in [&["submit", "-t"][..], &["sendmail", "-t"], &["submit", "-f", "a@b.org", "c@d.org"]] {
        let output = bounded(&site.command(args)).stdin(zero()).output().expect("it starts");
        assert_eq!(output.status.code(), Some(65), "{args:?}: {output:?}");
    }
    assert_eq!(site.list().len(), 0);
}

#[test]
fn streams_are_lists_as_before() {
    let site = Site::new("ok", "");
    std::fs::write(site.path("message"), message(1)).expect("written");
    let text = site.path("message").display().to_string();
    for name in ["/dev/stdin", "-"] {
        let args = ["submit", "-f", "a@b.org", "--message", &text, "--recipients", name];
        let output = site.feed(&args, b"one@example.net\ntwo@example.net\n");
        assert!(output.status.success(), "{name}: {output:?}");
    }
    let fifo = fifo(&site);
    let mut child =
        site.start(&["submit", "-f", "a@b.org", "--message", &text, "--recipients", &fifo.display().to_string()]);
    let mut writer = None;
    support::wait_until("the program reads, or has ended", || {
        let flags = nix::libc::O_NONBLOCK;
        writer = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(&fifo).ok();
        writer.is_some() || child.try_wait().expect("a child of ours").is_some()
    });
    std::io::Write::write_all(&mut writer.expect("it reads"), b"three@example.net\n").expect("written");
    assert!(child.wait_with_output().expect("it ends").status.success());
}

#[test]
fn what_the_configuration_names_is_a_regular_file() {
    let site = Site::new("ok", "");
    std::fs::write(site.path("list"), "one@example.net\n").expect("written");
    let list = site.path("list").display().to_string();
    let fifo = fifo(&site).display().to_string();
    for path in [fifo.as_str(), "/dev/zero"] {
        site.configure(&format!(
            "[limits]\nmin_free = 0\n[queue.outbound]\ntransport = \"t\"\n[suppress]\nfile = {path:?}\n[transport.t]\n\
             kind = \"smtp\"\nconnect = \"tcp:127.0.0.1:1\"\nuser = \"u\"\npassword_file = {path:?}\nca = {path:?}\ntls = \"starttls\"\n"
        ));
        let output = run(&site, &["config", "check"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for key in ["suppress.file", "transport.t.ca", "transport.t.password_file"] {
            assert!(said.contains(&format!("{key}: this is no regular file")), "{path}: {key}: {output:?}");
        }
        let mut command = bounded(&site.command(&["submit", "-f", "a@b.org", "--recipients", &list]));
        command.stdin(Stdio::piped());
        let output = feed(command, message(1).as_bytes());
        assert_eq!(output.status.code(), Some(78), "{path}: {output:?}");
    }
    for name in [fifo.as_str(), "/dev/zero"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkmailer"));
        command.args(["--config", name, "list"]);
        let output = bounded(&command).output().expect("it starts");
        assert_eq!(output.status.code(), Some(78), "{name}: {output:?}");
    }
}
