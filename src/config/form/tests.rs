//! Each form takes what it says, refuses the rest, and prints what it took.

use std::path::PathBuf;
use std::time::Duration;

use toml::Value;
use toml::de::DeValue;

use super::{Fault, Form, array};
use crate::config::transport::{Mechanism, TlsMode};
use crate::model::Address;
use crate::policy::rate::Rate;

/// A field of each type.
#[derive(Clone, Default)]
struct Part {
    flag: bool,
    count: usize,
    limit: Option<usize>,
    bytes: u64,
    time: Duration,
    fraction: f64,
    rate: Option<Rate>,
    text: String,
    word: Option<String>,
    address: Option<Address>,
    path: Option<PathBuf>,
    tls: Option<TlsMode>,
    auth: Option<Mechanism>,
    args: Option<Vec<String>>,
}

type PartForm = Form<Part>;

/// What is printed of the field after `text` was read into it, or what is wrong with `text`.
fn read(form: &Form<Part>, text: &str) -> Result<Option<String>, String> {
    let value = DeValue::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut part = Part::default();
    match form.read(value.get_ref(), &|| Some("/home/mara".into()), &mut part) {
        Ok(()) => Ok(form.show(&mut part).map(|value| value.to_string())),
        Err(Fault::Kind { text, .. } | Fault::Value(text)) => Err(text),
    }
}

