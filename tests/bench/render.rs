//! Rendering mails of a merge, against Python's jinja2 and `EmailMessage` with the same template and rows.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bulkmailer::compose::{MessageIds, Sources, Template};
use bulkmailer::model::{Cell, Columns, Micros, Row};
use nix::time::{ClockId, clock_gettime};

use super::tools::{Tools, median, number_of};

pub const PYTHON: &str = "/usr/bin/python3";
pub const FIELDS: [&str; 11] =
    ["email", "name", "first", "city", "order", "price", "date", "item", "agent", "code", "points"];
/// Rows that are rendered in turn.
const ROWS: u64 = 1_000;
/// What a mail may take, and by how much Python must take longer.
const MOST: f64 = 6.0;
const LEAST: f64 = 200.0;

/// A mail of 3.7 KB: text and HTML with eleven fields, in ASCII, then with a word that is none in each line.
pub fn render(tools: &Tools) {
    if !has_jinja() {
        println!("{:<44} not measured: it needs {PYTHON} with python3-jinja2", "render");
        return;
    }
    for (name, word) in [("render, 7bit / jinja2 + EmailMessage", "greetings"), ("    in quoted-printable", "Grüße")]
    {
        let dir = tools.place(true);
        write_template(dir.path(), word);
        let (mut ours, mut theirs, mut bytes) = (Vec::new(), Vec::new(), 0);
        for _ in 0..if tools.is_quick() { 1 } else { 5 } {
            let (each, len) = rendered(dir.path(), u64::from(tools.scale(200_000)));
            ours.push(each);
            bytes = len;
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/render.py");
            let count = tools.scale(2_000).to_string();
            theirs.push(number_of(Command::new(PYTHON).arg(script).arg(dir.path()).arg(count)));
        }
        let ratio = median(ours.iter().zip(&theirs).map(|(ours, theirs)| theirs / ours).collect());
        let (mine, other) = (median(ours), median(theirs));
        println!(
            "{name:<44} {mine:>9.2} {other:>9.0} µs of a processor for {bytes} bytes (at most {MOST:.1}), \
             ratio {ratio:.0} (at least {LEAST:.0})"
        );
    }
}

/// Looks for Python's jinja2; root on Debian installs it.
pub fn has_jinja() -> bool {
    let works = || {
        let mut python = Command::new(PYTHON);
        python.args(["-c", "import jinja2"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !works() && nix::unistd::geteuid().is_root() {
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y", "-qq", "--no-install-recommends", "python3-jinja2"]);
        let _ = apt.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    works()
}

pub fn write_template(folder: &Path, word: &str) {
    let headers = "From: Shop <shop@x.org>\nTo: {{ first }} {{ name }} <{{ email }}>\nSubject: Your order {{ order }}\n\
        List-Unsubscribe: <https://x.org/u?c={{ code|urlencode }}>\n";
    let paragraph = format!("Thank you for being with us, {word}: this sentence of the letter is the same for all.");
    let body = "{{ first }} {{ name }} of {{ city }}: order {{ order }} of {{ date }},\n{{ item }} for {{ price }}, {{ agent }}, \
        {{ points }} points\n";
    let text = format!("Dear {{{{ first }}}},\n{body}{}\n", format!("{paragraph}\n").repeat(15));
    let html = format!(
        "<html><body><p>Dear {{{{ first }}}},</p><p>{body}</p>\n{}\
         <a href=\"https://x.org/o?c={{{{ code|urlencode }}}}\">see</a></body></html>\n",
        format!("<p>{paragraph}</p>\n").repeat(15)
    );
    fs::write(folder.join("headers"), headers).expect("written");
    fs::write(folder.join("text"), text).expect("written");
    fs::write(folder.join("html"), html).expect("written");
    // Beside the template, which has no other files.
    let rows: Vec<Vec<String>> = (1..=ROWS).map(values).collect();
    let data = serde_json::json!({ "fields": FIELDS, "rows": rows });
    fs::write(folder.join(".rows.json"), data.to_string()).expect("written");
}

/// The cells of a row.
pub fn values(row: u64) -> Vec<String> {
    let value = |name: &&str| match *name {
        "email" => format!("anna.{row}@example.net"),
        "code" => format!("a+b/{row}"),
        "item" => format!("<Tea & Co> number {row}"),
        name => format!("{name} {row}"),
    };
    FIELDS.iter().map(value).collect()
}

/// Microseconds of a processor for a mail, and the bytes of the last.
fn rendered(folder: &Path, count: u64) -> (f64, usize) {
    let template = Template::compile(&Sources::read(folder).expect("a template")).expect("a template");
    let columns = Columns::new(FIELDS.map(str::to_owned).into()).expect("columns");
    let mut renderer = template.renderer(&columns, MessageIds::new("job1", "x.org", &[3; 32]));
    let mut rows: Vec<Row> =
        (1..=ROWS).map(|number| Row { number, cells: values(number).into_iter().map(Cell::Text).collect() }).collect();
    let mut len = 0;
    let begin = used();
    for number in 1..=count {
        let row = &mut rows[(number % ROWS) as usize];
        row.number = number;
        len = renderer.render(row, Micros(1_795_526_824_000_000), None).expect("a mail").message.len();
    }
    ((used() - begin).as_secs_f64() * 1e6 / count as f64, len)
}

/// Time of a processor that this thread has used.
fn used() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("clock_gettime(2)"))
}
