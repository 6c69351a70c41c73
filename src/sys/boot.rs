//! Which start of this host we live in.

/// A number of this start of the kernel that no other has; `None` where it does not tell.
pub fn id() -> Option<u128> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    u128::from_str_radix(&text.trim().replace('-', ""), 16).ok()
}
