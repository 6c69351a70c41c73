//! What the kernel can do for speed alone. Nothing here matters for safety: each may be deleted, with the line that calls
//! it.

pub mod apart;
pub mod closer;
pub mod one_cpu;
pub mod read_ahead;
