//! What takes the mail: the recording command of tests/support/sink.c, or the tests' own SMTP server. Both do what the
//! weather says at each moment, and both keep what they took.
//!
//! The server's weathers are fine and foul; those in which it refuses some senders; and bad hours in which it takes
//! nobody's mail. One sender is refused for ever.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use crate::support::Site;
use crate::support::server::{self, Act, At, Hit, Kind, Script, Server, Step, say};

/// Fine and foul, down, refusing everything, perhaps down, dying, slow.
const OF_COMMAND: [&str; 11] =
    ["fine", "fine", "fine", "foul", "foul", "foul", "exit=127", "exit=75", "mute=75", "signal=9", "wait=30"];
/// Fine and foul, strict with senders, and bad hours: not now, a quota, closing, dropping, not there.
const OF_SERVER: [&str; 17] = [
    "fine",
    "fine",
    "fine",
    "foul",
    "foul",
    "foul",
    "strict",
    "strict",
    "strict",
    "busy",
    "quota",
    "quota",
    "closing",
    "dropping",
    "dropping later",
    "gone",
    "slow",
];

/// Refused for ever.
const BANNED: &str = "banned@example.org";
/// Refused in strict weather: for good, without a login, and for now.
const STRICT: [(&str, &str); 3] = [
    ("moody@example.org", "550 5.1.8 sender address rejected"),
    ("nologin@example.org", "530 5.7.0 authentication required"),
    ("nowhere@example.org", "451 4.1.8 sender address rejected: domain not found"),
];
/// Whom both take mail of.
pub const SENDERS: [&str; 4] = ["sender@example.org", "list-owner@example.org", "<>", "jörg@example.org"];
/// Whom mail over SMTP is from.
const SENDERS_OF_SERVER: [&str; 8] =
    [SENDERS[0], SENDERS[1], SENDERS[2], SENDERS[3], BANNED, STRICT[0].0, STRICT[1].0, STRICT[2].0];

/// How long the slow server thinks about a message.
const SLOW: Duration = Duration::from_millis(30);

pub enum Sink {
    Command,
    Server(Server),
}

/// A hand-over that was taken.
#[derive(Debug)]
pub struct Taken {
    /// It was a notice, about these; else it was for these.
    pub notice: bool,
    pub whole: bool,
    /// The answer may have reached whoever handed it over.
    pub answered: bool,
    pub recipients: Vec<String>,
}

impl Sink {
    /// The server of `site`, which offers `more` than the usual.
    pub fn server(site: &Site, more: &[&'static str]) -> Sink {
        let offers = [&["PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"], more].concat();
        let script = Weather { file: site.path("log.weather"), dying: Mutex::default() };
        let server =
            Server::unix(&site.path("socket"), Kind::smtp(&offers), Script::steps(move |step| script.act(step)));
        Sink::Server(server)
    }

    /// The configuration's table of a transport that leads here, if that is not the site's own.
    pub fn table(&self) -> Option<String> {
        match self {
            Sink::Command => None,
            Sink::Server(server) => {
                Some(format!("kind = \"smtp\"\nconnect = {:?}\nhello = \"client.example.org\"", server.connect()))
            }
        }
    }

    pub fn weathers(&self) -> &'static [&'static str] {
        match self {
            Sink::Command => &OF_COMMAND,
            Sink::Server(_) => &OF_SERVER,
        }
    }

    pub fn senders(&self) -> &'static [&'static str] {
        match self {
            Sink::Command => &SENDERS,
            Sink::Server(_) => &SENDERS_OF_SERVER,
        }
    }

    /// From now on the weather is this.
    pub fn set(&self, site: &Site, word: &str) {
        let new = site.path(&format!("weather.{:?}", std::thread::current().id()));
        std::fs::write(&new, word).and_then(|()| std::fs::rename(&new, site.path("log.weather"))).expect("written");
        let (there, away) = (site.path("socket"), site.path("socket.away"));
        // It is there or away already, or for a moment another lane's doing.
        let _ = if word == "gone" { std::fs::rename(there, away) } else { std::fs::rename(away, there) };
    }

    /// How many hand-overs are under way.
    pub fn busy(&self, site: &Site) -> usize {
        match self {
            Sink::Command => site.busy(),
            Sink::Server(server) => server.open(),
        }
    }

    /// Something that grows with each hand-over of mail, which notices are not.
    pub fn mark(&self, site: &Site) -> u64 {
        match self {
            Sink::Command => std::fs::metadata(site.path("log")).map_or(0, |log| log.len()),
            Sink::Server(server) => {
                server.with_log(|log| log.taken.iter().filter(|taken| !is_notice(taken)).count() as u64)
            }
        }
    }

    /// All that was taken, in its order.
    pub fn taken(&self, site: &Site) -> Vec<Taken> {
        match self {
            Sink::Command => {
                let read = |log: &str| std::fs::read_to_string(site.path(log)).unwrap_or_default();
                let mail = read("log");
                let notices = read("log.notices");
                mail.lines()
                    .map(|line| of_line(line, false))
                    .chain(notices.lines().map(|line| of_line(line, true)))
                    .collect()
            }
            Sink::Server(server) => server.with_log(|log| log.taken.iter().map(of_server).collect()),
        }
    }

    /// Whether mail of `sender` was refused for good; a command refuses nobody's.
    pub fn has_refused(&self, sender: &str) -> bool {
        let for_good = |hit: &Hit| hit.at == At::Mail && hit.sender == sender && hit.what.contains("550 5.1.8");
        match self {
            Sink::Command => false,
            Sink::Server(server) => server.with_log(|log| log.hits.iter().any(for_good)),
        }
    }

    /// What a client may never do, and did.
    pub fn misdeeds(&self) -> Vec<String> {
        match self {
            Sink::Command => Vec::new(),
            Sink::Server(server) => server.with_log(|log| log.misdeeds.clone()),
        }
    }
}

