//! Templates and rows that are out for harm: more than there is of stack, memory or time, or what is not theirs.

use super::*;

/// What is wrong with a text, if anything: of the template, or of a row with these values of `v` and `w`.
fn outcome(template: &str, v: Cell, w: Cell) -> Result<usize, String> {
    let files = [("headers", "From: a@x.org\n"), ("text", template)];
    let template = compile(&files).map_err(|error| error.to_string())?;
    let mut renderer = template.renderer(&columns(&["v", "w"]), ids());
    let row = Row { number: 1, cells: vec![v, w] };
    let rendered = renderer.render(&row, Micros(1), None).map_err(|error| error.to_string())?;
    Ok(rendered.message.len())
}

fn of_texts(template: &str, v: &str, w: &str) -> Result<usize, String> {
    outcome(template, of_text(v), of_text(w))
}

#[test]
fn a_template_is_never_deeper_than_the_stack() {
    let many = |begin: &str, each: &str, end: &str| format!("{begin}{}{end}", each.repeat(100_000));
    for template in [
        many("{{ v", " ~ v", " }}"),
        many("{{ v", ".a", " }}"),
        many("{{ v", "|upper", " }}"),
        many("{{ v", "[0]", " }}"),
        many("{{ v", " if v else v", " }}"),
        many("{{ v", " is defined", " }}"),
        many("{{ v", " and v", " }}"),
        many("{{ v", " < v", " }}"),
        many("{{ ", "not ", "v }}"),
        many("{{ ", "-", "1 }}"),
        many("{{ ", "(", "v }}"),
        many("{{ ", "[", "v }}"),
        many("{{ 2", "**2", " }}"),
        many("{% if v %}", "{% elif v %}", "{% endif %}"),
        many("", "{% if v %}", ""),
        many("", "{% for a in v %}", ""),
        many("", "{% with a = v %}", ""),
        many("{% if v %}", "{% if v %}{% elif v %}", ""),
    ] {
        assert!(of_texts(&template, "x", "y").is_err(), "{}", &template[..40]);
    }
    // What is only long is no harm.
    let wide = format!(
        "{}{{{{ {{{}}}[v] }}}}",
        "{% if v %}{% elif w %}{% endif %}".repeat(1_000),
        "\"a\": \"b\", ".repeat(999) + "\"x\": \"y\""
    );
    assert!(of_texts(&wide, "x", "y").is_ok(), "{:?}", of_texts(&wide, "x", "y"));
}

#[test]
fn includes_are_bounded_by_number_and_bytes() {
    let includes = |name: &str| format!("{{% include \"{name}\" %}}").repeat(200);
    let error = refused(&[("headers", "From: a@x.org\n"), ("text", &includes("a")), ("a", &includes("b")), ("b", "x")]);
    assert!(error.contains("more than 4000 includes"), "{error}");
    let large = "x".repeat(1 << 20);
    let error = refused(&[("headers", "From: a@x.org\n"), ("text", &includes("a")), ("a", &large)]);
    assert!(error.contains("more than 64 MiB"), "{error}");
}

