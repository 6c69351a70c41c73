//! A folder in which this process's user is trusted, beside root; another user is `ANOTHER`, for whom root is needed.

use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

use nix::unistd::geteuid;

use super::*;
use crate::sys::output::warning;

/// Any number but 0 and our own.
const ANOTHER: u32 = 7_001;

struct World {
    temp: tempfile::TempDir,
}

impl World {
    /// With `etc/` and a good `etc/file` in it.
    fn new() -> World {
        let world = World { temp: tempfile::tempdir().expect("a temporary folder") };
        world.folder("etc", 0o755);
        world.file("etc/file", "good");
        world
    }

    /// The same, for what only root can set up: others skip it.
    fn of_root() -> Option<World> {
        if !geteuid().is_root() {
            warning!("skipped: only root can give files away");
            return None;
        }
        Some(World::new())
    }

    /// The folder by its name, or a path with `..`.
    fn at(&self, name: &str) -> PathBuf {
        // The way to it may lead over links of its own.
        self.temp.path().canonicalize().expect("it is there").join(name)
    }

    fn mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.at(name), PermissionsExt::from_mode(mode)).expect("a mode");
    }

    fn folder(&self, name: &str, mode: u32) {
        std::fs::create_dir(self.at(name)).expect("a folder");
        self.mode(name, mode);
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).expect("written");
        self.mode(name, 0o644);
    }

    fn link(&self, name: &str, target: impl AsRef<Path>) {
        symlink(target, self.at(name)).expect("a link");
    }

    fn give(&self, name: &str) {
        lchown(self.at(name), Some(ANOTHER), Some(ANOTHER)).expect("given away");
    }

    fn take_back(&self, name: &str) {
        lchown(self.at(name), Some(0), Some(0)).expect("taken back");
    }

    fn text(&self, name: &str) -> String {
        text_of(open(&self.at(name), geteuid().as_raw()).unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// Which of ours is refused, and why.
    fn refused(&self, name: &str) -> (PathBuf, Fault) {
        match open(&self.at(name), geteuid().as_raw()) {
            Err(OpenError::Untrusted(Untrusted { path, fault })) => (path, fault),
            Err(OpenError::Io(error)) => panic!("{name}: {error}"),
            Ok(_) => panic!("{name} was taken"),
        }
    }

    fn fails(&self, name: &str) -> io::Error {
        match open(&self.at(name), geteuid().as_raw()) {
            Err(OpenError::Io(error)) => error,
            other => panic!("{name}: {other:?}"),
        }
    }
}

fn text_of(mut file: File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).expect("read");
    text
}

#[test]
fn a_file_is_taken_whose_folders_nobody_else_can_change() {
    let world = World::new();
    assert_eq!(world.text("etc/file"), "good");
    assert_eq!(world.text("etc/../etc/./file"), "good");
    // In a sticky folder nobody moves away what is another's.
    world.folder("sticky", 0o1777);
    world.file("sticky/file", "mine");
    assert_eq!(world.text("sticky/file"), "mine");
}

#[test]
fn a_folder_that_others_may_write_is_refused_wherever_it_lies() {
    let world = World::new();
    world.link("link", "etc/file");
    world.folder("inner", 0o755);
    world.link("inner/link", "../etc/../etc/file");
    for mode in [0o775, 0o757, 0o777, 0o720, 0o702] {
        world.mode("etc", mode);
        for name in ["etc/file", "link", "inner/link", "etc/../inner/../etc/file", "etc/../inner/link"] {
            assert_eq!(world.refused(name), (world.at("etc"), Fault::FolderWritable), "{name}, {mode:o}");
        }
    }
    world.mode("etc", 0o1777);
    assert_eq!(world.text("inner/link"), "good");
    // Only on the way to it.
    world.mode("etc", 0o755);
    world.folder("inner/open", 0o777);
    assert_eq!(world.refused("inner/open/../link").0, world.at("inner/open"));
}

#[test]
fn a_file_that_others_may_write_is_refused_by_its_own_name() {
    let world = World::new();
    world.link("link", "etc/file");
    for mode in [0o664, 0o646, 0o666, 0o620, 0o602] {
        world.mode("etc/file", mode);
        assert_eq!(world.refused("link"), (world.at("etc/file"), Fault::FileWritable), "{mode:o}");
    }
}

