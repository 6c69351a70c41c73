//! Values in URLs (RFC 3986): one that is a part is percent-encoded, one that is the beginning has a scheme that a mail may have.

/// What a value at a URL's beginning may begin with.
const SCHEMES: [&str; 3] = ["http://", "https://", "mailto:"];

/// Unreserved characters (RFC 3986 section 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What may stand in a URL as it is, `%` of what is encoded already included.
fn may_stand(byte: u8) -> bool {
    is_unreserved(byte) || b"%:/?#[]@!$&()*+,;=".contains(&byte)
}

/// Appends `value` as a part of a URL: everything but unreserved characters is percent-encoded.
pub(super) fn push_part(out: &mut String, value: &str) {
    push(out, value, is_unreserved);
}

/// Appends `value` as a URL, or its beginning: what cannot stand in a URL is percent-encoded.
///
/// Errors: its scheme is not http, https or mailto.
pub(super) fn push_whole(out: &mut String, value: &str) -> Result<(), String> {
    let value = value.trim();
    let is_known = |scheme: &&str| value.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    if !SCHEMES.iter().any(is_known) {
        let shown: String = value.chars().filter(|c| !c.is_control()).take(60).collect();
        return Err(format!("'{shown}' is no URL with http, https or mailto"));
    }
    push(out, value, may_stand);
    Ok(())
}

fn push(out: &mut String, value: &str, fine: fn(u8) -> bool) {
    let bytes = value.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let len = bytes[at..].iter().take_while(|&&byte| fine(byte)).count();
        // ASCII alone is fine, so these are borders of characters.
        out.push_str(&value[at..at + len]);
        at += len;
        while let Some(&byte) = bytes.get(at).filter(|&&byte| !fine(byte)) {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            let digits = [byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)]));
            out.extend(['%', digits[0], digits[1]]);
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_part_has_no_character_of_a_url() {
        let mut out = String::new();
        push_part(&mut out, "a b&c=ü/?#\"'<%\r\n~");
        assert_eq!(out, "a%20b%26c%3D%C3%BC%2F%3F%23%22%27%3C%25%0D%0A~");
    }

    #[test]
    fn a_whole_url_is_of_a_known_scheme() {
        let mut out = String::new();
        assert_eq!(push_whole(&mut out, " HTTPS://x.org/a b?c=d&e=%20#ü\"' "), Ok(()));
        assert_eq!(out, "HTTPS://x.org/a%20b?c=d&e=%20#%C3%BC%22%27");
        for bad in [
            "",
            "x.org",
            "javascript:alert(1)",
            "java\nscript:x",
            "//x.org",
            "data:text/html,x",
            "http:x",
            "\0http://x",
        ] {
            assert!(push_whole(&mut String::new(), bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_place(value in ".{0,80}") {
            let (mut part, mut whole) = (String::new(), String::new());
            push_part(&mut part, &value);
            prop_assert!(part.bytes().all(|byte| is_unreserved(byte) || byte == b'%'));
            let url = format!("http://{value}");
            prop_assert!(push_whole(&mut whole, &url).is_ok());
            prop_assert!(!whole.contains(['"', '\'', '<', '>', ' ', '\r', '\n']) && whole.is_ascii());
        }
    }
}
