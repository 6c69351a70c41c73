//! A job's copy of its template, and what renders rows with it.
//!
//! What holds: what is compiled is what was queued, byte for byte, or the job's mails wait: `job.json` has the CRC-32 of the
//! copy. A template is compiled once for a worker's last jobs ([`Templates`]), never for an entry.
//!
//! A renderer borrows its template, so both live in a coroutine, an `async` function that is resumed for each row; nothing
//! here waits.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::made_count::MadeCount;
use crate::compose::{Attachment, BYTES_MAX, MessageIds, RowError, Settings, Sources, Template};
use crate::model::{Columns, Micros, Row};
use crate::sys::dir::{self, Names, Open};
use crate::sys::mutex::locked;

/// The copy's folder in the job's.
const FOLDER: &str = "template";
/// The folders that a template has.
const INNER: [&str; 2] = ["attachments", "inline"];
/// How many compiled templates a worker keeps.
const KEPT: usize = 2;

/// Writes the copy into the folder `job` of a job that is being built. Returns its CRC-32.
pub(super) fn write(job: &File, sources: &Sources) -> io::Result<u32> {
    dir::make(job, FOLDER)?;
    for (name, bytes) in sources.files() {
        if let Some((folder, _)) = name.split_once('/') {
            dir::make(job, &format!("{FOLDER}/{folder}"))?;
        }
        dir::open_file(job, &format!("{FOLDER}/{name}"), Open::CreateNew)?.write_all(bytes)?;
    }
    Ok(checksum(sources.files()))
}

