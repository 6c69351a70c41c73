//! The rules for expressions: which filters and tests there are, what is no expression, which names are used.
//!
//! What holds: nothing is called, and no list or object can be made to hold another of the row's many times over.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::machinery::{Span, ast};

use super::error::{Place, TemplateError};
use super::filters;
use super::origin::Origin;

/// The names that a template uses.
#[derive(Debug)]
pub(super) struct Names {
    /// Where each is used first.
    pub used: BTreeMap<String, Place>,
    /// Those that may be missing: `|default` or `is defined` looks at them.
    pub optional: BTreeSet<String>,
    /// Those that a template sets itself.
    pub locals: BTreeSet<String>,
}

impl Names {
    pub fn new() -> Names {
        let locals = BTreeSet::from(["loop".to_owned()]);
        Names { used: BTreeMap::new(), optional: BTreeSet::new(), locals }
    }
}

/// Goes over the expressions of one text.
pub(super) struct Expressions<'e> {
    pub origin: &'e Origin,
    pub names: &'e mut Names,
    /// In what a name keeps, or in a list: there a list of values could hold itself, doubled each time.
    pub keeps: bool,
}

impl Expressions<'_> {
    fn refuse<T>(&self, span: Span, what: impl Into<String>) -> Result<T, TemplateError> {
        Err(TemplateError::new(self.origin.place(span.start_offset as usize), what))
    }

    /// A name, or several, that get a value.
    pub fn target(&mut self, target: &ast::Expr<'_>) -> Result<(), TemplateError> {
        match target {
            ast::Expr::Var(var) => {
                self.names.locals.insert(var.id.to_owned());
                Ok(())
            }
            ast::Expr::List(list) => list.items.iter().try_for_each(|item| self.target(item)),
            ast::Expr::Tuple(tuple) => tuple.items.iter().try_for_each(|item| self.target(item)),
            other => self.refuse(other.span(), "only a name can be set"),
        }
    }

    pub fn expression(&mut self, expr: &ast::Expr<'_>) -> Result<(), TemplateError> {
        use ast::Expr;
        match expr {
            Expr::Var(var) => {
                // A place is counted from the text's beginning.
                if !self.names.used.contains_key(var.id) {
                    let place = self.origin.place(var.span().start_offset as usize);
                    self.names.used.insert(var.id.to_owned(), place);
                }
                Ok(())
            }
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
            _ if is_constant(expr) => Ok(()),
            Expr::List(list) => self.items(list.span(), list.items.iter()),
            Expr::Tuple(tuple) => self.items(tuple.span(), tuple.items.iter()),
            Expr::Map(map) => self.items(map.span(), map.keys.iter().chain(&map.values)),
            Expr::Const(_) => Ok(()),
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

    pub fn argument(&mut self, arg: &ast::CallArg<'_>) -> Result<(), TemplateError> {
        match arg {
            ast::CallArg::Pos(expr)
            | ast::CallArg::Kwarg(_, expr)
            | ast::CallArg::PosSplat(expr)
            | ast::CallArg::KwargSplat(expr) => self.expression(expr),
        }
    }

    fn may_be_missing(&mut self, expr: &ast::Expr<'_>) {
        if let ast::Expr::Var(var) = expr {
            self.names.optional.insert(var.id.to_owned());
        }
    }

    /// The items of a list or an object, which nothing keeps unless it is constant: a list that has another twice, and so on
    /// a few dozen times, would take more time and memory than there is.
    fn items<'a>(
        &mut self,
        span: Span,
        mut items: impl Iterator<Item = &'a ast::Expr<'a>>,
    ) -> Result<(), TemplateError> {
        if self.keeps {
            return self.refuse(span, "a list with values of the row stands behind {% for … in %} or before |join");
        }
        self.keeps = true;
        let done = items.try_for_each(|item| self.expression(item));
        self.keeps = false;
        done
    }
}

fn is_constant(expr: &ast::Expr<'_>) -> bool {
    match expr {
        ast::Expr::Const(_) => true,
        ast::Expr::List(list) => list.items.iter().all(is_constant),
        ast::Expr::Tuple(tuple) => tuple.items.iter().all(is_constant),
        ast::Expr::Map(map) => map.keys.iter().chain(&map.values).all(is_constant),
        _ => false,
    }
}
