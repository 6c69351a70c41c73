//! The header fields that a template has: each is a text of its own, and none can become two.

use super::error::{FieldError, TemplateError};
use super::escape::{BEGIN, END, is_blank_in_header};
use super::mailbox::{write_mailboxes, write_urls};
use super::origin::Origin;
use super::words::{Words, WrittenField};

/// How a field's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Mailboxes,
    Urls,
    /// Text with names in brackets, which the template alone opens and closes.
    Ids,
}

/// One field of the template.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub name: String,
    pub form: Form,
    pub origin: Origin,
}

/// Those that this program makes, or that say where mail goes.
const OURS: [&str; 10] = [
    "Apparently-To",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Bcc",
    "Resent-Bcc",
    "Return-Path",
    "Received",
    "DKIM-Signature",
    "Delivered-To",
];
/// Those whose value is addresses, to which programs may send: a value in one adds none.
const MAILBOXES: [&str; 16] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Resent-From",
    "Resent-Sender",
    "Resent-Reply-To",
    "Resent-To",
    "Resent-Cc",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Disposition-Notification-To",
    "Return-Receipt-To",
    "X-Confirm-Reading-To",
    "Errors-To",
];
const IDS: [&str; 3] = ["List-Id", "References", "In-Reply-To"];
const URLS: [&str; 6] = ["List-Unsubscribe", "List-Help", "List-Subscribe", "List-Post", "List-Owner", "List-Archive"];
/// The longest name of a field.
const NAME_MAX: usize = 60;

/// Whether the template has no say in this field.
pub(super) fn is_ours(name: &str) -> bool {
    let is_content = name.get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case("Content-"));
    is_content || OURS.iter().any(|each| each.eq_ignore_ascii_case(name))
}

impl Field {
    pub fn new(name: &str, origin: Origin) -> Result<Field, TemplateError> {
        if name.is_empty()
            || name.len() > NAME_MAX
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(TemplateError::new(origin.line(1), "it begins no field: write Name: value"));
        }
        if let Some(at) = origin.text.find(|c: char| is_blank_in_header(c) && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(TemplateError::new(origin.place(at), "a header has no control characters"));
        }
        let among = |names: &[&str]| names.iter().any(|each| each.eq_ignore_ascii_case(name));
        let form = match name {
            _ if among(&MAILBOXES) => Form::Mailboxes,
            _ if among(&URLS) => Form::Urls,
            _ if among(&IDS) => Form::Ids,
            _ => Form::Text,
        };
        Ok(Field { name: name.to_owned(), form, origin })
    }

    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The fields of a `headers` file. Lines that begin with `#` are comments.
///
/// Errors: a line that is no field; a field that is this program's.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Field>, TemplateError> {
    let mut fields: Vec<Field> = Vec::new();
    let mut raw: Option<(String, Origin)> = None;
    for (at, line) in text.lines().enumerate() {
        if let Some((_, origin)) = raw.as_mut().filter(|_| line.starts_with([' ', '\t']) && !line.trim().is_empty()) {
            origin.text.push('\n');
            origin.text.push_str(line);
            continue;
        }
        fields.extend(raw.take().map(|(name, origin)| Field::new(&name, origin)).transpose()?);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or(("", line));
        let before = if name.is_empty() { 0 } else { name.chars().count() + 1 };
        let origin = Origin { file: file.to_owned(), text: value.to_owned(), line: at + 1, before };
        if is_ours(name) {
            return Err(TemplateError::new(
                origin.line(1),
                format!("{name} is made by bulkmailer: take that line out"),
            ));
        }
        raw = Some((name.to_owned(), origin));
    }
    fields.extend(raw.map(|(name, origin)| Field::new(&name, origin)).transpose()?);
    once(&fields)?;
    Ok(fields)
}

/// RFC 5322 section 3.6: what may be there once.
pub(super) fn once(fields: &[Field]) -> Result<(), TemplateError> {
    const ONCE: [&str; 7] = ["From", "Sender", "Reply-To", "To", "Cc", "Subject", "List-Unsubscribe"];
    for name in ONCE {
        if let Some(second) = fields.iter().filter(|field| field.is(name)).nth(1) {
            return Err(TemplateError::new(second.origin.line(1), format!("{name} is there twice")));
        }
    }
    Ok(())
}

