//! TLS and logins: nothing is handed over where the server is not who it should be, and the password goes nowhere else.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use data_encoding::BASE64;

use crate::support::Site;
use crate::support::server::letters::{assert_all_came, assert_true, queue};
use crate::support::server::{
    Act, At, Authority, Cut, How, Kind, Log, Mark, Script, Server, ends, lead_to, say, site_of,
};

const PIPELINED: [&str; 2] = ["PIPELINING", "8BITMIME"];

fn encrypted(tls: &Arc<rustls::ServerConfig>, implicit: bool) -> Kind {
    Kind { tls: Some(Arc::clone(tls)), implicit, ..Kind::smtp(&PIPELINED) }
}

/// Lines of a transport that trusts `authority` alone.
fn trusting(authority: &Authority, implicit: bool, name: &str) -> String {
    let tls = if implicit { "implicit" } else { "starttls" };
    let name = if name.is_empty() { String::new() } else { format!("server_name = {name:?}\n") };
    format!("tls = {tls:?}\nca = {:?}\n{name}timeout = \"20s\"", authority.path().display().to_string())
}

#[test]
fn whoever_has_a_good_certificate_gets_the_mail_encrypted() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path());
    for (certified, name) in
        [("IP:127.0.0.1", ""), ("DNS:mail.example.org", "mail.example.org"), ("DNS:*.example.org", "a.example.org")]
    {
        let tls = authority.certify(certified, 2);
        for implicit in [false, true] {
            let server = Server::tcp(encrypted(&tls, implicit), Script::good());
            let site = site_of(&server, "", &trusting(&authority, implicit, name));
            queue(&site, 30);
            assert_eq!(ends(&site, &["run"]), (0, String::new()), "{certified}, implicit {implicit}");
            let log = server.log();
            assert_all_came(&site, &log, 30, certified);
            assert_eq!(log.encrypted, server.sessions());
            // What was offered in the clear is forgotten (RFC 3207 section 4.2).
            let hellos = log.commands.iter().filter(|(_, line)| line.starts_with("EHLO")).count();
            assert_eq!(hellos, if implicit { 1 } else { 2 });
        }
    }
}

/// A run that must find the sink down; what it said.
fn is_down(site: &Site, log: impl Fn() -> Log, what: &str) -> String {
    let (status, said) = ends(site, &["run"]);
    assert_eq!((status, said.lines().count()), (75, 1), "{what}: {said}");
    assert!(site.list().iter().all(|row| row["attempts"] == 0) && site.events().is_empty(), "{what}");
    let log = log();
    assert!(log.taken.is_empty() && !log.commands.iter().any(|(_, line)| line.starts_with("MAIL")), "{what}");
    said
}

#[test]
fn whoever_is_not_who_it_should_be_gets_nothing() {
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let [authority, other] = [Authority::new(folders[0].path()), Authority::new(folders[1].path())];
    let cases = [
        ("another name", authority.certify("DNS:mail.example.com", 2), "not valid for name"),
        ("part of the name", authority.certify("DNS:example.org", 2), "not valid for name"),
        ("expired", authority.certify("DNS:mail.example.org", -1), "Expired"),
        ("unknown authority", other.certify("DNS:mail.example.org", 2), "invalid peer certificate"),
    ];
    for (what, tls, word) in cases {
        for implicit in [false, true] {
            let server = Server::tcp(encrypted(&tls, implicit), Script::good());
            let site = site_of(&server, "", &trusting(&authority, implicit, "mail.example.org"));
            queue(&site, 2);
            let said = is_down(&site, || server.log(), what);
            assert!(said.contains(word) && said.contains(server.connect()), "{what}: {said}");
        }
    }
}

