//! What went wrong, as an exit status (sysexits.h).

use crate::config::ConfigError;
use crate::intake::{Failure, Refused};
use crate::model::Exit;
use crate::queue::QueueError;

/// The status of a command line that clap did not take; prints its message. `--help` and `--version` are no errors.
pub fn of_usage(error: &clap::Error) -> Exit {
    // Nobody is left to tell if this fails.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

/// The status of an error, by the innermost cause that is one of ours.
pub fn of_error(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<QueueError>() {
            return error.exit();
        }
        // A transparent error is not in the chain beneath the one that it is wrapped in.
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.exit();
        }
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return refused.exit();
        }
        if cause.is::<ConfigError>() {
            return Exit::Config;
        }
        if cause.is::<crate::model::id::BadId>() || cause.is::<crate::model::address::BadAddress>() {
            return Exit::Usage;
        }
        if cause.is::<std::io::Error>() {
            return Exit::IoErr;
        }
    }
    Exit::Attention
}
