//! What is handed over next: the way through the entries of a pass.

use super::board::{Counter, List};
use super::context::{Context, SEARCH};
use crate::model::EntryId;
use crate::queue::{Claim, Found, Queue, Which};
use crate::sys::clock;

/// How many entries in a row are passed over that `waits` is true for.
const PASSED: usize = 64;

/// Claims the next entry that is due, of those that `which` asks for, but for those that `waits` is true for: their job waits for
/// its rate. `None`: there is none, or nothing more is claimed.
///
/// What cannot be read or claimed is said, what a newer program made is counted, and the one after it is looked for.
pub(super) fn next<Q: Queue>(
    context: &Context<'_, Q>,
    cursor: &mut Q::Cursor,
    which: Which,
    waits: &dyn Fn(&EntryId) -> bool,
) -> Option<Q::Claim> {
    let (board, slot) = (context.board, context.slot);
    let mut passed = 0;
    while !context.is_over() && passed < PASSED {
        // A worker that dies from here on is known to have died of this entry.
        let mut reach = |id: &EntryId| {
            if waits(id) {
                passed += 1;
                return false;
            }
            slot.begin(id, SEARCH);
            !board.is_listed(List::Stuck, id) && !board.newer().has(id)
        };
        match context.queue.claim(cursor, which, clock::now(), &mut reach) {
            // It was listed while we locked it.
            Ok(Found::Claim(claim)) if board.is_listed(List::Stuck, claim.id()) => {}
            Ok(Found::Claim(claim)) => {
                board.add(Counter::Claims, 1);
                return Some(claim);
            }
            Ok(Found::Corrupt { name, why }) => {
                board.add(Counter::Corrupt, 1);
                context.say(&format!("{name}: {why}; moved to corrupt/, see 'bulkmailer check'"));
            }
            // Another worker met it at the same time, and said so.
            Ok(Found::Fault { id, .. }) if board.is_listed(List::Stuck, &id) => {}
            Ok(Found::Fault { id, error }) => context.stick(&id, &error),
            Ok(Found::Newer { id, newer }) => {
                board.newer().note(&id, &newer);
                slot.idle();
            }
            Ok(Found::Later) => slot.idle(),
            Ok(Found::Nothing) => break,
            // A folder that cannot be listed is met again in the next pass.
            Err(error) => context.fault(&error),
        }
    }
    None
}