#[test]
fn without_tls_nothing_is_handed_over_where_it_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path());
    let tls = authority.certify("IP:127.0.0.1", 2);
    let lines = trusting(&authority, false, "");
    // It offers none, it refuses, it says more in the clear behind its consent.
    let server = Server::tcp(Kind::smtp(&PIPELINED), Script::good());
    let site = site_of(&server, "", &lines);
    queue(&site, 2);
    assert!(is_down(&site, || server.log(), "none").contains("it offers no STARTTLS"));
    for (answer, word) in [("454 4.7.0 not now", "454 4.7.0 not now"), ("220 go on\r\n250 injected", "in the clear")] {
        let server = Server::tcp(
            encrypted(&tls, false),
            Script::steps(move |step| if step.at == At::Starttls { say(answer) } else { Act::Go }),
        );
        let site = site_of(&server, "", &lines);
        queue(&site, 2);
        let said = is_down(&site, || server.log(), answer);
        assert!(said.contains(word), "{answer}: {said}");
    }
    // One that speaks no TLS where it must from the first byte.
    let server = Server::tcp(Kind::smtp(&PIPELINED), Script::good());
    let site = site_of(&server, "", &trusting(&authority, true, ""));
    queue(&site, 2);
    let said = is_down(&site, Log::default, "implicit");
    assert!(said.contains(server.connect()), "{said}");
    // An authority that is not there.
    let site = site_of(&server, "", "tls = \"starttls\"\nca = \"/nonexistent/ca.pem\"");
    queue(&site, 2);
    assert!(ends(&site, &["run"]).1.contains("/nonexistent/ca.pem"));
}

#[test]
fn an_encrypted_session_that_ends_anywhere_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path());
    let tls = authority.certify("IP:127.0.0.1", 2);
    for (read, points) in [(true, 40), (false, 40)] {
        let server = Server::tcp(
            encrypted(&tls, true),
            Script::good().with_cuts(move |session| {
                let how = if session % 2 == 0 { How::Close } else { How::Reset };
                let bytes = if read { session * 12 } else { session * 3 };
                (session < points).then_some(Cut { mark: Mark::First, read, bytes, how })
            }),
        );
        let site = site_of(&server, "retry = { first = \"1d\", max = \"1d\" }", &trusting(&authority, true, ""));
        queue(&site, 100);
        assert_eq!(ends(&site, &["run"]), (0, String::new()));
        assert!(server.sessions() > points);
        assert_true(&site, &server.log(), "TLS");
        server.set(Script::good());
        assert_eq!(ends(&site, &["flush", "-q"]).0, 0);
        assert_all_came(&site, &server.log(), 100, "TLS");
    }
}

const USER: &str = "mara@b.example";
const SECRET: &str = "Tr0ub4dor & \"co\" \u{e9}";

/// Everything that a secret may not be found in: its plain form, and as the mechanisms send it.
fn forms() -> Vec<String> {
    let base64 = |text: String| BASE64.encode(text.as_bytes());
    let bearer = format!("user={USER}\x01auth=Bearer {SECRET}\x01\x01");
    vec![SECRET.to_owned(), base64(SECRET.to_owned()), base64(format!("\0{USER}\0{SECRET}")), base64(bearer)]
}

fn assert_secret(text: &[u8], what: &str) {
    for form in forms() {
        let found = text.windows(form.len()).any(|part| part == form.as_bytes());
        assert!(!found, "the password is in {what}: {}", String::from_utf8_lossy(text));
    }
}

/// Neither arguments nor environment of any process.
fn assert_unlisted() {
    for process in std::fs::read_dir("/proc").expect("processes").flatten() {
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(process.path().join(file)).unwrap_or_default();
            assert_secret(&text, &process.path().join(file).display().to_string());
        }
    }
}

/// Writes the secret into a file of its owner's, and lines that lead to it.
fn login(site: &Site, secret: &str, lines: &str) -> String {
    let path = site.path("secret");
    std::fs::write(&path, format!("{secret}\n")).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("a mode");
    format!("user = {USER:?}\n{}", lines.replace("SECRET", &path.display().to_string()))
}

