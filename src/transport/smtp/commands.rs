//! The commands of an envelope: MAIL and RCPT, with what the server offers to be told there.

use super::offers::Offers;
use crate::model::envelope::{Body, verp_delimiters};
use crate::model::{Address, Envelope};
use crate::transport::handover::NextHandover;

/// Whom it is from and to.
pub fn addresses<'a>(request: NextHandover<'a>) -> impl Iterator<Item = &'a Address> {
    request.sender.into_iter().chain(request.group.iter().map(move |&i| &request.envelope.recipients[i]))
}

/// MAIL for this request, as a server that `offers` this takes it.
pub fn mail(request: NextHandover<'_>, offers: &Offers) -> String {
    let NextHandover { envelope, sender, size, .. } = request;
    let origin = &envelope.origin;
    let mut command = String::with_capacity(128);
    command.extend(["MAIL FROM:<", sender.map_or("", Address::as_str), ">"]);
    if offers.size {
        command.extend([" SIZE=", &size.to_string()]);
    }
    if offers.eight_bit && origin.body != Some(Body::SevenBit) {
        command.push_str(" BODY=8BITMIME");
    }
    if offers.utf8 && addresses(request).any(Address::is_utf8) {
        command.push_str(" SMTPUTF8");
    }
    if let Some([first, second]) = xverp(request).filter(|_| offers.xverp) {
        command.push_str(&format!(" XVERP={first}{second}"));
    }
    if offers.dsn {
        command.extend(origin.ret.as_ref().map(|ret| format!(" RET={}", ret.to_ascii_uppercase())));
        command.extend(origin.envid.as_ref().map(|id| format!(" ENVID={}", xtext(id))));
    }
    command
}

/// Adds RCPT for one of the envelope's recipients to `command`.
pub fn rcpt(to: &Address, envelope: &Envelope, offers: &Offers, command: &mut String) {
    command.extend(["RCPT TO:<", to.as_str(), ">"]);
    if offers.dsn {
        let notify = envelope.origin.notify.as_ref();
        command.extend(notify.map(|notify| format!(" NOTIFY={}", notify.to_ascii_uppercase())));
    }
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
