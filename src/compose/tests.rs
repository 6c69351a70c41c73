//! Templates and rows as a whole.

use std::collections::BTreeMap;

use super::*;

mod hostile;
mod parts;

use crate::model::{Cell, Columns, Micros, Row};

const HEADERS: &str = "From: Shop <shop@x.org>\nTo: \"{{ name }}\" <{{ email }}>\nSubject: Hello {{ name }}\n";

fn sources(files: &[(&str, &str)]) -> Sources {
    let owned = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    Sources::new(owned.collect::<BTreeMap<_, _>>())
}

fn compile(files: &[(&str, &str)]) -> Result<Template, TemplateError> {
    Template::compile(&sources(files))
}

fn refused(files: &[(&str, &str)]) -> String {
    compile(files).expect_err("a bad template").to_string()
}

fn columns(names: &[&str]) -> Columns {
    Columns::new(names.iter().map(|name| (*name).to_owned()).collect()).expect("names")
}

fn ids() -> MessageIds {
    MessageIds::new("job1", "x.org", &[1; 32])
}

fn row(values: &[&str]) -> Row {
    Row { number: 1, cells: values.iter().map(|value| Cell::Text((*value).to_owned())).collect() }
}

fn render(files: &[(&str, &str)], names: &[&str], row: &Row) -> Result<String, RowError> {
    let template = compile(files).expect("a template");
    let mut renderer = template.renderer(&columns(names), ids());
    let rendered = renderer.render(row, Micros(1_795_526_824_000_000), None)?;
    Ok(String::from_utf8(rendered.message.to_vec()).expect("UTF-8"))
}

/// The only text of a mail made from `template` as `part`.
fn text(part: &str, template: &str, value: Cell) -> Result<String, RowError> {
    let files = [("headers", "From: a@x.org\nSubject: s\n"), ("text", "-"), ("html", "-")];
    let mut files: Vec<(&str, &str)> = files.into_iter().filter(|(name, _)| *name == "headers").collect();
    files.push((part, template));
    let row = Row { number: 1, cells: vec![value] };
    let mail = render(&files, &["v"], &row)?;
    let parsed = mailparse::parse_mail(mail.as_bytes()).expect("a mail");
    let part = parsed.subparts.last().unwrap_or(&parsed);
    let body = part.get_body().expect("text").replace("\r\n", "\n");
    // A mail that is one text ends with a line end.
    let added = parsed.subparts.is_empty() && !template.ends_with('\n');
    Ok(body.strip_suffix('\n').filter(|_| added).unwrap_or(&body).to_owned())
}

fn of_text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

#[test]
fn a_row_becomes_a_mail() {
    let files = [("headers", HEADERS), ("text", "Hi {{ name }}!\n"), ("html", "<p>Hi {{ name }}!</p>\n")];
    let mail = render(&files, &["email", "name"], &row(&["a@x.org", "Bell & <Co>"])).expect("a mail");
    let parsed = mailparse::parse_mail(mail.as_bytes()).expect("a mail");
    let names: Vec<String> = parsed.headers.iter().map(mailparse::MailHeader::get_key).collect();
    assert_eq!(names, ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]);
    assert!(mail.contains("To: \"Bell & <Co>\" <a@x.org>\nSubject: Hello Bell & <Co>\n"), "{mail}");
    let texts: Vec<String> = parsed.subparts.iter().map(|part| part.get_body().expect("text")).collect();
    assert_eq!(
        texts,
        ["Hi Bell & <Co>!\r\n", "<p>Hi Bell &amp; &lt;Co&gt;!</p>\r\n"].map(|text| text.replace("\r\n", "\n"))
    );
}

