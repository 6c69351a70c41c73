//! The template engine as a mail needs it: an undefined name is an error, every text ends, no clock, no random numbers, and a
//! value is escaped by the part that it is in.

use std::fmt::Write;
use std::sync::Arc;

use minijinja::Template as Compiled;
use minijinja::machinery::{eval, get_compiled_template, make_string_output};
use minijinja::value::{Enumerator, Object, ObjectRepr, Serde};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};

use super::error::{Fault, LARGEST, Marked, Place, RowError, TOO_LARGE, TemplateError, UNDEFINED, one_line};
use super::tree::syntax;
use super::unit::Unit;
use super::{escape, filters};
use crate::model::Cell;

/// Steps of one text, of which each 64 bytes that it makes are one: some 16 MB, and they end it while it is written. A mail of a thousand lines takes some ten thousand.
const FUEL: u64 = 250_000;
/// What the escaping of a header's values is called.
const HEADER: &str = "header";

/// An engine with the texts of one template.
pub(super) struct Engine(Environment<'static>);

impl Engine {
    /// Errors: a text that the engine refuses.
    pub fn new(units: &[Unit]) -> Result<Engine, TemplateError> {
        let mut environment = Environment::empty();
        environment.set_syntax(syntax());
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_debug(false);
        environment.set_auto_escape_callback(|name| match name.chars().next() {
            Some('h') => AutoEscape::Html,
            Some('f') => AutoEscape::Custom(HEADER.into()),
            Some(_) | None => AutoEscape::None,
        });
        environment.set_formatter(print);
        filters::add(&mut environment);
        for unit in units {
            let text = unit.edits.apply(&unit.origin.text);
            environment.add_template_owned(unit.name.clone(), text).map_err(|error| {
                let (place, _, what) = told(units, &error);
                TemplateError::new(place, what)
            })?;
        }
        Ok(Engine(environment))
    }

    /// A unit's text, by its name.
    pub fn get(&self, name: &str) -> Option<Compiled<'_, '_>> {
        self.0.get_template(name).ok()
    }

    /// Renders one text into `out`, which is emptied before.
    pub fn render(&self, text: &Compiled<'_, '_>, values: &Arc<Values>, out: &mut String) -> Result<(), Error> {
        out.clear();
        let compiled = get_compiled_template(text);
        let root = Value::from_dyn_object(values.clone());
        let mut output = make_string_output(out);
        let escape = compiled.initial_auto_escape.clone();
        eval(&self.0, &compiled.instructions, root, &compiled.blocks, &mut output, escape).map(|_| ())
    }
}

/// Prints a value as the part that is rendered has it.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = filters::text(value)?;
    if text.len() > LARGEST {
        return Err(filters::refused(TOO_LARGE));
    }
    match state.auto_escape() {
        AutoEscape::Html if value.is_safe() => Ok(out.write_str(&text)?),
        AutoEscape::Html => Ok(escape::pieces(&text, true, |piece| out.write_str(piece))?),
        AutoEscape::Custom(_) => {
            out.write_char(escape::BEGIN)?;
            escape::line(&text, |piece| out.write_str(piece))?;
            Ok(out.write_char(escape::END)?)
        }
        _ => Ok(escape::pieces(&text, false, |piece| out.write_str(piece))?),
    }
}

/// The cells of a row that its template uses, by name.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// Sorted.
    names: Arc<[String]>,
    values: Vec<Value>,
}

impl Values {
    pub fn new(names: Vec<String>) -> Values {
        Values { names: names.into(), values: Vec::new() }
    }

    /// Gives `values` those of the next row, in the order of the names.
    pub fn refill<'c>(values: &mut Arc<Values>, cells: impl Iterator<Item = Option<&'c Cell>>) {
        // Otherwise something still holds the last row's.
        if Arc::get_mut(values).is_none() {
            *values = Arc::new(Values { names: values.names.clone(), values: Vec::new() });
        }
        let Some(values) = Arc::get_mut(values) else { return };
        values.values.clear();
        values.values.extend(cells.map(|cell| match cell {
            None => Value::UNDEFINED,
            Some(Cell::Null) => Value::from(()),
            Some(Cell::Text(text)) => Value::from(text.as_str()),
            Some(Cell::Json(json)) => Value::from(Serde(json)),
        }));
    }

    fn find(&self, name: &str) -> Option<Value> {
        let at = self.names.binary_search_by(|each| each.as_str().cmp(name)).ok()?;
        self.values.get(at).filter(|value| !value.is_undefined()).cloned()
    }
}

impl Object for Values {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.find(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.find(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// The engine's error as the row's.
pub(super) fn row_error(units: &[Unit], error: &Error) -> RowError {
    let (place, fault, what) = told(units, error);
    RowError { place, fault, what }
}

fn told(units: &[Unit], error: &Error) -> (Place, Fault, String) {
    // An error within an include is the cause of the include's.
    let (mut deepest, mut fault) = (error, None);
    let mut cause = std::error::Error::source(error);
    while let Some(each) = cause {
        if let Some(inner) = each.downcast_ref::<Error>() {
            deepest = inner;
        }
        fault = fault.or_else(|| each.downcast_ref::<Marked>().map(|Marked(fault)| *fault));
        cause = each.source();
    }
    let unit = deepest.name().and_then(|name| units.iter().find(|unit| unit.name == name));
    let Some(unit) = unit else {
        let what = deepest.to_string();
        return (Place::default(), fault.unwrap_or(Fault::Render), one_line(&what));
    };
    let origin = &unit.origin;
    let range = deepest.range().map(|range| unit.edits.back(range.start)..unit.edits.back(range.end));
    let shown = range.clone().and_then(|range| origin.text.get(range)).filter(|shown| !shown.is_empty());
    let place = match (range, deepest.line()) {
        (Some(range), _) => origin.place(range.start),
        (None, Some(line)) => origin.line(line),
        (None, None) => Place::whole(&origin.file),
    };
    let undefined = deepest.kind() == ErrorKind::UndefinedError;
    let fault = fault.unwrap_or(if undefined { Fault::Undefined } else { Fault::Render });
    let what = match (undefined, deepest.detail()) {
        (true, _) => UNDEFINED.to_owned(),
        (false, Some(detail)) => detail.to_owned(),
        (false, None) => deepest.kind().to_string(),
    };
    let what = shown.map_or_else(|| what.clone(), |shown| format!("{shown}: {what}"));
    (place, fault, one_line(&what))
}
