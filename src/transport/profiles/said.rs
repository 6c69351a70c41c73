//! What a command said: the SMTP replies and the status codes in it, and the words that are given for a reason.

use crate::model::SinkReply;

/// The SMTP reply code that a line quotes, at its beginning or after a colon.
pub(super) fn reply_code(line: &str) -> Option<&str> {
    let code = |part: &&str| {
        let (code, rest) = part.split_at_checked(3).unwrap_or(("", ""));
        let ends = matches!(rest.bytes().next(), None | Some(b' ' | b'-'));
        ends && code.starts_with(['4', '5']) && code.bytes().all(|b| b.is_ascii_digit())
    };
    line.trim().split(": ").find(code).and_then(|part| part.get(..3))
}

/// `text`, and the last thing the command said: that is where sendmails give their reason.
pub fn with_said(text: &str, said: &str) -> String {
    match last_lines(said) {
        last if last.is_empty() => text.to_owned(),
        last => format!("{text}: {last}"),
    }
}

/// The reply of a command that took a message: the end of its output.
pub(super) fn reply(said: &str) -> Option<SinkReply> {
    SinkReply::new(&last_lines(said))
}

fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

/// The last enhanced status code (RFC 3463) of class 4 or 5 in what was said.
pub(super) fn enhanced_status(said: &str) -> Option<String> {
    let is_code = |word: &&str| {
        let mut parts = word.split('.');
        let class = parts.next().is_some_and(|class| class == "4" || class == "5");
        let digits = |part: Option<&str>| {
            part.is_some_and(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
        };
        class && digits(parts.next()) && digits(parts.next()) && parts.next().is_none()
    };
    let mut words = said.split(|c: char| !(c.is_ascii_digit() || c == '.')).map(|word| word.trim_end_matches('.'));
    words.rfind(is_code).map(str::to_owned)
}
