//! The binary: everything it does is in the library, so that tests, benches and fuzz targets reach it.

fn main() -> std::process::ExitCode {
    bulkmailer::cli::main()
}
