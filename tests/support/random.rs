//! Random choices that a seed repeats.

/// What the environment variable `name` says, or `default` where it is missing or empty.
pub fn number_from(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).unwrap_or_default();
    if text.is_empty() { default } else { text.parse().expect("a number") }
}

/// splitmix64.
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    /// One of `all`.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }

    /// Waits for a random time below `most` microseconds, which is returned.
    pub fn pause(&mut self, most: u64) -> u64 {
        let micros = self.below(most.max(1));
        let until = std::time::Instant::now() + std::time::Duration::from_micros(micros);
        while let Some(left) = until.checked_duration_since(std::time::Instant::now()).filter(|left| !left.is_zero()) {
            std::thread::park_timeout(left);
        }
        micros
    }
}
