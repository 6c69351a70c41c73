//! The files that rows attach, in the folder that the template names. They are opened by the spool's owner, as the worker
//! that sends them does, beneath that folder, over no symbolic link, and nowhere in the spool or where the kernel makes files
//! up.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use nix::errno::Errno;

use super::error::MergeError;
use super::kind::{BadReason, Kind};
use crate::compose::Settings;
use crate::model::{Cell, Columns, Row};
use crate::spool::SpoolQueue;
use crate::spool::merge::attachment::FileMark;
use crate::spool::merge::off_limits::{self, OffLimits};
use crate::sys::dir;

/// Characters of a line of base64 (RFC 2045 section 6.8).
const LINE: u64 = 76;

/// Characters of a path that are shown.
const SHOWN: usize = 300;

/// The folder, and the column that names files in it.
#[derive(Debug)]
pub struct Attachments {
    folder: File,
    off_limits: OffLimits,
    path: PathBuf,
    column: usize,
}

/// An open file that a row attaches.
#[derive(Debug)]
pub struct AttachedFile {
    /// As the recipient sees it.
    pub name: String,
    /// If it is another when it is sent, the file has changed.
    pub mark: FileMark,
    file: File,
}

impl Attachments {
    /// Opens the folder, if the template has a column of attachments; `columns` have that column. The mail goes to `queue`.
    pub fn open(settings: &Settings, columns: &Columns, queue: &SpoolQueue) -> Result<Option<Attachments>, MergeError> {
        let (Some(name), Some(folder)) = (&settings.attachment, &settings.attachment_folder) else { return Ok(None) };
        let Some(column) = columns.position(name) else { return Ok(None) };
        let path = PathBuf::from(folder);
        let open = || {
            let (off_limits, folder) = (queue.off_limits()?, dir::open_path(&path)?);
            off_limits.look(&folder)?;
            Ok((folder, off_limits))
        };
        match open() {
            Ok((folder, off_limits)) => Ok(Some(Attachments { folder, off_limits, path, column })),
            Err(source) => Err(MergeError::Attachments { path, source }),
        }
    }

    /// Where the row's file lies, for messages.
    pub fn path(&self, row: &Row) -> PathBuf {
        self.path.join(row.cells.get(self.column).and_then(Cell::text).unwrap_or_default())
    }

    /// Opens what `row` attaches; nothing where its column is NULL or empty.
    pub fn of(&self, row: &Row) -> Result<Option<AttachedFile>, BadReason> {
        let missing = |what: String| BadReason { kind: Kind::AttachmentMissing, what };
        let inside = match row.cells.get(self.column) {
            None | Some(Cell::Null) => return Ok(None),
            Some(Cell::Json(_)) => return Err(missing("the attachment's name is no text".to_owned())),
            Some(Cell::Text(text)) if text.is_empty() => return Ok(None),
            Some(Cell::Text(text)) => text,
        };
        let shown = || self.path.join(inside).display().to_string().chars().take(SHOWN).collect::<String>();
        let look = |folder: &File| self.off_limits.look(folder);
        let opened = dir::open_beneath(&self.folder, inside, look).and_then(|file| Ok((file.metadata()?, file)));
        let (meta, file) = opened.map_err(|error| reason(&shown(), &error))?;
        if !meta.is_file() {
            return Err(missing(format!("{}: it is no regular file", shown())));
        }
        let mark = FileMark::of(&meta);
        let name = inside.rsplit('/').next().unwrap_or(inside).to_owned();
        Ok(Some(AttachedFile { name, mark, file }))
    }
}

fn reason(shown: &str, error: &io::Error) -> BadReason {
    let kind = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EXDEV) => return outside(format!("{shown}: it leads out of the folder")),
        Some(Errno::ELOOP) => return outside(format!("{shown}: it is a symbolic link, and none is followed")),
        None if off_limits::is_refusal(error) => return outside(format!("{shown}: {error}")),
        Some(_) | None => Kind::AttachmentMissing,
    };
    BadReason { kind, what: format!("{shown}: {error}") }
}

