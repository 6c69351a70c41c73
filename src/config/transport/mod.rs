//! Transports: `[transport.NAME]`, one table for all kinds of them.

mod connect;
mod draft;
pub(super) mod keys;
mod kind;
mod login;
mod program;
mod smtp;

pub use self::connect::{Connect, TlsMode};
pub(super) use self::draft::{Draft, TIMEOUT};
pub use self::kind::{Transport, no_way_out};
pub use self::login::{Login, Mechanism, Secret};
pub use self::program::Profile;
pub use self::smtp::{Protocol, Smtp};
