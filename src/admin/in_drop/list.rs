//! Mail in `drop/` as `list` prints it, after the entries.

use std::collections::HashMap;

use super::meant::{Meant, meant};
use super::row::DropRow;
use crate::admin::selecting::filter::Filter;
use crate::config::Site;
use crate::spool::drop::DropView;
use crate::spool::folders::UNKNOWN;
use crate::sys::nss;
use crate::sys::output::{self, Paper};

/// What a listing of `drop/` counted.
#[derive(Debug, Default)]
pub struct Listed {
    /// Mail that matched, and its bytes.
    pub files: u64,
    pub bytes: u64,
    /// Names that are no mail.
    pub junk: u64,
}

/// Prints the mail in `drop/` that matches, for all queues or for the one that was asked for.
pub fn list_drop(
    site: &Site,
    view: &DropView,
    asked: Option<&str>,
    filter: &Filter,
    json: bool,
    paper: &mut Paper,
) -> anyhow::Result<Listed> {
    // A name may cost a program's run, and users are few.
    let mut users = HashMap::new();
    let mut listed = Listed::default();
    for file in view.files()? {
        let file = file?;
        match meant(&site.config, &file) {
            Meant::Queue(queue) | Meant::Unknown(queue) if asked.is_some_and(|asked| asked != queue) => continue,
            Meant::Queue(_) | Meant::Unknown(_) => {}
            Meant::Nobody => {
                listed.junk += 1;
                continue;
            }
        }
        let Some(row) = DropRow::of(view, &site.config, &file).filter(|row| row.matches(filter)) else { continue };
        listed.files += 1;
        listed.bytes = listed.bytes.saturating_add(row.bytes());
        let user: &String = users.entry(row.file.uid).or_insert_with(|| user(row.file.uid));
        let path = output::name(view.path(&row.file.name).as_os_str());
        let page = if json { row.json(&path, user)? } else { row.page(&path, user) };
        if !paper.write(&page)? {
            break;
        }
    }
    Ok(listed)
}

/// A file's owner, for a person.
fn user(uid: u32) -> String {
    if uid == UNKNOWN { "an unknown user".to_owned() } else { nss::user_name(uid) }
}
