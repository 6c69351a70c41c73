//! The binary: everything it does is in the library, so that tests, benches and fuzz targets reach it.
#![cfg_attr(not(test), no_main)]

#[cfg(not(test))]
bulkmailer::begin!(bulkmailer::cli::main);
