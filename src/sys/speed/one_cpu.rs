//! Staying on one processor: a worker that starts one short command after another is moved about by the kernel at each
//! start, and so is its child, and both meet cold caches. The command itself gets all processors back
//! ([`Spawner`](crate::sys::spawn::Spawner)).
//!
//! Measured with four workers on two processors: a fifth more messages a second.

use std::io;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::libc;

/// The processors that this process had before it stayed on one.
static ALL_CPUS: OnceLock<libc::cpu_set_t> = OnceLock::new();

/// Keeps this process on the `index`-th of its processors, counted round and round. Commands that it starts are free.
pub fn stay_on_one_cpu(index: usize) -> io::Result<()> {
    // SAFETY: a cpu_set_t is a plain bit field, for which zeros are valid.
    let (mut all, mut one): (libc::cpu_set_t, libc::cpu_set_t) = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: the kernel writes at most `size` bytes into `all`.
    Errno::result(unsafe { libc::sched_getaffinity(0, size, &mut all) })?;
    // SAFETY: the macros of CPU_SET(3) check the number against the set's size, which bounds it here besides.
    let mine: Vec<usize> = (0..8 * size).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &all) }).collect();
    let Some(&cpu) = mine.get(index % mine.len().max(1)) else { return Ok(()) };
    // SAFETY: as above.
    unsafe { libc::CPU_SET(cpu, &mut one) };
    let _ = ALL_CPUS.set(all);
    // SAFETY: `one` is a valid set of `size` bytes.
    Errno::result(unsafe { libc::sched_setaffinity(0, size, &one) })?;
    Ok(())
}

/// The processors that this process had before it stayed on one; `None` if it does not.
pub fn all_cpus() -> Option<&'static libc::cpu_set_t> {
    ALL_CPUS.get()
}
