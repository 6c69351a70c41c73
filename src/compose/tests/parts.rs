//! What a template is made of, and what becomes of it.

use std::io::Write;

use super::*;

/// A text as the engine renders it: a statement keeps it from being written without.
fn by_engine(part: &str, template: &str, value: &Cell) -> Result<String, RowError> {
    text(part, &format!("{{% if false %}}{{% endif %}}{template}"), value.clone())
}

#[test]
fn the_engine_changes_no_text_and_no_error() {
    let values = [
        of_text("Anna"),
        of_text(""),
        of_text("<b>&\"'\r\n\0\u{85}ü\u{2028}"),
        of_text("https://x.org/?a=b&c=d#\"'"),
        of_text("javascript:alert(1)"),
        Cell::Null,
        Cell::Json(serde_json::json!(["a"])),
        Cell::Json(serde_json::json!({"a": 1})),
    ];
    for (part, template) in [
        ("text", "a {{ v }} b"),
        ("text", "{{- v -}}  x"),
        ("text", "{{ v|default(\"you\") }}"),
        ("text", "{{ v|urlencode }}"),
        ("text", "{{ gone }}"),
        ("text", "{{ gone|default(\"\") }}."),
        ("html", "<p title='{{ v }}'>{{ v }}</p>"),
        ("html", "<a href=\"{{ v }}\">x</a>"),
        ("html", "<a href=\"{{ v|default(\"http://x\") }}\">x</a>"),
        ("html", "<a href=\"/{{ v }}?{{ v|urlencode }}\">x</a>"),
        ("html", "<p>{{ v|urlencode }} {{ \"{\" }}{# x #}{% raw %}{{ x }}{% endraw %}"),
    ] {
        for value in &values {
            let (straight, engine) = (text(part, template, value.clone()), by_engine(part, template, value));
            let shown = format!("{template}: {:.60}", format!("{value:?}"));
            match (straight, engine) {
                (Ok(straight), Ok(engine)) => assert!(straight == engine, "{shown}: {straight:.300} {engine:.300}"),
                (Err(straight), Err(engine)) => {
                    let place = &straight.place;
                    let shift = "{% if false %}{% endif %}".len() * usize::from(place.line == 1);
                    assert_eq!(
                        (straight.fault, place.file.as_str()),
                        (engine.fault, engine.place.file.as_str()),
                        "{shown}"
                    );
                    // The engine names the filter alone where one refuses; the text made of HTML has other columns.
                    if part == "html" || template.contains("|urlencode") {
                        continue;
                    }
                    assert_eq!(
                        (place.line, place.column + shift),
                        (engine.place.line, engine.place.column),
                        "{shown}: {straight} {engine}"
                    );
                    assert_eq!(straight.what, engine.what, "{shown}");
                }
                (straight, engine) => {
                    panic!("{shown}: {:.300} {:.300}", format!("{straight:?}"), format!("{engine:?}"))
                }
            }
        }
    }
}

#[test]
fn fields_are_the_same_with_the_engine() {
    let value = "Bell, \"A\" <x>\r\nü";
    for field in [
        "To: \"{{ v }}\" <a@x.org>",
        "Subject: a {{ v }} b",
        "List-Help: <https://x.org/?v={{ v }}>",
        "X-A: {{ v|urlencode }}",
    ] {
        let mail = |field: &str| {
            let headers = format!("From: a@x.org\n{field}\n");
            render(&[("headers", &headers), ("text", "x\n")], &["v"], &row(&[value])).expect("a mail")
        };
        let (name, text) = field.split_once(": ").expect("a field");
        assert_eq!(mail(field), mail(&format!("{name}: {{% if true %}}{text}{{% endif %}}")));
    }
}