/// Appends a rendered field, if it has a value. `flat` is room to work in.
///
/// Errors: an address that is none, a URL that is none.
pub(super) fn write(
    out: &mut Vec<u8>,
    name: &str,
    form: Form,
    rendered: &str,
    flat: &mut String,
) -> Result<WrittenField, FieldError> {
    if form == Form::Ids && has_bracket(rendered) {
        return Err(FieldError::Syntax("a value has a bracket, which is the template's alone: < or >"));
    }
    let text = flattened(rendered, flat, matches!(form, Form::Mailboxes | Form::Urls));
    let begin = out.len();
    let mut words = Words::begin(out, name);
    let number = match form {
        Form::Text | Form::Ids => {
            words.text(text);
            usize::from(!text.trim_matches(' ').is_empty())
        }
        Form::Mailboxes => write_mailboxes(&mut words, text)?,
        Form::Urls => write_urls(&mut words, text)?,
    };
    let written = words.end();
    if number == 0 {
        out.truncate(begin);
    }
    Ok(written)
}

/// Whether a value has a bracket.
fn has_bracket(rendered: &str) -> bool {
    let mut in_value = false;
    rendered.chars().any(|c| {
        in_value = c == BEGIN || in_value && c != END;
        in_value && matches!(c, '<' | '>')
    })
}

/// A rendered text on one line. The template's own folds are one blank each.
fn flattened<'t>(rendered: &'t str, flat: &'t mut String, marks: bool) -> &'t str {
    if rendered.bytes().all(|byte| byte >= 32 || marks && matches!(byte, 2 | 3)) {
        return rendered;
    }
    flat.clear();
    let mut folded = false;
    for c in rendered.chars() {
        match c {
            BEGIN | END if !marks => {}
            '\n' | '\r' => folded = true,
            ' ' | '\t' if folded => {}
            c => {
                if std::mem::take(&mut folded) {
                    flat.push(' ');
                }
                flat.push(if c == '\t' { ' ' } else { c });
            }
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_their_places() {
        let fields =
            read("headers", "# for all\nFrom: a@x.org\nSubject: one\n  two {{ x }}\n\nX-A: b\n").expect("fields");
        let found: Vec<(&str, &str, usize)> =
            fields.iter().map(|field| (field.name.as_str(), field.origin.text.as_str(), field.origin.line)).collect();
        assert_eq!(found, [("From", " a@x.org", 2), ("Subject", " one\n  two {{ x }}", 3), ("X-A", " b", 6)]);
        assert_eq!(fields[0].form, Form::Mailboxes);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, expected) in [
            ("From: a\nno field\n", "headers:2: it begins no field: write Name: value"),
            ("date: x\n", "headers:1: date is made by bulkmailer: take that line out"),
            ("Content-Type: x\n", "headers:1: Content-Type is made by bulkmailer: take that line out"),
            ("To: a\nTO: b\n", "headers:2: To is there twice"),
            ("A: b\u{2}c\n", "headers:1:5: a header has no control characters"),
            ("{{ x }}: a\n", "headers:1: it begins no field: write Name: value"),
        ] {
            assert_eq!(read("headers", text).expect_err(text).to_string(), expected);
        }
    }

    #[test]
    fn a_value_closes_no_bracket_and_adds_no_address() {
        let written = |name: &str, text: &str| {
            let field = Field::new(name, Origin::whole("headers", text)).expect("a field");
            let text = text.replace('[', "\u{2}").replace(']', "\u{3}");
            let mut out = Vec::new();
            write(&mut out, name, field.form, &text, &mut String::new()).map(|_| String::from_utf8(out).expect("ASCII"))
        };
        let names = "From Sender Reply-To To Cc Resent-From Resent-Sender Resent-Reply-To Resent-To Resent-Cc Mail-Followup-To \
                     Mail-Reply-To Disposition-Notification-To Return-Receipt-To X-Confirm-Reading-To Errors-To";
        for name in names.split(' ') {
            assert!(written(name, "<[a@x.org>, <b@x.org]>").is_err(), "{name}");
            assert!(written(name, "[a@x.org, b@x.org]").is_err(), "{name}");
        }
        for name in ["List-ID", "References", "in-reply-to"] {
            assert_eq!(written(name, "[News] <[n]@x.org>").ok(), Some(format!("{name}: News <n@x.org>\n")));
            for bad in ["<[a@x.org> <b]@x.org>", "[A <b]"] {
                assert!(written(name, bad).is_err(), "{name}: {bad}");
            }
        }
        assert!(read("headers", "From: a@x.org\napparently-to: b@x.org\n").is_err());
    }

    #[test]
    fn folds_of_the_template_are_a_blank() {
        let (mut flat, mut out) = (String::new(), Vec::new());
        write(&mut out, "X", Form::Text, " a\n\t b \u{2}c\u{3}", &mut flat).expect("text");
        assert_eq!(String::from_utf8(out).expect("ASCII"), "X: a b c\n");
        let mut out = Vec::new();
        write(&mut out, "X", Form::Text, " \u{2} \u{3} ", &mut flat).expect("nothing");
        assert!(out.is_empty());
    }
}
