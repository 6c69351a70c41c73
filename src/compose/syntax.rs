//! The rules for a template's text: what may be written, what a value is in, which names are used.
//!
//! What holds: a value's escaping follows from its place in the template and from nothing in the row; a template that has
//! a value where none can be made safe is no template. Branches end where they began, as HTML sees it.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::machinery::{Span, ast, parse};
use minijinja::syntax::SyntaxConfig;

use super::error::{Place, TemplateError};
use super::filters;
use super::html::{Html, Spot};
use super::origin::{Edits, Origin};

/// The deepest nesting of includes.
const DEPTH_MAX: usize = 8;
/// The most texts of a template, an include counted wherever it stands.
const UNITS_MAX: usize = 4_000;

/// What a text becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Html,
    Header,
}

impl Kind {
    /// The first letter of a unit's name, by which the engine knows how values are escaped.
    pub fn letter(self) -> char {
        match self {
            Kind::Text => 't',
            Kind::Html => 'h',
            Kind::Header => 'f',
        }
    }
}

/// One text for the engine.
#[derive(Debug)]
pub(super) struct Unit {
    pub name: String,
    pub origin: Origin,
    pub edits: Edits,
    /// It has no value and no statement.
    pub is_constant: bool,
}

/// All texts of a template, and the names that they use.
pub(super) struct Book<'s> {
    /// The files that may be included.
    includes: &'s BTreeMap<String, String>,
    pub units: Vec<Unit>,
    /// Where each name is used first.
    pub used: BTreeMap<String, Place>,
    /// Those that may be missing: `|default` or `is defined` looks at them.
    pub optional: BTreeSet<String>,
    /// Those that a template sets itself.
    pub locals: BTreeSet<String>,
}

/// How the engine treats the blanks around statements: a line with nothing but a statement leaves no line.
pub(super) fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true).lstrip_blocks(true).trim_blocks(true);
    // Blanks alone are set, which no builder refuses.
    syntax.build().unwrap_or_default()
}

/// A text's syntax tree.
pub(super) fn tree(origin: &Origin) -> Result<ast::Stmt<'_>, TemplateError> {
    parse(&origin.text, &origin.file, syntax()).map_err(|error| {
        let place = error.range().map(|range| origin.place(range.start));
        let place = place.or_else(|| error.line().map(|line| origin.line(line)));
        let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        TemplateError::new(place.unwrap_or_else(|| Place::whole(&origin.file)), what)
    })
}

impl<'s> Book<'s> {
    pub fn new(includes: &'s BTreeMap<String, String>) -> Book<'s> {
        Book {
            includes,
            units: Vec::new(),
            used: BTreeMap::new(),
            optional: BTreeSet::new(),
            locals: BTreeSet::from(["loop".to_owned()]),
        }
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
        if self.units.len() >= UNITS_MAX {
            return Err(TemplateError::of_file(&origin.file, format!("more than {UNITS_MAX} includes")));
        }
        let number = self.units.len();
        let name = format!("{}{number}", kind.letter());
        // Its place is taken before its includes take theirs.
        self.units.push(Unit { name, origin: Origin::default(), edits: Edits::default(), is_constant: false });
        let tree = tree(&origin)?;
        let mut walk = Walk { book: self, origin: &origin, kind, html, depth, edits: Edits::default() };
        let ast::Stmt::Template(template) = &tree else {
            return Err(TemplateError::of_file(&origin.file, "it is no template"));
        };
        walk.statements(&template.children)?;
        let edits = walk.edits;
        let is_constant = template.children.iter().all(|child| matches!(child, ast::Stmt::EmitRaw(_)));
        drop(tree);
        let unit = &mut self.units[number];
        (unit.origin, unit.edits, unit.is_constant) = (origin, edits, is_constant);
        Ok(number)
    }
}

struct Walk<'w, 's> {
    book: &'w mut Book<'s>,
    origin: &'w Origin,
    kind: Kind,
    html: &'w mut Html,
    depth: usize,
    edits: Edits,
}

impl Walk<'_, '_> {
    fn refuse<T>(&self, span: Span, what: impl Into<String>) -> Result<T, TemplateError> {
        Err(TemplateError::new(self.origin.place(span.start_offset as usize), what))
    }

