//! The configuration: what a queue, a transport and a limit are set to.
//!
//! Kept true: a [`Config`] that exists is valid. Every queue names a transport that is defined, no limit is zero, and
//! no retry's `max` lies below its `first`; so the rest of the program does not check again. With no file at all,
//! [`Config::embedded`] is in force: queues `outbound`, `inbound` and `bounce`; mail leaves through the host's sendmail
//! command where there is one and into a Maildir where there is none. Where the only sendmail command is this program,
//! the transport `sendmail` is [`Transport::Ourselves`] until the file defines it: mail that would leave through it
//! waits, and [`Config::no_way_out`] reports a queue that uses it.
//!
//! Each part has a file: its typed values with their defaults, and its `TABLE`, where each key is declared once (`key`).
//! What reads the file, prints it (`reference`) and describes it in the manual and the sample follows from these
//! declarations: a new key is a field with its default and one entry in a list. How two keys depend on each other is
//! checked by the `settle` of their part after its table was read. `settings` is all parts together, [`load`] reads
//! them, [`site`] finds the file and the spool, [`error`] says what is wrong.

mod bounces;
mod choice;
mod drop;
mod environment;
pub mod error;
mod events;
mod form;
mod key;
mod limits;
pub mod load;
mod nearest;
mod notices;
mod online;
mod pace;
mod queue;
mod reader;
pub mod reference;
mod scalar;
mod sendmail;
mod settings;
pub mod site;
mod suppress;
mod table;
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
pub use self::queue::{OnCrash, Queue, Retry, is_queue_name};
pub use self::reader::Origins;
pub use self::settings::Config;
pub use self::site::Site;
pub use self::transport::{
    Connect, Login, Mechanism, Profile, Protocol, Secret, Smtp, TlsMode, Transport, TransportKind, no_way_out,
};