#[test]
fn a_large_file_makes_the_mail_that_a_small_one_makes() {
    let files = [
        ("headers", "From: {{ v }}@x.org\nSubject: s\n"),
        ("text", "t {{ v }}\n"),
        ("attachments/terms.pdf", "PDF"),
        ("merge.toml", "attachment = 'file'\nattachment_folder = '/srv'\n"),
    ];
    let template = compile(&files).expect("a template");
    let mut renderer = template.renderer(&columns(&["v", "file"]), ids());
    let row = row(&["anna", "bill.pdf"]);
    for len in [0, 1, IN_MEMORY_MAX as usize + 1, 3 << 20] {
        let bytes: Vec<u8> = (0..len).map(|n| (n % 253) as u8).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("written");
        let attachment = Attachment { name: "bill.pdf", bytes: &bytes };
        let whole = renderer.render(&row, Micros(1), Some(&attachment)).expect("a mail");
        let (whole, html) = (whole.message.to_vec(), whole.html);
        let large = LargeFile { name: "bill.pdf", file: &file, len: len as u64 };
        let streamed = renderer.render_streamed(&row, Micros(1), &large).expect("a mail");
        let mut written = Vec::new();
        streamed.write_to(&mut written).expect("written");
        streamed.write_to(&mut std::io::sink()).expect("written again");
        assert!(written == whole && streamed.len() == whole.len() as u64, "{len}");
        assert_eq!((streamed.html, streamed.from, streamed.utf8), (html, "anna@x.org", false));
    }
    // A template that has no place for a file leaves it out, as with a small one.
    let template = compile(&[("headers", "From: a@x.org\n"), ("text", "t\n")]).expect("a template");
    let mut renderer = template.renderer(&columns(&["v"]), ids());
    let file = tempfile::tempfile().expect("a file");
    let large = LargeFile { name: "x", file: &file, len: 7 };
    let streamed = renderer.render_streamed(&row, Micros(1), &large).expect("a mail");
    streamed.write_to(&mut std::io::sink()).expect("written");
}

#[test]
fn from_is_known_and_compared_with_the_sender() {
    let from = |field: &str| {
        let template = compile(&[("headers", field), ("text", "t\n")]).expect("a template");
        let mut renderer = template.renderer(&columns(&["v"]), ids());
        renderer.render(&row(&["x.org"]), Micros(1), None).expect("a mail").from.to_owned()
    };
    assert_eq!(from("From: \"Shop, the\" <shop@x.org>, b@y.org\n"), "shop@x.org");
    assert_eq!(
        from("From: a.very.long.name.of.a.shop {{ v }} and some more of it all in all <shop@{{ v }}>\n"),
        "shop@x.org"
    );
    assert_eq!(from("From: {{ v|default(\"x\") }} <\"a b\"@x.org>\n"), "\"a b\"@x.org");
    for (from, sender, is_aligned) in [
        ("shop@x.org", "bounce@x.org", true),
        ("shop@X.ORG", "bounce@x.org.", true),
        ("shop@x.org", "b@bounces.x.org", true),
        ("shop@news.x.org", "b@x.org", true),
        ("shop@a.x.org", "b@b.x.org", false),
        ("shop@x.org", "b@evil-x.org", false),
        ("shop@x.org", "b@y.org", false),
        ("shop@x.org", "root", false),
        ("", "b@x.org", false),
    ] {
        let warning = Warning::of_sender(from, &sender.parse().expect("an address"));
        assert_eq!(warning.is_none(), is_aligned, "{from} {sender}");
        assert!(warning.is_none_or(|warning| warning.to_string().starts_with("From is ")));
    }
}

#[test]
fn a_text_that_is_the_same_for_all_is_reported() {
    let headers = ("headers", HEADERS);
    let warnings = |files: &[(&str, &str)]| {
        let template = compile(files).expect("a template");
        let is_same = |warning: &Warning| matches!(warning, Warning::SameForAll | Warning::SamePart { .. });
        template.warnings(&columns(&["email", "name"])).into_iter().filter(is_same).collect::<Vec<_>>()
    };
    let part = |file: &str| Warning::SamePart { file: file.to_owned() };
    assert_eq!(warnings(&[headers, ("text", "{# {{ name }} #}same"), ("html", "<p>same")]), [Warning::SameForAll]);
    assert_eq!(warnings(&[headers, ("text", "same"), ("html", "<p>{{ name }}")]), [part("text")]);
    assert_eq!(
        warnings(&[headers, ("text", "{{ name }}"), ("html", "{% include \"a\" %}"), ("a", "<p>")]),
        [part("html")]
    );
    assert_eq!(warnings(&[headers, ("html", "<p>{{ name }}")]), []);
    // A value that all rows have is found while they are rendered.
    let template = compile(&[headers, ("text", "{{ city }}"), ("html", "<p>{% if city %}{{ city }}{% endif %}")]);
    let template = template.expect("a template");
    let renderer = || template.renderer(&columns(&["email", "name", "city"]), ids());
    let (mut one, mut two) = (renderer(), renderer());
    for number in 0..3 {
        let row = Row { number, ..row(&["a@x.org", &format!("name {number}"), "Rome"]) };
        one.render(&row, Micros(1), None).expect("a mail");
    }
    assert!(!one.variety().differs());
    two.render(&row(&["a@x.org", "n", "Oslo"]), Micros(1), None).expect("a mail");
    let mut both = one.variety();
    both.add(two.variety());
    assert!(both.differs() && !two.variety().differs());
    one.render(&row(&["a@x.org", "n", "Oslo"]), Micros(1), None).expect("a mail");
    assert!(one.variety().differs());
}

