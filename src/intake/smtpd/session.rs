//! The dialogue (RFC 5321 section 3): what may follow what, and what is answered.
//!
//! Kept true: 250 to a message's content is said after [`Intake::take`] has returned, when it would survive a power cut.
//! Content that is refused is read to its end first. Where DATA is refused and content came with it all the same, the
//! session is closed, so that no line of a message is taken for a command.

use std::collections::HashSet;
use std::io::{self, BufRead, Read, Write};
use std::ops::ControlFlow;

use super::command::{self, Command, Mail, Rcpt};
use super::data::{self, Data};
use super::stream::{Line, Stream};
use crate::config::Limits;
use crate::intake::{Failure, Refused};
use crate::model::{Address, Exit};

/// So many commands that are none, and nothing queued between them, end a session.
const BAD_MAX: u32 = 20;

/// Where mail goes.
pub trait Intake {
    /// Refuses where a message could not be taken now. Asked at each MAIL.
    fn ready(&mut self) -> Result<(), Failure>;

    /// Queues a message, whose lines end with LF; what became of it, in words. When this returns, it would survive a power
    /// cut. An error of `content` is an error of this, and nothing is queued.
    fn take(&mut self, transaction: Transaction, content: &mut dyn BufRead) -> Result<String, Failure>;
}

/// A message's envelope, and who brought it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    pub client: String,
    pub mail: Mail,
    /// Each once.
    pub recipients: Vec<Rcpt>,
    /// The client has said EHLO.
    pub extended: bool,
    /// It has said LHLO.
    pub lmtp: bool,
}

/// What a session knows of its server.
pub struct SessionContext<'s> {
    pub host: &'s str,
    pub limits: &'s Limits,
    /// Whether to end as soon as no transaction is open.
    pub stop: &'s dyn Fn() -> bool,
}

/// Speaks with one client to the end.
///
/// Errors: the client is gone, or takes no replies.
pub fn serve(
    input: impl Read,
    output: impl Write,
    context: &SessionContext<'_>,
    intake: &mut impl Intake,
) -> io::Result<()> {
    let stream = Stream::new(input, output);
    ServerSession { stream, context, intake, client: None, lmtp: false, open: None, bad: 0 }.run()
}

/// The transaction that MAIL has begun.
#[derive(Default)]
struct OpenTransaction {
    mail: Mail,
    recipients: Vec<Rcpt>,
    seen: HashSet<Address>,
}

struct ServerSession<'s, R, W, I> {
    stream: Stream<R, W>,
    context: &'s SessionContext<'s>,
    intake: &'s mut I,
    /// Its name, and whether it said EHLO.
    client: Option<(String, bool)>,
    /// It said LHLO.
    lmtp: bool,
    open: Option<OpenTransaction>,
    bad: u32,
}

const ON: ControlFlow<()> = ControlFlow::Continue(());
const OVER: ControlFlow<()> = ControlFlow::Break(());

