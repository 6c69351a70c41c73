//! The text part of a template that has HTML alone, made once: the same values and statements, without the tags.
//!
//! What holds: `{{ }}` and `{% %}` between tags stay as they are; a link's URL follows its text; what a tag, a style or a
//! comment has is left out. Where that would part an `{% if %}` from its end, there is no text, and a note reports it.

use std::collections::BTreeMap;

use minijinja::machinery::{Token, tokenize};

use super::entity;
use super::error::{Place, TemplateError};
use super::origin::Origin;
use super::tree::{syntax, tree};

/// Elements whose content is not read.
const SKIPPED: [&str; 5] = ["script", "style", "title", "template", "noembed"];
/// With an empty line before and behind, and with a new line.
const APART: [&str; 14] =
    ["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "hr", "pre"];
const LINES: [&str; 14] =
    ["br", "div", "tr", "li", "dt", "dd", "section", "article", "header", "footer", "center", "form", "figure", "nav"];

/// The text template of an HTML template, whose includes become text with it.
///
/// Errors: none can be made, with what to do.
pub(super) fn of_html(html: &Origin, includes: &BTreeMap<String, String>) -> Result<Origin, TemplateError> {
    let mut plain = Plain::default();
    let source = expanded(&html.text, includes);
    let source = source.as_str();
    let tokens = tokenize(source, false, syntax());
    let mut from = 0;
    for token in tokens {
        // What is no template is reported when the HTML itself is compiled.
        let Ok((token, span)) = token else { break };
        if let Token::TemplateData(data) = token {
            plain.statement(source.get(from..span.start_offset as usize).unwrap_or_default());
            plain.data(data);
            from = span.end_offset as usize;
        }
    }
    plain.statement(source.get(from..).unwrap_or_default());
    let text = plain.finish();
    let origin = Origin { file: format!("{} (as text)", html.file), text, line: 1, before: 0 };
    if tree(&origin).is_err() && tree(html).is_ok() {
        let what =
            "no text can be made of this HTML, whose statements begin in a tag and end outside: write a text file";
        return Err(TemplateError::new(Place::whole(&html.file), what));
    }
    Ok(origin)
}

/// `html` with its includes in their places. It was compiled before, so they end.
fn expanded(html: &str, includes: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(html.len());
    let (mut from, mut begin) = (0, None);
    let mut included = None;
    for (token, span) in tokenize(html, false, syntax()).map_while(Result::ok) {
        let (start, end) = (span.start_offset as usize, span.end_offset as usize);
        match (token, begin) {
            (Token::BlockStart, _) => (begin, included) = (Some((start, end)), None),
            (Token::Ident("include"), Some((at, behind))) if html.get(behind..start).is_some_and(is_blank) => {
                included = Some((at, None));
            }
            (Token::Str(name), Some(_)) => {
                included = included.map(|(at, known)| (at, known.or_else(|| includes.get(name))));
            }
            (Token::BlockEnd, _) => {
                if let Some((at, Some(text))) = included.take() {
                    out.push_str(html.get(from..at).unwrap_or_default());
                    out.push_str(&expanded(text, includes));
                    from = end;
                }
                begin = None;
            }
            _ => {}
        }
    }
    out + html.get(from..).unwrap_or_default()
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

#[derive(Default)]
struct Plain {
    out: String,
    /// Line ends that come before the next text, and a blank.
    lines: usize,
    blank: bool,
    at: At,
    /// The tag that is read, and a comment's or a skipped element's last bytes.
    tag: String,
    quote: Option<char>,
    skipped: Option<String>,
    link: Option<(String, usize)>,
}

#[derive(Default, PartialEq, Eq)]
enum At {
    #[default]
    Text,
    Tag,
    Comment,
}

impl Plain {
    /// What stands between two texts: comments of the template, statements and values.
    fn statement(&mut self, source: &str) {
        if source.is_empty() {
            return;
        }
        let is_value = source.trim_start().starts_with("{{");
        match self.at {
            At::Tag => self.tag.push_str(source),
            At::Comment => {}
            At::Text if self.skipped.is_some() && is_value => {}
            At::Text => {
                if is_value {
                    self.gap();
                }
                self.out.push_str(source);
            }
        }
    }

    fn data(&mut self, data: &str) {
        let mut rest = data;
        while let Some(c) = rest.chars().next() {
            let len = c.len_utf8();
            match self.at {
                At::Comment => {
                    let end = rest.find("-->");
                    rest = end.map_or("", |end| &rest[end + 3..]);
                    self.at = if end.is_some() { At::Text } else { At::Comment };
                    continue;
                }
                At::Tag => self.in_tag(c),
                At::Text if rest.starts_with("<!--") => {
                    self.at = At::Comment;
                    rest = &rest[4..];
                    continue;
                }
                At::Text
                    if c == '<' && rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) =>
                {
                    self.at = At::Tag;
                    self.tag.clear();
                }
                At::Text => {
                    let end = rest[len..].find('<').map_or(rest.len(), |end| end + len);
                    self.text(&rest[..end]);
                    rest = &rest[end..];
                    continue;
                }
            }
            rest = &rest[len..];
        }
    }

    fn text(&mut self, text: &str) {
        if self.skipped.is_some() {
            return;
        }
        for piece in entity::decoded(text).split_inclusive(|c: char| c.is_ascii_whitespace()) {
            let word = piece.trim_end_matches(|c: char| c.is_ascii_whitespace());
            if !word.is_empty() {
                self.gap();
                self.push(word);
            }
            self.blank |= word.len() < piece.len();
        }
    }

    /// Text that the template engine takes for nothing else.
    fn push(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '{' => self.out.push_str("{{ '{' }}"),
                c => self.out.push(c),
            }
        }
    }

    /// The line ends or the blank before what comes now.
    fn gap(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        let blank = std::mem::take(&mut self.blank);
        if self.out.is_empty() {
            return;
        }
        match lines {
            0 if blank => self.out.push(' '),
            lines => (0..lines).for_each(|_| self.out.push('\n')),
        }
    }

    fn in_tag(&mut self, c: char) {
        match (self.quote, c) {
            (Some(quote), c) if c == quote => self.quote = None,
            (None, '"' | '\'') if self.tag.trim_end().ends_with('=') => self.quote = Some(c),
            (None, '>') => {
                self.at = At::Text;
                let tag = std::mem::take(&mut self.tag);
                self.end_tag(&tag);
                return;
            }
            (Some(_) | None, _) => {}
        }
        self.tag.push(c);
    }

    fn end_tag(&mut self, tag: &str) {
        let closing = tag.starts_with('/');
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        if self.skipped.is_some() {
            self.skipped = self.skipped.take().filter(|skipped| !(closing && *skipped == name));
            return;
        }
        match name.as_str() {
            "a" if closing => self.end_link(),
            "a" => {
                let url = attribute(tag, "href").filter(|url| !url.starts_with('#'));
                self.link = url.map(|url| (url, self.out.len()));
            }
            "img" => {
                if let Some(text) = attribute(tag, "alt").filter(|text| !text.is_empty()) {
                    self.gap();
                    self.out.push_str(&text);
                }
            }
            "td" | "th" => self.blank = true,
            skipped if !closing && SKIPPED.contains(&skipped) => self.skipped = Some(name.clone()),
            apart if APART.contains(&apart) => self.lines = self.lines.max(2),
            line if LINES.contains(&line) => self.lines = (self.lines + usize::from(line == "br")).clamp(1, 2),
            _ => {}
        }
        if !closing && name == "li" {
            self.gap();
            self.out.push_str("* ");
            self.blank = false;
        }
    }

    fn end_link(&mut self) {
        let Some((url, begin)) = self.link.take() else { return };
        let shown = self.out.get(begin..).unwrap_or_default().trim();
        if shown == url || url.strip_prefix("mailto:") == Some(shown) {
            return;
        }
        self.blank |= !shown.is_empty();
        self.gap();
        self.out.push_str(&format!("<{url}>"));
    }

    fn finish(mut self) -> String {
        while self.out.ends_with(char::is_whitespace) {
            self.out.pop();
        }
        self.out.push('\n');
        self.out
    }
}

