//! Who a user is, and where a host is: all look-ups in the host's databases.
//!
//! A program that is linked with glibc as usual asks NSS, which loads the modules of nsswitch.conf(5). One that has the C
//! library linked in must load none: they belong to the host's own C library, and meet one here that is not set up for
//! them; `systemd` dies of it. So it reads files alone, and DNS for hosts, whatever nsswitch.conf says
//! (`load_no_modules`), and asks getent(1), a program of the host's, for what these do not have. Any other C library
//! loads no modules, and is asked as it is.
//!
//! What holds: the C library's look-ups are called here alone, each behind `may_ask` (`tests/layers` sees to it); most
//! messages come in without one. No look-up is an error. A user whom nobody knows goes by number. A database that hangs
//! delays a process once, for five seconds. A supervisor asks nothing: what a run needs is asked by main before it forks, or
//! by a process that nobody waits for.

mod account;
mod answers;
mod getent;
mod passwd;

use std::ffi::CString;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::unistd::{Gid, Uid, User, initgroups, setgroups, setresgid, setresuid};

use self::account::Account;
use self::getent::{Database, Getent};
use super::process::is_root;

/// Whether the C library is glibc, and linked in.
const STATIC_GLIBC: bool = cfg!(all(target_env = "gnu", target_feature = "crt-static"));

/// What getent answered this process. It spares time and changes no answer; a forked child inherits what is known.
static GETENT: Mutex<Getent> = Mutex::new(Getent::new());

/// Whether the C library may be asked: it has been kept from loading modules. `false` only where memory is lacking.
fn may_ask() -> bool {
    static KEPT: OnceLock<bool> = OnceLock::new();
    *KEPT.get_or_init(|| load_no_modules().is_ok())
}

/// Keeps a C library that is linked in from loading modules.
///
/// Errors: those of memory. Then nothing may be looked up at all.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
fn load_no_modules() -> io::Result<()> {
    use std::ffi::{CStr, c_char, c_int};

    unsafe extern "C" {
        // <nss.h>
        fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
    }

    let files: [&CStr; 6] = [c"passwd", c"group", c"initgroups", c"shadow", c"gshadow", c"services"];
    let all = files.iter().map(|database| (*database, c"files")).chain([(c"hosts", c"files dns")]);
    for (database, services) in all {
        // SAFETY: both are NUL-terminated and live over the call, which copies them; nothing is looked up meanwhile, for
        // `may_ask` lets nobody through before.
        if unsafe { __nss_configure_lookup(database.as_ptr(), services.as_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Any other C library needs no such thing.
#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
fn load_no_modules() -> io::Result<()> {
    Ok(())
}

/// The user with this number. A database that cannot be read knows nobody. The first one that a process asks for, who
/// submits mail or runs it, is asked for once.
fn account(uid: u32) -> Option<Account> {
    static FIRST: OnceLock<(u32, Option<Account>)> = OnceLock::new();
    let (first, known) = FIRST.get_or_init(|| (uid, look_up(uid)));
    if *first == uid { known.clone() } else { look_up(uid) }
}

fn look_up(uid: u32) -> Option<Account> {
    if let Some(found) = STATIC_GLIBC.then(|| passwd::account(uid)).flatten() {
        return Some(found);
    }
    let local = may_ask().then(|| User::from_uid(Uid::from_raw(uid)).ok().flatten()).flatten();
    local.map(Account::of_files).or_else(|| answers::account(&elsewhere(Database::Passwd, &uid.to_string())?, uid))
}

/// What getent says, where the C library was not allowed to ask itself.
fn elsewhere(database: Database, key: &str) -> Option<String> {
    STATIC_GLIBC.then(|| GETENT.lock().unwrap_or_else(PoisonError::into_inner).ask(database, key)).flatten()
}

/// The login name of a user, or the number of one whom no database knows.
pub fn user_name(uid: u32) -> String {
    account(uid).map_or_else(|| uid.to_string(), |user| user.name)
}

/// A user's full name: the first part of the password entry's comment (passwd(5)), where `&` stands for the login name.
pub fn full_name(uid: u32) -> Option<String> {
    let user = account(uid)?;
    let name = user.gecos.split(',').next().unwrap_or("").replace('&', &user.name);
    (!name.trim().is_empty()).then(|| name.trim().to_owned())
}

/// A user's home directory.
pub fn home(uid: u32) -> Option<PathBuf> {
    account(uid).map(|user| user.home)
}

/// Number and group of the user called `name`.
pub fn ids(name: &str) -> Option<(u32, u32)> {
    let found = may_ask().then(|| User::from_name(name).ok().flatten()).flatten();
    let local = found.map(|user| (user.uid.as_raw(), user.gid.as_raw()));
    local.or_else(|| answers::ids(&elsewhere(Database::Passwd, name)?, name))
}

/// Becomes the user `uid` for good, with all groups of that user, where we are root and `uid` is not; `gid` is for one whom
/// no database knows.
///
/// Errors: those of setgroups(2), setresgid(2) and setresuid(2).
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    if !is_root() || uid == 0 {
        return Ok(());
    }
    let gid = match account(uid) {
        Some(user) => join_groups(&user)?,
        None => {
            setgroups(&[Gid::from_raw(gid)])?;
            Gid::from_raw(gid)
        }
    };
    let uid = Uid::from_raw(uid);
    setresgid(gid, gid, gid)?;
    Ok(setresuid(uid, uid, uid)?)
}

/// Joins the groups of `user`, and returns the one of the password entry.
fn join_groups(user: &Account) -> io::Result<Gid> {
    let gid = Gid::from_raw(user.gid);
    if user.elsewhere {
        let answer = elsewhere(Database::Initgroups, &user.name);
        let others = answer.and_then(|text| answers::groups(&text, &user.name)).unwrap_or_default();
        let others = others.into_iter().filter(|&other| other != user.gid).map(Gid::from_raw);
        setgroups(&std::iter::once(gid).chain(others).collect::<Vec<Gid>>())?;
    } else {
        // Where a file had the user, the C library was not asked yet.
        if !may_ask() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        initgroups(&CString::new(user.name.as_str())?, gid)?;
    }
    Ok(gid)
}

/// The addresses of `to`, a host or an address with a port: `mail.example.org:587`, `[2001:db8::1]:25`.
///
/// Errors: those of getaddrinfo(3), also where the host has no address.
pub fn addresses(to: &str) -> io::Result<Vec<SocketAddr>> {
    if !may_ask() {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let asked = to.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    let unknown = match asked {
        Ok(found) if !found.is_empty() => return Ok(found),
        Ok(_) => io::Error::other("the host has no address"),
        Err(error) => error,
    };
    let found = || {
        let (host, port) = to.rsplit_once(':')?;
        answers::addresses(&elsewhere(Database::Ahosts, host)?, port.parse().ok()?)
    };
    found().ok_or(unknown)
}