fn outside(what: String) -> BadReason {
    BadReason { kind: Kind::AttachmentOutside, what }
}

impl AttachedFile {
    /// Bytes that it takes in a message, without its header.
    pub fn encoded(&self) -> u64 {
        let characters = self.mark.bytes.div_ceil(3).saturating_mul(4);
        characters.saturating_add(characters.div_ceil(LINE))
    }

    /// What is in it, at most `most` bytes.
    ///
    /// Errors: those of reading; it has more.
    pub fn read(&self, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&self.file).take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::spool::Spool;

    #[test]
    fn files_are_found_beneath_their_folder_alone() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| temp.path().join(name);
        std::fs::create_dir_all(path("in/deep")).expect("folders");
        std::fs::write(path("secret"), "x").expect("a file");
        std::fs::write(path("in/deep/a.pdf"), "0123456789").expect("a file");
        symlink(path("secret"), path("in/link")).expect("a link");
        symlink(path("in/deep"), path("in/folder")).expect("a link");
        let spool = path("in/spool");
        let queue = Spool::create(&spool).and_then(|spool| spool.queue("outbound")).expect("a queue");
        std::fs::write(spool.join("outbound/other.msg"), "x").expect("a file");
        let settings = format!("attachment = 'file'\nattachment_folder = '{}'", path("in").display());
        let settings = Settings::parse(&settings).expect("settings");
        let columns = Columns::new(vec!["file".to_owned()]).expect("columns");
        let attachments = Attachments::open(&settings, &columns, &queue).expect("a folder").expect("a column");
        let of = |cell: Cell| attachments.of(&Row { number: 1, cells: vec![cell] });
        let file = of(Cell::Text("deep/a.pdf".into())).expect("a file").expect("a file");
        assert_eq!((file.name.as_str(), file.mark.bytes, file.encoded()), ("a.pdf", 10, 17));
        assert_eq!(file.read(10).expect("bytes"), b"0123456789");
        let again = of(Cell::Text("deep/a.pdf".into())).expect("a file").expect("a file");
        assert!(again.read(9).is_err());
        for none in [Cell::Null, Cell::Text(String::new())] {
            assert!(of(none).expect("none").is_none());
        }
        for (name, kind) in [
            ("../secret", Kind::AttachmentOutside),
            ("deep/../../secret", Kind::AttachmentOutside),
            ("/etc/passwd", Kind::AttachmentOutside),
            ("link", Kind::AttachmentOutside),
            ("folder/a.pdf", Kind::AttachmentOutside),
            ("spool/outbound/other.msg", Kind::AttachmentOutside),
            ("deep/a.pdf/b", Kind::AttachmentMissing),
            ("none", Kind::AttachmentMissing),
            ("deep", Kind::AttachmentMissing),
            ("a\0b", Kind::AttachmentMissing),
        ] {
            assert_eq!(of(Cell::Text(name.into())).expect_err(name).kind, kind, "{name}");
        }
        assert_eq!(of(Cell::Json(serde_json::json!(["a"]))).expect_err("JSON").kind, Kind::AttachmentMissing);
        for bad in [spool.display().to_string().as_str(), "/proc/self", "/sys"] {
            let settings = format!("attachment = 'file'\nattachment_folder = '{bad}'");
            let settings = Settings::parse(&settings).expect("settings");
            let refused = Attachments::open(&settings, &columns, &queue).expect_err(bad).to_string();
            assert!(refused.contains("nothing of it is attached"), "{refused}");
        }
        let none = Settings::parse("attachment = 'file'\nattachment_folder = '/nonexistent'").expect("settings");
        assert!(matches!(Attachments::open(&none, &columns, &queue), Err(MergeError::Attachments { .. })));
    }
}
