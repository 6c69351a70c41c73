//! What a merge is made of, opened with the rights of the user who names it, before root becomes the spool's owner.

use std::path::Path;

use super::args::Args;
use super::bad_file::BadFile;
use super::error::MergeError;
use super::new_file::NewFile;
use super::out_folder::OutFolder;
use super::source::form::Form;
use super::source::row_source::RowSource;
use super::source::spec::Spec;
use super::suppressed::SuppressFile;
use crate::compose::{Sources, Template};
use crate::config::Site;
use crate::intake::letter;
use crate::intake::refused::Refused;
use crate::model::Address;
use crate::model::envelope::{self, VERP};
use crate::sys::named;

/// The most bytes of a query's file.
const QUERY_MAX: u64 = 1 << 20;

/// The parts, open.
pub struct Inputs {
    /// The source as the person named it.
    pub what: String,
    /// The template's files, for the job's copy.
    pub files: Sources,
    pub template: Template,
    pub source: Box<dyn RowSource>,
    pub suppress: Option<SuppressFile>,
    /// The envelope sender.
    pub sender: Option<Address>,
    /// The pattern of the recipients' own senders.
    pub verp: Option<String>,
    pub bad: Option<BadFile>,
    pub html: Option<NewFile>,
    pub out: Option<OutFolder>,
}

impl Inputs {
    /// Opens what `args` name. Files that are to be written are made last, so that a bad name before leaves none.
    pub fn open(site: &Site, args: &Args) -> Result<Inputs, MergeError> {
        let sender = match &args.sender {
            Some(text) => Address::sender(text).map_err(Refused::from)?,
            None => Some(letter::user()?),
        };
        let verp = verp(site, args, sender.as_ref())?;
        let files = Sources::read(&args.template)?;
        let bad_template = |error| MergeError::Template { path: args.template.clone(), error };
        let template = Template::compile(&files).map_err(bad_template)?;
        let query = match &args.query_file {
            Some(path) => Some(read_query(path)?),
            None => args.query.clone(),
        };
        let spec = Spec::parse(&args.data, None, query).map_err(Refused::Usage)?;
        let source = spec.open()?;
        let suppress = SuppressFile::open(site)?;
        let bad = args.bad.as_deref().map(|path| BadFile::create(path, form(&spec))).transpose()?;
        let html = args.html_preview.as_deref().map(NewFile::create).transpose()?;
        let out = args.out.as_deref().map(|path| OutFolder::open(path, &site.spool)).transpose()?;
        Ok(Inputs { what: name(&spec, &args.data), files, template, source, suppress, sender, verp, bad, html, out })
    }
}

/// The pattern that is asked for, or the queue's; it must make an address of an ordinary one.
fn verp(site: &Site, args: &Args, sender: Option<&Address>) -> Result<Option<String>, Refused> {
    let Some(asked) = &args.verp else { return Ok(None) };
    let of_queue = || site.config.queues.get(&args.queue).map_or_else(|| VERP.to_owned(), |queue| queue.verp.clone());
    let pattern = asked.clone().unwrap_or_else(of_queue);
    let Some(sender) = sender else { return Err(Refused::Verp("the sender is the null sender".to_owned())) };
    envelope::verp(&pattern, sender, &"user@example.org".parse()?).map_err(|why| Refused::Verp(why.to_string()))?;
    Ok(Some(pattern))
}

/// What messages call a source: a command may have a password among its arguments.
fn name(spec: &Spec, text: &str) -> String {
    match spec {
        Spec::Stdin(_) => "the standard input".to_owned(),
        Spec::Exec { command, .. } => format!("exec:{}", command.split_whitespace().next().unwrap_or_default()),
        Spec::File { .. } | Spec::Sqlite { .. } => text.to_owned(),
    }
}

/// The form in which a source's rows are written, as far as it is known before the first is read.
fn form(spec: &Spec) -> Option<Form> {
    match spec {
        Spec::File { form, .. } => Some(*form),
        Spec::Stdin(form) | Spec::Exec { form, .. } => *form,
        Spec::Sqlite { .. } => None,
    }
}

fn read_query(path: &Path) -> Result<String, MergeError> {
    let what = path.display().to_string();
    match named::read(path, QUERY_MAX).map(String::from_utf8) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(_)) => Err(Refused::Usage(format!("{what}: it is no UTF-8: save the query as UTF-8")).into()),
        Err(source) => Err(Refused::NoInput { what, source }.into()),
    }
}
