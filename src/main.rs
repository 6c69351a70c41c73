//! The binary: everything it does is in the library, so that tests, benches and fuzz targets reach it.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented
    )
)]

fn main() -> std::process::ExitCode {
    bulkmailer::cli::main()
}
