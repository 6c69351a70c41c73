//! The filters of a template. No others are there, and none looks at a clock.

use minijinja::value::{Kwargs, Rest, Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};

use super::error::{Fault, LARGEST, Marked, NULL, TOO_LARGE, structured};
use super::{escape, number, url};
use crate::model::structure::{self, VALUES_MAX};

/// What an author may write.
pub(super) const NAMES: [&str; 12] = [
    "default",
    "date",
    "number",
    "join",
    "urlencode",
    "fromjson",
    "nl2br",
    "trim",
    "upper",
    "lower",
    "truncate",
    "length",
];
/// Added where a value stands in a URL.
pub(super) const URL_PART: &str = "_url_part";
pub(super) const URL_WHOLE: &str = "_url_whole";
/// The tests behind `is`.
pub(super) const TESTS: [&str; 12] = [
    "defined",
    "undefined",
    "none",
    "number",
    "string",
    "sequence",
    "mapping",
    "odd",
    "even",
    "divisibleby",
    "startingwith",
    "endingwith",
];
/// Bytes of a number's point, and of a date's form.
const SIGN_MAX: usize = 8;
const FORM_MAX: usize = 200;
/// What a text is cut to where nothing is asked.
const TRUNCATE: usize = 255;

pub(super) fn add(engine: &mut Environment<'_>) {
    engine.add_filter("default", default);
    engine.add_filter("date", date);
    engine.add_filter("number", number_filter);
    engine.add_filter("join", join);
    engine.add_filter("urlencode", url_part);
    engine.add_filter("fromjson", from_json);
    engine.add_filter("nl2br", nl2br);
    engine.add_filter("trim", |value: &Value| -> Result<String, Error> { Ok(text(value)?.trim().to_owned()) });
    engine.add_filter("upper", |value: &Value| -> Result<String, Error> { Ok(text(value)?.to_uppercase()) });
    engine.add_filter("lower", |value: &Value| -> Result<String, Error> { Ok(text(value)?.to_lowercase()) });
    engine.add_filter("truncate", truncate);
    engine.add_filter("length", minijinja::filters::length);
    engine.add_filter(URL_PART, url_part);
    engine.add_filter(URL_WHOLE, url_whole);
    add_tests(engine);
}

fn add_tests(engine: &mut Environment<'_>) {
    use minijinja::tests;
    engine.add_test("defined", tests::is_defined);
    engine.add_test("undefined", tests::is_undefined);
    engine.add_test("none", tests::is_none);
    engine.add_test("number", tests::is_number);
    engine.add_test("string", tests::is_string);
    engine.add_test("sequence", tests::is_sequence);
    engine.add_test("mapping", tests::is_mapping);
    engine.add_test("odd", tests::is_odd);
    engine.add_test("even", tests::is_even);
    engine.add_test("divisibleby", tests::is_divisibleby);
    engine.add_test("startingwith", tests::is_startingwith);
    engine.add_test("endingwith", tests::is_endingwith);
}

pub(super) fn refused(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// The text that a value is printed as.
///
/// Errors: it is undefined, NULL, or has a structure, of which a mail would show its source.
pub(super) fn text(value: &Value) -> Result<std::borrow::Cow<'_, str>, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.into());
    }
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Err(refused(NULL).with_source(Marked(Fault::Null))),
        // As JSON has it.
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.into()),
        ValueKind::Number => Ok(value.to_string().into()),
        _ => Err(refused(structured(&value.kind().to_string()))),
    }
}

/// `value`, or `other` where it is undefined, NULL or empty.
fn default(value: &Value, other: Option<Value>) -> Value {
    let empty = value.is_undefined() || value.is_none() || value.as_str() == Some("");
    if empty { other.unwrap_or_else(|| Value::from("")) } else { value.clone() }
}

fn date(value: &Value, format: Option<&str>) -> Result<String, Error> {
    let format = format.unwrap_or("%Y-%m-%d");
    if format.len() > FORM_MAX {
        return Err(refused("date(FORM) takes a form of at most 200 bytes"));
    }
    let text = text(value)?;
    number::date(&text, format).map_err(refused)
}

