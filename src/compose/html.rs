//! Where in HTML a place of the template is, so that a value is escaped for it or refused.
//!
//! What holds: the tokens are those of the WHATWG standard (section 13.2.5), as far as they decide where text, an attribute's
//! value, a script or a comment begins and ends. A value never changes the state but from a URL's beginning to its rest:
//! escaped, it cannot end what it stands in.

use super::elements::{LANGUAGES, LOADERS, RAW, SCHEMES, TEXT_ONLY, URLS};

/// As much of a URL's beginning as may be its scheme.
const SCHEME_MAX: usize = 32;

/// What a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// Between tags.
    Text,
    /// In a quoted attribute that is no URL.
    Attribute,
    /// At the beginning of a URL.
    UrlStart,
    /// Behind a URL's beginning.
    UrlRest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Text,
    /// Behind `<`, behind `</`, behind `<!` and this number of dashes.
    Open,
    CloseOpen,
    Bang(u8),
    /// In what a browser takes for a comment up to the next `>`.
    Bogus,
    /// In a comment, with as much of its end as was seen.
    Comment(CommentEnd),
    TagName,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Unquoted,
    Quoted(char),
    /// In an element without markup.
    Raw,
    TextOnly,
    /// A script with `<!--`, a title with a tag: where that ends depends on what follows, or stands around.
    Unclear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CommentEnd {
    /// Just behind `<!--`, where `>` and `->` end it.
    Begin,
    BeginDash,
    None,
    Dash,
    DashDash,
    DashDashBang,
}

/// The state behind what was fed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Html {
    at: At,
    /// The tag or element, in small letters.
    tag: String,
    closing: bool,
    attribute: String,
    /// A URL's beginning, or as much of `</tag` as was seen in an element without markup.
    begin: String,
    /// A URL's beginning is over.
    begun: bool,
}

impl Html {
    pub fn new() -> Html {
        Html {
            at: At::Text,
            tag: String::new(),
            closing: false,
            attribute: String::new(),
            begin: String::new(),
            begun: false,
        }
    }

    /// Goes on over HTML of the template.
    pub fn feed(&mut self, html: &str) {
        for c in html.chars() {
            self.step(c);
        }
    }

    /// Where a value would stand.
    ///
    /// Errors: no value may stand there, and why.
    pub fn spot(&self) -> Result<Spot, String> {
        let refuse = |what: &str| Err(format!("no value may stand in {what}"));
        match self.at {
            At::Text => Ok(Spot::Text),
            At::TextOnly if self.begin.is_empty() => Ok(Spot::Text),
            At::Raw => refuse(&format!("<{}>: put it between other tags", self.tag)),
            At::Unclear => refuse(&format!("<{}> with tags or comments in it", self.tag)),
            At::Comment(_) | At::Bang(_) | At::Bogus => refuse("a comment"),
            At::TextOnly | At::Open | At::CloseOpen | At::TagName => refuse("a tag's name"),
            At::BeforeName | At::Name | At::AfterName => {
                refuse("a tag outside of an attribute's value: write name=\"{{ … }}\"")
            }
            At::BeforeValue | At::Unquoted => refuse("an attribute without quotes: write name=\"{{ … }}\""),
            At::Quoted(_) => self.attribute_spot(),
        }
    }

    fn attribute_spot(&self) -> Result<Spot, String> {
        let name = self.attribute.as_str();
        if name.starts_with("on") || LANGUAGES.contains(&name) {
            return Err(format!("no value may stand in the attribute '{name}', which has a language of its own"));
        }
        if LOADERS.contains(&self.tag.as_str()) {
            return Err(format!("no value may stand in <{}>, which may load code", self.tag));
        }
        if !URLS.contains(&name) {
            return Ok(Spot::Attribute);
        }
        if !self.begun && self.begin.trim_start().is_empty() {
            return Ok(Spot::UrlStart);
        }
        if !self.begun {
            return Err(
                "no value may stand in a URL's beginning, which may become its scheme: write the scheme, or let the \
                        value be all of it"
                    .to_owned(),
            );
        }
        if self.begin.contains('&') {
            return Err("no value may stand in a URL whose scheme has an entity".to_owned());
        }
        match self.begin.split_once(':') {
            Some((scheme, _)) if !SCHEMES.contains(&scheme.trim_start()) => {
                Err(format!("no value may stand in a URL that begins with '{}:'", scheme.trim_start()))
            }
            Some(_) | None => Ok(Spot::UrlRest),
        }
    }

