//! The dialogue of one session.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use data_encoding::BASE64;

use super::stream::{Over, Raw, Stream};
use super::{Act, At, Ends, Hit, How, Mark, Script, Shared, Step, Taken};

struct Session<'s> {
    shared: &'s Shared,
    script: Arc<Script>,
    number: usize,
    stream: Stream,
    /// Which step is at hand.
    at: At,
    encrypted: bool,
    logged_in: bool,
    /// MAIL commands so far.
    mails: usize,
    mail: Option<String>,
    recipients: Vec<String>,
    /// RCPT commands of this transaction.
    asked: usize,
    /// What came by BDAT.
    chunks: Vec<u8>,
    contents: usize,
}

pub fn run(shared: &Shared, number: usize, socket: Raw) {
    let script = Arc::clone(&shared.script.lock().expect("no session panicked"));
    let stream = Stream::new(socket, (script.cut)(number), shared.kind.little);
    let mut session = Session {
        shared,
        script,
        number,
        stream,
        at: At::Greeting,
        encrypted: false,
        logged_in: false,
        mails: 0,
        mail: None,
        recipients: Vec::new(),
        asked: 0,
        chunks: Vec::new(),
        contents: 0,
    };
    let others = shared.open.fetch_add(1, Ordering::AcqRel);
    let crowded = shared.kind.at_once.is_some_and(|most| others >= most);
    let end = if crowded { session.stream.say(b"421 4.7.0 too many sessions\r\n") } else { session.talk() };
    shared.open.fetch_sub(1, Ordering::AcqRel);
    if let Err(Over::Cut(how)) = end {
        session.hit(0, &format!("cut: {how:?}"));
        if how == How::Stall {
            session.stall();
        }
    }
}

/// The address in a command; without one, "?".
fn path(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or("?", |(path, _)| path).to_owned()
}

