//! Rows that attach a file of their own.

use std::path::Path;

use super::*;
use crate::spool::merge::attachment;

/// A merge of four rows, each with a file of its own in `files`; `how` tells of a row whether it names that, and whether it has
/// the mark of a check.
pub(super) fn with_files(
    queue: &SpoolQueue,
    files: &Path,
    per_entry: u64,
    how: impl Fn(u64) -> (bool, bool),
) -> EntryId {
    let folder = files.to_str().expect("text");
    let settings = format!("attachment = 'file'\nattachment_folder = '{folder}'\n");
    let texts =
        [("headers", "From: s@x.org\nTo: {{ email }}\n"), ("text", "Hello\n"), ("merge.toml", settings.as_str())];
    let sources = Sources::new(texts.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into());
    let columns = Columns::new(vec!["email".to_owned(), "file".to_owned()]).expect("columns");
    let origin =
        Origin { submitted: clock::now(), uid: 7, body: None, notify: None, ret: None, envid: None, verp: None };
    let id = EntryId::new(clock::now());
    let like = Envelope { id, sender: None, recipients: Vec::new(), fields: Fields::default(), origin };
    let common =
        Common { sources: &sources, columns: &columns, address: "email", host: "x.org", window: None, rate: None };
    let mut draft = queue.merge(like, PostFile { per_entry, ..PostFile::default() }, common).expect("a draft");
    let off = queue.off_limits().expect("a look");
    for n in 1..=4 {
        let (name, (is_named, is_marked)) = (format!("{n}.txt"), how(n));
        std::fs::write(files.join(&name), format!("for {n}")).expect("written");
        let mark = attachment::open(files, &name, &off).expect("it is there").1;
        let cell = if is_named { Cell::Text(name) } else { Cell::Null };
        let row = Row { number: n, cells: vec![Cell::Text(address(n).to_string()), cell] };
        draft.add(&row, address(n), None, is_marked.then_some(mark)).expect("added");
    }
    let id = draft.id().clone();
    draft.commit((0, 0)).expect("published");
    id
}

#[test]
fn a_row_attaches_the_file_that_was_checked_and_no_other() {
    let (site, files) = (site(), tempfile::tempdir().expect("a folder"));
    // The third was not checked, the last attaches nothing.
    with_files(&site.queue, files.path(), 9, |n| (n < 4, n < 3));
    std::fs::write(files.path().join("2.txt"), "for another").expect("changed");
    let claim = next(&site.queue).expect("a claim");
    let mail = text(&claim, 0);
    assert!(mail.contains("name=1.txt") || mail.contains("\"1.txt\""), "{mail}");
    for (row, why) in [(1, "changed since"), (2, "not checked")] {
        let Err(NoMessage::PutBack(reason)) = claim.message(&[row], true) else { panic!("row {row}") };
        assert!(reason.text.contains(why) && reason.status.as_deref() == Some("5.6.0"), "{reason:?}");
    }
    assert!(!text(&claim, 3).contains(".txt"), "it attaches nothing");
}
