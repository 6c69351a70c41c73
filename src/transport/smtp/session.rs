//! One session: greeting, EHLO, TLS, AUTH; then transactions, each of them an envelope and its content.
//!
//! Where the server offers PIPELINING (RFC 2920), the commands of an envelope are one group, and the envelope of the
//! *next* message follows the end of a content before that is answered. What holds all the same: **only one content is
//! ever unanswered**, and no content begins before the replies to its own envelope were read. So a connection that is lost
//! leaves one message in doubt at most, and only if its last byte had left.
//!
//! Where it offers CHUNKING (RFC 3030), content goes by BDAT, whose end is counted and cannot be feigned.

use std::io;
use std::time::{Duration, Instant};

use super::auth;
use super::channel::{Channel, Lost, Patience, Socket};
use super::content::{Reader, Wire};
use super::offers::Offers;
use super::reply::Reply;
use super::tls::Tls;
use crate::config::{self, Login, Protocol};
use crate::model::envelope::{Body, verp_delimiters};
use crate::model::{Address, EntryId, Envelope};
use crate::queue::Message;
use crate::sys::fault;
use crate::sys::signals::Signals;
use crate::transport::{Letter, Look, Next};

/// Bytes of one BDAT.
const CHUNK: usize = 256 << 10;

/// How a session is opened.
#[derive(Debug)]
pub struct Opening<'a> {
    pub protocol: Protocol,
    /// How we call ourselves.
    pub hello: &'a str,
    pub tls: config::Tls,
    /// There where `tls` asks for it.
    pub trust: Option<&'a Tls>,
    /// The name that the server's certificate must bear.
    pub server_name: &'a str,
    pub login: Option<&'a Login>,
    /// The most transactions of the session.
    pub most: usize,
}

/// How long the waits of one hand-over may be.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub still: Duration,
    pub until: Instant,
}

impl Times {
    fn reply(self) -> Patience {
        Patience { still: self.still, until: self.until }
    }

    /// The reply to a message (RFC 5321 section 4.5.3.2.6).
    fn end(self) -> Patience {
        Patience { still: self.still.saturating_mul(2), until: self.until }
    }
}

/// Whom it is from and to.
fn addresses<'a>(letter: Letter<'a>) -> impl Iterator<Item = &'a Address> {
    letter.sender.into_iter().chain(letter.group.iter().map(move |&i| &letter.envelope.recipients[i]))
}

/// What was answered to an envelope.
#[derive(Debug)]
pub enum Answer {
    /// Nobody gets anything, by the reply to MAIL.
    Refused(Reply),
    /// One reply for each of the group.
    Recipients(Vec<Reply>),
    /// The same, and nobody of those who were taken gets anything, by the reply to DATA.
    NoData(Vec<Reply>, Reply),
}

/// Why a content was not answered.
#[derive(Debug)]
pub enum Unsent {
    /// It could not be read to its end, so that nobody has it.
    Unreadable(io::Error),
    /// The connection was lost before its end left, so that nobody has it.
    Cut(Lost),
    /// The same, and it was refused before that.
    Refused(Reply),
    /// The server has all of it, and its answer never came, or with LMTP those to the first recipients alone.
    Unanswered(Vec<Reply>, Lost),
}

/// A session that takes messages.
#[derive(Debug)]
pub struct Session {
    channel: Channel,
    offers: Offers,
    protocol: Protocol,
    reader: Reader,
    /// Transactions that may still be begun.
    left: usize,
    /// A transaction was begun and not ended.
    unfinished: bool,
    /// The envelope that was sent behind a content, and is not answered yet.
    ahead: Option<(EntryId, Vec<usize>)>,
}

impl Session {
    /// Opens one through `socket`. Errors say why the server is of no use, for a person.
    pub fn open(socket: Socket, opening: &Opening<'_>, times: Times, signals: &Signals) -> Result<Session, Lost> {
        let mut channel = Channel::new(socket)?;
        let implicit = opening.tls == config::Tls::Implicit;
        if implicit {
            encrypt(&mut channel, opening, times, signals)?;
        }
        let greeting = channel.reply(times.reply(), signals)?;
        expect(&greeting, greeting.code == 220, "it greets with")?;
        let mut offers = hello(&mut channel, opening, times, signals)?;
        if opening.tls == config::Tls::Starttls {
            if !offers.starttls {
                return Err(Lost("it offers no STARTTLS".to_owned()));
            }
            let reply = ask(&mut channel, "STARTTLS", times, signals)?;
            expect(&reply, reply.code == 220, "it says to STARTTLS")?;
            encrypt(&mut channel, opening, times, signals)?;
            offers = hello(&mut channel, opening, times, signals)?;
        }
        if let Some(login) = opening.login {
            log_in(&mut channel, login, &offers, times, signals)?;
        }
        let protocol = opening.protocol;
        Ok(Session {
            channel,
            offers,
            protocol,
            reader: Reader::default(),
            left: opening.most,
            unfinished: false,
            ahead: None,
        })
    }

