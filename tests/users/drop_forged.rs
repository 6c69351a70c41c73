//! `drop/` in the hands of one who means no good, or knows no better: what is no drop file, what is forged, what is held
//! fast. None of it keeps other mail waiting.

use crate::support::drop::{
    FIELDS, MARA, NILS, SERVICE, arrived, by, clean_but_for_drop, defer, dropped, folder, ok, own, put, shared,
    skipped, text,
};
use crate::support::hosts::Plain;
use crate::support::message;
use std::os::unix::fs::{chown, symlink};
use std::process::Command;

#[test]
fn what_is_no_drop_file_is_left_and_said_once_and_keeps_nothing_else_waiting() {
    let site = own("[limits]\nmin_free = \"0\"\nmessage = \"1M\"\nheader = \"1K\"\nrecipients = 3");
    let at = |name: &str| site.path("spool/drop").join(name);
    let secret = site.path("secret");
    std::fs::write(&secret, text(FIELDS, &message(9))).expect("written");
    symlink(&secret, at("outbound.link")).expect("a link");
    symlink("/dev/zero", at("outbound.zero")).expect("a link");
    std::fs::hard_link(&secret, at("outbound.hard")).expect("a second name");
    std::fs::create_dir(at("outbound.folder")).expect("a folder");
    assert!(Command::new("mkfifo").arg(at("outbound.fifo")).status().expect("mkfifo").success());
    let _socket = std::os::unix::net::UnixListener::bind(at("outbound.socket")).expect("a socket");
    let whole = text(FIELDS, &message(9));
    put(&site, "outbound.cut", &whole[..whole.len() - 3]);
    put(&site, "outbound.more", &format!("{whole}more"));
    put(&site, "outbound.empty", "");
    put(&site, "outbound.rubbish", &"rubbish\n".repeat(100_000));
    put(&site, "outbound.zeros", &"\0".repeat(100_000));
    put(&site, "outbound.head", &text(FIELDS, &format!("X: {}\n\n", "x".repeat(2_000))));
    put(&site, "outbound.nul", &text(FIELDS, "X: a\0b\n\n"));
    put(&site, "outbound.loop", &text(FIELDS, &format!("{}\n", "Received: by x\n".repeat(51))));
    put(&site, "outbound.size", &text(FIELDS, "").replace("                   0", "18446744073709551615"));
    let huge = put(&site, "outbound.huge", &text(FIELDS, "").replace("                   0", "    1099511627776"));
    // A terabyte that needs no disk.
    let head = std::fs::metadata(&huge).expect("it is there").len();
    let file = std::fs::OpenOptions::new().write(true).open(&huge).expect("opened");
    let _ = file.set_len(head + 1_099_511_627_776);
    for (n, field) in [
        "\"sender\":\"a\\nb@x.org\",\"recipient\":\"r@x.org\",\"submitted\":1,\"uid\":0",
        "\"sender\":\"\",\"recipient\":\"r@x.org, b@x.org\\n\",\"submitted\":1,\"uid\":0",
        "\"sender\":\"\",\"submitted\":1,\"uid\":0",
        "\"sender\":\"\",\"recipients\":4000000000,\"submitted\":1,\"uid\":0",
        "\"sender\":\"\",\"recipient\":\"r@x.org\",\"submitted\":1,\"uid\":0,\"envid\":\"a b\"",
        "\"sender\":\"\",\"recipient\":\"r@x.org\",\"submitted\":1,\"uid\":0,\"notify\":\"-C/etc/shadow\"",
        "\"sender\":\"\",\"recipient\":\"r@x.org\",\"submitted\":1,\"uid\":0,\"ret\":\"-X\"",
    ]
    .iter()
    .enumerate()
    {
        put(&site, &format!("outbound.field{n}"), &text(field, &message(9)));
    }
    let many = "\"a@x.org\"\n\"b@x.org\"\n\"c@x.org\"\n\"d@x.org\"\n";
    let several = text("\"sender\":\"\",\"recipients\":4,\"submitted\":1,\"uid\":0", &message(9));
    put(&site, "outbound.many", &several.replace("}\n\n", &format!("}}\n{many}\n")));
    put(&site, "outbound.\n\x1b[2Jbulkmailer: all is well", "x");
    let bad = dropped(&site).len();
    put(&site, "outbound.good", &text(FIELDS, &message(1)));
    let first = site.try_run(&["run"]);
    let said = String::from_utf8(first.stderr.clone()).expect("text");
    assert!(first.status.success() && said.lines().count() == 1, "{first:?}");
    assert!(said.contains(&format!("and {} more", bad - 5)) && !said.contains('\x1b'), "{said}");
    assert_eq!((dropped(&site).len(), arrived(&site).len()), (bad, 1));
    // Said once; a new one is said again, the old ones are not.
    put(&site, "outbound.later", "x");
    let second = site.try_run(&["run"]);
    let said = String::from_utf8(second.stderr).expect("text");
    assert!(said.contains("outbound.later of ") && !said.contains(" more"), "{said}");
    assert!(said.contains("no envelope") || said.contains("middle of its envelope"), "{said}");
    assert_eq!(ok(&site.try_run(&["run"])), "");
    assert_eq!(site.ids("ready").len(), 0);
    clean_but_for_drop(&site);
}