/// Reads the copy, whose CRC-32 is noted.
///
/// Errors: it cannot be read, or is not what was queued (`InvalidData`).
fn read(job: &File, noted: u32) -> io::Result<Sources> {
    let (mut files, mut left) = (BTreeMap::new(), BYTES_MAX);
    for folder in ["", INNER[0], INNER[1]] {
        let path = if folder.is_empty() { FOLDER.to_owned() } else { format!("{FOLDER}/{folder}") };
        let names = match Names::open(job, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.is_empty() => continue,
            other => other?,
        };
        for name in names {
            let name = name?;
            if folder.is_empty() && INNER.contains(&name.as_str()) {
                continue;
            }
            let mut bytes = Vec::new();
            dir::open_file(job, &format!("{path}/{name}"), Open::Read)?.take(left + 1).read_to_end(&mut bytes)?;
            left = left.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
            files.insert(if folder.is_empty() { name } else { format!("{folder}/{name}") }, bytes);
        }
    }
    if checksum(&files) != noted {
        let why = "it is not the template that was queued; restore it from a copy";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(Sources::new(files))
}

fn checksum(files: &BTreeMap<String, Vec<u8>>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    for (name, bytes) in files {
        for part in [name.as_bytes(), bytes] {
            crc.update(&(part.len() as u64).to_le_bytes());
            crc.update(part);
        }
    }
    crc.finalize()
}

/// One row's mail.
#[derive(Clone, Debug)]
pub struct Mail {
    pub bytes: Arc<Vec<u8>>,
    /// Its header has addresses in UTF-8 (RFC 6532).
    pub utf8: bool,
}

/// What a row attaches: the name that its reader sees, and the bytes.
type Attached = (String, Vec<u8>);

/// What is asked of the coroutine, and what it answers.
#[derive(Default)]
struct Exchange {
    asked: Option<(Row, Micros, Option<Attached>)>,
    answer: Option<Result<Mail, RowError>>,
}

/// A job's template, compiled, and its renderer.
pub struct JobTemplate {
    settings: Settings,
    columns: Columns,
    exchange: Arc<Mutex<Exchange>>,
    coroutine: Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl JobTemplate {
    /// Reads and compiles the copy in the folder `job`, whose CRC-32 was `noted`, for rows with these columns.
    ///
    /// Errors: it cannot be read, is not what was queued, or does not compile (`InvalidData`).
    pub fn open(job: &File, noted: u32, columns: Columns, ids: MessageIds) -> io::Result<JobTemplate> {
        let sources = read(job, noted)?;
        let template =
            Template::compile(&sources).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let settings = template.settings().clone();
        let exchange = Arc::new(Mutex::new(Exchange::default()));
        let coroutine = Box::pin(render_each(template, columns.clone(), ids, Arc::clone(&exchange)));
        Ok(JobTemplate { settings, columns, exchange, coroutine: Mutex::new(coroutine) })
    }

    /// What its columns mean.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The mail of `row`, dated `now`.
    ///
    /// Errors: the row's own.
    pub fn render(&self, row: Row, now: Micros, attached: Option<Attached>) -> Result<Mail, RowError> {
        let mut coroutine = locked(&self.coroutine);
        locked(&self.exchange).asked = Some((row, now, attached));
        // It never ends, and answers each time that it is resumed.
        let _: Poll<()> = coroutine.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let answer = locked(&self.exchange).answer.take();
        answer.unwrap_or_else(|| {
            let what = "internal fault: it was not rendered".to_owned();
            Err(RowError { place: crate::compose::Place::default(), fault: crate::compose::Fault::Render, what })
        })
    }
}

impl fmt::Debug for JobTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobTemplate").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Answers what is asked, once each time that it is resumed.
async fn render_each(template: Template, columns: Columns, ids: MessageIds, exchange: Arc<Mutex<Exchange>>) {
    let mut renderer = template.renderer(&columns, ids);
    loop {
        let asked = locked(&exchange).asked.take();
        if let Some((row, now, attached)) = asked {
            let attached = attached.as_ref().map(|(name, bytes)| Attachment { name, bytes });
            let rendered = renderer.render(&row, now, attached.as_ref());
            let answer = rendered.map(|mail| Mail { bytes: Arc::new(mail.message.to_vec()), utf8: mail.utf8 });
            locked(&exchange).answer = Some(answer);
        }
        let mut resumed = false;
        poll_fn(|_| if std::mem::replace(&mut resumed, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// The compiled templates of the last jobs, and the counts of all that this process met, by the jobs' ids.
#[derive(Debug, Default)]
pub struct Templates {
    kept: Mutex<Vec<(String, Arc<JobTemplate>)>>,
    counts: Mutex<HashMap<String, Arc<MadeCount>>>,
}

impl Templates {
    /// That of `job`, which `open` opens if it is not kept.
    ///
    /// Errors: those of `open`.
    pub fn of<E>(&self, job: &str, open: impl FnOnce() -> Result<JobTemplate, E>) -> Result<Arc<JobTemplate>, E> {
        let mut kept = locked(&self.kept);
        if let Some(at) = kept.iter().position(|(known, _)| known == job) {
            // The last one used stays longest.
            let found = kept.remove(at);
            let template = Arc::clone(&found.1);
            kept.push(found);
            return Ok(template);
        }
        let template = Arc::new(open()?);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((job.to_owned(), Arc::clone(&template)));
        Ok(template)
    }

    /// How many mails of `job` were made; its folder is `folder`.
    pub fn made_count(&self, job: &str, folder: &File) -> Arc<MadeCount> {
        let mut counts = locked(&self.counts);
        Arc::clone(counts.entry(job.to_owned()).or_insert_with(|| Arc::new(MadeCount::open(folder))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cell;

    fn sources() -> Sources {
        let files = [
            ("headers", "From: s@x.org\nTo: {{ email }}\nSubject: for {{ name }}\n"),
            ("text", "Dear {{ name }}\n"),
            ("attachments/a.txt", "attached"),
        ];
        Sources::new(files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into())
    }

    #[test]
    fn rows_are_rendered_from_the_jobs_copy_one_after_another() {
        let temp = tempfile::tempdir().expect("a folder");
        let job = dir::open(temp.path()).expect("a folder");
        let crc = write(&job, &sources()).expect("written");
        assert_eq!(read(&job, crc).expect("read"), sources());
        let columns = || Columns::new(vec!["email".to_owned(), "name".to_owned()]).expect("columns");
        let open = || JobTemplate::open(&job, crc, columns(), MessageIds::new("j", "x.org", &[1; 32]));
        let templates = Templates::default();
        let template = templates.of("a", open).expect("a template");
        let row = |number: u64, name: Cell| Row { number, cells: vec![Cell::Text(format!("r{number}@x")), name] };
        for number in 1..50 {
            let name = format!("name {number}");
            let mail = template.render(row(number, Cell::Text(name.clone())), Micros(1), None).expect("rendered");
            let text = String::from_utf8_lossy(&mail.bytes);
            assert!(text.contains(&format!("Dear {name}\n")) && text.contains("a.txt"), "{text}");
            // One that fails changes nothing for the next.
            let error = template.render(row(number, Cell::Null), Micros(1), None).expect_err("NULL");
            assert!(error.to_string().starts_with("headers:3"), "{error}");
        }
        // The last two are kept.
        let again = |job: &str| templates.of(job, || Err(())).is_ok();
        for job in ["b", "c"] {
            templates.of(job, open).expect("a template");
        }
        assert!(!again("a") && again("b") && again("c"));
    }

    #[test]
    fn a_copy_that_is_another_renders_nothing() {
        let temp = tempfile::tempdir().expect("a folder");
        let job = dir::open(temp.path()).expect("a folder");
        let crc = write(&job, &sources()).expect("written");
        std::fs::write(temp.path().join("template/text"), "Dear {{ name }}!\n").expect("written");
        assert_eq!(read(&job, crc).expect_err("another").kind(), io::ErrorKind::InvalidData);
        std::fs::remove_file(temp.path().join("template/text")).expect("removed");
        assert!(read(&job, crc).is_err());
    }
}