#[test]
fn a_login_opens_and_its_secret_is_told_to_nobody_else() {
    let offers = [["AUTH PLAIN LOGIN XOAUTH2", "PIPELINING"], ["AUTH LOGIN", "PIPELINING"]];
    for (i, lines, verb) in [
        (0, "password_file = \"SECRET\"", "AUTH PLAIN "),
        (0, "password_command = [\"/bin/cat\", \"SECRET\"]\nauth = \"login\"", "AUTH LOGIN"),
        (0, "password_file = \"SECRET\"\nauth = \"xoauth2\"", "AUTH XOAUTH2 "),
        (1, "password_file = \"SECRET\"", "AUTH LOGIN"),
    ] {
        let script = Script::steps(|step| {
            if step.at == At::Auth {
                assert_unlisted();
            }
            Act::Go
        });
        let kind = Kind { login: Some((USER, SECRET)), ..Kind::smtp(&offers[i]) };
        let server = Server::tcp(kind, script);
        let site = site_of(&server, "", "");
        lead_to(&site, "smtp", &[server.connect()], "", &login(&site, SECRET, lines));
        queue(&site, 10);
        assert_eq!(ends(&site, &["run", "--json"]).0, 0, "{lines}");
        let log = server.log();
        assert_all_came(&site, &log, 10, lines);
        assert!(log.commands.iter().any(|(_, line)| line.starts_with(verb)), "{lines}");
        for args in [["config", "show"], ["config", "check"], ["list", "--json"], ["status", "--json"]] {
            let output = site.try_run(&args);
            assert_secret(&[output.stdout, output.stderr].concat(), &format!("{args:?}"));
        }
        for path in site.files("") {
            assert_secret(&std::fs::read(&path).unwrap_or_default(), &path.display().to_string());
        }
    }
}

#[test]
fn a_login_that_is_refused_blames_no_entry_and_tells_no_secret() {
    for (secret, lines, answer, word) in [
        ("wrong", "password_file = \"SECRET\"", None, "535 5.7.8"),
        ("wrong", "password_file = \"SECRET\"\nauth = \"login\"", None, "535 5.7.8"),
        ("wrong", "password_file = \"SECRET\"\nauth = \"xoauth2\"", None, "535 5.7.8"),
        ("", "password_file = \"SECRET\"", None, "the password is empty"),
        (SECRET, "password_file = \"/nonexistent/secret\"", None, "/nonexistent/secret"),
        (SECRET, "password_command = [\"/bin/false\"]", None, "/bin/false"),
        (SECRET, "password_command = [\"/bin/sh\", \"-c\", \"cat SECRET; exit 3\"]", None, "/bin/sh"),
        // A server that repeats what it does not understand.
        (SECRET, "password_file = \"SECRET\"", Some("500 5.5.1 what is"), "500"),
        (SECRET, "password_file = \"SECRET\"\nauth = \"xoauth2\"", Some("500 5.5.1 what is"), "500"),
    ] {
        let script = Script::steps(move |step| match answer {
            Some(text) if step.at == At::Auth => say(&format!("{text} {}?", step.line)),
            Some(_) | None => Act::Go,
        });
        let kind = Kind { login: Some((USER, SECRET)), ..Kind::smtp(&["AUTH PLAIN LOGIN XOAUTH2"]) };
        let server = Server::tcp(kind, script);
        let site = site_of(&server, "", "");
        lead_to(&site, "smtp", &[server.connect()], "", &login(&site, secret, lines));
        queue(&site, 2);
        let what = format!("{lines} {answer:?}");
        let said = is_down(&site, || server.log(), &what);
        assert!(said.contains(word) && said.contains(server.connect()), "{what}: {said}");
        assert_secret(said.as_bytes(), &what);
        for path in site.files("") {
            assert_secret(&std::fs::read(&path).unwrap_or_default(), &path.display().to_string());
        }
    }
}

#[test]
fn a_server_that_wants_a_login_refuses_no_message() {
    for offers in [&["PIPELINING", "AUTH PLAIN"][..], &["AUTH PLAIN"]] {
        let server = Server::tcp(Kind { login: Some((USER, SECRET)), ..Kind::smtp(offers) }, Script::good());
        let site = site_of(&server, "", "");
        queue(&site, 20);
        let (status, said) = ends(&site, &["run"]);
        assert_eq!((status, said.lines().count()), (75, 1), "{said}");
        assert!(said.contains("530 5.7.0 log in first"), "{said}");
        assert!(site.list().iter().all(|row| row["attempts"] == 0) && site.events().is_empty());
        lead_to(&site, "smtp", &[server.connect()], "", &login(&site, SECRET, "password_file = \"SECRET\""));
        assert_eq!(ends(&site, &["run"]).0, 0);
        assert_all_came(&site, &server.log(), 20, "logged in");
    }
}
