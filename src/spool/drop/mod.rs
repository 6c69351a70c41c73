//! `drop/`: where users who may not write in the spool hand mail in, with no set-id bit anywhere.
//!
//! The folder has mode 3733 and belongs to the spool's owner: anybody may put a file there, only the spool's owner may
//! list them, and only he and its writer may remove one. A drop file is `<queue>.<unique>`, or `<queue>.<due>@<unique>`
//! where its user asked for a time, and looks like an entry; its writer makes it without a name, gives it mode 0640 (the
//! folder's group is the service's), links it and syncs.
//!
//! The queue's supervisor adopts it under the queue's lock (`intake::adopt`): **copied**, because its writer can go on
//! changing it or lock it, under an id that follows from the file and counts once, so that a kill between the copy and
//! the unlink queues nothing twice. Nothing in the file is believed but sender, recipients, message and the options that
//! `sendmail` has: the user is the file's owner, as the kernel says.
//!
//! Kept true by [`SpoolQueue::open_dropped`](crate::spool::SpoolQueue::open_dropped): no link is followed, no FIFO is waited
//! for, and a file with a second name (which its owner may not have put there) is not taken.

pub mod access;
mod adopter;
mod folder;
mod names;
pub mod request;
mod view;

pub use self::adopter::{DropName, Dropped, NO_DROP, Unfit};
pub use self::folder::{DropDraft, DropFolder, LinkedFiles, is_there};
pub use self::names::queue_of;
pub use self::view::{DropFile, DropView, Waiting};
