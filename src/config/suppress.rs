//! A file of addresses that list posts do not go to: `[suppress]`.

use std::path::PathBuf;

use super::form::Form;
use super::key::Key;
use super::table::Table;

pub(super) const TABLE: Table<Option<PathBuf>> =
    Table { name: "suppress", about: "A file of addresses that list posts do not go to.", keys: KEYS };

type SuppressKey = Key<Option<PathBuf>>;

const KEYS: &[SuppressKey] = &[SuppressKey::new(
    "file",
    Form::Path(|file| file),
    "A file with addresses that no list post goes to, one a line.
    Blank lines, and those that begin with
    .Sq # ,
    are passed over; case does not count.
    It is read at each
    .Ic submit --recipients ;
    where it is missing or no regular file, or a line is no address, nothing is
    queued, and the status is 78.",
)
.otherwise("Default: none.")
.example("\"/etc/bulkmailer.suppress\"")];
