//! A request in `drop/`: a user takes back mail of his own that waits in a spool that is another's.
//!
//! It is called `<queue>.remove-<id>`, with an id of its own, and holds one line: `{"v":1,"remove":["<id>",…]}`. It is
//! made, linked and synced as a drop file is, with mode 0640, and whoever adopts mail reads it under the queue's lock. Whose
//! it is says the file's owner; nothing but ids is taken from it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;

use serde::{Deserialize, Serialize};

use super::folder::DropFolder;
use crate::model::reserved::DROP;
use crate::model::{EntryId, id};
use crate::queue::QueueError;
use crate::sys::durable::{self, Unnamed};
use crate::sys::{clock, fault};

/// The most ids of one request.
pub const IDS_MAX: usize = 200;
/// The most bytes of one: that many ids in quotes, with a comma each.
const BYTES_MAX: usize = 64 + IDS_MAX * (id::MAX_LEN + 3);
const FORMAT: u32 = 1;
/// What the name of a request has after its queue's.
const PREFIX: &str = "remove-";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    v: u32,
    remove: Vec<EntryId>,
}

/// Whether a file in `drop/` with this name is a request, and no mail.
pub fn is_request(name: &str) -> bool {
    let unique = name.split_once('.').and_then(|(_, rest)| rest.strip_prefix(PREFIX));
    unique.is_some_and(|unique| unique.parse::<EntryId>().is_ok())
}

/// Reads a request: at most [`IDS_MAX`] ids, at least one.
///
/// Errors: it cannot be read, or is none.
pub fn read(file: impl Read) -> Result<Vec<EntryId>, String> {
    let mut bytes = Vec::new();
    file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    parse(&bytes)
}

/// What a request with these bytes asks for.
///
/// Errors: it is none, in words for whoever looks after the spool.
pub fn parse(bytes: &[u8]) -> Result<Vec<EntryId>, String> {
    if bytes.len() > BYTES_MAX {
        return Err(format!("it is longer than any request, which has {IDS_MAX} ids at most"));
    }
    let Some(line) = bytes.strip_suffix(b"\n") else {
        return Err("it is no request: its line has no end".to_owned());
    };
    let request: Request = serde_json::from_slice(line).map_err(|error| format!("it is no request: {error}"))?;
    match request {
        Request { v, .. } if v != FORMAT => {
            Err(format!("it is a request of form {v}, and this bulkmailer knows {FORMAT}"))
        }
        Request { remove, .. } if remove.is_empty() => Err("it is a request for nothing".to_owned()),
        Request { remove, .. } if remove.len() > IDS_MAX => Err(format!("it asks for more than {IDS_MAX} entries")),
        Request { remove, .. } => Ok(remove),
    }
}

impl DropFolder {
    /// Asks the next run of `queue` to remove these entries, in as many requests as it takes. When this returns, they would
    /// survive a power cut.
    ///
    /// Errors: they may not, and were taken back, but for those that a run has read already.
    pub fn ask_to_remove(&self, queue: &str, ids: &[EntryId]) -> Result<(), QueueError> {
        let (mut names, mut last) = (Vec::new(), None);
        let steps = || -> io::Result<()> {
            for ids in ids.chunks(IDS_MAX) {
                let (name, file) = self.write_request(queue, ids)?;
                names.push(name);
                last = Some(file);
            }
            fault::point("request.sync")?;
            last.map_or(Ok(()), durable::sync_file_system)
        };
        steps().map_err(|error| {
            names.iter().for_each(|name| self.unlink(name));
            self.failed("write a request")(error)
        })
    }

    /// Writes and links one request; its name is returned, and its file, still open.
    fn write_request(&self, queue: &str, ids: &[EntryId]) -> io::Result<(String, File)> {
        let unique = EntryId::new(clock::now());
        let file = Unnamed::create(&self.dir, DROP, &format!(".{unique}"))?;
        let steps = || -> io::Result<()> {
            let mut line = serde_json::to_vec(&Request { v: FORMAT, remove: ids.to_vec() })?;
            line.push(b'\n');
            file.file().write_all(&line)?;
            fault::point("request.written")?;
            file.file().set_permissions(PermissionsExt::from_mode(0o640))
        };
        if let Err(error) = steps() {
            file.discard(&self.dir);
            return Err(error);
        }
        let name = format!("{DROP}/{queue}.{PREFIX}{unique}");
        let file = file.link(&self.dir, &name)?;
        fault::instant("request.linked");
        Ok((name, file))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Micros;

    fn text(ids: &[EntryId]) -> Vec<u8> {
        let mut line = serde_json::to_vec(&Request { v: 1, remove: ids.to_vec() }).expect("JSON");
        line.push(b'\n');
        line
    }

    #[test]
    fn the_longest_request_is_read_and_one_more_is_not() {
        let long: EntryId = "a".repeat(id::MAX_LEN).parse().expect("an id");
        let mut ids = vec![long; IDS_MAX];
        assert_eq!(read(&text(&ids)[..]).as_ref(), Ok(&ids));
        ids.push("a".parse().expect("an id"));
        assert!(parse(&text(&ids)).is_err());
        assert!(read(io::repeat(b' ')).is_err());
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bad in [
            "",
            "\n",
            "{}\n",
            "[]\n",
            "{\"v\":1,\"remove\":[]}\n",
            "{\"v\":2,\"remove\":[\"a1\"]}\n",
            "{\"v\":1,\"remove\":[\"a1\"]}",
            "{\"v\":1,\"remove\":[\"../a\"]}\n",
            "{\"v\":1,\"remove\":[\"A\"]}\n",
            "{\"v\":1,\"remove\":[1]}\n",
            "{\"v\":1,\"remove\":[\"a1\"],\"x\":1}\n",
            "{\"v\":1,\"remove\":[\"a1\"]}\n{\"v\":1,\"remove\":[\"a1\"]}\n",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let id = EntryId::new(Micros(7));
        assert_eq!(parse(&text(std::slice::from_ref(&id))), Ok(vec![id]));
    }

    #[test]
    fn a_request_goes_by_its_name() {
        let unique = EntryId::new(Micros(7));
        assert!(is_request(&format!("outbound.remove-{unique}")));
        for other in [format!("outbound.{unique}"), "remove-a1".to_owned(), "q.remove-".into(), "q.remove-../x".into()]
        {
            assert!(!is_request(&other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), name in any::<String>()) {
            let _ = (parse(&bytes), is_request(&name));
        }

        #[test]
        fn near_requests_are_read_or_refused(ids in proptest::collection::vec("[a-z0-9./\"\\\\]{0,60}", 0..9), cut in 0usize..99) {
            let mut line = format!("{}\n", serde_json::json!({ "v": 1, "remove": ids })).into_bytes();
            if let Ok(read) = parse(&line) {
                prop_assert!(read.iter().map(EntryId::as_str).eq(ids.iter().map(String::as_str)));
            }
            line.truncate(cut);
            let _ = parse(&line);
        }
    }
}
