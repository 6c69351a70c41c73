//! A merge's template, compiled: everything that does not depend on a row is decided, checked and encoded here.
//!
//! What holds: a template that compiles names no file, no source and no command; a value in it can become nothing but text.
//! Of a language it has all texts or none, so that no mail is in two languages.

use std::collections::{BTreeMap, BTreeSet};

use super::eml;
use super::engine::Engine;
use super::error::{Place, TemplateError};
use super::fields::{self, Field, Form};
use super::origin::Origin;
use super::part::{Node, Subtype};
use super::plain;
use super::settings::Settings;
use super::sources::{EML, SETTINGS, Sources};
use super::syntax::{Book, Kind, Unit};
use crate::model::Columns;

/// A template that can be rendered. [`Template::renderer`] makes what renders rows.
pub struct Template {
    pub(super) settings: Settings,
    /// By language; "" is for all others.
    pub(super) variants: BTreeMap<String, Variant>,
    pub(super) units: Vec<Unit>,
    pub(super) engine: Engine,
    pub(super) used: BTreeMap<String, Place>,
    pub(super) locals: BTreeSet<String>,
    optional: BTreeSet<String>,
    pub(super) notes: Vec<String>,
}

/// A mail's form in one language.
#[derive(Debug)]
pub(super) struct Variant {
    pub fields: Vec<Head>,
    pub root: Node,
}

/// One field of it.
#[derive(Debug)]
pub(super) enum Head {
    /// As it is written.
    Constant {
        name: String,
        bytes: Vec<u8>,
        utf8: bool,
    },
    Rendered {
        name: String,
        form: Form,
        unit: usize,
    },
}

impl Head {
    pub fn name(&self) -> &str {
        match self {
            Head::Constant { name, .. } | Head::Rendered { name, .. } => name,
        }
    }
}

impl Template {
    /// Compiles a folder's or message's template.
    ///
    /// Errors: the first that is wrong, with its file, line and column.
    pub fn compile(sources: &Sources) -> Result<Template, TemplateError> {
        let settings = match sources.text(SETTINGS)? {
            Some(text) => Settings::parse(&text)?,
            None => Settings::default(),
        };
        let includes = sources.includes();
        let mut book = Book::new(&includes);
        let mut notes = Vec::new();
        let mut variants = BTreeMap::new();
        if let Some(message) = sources.get(EML) {
            let (fields, root) = eml::read(&mut book, message, &mut notes)?;
            variants.insert(String::new(), Variant { fields: heads(&mut book, fields)?, root });
        } else {
            let mut parts = Parts { sources, settings: &settings, book: &mut book, multis: 0 };
            for language in sources.languages() {
                if let Some(variant) = parts.variant(&language)? {
                    variants.insert(language, variant);
                }
            }
        }
        if variants.is_empty() {
            return Err(TemplateError::of_file("headers", "the template has no headers: From and Subject at least"));
        }
        if settings.language.is_none() && !variants.contains_key("") {
            return Err(TemplateError::of_file(
                SETTINGS,
                "all texts have a language: name its column, language = \"…\"",
            ));
        }
        let Book { units, used, optional, locals, .. } = book;
        let engine = Engine::new(&units)?;
        Ok(Template { settings, variants, units, engine, used, locals, optional, notes })
    }

    /// What the columns mean.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What was left out of a message that serves as a template, one line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The columns that the template needs and the source does not have, and where each is used first.
    pub fn missing(&self, columns: &Columns) -> Vec<(String, Place)> {
        let is_missing = |name: &str| columns.position(name).is_none();
        let named = self.settings.columns();
        let set = named.iter().filter(|(name, _)| is_missing(name));
        let mut found: Vec<(String, Place)> =
            set.map(|(name, _)| ((*name).to_owned(), Place::whole(SETTINGS))).collect();
        for (name, place) in &self.used {
            let free = self.locals.contains(name) || self.optional.contains(name);
            if !free && is_missing(name) && found.iter().all(|(each, _)| each != name) {
                found.push((name.clone(), place.clone()));
            }
        }
        found
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template")
            .field("settings", &self.settings)
            .field("variants", &self.variants)
            .finish_non_exhaustive()
    }
}

struct Parts<'p, 's> {
    sources: &'s Sources,
    settings: &'p Settings,
    book: &'p mut Book<'s>,
    multis: usize,
}

