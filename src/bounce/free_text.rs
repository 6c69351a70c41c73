//! A report in an MTA's own words: who is told of, and whether it is a failure or a delay.
//!
//! It is read by the tables in `patterns` alone. Lines that quote are nobody's word, and what follows where the returned
//! message begins is not looked at.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::address::is_masked;
use super::class::{self, Class};
use super::patterns;
use super::report::{Action, Report, one_line};
use crate::model::Address;

/// The most of a text that is looked at, and the most recipients.
const LOOKED_AT: usize = 64 << 10;
const RECIPIENTS_MAX: usize = 200;
/// So many lists are looked for.
const LISTS_MAX: usize = 50;
/// So many lines without an address end a list.
const LINES_WITHOUT: usize = 12;
/// The most bytes of what is said of one recipient.
const SAID_MAX: usize = 1_500;

/// An address as it stands in a text.
const ADDRESS: &str = r#"[^\s<>()\[\],;:"@\\|]+@[^\s<>()\[\],;:"'@\\|]*[^\s<>()\[\],;:"'@\\.|]"#;

struct Words {
    lists: Regex,
    named: Regex,
    aliases: Regex,
    before: Regex,
    /// A line that begins with an address, and perhaps goes on to say what is wrong.
    line: Regex,
    /// A paragraph about one recipient, as qmail and Postfix write it.
    paragraph: Regex,
    waits: Regex,
    over: Regex,
    helpers: Regex,
    ask: Regex,
    reports: Regex,
    ends: Regex,
}

static WORDS: LazyLock<Option<Words>> = LazyLock::new(Words::new);

/// One expression for all of a table; a space stands for white space and the marks of frames.
pub(super) fn any(table: &[&str], space: &str) -> String {
    table.iter().map(|row| row.replace(' ', space)).collect::<Vec<_>>().join("|")
}

pub(super) fn build(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).case_insensitive(true).multi_line(true).size_limit(32 << 20).build().ok()
}