#[test]
fn names_of_other_queues_are_not_taken() {
    let site = own("[queue.news]\ntransport = \"m\"");
    for name in ["nosuch.1", "jobs.1", "drop.1", "outbound", "outboundx.1", "..outbound.1", "OUTBOUND.1"] {
        put(&site, name, &text(FIELDS, &message(9)));
    }
    put(&site, ".outbound.1", &text(FIELDS, &message(9)));
    // A queue that nobody has used is made by the run that finds mail for it.
    put(&site, "news.1", &text(FIELDS, &message(1)));
    assert_eq!(ok(&site.try_run(&["run"])), "");
    assert_eq!((dropped(&site).len(), arrived(&site).len()), (8, 1));
    assert!(site.path("spool/news/ready").is_dir() && !site.path("spool/nosuch").exists());
    let checked = site.try_run(&["check"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.code() == Some(1) && said.matches("meant for no queue").count() == 6, "{said}");
}

#[test]
fn an_envelope_is_believed_in_what_a_user_may_choose_and_in_nothing_else() {
    let site = own("");
    let own = nix::unistd::geteuid().as_raw();
    let other = site.submit(5, &["r5@example.net"]);
    let fields = "\"sender\":\"president@example.org\",\"recipient\":\"r@x.org\",\"submitted\":1,\"uid\":4294967294,\
                  \"notify\":\"NEVER\",\"ret\":\"hdrs\",\"envid\":\"e1\",\"body\":\"8BITMIME\",\"attempts\":9,\"once\":true,\
                  \"from\":\"notice\"";
    let file = text(fields, "Subject: x\nBcc: secret@x.org\n\nbody\n").replace("\"a1\"", &format!("\"{other}\""));
    put(&site, "outbound.1", &file);
    defer(&site);
    site.try_run(&["run"]);
    let rows = site.list();
    assert_eq!(rows.len(), 2, "{rows:?}");
    let row = rows.iter().find(|row| row["id"] != other.as_str()).expect("an entry of its own");
    let shown = site.ok(&["show", "--json", row["id"].as_str().expect("an id")]);
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let entry = std::fs::read_dir(site.path("spool/outbound/ready")).expect("ready").flatten();
    let files = entry.flat_map(|bucket| std::fs::read_dir(bucket.path()).expect("a bucket").flatten());
    let file =
        files.map(|file| std::fs::read_to_string(file.path()).expect("text")).find(|text| text.contains("president"));
    let (head, mail) = file.as_deref().and_then(|text| text.split_once("\n\n")).expect("an entry");
    let head: serde_json::Value = serde_json::from_str(head).expect("JSON");
    assert_eq!((&head["uid"], &head["sender"]), (&own.into(), &"president@example.org".into()), "{shown}");
    assert_eq!((&head["notify"], &head["ret"], &head["envid"]), (&"never".into(), &"hdrs".into(), &"e1".into()));
    assert!(head["submitted"].as_u64() > Some(1) && head.get("attempts").is_none() && head.get("from").is_none());
    assert!(
        mail.starts_with("Received: by ") && mail.contains(&format!("from userid {own})")) && !mail.contains("Bcc")
    );
}

#[test]
fn a_file_that_its_owner_locks_is_adopted_and_one_that_he_leases_later() {
    let site = own("");
    let locked = put(&site, "outbound.locked", &text(FIELDS, &message(1)));
    let file = std::fs::File::open(&locked).expect("opened");
    fs2::FileExt::lock_exclusive(&file).expect("locked");
    assert_eq!(ok(&site.try_run(&["run"])), "");
    assert_eq!(arrived(&site).len(), 1);
    // A lease (fcntl(2)) makes an open wait for its holder, up to 45 seconds: ours does not wait.
    let leased = put(&site, "outbound.leased", &text(FIELDS, &message(2)));
    let lease = "use Fcntl; $SIG{IO} = 'IGNORE'; open(F, '+<', $ARGV[0]) or die; \
                 fcntl(F, 1024, F_WRLCK) or exit 9; $| = 1; print \"held\\n\"; <STDIN>;";
    let mut holder = Command::new("perl");
    holder.args(["-e", lease]).arg(&leased).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let Ok(mut holder) = holder.spawn() else {
        eprintln!("skipped: perl is not installed");
        return;
    };
    let mut line = String::new();
    let mut out = std::io::BufReader::new(holder.stdout.take().expect("piped"));
    std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
    if line != "held\n" {
        eprintln!("skipped: this file system has no leases");
        return;
    }
    let first = site.try_run(&["run"]);
    assert!(String::from_utf8_lossy(&first.stderr).contains("outbound.leased"), "{first:?}");
    assert_eq!(arrived(&site).len(), 1);
    drop(holder.stdin.take());
    holder.wait().expect("it ends");
    assert_eq!(ok(&site.try_run(&["run"])), "");
    assert_eq!(arrived(&site).len(), 2);
}

#[test]
fn a_folder_that_is_not_the_services_is_not_adopted_from_and_the_check_says_why() {
    if skipped() {
        return;
    }
    let (site, mara) = (shared(SERVICE, ""), Plain::with_uid(MARA));
    let checked = |status: i32, what: &str| {
        let output = site.try_run(&["config", "check"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(status) && said.contains(what), "{output:?}");
    };
    checked(0, "ok");
    ok(&by(&site, &mara, &["submit", "r@x.org"], message(1).as_bytes()));
    let drop = site.path("spool/drop");
    chown(&drop, Some(NILS), None).expect("chown");
    let output = site.try_run(&["run"]);
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert_eq!((arrived(&site).len(), dropped(&site).len()), (0, 1));
    checked(78, &format!("'chown {SERVICE}:{SERVICE} {}'", drop.display()));
    folder(&drop, 0o1777, SERVICE);
    checked(78, "mode 1777, and other users need 3733");
    folder(&drop, 0o3733, SERVICE);
    folder(&site.path("spool"), 0o700, SERVICE);
    checked(78, "'chmod 711 ");
    folder(&site.path("spool"), 0o711, SERVICE);
    checked(0, "ok");
    assert_eq!(ok(&site.try_run(&["run"])), "");
    assert_eq!(arrived(&site).len(), 1);
}
