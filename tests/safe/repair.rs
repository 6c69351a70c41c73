//! `check` and `check --repair`: each kind of damage is told, mended without guessing, and nothing that may be mail is
//! deleted.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::{self, Site, wait_until};

const TWO_HOURS: Duration = Duration::from_secs(7_200);

/// The files of the single entries in ready/.
fn entries(site: &Site) -> Vec<PathBuf> {
    site.files("/outbound/ready/")
}

/// A bucket that is not the entry's own.
fn elsewhere(site: &Site, entry: &Path) -> PathBuf {
    let name = entry.file_name().expect("a name");
    let wrong = if entry.parent().is_some_and(|bucket| bucket.ends_with("00")) { "01" } else { "00" };
    site.path("spool/outbound/ready").join(wrong).join(name)
}

fn age(path: &Path) {
    let file = fs::File::open(path).expect("it is there");
    file.set_modified(SystemTime::now() - TWO_HOURS).expect("set");
}

/// What `check` says of a site after `damage`, then that a repair mends it in the way of `mended`, and that the next check
/// finds nothing.
fn damaged(words: &str, mended: &str, damage: impl Fn(&Site, &Path)) -> Site {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    site.submit(2, &["r2@example.net"]);
    site.assert_clean();
    damage(&site, &entries(&site)[0]);
    let before = site.tree();
    let found = site.try_run(&["check"]);
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(found.status.code() == Some(1) && said.contains(words) && said.contains("--repair"), "{words}: {found:?}");
    let told: serde_json::Value = serde_json::from_slice(&site.try_run(&["check", "--json"]).stdout).expect("JSON");
    assert!(told["problems"].as_array().is_some_and(|problems| problems.len() == 1), "{told}");
    assert_eq!(site.tree(), before, "a look changes nothing");
    let repaired = site.ok(&["check", "--repair"]);
    assert!(repaired.contains(mended), "{repaired}");
    site.assert_clean();
    site
}

/// The second entry is still delivered, and the first as often as `first` says.
fn assert_delivered(site: &Site, first: usize) {
    site.ok(&["run"]);
    let found = site.deliveries();
    assert!(found.len() == 1 + first && found.values().all(|&times| times == 1), "{found:?}");
}

fn corrupt(site: &Site) -> Vec<Vec<u8>> {
    let files = fs::read_dir(site.path("spool/outbound/corrupt")).expect("a folder").flatten();
    files.map(|file| fs::read(file.path()).unwrap_or_default()).collect()
}

#[test]
fn a_truncated_entry_is_kept_aside() {
    let site = damaged("were written", "moved to corrupt/", |_, entry| {
        let file = fs::OpenOptions::new().write(true).open(entry).expect("it is there");
        file.set_len(entry.metadata().expect("it is there").len() - 5).expect("cut");
    });
    assert!(corrupt(&site).len() == 1 && corrupt(&site)[0].len() > 300);
    assert_delivered(&site, 0);
    assert!(site.ok(&["status"]).contains("1 corrupt"));
}

#[test]
fn garbage_in_place_of_an_entry_is_kept_aside() {
    let site = damaged("its first line is no envelope", "moved to corrupt/", |_, entry| {
        fs::write(entry, "garbage\n").expect("written");
    });
    assert_eq!(corrupt(&site), [b"garbage\n"]);
    assert_delivered(&site, 0);
}

#[test]
fn an_entry_that_bears_another_ones_name_is_kept_aside() {
    let site = damaged("its envelope belongs to entry", "moved to corrupt/", |site, entry| {
        fs::copy(&entries(site)[1], entry).expect("copied");
    });
    assert_delivered(&site, 0);
}

#[test]
fn an_entry_in_the_wrong_folder_is_moved_back() {
    let site = damaged("it lies in the wrong folder", "moved to where it belongs", |site, entry| {
        fs::rename(entry, elsewhere(site, entry)).expect("moved");
    });
    assert_delivered(&site, 1);
}

#[test]
fn a_twin_in_the_wrong_folder_is_not_sent_twice() {
    let site = damaged("it lies in the wrong folder", "its twin lies where it belongs", |site, entry| {
        fs::copy(entry, elsewhere(site, entry)).expect("copied");
    });
    assert_eq!(corrupt(&site).len(), 1);
    assert_delivered(&site, 1);
}

#[test]
fn a_wrong_mode_is_set_right() {
    let site = damaged("its mode is 0644 and not 0600", "set to 0600", |_, entry| {
        fs::set_permissions(entry, PermissionsExt::from_mode(0o644)).expect("set");
    });
    assert_delivered(&site, 1);
}

