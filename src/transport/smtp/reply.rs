//! Replies (RFC 5321 section 4.2): read from what a server sent, whatever it sent.

use std::fmt;

use memchr::memchr;

use crate::model::Reason;

/// The most bytes of one line; RFC 5321 section 4.5.3.1.5 allows 512.
const LINE_MAX: usize = 4 << 10;
/// The most lines of one reply.
const LINES_MAX: usize = 256;
/// A reply's text is kept up to the line that would exceed so many bytes, and its first line in any case.
const TEXT_MAX: usize = 4 << 10;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// What stands behind the code, see [`Reply::lines`]; lines that are too many are left out.
    pub text: String,
}

/// What a server sent is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what it sent is no reply of SMTP: {0}")]
pub struct Garbage(&'static str);

impl Reply {
    /// Reads the reply that `input` begins with, and how many bytes it has; `None` if its end did not come yet.
    pub fn parse(input: &[u8]) -> Result<Option<(Reply, usize)>, Garbage> {
        let mut reply = Reply { code: 0, text: String::new() };
        let (mut from, mut lines, mut cut) = (0, 0, false);
        loop {
            let rest = &input[from..];
            let Some(end) = memchr(b'\n', &rest[..rest.len().min(LINE_MAX)]) else {
                return if rest.len() < LINE_MAX { Ok(None) } else { Err(Garbage("a line that is too long")) };
            };
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            let (code, goes_on, text) = split(line).ok_or(Garbage("a line that does not begin with a code"))?;
            if reply.code != 0 && reply.code != code {
                return Err(Garbage("lines of one reply with different codes"));
            }
            reply.code = code;
            let text = String::from_utf8_lossy(text);
            if lines == 0 {
                reply.text = text.into_owned();
            } else if !cut && reply.text.len() + text.len() < TEXT_MAX {
                reply.text.push('\n');
                reply.text.push_str(&text);
            } else {
                cut = true;
            }
            (from, lines) = (from + end + 1, lines + 1);
            if !goes_on {
                return Ok(Some((reply, from)));
            }
            if lines == LINES_MAX {
                return Err(Garbage("a reply of too many lines"));
            }
        }
    }

    /// Whether the server closes the session with it (RFC 5321 section 3.8).
    pub fn ends_session(&self) -> bool {
        self.code == 421
    }

    /// What stands behind the code, a line each, at least one; bytes that are no UTF-8 are replaced.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n')
    }

    /// All of it in one line, with " / " between those that it has.
    pub fn one_line(&self) -> String {
        // A code has three digits: see `split`.
        let digit = |place: u16| char::from(b'0' + (self.code / place % 10) as u8);
        let mut line = String::with_capacity(self.text.len() + 8);
        line.extend([digit(100), digit(10), digit(1), ' ']);
        for (n, text) in self.lines().enumerate() {
            line.push_str(if n == 0 { "" } else { " / " });
            line.push_str(text);
        }
        line
    }

    pub fn is_good(&self) -> bool {
        self.code / 100 == 2
    }

    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// The enhanced status code (RFC 2034) that its text begins with, of the code's own class.
    pub fn status(&self) -> Option<String> {
        let word = self.text.split([' ', '\n']).next()?;
        let mut parts = word.split('.');
        let mut number = || parts.next().filter(|part| part.len() <= 3)?.parse::<u16>().ok();
        let class = number().filter(|class| *class == self.code / 100)?;
        let (subject, detail) = (number()?, number()?);
        parts.next().is_none().then(|| format!("{class}.{subject}.{detail}"))
    }

    /// As a reason for not delivering; `what` was answered.
    pub fn reason(&self, what: &str) -> Reason {
        Reason::new(&format!("{what}: {self}")).with_status(self.status())
    }
}

/// A line's code, whether another line follows, and its text.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (&[hundreds, tens, ones], rest) = line.split_first_chunk::<3>()?;
    if !matches!(hundreds, b'2'..=b'5') || !tens.is_ascii_digit() || !ones.is_ascii_digit() {
        return None;
    }
    let code = u16::from(hundreds - b'0') * 100 + u16::from(tens - b'0') * 10 + u16::from(ones - b'0');
    match rest {
        [] => Some((code, false, rest)),
        [b' ', text @ ..] => Some((code, false, text)),
        [b'-', text @ ..] => Some((code, true, text)),
        _ => None,
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.one_line())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Reply {
        let (reply, len) = Reply::parse(text.as_bytes()).expect("a reply").expect("a whole one");
        assert_eq!(len, text.len());
        reply
    }

    #[test]
    fn one_line_and_several() {
        assert_eq!(whole("250 2.1.0 Ok\r\n").status().as_deref(), Some("2.1.0"));
        assert_eq!(whole("354\n").code, 354);
        let several = whole("250-a.example\r\n250-SIZE 100\r\n250 DSN\r\n");
        assert_eq!(several.lines().collect::<Vec<_>>(), ["a.example", "SIZE 100", "DSN"]);
        assert_eq!(several.to_string(), "250 a.example / SIZE 100 / DSN");
        // Of the next reply nothing is taken.
        assert_eq!(Reply::parse(b"250 a\r\n550 b\r\n").expect("a reply").expect("whole").1, 7);
    }

    #[test]
    fn an_enhanced_status_has_the_class_of_its_code() {
        assert_eq!(whole("550 5.1.1 no such user\r\n").status().as_deref(), Some("5.1.1"));
        for text in ["550 4.1.1 x\r\n", "550 no\r\n", "550 5.1 x\r\n", "550 5.1.1.1 x\r\n", "550 5.1.1111 x\r\n"] {
            assert_eq!(whole(text).status(), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_reply_is_told_from_half_of_one() {
        for half in ["", "2", "250", "250 a", "250-a\r\n", "250-a\r\n25"] {
            assert_eq!(Reply::parse(half.as_bytes()), Ok(None), "{half:?}");
        }
        for bad in ["hello\r\n", "\r\n", "150 a\r\n", "650 a\r\n", "25x a\r\n", "250_a\r\n", "250-a\r\n251 b\r\n"] {
            assert!(Reply::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Reply::parse(&b"250-a\r\n".repeat(LINES_MAX + 1)).is_err());
        assert!(Reply::parse(&[b'2'; LINE_MAX]).is_err());
        let line = |end: &str| format!("250{end}{}\r\n", "x".repeat(LINE_MAX - 10));
        let long = line("-").repeat(LINES_MAX - 1) + &line(" ");
        let (reply, len) = Reply::parse(long.as_bytes()).expect("a reply").expect("a whole one");
        assert!(len == long.len() && reply.text.len() <= TEXT_MAX, "{}", reply.text.len());
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "(2[0-9]{2}-[ -~]{0,9}\r\n){0,2}[2-5][0-9]{2} [ -~]{0,20}\r\n", cut in 0_usize..60) {
            let whole = Reply::parse(text.as_bytes());
            if cut < text.len() && whole.as_ref().is_ok_and(|whole| whole.as_ref().is_some_and(|(_, len)| *len == text.len())) {
                prop_assert_eq!(Reply::parse(&text.as_bytes()[..cut]), Ok(None));
            }
        }

        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Reply::parse(&bytes);
        }
    }
}
