//! The demo's merge: a template and a table become a message for each row, and each is looked for in the Maildir.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

/// Names that a template must take for text and nothing else.
const NAMES: [&str; 4] = ["Ann", "Bert \"the Bee\" <b>", "Jörg & {{ name }}", "Zoë, of York"];

/// Writes the template and `rows` rows into `folder`.
pub fn prepare(folder: &Path, rows: u32) -> anyhow::Result<()> {
    fs::create_dir(folder)?;
    let template = folder.join("template");
    fs::create_dir(&template)?;
    let headers = "From: demo@example.org\nTo: {{ email }}\nSubject: Number {{ number }}\n\
                   List-Unsubscribe: <mailto:leave@example.org>\n";
    fs::write(template.join("headers"), headers)?;
    fs::write(template.join("text"), "Dear {{ name }},\nyour number is {{ number }}.\n")?;
    let mut table = "email,name,number\n".to_owned();
    for n in 0..rows {
        let name = NAMES[n as usize % NAMES.len()].replace('"', "\"\"");
        writeln!(table, "reader{n}@example.net,\"{name}\",{n}")?;
    }
    fs::write(folder.join("readers.csv"), table)?;
    Ok(())
}

/// Looks for the message of each row among those in the Maildir's folder `new`.
pub fn verify(new: &Path, rows: u32) -> anyhow::Result<()> {
    let mut missing: BTreeSet<u32> = (0..rows).collect();
    for entry in fs::read_dir(new)? {
        let text = fs::read(entry?.path())?;
        let mail = mailparse::parse_mail(&text)?;
        let subject = mail.headers.iter().find(|header| header.get_key_ref().eq_ignore_ascii_case("Subject"));
        let subject = subject.map(mailparse::MailHeader::get_value).unwrap_or_default();
        let Some(n) = subject.strip_prefix("Number ").and_then(|n| n.parse::<u32>().ok()) else { continue };
        let expected = format!("Dear {},\nyour number is {n}.\n", NAMES[n as usize % NAMES.len()]);
        let found = mail.get_body().context("a message of the merge")?.replace("\r\n", "\n");
        if !missing.remove(&n) || found != expected {
            bail!("the merge's message {n} arrived twice or changed");
        }
    }
    if missing.is_empty() { Ok(()) } else { bail!("{} messages of the merge did not arrive", missing.len()) }
}
