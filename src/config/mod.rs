//! The configuration: what a queue, a transport and a limit are set to.
//!
//! Kept true: a [`Config`] that exists is valid. Every queue names a transport that is defined, no limit is zero, and
//! no retry's `max` lies below its `first`; so the rest of the program does not check again. With no file at all,
//! [`Config::embedded`] is in force: queues `outbound`, `inbound` and `bounce`; mail leaves through the host's sendmail
//! command where there is one and into a Maildir where there is none. Where the only sendmail command is this program, the
//! transport `sendmail` is [`Transport::Ourselves`] until the file defines it: what would leave through it waits, and
//! [`Config::no_way_out`] says so of a queue.
//!
//! Each part has a file: what can be set there, what it is where nothing is said, and how its table is read. `reader` and
//! `values` read the single values for all of them, `settings` is all of them together. [`load`] reads the file, [`site`]
//! finds it and the spool, [`error`] says what is wrong.
#![forbid(unsafe_code)]

mod bounces;
mod drop;
mod environment;
pub mod error;
mod events;
mod limits;
pub mod load;
mod notices;
mod online;
mod pace;
mod queue;
mod reader;
mod scalar;
mod sendmail;
mod settings;
pub mod site;
mod suppress;
mod transport;
mod values;

pub use self::bounces::{Bounces, PassOn};
pub use self::drop::DropBounds;
pub use self::environment::{Environment, Host};
pub use self::error::ConfigError;
pub use self::events::Events;
pub use self::limits::Limits;
pub use self::notices::Notices;
pub use self::online::Online;
pub use self::pace::TransportPace;
pub use self::queue::{OnCrash, Queue, RESERVED, Retry, is_queue_name};
pub use self::reader::Origins;
pub use self::settings::Config;
pub use self::site::Site;
pub use self::transport::{Connect, Login, Mechanism, Profile, Protocol, Secret, Smtp, TlsMode, Transport, no_way_out};
