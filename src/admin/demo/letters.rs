//! The demo's messages: plain, HTML, with an attachment, and not in ASCII, each with its number and a digest of its body,
//! so that what arrives can be compared with what was sent.

/// The header that numbers a message.
const NUMBER: &str = "X-Demo-Number: ";
/// The header that has the digest of the body.
const DIGEST: &str = "X-Demo-Digest: ";

/// Message number `n` with its recipient's address.
pub fn letter(n: u32) -> (String, String) {
    let recipient = format!("reader{n}@example.net");
    let (kind, body) = match n % 4 {
        0 => ("Content-Type: text/plain; charset=us-ascii\n".to_owned(), plain(n)),
        1 => ("Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n".to_owned(), html(n)),
        2 => (format!("Content-Type: multipart/mixed; boundary=\"part{n}\"\n"), with_attachment(n)),
        _ => ("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n".to_owned(), foreign(n)),
    };
    let subject = if n % 4 == 3 { "=?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_der_Warteschlange?=" } else { "News from the queue" };
    let text = format!(
        "From: The Demo <demo@example.org>\nTo: Reader {n} <{recipient}>\nSubject: {subject} no. {n}\n\
         Date: Tue, 24 Nov 2026 12:00:00 +0000\nMessage-ID: <demo.{n}@example.org>\nMIME-Version: 1.0\n{kind}\
         {NUMBER}{n}\n{DIGEST}{:016x}\n\n{body}",
        digest(body.as_bytes())
    );
    (recipient, text)
}

fn plain(n: u32) -> String {
    let line = "From the archive: mail that waits safely arrives in the end.\n";
    format!("Dear reader {n},\n\n.\nFrom here on it gets longer:\n{}\n-- \nThe demo\n", line.repeat((n % 40) as usize))
}

fn html(n: u32) -> String {
    let row = "<tr><td>Schöne Grüße</td><td>naïve café</td></tr>\n";
    format!(
        "<!DOCTYPE html>\n<html><body><h1>Issue {n}</h1><table>\n{}</table></body></html>\n",
        row.repeat((n % 60) as usize)
    )
}

fn foreign(n: u32) -> String {
    format!(
        "Уважаемый читатель {n}!\n\n{}\n親愛なる読者へ。\n",
        "Почта, которая ждёт, дойдёт. ".repeat((n % 30) as usize)
    )
}

fn with_attachment(n: u32) -> String {
    let base64 = "UXVldWVkIG1haWwgaXMgc2FmZSBtYWlsLiBRdWV1ZWQgbWFpbCBpcyBzYWZlIG1haWwu\n";
    format!(
        "--part{n}\nContent-Type: text/plain\n\nSee the attachment.\n--part{n}\nContent-Type: application/octet-stream; \
         name=\"data{n}.bin\"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment\n\n{}--part{n}--\n",
        base64.repeat(20 + (n % 80) as usize)
    )
}

/// The number of a message that arrived, if it is one of ours and intact.
pub fn recognise(message: &[u8]) -> Option<u32> {
    let split = message.windows(2).position(|two| two == b"\n\n")?;
    let (header, body) = (std::str::from_utf8(&message[..split]).ok()?, &message[split + 2..]);
    let field = |name: &str| header.lines().find_map(|line| line.strip_prefix(name));
    let number = field(NUMBER)?.parse().ok()?;
    let intact = u64::from_str_radix(field(DIGEST)?, 16).ok()? == digest(body);
    let addressed = field("Delivered-To: ")? == letter(number).0;
    (intact && addressed).then_some(number)
}

/// FNV-1a, 64 bits: against accidents, which is all that a demo meets.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_recognised_and_a_damaged_one_is_not() {
        for n in 0..200 {
            let (recipient, text) = letter(n);
            let arrived = format!("Return-Path: <x@y>\nDelivered-To: {recipient}\n{text}").into_bytes();
            assert_eq!(recognise(&arrived), Some(n));
            let mut damaged = arrived;
            let last = damaged.len() - 2;
            damaged[last] ^= 1;
            assert_eq!(recognise(&damaged), None);
        }
    }
}
