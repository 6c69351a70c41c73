//! What `hold`, `release`, `requeue` and `remove` share: a person decides about entries, and it is done to each.

mod act;
pub mod ask;
pub mod decide;
pub mod faults;
pub mod in_order;
mod merges;
pub mod verb;
