//! HTML as text, as far as a report needs it.

/// Whether a text is HTML, whatever it is called.
pub(super) fn is_html(text: &str) -> bool {
    let begin: String = text.trim_start().chars().take(15).collect();
    let begin = begin.to_ascii_lowercase();
    begin.starts_with("<html") || begin.starts_with("<!doctype") || text.contains("<br>") || text.contains("<BR>")
}

/// HTML as lines of text, as far as a report needs it.
pub(super) fn plain(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        let inside = &rest[at + 1..];
        let end = inside.find('>');
        let tag = end.map_or("", |end| &inside[..end]);
        // An address in brackets that nobody escaped is none of HTML's.
        if tag.contains('@') && !tag.contains(' ') {
            out.push_str(tag);
        }
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if ["br", "p", "div", "tr", "li", "td", "table", "h1", "h2", "h3"].contains(&name.to_ascii_lowercase().as_str())
        {
            out.push('\n');
        }
        rest = end.map_or("", |end| &inside[end + 1..]);
    }
    out.push_str(rest);
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(out, |text, (entity, c)| text.replace(entity, c))
}
