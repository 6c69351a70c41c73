//! Hostile values in every column, and what Python's `email` with its strict policy reads of the mail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulkmailer::compose::{Attachment, MessageIds, Sources, Template};
use bulkmailer::model::{Cell, Columns, Micros, Row};
use serde_json::json;

const PYTHON: &str = "/usr/bin/python3";

const FILES: [(&str, &str); 6] = [
    (
        "headers",
        "From: \"Shop, the\" <shop@x.org>\nTo: \"{{ name }}\" <{{ email }}>\nReply-To: {{ name }} <reply@x.org>\n\
         Subject: Hello {{ name }},\n  your order {{ note }}\n\
         List-Unsubscribe: <https://x.org/u?e={{ email }}&c={{ code }}>, <mailto:u@x.org?subject={{ code }}>\nX-Note: {{ note }}\n",
    ),
    ("text", "Hello {{ name }},\n{{ note }}\n-- \nEnd\n"),
    (
        "html",
        "<html><head><title>{{ name }}</title></head><body><p title=\"{{ name }}\" class='{{ note }}'>{{ name }}</p>\
         <div>{{ note }}</div><a href=\"https://x.org/?n={{ name }}&amp;o={{ note }}\">link</a>\
         <a href='{{ url }}'>own</a></body></html>\n",
    ),
    ("inline/logo.png", "PNG"),
    ("attachments/terms.pdf", "PDF"),
    ("merge.toml", "required = ['name']\nattachment = 'name'\nattachment_folder = '/srv'\n"),
];

fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "Anna",
        "x\r\nBcc: eve@evil.example\r\n\r\nbody",
        "x\nSubject: other\n.\nFrom here",
        "nul\0and\u{1}\u{2}\u{3}\u{1b}\u{7f}\u{85}",
        "<script>alert(1)</script>",
        "</title><script>",
        "\" onmouseover=\"x' onclick='y",
        "{{ email }}{% if %}{# x #}",
        "\"quoted\" \\ 'single' `back`",
        "emoji \u{1f600} \u{1f468}\u{200d}\u{1f469}",
        "\u{202e}RTL שלום \u{202c}",
        "eve@evil.example>, <bob@evil.example",
        "a,b;c:d(e)f[g]<h>@i.j",
        "=?utf-8?q?=0AEvil:_x?=",
        "=?utf-8?b?",
        "--=_1.x\n\n--",
        "Jörg Müller-Lüdenscheidt",
        "  blanks  in   it  ",
        "-->]]><!--",
        "&amp;&lt;&#39;",
        "line\u{2028}separator\u{2029}x",
        "\u{feff}bom\u{a0}nbsp",
        "a=b=\n= =3D \n",
        ".",
        "From x",
        "\t",
    ]
    .map(str::to_owned)
    .into();
    values.push("Ä".repeat(5_000));
    values.push("long name ".repeat(1_000));
    values.push("w".repeat(300));
    values.push(format!("{} ü {}", "w".repeat(300), "v".repeat(1_200)));
    values.push("x".repeat(10_000));
    values
}

fn addresses() -> [&'static str; 8] {
    [
        "anna@x.org",
        "\"john smith\"@x.org",
        "\"a,b<c>@d\"@x.org",
        "bob@bücher.example",
        "jörg@x.org",
        "o'hara+tag{x}@x.org",
        "a..b@x.org",
        "x@[192.0.2.1]",
    ]
}

fn sources() -> Sources {
    Sources::new(FILES.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect())
}

struct Written {
    folder: PathBuf,
    rows: Vec<serde_json::Value>,
}

impl Written {
    /// Writes one mail, and the values that it was made of.
    fn mail(&mut self, message: &[u8], utf8: bool, cells: &[String; 5], attached: Option<&Attachment<'_>>) {
        let path = self.folder.join(format!("{}.eml", self.rows.len()));
        fs::write(path, message).expect("a mail");
        let [email, name, note, url, code] = cells;
        let mut row = json!({"utf8": utf8, "email": email, "name": name, "note": note, "url": url, "code": code});
        if let Some(file) = attached {
            row["attached"] = file.name.into();
        }
        self.rows.push(row);
    }
}

#[test]
fn hostile_values_in_every_column_change_nothing_else() {
    if !Path::new(PYTHON).exists() {
        eprintln!("skipped: no {PYTHON}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut written = Written { folder: folder.path().to_owned(), rows: Vec::new() };
    let template = Template::compile(&sources()).expect("a template");
    let columns = Columns::new(["email", "name", "note", "url", "code"].map(str::to_owned).into()).expect("columns");
    let mut renderer = template.renderer(&columns, MessageIds::new("job1", "x.org", &[3; 32]));
    let url = |value: &str| format!("https://x.org/{value}");
    let c = || "c".to_owned();
    let mut render = |cells: [String; 5], attached: Option<&Attachment<'_>>| {
        let number = written.rows.len() as u64 + 1;
        let row = Row { number, cells: cells.iter().cloned().map(Cell::Text).collect() };
        let rendered = renderer.render(&row, Micros(1_795_526_824_000_000), attached).expect("a mail");
        written.mail(rendered.message, rendered.utf8, &cells, attached);
    };
    for value in values() {
        let plain = "plain".to_owned();
        // A URL of a header has no more than a line.
        let code = if value.len() > 250 { c() } else { value.clone() };
        for cells in [
            ["anna@x.org".to_owned(), value.clone(), plain.clone(), url(""), c()],
            ["anna@x.org".to_owned(), plain.clone(), value.clone(), url(""), c()],
            ["anna@x.org".to_owned(), plain, "n".to_owned(), url(&value), c()],
            ["anna@x.org".to_owned(), value.clone(), value.clone(), url(&value), code],
        ] {
            render(cells, None);
        }
        let attachment = Attachment { name: &value, bytes: value.as_bytes() };
        render(["anna@x.org".to_owned(), "n".to_owned(), "o".to_owned(), url(""), c()], Some(&attachment));
    }
    for address in addresses() {
        render([address.to_owned(), "Anna".to_owned(), "n".to_owned(), url(""), c()], None);
        render([address.to_owned(), "Änne, \"x\"".to_owned(), address.to_owned(), url(""), c()], None);
    }
    // An address that is none makes no mail.
    for value in values().iter().filter(|value| value.as_str() != "Anna") {
        let cells = [value.as_str(), "n", "o", "https://x.org/", "c"].map(|cell| Cell::Text(cell.to_owned()));
        let row = Row { number: 1, cells: cells.into() };
        assert!(renderer.render(&row, Micros(1), None).is_err(), "{value:?} is no address");
    }
    compare(&written);
}

/// Has Python read all mails and compare them with the values.
fn compare(written: &Written) {
    let rows = serde_json::to_vec(&written.rows).expect("JSON");
    fs::write(written.folder.join("rows.json"), rows).expect("the rows");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/merge/compare.py");
    let output = Command::new(PYTHON).arg(script).arg(&written.folder).output().expect("python");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert_eq!(told.trim(), format!("{} mails are as expected", written.rows.len()));
}
