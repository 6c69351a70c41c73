//! Where to begin: workers that walk the same tree begin at different places of it.

use crate::sys::random;

/// A small generator (xorshift64*) for where to begin; nothing secret depends on it.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Seeded by the kernel, so that workers forked in the same microsecond go different ways.
    pub fn new() -> Random {
        let seed = random::number().unwrap_or_else(|| u64::from(std::process::id()));
        Random(seed | 1)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound.max(1)
    }
}