/// What the server does at this moment.
struct Weather {
    file: PathBuf,
    /// Sessions whose message is for somebody at whose sight the server dies in foul weather.
    dying: Mutex<HashSet<usize>>,
}

impl Weather {
    fn act(&self, step: &Step<'_>) -> Act {
        let weather = std::fs::read_to_string(&self.file).unwrap_or_default();
        match (step.at, weather.as_str()) {
            (At::Greeting, "dropping") => Act::Close,
            (At::Mail, "busy") => say("451 4.3.0 try again later"),
            (At::Mail, "quota") => say("550 5.4.5 Daily user sending limit exceeded"),
            (At::Mail, "closing") => Act::SayAndClose("421 4.3.2 closing".to_owned()),
            (At::Mail, "dropping later") => Act::Close,
            (At::Mail, weather) => self.mail(step, weather == "strict"),
            (At::Rcpt, weather) => self.rcpt(step, weather == "foul"),
            (At::Content, "slow") => {
                std::thread::park_timeout(SLOW);
                Act::Go
            }
            (At::Content, "foul") if self.is_dying(step) => Act::TakeAndClose,
            _ => Act::Go,
        }
    }

    fn mail(&self, step: &Step<'_>, strict: bool) -> Act {
        self.dying.lock().expect("no panic").remove(&step.session);
        let is_from = |sender: &str| step.line.contains(&format!("<{sender}>"));
        let refused = STRICT.iter().find(|(sender, _)| strict && is_from(sender));
        match refused {
            _ if is_from(BANNED) => say("550 5.1.8 sender address rejected: nobody wants it"),
            Some((_, reply)) => say(reply),
            None => Act::Go,
        }
    }

    fn rcpt(&self, step: &Step<'_>, foul: bool) -> Act {
        let kind = step.line.split_once('<').and_then(|(_, path)| path.chars().next());
        match kind {
            Some('f') => say("550 5.1.1 no such user"),
            Some('d') if foul => say("450 4.2.1 mailbox busy"),
            Some('h') if foul => Act::Stall,
            Some('k') if foul => {
                self.dying.lock().expect("no panic").insert(step.session);
                Act::Go
            }
            _ => Act::Go,
        }
    }

    fn is_dying(&self, step: &Step<'_>) -> bool {
        self.dying.lock().expect("no panic").contains(&step.session)
    }
}

/// A line of the command's log.
fn of_line(line: &str, notice: bool) -> Taken {
    let words: Vec<&str> = line.split(' ').collect();
    let recipients = words[3..].iter().map(|address| (*address).to_owned()).collect();
    Taken { notice, whole: words[2] == "whole", answered: true, recipients }
}

/// What a notice has for each that it is about.
const ABOUT: &str = "Final-Recipient: ";

fn is_notice(taken: &server::Taken) -> bool {
    taken.sender.is_empty() && taken.content.windows(ABOUT.len()).any(|part| part == ABOUT.as_bytes())
}

fn of_server(taken: &server::Taken) -> Taken {
    let content = String::from_utf8_lossy(&taken.content);
    let about = content.lines().filter_map(|line| line.strip_prefix(ABOUT)?.split_once("; "));
    let notice = is_notice(taken);
    let recipients = match notice {
        true => about.map(|(_, address)| address.trim().to_owned()).collect(),
        false => taken.recipients.clone(),
    };
    Taken { notice, whole: notice || content.ends_with("END\r\n"), answered: taken.answered, recipients }
}
