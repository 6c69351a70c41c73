//! The neighbourhood, where the soak runs as root: a service user whose the spool is, or root; two plain users and root who
//! hand mail in through `drop/` ([`crate::user_actions`]).
//!
//! What holds at the end besides the account: `drop/` has nothing but junk, and nothing in the spool is another's or for
//! others to read.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{self};
use crate::support::Site;
use crate::support::drop::{MARA, NILS, SERVICE, reads};
use crate::support::hosts::{self, Plain};
use crate::{Soak, support};

/// Who may have quotas.
pub const USERS: [u32; 2] = [MARA, NILS];

/// What an adopter that is killed leaves of keys whose mail is gone; see `FORGOTTEN_MAX` of `intake::adopt`.
const KEYS_OF_A_KILL: usize = 100;
/// Who lives there.
pub struct Neighbours {
    pub mara: Plain,
    pub nils: Plain,
    /// Who owns the spool, if it is not root.
    pub service: Option<Plain>,
    /// Who has the disk for himself for a moment: one who fills it, or a user at his quota.
    pub disk: Mutex<()>,
    /// One flood at a time; how many messages of floods there were.
    pub flood: Mutex<u64>,
    /// Floods in which the other's mail was looked for, and how much of them lay there still when it had been taken up.
    pub ahead: Mutex<Vec<(usize, usize)>>,
    /// Users who were at their quota.
    pub refused: AtomicU64,
}

impl Neighbours {
    /// Makes the spool of `site` theirs, by what the seed chose; the configuration and the sink are there.
    pub fn new(site: &Site, service: bool) -> Neighbours {
        let owner = if service { SERVICE } else { 0 };
        let mode =
            |path: &Path, mode: u32| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mode");
        // The service runs the sink, which writes there.
        let sink = site.path("sink");
        std::fs::copy(support::sink(), &sink).expect("a copy");
        let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
        site.configure(&config.replace(&support::sink().display().to_string(), &sink.display().to_string()));
        mode(&site.path(""), 0o711);
        mode(&site.path("bulkmailer.toml"), 0o644);
        for log in ["log", "log.notices"] {
            std::fs::write(site.path(log), "").expect("written");
            chown(site.path(log), Some(owner), Some(owner)).expect("chown");
        }
        if site.path("socket").exists() {
            mode(&site.path("socket"), 0o777);
        }
        let spool = site.path("spool");
        std::fs::create_dir_all(spool.join("drop")).expect("a folder");
        for (path, bits) in [(spool.clone(), 0o711), (spool.join("drop"), 0o3733)] {
            chown(&path, Some(owner), Some(owner)).expect("chown");
            mode(&path, bits);
        }
        disk::stand_in(&site.path("quota.so"));
        Neighbours {
            mara: Plain::with_uid(MARA),
            nils: Plain::with_uid(NILS),
            service: service.then(|| Plain::with_uid(SERVICE)),
            disk: Mutex::default(),
            flood: Mutex::default(),
            ahead: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// Whether the spool is root's.
    pub fn is_roots(&self) -> bool {
        self.service.is_none()
    }

    fn owner(&self) -> u32 {
        self.service.as_ref().map_or(0, |service| service.uid)
    }
}

/// Whether there can be neighbours, or a line that says why not.
pub fn are_there() -> bool {
    if !hosts::is_root() {
        eprintln!("skipped: the neighbourhood: only root can act as several users");
    }
    hosts::is_root()
}

/// The files in `drop/` with their owners; those that went meanwhile are left out.
pub fn dropped(site: &Site) -> Vec<(std::ffi::OsString, u32)> {
    let files = std::fs::read_dir(site.path("spool/drop")).expect("drop/").flatten();
    files.filter_map(|file| Some((file.file_name(), file.path().symlink_metadata().ok()?.uid()))).collect()
}

/// Each of the lists that runs wrote for a user is read by him and not by the other; how many there are.
fn lists_are_private(spool: &Path) -> usize {
    let mut lists = 0;
    for list in std::fs::read_dir(spool.join("users")).into_iter().flatten().flatten() {
        let name = list.file_name().into_string().expect("text");
        let Some(whose) = name.rsplit_once('.').and_then(|(_, uid)| uid.parse::<u32>().ok()) else { continue };
        for uid in [MARA, NILS] {
            assert_eq!(reads(uid, &list.path()), uid == whose, "{name}, read by {uid}");
        }
        lists += 1;
    }
    lists
}

impl Neighbours {
    /// What must hold at the end, when nothing waits; a line about it. `kills` is how many runs may have been killed.
    pub fn judge(&self, site: &Site, kills: usize) -> String {
        let (owner, spool) = (self.owner(), site.path("spool"));
        for (name, uid) in dropped(site) {
            let is_junk = uid == NILS && name.to_string_lossy().contains("junk");
            assert!(is_junk, "left in drop/: {name:?} of {uid}");
        }
        let beside_drop = |more: &[&str]| {
            let mut find = Command::new("find");
            let shared = ["./drop", "./users"].map(|folder| spool.join(folder));
            find.arg(spool.join("."))
                .args(["(", "-path"])
                .arg(&shared[0])
                .args(["-o", "-path"])
                .arg(&shared[1])
                .arg(")");
            find.args(["-prune", "-o"]).args(more);
            String::from_utf8_lossy(&find.arg("-print").output().expect("find").stdout).into_owned()
        };
        let uid = owner.to_string();
        assert_eq!(beside_drop(&["!", "-uid", &uid]), "", "in the spool, and not its owner's");
        let open = beside_drop(&["-mindepth", "1", "-maxdepth", "1", "-perm", "/077"]);
        assert_eq!(open, "", "in the spool, and open to others");
        let lists = lists_are_private(&spool);
        let keys = beside_drop(&["-path", "*/keys/*", "-name", "d*", "-type", "f"]).lines().count();
        assert!(keys <= KEYS_OF_A_KILL * (1 + kills), "{keys} keys of adopted mail, and {kills} runs were killed");
        let ahead = self.ahead.lock().expect("no panic");
        let refused = self.refused.load(Ordering::Relaxed);
        format!("owner {owner}, {keys} keys left, {lists} lists; ahead of floods {ahead:?}; {refused} at their quota")
    }
}

impl Soak {
    /// Nothing is in `drop/` that could be adopted.
    pub fn drop_is_done(&self) -> bool {
        let of = |_: &Neighbours| dropped(&self.site).iter().all(|(name, _)| name.to_string_lossy().contains("junk"));
        self.neighbours.as_ref().is_none_or(of)
    }

    /// Whatever is going on, the spool is in order, but for what lies in `drop/`; said by the real clock, as the files'
    /// times are.
    pub fn check(&self) {
        let output = self.site.try_run(&["check", "--json"]);
        assert!(output.status.code().is_some_and(|code| code <= 1), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let problems = report["problems"].as_array().expect("a list").iter();
        let is_junk = |path: &str| path.contains("/spool/drop/") && self.neighbours.is_some();
        let other: Vec<_> = problems.filter(|row| !is_junk(row["path"].as_str().expect("text"))).collect();
        assert!(other.is_empty(), "check: {other:?}");
    }
}