#[test]
fn a_place_of_an_error_is_the_authors() {
    let base = ("headers", HEADERS);
    for (files, expected) in [
        (vec![base, ("text", "a\n b {{ x")], "text:2:"),
        (vec![base, ("html", "<p>\n<script>{{ x }}</script>")], "html:2:12: no value may stand in <script>"),
        (vec![base, ("html", "<p title={{ x }}>")], "html:1:13: no value may stand in an attribute without quotes"),
        (vec![base, ("html", "<!-- {{ x }} -->")], "html:1:9: no value may stand in a comment"),
        (vec![base, ("html", "<p style=\"{{ x }}\">")], "html:1:14: "),
        (vec![base, ("html", "<p>{% if x %}<b title=\"{% endif %}")], "html:1:"),
        (vec![base, ("html", "<p")], "html: it ends within a tag"),
        (vec![base, ("text", "{{ x|safe }}")], "text:1:"),
        (vec![base, ("text", "{{ now() }}")], "text:1:"),
        (vec![base, ("text", "{% include \"../x\" %}")], "text:1:12: there is no '../x'"),
        (vec![base, ("text", "{% include x %}")], "text:1:12: write the name"),
        (vec![base, ("text", "{% macro a() %}{% endmacro %}")], "text:1:"),
        (vec![base, ("html", "<p>{{ x|nl2br|upper }}")], "html:1:"),
        (vec![base, ("html", "<p title=\"{{ x|nl2br }}\">")], "html:1:14: nl2br"),
        (vec![("headers", "From: a@x.org\nSubject: a {{ b c }}\n"), ("text", "")], "headers:2:17: "),
        (vec![("headers", "Subject: a\n"), ("text", "")], "headers: From is missing"),
        (vec![("headers", "From: a\n"), ("text", "")], "headers:1: From: "),
        (vec![base], "text: the template has neither"),
        (vec![("text", "a")], "headers: the template has no headers"),
        (vec![base, ("text", "a"), ("merge.toml", "x = 1")], "merge.toml:1:1: "),
        (vec![base, ("text", "{% include \"a\" %}"), ("a", "x\n{% include \"a\" %}")], "a:2:12: includes are nested"),
    ] {
        let found = refused(&files);
        assert!(found.starts_with(expected), "{expected}\n{found}");
    }
}

#[test]
fn a_row_that_does_not_fit_is_told_with_its_place() {
    for (part, template, cell, fault, place) in [
        ("text", "a\n{{ v }}", Cell::Null, Fault::Null, "text:2:4"),
        ("text", "a {{ w }}", of_text("x"), Fault::Undefined, "text:1:6"),
        ("html", "<p>\n<a href=\"{{ v }}\">", of_text("javascript:x"), Fault::Url, "html:2:"),
        ("html", "<a href=\"x?{{ w }}\">\n{{ v }}", of_text("x"), Fault::Undefined, "html:1:15"),
        ("text", "{{ v|number(2) }}", of_text("x"), Fault::Render, "text:1:"),
        ("text", "{{ v|date(\"%Y\") }}", of_text("x"), Fault::Render, "text:1:"),
        ("text", "{{ v|fromjson }}", of_text("{"), Fault::Render, "text:1:"),
        ("text", "{{ v }}", Cell::Json(serde_json::json!([1])), Fault::Render, "text:1:4"),
        (
            "text",
            "{% for a in \"12345678\" %}{{ v }}{% endfor %}",
            of_text(&"x".repeat(9_000_000)),
            Fault::Render,
            "text:1",
        ),
        (
            "text",
            "{% for a in \"x\" * 3000 %}{% for b in \"x\" * 3000 %}{{ v }}{% endfor %}{% endfor %}",
            of_text("x"),
            Fault::Render,
            "text:1:",
        ),
    ] {
        let error = text(part, template, cell).expect_err(template);
        assert_eq!(error.fault, fault, "{template}: {error}");
        assert!(error.place.to_string().starts_with(place), "{template}: {error}");
        assert!(!error.what.contains('\n'), "{error}");
    }
}