    /// Whether this address can be told to this server (RFC 6531).
    pub fn can_name(&self, address: &Address) -> bool {
        self.offers.utf8 || !address.is_utf8()
    }

    pub fn offers(&self) -> &Offers {
        &self.offers
    }

    /// Whether it can take this one next: its envelope is under way, or none and one more may be.
    pub fn is_ready_for(&self, letter: Letter<'_>) -> bool {
        match &self.ahead {
            Some((id, group)) => *id == letter.envelope.id && group == letter.group,
            None => self.left > 0,
        }
    }

    /// Sends an envelope, if it is not under way already, and reads what is answered.
    pub fn envelope(&mut self, letter: Letter<'_>, times: Times, signals: &Signals) -> Result<Answer, Lost> {
        if self.offers.pipelining {
            if self.ahead.take().is_none() {
                self.send_ahead(letter);
                self.ahead = None;
            }
            return self.answers(letter.group.len(), times, signals);
        }
        self.left = self.left.saturating_sub(1);
        if std::mem::replace(&mut self.unfinished, true) {
            ask(&mut self.channel, "RSET", times, signals)?;
        }
        let mail = self.mail(letter);
        let reply = ask(&mut self.channel, &mail, times, signals)?;
        if !reply.is_good() {
            self.unfinished = false;
            return Ok(Answer::Refused(reply));
        }
        let mut replies = Vec::with_capacity(letter.group.len());
        for &i in letter.group {
            let mut command = String::new();
            self.rcpt(letter.envelope, &letter.envelope.recipients[i], &mut command);
            replies.push(ask(&mut self.channel, &command, times, signals)?);
        }
        if self.offers.chunking || !replies.iter().any(Reply::is_good) {
            return Ok(Answer::Recipients(replies));
        }
        let data = ask(&mut self.channel, "DATA", times, signals)?;
        Ok(if data.code == 354 { Answer::Recipients(replies) } else { Answer::NoData(replies, data) })
    }

    /// Lets an envelope follow what was said last, without waiting for anything.
    fn send_ahead(&mut self, letter: Letter<'_>) {
        self.left = self.left.saturating_sub(1);
        if self.unfinished {
            self.channel.say(b"RSET\r\n");
        }
        let mut commands = self.mail(letter);
        for &i in letter.group {
            commands.push_str("\r\n");
            self.rcpt(letter.envelope, &letter.envelope.recipients[i], &mut commands);
        }
        commands.push_str("\r\n");
        self.channel.say(commands.as_bytes());
        if !self.offers.chunking {
            self.channel.say(b"DATA\r\n");
        }
        self.ahead = Some((letter.envelope.id.clone(), letter.group.to_vec()));
    }

    /// Reads what a pipelined envelope for `count` recipients is answered with.
    fn answers(&mut self, count: usize, times: Times, signals: &Signals) -> Result<Answer, Lost> {
        let mut reply = || self.channel.reply(times.reply(), signals);
        if self.unfinished {
            reply()?;
        }
        let mail = reply()?;
        let replies = (0..count).map(|_| reply()).collect::<Result<Vec<Reply>, Lost>>()?;
        let data = if self.offers.chunking { None } else { Some(reply()?) };
        self.unfinished = mail.is_good();
        let taken = mail.is_good() && replies.iter().any(Reply::is_good);
        if data.as_ref().is_some_and(|data| data.code == 354) && !taken {
            // It waits for a content that nobody would get; an empty one ends that (RFC 2920 section 3.1). With LMTP
            // nobody knows how many answers that has, so the session ends.
            if self.protocol == Protocol::Lmtp {
                self.left = 0;
            } else {
                self.channel.say(b".\r\n");
                self.channel.reply(times.reply(), signals)?;
                self.unfinished = false;
            }
        }
        Ok(match data {
            _ if !mail.is_good() => Answer::Refused(mail),
            Some(data) if data.code != 354 && taken => Answer::NoData(replies, data),
            Some(_) | None => Answer::Recipients(replies),
        })
    }

