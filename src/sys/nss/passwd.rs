//! /etc/passwd, read by ourselves. Where the C library is linked in it reads that file, too, but takes nineteen system calls
//! to come to it, and most of them again for each message whose sender is the running user.
//!
//! It spares time and changes no answer. Comments and lines of NIS are no users, as for the C library. At a line that the two
//! might read differently the search ends, and the C library is asked, as it is for a user who is not found.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use super::account::Account;
use super::answers;

/// Beyond this many bytes the C library looks.
const LARGEST: u64 = 1 << 20;

/// The first entry of the user `uid`.
pub fn account(uid: u32) -> Option<Account> {
    let file = File::open("/etc/passwd").ok()?;
    find(BufReader::with_capacity(4 << 10, file.take(LARGEST)), uid)
}

fn find(mut lines: impl BufRead, uid: u32) -> Option<Account> {
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if matches!(line.trim_start().as_bytes().first(), None | Some(b'#' | b'+' | b'-')) {
            continue;
        }
        if plain_uid(&line)? == uid {
            return Some(Account { elsewhere: false, ..answers::account(&line, uid)? });
        }
    }
}

/// The number in a line of seven fields, if it can be read in one way only.
fn plain_uid(line: &str) -> Option<u32> {
    let mut fields = line.split(':');
    let number = fields.nth(2).filter(|_| fields.count() == 4)?;
    let is_plain = number.bytes().all(|b| b.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
    number.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_counts_if_it_is_whole() {
        let text = "root:x:0:0:root:/root:/bin/sh\n+nis\na:x:7:8:An A,,:/home/a:/bin/sh\nb:x:7:9::/home/b:/bin/sh\nc:x:5:5::c:\n";
        let name = |text: &str, uid| find(text.as_bytes(), uid).map(|user| (user.name, user.gid, user.elsewhere));
        assert_eq!(name(text, 7), Some(("a".to_owned(), 8, false)));
        assert_eq!(name(text, 0), Some(("root".to_owned(), 0, false)));
        for (text, uid) in
            [(text, 1), (text, 5), ("", 0), ("a:x:7:8:A:/a:/bin/s", 7), ("a:x:7:8:\u{1b}:/a:/bin/sh\n", 7)]
        {
            assert_eq!(name(text, uid), None, "{text} {uid}");
        }
        // Comments and lines of NIS are passed over; with any other oddity the C library decides, also before the entry.
        let whole = "mara:x:7:8::/home/mara:/bin/sh\n";
        for passed in
            ["#eve:x:7:8::/e:/bin/sh", " \t# eve", "", " ", "+", "+eve:x:7:8::/e:/bin/sh", "-eve", "+eve::::::"]
        {
            assert_eq!(
                name(&format!("{passed}\n{whole}"), 7).map(|found| found.0).as_deref(),
                Some("mara"),
                "{passed}"
            );
            assert_eq!(name(&format!("{passed}\n"), 7), None, "{passed}");
        }
        for odd in [
            "eve:x:07:8::/e:/bin/sh",
            "eve:x:+7:8::/e:/bin/sh",
            "eve:x:7:8::/e",
            "eve",
            "eve:x::8::/e:/bin/sh",
            "e:::::::",
        ] {
            assert_eq!(name(&format!("{odd}\n{whole}"), 7), None, "{odd}");
        }
        assert_eq!(find(&b"\xff:x:7:8::/a:/bin/sh\n"[..], 7), None);
    }
}
