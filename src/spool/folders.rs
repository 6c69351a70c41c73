//! What the spool's own files and folders are called, and who may do what in those for other users.

/// Where the drop folder lies, seen from a queue.
pub(super) const BESIDE: &str = "../drop";
/// Sticky, its group inherited, and open to all for everything but listing.
pub(super) const DROP_MODE: u32 = 0o3733;
/// A spool with a drop folder lets others through, but not look.
pub(super) const OPEN_MODE: u32 = 0o711;
/// The owner of a name there that cannot be looked at: no user's number (credentials(7)).
pub const UNKNOWN: u32 = u32::MAX;
/// What a `drop/` is called while it is made.
pub(super) const NEW_DROP: &str = ".drop.new";

#[cfg(test)]
mod tests {
    use super::BESIDE;
    use crate::model::reserved::DROP;

    #[test]
    fn the_drop_folder_has_one_name() {
        assert_eq!(BESIDE, format!("../{DROP}"));
    }
}
