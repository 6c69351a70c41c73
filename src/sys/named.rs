//! Files that somebody names, in an option, the configuration or the environment: a device that never ends, a FIFO that
//! nobody writes to, or a file beyond all bounds must not keep this program, nor what it starts.
//!
//! What holds: [`open`] never waits and brings a regular file, or `/dev/null` for an empty one; [`read`] is bounded besides.
//! Where a stream is meant (a message, a list of recipients), whoever reads it bounds its lines instead.

use std::env;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The most bytes of a time zone, or of another file that a library reads because a variable names it.
const LARGEST: u64 = 1 << 20;
/// Where time zones lie, unless `TZDIR` names a folder.
const ZONES: [&str; 3] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];
/// Variables that name a file which the C library's resolver reads to its end (hostname(7), resolver(3)).
const LISTS: [&str; 2] = ["HOSTALIASES", "RESOLV_HOST_CONF"];

/// Opens the regular file at `path`, or `/dev/null`.
///
/// Errors: those of open(2); it is something else.
pub fn open(path: &Path) -> io::Result<File> {
    // Without O_NONBLOCK the open of a FIFO would wait for somebody to write.
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() || is_null(path) {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no regular file"))
}

/// What the regular file at `path` holds.
///
/// Errors: those of [`open`] and read(2); it has more than `most` bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // A time zone is read by one call.
    let mut bytes = Vec::with_capacity(4 << 10);
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

pub(super) fn is_null(path: &Path) -> bool {
    path == Path::new("/dev/null")
}

/// Takes variables out of the environment that lead a library to a file without an end, so that neither we nor what we
/// start reads it: the host's time zone is used, and no list. A variable that is not set costs nothing.
///
/// This process must have one thread.
pub fn refuse_endless() {
    if zone_files().iter().any(|path| is_endless(path)) {
        forget("TZ");
        forget("TZDIR");
    }
    for name in LISTS {
        if env::var_os(name).is_some_and(|path| is_endless(Path::new(&path))) {
            forget(name);
        }
    }
}

fn forget(name: &str) {
    // SAFETY: by the contract of `refuse_endless` no other thread reads the environment meanwhile.
    unsafe { env::remove_var(name) };
}

/// Whether reading it could take for ever. What is not there is read by nobody.
fn is_endless(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| (!meta.is_file() || meta.len() > LARGEST) && !is_null(path))
}

/// The files that `TZ` may name (tzset(3)); none where it is not set, or empty.
fn zone_files() -> Vec<PathBuf> {
    let Some(zone) = env::var_os("TZ") else { return Vec::new() };
    let name = zone.as_bytes();
    match name.strip_prefix(b":").unwrap_or(name) {
        b"" => Vec::new(),
        // Joined to a folder, an absolute path stays what it is.
        name => files_of(OsStr::from_bytes(name)),
    }
}

/// The files that may have the rules of the zone `name`.
fn files_of(name: &OsStr) -> Vec<PathBuf> {
    let folders = match env::var_os("TZDIR") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => ZONES.map(PathBuf::from).to_vec(),
    };
    folders.into_iter().map(|folder| folder.join(name)).collect()
}

/// The rules of the zone `name` (RFC 9636); `None` if there are none.
pub fn zone_called(name: &str) -> Option<Vec<u8>> {
    files_of(OsStr::new(name)).iter().find_map(|path| read(path, LARGEST).ok())
}

/// The time zone that this process is in.
#[derive(Debug, PartialEq, Eq)]
pub enum Zone {
    /// A file of rules (RFC 9636).
    Rules(Vec<u8>),
    /// What `TZ` says, and no file: rules in the form of POSIX, or nothing.
    Said(String),
    /// The host says nothing.
    Utc,
}

/// Reads the time zone: what `TZ` names, else `/etc/localtime`. The zone database is never listed, which would take twice
/// the time that queueing a message takes.
pub fn zone() -> Zone {
    let rules = |path: &Path| read(path, LARGEST).ok();
    match env::var_os("TZ") {
        None => rules(Path::new("/etc/localtime")).map_or(Zone::Utc, Zone::Rules),
        Some(said) => {
            let file = zone_files().iter().find_map(|path| rules(path));
            file.map_or_else(|| Zone::Said(said.to_string_lossy().into_owned()), Zone::Rules)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_opened_and_nobody_is_waited_for() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (fifo, file) = (temp.path().join("fifo"), temp.path().join("file"));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        std::fs::write(&file, "12345").expect("written");
        for bad in [&fifo, Path::new("/dev/zero"), Path::new("/proc"), temp.path()] {
            assert_eq!(open(bad).expect_err("refused").to_string(), "this is no regular file", "{}", bad.display());
            assert!(is_endless(bad));
        }
        assert_eq!(read(&file, 5).expect("all of it"), b"12345");
        assert!(read(&file, 4).expect_err("too large").to_string().contains("more than 4 bytes"));
        assert_eq!(read(Path::new("/dev/null"), 4).expect("empty"), b"");
        assert!(!is_endless(&file) && !is_endless(Path::new("/dev/null")) && !is_endless(&temp.path().join("none")));
        File::create(&file).and_then(|file| file.set_len(LARGEST + 1)).expect("a sparse file");
        assert!(is_endless(&file));
    }
}