#[test]
fn a_value_is_escaped_by_its_place() {
    let hostile = "<a href=\"x\">'&{{ v }}{% if %}\r\n\0\u{202e}";
    for (part, template, expected) in [
        ("text", "{{ v }}.", "<a href=\"x\">'&{{ v }}{% if %}\n\u{fffd}\u{202e}."),
        ("html", "<p>{{ v }}.", "<p>&lt;a href=&quot;x&quot;&gt;&#39;&amp;{{ v }}{% if %}\n\u{fffd}\u{202e}."),
        (
            "html",
            "<p title='{{ v }}'>",
            "<p title='&lt;a href=&quot;x&quot;&gt;&#39;&amp;{{ v }}{% if %}\n\u{fffd}\u{202e}'>",
        ),
        (
            "html",
            "<a href=\"https://x.org/?v={{ v }}\">",
            "<a href=\"https://x.org/?v=%3Ca%20href%3D%22x%22%3E%27%26%7B%7B%20v%20%7D%7D%7B%25%20if%20%25%7D%0D%0A%00%E2%80%AE\">",
        ),
        ("html", "<p>{{ v|nl2br }}", "<p>&lt;a href=&quot;x&quot;&gt;&#39;&amp;{{ v }}{% if %}<br>\n\u{fffd}\u{202e}"),
        ("html", "<p>{% include 'i' if false else 'i' %}", ""),
    ] {
        if expected.is_empty() {
            assert!(compile(&[("headers", HEADERS), (part, template), ("i", "x")]).is_err(), "{template}");
            continue;
        }
        assert_eq!(text(part, template, of_text(hostile)).as_deref(), Ok(expected), "{template}");
    }
    let whole = text("html", "<a href=\"{{ v }}&amp;b={{ v|length }}\">", of_text("https://x.org/?a=b&c=\"d\""));
    assert_eq!(whole.as_deref(), Ok("<a href=\"https://x.org/?a=b&amp;c=%22d%22&amp;b=24\">"));
}