impl<R: Read, W: Write, I: Intake> ServerSession<'_, R, W, I> {
    fn run(mut self) -> io::Result<()> {
        let host = self.context.host;
        self.stream.say(&format!("220 {host} ESMTP bulkmailer"));
        loop {
            if self.open.is_none() && (self.context.stop)() {
                self.stream.say(&format!("421 4.3.2 {host} is told to stop, come again"));
                break;
            }
            let line = match self.stream.line() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    self.silent();
                    break;
                }
                line => line?,
            };
            let utf8 = self.open.as_ref().is_some_and(|open| open.mail.utf8);
            let next = match line {
                Line::End => OVER,
                Line::BareLf => {
                    self.stream.say("521 5.5.2 A line ends with CRLF, and this one has a bare LF");
                    OVER
                }
                Line::TooLong => self.refuse("500 5.5.2 The line is too long"),
                Line::Command(line) => match command::parse(&line, utf8) {
                    Ok(command) => self.obey(command)?,
                    Err(fault) => self.refuse(&fault),
                },
            };
            if next.is_break() {
                break;
            }
        }
        self.stream.flush()
    }

    fn silent(&mut self) {
        self.stream.say(&format!("421 4.4.2 {} has waited too long", self.context.host));
    }

    fn obey(&mut self, command: Command) -> io::Result<ControlFlow<()>> {
        Ok(match command {
            Command::Hello { name, extended, lmtp } => {
                self.lmtp = lmtp;
                self.hello(name, extended)
            }
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(rcpt) => self.rcpt(rcpt),
            Command::Data => return self.data(),
            Command::Reset => {
                self.open = None;
                self.answer("250 2.0.0 Ok")
            }
            Command::Noop => self.answer("250 2.0.0 Ok"),
            Command::Verify => self.answer("252 2.1.5 Whether it exists only the MTA knows"),
            Command::Help => {
                self.answer("214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT, see bulkmailer(1)")
            }
            Command::Quit => {
                self.stream.say("221 2.0.0 Bye");
                OVER
            }
        })
    }

    fn answer(&mut self, reply: &str) -> ControlFlow<()> {
        self.stream.say(reply);
        ON
    }

    /// Says why not. A reply of 50x means the command itself, and of those a client has only so many.
    fn refuse(&mut self, reply: &str) -> ControlFlow<()> {
        self.stream.say(reply);
        self.bad += u32::from(reply.starts_with("50"));
        if self.bad < BAD_MAX {
            return ON;
        }
        self.stream.say(&format!("421 4.7.0 {} has heard too much that is no command", self.context.host));
        OVER
    }

    fn hello(&mut self, name: String, extended: bool) -> ControlFlow<()> {
        let (host, size) = (self.context.host, self.context.limits.message);
        self.open = None;
        self.client = Some((name, extended));
        if !extended {
            return self.answer(&format!("250 {host}"));
        }
        self.stream.say(&format!("250-{host}"));
        self.stream.say("250-PIPELINING");
        self.stream.say(&format!("250-SIZE {size}"));
        for extension in ["8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN"] {
            self.stream.say(&format!("250-{extension}"));
        }
        self.answer("250 HELP")
    }

    fn mail(&mut self, mail: Mail) -> ControlFlow<()> {
        let max = self.context.limits.message;
        if self.client.is_none() {
            return self.refuse("503 5.5.1 Say EHLO first");
        }
        if self.open.is_some() {
            return self.refuse("503 5.5.1 A transaction is open already: end it with DATA or RSET");
        }
        if mail.size.is_some_and(|size| size > max) {
            return self.refuse(&reply_to(&Refused::MessageTooBig { max }.into()));
        }
        if let Err(failure) = self.intake.ready() {
            return self.refuse(&reply_to(&failure));
        }
        self.open = Some(OpenTransaction { mail, ..OpenTransaction::default() });
        self.answer("250 2.1.0 Ok")
    }

    fn rcpt(&mut self, rcpt: Rcpt) -> ControlFlow<()> {
        let max = self.context.limits.recipients;
        let Some(open) = &mut self.open else { return self.refuse("503 5.5.1 Say MAIL first") };
        let full = open.recipients.len() >= max;
        if full && !open.seen.contains(&rcpt.recipient) {
            return self.refuse(&format!("452 4.5.3 Too many recipients: one message may have {max}"));
        }
        if open.seen.insert(rcpt.recipient.clone()) {
            open.recipients.push(rcpt);
        }
        self.answer("250 2.1.5 Ok")
    }

    fn data(&mut self) -> io::Result<ControlFlow<()>> {
        let why_not = match &self.open {
            None => Some("503 5.5.1 Say MAIL first"),
            Some(open) if open.recipients.is_empty() => Some("554 5.5.1 No recipient was accepted"),
            Some(_) => None,
        };
        if let Some(why_not) = why_not {
            let next = self.refuse(why_not);
            if next.is_break() || self.stream.unread().is_empty() {
                return Ok(next);
            }
            // A client must wait for the answer to DATA (RFC 2920 section 3.1), so this may be a message.
            self.stream.say("421 4.5.0 Something came behind DATA before its answer");
            return Ok(OVER);
        }
        let (Some(open), Some((client, extended))) = (self.open.take(), self.client.clone()) else { return Ok(OVER) };
        self.stream.say("354 End with a dot alone on a line");
        // Also where the content is there already: of what was queued before, the client shall know.
        self.stream.flush()?;
        let lmtp = self.lmtp;
        let transaction = Transaction { client, mail: open.mail, recipients: open.recipients, extended, lmtp };
        // All are taken, or none: the same is said to each (RFC 2033 section 4.2).
        let others = if lmtp { transaction.recipients.len().saturating_sub(1) } else { 0 };
        let mut content = Data::new(&mut self.stream);
        let taken = self.intake.take(transaction, &mut content);
        let fault = match content.drain() {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.silent();
                return Ok(OVER);
            }
            fault => fault?,
        };
        Ok(match (fault, taken) {
            (Some(data::Fault::BareCr), _) => {
                self.refuse_all("550 5.6.11 The message has a carriage return without a line feed", others)
            }
            (Some(data::Fault::BareLf), _) => {
                self.refuse_all("550 5.6.11 The message has a line feed without a carriage return", others)
            }
            (Some(data::Fault::Nul), _) => self.refuse_all("550 5.6.0 The message has a NUL byte", others),
            (None, Ok(done)) => {
                self.bad = 0;
                let reply = format!("250 2.0.0 {done}");
                (0..others).for_each(|_| self.stream.say(&reply));
                self.answer(&reply)
            }
            (None, Err(failure)) => self.refuse_all(&reply_to(&failure), others),
        })
    }

    /// Refuses a message, for so many recipients besides the last.
    fn refuse_all(&mut self, reply: &str, others: usize) -> ControlFlow<()> {
        (0..others).for_each(|_| self.stream.say(reply));
        self.refuse(reply)
    }
}

/// What a client is told of a failure (RFC 3463).
fn reply_to(failure: &Failure) -> String {
    let status = match failure {
        Failure::Spool(error) if error.exit() == Exit::TempFail => "452 4.3.1",
        Failure::Spool(_) => "451 4.3.0",
        Failure::Refused(refused) => match refused {
            Refused::MessageTooBig { .. } | Refused::HeaderTooBig { .. } => "552 5.3.4",
            Refused::Loop { .. } => "554 5.4.6",
            Refused::Full { .. } => "452 4.3.1",
            Refused::TooManyRecipients { .. } => "452 4.5.3",
            Refused::Unreadable { .. } | Refused::NoInput { .. } => "451 4.3.0",
            Refused::Usage(_)
            | Refused::NoRecipients
            | Refused::NobodyNamed
            | Refused::BadAddress(_)
            | Refused::NulInHeader
            | Refused::Empty
            | Refused::NoMbox { .. }
            | Refused::NoMessages { .. }
            // Those of list posts, which do not come in here.
            | Refused::BadLine { .. }
            | Refused::NoList { .. }
            | Refused::EmptyList { .. }
            | Refused::TooFar { .. }
            | Refused::AllSuppressed(_)
            | Refused::Verp(_)
            | Refused::Suppress(_)
            | Refused::NotByDrop => "554 5.6.0",
        },
    };
    format!("{status} {failure}")
}
