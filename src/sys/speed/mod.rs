//! What the kernel can do for speed alone. Nothing here matters for safety: each may be deleted, with what calls
//! it: a line, but for [`one_cpu`], whom the spawner of commands undoes, and [`closer`], whose owner may not fork any more.

pub mod apart;
pub mod closer;
pub mod one_cpu;
pub mod read_ahead;