#[test]
fn constant_parts_are_encoded_once_and_counted() {
    let files = [("headers", "From: a@x.org\n"), ("text", "Grüße\n"), ("html", "<p>Grüße {# x #}</p>\n")];
    let template = compile(&files).expect("a template");
    let mut renderer = template.renderer(&columns(&["v"]), ids());
    let row = row(&["x"]);
    let mail = renderer.render(&row, Micros(1), None).expect("a mail");
    assert_eq!(mail.html, "<p>Grüße </p>\n".len());
    let parsed = mailparse::parse_mail(mail.message).expect("a mail");
    let texts: Vec<String> = parsed.subparts.iter().map(|part| part.get_body().expect("text")).collect();
    assert_eq!(texts, ["Grüße\n", "<p>Grüße </p>\n"]);
}

#[test]
fn each_language_has_its_own_text_of_its_html() {
    let files = [
        ("merge.toml", "language = 'lang'\nsend_time = 'when'\n"),
        ("headers", "From: a@x.org\nSubject: s\n"),
        ("html", "<p>Hello <b>{{ email }}</b></p>{% include \"footer\" %}"),
        ("html.de_AT", "<p>Servus <b>{{ email }}</b></p>{% include \"footer\" %}"),
        ("headers.pt-br", "From: b@x.org\nSubject: t\n"),
        ("footer", "<p>end</p>"),
    ];
    for (language, expected) in
        [("de-at", "Servus a@x.org\n\nend\n"), ("de", "Hello a@x.org\n\nend\n"), ("PT_BR", "Hello a@x.org\n\nend\n")]
    {
        let mail = render(&files, &["email", "lang", "when"], &row(&["a@x.org", language, ""])).expect("a mail");
        let parsed = mailparse::parse_mail(mail.as_bytes()).expect("a mail");
        assert_eq!(parsed.subparts[0].get_body().expect("text").replace("\r\n", "\n"), expected, "{language}");
        assert_eq!(mail.contains("Subject: t"), language == "PT_BR", "{language}");
    }
    let template = compile(&files).expect("a template");
    // Its columns are needed, and used.
    let missing: Vec<String> = template.missing(&columns(&["email"])).into_iter().map(|(name, _)| name).collect();
    assert_eq!(missing, ["lang", "when"]);
    let warnings = template.warnings(&columns(&["email", "lang", "when"]));
    assert!(!warnings.iter().any(|warning| matches!(warning, Warning::UnusedColumn { .. })), "{warnings:?}");
}

#[test]
fn inline_files_have_names_that_readers_find() {
    let files = |name: &'static str| [("headers", "From: a@x.org\n"), ("html", "<img src=\"cid:x\">"), (name, "PNG")];
    let mail = render(&files("inline/logo-2.png"), &["v"], &row(&["x"])).expect("a mail");
    assert!(mail.contains("Content-ID: <logo-2.png>\n") && mail.contains("Content-Disposition: inline;"), "{mail}");
    for name in ["inline/a b.png", "inline/a>\nX: y", "inline/ä.png", "inline/a%20b"] {
        assert!(refused(&files(name)).contains("cid: needs a name"), "{name}");
    }
}

#[test]
fn the_addresses_of_a_message_stay_what_they_were() {
    let message = "From: =?utf-8?q?M=C3=BCller=2C?=\n =?utf-8?q?_Anna?= <a@x.org>\nTo: =?utf-8?q?{{_name_}}?= <{{ email }}>, Bob <b@x.org>\n\
        Cc: plain@x.org\nBcc: eve@x.org\nDKIM-Signature: v=1\n\nHello {{ name }}\n";
    let files = [("message.eml", message)];
    let template = compile(&files).expect("a template");
    assert_eq!(template.notes().len(), 2, "{:?}", template.notes());
    let mail = render(&files, &["email", "name"], &row(&["c@x.org", "Bell, <B>"])).expect("a mail");
    let parsed = mailparse::parse_mail(mail.as_bytes()).expect("a mail");
    let value = |name| mailparse::MailHeaderMap::get_first_value(&parsed.headers[..], name).expect("a field");
    assert_eq!(value("From"), "Müller, Anna <a@x.org>");
    assert_eq!(value("To"), "\"Bell, <B>\" <c@x.org>, Bob <b@x.org>");
    assert_eq!(value("Cc"), "plain@x.org");
    assert!(!mail.contains("eve@x.org") && !mail.contains("DKIM"), "{mail}");
}
