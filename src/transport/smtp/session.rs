//! One session: transactions, each of them an envelope and its content, with a server that let us in.
//!
//! Where the server offers PIPELINING (RFC 2920), the commands of an envelope are one group, and the envelope of the
//! *next* message follows the end of a content before that is answered. What holds all the same: **only one content is
//! ever unanswered**, and no content begins before the replies to its own envelope were read. So a connection that is lost
//! leaves the outcome of one message unknown at most, and only if its last byte had left.
//!
//! A reply that ends the session (421) is noticed by `attempt`.
//!
//! Where it offers CHUNKING (RFC 3030), content goes by BDAT, whose end is counted and cannot be feigned.

use std::io;

use super::channel::{Channel, Lost};
use super::commands::{is_utf8, mail, rcpt};
use super::content::{ContentReader, Wire};
use super::offers::Offers;
use super::reply::Reply;
use super::times::Times;
use crate::config::Protocol;
use crate::model::EntryId;
use crate::queue::Message;
use crate::sys::fault;
use crate::sys::signals::Signals;
use crate::transport::handover::{Lookahead, Next, NextHandover};

/// Bytes of one BDAT.
const CHUNK: usize = 256 << 10;

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
    reader: ContentReader,
    /// Transactions that may still be begun.
    left: usize,
    /// A transaction was begun and not ended.
    unfinished: bool,
    /// The envelope that was sent behind a content, and is not answered yet.
    ahead: Option<(EntryId, Vec<usize>)>,
}

impl Session {
    /// One with the server at the other end of `channel`, which `offers` this, for at most `most` transactions.
    pub fn new(channel: Channel, offers: Offers, protocol: Protocol, most: usize) -> Session {
        Session {
            channel,
            offers,
            protocol,
            reader: ContentReader::default(),
            left: most,
            unfinished: false,
            ahead: None,
        }
    }

    /// Whether this request can be told to this server, and is no larger than it takes.
    fn takes(&self, request: NextHandover<'_>) -> bool {
        (self.offers.utf8 || !is_utf8(request)) && self.offers.exceeded_by(request.size).is_none()
    }

    pub fn offers(&self) -> &Offers {
        &self.offers
    }

    /// Whether it can take this one next: its envelope is under way, or none and one more may be.
    pub fn is_ready_for(&self, request: NextHandover<'_>) -> bool {
        match &self.ahead {
            Some((id, group)) => *id == request.envelope.id && group == request.group,
            None => self.left > 0,
        }
    }

    /// Sends an envelope, if it is not under way already, and reads what is answered.
    pub fn envelope(&mut self, request: NextHandover<'_>, times: Times, signals: &Signals) -> Result<Answer, Lost> {
        if self.offers.pipelining {
            if self.ahead.take().is_none() {
                self.send_ahead(request);
                self.ahead = None;
            }
            return self.answers(request.group.len(), times, signals);
        }
        self.left = self.left.saturating_sub(1);
        if std::mem::replace(&mut self.unfinished, true) {
            self.channel.ask("RSET", times, signals)?;
        }
        mail(request, &self.offers, self.channel.outgoing());
        let reply = self.channel.reply(times, signals)?;
        if !reply.is_good() {
            self.unfinished = false;
            return Ok(Answer::Refused(reply));
        }
        let mut replies = Vec::with_capacity(request.group.len());
        for &i in request.group {
            rcpt(&request.envelope.recipients[i], request.envelope, &self.offers, self.channel.outgoing());
            replies.push(self.channel.reply(times, signals)?);
        }
        if self.offers.chunking || !replies.iter().any(Reply::is_good) {
            return Ok(Answer::Recipients(replies));
        }
        let data = self.channel.ask("DATA", times, signals)?;
        Ok(if data.code == 354 { Answer::Recipients(replies) } else { Answer::NoData(replies, data) })
    }

    /// Lets an envelope follow what was said last, without waiting for anything.
    fn send_ahead(&mut self, request: NextHandover<'_>) {
        self.left = self.left.saturating_sub(1);
        if self.unfinished {
            self.channel.say(b"RSET\r\n");
        }
        let commands = self.channel.outgoing();
        mail(request, &self.offers, commands);
        for &i in request.group {
            rcpt(&request.envelope.recipients[i], request.envelope, &self.offers, commands);
        }
        if !self.offers.chunking {
            self.channel.say(b"DATA\r\n");
        }
        self.ahead = Some((request.envelope.id.clone(), request.group.to_vec()));
    }

    /// Reads what a pipelined envelope for `count` recipients is answered with.
    fn answers(&mut self, count: usize, times: Times, signals: &Signals) -> Result<Answer, Lost> {
        let mut reply = || self.channel.reply(times, signals);
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
                self.channel.reply(times, signals)?;
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
            self.show(Lookahead::Far, next);
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
    fn show(&mut self, look: Lookahead, next: &mut Next<'_>) {
        if self.offers.pipelining && self.left > 0 {
            next(look, &mut |request| {
                if self.takes(request) {
                    self.send_ahead(request);
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
                self.channel.make_room(times, signals).map_err(Unsent::Cut)?;
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
            self.show(Lookahead::AtHand, next);
        }
        let behind = self.channel.waiting() - said;
        match self.channel.flush(times, signals) {
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
}
