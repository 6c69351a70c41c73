//! How a session begins: greeting, EHLO, TLS, AUTH. Nothing of a message is told before all of them went well.

use super::auth;
use super::channel::{Channel, Lost, Socket};
use super::offers::Offers;
use super::reply::Reply;
use super::times::Times;
use super::tls::Tls;
use crate::config::{self, Login, Protocol};
use crate::sys::signals::Signals;

/// How a session is opened.
#[derive(Debug)]
pub struct Opening<'a> {
    pub protocol: Protocol,
    /// How we call ourselves.
    pub hello: &'a str,
    pub tls: config::TlsMode,
    /// There where `tls` asks for it.
    pub trust: Option<&'a Tls>,
    /// The name that the server's certificate must bear.
    pub server_name: &'a str,
    pub login: Option<&'a Login>,
}

impl Opening<'_> {
    /// Opens it through `socket`, and returns what the server offers then. Errors say why the server is of no use, for a
    /// person.
    pub fn open(&self, socket: Socket, times: Times, signals: &Signals) -> Result<(Channel, Offers), Lost> {
        let mut channel = Channel::new(socket)?;
        let implicit = self.tls == config::TlsMode::Implicit;
        if implicit {
            encrypt(&mut channel, self, times, signals)?;
        }
        let greeting = channel.reply(times, signals)?;
        expect(&greeting, greeting.code == 220, "it greets with")?;
        let mut offers = hello(&mut channel, self, times, signals)?;
        if self.tls == config::TlsMode::Starttls {
            if !offers.starttls {
                return Err(Lost("it offers no STARTTLS".to_owned()));
            }
            let reply = channel.ask("STARTTLS", times, signals)?;
            expect(&reply, reply.code == 220, "it says to STARTTLS")?;
            encrypt(&mut channel, self, times, signals)?;
            offers = hello(&mut channel, self, times, signals)?;
        }
        if let Some(login) = self.login {
            log_in(&mut channel, login, &offers, times, signals)?;
        }
        Ok((channel, offers))
    }
}

fn expect(reply: &Reply, good: bool, what: &str) -> Result<(), Lost> {
    if good { Ok(()) } else { Err(Lost(format!("{what} {reply}"))) }
}

fn hello(channel: &mut Channel, opening: &Opening<'_>, times: Times, signals: &Signals) -> Result<Offers, Lost> {
    let (verb, hello) = match opening.protocol {
        Protocol::Smtp => ("EHLO", opening.hello),
        Protocol::Lmtp => ("LHLO", opening.hello),
    };
    let reply = channel.ask(&format!("{verb} {hello}"), times, signals)?;
    if reply.is_good() {
        return Ok(Offers::read(&reply));
    }
    // A server of RFC 821.
    if reply.is_permanent() && opening.protocol == Protocol::Smtp {
        let reply = channel.ask(&format!("HELO {hello}"), times, signals)?;
        expect(&reply, reply.is_good(), "it says to HELO")?;
        return Ok(Offers::default());
    }
    Err(Lost(format!("it says to {verb} {reply}")))
}

fn encrypt(channel: &mut Channel, opening: &Opening<'_>, times: Times, signals: &Signals) -> Result<(), Lost> {
    let trust = opening.trust.ok_or_else(|| Lost("internal fault: nobody is trusted".to_owned()))?;
    let tls = trust.connection(opening.server_name).map_err(Lost)?;
    channel.start_tls(tls, times, signals)
}

fn log_in(channel: &mut Channel, login: &Login, offers: &Offers, times: Times, signals: &Signals) -> Result<(), Lost> {
    let mechanism = auth::choose(login, &offers.auth).map_err(Lost)?;
    let secret = auth::secret(login, signals).map_err(|why| Lost(format!("no password: {why}")))?;
    let (first, answers) = auth::script(mechanism, &login.user, &secret);
    let mut reply = channel.ask(&first, times, signals)?;
    for answer in &answers {
        if reply.code != 334 {
            break;
        }
        reply = channel.ask(answer, times, signals)?;
    }
    // Some servers repeat what they do not understand, and what they say is told.
    let initial = first.split(' ').nth(2);
    let told: Vec<&str> = initial.into_iter().chain(answers.iter().map(String::as_str)).collect();
    let repeats = |line: &str| told.iter().any(|word| !word.is_empty() && line.contains(word));
    let lines = reply.lines().map(|line| if repeats(line) { "(it repeats the login)" } else { line });
    reply.text = lines.collect::<Vec<_>>().join("\n");
    expect(&reply, reply.code == 235, &format!("it says to AUTH {} for {:?}", mechanism.name(), login.user))
}
