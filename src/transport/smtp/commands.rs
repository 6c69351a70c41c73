//! The commands of an envelope: MAIL and RCPT, with what the server offers to be told there.

use super::offers::Offers;
use crate::model::envelope::{Body, verp_delimiters};
use crate::model::{Address, Envelope};
use crate::transport::handover::NextHandover;

/// Whom it is from and to.
pub fn addresses<'a>(request: NextHandover<'a>) -> impl Iterator<Item = &'a Address> {
    request.sender.into_iter().chain(request.group.iter().map(move |&i| &request.envelope.recipients[i]))
}

/// Whether it needs SMTPUTF8 (RFC 6531), for an address or for its header.
pub fn is_utf8(request: NextHandover<'_>) -> bool {
    request.utf8 || addresses(request).any(Address::is_utf8)
}

/// Adds MAIL for this request to `command`, as a server that `offers` this takes it; its line is ended.
pub fn mail(request: NextHandover<'_>, offers: &Offers, command: &mut Vec<u8>) {
    let NextHandover { envelope, sender, size, .. } = request;
    let origin = &envelope.origin;
    let mut say = |text: &str| command.extend_from_slice(text.as_bytes());
    say("MAIL FROM:<");
    say(sender.map_or("", Address::as_str));
    say(">");
    if offers.size.is_some() {
        say(&format!(" SIZE={size}"));
    }
    if offers.eight_bit && origin.body != Some(Body::SevenBit) {
        say(" BODY=8BITMIME");
    }
    if offers.utf8 && is_utf8(request) {
        say(" SMTPUTF8");
    }
    if let Some([first, second]) = xverp(request).filter(|_| offers.xverp) {
        say(&format!(" XVERP={first}{second}"));
    }
    if offers.dsn {
        origin.ret.iter().for_each(|ret| say(&format!(" RET={}", ret.to_ascii_uppercase())));
        origin.envid.iter().for_each(|id| say(&format!(" ENVID={}", xtext(id))));
    }
    say("\r\n");
}

/// Adds RCPT for one of the envelope's recipients to `command`; its line is ended.
pub fn rcpt(to: &Address, envelope: &Envelope, offers: &Offers, command: &mut Vec<u8>) {
    let mut say = |text: &str| command.extend_from_slice(text.as_bytes());
    say("RCPT TO:<");
    say(to.as_str());
    say(">");
    if offers.dsn {
        envelope.origin.notify.iter().for_each(|notify| say(&format!(" NOTIFY={}", notify.to_ascii_uppercase())));
    }
    say("\r\n");
}

/// How the server shall make a sender for each recipient, if it is to: the group goes out under the envelope's own.
pub fn xverp(request: NextHandover<'_>) -> Option<[char; 2]> {
    let own = request.sender.is_some() && request.sender == request.envelope.sender.as_ref();
    request.envelope.origin.verp.as_deref().filter(|_| own).and_then(verp_delimiters)
}

/// RFC 3461 section 4: what is no printable ASCII, `+` and `=` are written in hexadecimal.
fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' => out.push_str(&format!("+{byte:02X}")),
            byte if byte.is_ascii_graphic() => out.push(char::from(byte)),
            byte => out.push_str(&format!("+{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_that_of_its_standard() {
        assert_eq!(xtext("a+b=c d\u{e9}\r\n"), "a+2Bb+3Dc+20d+C3+A9+0D+0A");
    }
}