    /// Goes on over a value.
    pub fn value(&mut self) {
        if matches!(self.at, At::Quoted(_)) {
            self.begun = true;
        }
    }

    /// Whether all that was begun is closed.
    pub fn is_between_tags(&self) -> bool {
        self.at == At::Text
    }

    fn step(&mut self, c: char) {
        match self.at {
            At::Text => {
                if c == '<' {
                    self.at = At::Open;
                }
            }
            At::Open | At::CloseOpen => self.open(c),
            At::Bang(dashes) => {
                self.at = match (c, dashes) {
                    ('-', 0) => At::Bang(1),
                    ('-', _) => At::Comment(CommentEnd::Begin),
                    ('>', _) => At::Text,
                    _ => At::Bogus,
                }
            }
            At::Bogus => {
                if c == '>' {
                    self.at = At::Text;
                }
            }
            At::Comment(end) => self.at = comment(end, c),
            At::TagName | At::BeforeName | At::Name | At::AfterName | At::BeforeValue | At::Unquoted => self.in_tag(c),
            At::Quoted(quote) if c == quote => self.at = At::BeforeName,
            At::Quoted(_) => self.in_value(c),
            At::Raw | At::TextOnly => self.without_markup(c),
            At::Unclear => {}
        }
    }

    fn open(&mut self, c: char) {
        let closing = self.at == At::CloseOpen;
        if c.is_ascii_alphabetic() {
            self.tag.clear();
            self.tag.push(c.to_ascii_lowercase());
            (self.closing, self.at) = (closing, At::TagName);
            return;
        }
        self.at = match (closing, c) {
            (false, '/') => At::CloseOpen,
            (false, '!') => At::Bang(0),
            (false, '?') => At::Bogus,
            (false, '<') => At::Open,
            (false, _) | (true, '>') => At::Text,
            (true, _) => At::Bogus,
        };
    }

    fn in_tag(&mut self, c: char) {
        if c == '>' {
            self.end_tag();
            return;
        }
        let blank = c.is_ascii_whitespace();
        match self.at {
            At::TagName if blank || c == '/' => self.at = At::BeforeName,
            At::TagName => self.tag.push(c.to_ascii_lowercase()),
            At::BeforeName if blank || c == '/' => {}
            At::Name if blank => self.at = At::AfterName,
            At::Name | At::AfterName if c == '/' => self.at = At::BeforeName,
            At::Name | At::AfterName if c == '=' => self.at = At::BeforeValue,
            At::Name => self.attribute.push(c.to_ascii_lowercase()),
            At::AfterName if blank => {}
            At::BeforeValue if blank => {}
            At::BeforeValue => {
                self.begin.clear();
                self.begun = false;
                self.at = if matches!(c, '"' | '\'') { At::Quoted(c) } else { At::Unquoted };
            }
            At::Unquoted if blank => self.at = At::BeforeName,
            At::Unquoted => {}
            // A name begins.
            _ => {
                self.attribute.clear();
                self.attribute.push(c.to_ascii_lowercase());
                self.at = At::Name;
            }
        }
    }

    fn in_value(&mut self, c: char) {
        if !self.begun {
            // Controls within a scheme and blanks before it are nothing to a browser.
            if !(c.is_ascii_control() || c == ' ' && self.begin.is_empty()) {
                self.begin.push(c.to_ascii_lowercase());
            }
            self.begun = matches!(c, ':' | '/' | '?' | '#' | '&') || self.begin.len() > SCHEME_MAX;
        }
    }

    fn end_tag(&mut self) {
        self.at = match self.tag.as_str() {
            tag if !self.closing && RAW.contains(&tag) => At::Raw,
            tag if !self.closing && TEXT_ONLY.contains(&tag) => At::TextOnly,
            _ => At::Text,
        };
        if self.at == At::Text {
            self.tag.clear();
        }
        self.attribute.clear();
        self.begin.clear();
        (self.closing, self.begun) = (false, false);
    }

