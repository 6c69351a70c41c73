//! `drop/`: what other users of the host may do with it, and what they may not. Two plain users and root, where we are
//! root; what one user can do with files of his own, everywhere.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use std::process::Command;

use bulkmailer::model::EntryId;

use crate::support::drop::{
    FIELDS, MARA, NILS, SERVICE, arrived, by, clean_but_for_drop, dropped, ok, own, put, shared, skipped, text,
};
use crate::support::hosts::Plain;
use crate::support::{self, feed, message, wait_until};

#[test]
fn two_users_hand_mail_in_and_neither_sees_the_others() {
    if skipped() {
        return;
    }
    for service in [0, SERVICE] {
        let (site, mara, nils) = (shared(service, ""), Plain::with_uid(MARA), Plain::with_uid(NILS));
        let id = ok(&by(&site, &mara, &["submit", "r@x.org"], message(1).as_bytes()));
        let first = dropped(&site).remove(0);
        let meta = first.metadata().expect("it is there");
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (MARA, service, 0o640));
        ok(&by(&site, &nils, &["sendmail", "-t"], format!("To: r@x.org\nBcc: b@x.org\n{}", message(2)).as_bytes()));
        // Root is a user like any other to a spool that is not his.
        ok(&site.feed(&["submit", "r@x.org"], message(3).as_bytes()));
        for args in [&["show", id.trim()][..], &["check"], &["run"], &["flush"], &["status"]] {
            let output = by(&site, &nils, args, b"");
            assert_eq!(output.status.code(), Some(77), "{args:?}: {output:?}");
        }
        let at = first.to_str().expect("a path");
        let tricks = [
            format!("cat {at}"),
            format!("rm -f {at}"),
            format!("mv {at} {at}x"),
            format!("echo >> {at}"),
            format!("ls {}", site.path("spool/drop").display()),
            format!("ls {}", site.path("spool").display()),
            format!("touch {}/x", site.path("spool").display()),
        ];
        for trick in tricks {
            let mut shell = Command::new("setpriv");
            shell.args(["--reuid=65532", "--regid=65532", "--clear-groups", "sh", "-c", &trick]);
            assert!(!shell.output().expect("setpriv").status.success(), "{trick}");
        }
        assert_eq!(ok(&site.try_run(&["run"])), "");
        assert!(dropped(&site).is_empty());
        let (mut users, mail) = (Vec::new(), arrived(&site));
        for (mail, n) in mail.iter().flat_map(|mail| [1, 2, 3].map(|n| (mail, n))) {
            if mail.contains(&format!("X-Number: {n}\n")) {
                let traces: Vec<_> = mail.lines().filter_map(|line| line.split("from userid ").nth(1)).collect();
                assert_eq!(traces.len(), 1, "{mail}");
                users.push((n, traces[0].trim_end_matches(')').parse::<u32>().expect("a number")));
                assert!(!mail.contains("Bcc:"), "{mail}");
            }
        }
        users.sort_unstable();
        assert_eq!(users, [(1, MARA), (2, NILS), (2, NILS), (3, 0)], "{mail:?}");
        assert!(mail.iter().any(|mail| mail.contains(id.trim())), "the id that was printed is the entry's: {id}");
        site.assert_clean();
        // Nothing that the service made is root's.
        let mut found = Command::new("find");
        found.arg(site.path("spool")).args(["!", "-uid", &service.to_string()]);
        assert_eq!(String::from_utf8_lossy(&found.output().expect("find").stdout), "");
    }
}

#[test]
fn a_flood_is_adopted_one_by_one_and_may_be_ended_at_any_time() {
    let site = own("");
    for n in 0..200 {
        put(&site, &format!("outbound.{n}"), &text(FIELDS, &message(n)));
        symlink("/dev/zero", site.path("spool/drop").join(format!("outbound.link{n}"))).expect("a link");
    }
    let run = site.start(&["run"]);
    wait_until("some of it is adopted", || dropped(&site).len() < 390);
    support::signal("TERM", run.id());
    let output = run.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let second = site.try_run(&["run", "-v", "--json"]);
    assert_eq!((dropped(&site).len(), arrived(&site).len()), (200, 200), "{second:?}");
    assert_eq!(ok(&site.try_run(&["run"])), "");
    clean_but_for_drop(&site);
}

