//! The spellings of one address: what list posts, merges and the suppression list compare is the same for all of them.
//!
//! What holds: the case of a domain, its final dot and whether it stands in Unicode or in A-labels (RFC 5890) do not count, nor
//! quotes around a local part that needs none, nor a backslash within them that does (RFC 5321 section 4.1.2). The case of a
//! local part counts here. A domain in Unicode that is not composed (NFC) is another.

use std::borrow::Cow;

use super::address::is_atom_char;

/// A domain's one spelling: in lower case, without a final dot, in A-labels.
pub fn domain(domain: &str) -> Cow<'_, str> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(domain);
    }
    let lower = domain.to_lowercase();
    if lower.is_ascii() {
        return Cow::Owned(lower);
    }
    // RFC 3490 section 3.1 (1): what is a dot.
    let labels = lower.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']);
    let encoded = labels.map(|label| match label.is_ascii() {
        true => label.to_owned(),
        false => punycode(label).map_or_else(|| label.to_owned(), |code| format!("xn--{code}")),
    });
    Cow::Owned(encoded.collect::<Vec<_>>().join("."))
}

/// A local part's one spelling.
pub fn local(local: &str) -> Cow<'_, str> {
    let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return local.into() };
    let (mut plain, mut escaped) = (String::with_capacity(inner.len()), false);
    for c in inner.chars() {
        escaped = !escaped && c == '\\';
        if !escaped {
            plain.push(c);
        }
    }
    let is_dot_atom = plain.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_char));
    match is_dot_atom {
        true => plain.into(),
        false => format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\"")).into(),
    }
}

/// RFC 3492 section 6.3, with the parameters of section 5; `None` if a number grows too large.
fn punycode(label: &str) -> Option<String> {
    let chars: Vec<u32> = label.chars().map(u32::from).collect();
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = out.len() as u32;
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias, mut handled) = (128_u32, 0_u32, 72, basic);
    while (handled as usize) < chars.len() {
        let next = chars.iter().copied().filter(|&c| c >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for &c in &chars {
            if c < n {
                delta = delta.checked_add(1)?;
            } else if c == n {
                push_number(&mut out, delta, bias);
                bias = adapted(delta, handled + 1, handled == basic);
                (delta, handled) = (0, handled + 1);
            }
        }
        (delta, n) = (delta.checked_add(1)?, n + 1);
    }
    Some(out)
}

fn push_number(out: &mut String, number: u32, bias: u32) {
    let digit = |value: u32| char::from_digit((value + 10) % 36, 36).map_or('a', |c| c.to_ascii_lowercase());
    let (mut rest, mut k) = (number, 36);
    loop {
        let t = if k <= bias { 1 } else { (k - bias).min(26) };
        if rest < t {
            out.push(digit(rest));
            return;
        }
        out.push(digit(t + (rest - t) % (36 - t)));
        (rest, k) = ((rest - t) / (36 - t), k + 36);
    }
}

fn adapted(delta: u32, count: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut k = 0;
    while delta > 35 * 26 / 2 {
        (delta, k) = (delta / 35, k + 36);
    }
    k + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_spelling() {
        for (text, expected) in [
            ("x.org", "x.org"),
            ("X.Org.", "x.org"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("B\u{dc}CHER.Example.", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("stra\u{df}e.example", "xn--strae-oqa.example"),
            (
                "\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.\u{438}\u{441}\u{43f}\u{44b}\u{442}\u{430}\u{43d}\u{438}\u{435}",
                "xn--e1afmkfd.xn--80akhbyknj4f",
            ),
            ("\u{4f8b}\u{3048}\u{3002}\u{30c6}\u{30b9}\u{30c8}", "xn--r8jz45g.xn--zckzah"),
            ("\u{1f4a9}.la", "xn--ls8h.la"),
            ("[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"),
            ("", ""),
        ] {
            assert_eq!(domain(text), expected, "{text}");
        }
    }

    #[test]
    fn a_local_part_has_one_spelling() {
        for (text, expected) in [
            ("bob", "bob"),
            ("Bob", "Bob"),
            ("\"bob\"", "bob"),
            ("\"b\\ob.x+y\"", "bob.x+y"),
            ("\"a b\"", "\"a b\""),
            ("\"a\\ b\"", "\"a b\""),
            ("\"a..b\"", "\"a..b\""),
            ("\"a\\\"b\"", "\"a\\\"b\""),
            ("\"a\\\\b\"", "\"a\\\\b\""),
            ("\"\"", "\"\""),
        ] {
            assert_eq!(local(text), expected, "{text}");
        }
    }
}