    fn statements(&mut self, statements: &[ast::Stmt<'_>]) -> Result<(), TemplateError> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) -> Result<(), TemplateError> {
        use ast::Stmt;
        let (what, span) = match statement {
            Stmt::EmitRaw(raw) => {
                if self.kind == Kind::Html {
                    self.html.feed(raw.raw);
                }
                return Ok(());
            }
            Stmt::EmitExpr(emit) => return self.emit(&emit.expr, emit.span()),
            Stmt::IfCond(cond) => {
                self.expression(&cond.expr)?;
                return self.branches(&[&cond.true_body, &cond.false_body], cond.span());
            }
            Stmt::ForLoop(each) => return self.each(each, each.span()),
            Stmt::WithBlock(with) => {
                for (target, value) in &with.assignments {
                    self.target(target)?;
                    self.expression(value)?;
                }
                return self.statements(&with.body);
            }
            Stmt::Set(set) => {
                self.target(&set.target)?;
                return self.expression(&set.expr);
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
        self.target(&each.target)?;
        self.expression(&each.iter)?;
        each.filter_expr.iter().try_for_each(|expr| self.expression(expr))?;
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
        let unit = format!("\"{}\"", self.book.units[number].name);
        let (begin, end) = (span.start_offset as usize, span.end_offset as usize);
        self.edits.replace(begin, end.saturating_sub(begin), unit);
        Ok(())
    }

    fn emit(&mut self, expr: &ast::Expr<'_>, span: Span) -> Result<(), TemplateError> {
        // What nl2br makes is HTML, so nothing may come after it.
        let inner = match expr {
            ast::Expr::Filter(filter) if filter.name == "nl2br" => {
                filter.args.iter().try_for_each(|arg| self.argument(arg))?;
                filter.expr.as_ref().unwrap_or(expr)
            }
            _ => expr,
        };
        let is_nl2br = !std::ptr::eq(inner, expr);
        self.expression(inner)?;
        if self.kind != Kind::Html {
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
        match spot {
            Spot::UrlStart => self.wrap(span, filters::URL_WHOLE),
            Spot::UrlRest if !is_encoded => self.wrap(span, filters::URL_PART),
            Spot::UrlRest | Spot::Text | Spot::Attribute => {}
        }
        self.html.value();
        Ok(())
    }

    /// Puts a filter behind the expression of a `{{ }}`, which the span is of.
    fn wrap(&mut self, span: Span, filter: &str) {
        let (begin, end) = (span.start_offset as usize, span.end_offset as usize);
        self.edits.replace(begin, 0, "(".to_owned());
        self.edits.append(begin, end, format!(")|{filter}"));
    }

    /// A name, or several, that get a value.
    fn target(&mut self, target: &ast::Expr<'_>) -> Result<(), TemplateError> {
        match target {
            ast::Expr::Var(var) => {
                self.book.locals.insert(var.id.to_owned());
                Ok(())
            }
            ast::Expr::List(list) => list.items.iter().try_for_each(|item| self.target(item)),
            ast::Expr::Tuple(tuple) => tuple.items.iter().try_for_each(|item| self.target(item)),
            other => self.refuse(other.span(), "only a name can be set"),
        }
    }

    fn expression(&mut self, expr: &ast::Expr<'_>) -> Result<(), TemplateError> {
        use ast::Expr;
        match expr {
            Expr::Var(var) => {
                let place = self.origin.place(var.span().start_offset as usize);
                self.book.used.entry(var.id.to_owned()).or_insert(place);
                Ok(())
            }
            Expr::Const(_) => Ok(()),
            Expr::Slice(slice) => {
                self.expression(&slice.expr)?;
                [&slice.start, &slice.stop, &slice.step]
                    .into_iter()
                    .flatten()
                    .try_for_each(|part| self.expression(part))
            }
            Expr::UnaryOp(op) => self.expression(&op.expr),
            Expr::BinOp(op) => {
                self.expression(&op.left)?;
                self.expression(&op.right)
            }
            Expr::Compare(compare) => {
                self.expression(&compare.expr)?;
                compare.ops.iter().try_for_each(|op| self.expression(&op.expr))
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr)?;
                self.expression(&choice.true_expr)?;
                choice.false_expr.iter().try_for_each(|expr| self.expression(expr))
            }
            Expr::Filter(filter) => self.filter(filter),
            Expr::Test(test) => self.test(test),
            Expr::GetAttr(attr) => self.expression(&attr.expr),
            Expr::GetItem(item) => {
                self.expression(&item.expr)?;
                self.expression(&item.subscript_expr)
            }
            Expr::Call(call) => {
                self.refuse(call.span(), "a template calls no functions: use filters, {{ name|filter }}")
            }
            Expr::List(list) => list.items.iter().try_for_each(|item| self.expression(item)),
            Expr::Tuple(tuple) => tuple.items.iter().try_for_each(|item| self.expression(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).try_for_each(|item| self.expression(item)),
        }
    }

    fn filter(&mut self, filter: &ast::Spanned<ast::Filter<'_>>) -> Result<(), TemplateError> {
        let name = filter.name;
        if !filters::NAMES.contains(&name) {
            return self.refuse(
                filter.span(),
                format!("no filter is called '{name}': there are {}", filters::NAMES.join(", ")),
            );
        }
        if name == "nl2br" {
            return self.refuse(filter.span(), "nl2br makes tags: nothing but }} comes after it");
        }
        if let Some(expr) = &filter.expr {
            if name == "default" {
                self.may_be_missing(expr);
            }
            self.expression(expr)?;
        }
        filter.args.iter().try_for_each(|arg| self.argument(arg))
    }

    fn test(&mut self, test: &ast::Spanned<ast::Test<'_>>) -> Result<(), TemplateError> {
        if !filters::TESTS.contains(&test.name) {
            let known = filters::TESTS.join(", ");
            return self.refuse(test.span(), format!("no test is called '{}': there are {known}", test.name));
        }
        if matches!(test.name, "defined" | "undefined") {
            self.may_be_missing(&test.expr);
        }
        self.expression(&test.expr)?;
        test.args.iter().try_for_each(|arg| self.argument(arg))
    }

    fn argument(&mut self, arg: &ast::CallArg<'_>) -> Result<(), TemplateError> {
        match arg {
            ast::CallArg::Pos(expr)
            | ast::CallArg::Kwarg(_, expr)
            | ast::CallArg::PosSplat(expr)
            | ast::CallArg::KwargSplat(expr) => self.expression(expr),
        }
    }

    fn may_be_missing(&mut self, expr: &ast::Expr<'_>) {
        if let ast::Expr::Var(var) = expr {
            self.book.optional.insert(var.id.to_owned());
        }
    }
}