    /// Sends the content of the transaction that [`Session::envelope`] opened for `taken` recipients, at least one, and
    /// reads what is answered: one reply, or with LMTP one for each of them.
    ///
    /// While that is awaited, `next` may tell of the envelope that comes next.
    pub fn content(
        &mut self,
        message: &Message,
        taken: usize,
        next: &mut Next<'_>,
        times: Times,
        signals: &Signals,
    ) -> Result<Vec<Reply>, Unsent> {
        // An answer to what was not asked would be taken for that to the message.
        if self.channel.reply_at_hand().map_err(Unsent::Cut)?.is_some() {
            return Err(Unsent::Cut(Lost("it answers what was not asked".to_owned())));
        }
        let chunks = match self.send_content(message, next, times, signals) {
            Ok(chunks) => chunks,
            Err(Unsent::Cut(lost)) => {
                // What it said before it went is an answer, if it is a refusal; chunks before may have been welcome.
                let mut said = std::iter::from_fn(|| self.channel.reply_at_hand().ok().flatten());
                let refusal = said.find(|reply| reply.code / 100 > 3);
                return Err(refusal.map_or(Unsent::Cut(lost), Unsent::Refused));
            }
            Err(unsent) => return Err(unsent),
        };
        fault::instant("smtp.sent");
        if self.ahead.is_none() {
            self.show(Look::Far, next);
        }
        let count = if self.protocol == Protocol::Lmtp { taken } else { 1 };
        // A chunk that was refused refuses the message, whatever is answered to the others.
        let (mut refused, mut replies) = (None, Vec::new());
        for i in 1..chunks + count {
            match self.channel.reply(times.end(), signals) {
                Ok(reply) if i < chunks => refused = refused.or(Some(reply).filter(|reply| !reply.is_good())),
                Ok(reply) => replies.push(reply),
                Err(_) if refused.is_some() => break,
                Err(lost) => return Err(Unsent::Unanswered(replies, lost)),
            }
        }
        Ok(match refused {
            Some(refused) => vec![refused; count],
            None => replies,
        })
    }

    /// Lets the envelope follow that comes next, if one does.
    fn show(&mut self, look: Look, next: &mut Next<'_>) {
        if self.offers.pipelining && self.left > 0 {
            next(look, &mut |letter| {
                if addresses(letter).all(|address| self.can_name(address)) {
                    self.send_ahead(letter);
                }
            });
        }
    }

    /// Writes the content, and returns how many replies announce it but for LMTP's: the number of chunks, or 1.
    fn send_content(
        &mut self,
        message: &Message,
        next: &mut Next<'_>,
        times: Times,
        signals: &Signals,
    ) -> Result<usize, Unsent> {
        let chunking = self.offers.chunking;
        let mut wire = Wire::new(!chunking);
        let (mut left, mut chunk, mut chunks) = (message.len, Vec::new(), 1);
        while left > 0 {
            let piece = self.reader.read(message, message.len - left).map_err(Unsent::Unreadable)?;
            left -= piece.len() as u64;
            let out = if chunking { &mut chunk } else { self.channel.outgoing() };
            wire.push(piece, out);
            if chunk.len() >= CHUNK && left > 0 {
                self.channel.say(format!("BDAT {}\r\n", chunk.len()).as_bytes());
                self.channel.say(&chunk);
                chunk.clear();
                chunks += 1;
            }
            if left > 0 {
                self.channel.make_room(times.reply(), signals).map_err(Unsent::Cut)?;
            }
        }
        if chunking {
            wire.finish(&mut chunk);
            self.channel.say(format!("BDAT {} LAST\r\n", chunk.len()).as_bytes());
            self.channel.say(&chunk);
        } else {
            wire.finish(self.channel.outgoing());
            self.channel.say(b".\r\n");
        }
        self.unfinished = false;
        // An envelope that is at hand leaves in one piece with the end of the content; of what is encrypted nobody could
        // tell whether that end has left.
        let said = self.channel.waiting();
        if !self.channel.is_encrypted() {
            self.show(Look::AtHand, next);
        }
        let behind = self.channel.waiting() - said;
        match self.channel.flush(times.reply(), signals) {
            Err(lost) if self.channel.waiting() > behind => Err(Unsent::Cut(lost)),
            // Whatever stays of the envelope, the reply to the content will tell.
            Ok(()) | Err(_) => Ok(chunks),
        }
    }

    /// Ends it: QUIT, whose answer nobody waits for.
    pub fn part(mut self) {
        // Behind DATA it would be content.
        if self.ahead.is_none() {
            self.channel.part(b"QUIT\r\n");
        }
    }