    fn without_markup(&mut self, c: char) {
        if self.tag == "script" && c == '!' && self.begin == "<" {
            self.at = At::Unclear;
            return;
        }
        let whole = self.begin.len() == self.tag.len() + 2;
        if whole && (c.is_ascii_whitespace() || matches!(c, '/' | '>')) {
            self.begin.clear();
            (self.closing, self.at) = (true, At::BeforeName);
            self.in_tag(c);
            return;
        }
        let lower = c.to_ascii_lowercase();
        let next = match self.begin.len() {
            0 => Some('<'),
            1 => Some('/'),
            n => self.tag[n - 2..].chars().next(),
        };
        if !whole && next == Some(lower) {
            self.begin.push(lower);
            return;
        }
        // Within <svg> this is no text but markup.
        if self.at == At::TextOnly && self.begin == "<" && (c.is_ascii_alphabetic() || matches!(c, '!' | '?')) {
            self.at = At::Unclear;
            return;
        }
        self.begin.clear();
        if c == '<' {
            self.begin.push('<');
        }
    }
}

fn comment(end: CommentEnd, c: char) -> At {
    use CommentEnd::{Begin, BeginDash, Dash, DashDash, DashDashBang, None};
    match (end, c) {
        (Begin | BeginDash | DashDash | DashDashBang, '>') => At::Text,
        (Begin, '-') => At::Comment(BeginDash),
        (BeginDash | Dash | DashDash, '-') => At::Comment(DashDash),
        (None | DashDashBang, '-') => At::Comment(Dash),
        (DashDash, '!') => At::Comment(DashDashBang),
        (Begin | BeginDash | None | Dash | DashDash | DashDashBang, _) => At::Comment(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(html: &str) -> Result<Spot, String> {
        let mut state = Html::new();
        state.feed(html);
        state.spot()
    }

    #[test]
    fn a_place_is_known_by_what_stands_before_it() {
        for (html, expected) in [
            ("<p>", Spot::Text),
            ("<p title=\"", Spot::Attribute),
            ("<P TITLE = 'a>b", Spot::Attribute),
            ("<a href=\"", Spot::UrlStart),
            ("<a href=\" \n", Spot::UrlStart),
            ("<a href='https://x/?u=", Spot::UrlRest),
            ("<img SRC=\"cid:", Spot::UrlRest),
            ("<a href=\"/a", Spot::UrlRest),
            ("<a href=\"?a", Spot::UrlRest),
            ("<a href=\"a/b", Spot::UrlRest),
            ("<a href=x>", Spot::Text),
            ("<title>a</titl", Spot::Text),
            ("<title>a</title>", Spot::Text),
            ("<style>p { }</style >", Spot::Text),
            ("<script>if (a < b) '</s'</SCRIPT>", Spot::Text),
            ("<!-- a > b -- c -->", Spot::Text),
            ("<!--[if !mso]><!-->", Spot::Text),
            ("<!-->", Spot::Text),
            ("<!doctype html>", Spot::Text),
            ("a < b", Spot::Text),
            ("<br/><hr / >", Spot::Text),
        ] {
            let found = spot(html);
            let partial = html == "<title>a</titl";
            assert!(if partial { found.is_err() } else { found == Ok(expected) }, "{html}: {found:?}");
        }
    }

    #[test]
    fn no_value_stands_where_it_could_become_code() {
        for html in [
            "<",
            "</",
            "<p",
            "<p ",
            "<p title",
            "<p title=",
            "<p title=a",
            "<!-- ",
            "<!--[if mso]><p>",
            "<!doctype ",
            "<script>",
            "<script>'</script ",
            "<style>p {",
            "<p style=\"",
            "<p onclick='",
            "<a href=\"javascript:",
            "<a href=\" Java\nScript:x(",
            "<a href='data:text/html,",
            "<iframe srcdoc=\"",
            "<img srcset=\"",
            "<a href=\"java&#115;cript:",
            "<meta http-equiv=\"refresh\" content=\"",
            "<svg><![CDATA[",
            "<script><!-- <script></script>",
            "<?php ",
            "<title></title",
            "<!--> <!-- --!",
            "<textarea><",
            "<iframe>",
            "<script src=\"https://x/",
            "<link rel=stylesheet href=\"",
            "<base href='",
            "<object data='",
            "<svg><animate attributeName=href to='",
            "<svg><title><a href=\"",
            "<svg><title><!-- ",
            "<svg><a xlink:href=\"javascript:",
            "<a formaction='vbscript:",
            "<a href=\"java",
            "<a href=\" java\n",
            "<a href=\"                                    java",
            "<img src=\"a",
        ] {
            assert!(spot(html).is_err(), "{html}: {:?}", spot(html));
        }
    }
}
