//! A merge in the spool: what its entries keep beside their heads.

pub mod log;
