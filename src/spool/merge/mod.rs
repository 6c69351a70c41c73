//! A merge in the spool: what its entries keep beside their heads, which are their rows and what came of them.

pub mod log;
pub mod rows;