#[test]
fn what_was_left_in_tmp_is_removed_when_it_is_old_and_never_adopted() {
    let site = damaged("nobody writes it any more", "removed", |site, entry| {
        let (fresh, old) = (site.path("spool/outbound/tmp/fresh"), site.path("spool/outbound/tmp/old"));
        fs::copy(entry, &fresh).expect("copied");
        fs::copy(entry, &old).expect("copied");
        age(&old);
    });
    assert!(site.path("spool/outbound/tmp/fresh").exists() && !site.path("spool/outbound/tmp/old").exists());
    let site = damaged("nobody writes it any more", "removed", |site, entry| {
        let folder = site.path("spool/outbound/tmp/batch");
        fs::create_dir_all(folder.join("ready/0")).expect("a folder");
        fs::copy(entry, folder.join("ready/0").join(entry.file_name().expect("a name"))).expect("copied");
        age(&folder);
    });
    assert!(!site.path("spool/outbound/tmp/batch").exists());
    assert_delivered(&site, 1);
}

#[test]
fn what_somebody_still_writes_in_tmp_is_left_alone() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let path = site.path("spool/outbound/tmp/busy");
    fs::write(&path, "half a message").expect("written");
    age(&path);
    let file = fs::File::open(&path).expect("it is there");
    fs2::FileExt::lock_exclusive(&file).expect("locked");
    site.ok(&["check", "--repair"]);
    assert!(path.exists());
    fs2::FileExt::unlock(&file).expect("unlocked");
    site.ok(&["check", "--repair"]);
    assert!(!path.exists());
}

#[test]
fn names_links_and_folders_that_are_none_of_ours_are_moved_aside() {
    let at = |site: &Site, inside: &str| site.path("spool/outbound").join(inside);
    for (words, damage) in [
        (
            "its name is no entry's",
            Box::new(|site: &Site| fs::write(at(site, "ready/05/README"), "x").expect("written")) as Box<dyn Fn(&Site)>,
        ),
        ("its name is no entry's", Box::new(|site| fs::create_dir(at(site, "ready/05/folder")).expect("made"))),
        ("its name is no entry's", Box::new(|site| symlink("/etc/passwd", at(site, "ready/05/link")).expect("made"))),
        ("it is no folder", Box::new(|site| fs::write(at(site, "ready/stray"), "x").expect("written"))),
        ("it is no folder", Box::new(|site| symlink("/etc", at(site, "failed/ab")).expect("made"))),
    ] {
        let site = damaged(words, "moved to corrupt/", |site, _| damage(site));
        assert_eq!(corrupt(&site).len(), 1);
        assert_delivered(&site, 1);
    }
    let site = damaged("it is no regular file", "moved to corrupt/", |site, entry| {
        fs::rename(entry, site.path("aside")).expect("moved");
        symlink(site.path("aside"), entry).expect("a link");
    });
    assert!(site.path("aside").exists());
    assert_delivered(&site, 0);
}

#[test]
fn two_strangers_of_one_name_are_both_kept() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    for bucket in ["01", "02", "03"] {
        fs::write(site.path("spool/outbound/ready").join(bucket).join("note"), bucket).expect("written");
    }
    site.ok(&["check", "--repair"]);
    let mut kept = corrupt(&site);
    kept.sort();
    assert_eq!(kept, [b"01", b"02", b"03"]);
    site.assert_clean();
}

#[test]
fn a_journal_whose_entry_is_gone_is_removed_only_if_nobody_is_open_in_it() {
    let site = Site::new("exit=75", "max_recipients = 1");
    site.submit(1, &["a@example.net", "b@example.net"]);
    site.ok(&["run"]);
    let journal = site.file("/journal/");
    let text = fs::read_to_string(&journal).expect("text");
    fs::remove_file(&entries(&site)[0]).expect("it was there");
    for args in [&["check"][..], &["check", "--repair"]] {
        let output = site.try_run(args);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(1) && said.contains("open recipients"), "{output:?}");
    }
    assert_eq!(fs::read_to_string(&journal).expect("it is kept"), text);
    // One that closes everybody tells nothing any more.
    let closed = "{\"journal\":1,\"recipients\":2}\n{\"begun\":1,\"group\":[0,1],\"status\":\"DD\"}\n";
    fs::write(&journal, closed).expect("written");
    // A fresh one is a worker's, who removes it after the next sync.
    site.assert_clean();
    age(&journal);
    assert!(site.ok(&["check", "--repair"]).contains("a journal whose entry was settled; removed"));
    assert!(!journal.exists());
}

#[test]
fn check_beside_a_run_harms_nothing() {
    let site = Site::new("ok", "workers = 2");
    site.ok(&["submit", "-q", "--mbox", site.mbox("box", 0..1_000).to_str().expect("a path")]);
    for n in 1_000..1_030 {
        site.submit(n, &[&format!("r{n}@example.net")]);
    }
    let main = site.start(&["run"]);
    wait_until("something is delivered", || site.path("log").exists());
    site.ok(&["check", "--repair"]);
    support::assert_silent(main);
    site.ok(&["run"]);
    site.assert_each_once(0..1_030);
    site.assert_clean();
}
