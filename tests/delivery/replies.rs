//! What a sink says to a delivery is kept: in the journal of an entry that is still there, in the events, and shown.

use serde_json::Value;

use crate::support::Site;
use crate::support::server::{Act, At, Kind, Script, Server, Step, say, site_of};

/// A deferred recipient is tried again much later.
const LATER: &str = "retry = { first = \"1d\", max = \"1d\", expire = \"5d\" }";

/// A site whose server answers each content with what `content` says, and defers whoever is called late.
fn with_server(kind: Kind, content: impl Fn(&Step<'_>) -> Act + Send + Sync + 'static) -> (Server, Site) {
    let script = Script::steps(move |step| match step.at {
        At::Rcpt if step.line.contains("late") => say("450 4.2.1 later"),
        At::Content => content(step),
        _ => Act::Go,
    });
    let server = Server::tcp(kind, script);
    let site = site_of(&server, LATER, "timeout = \"20s\"");
    (server, site)
}

/// A site whose command prints what the shell's `words` print, and defers whoever is called late.
fn with_command(words: &str) -> Site {
    let site = Site::new("ok", "");
    let script = format!("case \"$*\" in *late*) echo '450 4.2.1 later'; exit 75;; esac; {words}");
    site.configure(&format!(
        "[limits]\nmin_free = \"0\"\n[queue.outbound]\ntransport = \"command\"\nnotices = false\n{LATER}\n[transport.command]\n\
         kind = \"pipe\"\nprofile = \"generic\"\ncommand = [\"/bin/sh\", \"-c\", {script:?}, \"sh\", \"--\", \"{{recipients}}\"]\n"
    ));
    site
}

/// What `show --json` has of each recipient.
fn shown(site: &Site, id: &str) -> Vec<Value> {
    let shown: Value = serde_json::from_str(&site.ok(&["show", "--json", id])).expect("JSON");
    shown["recipients"].as_array().expect("some").clone()
}

fn event<'e>(events: &'e [Value], recipient: &str) -> &'e Value {
    events.iter().find(|event| event["recipient"] == recipient).expect("an event")
}

/// The journal of the one entry.
fn journal(site: &Site) -> String {
    let tree = site.tree();
    let line = tree.iter().find(|line| line.contains("/journal/")).expect("a journal");
    std::fs::read_to_string(line.rsplit_once(' ').expect("with its size").0).expect("text")
}

#[test]
fn the_queue_id_that_a_server_gave_is_shown_while_others_wait() {
    for offers in [&[][..], &["PIPELINING"], &["PIPELINING", "CHUNKING"]] {
        let (_server, site) = with_server(Kind::smtp(offers), |_| say("250 2.0.0 Ok: queued as 4XyzQ"));
        let id = site.submit(1, &["a@c.example", "late@c.example", "b@c.example"]);
        site.ok(&["run"]);
        let said = "250 2.0.0 Ok: queued as 4XyzQ";
        let recipients = shown(&site, &id);
        for delivered in [0, 2] {
            assert_eq!(recipients[delivered]["state"], "delivered", "{recipients:?}");
            assert_eq!(recipients[delivered]["reply"], said, "{recipients:?}");
            assert!(recipients[delivered]["delivered"].as_str().is_some_and(|at| at.contains('T')), "{recipients:?}");
        }
        assert_eq!((&recipients[1]["state"], recipients[1].get("reply")), (&"deferred".into(), None));
        let page = site.ok(&["show", &id]);
        let line = page.lines().find(|line| line.starts_with("recipient  a@")).expect("a line");
        assert!(line.starts_with("recipient  a@c.example: delivered, ") && line.ends_with(said), "{page}");
        let events = site.events();
        let event = event(&events, "b@c.example");
        assert_eq!((&event["v"], &event["reply"], &event["status"]), (&2.into(), &said.into(), &"2.0.0".into()));
        assert!(event.get("reason").is_none());
        site.assert_clean();
    }
}

#[test]
fn with_lmtp_each_recipient_has_a_reply_of_his_own() {
    let (_server, site) = with_server(Kind::lmtp(&["PIPELINING"]), |step| {
        say(&format!("250 2.1.5 Saved as {}", ["one", "two", "three"][step.recipient]))
    });
    let id = site.submit(1, &["a@c.example", "b@c.example", "late@c.example"]);
    site.ok(&["run"]);
    let recipients = shown(&site, &id);
    assert_eq!(recipients[0]["reply"], "250 2.1.5 Saved as one", "{recipients:?}");
    assert_eq!(recipients[1]["reply"], "250 2.1.5 Saved as two", "{recipients:?}");
    let events = site.events();
    assert_eq!(event(&events, "b@c.example")["reply"], "250 2.1.5 Saved as two");
    // Groups that were delivered to before somebody was deferred are told of in the attempt's line as well.
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&config.replace("notices = false", "notices = false\nmax_recipients = 2"));
    let id = site.submit(2, &["a@d.example", "b@d.example", "c@d.example", "late@d.example"]);
    site.ok(&["run"]);
    let recipients = shown(&site, &id);
    assert_eq!(recipients[1]["reply"], "250 2.1.5 Saved as two", "{recipients:?}");
    assert_eq!(recipients[2]["reply"], "250 2.1.5 Saved as one", "{recipients:?}");
    // So are those that come after it, which leave its reason in the list.
    let id = site.submit(3, &["late@e.example", "a@e.example", "b@e.example", "c@e.example"]);
    site.ok(&["run"]);
    let recipients = shown(&site, &id);
    assert_eq!(recipients[3]["reply"], "250 2.1.5 Saved as two", "{recipients:?}");
    let rows = site.list();
    let row = rows.iter().find(|row| row["id"] == id.as_str()).expect("it waits");
    assert!(row["reason"].as_str().is_some_and(|reason| reason.contains("4.2.1 later")), "{row}");
    assert!(site.ok(&["list", "--reason", "4.2.1 later"]).contains(&id));
}

