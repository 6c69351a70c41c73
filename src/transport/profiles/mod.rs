//! What an exit status of a sendmail means and what its command line knows, by the MTA that it belongs to.

mod behaviour;
mod recognise;
mod said;
mod table;

pub use self::behaviour::Behaviour;
pub use self::recognise::resolve;
pub use self::said::with_said;
pub use self::table::program;
