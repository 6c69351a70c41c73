//! Other users and other file systems, for the tests that need them: what cannot be had here is skipped, with a line.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// "nobody" of Debian; any user without rights will do.
const NOBODY: u32 = 65_534;

/// Takes the sendmail commands out of a private view of the host's folders.
const HIDE_SENDMAIL: &str = "for folder in /usr/sbin /usr/lib; do \
    [ -e $folder/sendmail ] || [ -L $folder/sendmail ] || continue; \
    mount -t tmpfs tmpfs /mnt && mkdir -m 755 /mnt/upper /mnt/work || exit 99; \
    mount -t overlay -o lowerdir=$folder,upperdir=/mnt/upper,workdir=/mnt/work overlay $folder || exit 99; \
    rm $folder/sendmail || exit 99; \
    done; ";

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A shell in a mount namespace of its own, which ends with this value. Its mounts are seen by others through
/// `/proc/<pid>/root`, so the program under test runs outside.
pub struct Mounts {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Mounts {
    /// `None`, and a line, where this system has no namespaces for us.
    pub fn new() -> Option<Mounts> {
        let flags = if is_root() { "-m" } else { "-rm" };
        let mut unshare = Command::new("unshare");
        unshare.args([flags, "sh"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = unshare.spawn().ok()?;
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take()?));
        let mut mounts = Mounts { child, input, output };
        if !mounts.sh("true") {
            eprintln!("skipped: 'unshare {flags}' gives no mount namespace here");
            return None;
        }
        Some(mounts)
    }

    /// The shell's process, whose view this is.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs a script in there; whether it succeeded.
    pub fn sh(&mut self, script: &str) -> bool {
        let input = self.input.as_mut().expect("it lives");
        let mut line = String::new();
        let asked = writeln!(input, "( {script} ) >/dev/null && echo yes || echo no").and_then(|()| input.flush());
        asked.is_ok() && self.output.read_line(&mut line).is_ok() && line == "yes\n"
    }

    /// Puts a file system with `options` at `link`, which must not exist yet.
    pub fn tmpfs(&mut self, link: &Path, options: &str) {
        let place = link.with_extension("mounted");
        std::fs::create_dir(&place).expect("a folder");
        let at = place.display();
        assert!(self.sh(&format!("mount -t tmpfs -o mode=0700,{options} tmpfs {at}")), "tmpfs with {options}");
        symlink(format!("/proc/{}/root{at}", self.child.id()), link).expect("a link");
    }

    /// Makes the file system behind `link` read-only.
    pub fn read_only(&mut self, link: &Path) {
        let at = link.with_extension("mounted");
        assert!(self.sh(&format!("mount -o remount,bind,ro {}", at.display())), "remount");
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// A user without rights, who has nothing but his home and the program.
pub struct Plain {
    pub dir: tempfile::TempDir,
    program: PathBuf,
    pub uid: u32,
}

impl Plain {
    pub fn new() -> Plain {
        Plain::with_uid(NOBODY)
    }

    /// The user `uid`, where we may choose.
    pub fn with_uid(uid: u32) -> Plain {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let program = dir.path().join("bulkmailer");
        let built = Path::new(env!("CARGO_BIN_EXE_bulkmailer"));
        // The folders above the program may be closed to him.
        if std::fs::hard_link(built, &program).is_err() {
            // Not by this process (see [`super::program`]).
            let copied = Command::new("cp").args([built, &program]).status();
            assert!(copied.expect("cp").success());
        }
        let uid = if is_root() { uid } else { nix::unistd::geteuid().as_raw() };
        std::fs::create_dir(dir.path().join("home")).expect("a folder");
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("a mode");
        if is_root() {
            chown(dir.path().join("home"), Some(uid), Some(uid)).expect("chown");
        }
        Plain { dir, program, uid }
    }

    pub fn home(&self, inside: &str) -> PathBuf {
        self.dir.path().join("home").join(inside)
    }

    /// Writes a file of his.
    pub fn write(&self, inside: &str, text: &str) {
        let path = self.home(inside);
        let folder = path.parent().expect("a folder");
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(&path, text).expect("written");
        if is_root() {
            for path in [folder, &path] {
                chown(path, Some(self.uid), Some(self.uid)).expect("chown");
            }
        }
    }

    /// The program, by him, on a host that has no sendmail command where that can be arranged (see [`Plain::sees_mta`]).
    pub fn command(&self, umask: &str, args: &[&str]) -> Command {
        let mut script = format!("umask {umask}; cd /; ");
        let mut shell = match is_root() {
            true => Command::new("unshare"),
            false => Command::new("sh"),
        };
        if is_root() {
            shell.args(["-m", "sh"]);
            script.push_str(HIDE_SENDMAIL);
            script.push_str(&format!("exec setpriv --reuid={0} --regid={0} --clear-groups -- ", self.uid));
        } else {
            script.push_str("exec ");
        }
        script.push_str("\"$@\"");
        shell.args(["-c", &script, "sh"]).arg(&self.program).args(args).stdin(Stdio::null());
        shell.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", self.dir.path().join("home"));
        shell
    }

    /// The program, by him, with nothing else changed; for root alone to start.
    pub fn bare(&self, args: &[&str]) -> Command {
        let mut command = self.as_him(&self.program);
        command.args(args);
        command
    }

    /// Some command, by him; for root alone to start.
    pub fn as_him(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.uid(self.uid).gid(self.uid).current_dir("/").stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", self.dir.path().join("home"));
        command
    }

    /// Whether he has a sendmail command in spite of it.
    pub fn sees_mta(&self) -> bool {
        !is_root() && ["/usr/sbin/sendmail", "/usr/lib/sendmail"].iter().any(|place| Path::new(place).exists())
    }
}
