//! What the threads of a process share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks what no panic leaves half changed.
pub fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