impl Words {
    fn new() -> Option<Words> {
        let (wide, narrow) = (r"[\s>*|]+", r"[ \t]+");
        let line = format!(
            r#"^[\s>*|•–"'(\[-]*(?:(?:to|recipient|address|user|e-?mail)[ \t]*:[ \t]*)?(?:[^@\n<]{{0,60}}SMTP[=:]|[\w .,'-]{{1,60}}"?[ \t]*[<(\[])?[<"']?({ADDRESS})(?:[>"')\]]*[ \t]*(?:$|[:;,(<]|[ \t]on[ \t]|-[ \t]|\.\.\.|[45][0-9][0-9][ -])|[ \t]{{2,}}|[>"')\]]+)"#
        );
        Some(Words {
            lists: build(&any(patterns::LISTS, wide))?,
            named: build(&format!(r#"(?:{})[\s:"'<\[(*>|-]*(?<who>{ADDRESS})"#, any(patterns::NAMED, narrow)))?,
            aliases: build(&format!(r#"(?:{})[\s:"'<]*(?<who>{ADDRESS})"#, any(patterns::ALIASES, narrow)))?,
            before: build(&format!(r#"(?<who>{ADDRESS})[>"')\]]*[ \t]*(?:{})"#, any(patterns::BEFORE, narrow)))?,
            line: build(&line)?,
            paragraph: build(&format!(r"^[ \t]*<(?<who>{ADDRESS})>:"))?,
            waits: build(&any(patterns::WAITS, wide))?,
            over: build(&any(patterns::OVER, wide))?,
            helpers: build(patterns::HELPERS)?,
            ask: build(patterns::ASK)?,
            reports: build(&any(patterns::REPORTS, wide))?,
            ends: build(&any(patterns::ENDS, " "))?,
        })
    }
}

/// Something that looks like an address.
struct Candidate {
    /// Where it stands.
    at: Range<usize>,
    /// In a list, where prose may follow, and not where a phrase says that it is told of.
    listed: bool,
}

/// Who writes a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer {
    /// Nobody tells of himself.
    pub own: Option<Address>,
    /// A program that writes nothing but reports, with a message that it returns: it need not say what it does.
    pub is_daemon: bool,
}

/// What `text` tells, by somebody who writes reports; nothing if it is none.
pub(super) fn read(text: &str, writer: &Writer) -> Vec<Report> {
    let Some(words) = &*WORDS else { return Vec::new() };
    let text = head(text, words);
    if !words.reports.is_match(text) && !words.waits.is_match(text) && !writer.is_daemon {
        return Vec::new();
    }
    let action = match words.waits.is_match(text) && !words.over.is_match(text) {
        true => Action::Delayed,
        false => Action::Failed,
    };
    let mut candidates: Vec<Candidate> = Vec::new();
    for list in words.lists.find_iter(text).take(LISTS_MAX) {
        in_list(text, list.end(), words, &mut |at| candidates.push(Candidate { at, listed: true }));
    }
    let single = |pattern: &Regex| -> Vec<Candidate> {
        let found = pattern.captures_iter(text).filter_map(|found| found.name("who"));
        found.map(|at| Candidate { at: at.range(), listed: false }).collect()
    };
    candidates.extend([&words.named, &words.before, &words.paragraph].into_iter().flat_map(single));
    let mut found = told_of(text, candidates, words, writer);
    if found.is_empty() {
        found = told_of(text, single(&words.aliases), words, writer);
    }
    if found.is_empty() && writer.is_daemon {
        found.extend(words.lists.find_iter(text).find_map(|list| bare(text, list.end(), writer)));
    }
    found.sort_by_key(|(at, _, _)| *at);
    let ends: Vec<usize> = found.iter().skip(1).map(|(at, _, _)| *at).chain([text.len()]).collect();
    let alone = found.len() == 1;
    let report = |((_, from, recipient), to): ((usize, usize, Address), usize)| {
        let said = &text[from..cut(text, to.min(from + SAID_MAX)).max(from)];
        // All that is said is said of the only one.
        let whole = &text[..cut(text, SAID_MAX)];
        // What stands beside him says most, then what comes before the next one.
        let beside = paragraph(said);
        let one =
            |said: &str| Some((class::status_in(said), class::reply_in(said))).filter(|told| *told != (None, None));
        let told = one(beside).or_else(|| one(said)).or_else(|| one(whole).filter(|_| alone));
        let (status, reply) = told.unwrap_or_default();
        let known = |class: &Class| *class != Class::Unknown;
        let class = [beside, said].map(|said| class::class(status.as_deref(), reply, said)).into_iter().find(known);
        let class =
            class.or_else(|| Some(class::class(None, reply, whole)).filter(|_| alone)).unwrap_or(Class::Unknown);
        let words = if beside.is_empty() { said } else { beside };
        let words = words.trim_start_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '(' | '[' | '"' | '#'));
        Report { recipient, action, status, reply, class, remote: None, text: one_line(words) }
    };
    found.into_iter().zip(ends).map(report).collect()
}

/// The first lines of `said` that say anything, up to an empty one; nothing if that is said below an empty line.
fn paragraph(said: &str) -> &str {
    let end = said.find("\n\n").unwrap_or(said.len());
    let first = &said[..end];
    if first.chars().filter(|c| c.is_alphabetic()).count() > 3 { first } else { "" }
}

/// Those of the candidates who are told of, once each: where each stands, and it.
fn told_of(text: &str, candidates: Vec<Candidate>, words: &Words, writer: &Writer) -> Vec<(usize, usize, Address)> {
    let mut found: Vec<(usize, usize, Address)> = Vec::new();
    for Candidate { at, listed } in candidates {
        let bare = text[at.clone()].trim_matches(|c| matches!(c, '\'' | '*' | '`'));
        let Some(address) = bare.parse::<Address>().ok().filter(|address| !address.domain().is_empty()) else {
            continue;
        };
        let same = |other: &Address| other.as_str().eq_ignore_ascii_case(address.as_str());
        let known = writer.own.iter().any(same) || found.iter().any(|(_, _, other)| same(other));
        // The rest of it was left out.
        let masked = is_masked(&address) || text[at.end..].starts_with("..");
        let line = text[..at.start].rfind('\n').map_or(0, |end| end + 1);
        let asked = words.ask.is_match(&text[line..at.start]) || words.helpers.is_match(address.local());
        let is_nobody = known || masked || (listed && asked);
        if !is_nobody && found.len() < RECIPIENTS_MAX {
            found.push((at.start, at.end, address));
        }
    }
    found
}

/// A name without a domain, alone on the line after the one that a list begins with: one of the writer's domain.
fn bare(text: &str, from: usize, writer: &Writer) -> Option<(usize, usize, Address)> {
    let mut end = text[from..].find(":\n").map(|at| from + at + 2)?;
    let line = text[end..].split_inclusive('\n').find(|line| {
        end += line.len();
        !line.trim().is_empty()
    })?;
    let (begin, name) = (end - line.len(), line.trim());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    let domain = writer.own.as_ref()?.domain().to_ascii_lowercase();
    let address = format!("{name}@{domain}").parse().ok().filter(|_| name.chars().all(plain))?;
    Some((begin, end, address))
}

/// The text up to where the returned message begins, without what is beyond a bound.
fn head<'t>(text: &'t str, words: &Words) -> &'t str {
    let text = &text[..cut(text, LOOKED_AT)];
    let begins = |found: regex::Match<'_>| !text[..found.start()].trim().is_empty();
    let end = words.ends.find_iter(text).find(|found| begins(*found)).map_or(text.len(), |found| found.start());
    &text[..end]
}

/// `at`, or the next character's begin before it.
fn cut(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Where the addresses of a list stand that begins at `from`.
fn in_list(text: &str, from: usize, words: &Words, add: &mut dyn FnMut(Range<usize>)) {
    let (mut at, mut without, mut found) = (from, 0, 0);
    while at < text.len() && without < LINES_WITHOUT && found < RECIPIENTS_MAX {
        let end = text[at..].find('\n').map_or(text.len(), |len| at + len);
        let line = &text[at..end];
        match words.line.captures(line).and_then(|captures| captures.get(1)) {
            Some(address) => {
                (without, found) = (0, found + 1);
                add(at + address.start()..at + address.end());
            }
            None if line.trim().is_empty() => {}
            None => without += 1,
        }
        at = end + 1;
    }
}
