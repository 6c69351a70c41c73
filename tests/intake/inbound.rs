//! Mail for a list manager: taken from an MTA with the envelope of its environment, sorted, and delivered to a program that
//! finds the envelope in its own.

use crate::support::{Site, feed, message, wait_until};

/// A site whose inbound queue leads to a script, which writes down its environment and its input and ends with the status
/// that the recipient's extension is, or 0.
fn site() -> Site {
    let site = Site::new("ok", "");
    let program = site.path("manager");
    let text = format!(
        "{{ echo \"$SENDER|$RECIPIENT|$LOCAL_PART|$EXTENSION|$DOMAIN|$ENTRY|$1\"; cat; echo .; }} >> {:?}\n\
         case $EXTENSION in '' | *[!0-9]*) exit 0 ;; *) exit \"$EXTENSION\" ;; esac\n",
        site.path("got")
    );
    std::fs::write(&program, text).expect("written");
    let before = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&format!(
        "{before}[queue.inbound]\ntransport = \"manager\"\nworkers = 1\n[transport.manager]\nkind = \"command\"\ncommand = [\"/bin/sh\", {:?}, \
         \"--receive\"]\n[queue.bounce]\ntransport = \"unread\"\n[transport.unread]\nkind = \"maildir\"\npath = {:?}\n",
        program.display().to_string(),
        site.path("unread")
    ));
    site
}

/// Hands a message in as an alias does; in which queue it is then.
fn hand_in(site: &Site, sender: &str, recipient: &str, text: &str) -> String {
    let mut command = site.command(&["submit", "--queue", "auto", "--json"]);
    command.env("SENDER", sender).env("RECIPIENT", recipient);
    let output = feed(command, text.as_bytes());
    assert!(output.status.success(), "{output:?}");
    let row: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    row["queue"].as_str().expect("a queue").to_owned()
}

const REPORT: &str = "From: MAILER-DAEMON@mx.example.org\nSubject: Undelivered Mail Returned to Sender\n\
                      Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: \
                      message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; bob@example.com\nAction: \
                      failed\nStatus: 5.1.1\n\n--b--\n";
const AWAY: &str = "From: al@example.com\nSubject: Out of office\nAuto-Submitted: auto-replied\nX-Bulkmailer-Class: forged\n\n\
                    I am away.\n";

#[test]
fn mail_from_an_alias_is_sorted_by_what_it_is() {
    let site = site();
    let plain = message(1);
    let forged = format!("X-Bulkmailer-Class: forged\n{plain}");
    for (sender, recipient, text, queue) in [
        ("mara@example.org", "list@example.org", plain.as_str(), "inbound"),
        ("mara@example.org", "list@example.org", &forged, "inbound"),
        ("", "list-bounces@example.org", REPORT, "bounce"),
        ("<>", "list-bounces@example.org", &plain, "bounce"),
        ("MAILER-DAEMON", "list-bounces@example.org", &plain, "bounce"),
        ("x@example.com", "list+bob=example.com@example.org", &plain, "bounce"),
        ("", "list+bob=example.com@example.org", AWAY, "inbound"),
        ("al@example.com", "list@example.org", AWAY, "inbound"),
    ] {
        assert_eq!(hand_in(&site, sender, recipient, text), queue, "{sender} {recipient} {text}");
    }
    site.ok(&["run"]);
    let got = std::fs::read_to_string(site.path("got")).expect("mail");
    assert!(got.contains("mara@example.org|list@example.org|list||example.org|"), "{got}");
    assert!(got.contains("|--receive\n") && got.matches("\n.\n").count() == 4, "{got}");
    assert_eq!(got.matches("X-Bulkmailer-Class: auto-reply\n").count(), 2, "{got}");
    assert!(!got.contains("forged"), "{got}");
    // Nobody looked at what is only passed on, and it stays as it was.
    assert!(
        site.feed(&["submit", "--queue", "inbound", "-f", "a@b.org", "list@example.org"], forged.as_bytes())
            .status
            .success()
    );
    site.ok(&["run"]);
    assert!(std::fs::read_to_string(site.path("got")).expect("mail").contains("X-Bulkmailer-Class: forged\n"));
    let bob: serde_json::Value =
        serde_json::from_str(&site.ok(&["bounces", "show", "bob@example.com", "--json"])).expect("JSON");
    assert_eq!(bob["bounces"], 1);
    assert_eq!(std::fs::read_dir(site.path("unread/new")).expect("a Maildir").count(), 3, "those without a report");
}

