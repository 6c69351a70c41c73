//! Transports: `[transport.NAME]`, one table for all kinds of them.

mod connect;
mod kind;
mod login;
mod program;
mod smtp;
mod table;

pub use self::connect::{Connect, TlsMode};
pub use self::kind::{Transport, no_way_out};
pub use self::login::{Login, Mechanism, Secret};
pub use self::program::Profile;
pub use self::smtp::{Protocol, Smtp};
pub(super) use self::table::{Section, TIMEOUT, Table};
