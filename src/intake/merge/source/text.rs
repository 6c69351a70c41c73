//! What a text begins with: a byte order mark is no data, and one of another encoding is distinguished from bad bytes.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use super::error::SourceError;

/// UTF-8's byte order mark.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// `input` without its byte order mark.
///
/// Errors: those of the input; it is UTF-16.
pub fn without_mark<'i>(what: &Arc<str>, mut input: impl BufRead + 'i) -> Result<Box<dyn BufRead + 'i>, SourceError> {
    let mut head = Vec::with_capacity(MARK.len());
    // A pipe may give a byte at a time.
    let read = input.by_ref().take(MARK.len() as u64).read_to_end(&mut head);
    read.map_err(|source| SourceError::Unreadable { what: what.clone(), row: 0, source })?;
    match head.as_slice() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(SourceError::Encoding { what: what.clone(), found: "UTF-16" }),
        head if head == MARK => Ok(Box::new(input)),
        _ => Ok(Box::new(io::Cursor::new(head).chain(input))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_no_data_and_utf_16_is_known() {
        let what: Arc<str> = "x".into();
        let rest = |bytes: &[u8]| {
            let mut text = String::new();
            // A byte at a time.
            let input = io::BufReader::with_capacity(1, bytes);
            without_mark(&what, input).map(|mut input| {
                input.read_to_string(&mut text).expect("UTF-8");
                text
            })
        };
        for (bytes, text) in [(&b"\xef\xbb\xbfa,b"[..], "a,b"), (b"a,b", "a,b"), (b"a", "a"), (b"", "")] {
            assert_eq!(rest(bytes).expect("text"), text);
        }
        for bytes in [b"\xff\xfea\0", b"\xfe\xff\0a"] {
            assert!(matches!(rest(bytes), Err(SourceError::Encoding { .. })));
        }
    }
}
