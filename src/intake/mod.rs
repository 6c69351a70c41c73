//! The ways in: `submit`, the sendmail command's face, and SMTP.
//!
//! What holds: everything about the input is checked before the spool sees a byte of it, as far as it can be known before
//! the body was read; what turns out wrong while the body is read leaves nothing behind. The message's bytes stay as they
//! are, but for the fields that are added and Bcc, which is removed. No field that is added can hold a line break, because
//! each value is made by us or is an [`Address`](crate::model::Address).
//!
//! The parsers ([`header`], [`recipients`], [`mbox`], [`sendmail::parse`], [`smtpd`]) do no I/O of their own and are
//! public for the fuzz targets.

mod accept;
pub mod address_list;
pub mod adopt;
mod body;
mod classify;
mod dsn;
pub mod header;
pub mod host;
mod intake_batch;
mod letter;
mod maildir;
pub mod mbox;
pub mod merge;
mod option_values;
pub mod recipients;
mod refused;
pub mod sendmail;
pub mod smtpd;
mod submission;
pub mod submit;
mod way_in;
pub mod withdraw;

pub use refused::{Failure, Refused};
