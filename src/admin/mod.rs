//! The commands that look after what is there: a file or a folder for each, by its name. What several of them share lies
//! in `selecting`, `acting` and `printing`; what they show of mail in `drop/` in `in_drop`; and what a plain user sees in a
//! spool that is another's in `own_mail`.

mod acting;
pub mod bounces;
pub mod check;
pub mod config;
pub mod demo;
pub mod flush;
pub mod generate;
pub mod hold;
mod in_drop;
pub mod jobs;
pub mod list;
pub mod own_mail;
mod printing;
pub mod release;
pub mod remove;
pub mod requeue;
mod selecting;
pub mod show;
pub mod start;
pub mod status;
pub mod stop;
pub mod suppress;

pub use selecting::open_queues::QueueArgs;
pub use selecting::selection::Selection;
