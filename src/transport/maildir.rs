//! Delivery into a Maildir: written to `tmp/`, synced, linked to `new/`, the folder synced.
//!
//! Each recipient gets a file of its own, headed by Return-Path and Delivered-To. Its name is made of the entry's id, so
//! a message that is handed over again after a crash meets its own name and is not delivered twice.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::Duration;

use super::handover::{Handover, Next, Transport, not_now};
use crate::model::{Address, Attempt, Envelope, Reason, Verdict};
use crate::policy::notice::About;
use crate::sys::fault;
use crate::sys::process::{self, host_name};
use crate::sys::room;
use crate::sys::signals::Signals;

/// A local disk that takes longer than this for one message is stuck.
const LONGEST: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub struct Maildir {
    path: PathBuf,
    host: String,
}

impl Maildir {
    pub fn new(path: PathBuf) -> Maildir {
        // maildir(5): a slash or a colon in the host's name would break the file's.
        let host = host_name().replace(['/', ':'], "_");
        Maildir { path, host }
    }

    fn make(&self) -> io::Result<()> {
        for folder in ["tmp", "new", "cur"] {
            let path = self.path.join(folder);
            if !path.is_dir() {
                DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
            }
        }
        Ok(())
    }

    /// What root types where the folder that it lies in is not this user's. The user goes by number: a supervisor looks
    /// nobody up.
    fn remedy(&self, error: &io::Error) -> String {
        match self.path.parent() {
            Some(parent) if error.kind() == io::ErrorKind::PermissionDenied => {
                let uid = process::effective_uid();
                format!("; as root, type 'install -d -o {uid} -m 700 {}'", parent.display())
            }
            Some(_) | None => String::new(),
        }
    }

    fn deliver(&self, handover: (&Envelope, Option<&Address>), recipient: usize, message: &File) -> io::Result<()> {
        let (envelope, sender) = handover;
        let (id, born) = (&envelope.id, envelope.origin.submitted.0);
        let name = format!("{}.M{:06}R{id}N{recipient}.{}", born / 1_000_000, born % 1_000_000, self.host);
        let (tmp, new) = (self.path.join("tmp").join(&name), self.path.join("new").join(&name));
        // A leftover of a killed attempt: we hold the entry's claim, so nobody else writes this name.
        let _ = std::fs::remove_file(&tmp);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(&tmp)?;
        let written = (|| {
            fault::point("maildir.made")?;
            let to = &envelope.recipients[recipient];
            let sender = sender.map_or("", Address::as_str);
            file.write_all(format!("Return-Path: <{sender}>\nDelivered-To: {to}\n").as_bytes())?;
            copy(message, &mut file)?;
            file.sync_data()?;
            fault::point("maildir.synced")?;
            match std::fs::hard_link(&tmp, &new) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                Ok(()) | Err(_) => {
                    fault::point("maildir.linked")?;
                    File::open(self.path.join("new"))?.sync_all()
                }
            }
        })();
        fault::instant("maildir.committed");
        std::fs::remove_file(&tmp)?;
        written
    }
}

/// Copies the rest of a message. A failure to read it is [`io::ErrorKind::Other`].
fn copy(mut from: &File, to: &mut File) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut piece);
        match read.map_err(|error| io::Error::other(format!("the entry cannot be read: {error}")))? {
            0 => return Ok(()),
            len => to.write_all(&piece[..len])?,
        }
    }
}

impl Transport for Maildir {
    fn probe(&self) -> Result<(), String> {
        self.make().map_err(|error| {
            format!("{}: cannot make this Maildir: {error}{}", self.path.display(), self.remedy(&error))
        })
    }

    fn fit(&self, _envelope: &Envelope, group: &[usize]) -> usize {
        group.len().max(1)
    }

    fn shares_verdicts(&self) -> bool {
        false
    }

    fn success(&self) -> Option<About> {
        Some(About::Delivered)
    }

    fn longest(&self) -> Duration {
        LONGEST
    }

    fn send(&mut self, handover: Handover<'_>, _next: &mut Next<'_>, _signals: &Signals) -> Attempt {
        let Handover { envelope, sender, group, message } = handover;
        let input = message.file().and_then(|file| Ok((file, io::Seek::stream_position(&mut &**file)?)));
        let (file, start) = match input {
            Ok(input) => input,
            Err(error) => return Attempt::SinkDown(error.to_string()),
        };
        let mut verdicts = Vec::with_capacity(group.len());
        for &recipient in group {
            let delivered = io::Seek::seek(&mut &**file, io::SeekFrom::Start(start))
                .and_then(|_| self.deliver((envelope, sender), recipient, file));
            match delivered {
                Ok(()) => verdicts.push(Verdict::Delivered(None)),
                Err(error) => {
                    let reason = Reason::new(&format!("{}: {error}", self.path.display()));
                    match &error {
                        // An entry that cannot be read is one entry's fault.
                        error if error.kind() == io::ErrorKind::Other || !verdicts.is_empty() => {
                            verdicts.push(Verdict::Deferred(reason));
                        }
                        // A full disk may take a smaller message.
                        error if room::is_lacking(error) => return not_now(reason, group.len()),
                        _ => return Attempt::SinkDown(reason.text),
                    }
                }
            }
        }
        Attempt::Answered(verdicts)
    }
}