#[test]
fn links_are_followed_from_where_they_lie_and_not_for_ever() {
    let world = World::new();
    world.folder("a", 0o755);
    world.folder("a/b", 0o755);
    world.link("to-b", "a/b");
    world.file("a/near", "near");
    world.file("near", "far");
    // The parent of what the link leads to, not of the link.
    assert_eq!(world.text("to-b/../near"), "near");
    world.link("absolute", world.at("to-b"));
    assert_eq!(world.text("absolute/../near"), "near");
    world.link("1", "etc/file");
    for n in 2..=41 {
        world.link(&n.to_string(), (n - 1).to_string());
    }
    assert_eq!(world.text("40"), "good");
    world.link("loop", "./loop");
    for name in ["41", "loop", "loop/file"] {
        assert_eq!(world.fails(name).raw_os_error(), Some(nix::libc::ELOOP), "{name}");
    }
    assert_eq!(world.fails("etc/file/..").raw_os_error(), Some(nix::libc::ENOTDIR));
}

#[test]
fn what_is_not_there_is_not_found() {
    let world = World::new();
    world.link("dangling", "nowhere/file");
    for name in ["none", "none/file", "etc/none", "dangling"] {
        assert_eq!(world.fails(name).kind(), io::ErrorKind::NotFound, "{name}");
    }
}

#[test]
fn only_a_regular_file_is_opened_and_nobody_is_waited_for() {
    let world = World::new();
    nix::unistd::mkfifo(&world.at("fifo"), Mode::S_IRWXU).expect("a FIFO");
    world.link("zero", "/dev/zero");
    world.link("null", "/dev/null");
    for name in ["fifo", "etc", "etc/..", "zero", "null", "/dev/zero", "/"] {
        assert_eq!(world.fails(name).kind(), io::ErrorKind::InvalidInput, "{name}");
    }
    assert_eq!(world.text("/dev/null"), "");
}

#[test]
fn a_folder_that_is_swapped_meanwhile_changes_nothing() {
    let world = World::new();
    let mut walk = Walk::begin(&world.at("etc/file"), geteuid().as_raw()).expect("begun");
    while walk.left.len() > 1 {
        assert!(walk.step().expect("a good folder").is_none());
    }
    std::fs::rename(world.at("etc"), world.at("old")).expect("renamed");
    world.folder("etc", 0o777);
    world.file("etc/file", "bad");
    assert_eq!(text_of(walk.step().expect("the file").expect("the last step")), "good");
}

#[test]
fn what_is_anothers_is_refused() {
    let Some(world) = World::of_root() else { return };
    world.give("etc/file");
    assert_eq!(world.refused("etc/file"), (world.at("etc/file"), Fault::FileOf(ANOTHER)));
    world.take_back("etc/file");
    world.give("etc");
    world.link("link", "etc/file");
    for name in ["etc/file", "link", "etc/../etc/file"] {
        assert_eq!(world.refused(name), (world.at("etc"), Fault::FolderOf(ANOTHER)), "{name}");
    }
    // A sticky folder's owner moves what he likes.
    world.mode("etc", 0o1777);
    assert_eq!(world.refused("etc/file"), (world.at("etc"), Fault::FolderOf(ANOTHER)));
}

#[test]
fn nobody_elses_link_is_followed() {
    let Some(world) = World::of_root() else { return };
    world.folder("sticky", 0o1777);
    world.folder("home", 0o755);
    for folder in ["sticky", "home"] {
        let link = format!("{folder}/link");
        world.link(&link, world.at("etc/file"));
        world.give(&link);
        assert_eq!(world.refused(&link), (world.at(&link), Fault::LinkOf(ANOTHER)));
    }
    // A link of root's that leads through another's, and one in another's folder.
    world.link("chain", "sticky/link");
    assert_eq!(world.refused("chain"), (world.at("sticky/link"), Fault::LinkOf(ANOTHER)));
    world.take_back("home/link");
    assert_eq!(world.text("home/link"), "good");
    world.give("home");
    world.link("into", "home/link");
    assert_eq!(world.refused("into"), (world.at("home"), Fault::FolderOf(ANOTHER)));
    world.file("sticky/file", "his");
    world.give("sticky/file");
    assert_eq!(world.refused("sticky/file"), (world.at("sticky/file"), Fault::FileOf(ANOTHER)));
}

#[test]
fn root_trusts_root_alone() {
    let world = World::new();
    if geteuid().is_root() {
        chown(world.temp.path(), Some(ANOTHER), None).expect("given away");
    }
    let Err(OpenError::Untrusted(found)) = open(&world.at("etc/file"), 0) else { panic!("it was taken") };
    assert!(matches!(found.fault, Fault::FolderOf(uid) if uid != 0), "{found:?}");
    assert!(found.to_string().contains(" belongs to "), "{found}");
}
