//! Commands of RFC 5321 section 4.1 and of the extensions that the server offers: SIZE (RFC 1870), 8BITMIME (RFC 6152),
//! SMTPUTF8 (RFC 6531) and DSN (RFC 3461). Does no I/O.
//!
//! Kept true: what comes out of here can be stored and given on: addresses are [`Address`]es, and have UTF-8 only where the
//! client said so; a name of a client has no character that means something in a header field.

use crate::intake::dsn;
use crate::model::{Address, Body};

/// The longest ORCPT and ENVID of RFC 3461 sections 4.2 and 4.4.
const ORCPT_MAX: usize = 500;
/// The longest name of a host (RFC 5321 section 4.5.3.1.2).
const NAME_MAX: usize = 255;

const BAD_VALUE: &str = "501 5.5.4 A parameter has no such value, or is given twice";
const UNKNOWN: &str = "555 5.5.4 A parameter is not known here";

/// One command.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// HELO, or EHLO, which knows extensions; or LHLO, by which each recipient gets an answer of his own (RFC 2033).
    Hello {
        name: String,
        extended: bool,
        lmtp: bool,
    },
    Mail(Mail),
    Rcpt(Rcpt),
    Data,
    Reset,
    Noop,
    Verify,
    Help,
    Quit,
}

/// What MAIL says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// `None` is the null sender.
    pub sender: Option<Address>,
    /// The message's size by its own account, in bytes.
    pub size: Option<u64>,
    pub body: Option<Body>,
    /// Addresses may have UTF-8.
    pub utf8: bool,
    pub ret: Option<String>,
    pub envid: Option<String>,
}

/// What RCPT says. The original recipient (ORCPT) is checked; an entry has no place for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    pub recipient: Address,
    pub notify: Option<String>,
}

/// Why a command is not taken: a reply.
pub type Fault = String;

/// Reads one line without its CRLF. With `utf8`, recipients may have UTF-8.
pub fn parse(line: &[u8], utf8: bool) -> Result<Command, Fault> {
    if line.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
        return fault("500 5.5.2 A command has a NUL or a carriage return in it");
    }
    let Ok(line) = std::str::from_utf8(line) else { return fault("500 5.5.2 A command is not UTF-8") };
    let line = line.trim_end_matches([' ', '\t']);
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim_start_matches(' ');
    let alone = |command| if rest.is_empty() { Ok(command) } else { fault("501 5.5.4 It takes no argument") };
    match verb.to_ascii_uppercase().as_str() {
        "HELO" => Ok(Command::Hello { name: client(rest)?, extended: false, lmtp: false }),
        "EHLO" => Ok(Command::Hello { name: client(rest)?, extended: true, lmtp: false }),
        "LHLO" => Ok(Command::Hello { name: client(rest)?, extended: true, lmtp: true }),
        "MAIL" => mail(rest).map(Command::Mail),
        "RCPT" => rcpt(rest, utf8).map(Command::Rcpt),
        "DATA" => alone(Command::Data),
        "RSET" => alone(Command::Reset),
        "QUIT" => alone(Command::Quit),
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help),
        "VRFY" if rest.is_empty() => fault("501 5.5.4 Syntax: VRFY address"),
        "VRFY" => Ok(Command::Verify),
        "EXPN" | "TURN" | "ETRN" | "BDAT" | "AUTH" | "STARTTLS" => fault("502 5.5.1 Command not implemented"),
        _ => fault("500 5.5.2 Command not recognized"),
    }
}

fn fault<T>(reply: &str) -> Result<T, Fault> {
    Err(reply.to_owned())
}