#[test]
fn nothing_outside_of_the_folder_is_read() {
    let files = |text: &'static str| {
        let headers = ("headers", "From: a@x.org\nX-Secret: s\n");
        [headers, ("text", text), ("merge.toml", ""), ("attachments/a", "x"), ("inline/a", "x"), ("ok", "x")]
    };
    assert!(compile(&files("{% include \"ok\" %}")).is_ok());
    for text in [
        "{% include \"/etc/passwd\" %}",
        "{% include \"../x\" %}",
        "{% include \"./ok\" %}",
        "{% include \"merge.toml\" %}",
        "{% include \"headers\" %}",
        "{% include \"text\" %}",
        "{% include \"attachments/a\" %}",
        "{% include \"inline/a\" %}",
        "{% include \"t0\" %}",
        "{% include [\"ok\"] %}",
        "{% include v %}",
        "{% include \"o\" ~ v %}",
        "{% extends \"ok\" %}",
        "{% import \"ok\" as x %}",
        "{% from \"ok\" import x %}",
        "{% block a %}{% endblock %}",
        "{{ self.a() }}",
        "{{ super() }}",
        "{{ debug() }}",
        "{{ range(9) }}",
        "{{ namespace() }}",
        "{{ v.upper() }}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% call a() %}{% endcall %}",
        "{% for a in v recursive %}{{ loop(a) }}{% endfor %}",
        "{% for a in v %}{{ loop.cycle(1) }}{% endfor %}",
        "{% do v.x() %}",
        "{% autoescape false %}{% endautoescape %}",
        "{% filter upper %}{% endfilter %}",
        "{% set a %}{{ v }}{% endset %}",
        "{{ v|safe }}",
        "{{ v|escape }}",
        "{{ v|attr(\"x\") }}",
        "{{ v|tojson }}",
        "{{ v|_url_part }}",
        "{{ v|default(w|safe) }}",
        "{{ v is filter(\"x\") }}",
    ] {
        assert!(compile(&files(text)).is_err(), "{text}");
    }
}

#[test]
fn what_would_grow_without_end_is_an_error() {
    let large = "x".repeat(1 << 20);
    let doubled = (0..60).map(|_| "{% set a = a ~ a %}").collect::<String>();
    let looped = "{% for a in \"xxxxxxxxxx\" %}".repeat(9) + "{{ v }}" + &"{% endfor %}".repeat(9);
    for template in [
        &format!("{{% set a = v %}}{doubled}{{{{ a }}}}"),
        &looped,
        &"{{ v }}".repeat(20),
        &"{{ v|upper }}".repeat(20),
        "{{ \"x\" * 99999999999 }}",
        "{{ v * 9999 }}",
        "{% for a in [1] * 999999999 %}{% endfor %}",
        "{{ \"12345678901234567890\"|number(0, '.', v) }}",
        "{{ 1.5|number(2, v) }}",
        "{{ 1|number(19) }}",
        "{{ 1|number(-1) }}",
        "{{ 1|number(99999999999999999999) }}",
        "{{ \"2026-11-30\"|date(v) }}",
        "{{ \"2026-11-30\"|date(\"%99999999999999999999Y\") }}",
        "{{ \"2026-11-30\"|date(\"%300Y\") }}",
        "{{ w|truncate(-1) }}",
        "{{ w|truncate(99999999999999999999) }}",
        "{{ 2 ** 9999999999 }}",
        "{{ 1 / 0 }}",
        "{{ 1 // 0 }}",
        "{{ 1 % 0 }}",
        "{{ v[::0] }}",
        "{{ (v|fromjson) }}",
        "{{ v|join }}",
    ] {
        let found = of_texts(template, &large, "short");
        assert!(found.is_err(), "{}: {found:?}", &template[..template.len().min(60)]);
    }
    for template in [
        "{{ w|truncate(9999999999) }}",
        "{{ w|truncate(0) }}",
        "{{ w|truncate(1, end=w) }}",
        "{{ \"2026-11-30\"|date(\"%255Y\") }}",
        "{{ -9223372036854775808 // -1 }}",
        "{{ v[99999999999:-99999999999:-99] }}",
        "{{ 1e308|number(18, ',', '.') }}",
        "{{ w|urlencode|urlencode|upper|lower|trim }}",
    ] {
        assert!(of_texts(template, &large, "short").is_ok(), "{template}: {:?}", of_texts(template, &large, "short"));
    }
}

