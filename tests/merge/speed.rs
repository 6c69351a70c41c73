//! What one mail costs. Nothing is asserted: `cargo test --release --test merge -- --ignored --nocapture speed::`.

use std::time::Instant;

use bulkmailer::compose::{MessageIds, Sources, Template};
use bulkmailer::model::{Cell, Columns, Micros, Row};

#[test]
#[ignore = "it measures"]
fn rendering_costs_microseconds() {
    const FIELDS: [&str; 11] =
        ["email", "name", "first", "city", "order", "price", "date", "item", "agent", "code", "points"];
    let paragraph = "Thank you for being with us, this is a sentence of the letter that is the same for all of them. ";
    let headers = "From: Shop <shop@x.org>\nTo: \"{{ first }} {{ name }}\" <{{ email }}>\nSubject: Your order {{ order }}\n\
        List-Unsubscribe: <https://x.org/u?c={{ code }}>\n";
    let body = "{{ first }} {{ name }} of {{ city }}: order {{ order }} of {{ date }}, {{ item }} for {{ price }}, {{ agent }}, {{ points }} points\n";
    let text = format!("Dear {{{{ first }}}},\n{body}{}\n", format!("{paragraph}\n").repeat(12));
    let html = format!(
        "<html><body><p>Dear {{{{ first }}}},</p><p>{body}</p>{}<a href=\"https://x.org/o?c={{{{ code }}}}\">see</a></body></html>\n",
        format!("<p>{paragraph}</p>\n").repeat(12)
    );
    let files = [("headers", headers.to_owned()), ("text", text), ("html", html)];
    let sources = Sources::new(files.map(|(name, text)| (name.to_owned(), text.into_bytes())).into());
    let template = Template::compile(&sources).expect("a template");
    let columns = Columns::new(FIELDS.map(str::to_owned).into()).expect("columns");
    let mut renderer = template.renderer(&columns, MessageIds::new("job1", "x.org", &[3; 32]));
    let values =
        FIELDS.map(|name| Cell::Text(if name == "email" { "anna@x.org".into() } else { format!("value of {name}") }));
    let mut row = Row { number: 1, cells: values.into() };
    const MAILS: u64 = 100_000;
    let (begin, mut bytes) = (Instant::now(), 0);
    for number in 1..=MAILS {
        row.number = number;
        bytes += renderer.render(&row, Micros(1_795_526_824_000_000), None).expect("a mail").message.len();
    }
    let each = begin.elapsed().as_secs_f64() * 1e6 / MAILS as f64;
    eprintln!("{each:.2} µs a mail of {} bytes", bytes / MAILS as usize);
}
