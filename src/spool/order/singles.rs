//! The lane of single entries: 256 folders by a hash of the id, so only a walk through all of them tells which is next.

use std::io;

use super::walk::{Name, Walk, open};
use crate::spool::names::{BUCKETS, bucket_path};
use crate::spool::quiet::{QuietWalk, Rest};

/// Fills the ring with the single entries that are due.
pub(super) fn walk(walk: &mut Walk<'_, '_>) {
    for bucket in 0..BUCKETS {
        let bucket = bucket as u8;
        if let Some(Rest(next)) = walk.queue.quiet.rests(&walk.queue.dir, bucket, walk.now) {
            walk.waits(next);
        } else if let Err(error) = walk_bucket(walk, bucket) {
            walk.fault(&bucket_path(bucket), error);
        }
    }
    walk.filling.sort();
}

fn walk_bucket(walk: &mut Walk<'_, '_>, bucket: u8) -> io::Result<()> {
    let Some(mut names) = open(walk.queue, &bucket_path(bucket))? else { return Ok(()) };
    let mut watch = QuietWalk::begin(bucket, &names, walk.now);
    while let Some(name) = names.next_with(|name| walk.read(name)) {
        match name? {
            Name::Due(name) => {
                watch = None;
                walk.filling.offer(name);
            }
            Name::Noted => watch = None,
            Name::Waits { due, at } => {
                watch.iter_mut().for_each(|watch| watch.waits(due, at));
                walk.waits(Some(due));
            }
        }
    }
    watch.into_iter().for_each(|watch| walk.queue.quiet.note(watch));
    Ok(())
}
