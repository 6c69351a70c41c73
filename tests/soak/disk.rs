//! The spool's disk: a small file system in a mount namespace that ends with the process, with quotas for the plain users
//! where the kernel has them. A preloaded library stands in where it has not: it says EDQUOT as often as it is told.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::support::Site;

/// MiB of a disk that has quotas, and for each second of the soak so much more in KiB.
const SIZE: u64 = 64;
const MORE: u64 = 512;
/// What a plain user may have there: KiB and files.
const KIB: u32 = 24 << 10;
const FILES: u32 = 8_000;
/// What he may have who is at his quota, for he has more: KiB; or files.
const AT: u32 = 4;

/// Refuses whatever takes space, while the file that `QUOTA` names holds `b`, or a new file, while it holds `i`.
const STAND_IN: &str = r#"
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <stdarg.h>
    #include <stdlib.h>
    #include <sys/stat.h>
    #include <sys/uio.h>
    #include <unistd.h>
    static int (*open_at)(int, const char *, int, ...);
    static int over(char what) {
        char text = 0;
        int file;
        if (!open_at) open_at = dlsym(RTLD_NEXT, "openat");
        file = open_at(AT_FDCWD, getenv("QUOTA"), O_RDONLY | O_CLOEXEC);
        if (file < 0) return 0;
        if (read(file, &text, 1) < 0) text = 0;
        close(file);
        return text == what;
    }
    static int full(int file) {
        struct stat stat;
        return !fstat(file, &stat) && S_ISREG(stat.st_mode) && over('b');
    }
    ssize_t write(int file, const void *bytes, size_t len) {
        static ssize_t (*real)(int, const void *, size_t);
        if (!real) real = dlsym(RTLD_NEXT, "write");
        if (full(file)) return errno = EDQUOT, -1;
        return real(file, bytes, len);
    }
    ssize_t pwrite64(int file, const void *bytes, size_t len, off64_t at) {
        static ssize_t (*real)(int, const void *, size_t, off64_t);
        if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
        if (full(file)) return errno = EDQUOT, -1;
        return real(file, bytes, len, at);
    }
    ssize_t writev(int file, const struct iovec *parts, int count) {
        static ssize_t (*real)(int, const struct iovec *, int);
        if (!real) real = dlsym(RTLD_NEXT, "writev");
        if (full(file)) return errno = EDQUOT, -1;
        return real(file, parts, count);
    }
    static int opened(int at, const char *path, int flags, int mode) {
        if ((flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) && over('i')) return errno = EDQUOT, -1;
        if (!open_at) open_at = dlsym(RTLD_NEXT, "openat");
        return open_at(at, path, flags, mode);
    }
    int openat(int at, const char *path, int flags, ...) {
        va_list more;
        va_start(more, flags);
        return opened(at, path, flags, va_arg(more, int));
    }
    int openat64(int at, const char *path, int flags, ...) {
        va_list more;
        va_start(more, flags);
        return opened(at, path, flags | O_LARGEFILE, va_arg(more, int));
    }"#;

/// Which of a user's quotas is used up.
#[derive(Clone, Copy, Debug)]
pub enum Quota {
    Bytes,
    Files,
}

/// A disk that is root's to make.
pub struct Disk {
    place: PathBuf,
    /// The kernel counts.
    quotas: bool,
}

impl Disk {
    /// Puts a file system at `disk` of `site`, for a soak of `seconds`. `None`, and a line, where there are no namespaces.
    pub fn new(site: &Site, users: &[u32], seconds: u64) -> Option<Disk> {
        let private = || {
            unshare(CloneFlags::CLONE_NEWNS)?;
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        };
        if let Err(error) = private() {
            eprintln!("skipped: a disk that fills up: no mount namespace here: {error}");
            return None;
        }
        let place = site.path("disk");
        std::fs::create_dir(&place).expect("a folder");
        let quotas = with_quotas(&site.path("image"), &place, users, SIZE + MORE * seconds / 1_024);
        if let Err(why) = &quotas {
            eprintln!("skipped: quotas of the kernel, a library stands in for them: {why}");
            let _ = umount2(&place, MntFlags::MNT_DETACH);
            let options = Some("mode=0711,size=400m");
            mount(Some("tmpfs"), &place, Some("tmpfs"), MsFlags::empty(), options).expect("a tmpfs");
        }
        Some(Disk { place, quotas: quotas.is_ok() })
    }

    pub fn has_quotas(&self) -> bool {
        self.quotas
    }

    /// Leaves `uid`, who has some files there, no room at all.
    pub fn exhaust(&self, uid: u32, which: Quota) {
        match which {
            Quota::Bytes => limit(&self.place, uid, AT, FILES),
            Quota::Files => limit(&self.place, uid, KIB, AT),
        }
        .expect("a quota");
    }

    /// Gives him his quota again.
    pub fn restore(&self, uid: u32) {
        limit(&self.place, uid, KIB, FILES).expect("a quota");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Its files may be open still; the folder must be empty for whoever removes it.
        let _ = umount2(&self.place, MntFlags::MNT_DETACH);
    }
}

/// A file system of so many MiB in the file `image`.
fn with_quotas(image: &Path, place: &Path, users: &[u32], mib: u64) -> Result<(), String> {
    let file = std::fs::File::create(image).expect("a file");
    file.set_len(mib << 20).expect("a hole");
    let (image, at) = (image.to_str().expect("a path"), place.to_str().expect("a path"));
    let make = "-q -F -O quota -E quotatype=usrquota,lazy_itable_init=0 -m 0 -i 2048 -J size=4";
    done(&[&["mkfs.ext4"], make.split(' ').collect::<Vec<_>>().as_slice(), &[image]].concat())?;
    done(&["mount", "-o", "loop,usrquota", image, at])?;
    for &uid in users {
        limit(place, uid, KIB, FILES)?;
    }
    std::fs::set_permissions(place, std::os::unix::fs::PermissionsExt::from_mode(0o711)).expect("a mode");
    Ok(())
}

fn limit(place: &Path, uid: u32, kib: u32, files: u32) -> Result<(), String> {
    let (uid, kib, files) = (uid.to_string(), kib.to_string(), files.to_string());
    done(&["setquota", "-u", &uid, &kib, &kib, &files, &files, place.to_str().expect("a path")])
}

/// Runs a command of root's; what it said if it failed, in a line.
fn done(words: &[&str]) -> Result<(), String> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new(words[0]).args(&words[1..]).env("PATH", path).env("LC_ALL", "C").output();
    let output = output.map_err(|error| format!("{}: {error}", words[0]))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
    if output.status.success() { Ok(()) } else { Err(format!("{}: {said}", words[0])) }
}

/// The library that stands in, made anew at `place`.
pub fn stand_in(place: &Path) {
    let source = place.with_extension("c");
    std::fs::write(&source, STAND_IN).expect("written");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(place).arg(&source).status();
    assert!(built.expect("cc, as Rust needs it").success());
}