#[test]
fn filters_do_what_they_are_for() {
    for (template, value, expected) in [
        ("{{ v|default('x') }}{{ w|default('y') }}", Cell::Null, "xy"),
        ("{{ v|default('x') }}", of_text(""), "x"),
        ("{{ v|trim|upper }}", of_text(" a "), "A"),
        ("{{ v|lower|truncate(9) }}", of_text("ONE TWO THREE"), "one two…"),
        ("{{ v|truncate(4, end='') }}", of_text("abcdef"), "abcd"),
        ("{{ v|number(2, ',', '.') }}", of_text("1234.5"), "1.234,50"),
        ("{% if v|number > 9 %}many{% endif %}", of_text("10"), "many"),
        ("{{ v|date('%d.%m.%Y') }}", of_text("2026-11-30"), "30.11.2026"),
        ("{{ v|urlencode }}", of_text("a&b"), "a%26b"),
        ("{{ v|join(', ') }}", Cell::Json(serde_json::json!(["a", "b"])), "a, b"),
        (
            "{% for x in v|fromjson %}{{ loop.index }}{{ x.n }} {% endfor %}",
            of_text("[{\"n\":\"a\"},{\"n\":2}]"),
            "1a 22 ",
        ),
        ("{{ v.a.b }}{% if v.c is defined %}c{% endif %}", Cell::Json(serde_json::json!({"a": {"b": true}})), "true"),
        ("{% set n = v|upper %}{% with m = n %}{{ m }}{% endwith %}", of_text("a"), "A"),
        ("a\n{% if v %}\nb\n{% endif %}\nc\n", of_text("x"), "a\nb\nc\n"),
    ] {
        assert_eq!(text("text", template, value).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn a_value_adds_no_field() {
    let hostile = "x\r\nBcc: eve@x.org\r\n\r\nbody";
    let headers = "From: a@x.org\nTo: \"{{ name }}\" <{{ email }}>\nSubject: {{ name }}\n\
        List-Unsubscribe: <https://x.org/u?e={{ name }}>\nX-Name: {{ name }}\n";
    let mail = render(&[("headers", headers), ("text", "t\n")], &["email", "name"], &row(&["a@x.org", hostile]));
    let mail = mail.expect("a mail");
    let parsed = mailparse::parse_mail(mail.as_bytes()).expect("a mail");
    let names: Vec<String> = parsed.headers.iter().map(mailparse::MailHeader::get_key).collect();
    let ours = ["Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"];
    assert_eq!(names, [&["From", "To", "Subject", "List-Unsubscribe", "X-Name"][..], &ours].concat(), "{mail}");
    assert_eq!(parsed.get_body().expect("text"), "t\n");
}

#[test]
fn languages_have_texts_of_their_own() {
    let files = [
        ("merge.toml", "language = 'lang'\n"),
        ("headers", "From: a@x.org\nSubject: Hello\n"),
        ("headers.de", "From: a@x.org\nSubject: Hallo\n"),
        ("text", "English\n"),
        ("html.de", "<p>Deutsch</p>\n"),
    ];
    for (language, subject, body) in [
        ("de", "Hallo", "Deutsch"),
        ("de_AT", "Hallo", "Deutsch"),
        ("DE", "Hallo", "Deutsch"),
        ("fr", "Hello", "English"),
        ("", "Hello", "English"),
    ] {
        let mail = render(&files, &["email", "lang"], &row(&["a@x.org", language])).expect("a mail");
        assert!(mail.contains(&format!("Subject: {subject}\n")) && mail.contains(body), "{language}: {mail}");
        assert!(!(mail.contains("English") && mail.contains("Deutsch")), "{language}: {mail}");
    }
}

#[test]
fn files_are_parts() {
    let files = [
        ("headers", "From: a@x.org\nSubject: s\n"),
        ("text", "t"),
        ("html", "<img src=\"cid:a.png\">"),
        ("inline/a.png", "PNG"),
        ("attachments/terms.pdf", "PDF"),
        ("merge.toml", "attachment = 'file'\nattachment_folder = '/srv'\n"),
    ];
    let template = compile(&files).expect("a template");
    let mut renderer = template.renderer(&columns(&["email", "file"]), ids());
    let attachment = Attachment { name: "Rechnung für dich.pdf", bytes: b"BILL" };
    let row = row(&["a@x.org", "x"]);
    for (attached, count) in [(Some(&attachment), 3), (None, 2)] {
        let mail = renderer.render(&row, Micros(1), attached).expect("a mail").message.to_vec();
        let mail = mailparse::parse_mail(&mail).expect("a mail");
        assert_eq!((mail.ctype.mimetype.as_str(), mail.subparts.len()), ("multipart/mixed", count));
        let alternative = &mail.subparts[0];
        let kinds: Vec<&str> = alternative.subparts.iter().map(|part| part.ctype.mimetype.as_str()).collect();
        assert_eq!(kinds, ["text/plain", "multipart/related"]);
        assert_eq!(alternative.subparts[1].subparts[1].get_body_raw().expect("bytes"), b"PNG");
        if let Some(bill) = mail.subparts.get(2) {
            assert_eq!(bill.get_body_raw().expect("bytes"), b"BILL");
        }
    }
}

#[test]
fn a_message_is_a_template() {
    let message = "Date: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <a@b>\nFrom: a@x.org\nTo: {{ email }}\n\
        Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= {{ name }}\nContent-Type: multipart/mixed; boundary=b\n\n\
        --b\nContent-Type: multipart/alternative; boundary=c\n\n\
        --c\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe {{ name }}\n\
        --c\nContent-Type: text/html\n\n<p>{{ name }}</p>\n--c--\n\
        --b\nContent-Type: text/csv\nContent-Disposition: attachment; filename=\"a.csv\"\n\n{{ name }}\n--b--\n";
    let files = [("message.eml", message)];
    let template = compile(&files).expect("a template");
    assert_eq!(template.notes().len(), 2, "{:?}", template.notes());
    assert!(template.notes()[1].starts_with("message.eml:2: Message-ID is left out"), "{:?}", template.notes());
    let mail = render(&files, &["email", "name"], &row(&["b@x.org", "<Bob>"])).expect("a mail");
    let parsed = mailparse::parse_mail(mail.as_bytes()).expect("a mail");
    let value = |name| mailparse::MailHeaderMap::get_first_value(&parsed.headers[..], name);
    assert_eq!((value("Subject").as_deref(), value("To").as_deref()), (Some("Grüße <Bob>"), Some("b@x.org")));
    let alternative = &parsed.subparts[0];
    let texts: Vec<String> = alternative.subparts.iter().map(|part| part.get_body().expect("text")).collect();
    assert_eq!(texts.iter().map(|text| text.trim()).collect::<Vec<_>>(), ["Grüße <Bob>", "<p>&lt;Bob&gt;</p>"]);
    assert_eq!(parsed.subparts[1].get_body().expect("text").trim(), "{{ name }}");
    assert!(!mail.contains("<a@b>") && !mail.contains("2024"), "{mail}");
}

#[test]
fn columns_are_compared_with_what_is_used() {
    let files = [
        ("headers", "From: a@x.org\n"),
        ("text", "{% set a = 1 %}{{ a }}{{ gone }}{{ perhaps|default('') }}{% for b in list %}{{ b }}{% endfor %}"),
        ("merge.toml", "required = ['must']\n"),
    ];
    let template = compile(&files).expect("a template");
    let missing = template.missing(&columns(&["email", "list", "odd"]));
    let missing: Vec<String> = missing.into_iter().map(|(name, place)| format!("{name} {place}")).collect();
    assert_eq!(missing, ["must merge.toml", "gone text:1:26"]);
    // A column's place is the first that a reader sees.
    let files =
        [("headers", "From: a@x.org\nSubject: {{ gone }}\n"), ("text", "{{ gone }}"), ("html", "<p>{{ gone }}</p>")];
    let missing = compile(&files).expect("a template").missing(&columns(&["email"]));
    assert_eq!(missing.into_iter().map(|(_, place)| place.to_string()).collect::<Vec<_>>(), ["headers:2:13"]);
    let eml = "From: a@x.org\nSubject: {{ gone }}\n\n{{ gone }}\n";
    let missing = compile(&[("message.eml", eml)]).expect("a template").missing(&columns(&["email"]));
    assert_eq!(missing.into_iter().map(|(_, place)| place.to_string()).collect::<Vec<_>>(), ["message.eml:2:13"]);
    let warnings = template.warnings(&columns(&["email", "list", "odd"]));
    let odd = Warning::UnusedColumn { name: "odd".to_owned() };
    assert_eq!(warnings, [Warning::NoUnsubscribe, Warning::NoSubject, odd]);
    let template = compile(&[("headers", HEADERS), ("text", "the same"), ("html", &"x".repeat(HTML_MAX + 1))]);
    let warnings = template.expect("a template").warnings(&columns(&["email", "name"]));
    assert!(warnings.contains(&Warning::SameForAll), "{warnings:?}");
    assert!(warnings.iter().any(|warning| matches!(warning, Warning::LargeHtml { .. })), "{warnings:?}");
}

#[test]
fn one_row_leaves_nothing_for_the_next() {
    let files =
        [("headers", HEADERS), ("text", "{{ name }}{% if false %}{% set x = name %}{% endif %}{{ x|default('') }}\n")];
    let template = compile(&files).expect("a template");
    let mut renderer = template.renderer(&columns(&["email", "name"]), ids());
    for n in 0..200_u64 {
        let name = if n % 7 == 3 { Cell::Null } else { of_text(&format!("sentinel-{n}-")) };
        let row = Row { number: n, cells: vec![of_text("a@x.org"), name] };
        let rendered = renderer.render(&row, Micros(1), None).map(|mail| mail.message.to_vec());
        assert_eq!(rendered.is_err(), n % 7 == 3);
        let text = String::from_utf8(rendered.unwrap_or_default()).expect("ASCII");
        let others = text.matches("sentinel-").count() - text.matches(&format!("sentinel-{n}-")).count();
        assert_eq!(others, 0, "{text}");
    }
}
