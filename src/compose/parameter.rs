//! Parameters of MIME fields with a name in them (RFC 2045 section 5.1, RFC 2231).

use super::escape::{is_blank_in_header, turns_direction};

/// Bytes of a value on one line.
const PIECE: usize = 54;

/// Appends `;\n key=value`; what is no plain ASCII, or long, as RFC 2231 has it.
pub(super) fn write(out: &mut Vec<u8>, key: &str, value: &str) {
    let value: String = value
        .chars()
        .map(|c| match c {
            '/' | '\\' => '_',
            c if is_blank_in_header(c) || turns_direction(c) => ' ',
            c => c,
        })
        .collect();
    let plain = value.bytes().all(|byte| (32..127).contains(&byte) && byte != b'"') && !value.contains("=?");
    if plain && value.len() <= PIECE {
        out.extend_from_slice(format!(";\n {key}=\"{value}\"").as_bytes());
        return;
    }
    let mut encoded = String::new();
    super::url::push_part(&mut encoded, &value);
    if encoded.len() <= PIECE {
        out.extend_from_slice(format!(";\n {key}*=utf-8''{encoded}").as_bytes());
        return;
    }
    let (mut rest, mut number) = (encoded.as_str(), 0);
    while !rest.is_empty() {
        // No piece ends within %XX.
        let cut = rest.len().min(PIECE);
        let cut = rest[..cut].rfind('%').filter(|&at| at + 3 > cut).unwrap_or(cut);
        let charset = if number == 0 { "utf-8''" } else { "" };
        out.extend_from_slice(format!(";\n {key}*{number}*={charset}{}", &rest[..cut]).as_bytes());
        (rest, number) = (&rest[cut..], number + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> String {
        let mut out = b"Content-Disposition: attachment".to_vec();
        write(&mut out, "filename", value);
        out.push(b'\n');
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn names_read_back() {
        for name in ["a.pdf", "Rechnung für Jörg.pdf", &"lang ".repeat(30), "a\"b.pdf", "=?utf-8?q?x?="] {
            let text = written(name);
            assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 78), "{text}");
            let (field, _) = mailparse::parse_header(text.as_bytes()).expect("a field");
            let parsed = mailparse::parse_content_disposition(&field.get_value());
            assert_eq!(parsed.params.get("filename").map(|name| name.trim()), Some(name.trim()), "{text}");
        }
    }

    #[test]
    fn a_name_adds_nothing() {
        assert_eq!(written("../a\r\nX: y"), "Content-Disposition: attachment;\n filename=\".._a  X: y\"\n");
    }
}