/// A quoted attribute's value, as a text template has it: values in a URL percent-encoded.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let mut from = 0;
    loop {
        let at = from + lower[from..].find(name)?;
        from = at + name.len();
        let begins = lower[..at].ends_with(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | '/'));
        let value = tag[from..].trim_start().strip_prefix('=').map(str::trim_start);
        let quoted = value.and_then(|value| Some((value, value.chars().next().filter(|c| matches!(c, '"' | '\''))?)));
        if let Some((value, quote)) = quoted.filter(|_| begins) {
            return Some(encoded(value[1..].split(quote_end(quote)).next()?, name == "href"));
        }
    }
}

/// Ends at the quote; one within `{{ }}` cannot be the attribute's, or the HTML would not have compiled.
fn quote_end(quote: char) -> impl FnMut(char) -> bool {
    let mut depth = 0_i32;
    move |c| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        c == quote && depth <= 0
    }
}

fn encoded(value: &str, is_url: bool) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inside, behind)) = after.split_once("}}") else { break };
        out.push_str(&entity::decoded(before));
        let inside = inside.trim_matches(['-', '+']).trim();
        match is_url && !out.is_empty() && !inside.contains("urlencode") {
            true => out.push_str(&format!("{{{{ ({inside})|urlencode }}}}")),
            false => out.push_str(&format!("{{{{ {inside} }}}}")),
        }
        rest = behind;
    }
    out + &entity::decoded(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(html: &str) -> String {
        of_html(&Origin::whole("html", html), &BTreeMap::new()).expect("a text").text
    }

    #[test]
    fn tags_go_and_statements_stay() {
        let html = "<html><head><title>T</title><style>p { a }</style></head><body>\n<h1>Hello {{ name }},</h1>\n\
            <p>one <b>two</b>&nbsp;&amp;\n three.<br>four</p><!-- no {{ x }} -->\
            <ul>{% for item in items %}<li>{{ item }}</li>{% endfor %}</ul>\
            <p>See <a href=\"https://x.org/?u={{ id }}&amp;a=b\">our page</a> or <a href='https://x.org'>https://x.org</a>.</p>\
            <img alt=\"Logo\" src=\"cid:a\"></body></html>";
        let expected =
            "Hello {{ name }},\n\none two\u{a0}& three.\nfour\n\n{% for item in items %}* {{ item }}{% endfor %}";
        let text = plain(html);
        assert!(text.contains("Hello {{ name }},\n\none two\u{a0}& three.\nfour"), "{text}\n{expected}");
        assert!(text.contains("* {{ item }}") && text.contains("{% for item in items %}"), "{text}");
        assert!(text.contains("See our page <https://x.org/?u={{ (id)|urlencode }}&a=b> or https://x.org."), "{text}");
        assert!(text.ends_with("Logo\n") && !text.contains("{{ x }}") && !text.contains("p {"), "{text}");
    }

    #[test]
    fn what_only_looks_like_a_value_is_none() {
        assert_eq!(plain("<p>&#123;&#123; x }}</p>"), "{{ '{' }}{{ '{' }} x }}\n");
        let html = Origin::whole("html", "<p {% if a %}class=\"x\">{% else %}>{% endif %}b</p>");
        assert!(of_html(&html, &BTreeMap::new()).expect_err("parted").to_string().contains("write a text file"));
    }
}
