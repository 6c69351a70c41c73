//! Named fault points: the instants at which the crash tests kill a process or make a step fail.
//!
//! They exist with the cargo feature `faults` only; without it a point compiles to nothing. The environment variable
//! `BULKMAILER_FAULT` chooses one: `NAME`, `NAME:COUNT` (the COUNT-th passing), with `=kill` (the default: SIGKILL to
//! oneself), `=stop` (SIGSTOP) or the name of an error: `=enospc`, `=eio`, `=erofs`.

/// Passes the point `name`; an error if the test asked for one here.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_name: &str) -> std::io::Result<()> {
    Ok(())
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
    }

    static CHOSEN: OnceLock<Option<Fault>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    fn chosen() -> Option<Fault> {
        let text = std::env::var("BULKMAILER_FAULT").ok()?;
        let (point, action) = text.split_once('=').unwrap_or((&text, "kill"));
        let (name, count) = point.split_once(':').unwrap_or((point, "1"));
        Some(Fault { name: name.to_owned(), count: count.parse().ok()?, action: action.to_owned() })
    }

    pub fn point(name: &str) -> io::Result<()> {
        let Some(fault) = CHOSEN.get_or_init(chosen) else { return Ok(()) };
        if fault.name != name || PASSED.fetch_add(1, Ordering::Relaxed) + 1 != fault.count {
            return Ok(());
        }
        let errno = match fault.action.as_str() {
            "stop" => return Ok(raise(Signal::SIGSTOP)?),
            "enospc" => Errno::ENOSPC,
            "eio" => Errno::EIO,
            "erofs" => Errno::EROFS,
            _ => return Ok(raise(Signal::SIGKILL)?),
        };
        Err(errno.into())
    }
}