#[test]
fn replies_of_an_attempt_that_delivers_to_all_are_kept_where_somebody_failed_before() {
    let script = Script::steps(|step| match (step.at, step.session) {
        (At::Rcpt, _) if step.line.contains("never") => say("550 5.1.1 nobody"),
        (At::Rcpt, 0) => say("450 4.2.1 later"),
        (At::Content, _) => say(&format!("250 2.1.5 Saved as {}", ["one", "two"][step.recipient])),
        _ => Act::Go,
    });
    let server = Server::tcp(Kind::lmtp(&["PIPELINING"]), script);
    let site = site_of(&server, LATER, "timeout = \"20s\"");
    let id = site.submit(1, &["a@c.example", "never@c.example", "b@c.example"]);
    site.ok(&["run"]);
    site.ok(&["flush"]);
    site.ok(&["run"]);
    assert_eq!(site.ids("failed"), [id.as_str()]);
    let recipients = shown(&site, &id);
    assert_eq!(
        (&recipients[0]["reply"], &recipients[2]["reply"]),
        (&"250 2.1.5 Saved as one".into(), &"250 2.1.5 Saved as two".into())
    );
    let rows = site.list();
    assert!(rows[0]["reason"].as_str().is_some_and(|reason| reason.contains("5.1.1 nobody")), "{rows:?}");
    site.assert_clean();
}

#[test]
fn what_a_command_prints_is_kept_and_one_that_is_silent_has_no_reply() {
    let site = with_command("echo; echo \"  queued as 77 \"");
    let id = site.submit(1, &["a@c.example", "late@c.example"]);
    site.ok(&["run"]);
    assert_eq!(shown(&site, &id)[0]["reply"], "queued as 77");
    assert!(site.ok(&["show", &id]).contains(": queued as 77\n"));
    assert_eq!(event(&site.events(), "a@c.example")["reply"], "queued as 77");
    let silent = with_command("exit 0");
    let id = silent.submit(1, &["a@c.example", "late@c.example"]);
    silent.ok(&["run"]);
    let recipients = shown(&silent, &id);
    assert!(recipients[0].get("reply").is_none() && recipients[0]["delivered"].is_string(), "{recipients:?}");
    let events = silent.events();
    assert!(event(&events, "a@c.example").get("reply").is_none());
}

#[test]
fn nothing_that_a_sink_says_breaks_the_journal_the_events_or_a_terminal() {
    let hostile = [
        // Escape sequences, and ends of lines.
        "printf 'ok \\033[31mred\\033]0;title\\007\\r\\n{\"begun\":1}\\n'",
        // What JSON escapes, at the end of what fits.
        "printf '%078d\\\\\\\\\\\\\"\"\"\"' 0",
        "printf '\"\\\\\"},\"reply\":\"x'",
        // Bytes that are no UTF-8, and a character cut in its middle.
        "printf 'a\\303\\050\\377\\360\\237'",
        "i=0; while [ $i -lt 200 ]; do printf '\\303\\251'; i=$((i+1)); done",
        // A flood, of which the end is refused.
        "head -c 102400 /dev/zero | tr '\\0' x; exit 0",
        "printf '\\000\\177\\302\\205'",
    ];
    for words in hostile {
        let site = with_command(words);
        let id = site.submit(1, &["a@c.example", "late@c.example"]);
        site.ok(&["run"]);
        let journal = journal(&site);
        let plain = |c: char| c == '\n' || (c.is_ascii() && !c.is_ascii_control());
        for line in journal.lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok() && line.chars().all(plain), "{words}: {line:?}");
        }
        assert!(journal.lines().count() >= 4, "{journal}");
        let recipients = shown(&site, &id);
        assert_eq!((&recipients[0]["state"], &recipients[1]["state"]), (&"delivered".into(), &"deferred".into()));
        assert!(recipients[0]["reply"].as_str().unwrap_or("").len() <= 80, "{recipients:?}");
        let reply = event(&site.events(), "a@c.example")["reply"].as_str().unwrap_or("").to_owned();
        assert!(reply.len() <= 250 && !reply.chars().any(char::is_control), "{words}: {reply:?}");
        let page = site.ok(&["show", &id]);
        assert!(page.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control()), "{words}: {page:?}");
        site.assert_clean();
    }
}
