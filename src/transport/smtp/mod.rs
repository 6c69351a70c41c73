//! The smtp and lmtp transports: a dialogue with a server, kept from one message to the next (RFC 5321, RFC 2033).
//!
//! What holds:
//! - a recipient is delivered to by a positive reply to the message's end, and by nothing else; each is answered by itself;
//! - whatever is lost before a message's last byte left concerns the session: it is tried once more on a fresh one where
//!   the session was not fresh, since many servers end one when they please, and else nobody knows who is to blame;
//! - what is lost afterwards is unknown;
//! - a server that cannot be reached, or does not let us in, is no message's fault. Of several servers the next one has its
//!   turn, and one that failed, or refused what it blames this host for, is left out for a while;
//! - a refusal of MAIL, and one whose words blame this host, is in doubt ([`crate::policy::blame`]): it may concern this
//!   message or all.
//!
//! `sink` hands over to a session with one of the `servers`: `opening` is how that begins, `session` the dialogue,
//! `attempt` one message's way through it, `verdict` what the replies come to. `channel` is the bytes; [`reply`],
//! `commands` and `content` are what goes either way.

mod attempt;
mod auth;
mod channel;
mod commands;
mod content;
mod offers;
mod opening;
pub mod reply;
mod servers;
mod session;
mod sink;
mod times;
mod tls;
mod verdict;

pub use self::sink::Smtp;