#[test]
fn a_run_that_lingers_is_woken() {
    let site = own("");
    let text_of = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&text_of.replace("workers = 2", "workers = 2\nlinger = \"1h\""));
    put(&site, "outbound.1", &text(FIELDS, &message(1)));
    let run = site.start(&["run"]);
    wait_until("the first has arrived", || arrived(&site).len() == 1);
    for n in 2..5 {
        put(&site, &format!("outbound.{n}"), &text(FIELDS, &message(n)));
        wait_until("the next has arrived", || arrived(&site).len() == n as usize);
    }
    support::signal("TERM", run.id());
    support::assert_silent(run);
}

#[test]
fn where_there_is_no_room_mail_stays_in_the_folder() {
    let site = own("[limits]\nmin_free = \"1000000T\"");
    put(&site, "outbound.1", &text(FIELDS, &message(1)));
    let output = site.try_run(&["run"]);
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("mail waits there: only "), "{output:?}");
    assert_eq!((dropped(&site).len(), arrived(&site).len()), (1, 0));
}

#[test]
fn a_flush_of_everything_has_it_too() {
    let site = own("");
    put(&site, "outbound.1", &text(FIELDS, &message(1)));
    site.ok(&["flush", "-q"]);
    assert_eq!((dropped(&site).len(), arrived(&site).len()), (0, 1));
}

#[test]
fn a_key_is_its_users_own() {
    if skipped() {
        return;
    }
    let (site, mara, nils) = (shared(0, ""), Plain::with_uid(MARA), Plain::with_uid(NILS));
    let submit =
        |who: &Plain, n| ok(&by(&site, who, &["submit", "--key", "order 7", "r@x.org"], message(n).as_bytes()));
    let (first, again, other) = (submit(&mara, 1), submit(&mara, 1), submit(&nils, 2));
    assert!(first == again && first != other, "{first} {again} {other}");
    site.ok(&["run"]);
    assert_eq!(submit(&mara, 1), first);
    site.ok(&["run"]);
    assert_eq!(arrived(&site).len(), 2);
}

