//! `--send-test`: the message of one row, to another address, as a single mail.

use super::error::MergeError;
use super::judge::Plan;
use crate::intake::submission::Submission;
use crate::intake::way_in::WayIn;
use crate::model::{Address, Cell, EntryId, Row};

/// Queues the message of `row` to `to`, who stands in the row's place; the entry's id.
///
/// Errors: the row is bad; those of the spool.
pub fn send(plan: &Plan<'_>, what: &str, way: &WayIn<'_>, mut row: Row, to: &Address) -> Result<EntryId, MergeError> {
    let number = row.number;
    if let Some(at) = plan.columns.position(&plan.template.settings().address)
        && let Some(cell) = row.cells.get_mut(at)
    {
        *cell = Cell::Text(to.to_string());
    }
    let mut judge = plan.judge();
    let bad = |why: String| MergeError::BadRow { what: what.to_owned(), number, why };
    let (_, message) = judge.mail(&row).map_err(|reason| bad(reason.what))?;
    let submission =
        Submission { sender: Some(plan.sender.cloned()), recipients: vec![to.clone()], ..Submission::default() };
    let accepted = way.single(submission, &mut &*message)?;
    Ok(accepted.id)
}
