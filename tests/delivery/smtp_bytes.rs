//! What goes over the wire is the message that was queued, whole and alone: byte for byte, and nothing in it is taken for
//! its end or for a command, however lenient the server is.

use std::process::Command;

use crate::support::Site;
use crate::support::server::{Ends, Kind, Script, Server, ends, site_of};

const HEADER: &str = "From: s@b.example\nDate: Tue, 24 Nov 2026 12:00:00 +0000\nMessage-ID: <1@b.example>\n";

/// Each way in which a content goes out.
fn kinds() -> Vec<Kind> {
    let offers: [&[&'static str]; 4] = [&[], &["PIPELINING", "8BITMIME"], &["CHUNKING"], &["PIPELINING", "CHUNKING"]];
    let lmtp: [&[&'static str]; 2] = [&["PIPELINING"], &["PIPELINING", "CHUNKING", "8BITMIME"]];
    offers.map(Kind::smtp).into_iter().chain(lmtp.map(Kind::lmtp)).collect()
}

fn submit(site: &Site, n: usize, message: &[u8]) {
    let output = site.feed(&["submit", "-f", &format!("s{n}@b.example"), "--", &format!("r{n}@c.example")], message);
    assert!(output.status.success(), "{output:?}");
}

/// What the server got for message `n`, without our Received field.
fn content(server: &Server, n: usize) -> Vec<u8> {
    let log = server.log();
    assert!(log.misdeeds.is_empty(), "{:?}", log.misdeeds);
    let mine: Vec<_> = log.taken.iter().filter(|taken| taken.sender == format!("s{n}@b.example")).collect();
    assert_eq!(mine.len(), 1, "message {n}");
    let content = &mine[0].content;
    assert!(content.starts_with(b"Received: by "));
    let at = content.windows(3).position(|w| w[..2] == *b"\r\n" && w[2] != b'\t').expect("the end of a field");
    content[at + 2..].to_vec()
}

/// The published ways to feign an end of data (CVE-2023-51764, -51765, -51766 and what followed them).
const FEIGNED: [&str; 20] = [
    "\n.\n",
    "\n.\r\n",
    "\r.\r",
    "\r\n.\r",
    "\r.\n",
    "\r\n.\n",
    "\r.\r\n",
    "\n.\r",
    "\r\r.\r\r",
    "\r\r\n.\r\r\n",
    "\r\n.\r\r\n",
    "\r\n\0.\r\n",
    "\r\n.\0\r\n",
    "\r\n\0.\0\r\n",
    "\r\0\n.\r\n",
    "\n\0.\n",
    "\r\n.\r\n",
    "\r\n\r.\r\n",
    "\n\n.\n\n",
    "\r\n..\r\n",
];

#[test]
fn nothing_in_a_message_begins_another() {
    let lenient = [
        Ends::default(),
        Ends { lf: true, ..Ends::default() },
        Ends { cr: true, ..Ends::default() },
        Ends { nul: true, ..Ends::default() },
        Ends { lf: true, cr: true, nul: true },
    ];
    for kind in kinds().into_iter().take(3).chain(kinds().into_iter().skip(4).take(1)) {
        for ends_at in lenient {
            let server = Server::tcp(Kind { ends: ends_at, ..kind.clone() }, Script::good());
            let site = site_of(&server, "", "");
            let mut count = 0;
            for feigned in FEIGNED {
                let second = format!(
                    "{feigned}MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@y.example>\r\nDATA\r\nA: evil\r\n\r\nsmuggled"
                );
                submit(&site, count, format!("{HEADER}\nfirst{second}{feigned}QUIT\r\nlast\n").as_bytes());
                count += 1;
                // In the header, which holds no NUL.
                let message = format!("{HEADER}Subject: first{second}{feigned}last\n\nbody\n");
                if !feigned.contains('\0') {
                    submit(&site, count, message.as_bytes());
                    count += 1;
                }
            }
            let what = format!("{:?}, {ends_at:?}", kind.offers);
            assert_eq!(ends(&site, &["run"]), (0, String::new()), "{what}");
            let log = server.log();
            assert!(log.misdeeds.is_empty(), "{what}: {:?}", log.misdeeds);
            let strange: Vec<_> =
                log.commands.iter().filter(|(_, line)| line.contains("evil@") || line.contains("victim@")).collect();
            assert!(strange.is_empty(), "{what}: {strange:?}");
            assert_eq!(log.taken.len(), count, "{what}");
            for n in 0..count {
                let content = String::from_utf8(content(&server, n)).expect("text");
                assert!(content.contains("smuggled") && content.contains("last\r\n"), "{what}: {n}: {content:?}");
            }
        }
    }
}

/// Messages of every sort that has no bare CR and no NUL.
fn messages() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "",
        ".",
        ".\n",
        "..\n",
        ".\n.\n..\n...\n.x\n",
        "\n",
        "\n\n\n",
        "no end",
        "From here on\n>From there\n",
        "caf\u{e9} \u{1f600}\n",
        "a \n\tb\t\n  \n",
        "EHLO x\nMAIL FROM:<a@b>\nQUIT\n.\nRSET\n",
    ]
    .iter()
    .map(|body| format!("{HEADER}\n{body}").into_bytes())
    .collect();
    // Every byte but CR and NUL.
    all.push([HEADER.as_bytes(), b"\n", &(1..=255_u8).filter(|b| *b != b'\r').collect::<Vec<u8>>()].concat());
    // Lines over 998, in the header as well.
    all.push(format!("{HEADER}X-Long: {}\n\n{}\n", "h".repeat(3_000), "b".repeat(100_000)).into_bytes());
    // Over every size that something is read or written in, with a dot behind each line's end.
    for shift in 0..3 {
        all.push(format!("{HEADER}\n{}{}", "x".repeat(shift), "\n.".repeat(200_000)).into_bytes());
    }
    all
}

#[test]
fn what_is_queued_arrives_byte_for_byte() {
    for kind in kinds() {
        let what = format!("{:?}, LMTP {}", kind.offers, kind.lmtp);
        let server = Server::tcp(kind.clone(), Script::good());
        let site = site_of(&server, "", "");
        let messages = messages();
        for (n, message) in messages.iter().enumerate() {
            submit(&site, 2 * n, message);
            // The same with CRLF from the start.
            let text: Vec<u8> =
                message.iter().flat_map(|&b| if b == b'\n' { vec![b'\r', b'\n'] } else { vec![b] }).collect();
            submit(&site, 2 * n + 1, &text);
        }
        assert_eq!(ends(&site, &["run"]), (0, String::new()), "{what}");
        for (n, message) in messages.iter().enumerate() {
            let mut wanted: Vec<u8> =
                message.iter().flat_map(|&b| if b == b'\n' { vec![b'\r', b'\n'] } else { vec![b] }).collect();
            if !wanted.ends_with(b"\r\n") {
                wanted.extend_from_slice(b"\r\n");
            }
            for n in [2 * n, 2 * n + 1] {
                let found = content(&server, n);
                let differ = found.iter().zip(&wanted).position(|(a, b)| a != b);
                assert!(
                    found == wanted,
                    "{what}: {n}: {} and {} bytes, differ at {differ:?}",
                    found.len(),
                    wanted.len()
                );
            }
        }
        let mails = server.log().taken.into_iter().map(|taken| taken.mail);
        let eight = mails.filter(|mail| mail.contains("BODY=8BITMIME")).count();
        assert_eq!(eight > 0, kind.offers.contains(&"8BITMIME"), "{what}");
    }
}

/// A program of python3 with Debian's packages; `None`, and a line, where a module is missing.
fn python(module: &str) -> Option<Command> {
    let there = Command::new("/usr/bin/python3").args(["-c", &format!("import {module}")]).output();
    if there.is_ok_and(|output| output.status.success()) {
        return Some(Command::new("/usr/bin/python3"));
    }
    eprintln!("skipped: python3 has no {module} here; tests/setup installs it");
    None
}

#[test]
fn a_signature_made_before_is_good_after() {
    let Some(mut signer) = python("dkim") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let key = path("key");
    let openssl = |args: &str| {
        let output = Command::new("openssl").args(args.split(' ')).output().expect("openssl(1)");
        assert!(output.status.success(), "openssl {args}: {output:?}");
        output.stdout
    };
    openssl(&format!("genrsa -traditional -out {key} 2048"));
    let public = String::from_utf8(openssl(&format!("rsa -in {key} -pubout"))).expect("PEM");
    let base64: String = public.lines().filter(|line| !line.starts_with('-')).collect();
    std::fs::write(path("key.pub"), base64).expect("written");
    // As they are, and with CRLF.
    let whole = messages().into_iter().filter(|message| message.ends_with(b"\n"));
    let crlf = |message: &Vec<u8>| {
        message.iter().flat_map(|&b| if b == b'\n' { vec![b'\r', b'\n'] } else { vec![b] }).collect()
    };
    let messages: Vec<Vec<u8>> = whole.flat_map(|message| [crlf(&message), message]).collect();
    let files: Vec<String> = (0..messages.len()).map(|n| path(&format!("m{n}"))).collect();
    for (file, message) in files.iter().zip(&messages) {
        std::fs::write(file, message).expect("written");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/signature.py");
    let output = signer.args([script, "sign", &key]).args(&files).output().expect("python3");
    assert!(output.status.success(), "{output:?}");
    for kind in kinds().into_iter().skip(1) {
        let what = format!("{:?}, LMTP {}", kind.offers, kind.lmtp);
        let server = Server::tcp(kind, Script::good());
        let site = site_of(&server, "", "");
        for (n, file) in files.iter().enumerate() {
            submit(&site, n, &std::fs::read(file).expect("a message"));
        }
        assert_eq!(ends(&site, &["run"]), (0, String::new()), "{what}");
        let got: Vec<String> = (0..files.len()).map(|n| path(&format!("got{n}"))).collect();
        for (n, file) in got.iter().enumerate() {
            let sender = format!("s{n}@b.example");
            let log = server.log();
            let taken = log.taken.iter().find(|taken| taken.sender == sender).expect("it came");
            std::fs::write(file, &taken.content).expect("written");
        }
        let output =
            Command::new("/usr/bin/python3").args([script, "verify", &key]).args(&got).output().expect("python3");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), files.len().to_string(), "{what}: {output:?}");
    }
}
