//! The rules for a template's text: what may be written, what a value is in, which names are used.
//!
//! What holds: a value's escaping follows from its place in the template and from nothing in the row; a template that has
//! a value where none can be made safe is no template. Branches end where they began, as HTML sees it.

use std::collections::BTreeMap;

use minijinja::machinery::{Span, ast};

use super::error::TemplateError;
use super::expression::{Expressions, Names};
use super::filters;
use super::html::{Html, Spot};
use super::origin::{Edits, Origin};
use super::sources::BYTES_MAX;
use super::tree::tree;
use super::unit::{Kind, Piece, Slot, Unit, UrlPlace};

/// The deepest nesting of includes.
const DEPTH_MAX: usize = 8;
/// The most texts of a template, an include counted wherever it stands.
const UNITS_MAX: usize = 4_000;

/// All texts of a template, and the names that they use.
pub(super) struct Book<'s> {
    /// The files that may be included.
    pub includes: &'s BTreeMap<String, String>,
    pub units: Vec<Unit>,
    pub names: Names,
    /// The columns of slots.
    pub slots: Vec<String>,
    /// Bytes of the texts, an include's counted wherever it stands.
    bytes: u64,
}

impl<'s> Book<'s> {
    pub fn new(includes: &'s BTreeMap<String, String>) -> Book<'s> {
        Book { includes, units: Vec::new(), names: Names::new(), slots: Vec::new(), bytes: 0 }
    }

    /// Checks a text, and keeps it for the engine; its number.
    pub fn add(&mut self, origin: Origin, kind: Kind) -> Result<usize, TemplateError> {
        let mut html = Html::new();
        let number = self.add_within(origin, kind, &mut html, 0)?;
        let file = &self.units[number].origin.file;
        if kind == Kind::Html && !html.is_between_tags() {
            return Err(TemplateError::of_file(file, "it ends within a tag, a comment or a script: close that"));
        }
        Ok(number)
    }

    fn add_within(
        &mut self,
        origin: Origin,
        kind: Kind,
        html: &mut Html,
        depth: usize,
    ) -> Result<usize, TemplateError> {
        self.bytes += origin.text.len() as u64;
        if self.units.len() >= UNITS_MAX || self.bytes > BYTES_MAX {
            let what = format!("more than {UNITS_MAX} includes, or more than 64 MiB with all of them");
            return Err(TemplateError::of_file(&origin.file, what));
        }
        let number = self.units.len();
        let name = format!("{}{number}", kind.letter());
        // Its place is taken before its includes take theirs.
        self.units.push(Unit { name, kind, origin: Origin::default(), edits: Edits::default(), pieces: None });
        let tree = tree(&origin)?;
        let (edits, pieces) = (Edits::default(), Some(Vec::new()));
        let mut walk = Walk { book: self, origin: &origin, unit: number, kind, html, depth, edits, pieces };
        let ast::Stmt::Template(template) = &tree else {
            return Err(TemplateError::of_file(&origin.file, "it is no template"));
        };
        walk.statements(&template.children)?;
        let (edits, pieces) = (walk.edits, walk.pieces);
        drop(tree);
        let unit = &mut self.units[number];
        (unit.origin, unit.edits, unit.pieces) = (origin, edits, pieces);
        Ok(number)
    }
}

struct Walk<'w, 's> {
    book: &'w mut Book<'s>,
    origin: &'w Origin,
    kind: Kind,
    html: &'w mut Html,
    unit: usize,
    depth: usize,
    edits: Edits,
    /// `None` once something needs the engine.
    pieces: Option<Vec<Piece>>,
}

impl Walk<'_, '_> {
    fn refuse<T>(&self, span: Span, what: impl Into<String>) -> Result<T, TemplateError> {
        Err(TemplateError::new(self.origin.place(span.start_offset as usize), what))
    }

    /// `keeps`: a name gets what the expression is.
    fn expressions(&mut self, keeps: bool) -> Expressions<'_> {
        Expressions { origin: self.origin, names: &mut self.book.names, keeps }
    }