#[test]
fn what_the_program_says_is_what_becomes_of_it() {
    let site = site();
    for extension in ["0", "65", "67", "77", "75", "1", "64"] {
        let recipient = format!("list+{extension}@example.org");
        hand_in(&site, "mara@example.org", &recipient, &message(1));
    }
    site.try_run(&["run", "--queue", "inbound"]);
    let verdict = |extension: &str| {
        let events = site.events();
        let to = format!("list+{extension}@example.org");
        let found = events.iter().find(|event| event["recipient"] == to.as_str());
        found.map(|event| event["verdict"].as_str().expect("a verdict").to_owned())
    };
    assert_eq!(verdict("0").as_deref(), Some("delivered"));
    for refused in ["65", "67", "77"] {
        assert_eq!(verdict(refused).as_deref(), Some("failed"), "{refused}");
    }
    // A fault of the program's is nobody's end.
    let waiting = site.list().into_iter().filter(|row| row["queue"] == "inbound" && row["state"] == "ready").count();
    assert_eq!(waiting, 3);
    wait_until("the queue is free", || site.busy() == 0);
}

#[test]
fn an_envelope_that_is_given_counts_and_one_that_is_nowhere_is_said() {
    let site = site();
    let mut command = site.command(&["submit", "--queue", "auto", "-f", "given@example.org", "to@example.org"]);
    command.env("SENDER", "other@example.org").env("RECIPIENT", "other@example.org");
    assert!(feed(command, message(1).as_bytes()).status.success());
    let row = &site.list()[0];
    assert_eq!(
        (row["sender"].as_str(), row["recipients"][0].as_str()),
        (Some("given@example.org"), Some("to@example.org"))
    );
    let mut command = site.command(&["submit", "--queue", "auto"]);
    command.env_remove("SENDER").env_remove("RECIPIENT");
    let output = feed(command, message(1).as_bytes());
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    // A queue that is named takes it from the MTA, if it is told to; otherwise nothing of an environment counts.
    let mut command = site.command(&["submit", "--queue", "inbound", "--from-mta"]);
    command.env("SENDER", "").env("RECIPIENT", "list@example.org");
    assert!(feed(command, message(2).as_bytes()).status.success());
    let mut command = site.command(&["submit", "--queue", "inbound"]);
    command.env("SENDER", "a@b.org").env("RECIPIENT", "list@example.org");
    assert_eq!(feed(command, message(2).as_bytes()).status.code(), Some(64));
    let mut command = site.command(&["submit", "--queue", "auto"]);
    command.env("SENDER", "a b").env("RECIPIENT", "list@example.org\nX: y");
    assert_eq!(feed(command, message(2).as_bytes()).status.code(), Some(65));
    assert_eq!(site.list().len(), 2);
    let mbox = site.mbox("box", 1..3);
    let many = site.try_run(&["submit", "--queue", "auto", "--mbox", mbox.to_str().expect("a path"), "a@b.org"]);
    assert_eq!(many.status.code(), Some(64));
}

#[test]
fn an_mta_hands_in_by_lmtp_and_each_recipient_has_an_answer() {
    let site = site();
    let dialogue = |text: &str| {
        let output = site.feed(&["submit", "--serve", "--queue", "auto"], text.replace('\n', "\r\n").as_bytes());
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").replace("\r\n", "\n")
    };
    let letter = |from: &str, to: &[&str], text: &str| {
        let rcpts: String = to.iter().map(|to| format!("RCPT TO:<{to}>\n")).collect();
        format!("MAIL FROM:<{from}>\n{rcpts}DATA\n{text}.\n")
    };
    let post = letter("mara@example.org", &["list@example.org", "other@example.org"], &message(1));
    let bounce = letter("", &["list-bounces@example.org"], REPORT);
    let said = dialogue(&format!("LHLO mx\n{post}{bounce}{post}QUIT\n"));
    assert_eq!(said.matches("250 2.0.0 queued as").count(), 5, "{said}");
    let count = |queue: &str| site.list().iter().filter(|row| row["queue"] == queue).count();
    assert_eq!((count("inbound"), count("bounce")), (2, 1));
    let said = dialogue(&format!(
        "LHLO mx\n{}QUIT\n",
        letter("a@b.org", &["c@d.org", "e@f.org"], "Received: x\n".repeat(60).as_str())
    ));
    assert_eq!(said.matches("554 5.4.6").count(), 2, "{said}");
    // By SMTP one answer is for all.
    let said = dialogue(&format!("EHLO mx\n{post}QUIT\n"));
    assert_eq!(said.matches("250 2.0.0 queued as").count(), 1, "{said}");
    assert_eq!(site.try_run(&["submit", "--serve", "a@b.org"]).status.code(), Some(64));
}
