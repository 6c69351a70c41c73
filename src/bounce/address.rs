//! An address as reports write it.

use crate::model::Address;

/// An address as reports write it: perhaps in brackets, perhaps with its type before it.
pub(super) fn address(text: &str) -> Option<Address> {
    let text = text.rsplit_once(';').map_or(text, |(_, address)| address).trim();
    let inner = match (text.find('<'), text.rfind('>')) {
        (Some(from), Some(to)) if from < to => &text[from + 1..to],
        _ => text,
    };
    let inner = inner.trim().trim_matches(|c| matches!(c, '<' | '>' | '\'' | ',')).trim_end_matches('.');
    let inner = inner.strip_prefix("SMTP:").or(inner.strip_prefix("smtp:")).unwrap_or(inner);
    // "(no address)" and comments behind one.
    let inner = inner.split_once(" (").map_or(inner, |(address, _)| address).trim();
    let bare = inner.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|bare| bare.contains('@'));
    bare.unwrap_or(inner).parse().ok().filter(|address| !is_masked(address))
}

/// Whether a part of it was left out before it was shown, as archives do.
pub(super) fn is_masked(address: &Address) -> bool {
    address.as_str().contains("...")
}