fn number_filter(value: &Value, args: Rest<Value>) -> Result<Value, Error> {
    let text = text(value)?;
    // A value that stands between thousands could make a text a hundred times as long.
    let sign = |n: usize, otherwise: &'static str| match args.get(n).map(self::text).transpose()? {
        None => Ok(otherwise.to_owned()),
        Some(text) if text.len() <= SIGN_MAX => Ok(text.into_owned()),
        Some(_) => Err(refused("number(DIGITS, POINT, GROUP) takes a POINT and a GROUP of at most 8 bytes")),
    };
    match args.first() {
        None => number::parse(&text).map_err(refused),
        Some(digits) => {
            let digits = digits.as_usize().filter(|&digits| digits <= number::DIGITS_MAX);
            let digits = digits.ok_or_else(|| refused("number(DIGITS, POINT, GROUP) takes 0 to 18 digits"))?;
            number::format(&text, digits, &sign(1, ".")?, &sign(2, "")?).map(Value::from).map_err(refused)
        }
    }
}

/// Each value of it is a step.
fn from_json(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    let Some(text) = value.as_str() else { return Ok(value.clone()) };
    let mut left = VALUES_MAX;
    let parsed = structure::parse(text, &mut left).map_err(|error| refused(format!("its JSON is refused: {error}")))?;
    state.consume_fuel((VALUES_MAX - left) as u64)?;
    Ok(Value::from(Serde(&parsed)))
}

/// `join(", ", attribute="name")`: the texts of a list, or of a key of each of its objects.
fn join(value: &Value, between: Option<&str>, kwargs: Kwargs) -> Result<String, Error> {
    let attribute: Option<&str> = kwargs.get("attribute")?;
    kwargs.assert_all_used()?;
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if value.as_str().is_some() {
        return Err(refused("it is a text and no list: write |fromjson before |join"));
    }
    let (mut out, between) = (String::new(), between.unwrap_or_default());
    for (n, item) in value.try_iter()?.enumerate() {
        let item = attribute.map_or(Ok(item.clone()), |name| item.get_attr(name))?;
        // A list in a list is none of them, so nothing grows by being printed.
        let item = text(&item)?;
        if out.len() + between.len() + item.len() > LARGEST {
            return Err(refused(TOO_LARGE));
        }
        out.push_str(if n > 0 { between } else { "" });
        out.push_str(&item);
    }
    Ok(out)
}

/// In HTML each line end with `<br>`; elsewhere the text as it is.
fn nl2br(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    let text = text(value)?;
    if *state.auto_escape() != AutoEscape::Html {
        return Ok(Value::from(text.into_owned()));
    }
    let mut out = String::with_capacity(text.len() + 16);
    escape::push(&mut out, &text, true);
    Ok(Value::from_safe_string(out.replace('\n', "<br>\n")))
}

/// `truncate(length=255, end="…")`: cut behind a word where there is one.
fn truncate(value: &Value, length: Option<usize>, kwargs: Kwargs) -> Result<String, Error> {
    let text = text(value)?;
    let length = length.or(kwargs.get("length")?).unwrap_or(TRUNCATE);
    let end: Option<String> = kwargs.get("end")?;
    kwargs.assert_all_used()?;
    let end = end.unwrap_or_else(|| "…".to_owned());
    if text.chars().nth(length).is_none() {
        return Ok(text.into_owned());
    }
    let kept = length.saturating_sub(end.chars().count());
    let cut = text.char_indices().nth(kept).map_or(text.len(), |(at, _)| at);
    let kept = &text[..cut];
    let at_word =
        if text[cut..].starts_with(char::is_whitespace) { Some(cut) } else { kept.rfind(char::is_whitespace) };
    Ok(kept[..at_word.unwrap_or(cut)].trim_end().to_owned() + &end)
}

fn url_part(value: &Value) -> Result<String, Error> {
    let text = text(value)?;
    let mut out = String::with_capacity(text.len() + 16);
    url::push_part(&mut out, &text);
    Ok(out)
}

fn url_whole(value: &Value) -> Result<String, Error> {
    let text = text(value)?;
    let mut out = String::with_capacity(text.len() + 16);
    url::push_whole(&mut out, &text).map_err(|what| refused(what).with_source(Marked(Fault::Url)))?;
    Ok(out)
}