#[test]
fn no_list_holds_another_of_the_rows_again_and_again() {
    for template in [
        "{% set a = [v, v] %}",
        "{% set a = v|default([v]) %}",
        "{% with a = {\"x\": v} %}{% endwith %}",
        "{% set a = (v, v) if v else 1 %}",
        "{% for a in [[v, v]] %}{% endfor %}",
        "{% for a in [[v, v] + [v]] %}{% endfor %}",
        "{% for a in [{\"x\": v}] %}{% endfor %}",
        "{{ [[v, v]]|join }}",
    ] {
        let found = of_texts(template, "x", "y").expect_err(template);
        assert!(found.contains("a list with values of the row"), "{template}: {found}");
    }
    for (template, expected) in [
        ("{% set a = [\"Jan\", [\"Feb\"]] %}{{ a[1][0] }}", "Feb"),
        ("{% for a in [v, w] %}{{ a }}{% endfor %}", "xy"),
        ("{{ [v, w]|join(' ') }}", "x y"),
        ("{{ {\"x\": \"one\"}[v] }}", "one"),
    ] {
        let files = [("headers", "From: a@x.org\n"), ("text", template)];
        let mail = render(&files, &["v", "w"], &row(&["x", "y"])).expect(template);
        assert!(mail.ends_with(&format!("\n\n{expected}\n")), "{template}: {mail}");
    }
    let nested = Cell::Json(serde_json::json!([["a"], "b"]));
    assert!(outcome("{{ v|join }}", nested, of_text("")).expect_err("a list").contains("sequence and no text"));
}

#[test]
fn a_deep_value_is_walked_or_refused() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert!(of_texts("{{ v|fromjson|length }}", &deep, "").is_err());
    let fine = "[".repeat(100) + &"]".repeat(100);
    assert!(of_texts("{{ v|fromjson|length }}{% if v|fromjson == v|fromjson %}{% endif %}", &fine, "").is_ok());
}

#[test]
fn a_value_guesses_no_boundary() {
    let files = [("headers", "From: a@x.org\n"), ("text", "{{ v }}\n"), ("html", "<p>{{ v }}</p>\n")];
    let template = compile(&files).expect("a template");
    let mut renderer = template.renderer(&columns(&["v"]), ids());
    let mut render = |number, value: &str| {
        let row = Row { number, cells: vec![of_text(value)] };
        String::from_utf8(renderer.render(&row, Micros(1), None).expect("a mail").message.to_vec()).expect("ASCII")
    };
    let first = render(1, "x");
    let delimiter = first.lines().find(|line| line.starts_with("--=_")).expect("a delimiter").to_owned();
    let attack = format!("\n{delimiter}\nContent-Type: text/html\n\n<script>alert(1)</script>\n{delimiter}--\n");
    // Another row has another boundary, which nobody knows who lacks the job's key.
    let mail = render(2, &attack);
    let parsed = mailparse::parse_mail(mail.as_bytes()).expect("a mail");
    assert_eq!(parsed.subparts.len(), 2, "{mail}");
    assert!(parsed.subparts[0].get_body().expect("text").contains("<script>"));
    assert!(!parsed.subparts[1].get_body().expect("text").contains("<script>"));
}

#[test]
fn code_is_loaded_by_no_value() {
    for html in [
        "<script src=\"{{ v }}\"></script>",
        "<script src=\"https://x.org/{{ v }}\"></script>",
        "<link rel=\"stylesheet\" href=\"{{ v }}\">",
        "<base href=\"{{ v }}\">",
        "<iframe src=\"{{ v }}\"></iframe>",
        "<object data=\"{{ v }}\"></object>",
        "<svg><animate attributeName=\"href\" to=\"{{ v }}\"/></svg>",
        "<svg><title><a href=\"{{ v }}\">x</a></title></svg>",
        "<p {{ v }}>",
        "<{{ v }}>",
        "<a href={{ v }}>",
        "<a onclick=\"{{ v }}\">",
        "<p style=\"color: {{ v }}\">",
        "<style>{{ v }}</style>",
        "<!-- {{ v }} -->",
        "<a href=\"javascript:{{ v }}\">",
        "{% if v %}<script>{% endif %}{{ v }}",
        "{% include \"open\" %}{{ v }}</script>",
        "{% for a in v %}<a title=\"{% endfor %}",
    ] {
        let files = [("headers", "From: a@x.org\n"), ("html", html), ("open", "<script>")];
        assert!(compile(&files).is_err(), "{html}");
    }
}
