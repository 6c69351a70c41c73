//! Numbers that nobody can guess, from the kernel.

/// A random number; `None` where the kernel has none to give.
pub fn number() -> Option<u64> {
    let mut bytes = [0u8; 8];
    // SAFETY: the buffer is as long as is said. Before the pool is initialised (early boot) this waits; afterwards so few
    // bytes always come whole.
    let got = unsafe { nix::libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    (usize::try_from(got) == Ok(bytes.len())).then(|| u64::from_ne_bytes(bytes))
}
