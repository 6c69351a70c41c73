//! A merge's template, compiled: everything that does not depend on a row is decided, checked and encoded here.
//!
//! What holds: a template that compiles names no file, no source and no command; a value in it can become nothing but text.
//! Of a language it has all texts or none, so that no mail is in two languages.

use std::collections::BTreeMap;

use super::eml;
use super::engine::Engine;
use super::error::{Place, TemplateError};
use super::expression::Names;
use super::fields::{self, Field, Form};
use super::layout::{Layout, Step};
use super::origin::Origin;
use super::part::{Node, Subtype};
use super::plain;
use super::settings::Settings;
use super::sources::{EML, SETTINGS, Sources};
use super::syntax::Book;
use super::unit::{Kind, Unit};
use crate::model::Columns;

/// A template that can be rendered. [`Template::renderer`] makes what renders rows.
pub struct Template {
    pub(super) settings: Settings,
    /// By language; "" is for all others.
    pub(super) variants: BTreeMap<String, Variant>,
    pub(super) units: Vec<Unit>,
    pub(super) engine: Engine,
    pub(super) names: Names,
    /// The columns that texts without statements have.
    pub(super) slots: Vec<String>,
    notes: Vec<String>,
}

/// A mail's form in one language.
#[derive(Debug, Default)]
pub(super) struct Variant {
    /// The names of its fields.
    pub names: Vec<String>,
    pub layout: Layout,
    /// The first address of a constant From.
    pub from: Option<String>,
    /// A constant field has an address in UTF-8.
    pub utf8: bool,
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
            let (fields, mail) = eml::read(message, &mut notes)?;
            let variant = Variant::of_fields(&mut book, fields)?;
            let root = eml::root(&mut book, &mail)?;
            variants.insert(String::new(), variant.with_body(&root));
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
        let Book { units, names, slots, .. } = book;
        let engine = Engine::new(&units)?;
        Ok(Template { settings, variants, units, engine, names, slots, notes })
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
        for (name, place) in &self.names.used {
            let free = self.names.locals.contains(name) || self.names.optional.contains(name);
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
        let variant = Variant::of_fields(self.book, fields)?;
        let root = self.body(text, html)?;
        Ok(Some(variant.with_body(&root)))
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
        let made = of_html.map(|origin| plain::of_html(&origin, self.book.includes)).transpose()?;
        let plain =
            text.or(made).map(|origin| Node::text(self.book, origin, Subtype::Plain, String::new())).transpose()?;
        let inline = self.sources.within("inline").map(|(name, bytes)| Node::inline(name, bytes));
        let inline = inline.collect::<Result<Vec<Node>, _>>()?;
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
            // `variant` refuses that.
            (None, None) => Node::Constant(Vec::new()),
        };
        let mut files: Vec<Node> =
            self.sources.within("attachments").map(|(name, bytes)| Node::file(name, bytes)).collect();
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

impl Variant {
    /// Fields come before the body, so that a column's first place is where a reader sees it first.
    fn of_fields(book: &mut Book<'_>, fields: Vec<Field>) -> Result<Variant, TemplateError> {
        let mut variant = Variant::default();
        for Field { name, form, origin } in fields {
            let unit = book.add(origin, Kind::Header)?;
            match book.units[unit].constant() {
                Some(text) => variant.constant(&name, form, &text, &book.units[unit])?,
                None => variant.layout.step(Step::Field { name: name.clone(), form, unit }),
            }
            variant.names.push(name);
        }
        Ok(variant)
    }

    fn with_body(mut self, root: &Node) -> Variant {
        self.layout.step(Step::Own);
        self.layout.part(root);
        self
    }

    fn constant(&mut self, name: &str, form: Form, text: &str, unit: &Unit) -> Result<(), TemplateError> {
        let mut out = Vec::new();
        let written = fields::write(&mut out, name, form, text, &mut String::new())
            .map_err(|error| TemplateError::new(unit.origin.line(1), format!("{name}: {error}")))?;
        if name.eq_ignore_ascii_case("From") {
            let address = written.address.and_then(|range| out.get(range));
            self.from = address.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        }
        self.utf8 |= written.utf8;
        self.layout.constant(&out);
        Ok(())
    }
}
