//! A template and a row become the bytes of one mail.
//!
//! What holds:
//! - **A value is text.** Whatever a row has, it never adds a header, a recipient, a part, a tag, a script, or anything that the
//!   template engine reads. What a value is in follows from the template alone (`syntax`, `html`), and where no escaping makes
//!   it safe there, the template is refused.
//! - **Each mail is the row's own.** Nothing of one row is left for the next (`renderer`).
//! - **The same row renders the same mail**, but for its Date: there is no clock, no randomness and no file to look at.
//! - **No template and no row takes more than is bounded** of stack (`tree`), of memory and steps (`syntax`, `expression`,
//!   `engine`): it is refused, or fails as a row.
//! - A mail is ASCII with lines of at most 998 bytes, each part in the transfer encoding that its text takes; an address in
//!   UTF-8 alone makes a header UTF-8 (RFC 6532).
//!
//! | file | what it does |
//! |---|---|
//! | `folder`, `sources`, `settings` | the template's files, which `folder` reads |
//! | `syntax`, `expression`, `tree`, `html`, `elements`, `unit`, `origin` | the rules for a text, and where an error is |
//! | `engine`, `straight`, `filters`, `number`, `escape`, `url` | rendering, and the escaping of values |
//! | `fields`, `mailbox`, `words`, `parameter` | header fields |
//! | `part`, `transfer`, `eml`, `plain`, `entity`, `message_id` | MIME |
//! | `template`, `layout` | compiled once |
//! | `renderer`, `mail`, `streamed` | a row at a time; `streamed` reads a row's large file |
//! | `warning`, `variety` | what is to be doubted |
//!
//! A template's errors come with file, line and column ([`TemplateError`]), a row's with what is wrong with it ([`RowError`]).

mod elements;
mod eml;
mod engine;
mod entity;
mod error;
mod escape;
mod expression;
mod fields;
mod filters;
mod folder;
mod html;
mod layout;
mod mail;
mod mailbox;
mod message_id;
mod number;
mod origin;
mod parameter;
mod part;
mod plain;
mod renderer;
mod settings;
mod sources;
mod straight;
mod streamed;
mod syntax;
mod template;
#[cfg(test)]
mod tests;
mod transfer;
mod tree;
mod unit;
mod url;
mod variety;
mod warning;
mod words;

pub use error::{Fault, Place, RowError, TemplateError};
pub use folder::ReadError;
pub use message_id::MessageIds;
pub use part::Attachment;
pub use renderer::{Rendered, Renderer};
pub use settings::Settings;
pub use sources::{BYTES_MAX, Sources};
pub use streamed::{IN_MEMORY_MAX, LargeFile, Segment, Streamed};
pub use template::Template;
pub use variety::Variety;
pub use warning::{HTML_MAX, Warning};
