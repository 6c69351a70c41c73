//! AUTH (RFC 4954): PLAIN (RFC 4616), LOGIN, and XOAUTH2 for a bearer's token.
//!
//! The secret is read for each session, so that a token may be short-lived. It goes to the server and nowhere else: not
//! into a message, a log, or an argument of a command.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

use data_encoding::BASE64;

use crate::config::{Login, Mechanism, Secret};
use crate::sys::child::{self, Finish};
use crate::sys::named;
use crate::sys::process::Ended;
use crate::sys::signals::Signals;
use crate::sys::spawn::Spawner;

/// How long a command may take to tell the secret.
pub const TELL_MAX: Duration = Duration::from_secs(30);
/// The most bytes of a secret.
const SECRET_MAX: u64 = 16 << 10;

/// The secret of `login`: the first line of its file, or of what its command prints.
///
/// Errors tell what went wrong and nothing of the secret.
pub fn secret(login: &Login, signals: &Signals) -> Result<String, String> {
    let text = match &login.secret {
        Secret::File(path) => {
            let bad = |error: std::io::Error| format!("{}: {error}", path.display());
            let mut text = String::new();
            named::open(path).map_err(bad)?.take(SECRET_MAX).read_to_string(&mut text).map_err(bad)?;
            text
        }
        Secret::Command(command) => {
            let program = command.first().map_or("", String::as_str);
            let args: Result<Vec<CString>, _> = command.iter().map(|arg| CString::new(arg.as_bytes())).collect();
            let args = args.map_err(|error| error.to_string())?;
            let nothing = File::open("/dev/null").map_err(|error| error.to_string())?;
            let run = child::run(&mut Spawner::default(), &child::Order::plain(args), &nothing, TELL_MAX, signals);
            match run.finish {
                Finish::Ended(Ended::Exited(0)) => run.said,
                Finish::Ended(ended) => return Err(format!("{program}: {ended}")),
                Finish::NotStarted(error) | Finish::Lost(error) => return Err(format!("{program}: {error}")),
                Finish::Stopped { why } => return Err(format!("{program}: {why}")),
            }
        }
    };
    match text.lines().next().filter(|line| !line.is_empty() && !line.contains('\0')) {
        Some(line) => Ok(line.to_owned()),
        None => Err("the password is empty".to_owned()),
    }
}

/// Which mechanism to use of those that are `offered`: the configured one, else PLAIN, else LOGIN.
pub fn choose(login: &Login, offered: &[String]) -> Result<Mechanism, String> {
    let has = |mechanism: &Mechanism| offered.iter().any(|word| word.eq_ignore_ascii_case(mechanism.name()));
    let wanted = match login.mechanism {
        Some(mechanism) => vec![mechanism],
        None => vec![Mechanism::Plain, Mechanism::Login],
    };
    let names = || wanted.iter().map(|mechanism| mechanism.name()).collect::<Vec<_>>().join(", ");
    wanted.iter().copied().find(has).ok_or_else(|| match offered {
        [] => "it offers no AUTH".to_owned(),
        offered => format!("it offers AUTH {}, and not {}", offered.join(" "), names()),
    })
}

/// The command that begins, and what answers each challenge.
pub fn script(mechanism: Mechanism, user: &str, secret: &str) -> (String, Vec<String>) {
    let base64 = |text: &str| BASE64.encode(text.as_bytes());
    match mechanism {
        Mechanism::Plain => (format!("AUTH PLAIN {}", base64(&format!("\0{user}\0{secret}"))), Vec::new()),
        Mechanism::Login => ("AUTH LOGIN".to_owned(), vec![base64(user), base64(secret)]),
        Mechanism::Xoauth2 => {
            let token = format!("user={user}\x01auth=Bearer {secret}\x01\x01");
            // A refusal is told by a challenge, which an empty line answers.
            (format!("AUTH XOAUTH2 {}", base64(&token)), vec![String::new()])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(mechanism: Option<Mechanism>) -> Login {
        Login { user: "u".to_owned(), secret: Secret::File("/nonexistent".into()), mechanism }
    }

    #[test]
    fn what_is_offered_decides_unless_it_was_said() {
        let offered = ["login".to_owned(), "PLAIN".to_owned()];
        assert_eq!(choose(&login(None), &offered), Ok(Mechanism::Plain));
        assert_eq!(choose(&login(None), &offered[..1]), Ok(Mechanism::Login));
        let refused = choose(&login(Some(Mechanism::Xoauth2)), &offered).expect_err("not offered");
        assert!(refused.contains("XOAUTH2") && refused.contains("PLAIN"), "{refused}");
        assert!(choose(&login(None), &[]).is_err());
    }

    #[test]
    fn each_mechanism_says_what_its_standard_says() {
        // RFC 4616 section 4, RFC 4954 section 4.
        assert_eq!(script(Mechanism::Plain, "test", "test").0, "AUTH PLAIN AHRlc3QAdGVzdA==");
        assert_eq!(script(Mechanism::Login, "u", "p").1, ["dQ==", "cA=="]);
        let (first, answers) = script(Mechanism::Xoauth2, "u", "t");
        assert_eq!(first, format!("AUTH XOAUTH2 {}", BASE64.encode(b"user=u\x01auth=Bearer t\x01\x01")));
        assert_eq!(answers, [""]);
    }
}
