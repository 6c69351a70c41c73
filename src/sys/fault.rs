//! Named fault points: the instants at which the crash tests kill a process or make a step fail.
//!
//! They exist with the cargo feature `faults` only; without it a point compiles to nothing. The environment variable
//! `BULKMAILER_FAULT` chooses some, divided by commas: `NAME`, `NAME:COUNT` (the COUNT-th passing in a process, where a
//! forked one goes on counting), with `=kill` (the default: SIGKILL to oneself), `=stop` (SIGSTOP) or the name of an
//! error: `=enospc`, `=efbig`, `=eio`, `=erofs`. With `BULKMAILER_FAULT_ONCE=PATH` only the first process to come there is hit: it
//! makes the file PATH, which also tells the test that the point was met.

/// Passes the point `name`, where a step may fail; an error if the test asked for one here.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_name: &str) -> std::io::Result<()> {
    Ok(())
}

/// Passes the point `name`, between two steps: one can only be killed or stopped here.
#[inline(always)]
pub fn instant(name: &str) {
    // Nothing can fail at an instant, so an error that is asked for is none.
    let _ = point(name);
}

#[cfg(feature = "faults")]
pub use armed::point;

#[cfg(feature = "faults")]
mod armed {
    use std::io;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::errno::Errno;
    use nix::sys::signal::{Signal, raise};

    struct Fault {
        name: String,
        count: u64,
        action: String,
        passed: AtomicU64,
    }

    static CHOSEN: OnceLock<Vec<Fault>> = OnceLock::new();

    fn chosen() -> Vec<Fault> {
        let text = std::env::var("BULKMAILER_FAULT").unwrap_or_default();
        let fault = |one: &str| {
            let (point, action) = one.split_once('=').unwrap_or((one, "kill"));
            let (name, count) = point.split_once(':').unwrap_or((point, "1"));
            let count = count.parse().ok()?;
            Some(Fault { name: name.to_owned(), count, action: action.to_owned(), passed: AtomicU64::new(0) })
        };
        text.split(',').filter_map(fault).collect()
    }

    /// Whether this process is the first to be hit, or all are to be.
    fn is_my_turn() -> bool {
        std::env::var_os("BULKMAILER_FAULT_ONCE").is_none_or(|path| std::fs::File::create_new(path).is_ok())
    }

    pub fn point(name: &str) -> io::Result<()> {
        for fault in CHOSEN.get_or_init(chosen).iter().filter(|fault| fault.name == name) {
            if fault.passed.fetch_add(1, Ordering::Relaxed) + 1 == fault.count && is_my_turn() {
                return strike(&fault.action);
            }
        }
        Ok(())
    }

    fn strike(action: &str) -> io::Result<()> {
        let errno = match action {
            "stop" => return Ok(raise(Signal::SIGSTOP)?),
            "enospc" => Errno::ENOSPC,
            "efbig" => Errno::EFBIG,
            "eio" => Errno::EIO,
            "erofs" => Errno::EROFS,
            _ => return Ok(raise(Signal::SIGKILL)?),
        };
        Err(errno.into())
    }
}
