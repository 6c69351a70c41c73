//! Transports: `[transport.NAME]`, one table for all kinds of them.

mod connect;
pub(super) mod keys;
mod kind;
mod login;
mod program;
mod smtp;
mod table;
mod way_out;

pub use self::connect::{Connect, TlsMode};
pub use self::kind::TransportKind;
pub use self::login::{Login, Mechanism, Secret};
pub use self::program::Profile;
pub use self::smtp::{Protocol, Smtp};
pub(super) use self::table::{TIMEOUT, TransportTable};
pub use self::way_out::{Transport, no_way_out};
