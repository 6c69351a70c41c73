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
        Ok(Inputs { what: name(&spec, &args.data), files, template, source, suppress, sender, bad, html, out })
    }
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