/// The client's name. Whatever it calls itself is no reason to refuse its mail; what no host or address literal has
/// becomes a question mark.
fn client(text: &str) -> Result<String, Fault> {
    if text.is_empty() || text.contains(' ') {
        return fault("501 5.5.4 Syntax: EHLO hostname");
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    Ok(text.chars().take(NAME_MAX).map(|c| if fine(c) { c } else { '?' }).collect())
}

fn mail(text: &str) -> Result<Mail, Fault> {
    let Some((path, parameters)) = argument(text, "FROM:") else {
        return fault("501 5.5.4 Syntax: MAIL FROM:<address> [parameters]");
    };
    let mut mail = Mail::default();
    each(parameters, |name, value| match (name, value) {
        ("SIZE", Some(size)) => put(&mut mail.size, digits(size)),
        ("BODY", Some(body)) if body.eq_ignore_ascii_case("7BIT") => put(&mut mail.body, Some(Body::SevenBit)),
        ("BODY", Some(body)) if body.eq_ignore_ascii_case("8BITMIME") => put(&mut mail.body, Some(Body::EightBitMime)),
        ("RET", Some(ret)) => put(&mut mail.ret, dsn::ret(ret.to_owned()).ok()),
        ("ENVID", Some(envid)) => put(&mut mail.envid, envelope_id(envid)),
        ("SMTPUTF8", None) => {
            mail.utf8 = true;
            Ok(())
        }
        ("SIZE" | "BODY" | "RET" | "ENVID" | "SMTPUTF8", _) => Err(BAD_VALUE),
        _ => Err(UNKNOWN),
    })?;
    mail.sender = Address::sender(path).map_err(|bad| format!("501 5.1.7 {bad}"))?;
    if mail.sender.as_ref().is_some_and(Address::is_utf8) && !mail.utf8 {
        return fault("553 5.6.7 The address needs SMTPUTF8 behind it (RFC 6531)");
    }
    Ok(mail)
}

fn rcpt(text: &str, utf8: bool) -> Result<Rcpt, Fault> {
    let Some((path, parameters)) = argument(text, "TO:") else {
        return fault("501 5.5.4 Syntax: RCPT TO:<address> [parameters]");
    };
    let (mut notify, mut original) = (None, None);
    each(parameters, |name, value| match (name, value) {
        ("NOTIFY", Some(when)) => put(&mut notify, when_of(when)),
        ("ORCPT", Some(address)) => put(&mut original, is_original(address, utf8).then_some(())),
        ("NOTIFY" | "ORCPT", None) => Err(BAD_VALUE),
        _ => Err(UNKNOWN),
    })?;
    let recipient: Address = path.parse().map_err(|bad| format!("550 5.1.3 {bad}"))?;
    if recipient.is_utf8() && !utf8 {
        return fault("553 5.6.7 The address needs SMTPUTF8 at MAIL (RFC 6531)");
    }
    Ok(Rcpt { recipient, notify })
}

/// What stands in the angle brackets behind `keyword`, without an obsolete route, and the parameters behind it.
fn argument<'t>(text: &'t str, keyword: &str) -> Option<(&'t str, &'t str)> {
    let head = text.get(..keyword.len()).filter(|head| head.eq_ignore_ascii_case(keyword))?;
    let inside = text[head.len()..].trim_start_matches(' ').strip_prefix('<')?;
    let (mut quoted, mut escaped) = (false, false);
    let end = inside.find(|c| {
        let ends = c == '>' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        ends
    })?;
    let (path, parameters) = (&inside[..end], &inside[end + 1..]);
    let path = match path.strip_prefix('@').and_then(|route| route.split_once(':')) {
        Some((_, address)) => address,
        None => path,
    };
    (parameters.is_empty() || parameters.starts_with(' ')).then_some((path, parameters))
}

/// Shows `take` each parameter: its keyword in capitals, and its value.
fn each(text: &str, mut take: impl FnMut(&str, Option<&str>) -> Result<(), &'static str>) -> Result<(), Fault> {
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        take(&name.to_ascii_uppercase(), value)?;
    }
    Ok(())
}

/// Puts a parameter's value in its place, which is empty.
fn put<T>(place: &mut Option<T>, value: Option<T>) -> Result<(), &'static str> {
    if value.is_none() || place.is_some() {
        return Err(BAD_VALUE);
    }
    *place = value;
    Ok(())
}

/// NOTIFY, in one of its nine forms: what says the same is the same.
fn when_of(text: &str) -> Option<String> {
    let given = dsn::notify(text.to_owned()).ok()?;
    let named = |word: &&str| given.split(',').any(|one| one == *word);
    Some(["never", "success", "failure", "delay"].into_iter().filter(named).collect::<Vec<_>>().join(","))
}

