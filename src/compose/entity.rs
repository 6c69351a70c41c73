//! Character references of HTML (section 13.5 of the WHATWG standard), those that mail has.

const NAMES: [(&str, &str); 62] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", "\u{a0}"),
    ("copy", "©"),
    ("reg", "®"),
    ("trade", "™"),
    ("hellip", "…"),
    ("ndash", "–"),
    ("mdash", "—"),
    ("lsquo", "‘"),
    ("rsquo", "’"),
    ("ldquo", "“"),
    ("rdquo", "”"),
    ("bdquo", "„"),
    ("sbquo", "‚"),
    ("laquo", "«"),
    ("raquo", "»"),
    ("lsaquo", "‹"),
    ("rsaquo", "›"),
    ("bull", "•"),
    ("middot", "·"),
    ("euro", "€"),
    ("pound", "£"),
    ("yen", "¥"),
    ("cent", "¢"),
    ("sect", "§"),
    ("deg", "°"),
    ("times", "×"),
    ("frac12", "½"),
    ("larr", "←"),
    ("rarr", "→"),
    ("uarr", "↑"),
    ("darr", "↓"),
    ("zwnj", "\u{200c}"),
    ("shy", "\u{ad}"),
    ("auml", "ä"),
    ("ouml", "ö"),
    ("uuml", "ü"),
    ("Auml", "Ä"),
    ("Ouml", "Ö"),
    ("Uuml", "Ü"),
    ("szlig", "ß"),
    ("aacute", "á"),
    ("eacute", "é"),
    ("iacute", "í"),
    ("oacute", "ó"),
    ("uacute", "ú"),
    ("agrave", "à"),
    ("egrave", "è"),
    ("acirc", "â"),
    ("ecirc", "ê"),
    ("icirc", "î"),
    ("ocirc", "ô"),
    ("ccedil", "ç"),
    ("ntilde", "ñ"),
    ("atilde", "ã"),
    ("aring", "å"),
    ("aelig", "æ"),
    ("oslash", "ø"),
];

/// The most bytes between `&` and `;`.
const NAME_MAX: usize = 10;

/// `text` with its references as characters; what is none stays.
pub(super) fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        // A text of ampersands is looked through once.
        let end = after.bytes().take(NAME_MAX + 1).position(|byte| byte == b';');
        let known = end.and_then(|end| Some((after.get(..end)?, after.get(end + 1..)?))).and_then(|(name, behind)| {
            let mut buffer = [0; 4];
            let found = match name.strip_prefix('#') {
                Some(number) => (*numbered(number)?.encode_utf8(&mut buffer)).to_owned(),
                None => NAMES.iter().find(|(each, _)| *each == name)?.1.to_owned(),
            };
            Some((found, behind))
        });
        match known {
            Some((found, behind)) => {
                out.push_str(&found);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out + rest
}

fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code).filter(|c| !c.is_control() || *c == '\n')
}

#[cfg(test)]
mod tests {
    #[test]
    fn references_are_characters() {
        assert_eq!(
            super::decoded("&lt;a&#228;&#xE4;&nbsp;&euro;&x; &amp;lt; & &#0; &#99999999;"),
            "<aää\u{a0}€&x; &lt; & &#0; &#99999999;"
        );
    }
}