#[test]
fn mail_for_a_time_waits_for_it() {
    let site = own("");
    let soon =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_micros() as u64;
    put(&site, &format!("outbound.{:016}@1", soon + 300 * 86_400_000_000), &text(FIELDS, &message(1)));
    put(&site, "outbound.9000000000000000-1", &text(FIELDS, &message(2)));
    put(&site, "outbound.99999999999999999999@1", &text(FIELDS, &message(3)));
    assert_eq!(ok(&site.try_run(&["run"])), "");
    assert_eq!((dropped(&site).len(), arrived(&site).len(), site.list().len()), (0, 2, 1));
    // Nobody waits for the year 2255.
    put(&site, "outbound.9000000000000000@1", &text(FIELDS, &message(4)));
    let output = site.try_run(&["run"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("more than 365d ahead"), "{output:?}");
    assert_eq!((dropped(&site).len(), site.list().len()), (1, 2));
    if skipped() {
        return;
    }
    let (site, mara) = (shared(0, ""), Plain::with_uid(MARA));
    ok(&by(&site, &mara, &["submit", "--at", "+300d", "r@x.org"], message(1).as_bytes()));
    assert_eq!(ok(&site.try_run(&["run"])), "");
    assert_eq!((arrived(&site).len(), site.list().len()), (0, 1));
    let far = by(&site, &mara, &["submit", "--at", "+400d", "r@x.org"], message(2).as_bytes());
    assert_eq!((far.status.code(), dropped(&site).len()), (Some(65), 0), "{far:?}");
}

#[test]
fn an_mbox_and_bad_input_go_the_same_way() {
    if skipped() {
        return;
    }
    let (site, mara) = (shared(0, ""), Plain::with_uid(MARA));
    let mbox = site.mbox("box", 1..6);
    let said = ok(&by(&site, &mara, &["submit", "--mbox", "-"], &std::fs::read(mbox).expect("an mbox")));
    assert_eq!((said.as_str(), dropped(&site).len()), ("5 messages queued\n", 5));
    for (args, input, status) in [
        (&["submit", "r@x.org"][..], "", 65),
        (&["submit", "r@x.org"], "X: \0\n\n", 65),
        (&["submit"], "X: 1\n\n", 64),
        (&["submit", "--queue", "nosuch", "r@x.org"], "X: 1\n\n", 78),
    ] {
        let output = by(&site, &mara, args, input.as_bytes());
        assert_eq!(output.status.code(), Some(status), "{args:?}: {output:?}");
    }
    assert_eq!(dropped(&site).len(), 5, "what is refused leaves nothing");
    site.ok(&["run"]);
    assert_eq!(arrived(&site).len(), 5);
}

/// Root's first submit on a host makes the host's spool with its folder; seen in a view of /var and /etc of our own.
#[test]
fn the_hosts_spool_is_made_by_root_and_found_by_others() {
    if skipped() {
        return;
    }
    let plain = Plain::new();
    let script = "mount -t tmpfs -o mode=755 tmpfs /var/spool && mount -t tmpfs -o mode=755 tmpfs /etc && \
        printf 'root:x:0:0::/root:/bin/sh\\n' > /etc/passwd || exit 99; \
        export HOME=/nonexistent; send() { printf 'X: 1\\n\\nx\\n' | \"$@\" submit -q r@x.org; }; \
        send $0 || exit 1; \
        [ \"$(stat -c %a /var/spool/bulkmailer /var/spool/bulkmailer/drop /var/spool/bulkmailer/outbound | tr '\\n' ' ')\" \
            = '711 3733 700 ' ] || exit 2; \
        send setpriv --reuid=65534 --regid=65534 --clear-groups $0 || exit 3; \
        setpriv --reuid=65534 --regid=65534 --clear-groups $0 config show | grep \"the host's, because there is /var/spool\" || exit 4; \
        ls /var/spool/bulkmailer/drop | grep '^outbound[.]' || exit 5; \
        setpriv --reuid=65534 --regid=65534 --clear-groups $0 config check || exit 6";
    let mut shell = Command::new("unshare");
    shell.args(["-m", "sh", "-c", script]).arg(plain.dir.path().join("bulkmailer"));
    let output = shell.env_remove("XDG_CONFIG_HOME").env_remove("XDG_STATE_HOME").output().expect("unshare");
    if output.status.code() == Some(99) {
        eprintln!("skipped: no mounts of our own here");
        return;
    }
    assert!(output.status.success(), "{output:?}");
}

#[cfg(feature = "faults")]
#[test]
fn killed_anywhere_a_dropped_message_arrives_once() {
    use crate::support::crash;
    // (who, where, whether the submitter was told that it is accepted)
    for point in ["adopt.forked", "adopt.published", "adopt.removed", "adopt.synced"] {
        let site = own("");
        put(&site, "outbound.1", &text(FIELDS, &message(1)));
        crash::run_killed_at(&site, point);
        crash::wait_for_the_lock(&site);
        site.try_run(&["run"]);
        assert_eq!((arrived(&site).len(), dropped(&site).len()), (1, 0), "{point}");
        site.assert_clean();
    }
    if skipped() {
        return;
    }
    for (point, most) in [
        ("drop.create", 0),
        ("drop.written", 0),
        ("drop.linked", 1),
        ("drop.sync", 1),
        ("drop.create=enospc", 0),
        ("drop.written=eio", 0),
        ("drop.sync=eio", 0),
    ] {
        let (site, mara) = (shared(0, ""), Plain::with_uid(MARA));
        let mut command = mara.command("0", &["submit", "r@x.org"]);
        command.env("BULKMAILER_SPOOL", site.path("spool")).env("BULKMAILER_CONFIG", site.path("bulkmailer.toml"));
        command.env("BULKMAILER_FAULT", point);
        let output = feed(command, message(1).as_bytes());
        assert!(!output.status.success(), "{point}: {output:?}");
        site.try_run(&["run"]);
        assert_eq!((arrived(&site).len(), dropped(&site).len()), (most, 0), "{point}");
        site.assert_clean();
    }
}

/// One file is one message there; so only root can make a post, as the spool's owner, of lists that only he may read.
/// What a program before this called the entry of a file, which killed it may have left in `drop/` and in the queue.
#[test]
fn what_the_program_before_this_adopted_is_not_adopted_again() {
    let site = own("");
    ok(&site.try_run(&["run"]));
    for n in 1..=2 {
        let file = put(&site, &format!("outbound.{n}"), &text(FIELDS, &message(n)));
        let meta = file.metadata().expect("it is there");
        let parts =
            [meta.dev(), meta.ino(), meta.ctime() as u64, meta.ctime_nsec() as u64].map(|part| part.to_string());
        let name = format!("outbound.{n}");
        let id = EntryId::of_dropped_before(&[&parts[0], &parts[1], &parts[2], &parts[3], &name]);
        let place = |folder: &str| {
            let folder = site.path(&format!("spool/outbound/{folder}/{:02x}", id.bucket()));
            std::fs::create_dir_all(&folder).expect("a folder");
            folder
        };
        if n == 1 {
            // It was delivered meanwhile; its key is marked.
            let key = place("keys").join(id.as_str());
            std::fs::write(&key, "").expect("written");
            std::fs::set_permissions(&key, PermissionsExt::from_mode(0o400)).expect("a mode");
        } else {
            // It waits, and its key did not survive a power cut.
            let entry = text(FIELDS, &message(n)).replace("\"a1\"", &format!("{:?}", id.as_str()));
            std::fs::write(place("ready").join(format!("0000000000000007-{id}")), entry).expect("written");
        }
    }
    ok(&site.try_run(&["run"]));
    let mail = arrived(&site);
    assert!(mail.len() == 1 && mail[0].contains("X-Number: 2\n"), "{mail:?}");
    assert!(dropped(&site).is_empty());
    site.assert_clean();
}

#[test]
fn a_list_post_does_not_go_that_way() {
    if skipped() {
        return;
    }
    let (site, mara) = (shared(SERVICE, ""), Plain::with_uid(MARA));
    mara.write("list", "r@x.org\n");
    let path = mara.home("list");
    let refused = by(&site, &mara, &["submit", "--recipients", path.to_str().expect("a path")], message(1).as_bytes());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(77) && said.contains("list post"), "{said}");
    let list = site.path("list");
    std::fs::write(&list, "r@x.org\ns@x.org\n").expect("written");
    std::fs::set_permissions(&list, PermissionsExt::from_mode(0o600)).expect("a mode");
    ok(&site.feed(&["submit", "--recipients", list.to_str().expect("a path")], message(2).as_bytes()));
    ok(&site.try_run(&["run"]));
    let mail = arrived(&site);
    assert!(mail.len() == 2 && mail.iter().all(|mail| mail.contains("from userid 0)")), "{mail:?}");
    assert!(mail.iter().all(|mail| mail.starts_with("Return-Path: <root>\n")), "{mail:?}");
    assert!(dropped(&site).is_empty());
    let mut found = Command::new("find");
    found.arg(site.path("spool")).args(["!", "-uid", &SERVICE.to_string()]);
    assert_eq!(String::from_utf8_lossy(&found.output().expect("find").stdout), "");
    site.assert_clean();
}