/// A size of up to 20 digits (RFC 1870 section 4); one that no number holds is as large as can be.
fn digits(text: &str) -> Option<u64> {
    let fine = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fine.then(|| text.parse().unwrap_or(u64::MAX))
}

/// An envelope id, decoded. One with a blank in it, which RFC 3461 section 4.4 would allow, is none of ours.
fn envelope_id(text: &str) -> Option<String> {
    dsn::envid(String::from_utf8(xtext(text)?).ok()?).ok()
}

/// RFC 3461 section 4: printable ASCII, where "+2B" stands for the byte 2B.
fn xtext(text: &str) -> Option<Vec<u8>> {
    let mut found = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        found.push(match byte {
            b'+' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8 // two digits are a byte
            }
            b'=' => return None,
            33..=126 => byte,
            _ => return None,
        });
    }
    Some(found)
}

/// An original recipient: the type of an address, and the address in xtext (RFC 3461 section 4.2), or of the type utf-8
/// where `utf8` allows it, as it is, or with "\x{E9}" for a character (RFC 6533 section 3).
fn is_original(text: &str, utf8: bool) -> bool {
    let Some((kind, address)) = text.split_once(';') else { return false };
    let atom = |c: char| {
        c.is_ascii_graphic() && !matches!(c, '(' | ')' | '<' | '>' | '@' | ',' | ':' | '\\' | '"' | '[' | ']')
    };
    let fine = !kind.is_empty() && kind.chars().all(atom) && !address.is_empty() && text.len() <= ORCPT_MAX;
    let plain = || xtext(address).is_some_and(|address| address.iter().all(|b| (32..=126).contains(b)));
    let unicode = || utf8 && address.chars().all(|c| !c.is_control() && !c.is_whitespace() && c != '=');
    fine && (plain() || (kind.eq_ignore_ascii_case("utf-8") && unicode()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Result<Command, Fault> {
        parse(line.as_bytes(), false)
    }

    fn mail_of(line: &str) -> Mail {
        match read(line) {
            Ok(Command::Mail(mail)) => mail,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn rcpt_of(line: &str) -> Rcpt {
        match parse(line.as_bytes(), line.contains('é')) {
            Ok(Command::Rcpt(rcpt)) => rcpt,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn commands_are_read_in_any_case() {
        for (line, expected) in [
            ("data", Command::Data),
            ("Rset ", Command::Reset),
            ("NOOP what ever", Command::Noop),
            ("vrfy <a@b>", Command::Verify),
            ("help mail", Command::Help),
            ("QUIT", Command::Quit),
            ("helo a.b", Command::Hello { name: "a.b".to_owned(), extended: false, lmtp: false }),
            ("EHLO [127.0.0.1]", Command::Hello { name: "[127.0.0.1]".to_owned(), extended: true, lmtp: false }),
            ("EHLO m(by\u{e9}", Command::Hello { name: "m?by?".to_owned(), extended: true, lmtp: false }),
            ("lhlo x", Command::Hello { name: "x".to_owned(), extended: true, lmtp: true }),
        ] {
            assert_eq!(read(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn addresses_stand_in_brackets() {
        for (line, sender) in [
            ("MAIL FROM:<a@b>", "a@b"),
            ("mail from: <a@b> SIZE=1", "a@b"),
            ("MAIL FROM:<>", ""),
            ("MAIL FROM:<root>", "root"),
            ("MAIL FROM:<@x,@y:a@b>", "a@b"),
            ("MAIL FROM:<\"a>b c\\\"\"@d>", "\"a>b c\\\"\"@d"),
            ("MAIL FROM:<j\u{f6}rg@b> smtputf8", "j\u{f6}rg@b"),
        ] {
            assert_eq!(mail_of(line).sender.as_ref().map_or("", Address::as_str), sender, "{line}");
        }
    }

    #[test]
    fn parameters_are_taken_and_checked() {
        let mail = mail_of("MAIL FROM:<a@b> SIZE=00000000000000001000 BODY=8bitmime RET=HDRS ENVID=a+2Bb+3D SMTPUTF8");
        assert_eq!((mail.size, mail.body, mail.utf8), (Some(1_000), Some(Body::EightBitMime), true));
        assert_eq!((mail.ret.as_deref(), mail.envid.as_deref()), (Some("hdrs"), Some("a+b=")));
        assert_eq!(mail_of("MAIL FROM:<a@b> SIZE=99999999999999999999").size, Some(u64::MAX));
        let rcpt = rcpt_of("RCPT TO:<c@d> NOTIFY=delay,SUCCESS,delay ORCPT=rfc822;c+2Bx@d");
        assert_eq!((rcpt.recipient.as_str(), rcpt.notify.as_deref()), ("c@d", Some("success,delay")));
        assert_eq!(rcpt_of("RCPT TO:<é@d> ORCPT=utf-8;é@d").recipient.as_str(), "é@d");
        assert_eq!(rcpt_of("RCPT TO:<c@d> ORCPT=utf-8;\\x{E9}@d").notify, None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, reply) in [
            ("", "500 5.5.2"),
            ("MAILFROM:<a@b>", "500 5.5.2"),
            ("GET / HTTP/1.1", "500 5.5.2"),
            ("NOOP \0", "500 5.5.2"),
            ("NOOP a\rQUIT", "500 5.5.2"),
            ("EHLO", "501 5.5.4"),
            ("EHLO a b", "501 5.5.4"),
            ("DATA x", "501 5.5.4"),
            ("MAIL", "501 5.5.4"),
            ("MAIL FROM:a@b", "501 5.5.4"),
            ("MAIL FROM:<a@b", "501 5.5.4"),
            ("MAIL FROM:<a@b>x", "501 5.5.4"),
            ("MAIL FROM:<a b@c>", "501 5.1.7"),
            ("MAIL FROM:<<a@b>>", "501 5.5.4"),
            ("MAIL FROM:<j\u{f6}rg@b>", "553 5.6.7"),
            ("MAIL FROM:<a@b> SIZE=x", "501 5.5.4"),
            ("MAIL FROM:<a@b> SIZE=100000000000000000000", "501 5.5.4"),
            ("MAIL FROM:<a@b> SIZE=1 size=1", "501 5.5.4"),
            ("MAIL FROM:<a@b> BODY=BINARYMIME", "501 5.5.4"),
            ("MAIL FROM:<a@b> RET=SOME", "501 5.5.4"),
            ("MAIL FROM:<a@b> ENVID=a+2", "501 5.5.4"),
            ("MAIL FROM:<a@b> ENVID=a+20b", "501 5.5.4"),
            ("MAIL FROM:<a@b> ENVID=", "501 5.5.4"),
            ("MAIL FROM:<a@b> ENVID", "501 5.5.4"),
            ("MAIL FROM:<a@b> AUTH=<>", "555 5.5.4"),
            ("RCPT TO:<>", "550 5.1.3"),
            ("RCPT TO:<a@b..c>", "550 5.1.3"),
            ("RCPT TO:<j\u{f6}rg@b>", "553 5.6.7"),
            ("RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
            ("RCPT TO:<a@b> ORCPT=a@b", "501 5.5.4"),
            ("RCPT TO:<a@b> ORCPT=rfc822;a+0Ab", "501 5.5.4"),
            ("RCPT TO:<a@b> ORCPT=utf-8;j\u{f6}rg", "501 5.5.4"),
            ("RCPT TO:<a@b> SIZE=1", "555 5.5.4"),
            ("BDAT 10 LAST", "502 5.5.1"),
        ] {
            let got = read(line).expect_err(line);
            assert!(got.starts_with(reply), "{line}: {got}");
        }
        assert!(parse(b"MAIL FROM:<\xff@b>", true).is_err_and(|reply| reply.starts_with("500 5.5.2")));
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in "(MAIL FROM:<|RCPT TO:<|EHLO |)[ -~é]{0,12}>?( (SIZE|ENVID|ORCPT|NOTIFY)=[ -~]{0,8})?") {
            match parse(line.as_bytes(), true) {
                Ok(_) => {}
                Err(reply) => prop_assert!(reply.as_bytes()[..3].iter().all(u8::is_ascii_digit), "{reply}"),
            }
        }
    }
}
