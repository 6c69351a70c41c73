//! What a sender may ask for in the notices of its mail (RFC 3461), whichever way it came: by an option, over SMTP, in a file
//! of `drop/`. The values become arguments of a command, so each is checked.

use super::refused::Refused;

/// When to notify: RFC 3461 section 4.1.
pub fn notify(value: String) -> Result<String, Refused> {
    let lower = value.to_ascii_lowercase();
    let fine = lower == "never" || lower.split(',').all(|part| matches!(part, "success" | "failure" | "delay"));
    if fine { Ok(lower) } else { Err(Refused::option("-N takes never, or a list of success, failure, delay")) }
}

/// What to return of the message: RFC 3461 section 4.3.
pub fn ret(value: String) -> Result<String, Refused> {
    match value.to_ascii_lowercase().as_str() {
        "full" => Ok("full".to_owned()),
        "hdrs" => Ok("hdrs".to_owned()),
        _ => Err(Refused::option("-R takes full or hdrs")),
    }
}

/// RFC 3461 section 4.4: an envelope id is printable ASCII, at most 100 characters.
pub fn envid(value: String) -> Result<String, Refused> {
    let fine = !value.is_empty() && value.len() <= 100 && value.bytes().all(|b| (33..=126).contains(&b));
    if fine { Ok(value) } else { Err(Refused::option("-V takes up to 100 printable ASCII characters")) }
}