impl Session<'_> {
    fn offers(&self, word: &str) -> bool {
        self.shared.kind.offers.contains(&word)
    }

    fn misdeed(&self, text: &str) {
        let text = format!("session {}: {text}", self.number);
        self.shared.log.lock().expect("no session panicked").misdeeds.push(text);
    }

    fn sender(&self) -> String {
        self.mail.as_deref().map(path).unwrap_or_default()
    }

    fn hit(&self, recipient: usize, what: &str) {
        let transaction = self.mails.saturating_sub(1);
        let hit = Hit { at: self.at, transaction, sender: self.sender(), recipient, what: what.to_owned() };
        self.shared.log.lock().expect("no session panicked").hits.push(hit);
    }

    /// The socket stays open, and nothing happens any more until the test is over or the client is seen to be gone.
    fn stall(&self) {
        for _ in 0..3_000 {
            if self.shared.stop.load(Ordering::Acquire) || self.stream.is_left() {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Answers the step at hand as the script says, or with `usual`; the code, and whether to go on.
    fn answer(&mut self, recipient: usize, line: &str, usual: &str) -> Result<u16, Over> {
        let transaction = self.mails.saturating_sub(1);
        let step = Step { at: self.at, session: self.number, transaction, recipient, line };
        let act = (self.script.step)(&step);
        if act != Act::Go {
            self.hit(recipient, &format!("{act:?}"));
        }
        let (text, close) = match act {
            Act::Go => (usual.to_owned(), false),
            Act::Say(text) => (text, false),
            Act::SayAndClose(text) => (text, true),
            Act::Garbage(bytes) => {
                self.stream.say(bytes.as_bytes())?;
                // Whatever came for the next recipient could be for anybody.
                return if self.at == At::Content { Err(Over::Gone) } else { Ok(0) };
            }
            Act::Close => return Err(Over::Gone),
            Act::TakeAndClose => (String::new(), true),
            Act::Drip => loop {
                self.stream.say(b"250-wait\r\n")?;
                self.hit(recipient, "drop");
                std::thread::park_timeout(Duration::from_millis(100));
            },
            Act::Stall => {
                self.stall();
                return Err(Over::Gone);
            }
        };
        let code = text.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
        let took = self.at == At::Content && (code / 100 == 2 || text.is_empty());
        let place = took.then(|| self.take(recipient));
        self.stream.is_cut_here()?;
        if !text.is_empty() {
            self.stream.say(format!("{text}\r\n").as_bytes())?;
            if let Some(place) = place {
                self.shared.log.lock().expect("no session panicked").taken[place].answered = true;
            }
        }
        if close { Err(Over::Gone) } else { Ok(code) }
    }

    /// Notes the content as taken; with LMTP for this one of those who were.
    fn take(&mut self, recipient: usize) -> usize {
        let recipients = match self.shared.kind.lmtp {
            true => vec![self.recipients[recipient].clone()],
            false => self.recipients.clone(),
        };
        let taken = Taken {
            session: self.number,
            mail: self.mail.clone().unwrap_or_default(),
            sender: self.sender(),
            recipients,
            content: self.chunks.clone(),
            answered: false,
        };
        let mut log = self.shared.log.lock().expect("no session panicked");
        log.taken.push(taken);
        log.taken.len() - 1
    }

    fn reset(&mut self) {
        (self.mail, self.asked) = (None, 0);
        self.recipients.clear();
        self.chunks.clear();
    }

    fn talk(&mut self) -> Result<(), Over> {
        let tls = self.shared.kind.tls.clone();
        if self.shared.kind.implicit {
            self.encrypt(tls.clone())?;
        }
        self.answer(0, "", "220 test ESMTP")?;
        loop {
            let line = self.stream.line()?;
            if !line.ends_with(b"\r\n") {
                self.misdeed(&format!("a line without CRLF: {:?}", String::from_utf8_lossy(&line)));
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.shared.log.lock().expect("no session panicked").commands.push((self.number, line.clone()));
            let verb = line.split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
            // What must be the last of a group (RFC 2920 section 3.1).
            let last = matches!(verb.as_str(), "EHLO" | "LHLO" | "DATA" | "STARTTLS" | "AUTH");
            if self.stream.has_more() && (last || !(self.offers("PIPELINING") || verb == "BDAT")) {
                self.misdeed(&format!("more behind {line}"));
            }
            match verb.as_str() {
                "EHLO" | "LHLO" | "HELO" => self.hello(&verb, &line)?,
                "STARTTLS" => {
                    self.at = At::Starttls;
                    if self.answer(0, &line, "220 go on")? == 220 {
                        self.encrypt(tls.clone())?;
                    }
                }
                "AUTH" => self.log_in(&line)?,
                "MAIL" => self.mail(&line)?,
                "RCPT" => self.rcpt(&line)?,
                "DATA" => self.data(&line)?,
                "BDAT" => self.bdat(&line)?,
                "RSET" => {
                    self.reset();
                    self.at = At::Rset;
                    self.answer(0, &line, "250 reset")?;
                }
                "QUIT" => return self.stream.say(b"221 bye\r\n"),
                _ => {
                    self.misdeed(&format!("what is {line:?}?"));
                    self.stream.say(b"500 what?\r\n")?;
                }
            }
        }
    }

    fn encrypt(&mut self, tls: Option<Arc<rustls::ServerConfig>>) -> Result<(), Over> {
        self.stream.start_tls(tls.ok_or(Over::Gone)?)?;
        self.encrypted = true;
        self.shared.log.lock().expect("no session panicked").encrypted += 1;
        Ok(())
    }

    fn hello(&mut self, verb: &str, line: &str) -> Result<(), Over> {
        if (verb == "LHLO") != self.shared.kind.lmtp {
            self.misdeed(line);
            return self.stream.say(b"500 this is the other protocol\r\n");
        }
        self.reset();
        self.at = At::Hello;
        let mut offers = self.shared.kind.offers.clone();
        if self.shared.kind.tls.is_some() && !self.encrypted {
            offers.push("STARTTLS");
        }
        if verb == "HELO" {
            offers.clear();
        }
        let mut text = String::new();
        for (i, offer) in std::iter::once(&"test").chain(&offers).enumerate() {
            let last = i == offers.len();
            text.push_str(&format!("250{}{offer}{}", if last { ' ' } else { '-' }, if last { "" } else { "\r\n" }));
        }
        self.answer(0, line, &text)?;
        self.stream.pass(Mark::Hello);
        Ok(())
    }

    fn log_in(&mut self, line: &str) -> Result<(), Over> {
        self.at = At::Auth;
        let Some((user, secret)) = self.shared.kind.login else { return self.stream.say(b"502 no\r\n") };
        let mut words = line.split(' ').skip(1);
        let mechanism = words.next().unwrap_or("").to_ascii_uppercase();
        let told = match (mechanism.as_str(), words.next()) {
            ("PLAIN" | "XOAUTH2", Some(told)) => vec![told.to_owned()],
            ("LOGIN", None) => {
                let mut told = Vec::new();
                for ask in ["334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n"] {
                    self.stream.say(ask.as_bytes())?;
                    told.push(String::from_utf8_lossy(&self.stream.line()?).trim_end().to_owned());
                }
                told
            }
            _ => return self.stream.say(b"504 not that one\r\n"),
        };
        let right = match mechanism.as_str() {
            "PLAIN" => vec![format!("\0{user}\0{secret}")],
            "XOAUTH2" => vec![format!("user={user}\x01auth=Bearer {secret}\x01\x01")],
            _ => vec![user.to_owned(), secret.to_owned()],
        };
        let right: Vec<String> = right.iter().map(|text| BASE64.encode(text.as_bytes())).collect();
        self.logged_in = told == right;
        if !self.logged_in && mechanism == "XOAUTH2" {
            self.stream.say(b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n")?;
            self.stream.line()?;
        }
        let usual = if self.logged_in { "235 welcome" } else { "535 5.7.8 wrong credentials" };
        self.answer(0, line, usual).map(|_| ())
    }

    fn mail(&mut self, line: &str) -> Result<(), Over> {
        self.mails += 1;
        self.at = At::Mail;
        if self.mail.is_some() {
            return self.stream.say(b"503 nested MAIL\r\n");
        }
        if self.shared.kind.login.is_some() && !self.logged_in {
            return self.stream.say(b"530 5.7.0 log in first\r\n");
        }
        for (word, offer) in [("SIZE=", "SIZE"), ("BODY=8", "8BITMIME"), ("SMTPUTF8", "SMTPUTF8"), ("RET=", "DSN")] {
            let offered = self.shared.kind.offers.iter().any(|offered| offered.split(' ').next() == Some(offer));
            if !offered && line.split(' ').skip(2).any(|parameter| parameter.starts_with(word)) {
                self.misdeed(line);
            }
        }
        self.mail = Some(line.to_owned());
        if self.answer(0, line, "250 2.1.0 ok")? / 100 != 2 {
            self.reset();
        }
        Ok(())
    }

    fn rcpt(&mut self, line: &str) -> Result<(), Over> {
        self.at = At::Rcpt;
        if self.mail.is_none() {
            return self.stream.say(b"503 no MAIL\r\n");
        }
        let recipient = self.asked;
        self.asked += 1;
        if self.answer(recipient, line, "250 2.1.5 ok")? / 100 == 2 {
            self.recipients.push(path(line));
            // From now on the client may have sent all of it at once.
            if self.offers("CHUNKING") {
                self.at = At::Content;
            }
        }
        Ok(())
    }

    fn data(&mut self, line: &str) -> Result<(), Over> {
        self.at = At::Data;
        let usual = if self.recipients.is_empty() { "503 5.5.1 nobody" } else { "354 go on" };
        if self.answer(0, line, usual)? != 354 {
            return Ok(());
        }
        self.at = At::Content;
        let ends = self.shared.kind.ends;
        let mut raw = Vec::new();
        loop {
            let byte = self.stream.byte()?;
            if ends.nul && byte == 0 {
                continue;
            }
            raw.push(byte);
            self.is_too_much(raw.len())?;
            if let Some(len) = ends.end(&raw) {
                raw.truncate(raw.len() - len);
                if byte == b'\r' && self.stream.peek()? == b'\n' {
                    self.stream.byte()?;
                }
                break;
            }
        }
        self.chunks = ends.unstuffed(&raw);
        self.finish(line)
    }

    fn bdat(&mut self, line: &str) -> Result<(), Over> {
        self.at = At::Content;
        if !self.offers("CHUNKING") {
            self.misdeed(line);
        }
        let mut words = line.split(' ').skip(1);
        let size = words.next().and_then(|size| size.parse().ok()).unwrap_or(0_usize);
        self.is_too_much(self.chunks.len() + size)?;
        for _ in 0..size {
            let byte = self.stream.byte()?;
            self.chunks.push(byte);
        }
        if self.recipients.is_empty() {
            return self.stream.say(b"503 5.5.1 nobody\r\n");
        }
        match words.next() {
            Some(_) => self.finish(line),
            None => self.stream.say(b"250 go on\r\n"),
        }
    }

    fn is_too_much(&mut self, size: usize) -> Result<(), Over> {
        if self.shared.kind.most.is_none_or(|most| size <= most) {
            return Ok(());
        }
        self.stream.say(b"552 5.3.4 too big\r\n")?;
        Err(Over::Gone)
    }

    /// The content is whole: it is taken or not.
    fn finish(&mut self, line: &str) -> Result<(), Over> {
        if self.recipients.is_empty() {
            self.stream.say(b"554 5.5.1 nobody\r\n")?;
        } else if self.shared.kind.lmtp {
            for recipient in 0..self.recipients.len() {
                self.answer(recipient, line, "250 2.0.0 taken")?;
            }
        } else {
            self.answer(0, line, "250 2.0.0 taken")?;
        }
        self.reset();
        self.contents += 1;
        self.at = At::Idle;
        self.answer(0, "", "")?;
        if self.contents == 1 {
            self.stream.pass(Mark::First);
        }
        Ok(())
    }
}

impl Ends {
    fn is_end(self, byte: u8, before: Option<u8>) -> bool {
        match byte {
            b'\n' => self.lf || before == Some(b'\r'),
            b'\r' => self.cr,
            _ => false,
        }
    }

    /// The length of the dot and its line's end, if `raw` ends with the end of the content.
    fn end(self, raw: &[u8]) -> Option<usize> {
        let last = *raw.last()?;
        let rest = &raw[..raw.len() - 1];
        let crlf = last == b'\n' && rest.last() == Some(&b'\r');
        let (dot, len) = if crlf { (&rest[..rest.len() - 1], 3) } else { (rest, 2) };
        if !self.is_end(last, rest.last().copied()) || dot.last() != Some(&b'.') {
            return None;
        }
        let before = &dot[..dot.len() - 1];
        match before {
            [] => Some(len),
            [.., last] => {
                let end = self.is_end(*last, before.len().checked_sub(2).map(|at| before[at]));
                end.then_some(len)
            }
        }
    }

    /// Without the dot that begins a line with one.
    fn unstuffed(self, raw: &[u8]) -> Vec<u8> {
        let (mut out, mut fresh) = (Vec::with_capacity(raw.len()), true);
        for (i, &byte) in raw.iter().enumerate() {
            if !(fresh && byte == b'.') {
                out.push(byte);
            }
            fresh = self.is_end(byte, i.checked_sub(1).map(|at| raw[at]));
        }
        out
    }
}