    fn mail(&self, letter: Letter<'_>) -> String {
        let Letter { envelope, sender, size, .. } = letter;
        let (offers, origin) = (&self.offers, &envelope.origin);
        let mut command = String::with_capacity(128);
        command.extend(["MAIL FROM:<", sender.map_or("", Address::as_str), ">"]);
        if offers.size {
            command.extend([" SIZE=", &size.to_string()]);
        }
        if offers.eight_bit && origin.body != Some(Body::SevenBit) {
            command.push_str(" BODY=8BITMIME");
        }
        if offers.utf8 && addresses(letter).any(Address::is_utf8) {
            command.push_str(" SMTPUTF8");
        }
        if let Some([first, second]) = xverp(letter).filter(|_| offers.xverp) {
            command.push_str(&format!(" XVERP={first}{second}"));
        }
        if offers.dsn {
            command.extend(origin.ret.as_ref().map(|ret| format!(" RET={}", ret.to_ascii_uppercase())));
            command.extend(origin.envid.as_ref().map(|id| format!(" ENVID={}", xtext(id))));
        }
        command
    }

    fn rcpt(&self, envelope: &Envelope, to: &Address, command: &mut String) {
        command.extend(["RCPT TO:<", to.as_str(), ">"]);
        if self.offers.dsn {
            let notify = envelope.origin.notify.as_ref();
            command.extend(notify.map(|notify| format!(" NOTIFY={}", notify.to_ascii_uppercase())));
        }
    }
}

/// How the server shall make a sender for each recipient, if it is to: the group goes out under the envelope's own.
pub fn xverp(letter: Letter<'_>) -> Option<[char; 2]> {
    let own = letter.sender.is_some() && letter.sender == letter.envelope.sender.as_ref();
    letter.envelope.origin.verp.as_deref().filter(|_| own).and_then(verp_delimiters)
}

/// RFC 3461 section 4: what is no printable ASCII, `+` and `=` are written in hexadecimal.
fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' => out.push_str(&format!("+{byte:02X}")),
            byte if byte.is_ascii_graphic() => out.push(char::from(byte)),
            byte => out.push_str(&format!("+{byte:02X}")),
        }
    }
    out
}

fn ask(channel: &mut Channel, command: &str, times: Times, signals: &Signals) -> Result<Reply, Lost> {
    channel.say(format!("{command}\r\n").as_bytes());
    channel.reply(times.reply(), signals)
}

fn expect(reply: &Reply, good: bool, what: &str) -> Result<(), Lost> {
    if good { Ok(()) } else { Err(Lost(format!("{what} {reply}"))) }
}

fn hello(channel: &mut Channel, opening: &Opening<'_>, times: Times, signals: &Signals) -> Result<Offers, Lost> {
    let (verb, hello) = match opening.protocol {
        Protocol::Smtp => ("EHLO", opening.hello),
        Protocol::Lmtp => ("LHLO", opening.hello),
    };
    let reply = ask(channel, &format!("{verb} {hello}"), times, signals)?;
    if reply.is_good() {
        return Ok(Offers::read(&reply));
    }
    // A server of RFC 821.
    if reply.is_permanent() && opening.protocol == Protocol::Smtp {
        let reply = ask(channel, &format!("HELO {hello}"), times, signals)?;
        expect(&reply, reply.is_good(), "it says to HELO")?;
        return Ok(Offers::default());
    }
    Err(Lost(format!("it says to {verb} {reply}")))
}

fn encrypt(channel: &mut Channel, opening: &Opening<'_>, times: Times, signals: &Signals) -> Result<(), Lost> {
    let trust = opening.trust.ok_or_else(|| Lost("internal fault: nobody is trusted".to_owned()))?;
    let tls = trust.connection(opening.server_name).map_err(Lost)?;
    channel.start_tls(tls, times.reply(), signals)
}

fn log_in(channel: &mut Channel, login: &Login, offers: &Offers, times: Times, signals: &Signals) -> Result<(), Lost> {
    let mechanism = auth::choose(login, &offers.auth).map_err(Lost)?;
    let secret = auth::secret(login, signals).map_err(|why| Lost(format!("no password: {why}")))?;
    let (first, answers) = auth::script(mechanism, &login.user, &secret);
    let mut reply = ask(channel, &first, times, signals)?;
    for answer in &answers {
        if reply.code != 334 {
            break;
        }
        reply = ask(channel, answer, times, signals)?;
    }
    // Some servers repeat what they do not understand, and what they say is told.
    let initial = first.split(' ').nth(2);
    let told: Vec<&str> = initial.into_iter().chain(answers.iter().map(String::as_str)).collect();
    let repeats = |line: &str| told.iter().any(|word| !word.is_empty() && line.contains(word));
    let lines = reply.lines().map(|line| if repeats(line) { "(it repeats the login)" } else { line });
    reply.text = lines.collect::<Vec<_>>().join("\n");
    expect(&reply, reply.code == 235, &format!("it says to AUTH {} for {:?}", mechanism.name(), login.user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_that_of_its_standard() {
        assert_eq!(xtext("a+b=c d\u{e9}\r\n"), "a+2Bb+3Dc+20d+C3+A9+0D+0A");
    }
}