impl Parts<'_, '_> {
    /// The form of `language`; `None` if it has neither headers of its own nor any to fall back to.
    fn variant(&mut self, language: &str) -> Result<Option<Variant>, TemplateError> {
        let Some(file) = self.either("headers", language).map(str::to_owned) else { return Ok(None) };
        let fields = fields::read(&file, &self.sources.text(&file)?.unwrap_or_default())?;
        if !fields.iter().any(|field| field.is("From")) {
            return Err(TemplateError::of_file(&file, "From is missing: whose mail is it?"));
        }
        // A language has texts of its own, or the texts of all.
        let own = ["text", "html"].iter().any(|part| self.sources.part(part, language).is_some());
        let of = if own { language } else { "" };
        let text = self.origin("text", of)?;
        let html = self.origin("html", of)?;
        if text.is_none() && html.is_none() {
            let name = if language.is_empty() { "text".to_owned() } else { format!("text.{language}") };
            return Err(TemplateError::of_file(&name, "the template has neither a text nor html"));
        }
        let heads = heads(self.book, fields)?;
        Ok(Some(Variant { fields: heads, root: self.body(text, html)? }))
    }

    fn either(&self, part: &str, language: &str) -> Option<&str> {
        self.sources.part(part, language).or_else(|| self.sources.part(part, ""))
    }

    fn origin(&self, part: &str, language: &str) -> Result<Option<Origin>, TemplateError> {
        let Some(name) = self.sources.part(part, language) else { return Ok(None) };
        Ok(self.sources.text(name)?.map(|text| Origin::whole(name, &text)))
    }

    fn body(&mut self, text: Option<Origin>, html: Option<Origin>) -> Result<Node, TemplateError> {
        let of_html = html.clone().filter(|_| text.is_none());
        // HTML first: its errors name places in the author's own text.
        let html = html.map(|origin| Node::text(self.book, origin, Subtype::Html, String::new())).transpose()?;
        let made = of_html.map(|origin| plain::of_html(&origin)).transpose()?;
        let plain =
            text.or(made).map(|origin| Node::text(self.book, origin, Subtype::Plain, String::new())).transpose()?;
        let inline: Vec<Node> =
            self.sources.within("inline").map(|(name, bytes)| Node::file(name, bytes, true)).collect();
        let html = html.map(|html| match inline.is_empty() {
            true => html,
            false => {
                let children = std::iter::once(html).chain(inline).collect();
                self.multi("multipart/related; type=\"text/html\"", children)
            }
        });
        let body = match (plain, html) {
            (Some(plain), Some(html)) => self.multi("multipart/alternative", vec![plain, html]),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Node::constant_text("", Subtype::Plain, ""),
        };
        let mut files: Vec<Node> =
            self.sources.within("attachments").map(|(name, bytes)| Node::file(name, bytes, false)).collect();
        files.extend(self.settings.attachment.is_some().then_some(Node::Attached));
        if files.is_empty() {
            return Ok(body);
        }
        let children = std::iter::once(body).chain(files).collect();
        Ok(self.multi("multipart/mixed", children))
    }

    fn multi(&mut self, media_type: &str, children: Vec<Node>) -> Node {
        self.multis += 1;
        Node::Multi { head: format!("Content-Type: {media_type}"), number: self.multis, children }
    }
}

fn heads(book: &mut Book<'_>, fields: Vec<Field>) -> Result<Vec<Head>, TemplateError> {
    let mut heads = Vec::new();
    for Field { name, form, origin } in fields {
        let unit = book.add(origin, Kind::Header)?;
        let found = &book.units[unit];
        let is_plain = found.is_constant
            && !found.origin.text.contains("{%")
            && !found.origin.text.contains("{{")
            && !found.origin.text.contains("{#");
        if !is_plain {
            heads.push(Head::Rendered { name, form, unit });
            continue;
        }
        let mut bytes = Vec::new();
        let utf8 = fields::write(&mut bytes, &name, form, &found.origin.text, &mut String::new())
            .map_err(|error| TemplateError::new(found.origin.line(1), format!("{name}: {error}")))?;
        heads.push(Head::Constant { name, bytes, utf8 });
    }
    Ok(heads)
}
