//! Mail in `drop/` that a command was given by its id or its name.

use super::meant::drop_view;
use super::row::DropRow;
use crate::config::Site;
use crate::model::Exit;
use crate::spool::drop::DropView;
use crate::sys::output::{self, warning};

/// Shows `each` the mail in `drop/` whose entry will have one of these ids, or that has one of these names, until it
/// answers `false`.
pub fn each_named(
    site: &Site,
    ids: &[String],
    each: &mut dyn FnMut(&DropView, DropRow<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let Some(view) = drop_view(site)? else { return Ok(()) };
    for file in view.files()? {
        let file = file?;
        let Some(row) = DropRow::of(&view, &site.config, &file) else { continue };
        let (label, name) = (row.label(), output::name(&file.name));
        if ids.iter().any(|id| *id == label || *id == name) && !each(&view, row)? {
            break;
        }
    }
    Ok(())
}

/// Says which of these ids are in `drop/` still, where a command finds no such entry: it acts on entries alone.
pub fn explain(site: &Site, ids: &[String]) -> anyhow::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut left = ids.len();
    each_named(site, ids, &mut |view, row| {
        match &row.content {
            Ok(_) => warning!("{}: it is in drop/ still: the next run takes it up", row.label()),
            Err(why) => {
                let path = output::name(view.path(&row.file.name).as_os_str());
                warning!("{path}: it cannot be taken up: {why}; remove it once you have looked");
            }
        }
        left -= 1;
        Ok(left > 0)
    })
}

/// Says what to do instead, to who would act on files in `drop/`.
pub fn refuse(verb: &str) -> Exit {
    warning!("{verb}: mail in drop/ is no entry yet: 'bulkmailer run' takes it up; remove a file there with rm(1)");
    Exit::Usage
}