#[track_caller]
fn check(form: &Form<Part>, taken: &[(&str, &str)], refused: &[(&str, &str)]) {
    for (text, shown) in taken {
        assert_eq!(read(form, text), Ok(Some((*shown).to_owned())), "{text}");
        assert_eq!(read(form, shown), Ok(Some((*shown).to_owned())), "what is shown reads back");
    }
    for (text, why) in refused {
        let said = read(form, text).expect_err(text);
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn flags_and_numbers() {
    check(
        &PartForm::Flag(|part| &mut part.flag),
        &[("true", "true")],
        &[("\"yes\"", "neither true nor false"), ("1", "1")],
    );
    let count = PartForm::Count(2..=9, |part| &mut part.count);
    check(&count, &[("2", "2"), ("0x9", "9")], &[("1", "from 2 to 9"), ("\"3\"", "from 2"), ("2.5", "invalid type")]);
    check(&PartForm::Limit(1..=9, |part| &mut part.limit), &[("9", "9")], &[("10", "from 1 to 9"), ("true", "from 1")]);
    let auto = PartForm::Auto(1..=9, |part| &mut part.limit);
    check(&auto, &[("\"auto\"", "\"auto\""), ("4", "4")], &[("\"4\"", "\"auto\", or a whole number from 1 to 9")]);
    let fraction = PartForm::Fraction(0.5..=2.0, |part| &mut part.fraction);
    check(
        &fraction,
        &[("\"0.5\"", "\"0.5\""), ("1", "\"1\"")],
        &[("3", "a number from 0.5 to 2"), ("\"x\"", "from 0.5")],
    );
}

#[test]
fn sizes_times_and_rates() {
    let size = PartForm::Size(1, |part| &mut part.bytes);
    check(&size, &[("\"64K\"", "\"64K\""), ("1024", "\"1K\"")], &[("0", "too small"), ("\"64 KB\"", "is no size")]);
    let time = PartForm::Time(|part| &mut part.time);
    check(&time, &[("\"1h30m\"", "\"90m\"")], &[("0", "too short"), ("5", "is no duration"), ("[1]", "invalid type")]);
    check(&PartForm::Duration(|part| &mut part.time), &[("0", "\"0s\"")], &[("\"m\"", "is no duration")]);
    check(&PartForm::Rate(|part| &mut part.rate), &[("\"20/sec\"", "\"20/s\"")], &[("20", "is no rate")]);
    let burst = PartForm::Burst(|part| &mut part.rate);
    assert_eq!(read(&burst, "5"), Ok(None), "there is no rate that it belongs to");
    check(&burst, &[], &[("0", "from 1 to 100000"), ("100001", "from 1 to 100000")]);
    let mut part = Part { rate: Some(Rate::new(20, Duration::from_secs(1), None)), ..Part::default() };
    let five = DeValue::parse("5").expect("a value");
    burst.read(five.get_ref(), &|| None, &mut part).expect("it has a rate");
    assert_eq!(part.rate, Some(Rate::new(20, Duration::from_secs(1), Some(5))));
}

#[test]
fn texts() {
    check(
        &PartForm::Text(|part| &mut part.text),
        &[("\"a\"", "\"a\"")],
        &[("5", "is no text"), ("\"\\u0000\"", "NUL")],
    );
    check(
        &PartForm::Line(|part| &mut part.word),
        &[("\"a b\"", "\"a b\"")],
        &[("\"\"", "empty"), ("\"\\n\"", "control")],
    );
    check(&PartForm::Word(|part| &mut part.word), &[("\"a.b\"", "\"a.b\"")], &[("\"a b\"", "no name of a host")]);
    let address = PartForm::Address(|part| &mut part.address);
    check(&address, &[("\"a@b.c\"", "\"a@b.c\""), ("\"\"", "\"\"")], &[("\"a b@c\"", "bad address")]);
    let path = PartForm::Path(|part| &mut part.path);
    check(&path, &[("\"/x\"", "\"/x\""), ("\"~/x\"", "\"/home/mara/x\"")], &[("\"x\"", "no absolute path")]);
    let home = "\"~/x\"";
    let value = DeValue::parse(home).expect("a value");
    assert!(path.read(value.get_ref(), &|| None, &mut Part::default()).is_err(), "there is no home");
}

#[test]
fn names_and_lists() {
    let tls = PartForm::OneOf(|part| &mut part.tls);
    let names = "is not possible: \"none\", \"starttls\" or \"implicit\"";
    check(&tls, &[("\"starttls\"", "\"starttls\"")], &[("\"STARTTLS\"", names), ("\"\"", names), ("1", "is no text")]);
    check(
        &PartForm::OneOf(|part| &mut part.auth),
        &[("\"PLAIN\"", "\"plain\"")],
        &[("\"x\"", "\"login\" or \"xoauth2\"")],
    );
    let command = PartForm::Command(
        |args, _| if args.is_empty() { Err("empty".to_owned()) } else { Ok(args.to_vec()) },
        |part| &mut part.args,
    );
    let refused = [("[]", "empty"), ("\"a\"", "expected a sequence"), ("[\"a\", 5]", "integer `5`, expected a string")];
    check(&command, &[("[\"a\", \"b\"]", "[\"a\", \"b\"]")], &refused);
    let texts = PartForm::Texts {
        words: "",
        read: |texts, part| {
            part.args = Some(texts.to_vec());
            Ok(())
        },
        show: |part| part.args.clone().map(|args| array(args.into_iter())),
    };
    check(&texts, &[("\"a\"", "[\"a\"]"), ("[\"a\"]", "[\"a\"]")], &[("5", "a text, or a list of texts")]);
    let other = PartForm::Other {
        words: "",
        read: |value, part| {
            part.text = value.to_text();
            if part.text == "x" { Err("no".to_owned()) } else { Ok(()) }
        },
        show: |part| Some(Value::String(part.text.clone())),
    };
    check(&other, &[("\"a\"", "\"a\"")], &[("\"x\"", "no"), ("{}", "invalid type: map")]);
}

#[test]
fn the_manual_has_the_bounds() {
    let mut part = Part::default();
    assert_eq!(
        PartForm::Count(1..=1_000_000, |part| &mut part.count).words(&mut part),
        "A number from 1 to 1,000,000."
    );
    let fraction = PartForm::Fraction(0.1..=1_000.0, |part| &mut part.fraction).words(&mut part);
    assert!(fraction.starts_with("A number from 0.1 to 1,000, "), "{fraction}");
    let tls = PartForm::OneOf(|part| &mut part.tls).words(&mut part);
    assert_eq!(tls, ".Qq none ,\n.Qq starttls\nor\n.Qq implicit .");
}
