//! What getent(1) prints, read strictly: an answer with anything else in it is none.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};

use super::account::Account;

/// The most bytes of a user's name.
const NAME_MAX: usize = 256;
/// The most addresses of a host that are tried.
const ADDRESSES_MAX: usize = 64;

/// The entry of the user `uid`: a line of passwd(5).
pub fn account(answer: &str, uid: u32) -> Option<Account> {
    entry(answer).filter(|(number, _)| *number == uid).map(|(_, account)| account)
}

/// Number and group of the user `name`, from a line of passwd(5).
pub fn ids(answer: &str, name: &str) -> Option<(u32, u32)> {
    entry(answer).filter(|(_, account)| account.name == name).map(|(uid, account)| (uid, account.gid))
}

/// A line of passwd(5), and the number in it.
fn entry(answer: &str) -> Option<(u32, Account)> {
    let line = only_line(answer)?;
    let fields: Vec<&str> = line.split(':').collect();
    let &[name, _password, number, gid, gecos, home, _shell] = fields.as_slice() else { return None };
    let fits = is_name(name) && Path::new(home).is_absolute();
    let uid = self::number(number)?;
    let (name, gecos) = (name.to_owned(), gecos.to_owned());
    let account = Account { name, gid: self::number(gid)?, gecos, home: PathBuf::from(home), elsewhere: true };
    fits.then_some((uid, account))
}

/// The groups of the user `name`: a line with the name, and a number for each.
pub fn groups(answer: &str, name: &str) -> Option<Vec<u32>> {
    let rest = only_line(answer)?.strip_prefix(name)?;
    let apart = rest.is_empty() || rest.starts_with(' ');
    let groups = rest.split(' ').filter(|word| !word.is_empty()).map(number).collect::<Option<Vec<u32>>>();
    groups.filter(|_| apart)
}

/// The addresses of a host, each with `port`: a line for each address and type of socket.
pub fn addresses(answer: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for line in answer.strip_suffix('\n')?.split('\n') {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let (address, kind) = (address(words.next()?, port)?, words.next()?);
        match kind {
            "STREAM" if !found.contains(&address) && found.len() < ADDRESSES_MAX => found.push(address),
            "STREAM" | "DGRAM" | "RAW" => {}
            _ => return None,
        }
    }
    (!found.is_empty()).then_some(found)
}

/// An address; one of a link has the number of the link's interface (RFC 4007 section 11).
fn address(word: &str, port: u16) -> Option<SocketAddr> {
    match word.split_once('%') {
        None => Some(SocketAddr::new(word.parse::<IpAddr>().ok()?, port)),
        Some((address, scope)) => {
            Some(SocketAddrV6::new(address.parse::<Ipv6Addr>().ok()?, port, 0, number(scope)?).into())
        }
    }
}

/// The text's only line, if it is whole and printable.
fn only_line(text: &str) -> Option<&str> {
    text.strip_suffix('\n').filter(|line| !line.contains(char::is_control))
}

/// Whether this can be a user's name: it looks like no option, no number and no path.
fn is_name(name: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, ':' | '/' | ',');
    (1..=NAME_MAX).contains(&name.len())
        && !name.starts_with('-')
        && name.trim() == name
        && !name.contains(odd)
        && !name.bytes().all(|b| b.is_ascii_digit())
}

/// A number of a user, a group or an interface: digits alone, and not the one that stands for none.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|&number| digits && number != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_a_line_of_passwd_with_the_number_asked_for() {
        let found = account("mara:*:4711:4712:Mara M.,,,:/home/mara:/bin/sh\n", 4711).expect("a line");
        assert_eq!((found.name.as_str(), found.gid, found.gecos.as_str()), ("mara", 4712, "Mara M.,,,"));
        assert_eq!((found.home.as_path(), found.elsewhere), (Path::new("/home/mara"), true));
        for name in ["EXAMPLE\\mara", "mara@example.org", "mara m", "mära", "m-4711", "mara$"] {
            let line = format!("{name}:*:4711:4712::/:\n");
            assert_eq!(account(&line, 4711).map(|found| found.name).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_is_no_such_line_is_no_user() {
        for wrong in [
            "",
            "\n",
            "mara:*:4711:4712::/home/mara:/bin/sh",
            "mara:*:4712:4712::/home/mara:/bin/sh\n",
            "mara:*:0:4712::/home/mara:/bin/sh\n",
            "mara:*:04711x:4712::/home/mara:/bin/sh\n",
            "mara:*:+4711:4712::/home/mara:/bin/sh\n",
            "mara:*:4711:-1::/home/mara:/bin/sh\n",
            "mara:*:4711:4294967295::/home/mara:/bin/sh\n",
            "mara:*:4711:4712::/home/mara\n",
            "mara:*:4711:4712::/home/mara:/bin/sh:\n",
            "mara:*:4711:4712::home/mara:/bin/sh\n",
            "mara:*:4711:4712:a\rb:/home/mara:/bin/sh\n",
            "mara:*:4711:4712::/home/mara:/bin/sh\nroot:x:0:0::/root:/bin/sh\n",
            "--service=x:*:4711:4712::/home/mara:/bin/sh\n",
            ":*:4711:4712::/home/mara:/bin/sh\n",
            "0:*:4711:4712::/home/mara:/bin/sh\n",
            "../mara:*:4711:4712::/home/mara:/bin/sh\n",
            " mara:*:4711:4712::/home/mara:/bin/sh\n",
        ] {
            assert_eq!(account(wrong, 4711), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_name_has_its_number_and_group() {
        let line = "mara:*:4711:4712::/home/mara:/bin/sh\n";
        assert_eq!((ids(line, "mara"), ids(line, "nils")), (Some((4711, 4712)), None));
        assert_eq!(ids(&line[..line.len() - 1], "mara"), None, "a line that is cut");
    }

    #[test]
    fn groups_are_numbers_after_the_name() {
        assert_eq!(groups("mara                  10 4712\n", "mara"), Some(vec![10, 4712]));
        assert_eq!(groups("mara                 \n", "mara"), Some(vec![]));
        assert_eq!(groups("a very long name with blanks 10\n", "a very long name with blanks"), Some(vec![10]));
        for wrong in ["", "mara 10", "mara10 12\n", "nils 10\n", "mara 10 x\n", "mara -1\n", "mara 10\nmara 0\n"] {
            assert_eq!(groups(wrong, "mara"), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_host_has_each_address_once() {
        let text = "192.0.2.1       STREAM mail.example.org\n192.0.2.1       DGRAM  \n192.0.2.1       RAW    \n\
                    2001:db8::1     STREAM \nfe80::1%2       STREAM \n192.0.2.1       STREAM \n";
        let found = addresses(text, 25).expect("addresses");
        let shown: Vec<String> = found.iter().map(SocketAddr::to_string).collect();
        assert_eq!(shown, ["192.0.2.1:25", "[2001:db8::1]:25", "[fe80::1%2]:25"]);
        for wrong in ["", "192.0.2.1 STREAM", "192.0.2.1\n", "mail STREAM\n", "192.0.2.1 X\n", "192.0.2.1 RAW\n", "\n"]
        {
            assert_eq!(addresses(wrong, 25), None, "{wrong:?}");
        }
        let many: String = (0..300).map(|i| format!("10.0.{}.{} STREAM\n", i / 256, i % 256)).collect();
        assert_eq!(addresses(&many, 25).map(|found| found.len()), Some(ADDRESSES_MAX));
    }
}