    fn statements(&mut self, statements: &[ast::Stmt<'_>]) -> Result<(), TemplateError> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) -> Result<(), TemplateError> {
        use ast::Stmt;
        if !matches!(statement, Stmt::EmitRaw(_) | Stmt::EmitExpr(_) | Stmt::Include(_)) {
            self.pieces = None;
        }
        let (what, span) = match statement {
            Stmt::EmitRaw(raw) => {
                if self.kind == Kind::Html {
                    self.html.feed(raw.raw);
                }
                self.pieces.iter_mut().for_each(|pieces| pieces.push(Piece::Raw(raw.raw.to_owned())));
                return Ok(());
            }
            Stmt::EmitExpr(emit) => return self.emit(&emit.expr, emit.span()),
            Stmt::IfCond(cond) => {
                self.expressions(false).expression(&cond.expr)?;
                return self.branches(&[&cond.true_body, &cond.false_body], cond.span());
            }
            Stmt::ForLoop(each) => return self.each(each, each.span()),
            Stmt::WithBlock(with) => {
                for (target, value) in &with.assignments {
                    self.expressions(false).target(target)?;
                    self.expressions(true).expression(value)?;
                }
                return self.statements(&with.body);
            }
            Stmt::Set(set) => {
                self.expressions(false).target(&set.target)?;
                return self.expressions(true).expression(&set.expr);
            }
            Stmt::Include(include) => return self.include(include),
            Stmt::Template(other) => ("a template in a template", other.span()),
            Stmt::SetBlock(other) => ("{% set %} of a block", other.span()),
            Stmt::AutoEscape(other) => ("{% autoescape %}", other.span()),
            Stmt::FilterBlock(other) => ("{% filter %}", other.span()),
            Stmt::Block(other) => ("{% block %}", other.span()),
            Stmt::Import(other) => ("{% import %}", other.span()),
            Stmt::FromImport(other) => ("{% from %}", other.span()),
            Stmt::Extends(other) => ("{% extends %}", other.span()),
            Stmt::Do(other) => ("{% do %}", other.span()),
        };
        self.refuse(span, format!("{what} is not supported: if, for, set, with and include are"))
    }

    /// Each of the bodies begins here, and all end at the same place.
    fn branches(&mut self, bodies: &[&[ast::Stmt<'_>]], span: Span) -> Result<(), TemplateError> {
        let begin = self.html.clone();
        let mut end: Option<Html> = None;
        for body in bodies {
            *self.html = begin.clone();
            self.statements(body)?;
            if end.as_ref().is_some_and(|end| *end != *self.html) {
                return self.refuse(
                    span,
                    "its branches end in different places of the HTML: close each tag and quote in its own branch",
                );
            }
            end = Some(self.html.clone());
        }
        Ok(())
    }

    fn each(&mut self, each: &ast::ForLoop<'_>, span: Span) -> Result<(), TemplateError> {
        if each.recursive {
            return self.refuse(span, "a recursive {% for %} is not supported");
        }
        self.expressions(false).target(&each.target)?;
        self.expressions(false).expression(&each.iter)?;
        each.filter_expr.iter().try_for_each(|expr| self.expressions(false).expression(expr))?;
        // None, one and many rounds end where the loop began.
        self.branches(&[&[], &each.body], span)?;
        self.branches(&[&[], &each.else_body], span)
    }

    fn include(&mut self, include: &ast::Spanned<ast::Include<'_>>) -> Result<(), TemplateError> {
        let (span, name) = (include.name.span(), include.name.as_const());
        let Some(name) = name.as_ref().and_then(|name| name.as_str()) else {
            return self.refuse(span, "write the name of what is included as a text: {% include \"NAME\" %}");
        };
        if self.depth >= DEPTH_MAX {
            return self.refuse(span, format!("includes are nested more than {DEPTH_MAX} deep"));
        }
        let Some(text) = self.book.includes.get(name) else {
            return self.refuse(span, format!("there is no '{name}' in the template's folder"));
        };
        let origin = Origin::whole(name, text);
        let number = self.book.add_within(origin, self.kind, self.html, self.depth + 1)?;
        // What is included needs the engine no less than what includes it.
        self.pieces = match (self.pieces.take(), self.book.units[number].pieces.clone()) {
            (Some(mut pieces), Some(included)) => {
                pieces.extend(included);
                Some(pieces)
            }
            (Some(_), None) | (None, _) => None,
        };
        let unit = format!("\"{}\"", self.book.units[number].name);
        let (begin, end) = (span.start_offset as usize, span.end_offset as usize);
        self.edits.replace(begin, end.saturating_sub(begin), unit);
        Ok(())
    }

    fn emit(&mut self, expr: &ast::Expr<'_>, span: Span) -> Result<(), TemplateError> {
        // What nl2br makes is HTML, so nothing may come after it.
        let inner = match expr {
            ast::Expr::Filter(filter) if filter.name == "nl2br" => {
                filter.args.iter().try_for_each(|arg| self.expressions(false).argument(arg))?;
                filter.expr.as_ref().unwrap_or(expr)
            }
            _ => expr,
        };
        let is_nl2br = !std::ptr::eq(inner, expr);
        self.expressions(false).expression(inner)?;
        let slot = self.slot(expr, span);
        if self.kind != Kind::Html {
            self.place(slot, None);
            return Ok(());
        }
        let spot = match self.html.spot() {
            Ok(spot) => spot,
            Err(what) => return self.refuse(span, what),
        };
        if is_nl2br && spot != Spot::Text {
            return self.refuse(span, "nl2br makes tags: it belongs between tags, not into an attribute");
        }
        let is_encoded = matches!(expr, ast::Expr::Filter(filter) if filter.name == "urlencode");
        let url = match spot {
            Spot::UrlStart => Some((UrlPlace::Whole, filters::URL_WHOLE)),
            Spot::UrlRest if !is_encoded => Some((UrlPlace::Part, filters::URL_PART)),
            Spot::UrlRest | Spot::Text | Spot::Attribute => None,
        };
        self.place(slot, url.map(|(place, _)| place));
        url.iter().for_each(|(_, filter)| self.wrap(span, filter));
        self.html.value();
        Ok(())
    }

    /// The slot for a value that needs no engine: `column`, `column|default("text")`, `column|urlencode`.
    fn slot(&mut self, expr: &ast::Expr<'_>, span: Span) -> Option<Slot> {
        self.pieces.as_ref()?;
        let (mut otherwise, mut url) = (None, None);
        let var = match expr {
            ast::Expr::Var(var) => var,
            ast::Expr::Filter(filter) => {
                match (filter.name, &filter.args[..]) {
                    ("default", [ast::CallArg::Pos(ast::Expr::Const(text))]) => {
                        otherwise = Some(text.value.as_str()?.to_owned());
                    }
                    ("urlencode", []) => url = Some(UrlPlace::Part),
                    _ => return None,
                }
                let Some(ast::Expr::Var(var)) = &filter.expr else { return None };
                var
            }
            _ => return None,
        };
        let known = self.book.slots.iter().position(|name| name == var.id);
        let column = known.unwrap_or_else(|| {
            self.book.slots.push(var.id.to_owned());
            self.book.slots.len() - 1
        });
        let span = span.start_offset as usize..span.end_offset as usize;
        Some(Slot { column, otherwise, url, unit: self.unit, span })
    }

    /// Puts a slot here; without one the text needs the engine.
    fn place(&mut self, slot: Option<Slot>, url: Option<UrlPlace>) {
        match (&mut self.pieces, slot) {
            (Some(pieces), Some(slot)) if slot.url.is_none() || url.is_none() => {
                pieces.push(Piece::Value(Slot { url: slot.url.or(url), ..slot }));
            }
            (pieces, _) => *pieces = None,
        }
    }

    /// Puts a filter behind the expression of a `{{ }}`, which the span is of.
    fn wrap(&mut self, span: Span, filter: &str) {
        let (begin, end) = (span.start_offset as usize, span.end_offset as usize);
        self.edits.replace(begin, 0, "(".to_owned());
        self.edits.append(begin, end, format!(")|{filter}"));
    }
}
