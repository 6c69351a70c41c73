//! Whether this host is online, as far as the configuration says how to find out. Mail that waits for the net is no fault
//! of anybody: an offline run ends with 75 and says nothing.
//!
//! The question is asked in a child of the supervisor: a name server that does not answer, or a command that hangs, keeps
//! nobody from looking after the workers.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use crate::config::Online;
use crate::model::Exit;
use crate::sys::child::{self, Finish};
use crate::sys::nss;
use crate::sys::output::warning;
use crate::sys::process::{self, Ended, Send};
use crate::sys::signals::Signals;
use crate::sys::spawn::Spawner;

/// No answer within this time is one: offline.
const LIMIT: Duration = Duration::from_secs(15);
/// How long one address, or the command, may take.
const EACH: Duration = Duration::from_secs(10);

/// What a supervisor knows of the net, and the child that finds it out.
pub(super) struct Net {
    child: Option<i32>,
    /// When the child was started.
    since: Instant,
    /// What the last one answered.
    is_there: bool,
}

impl Net {
    pub fn new() -> Net {
        Net { child: None, since: Instant::now(), is_there: true }
    }

    /// Starts a child that asks. Errors: there is no room for another process.
    pub fn ask(&mut self, queue: &str, online: &Online) -> io::Result<()> {
        self.child = Some(process::fork(|| ask(queue, online).code())?);
        self.since = Instant::now();
        Ok(())
    }

    pub fn is_asked(&self) -> bool {
        self.child.is_some()
    }

    /// The answer takes too long.
    pub fn is_late(&self) -> bool {
        self.since.elapsed() >= LIMIT
    }

    /// Takes the net for missing.
    pub fn give_up(&self) {
        if let Some(pid) = self.child {
            process::send(pid, Send::Kill);
        }
    }

    /// Takes note of the end of a child; `false` if it was not this one.
    pub fn ended(&mut self, pid: i32, how: Ended) -> bool {
        if self.child != Some(pid) {
            return false;
        }
        self.child = None;
        // Who cannot ask has said so, and the sink will tell.
        self.is_there =
            how == Ended::Exited(Exit::Ok.code().into()) || how == Ended::Exited(Exit::Config.code().into());
        true
    }

    /// Whether this host is online, by the last answer.
    pub fn is_there(&self) -> bool {
        self.is_there
    }
}

/// The child's whole life: 0 if the host is online, 75 if not; 78, and a line, if the question cannot be asked.
fn ask(queue: &str, online: &Online) -> Exit {
    let answer = match online {
        Online::Connect(to) => Ok(connects(to)),
        Online::Check(command) => succeeds(command),
    };
    match answer {
        Ok(true) => Exit::Ok,
        Ok(false) => Exit::TempFail,
        Err(why) => {
            warning!("{queue}: online.check: {why}; mail is sent as if it had succeeded");
            Exit::Config
        }
    }
}

fn connects(to: &str) -> bool {
    let mut addresses = nss::addresses(to).into_iter().flatten();
    addresses.any(|address| TcpStream::connect_timeout(&address, EACH).is_ok())
}

fn succeeds(command: &[String]) -> Result<bool, String> {
    let name = command.first().map_or("", String::as_str);
    let program = Online::find(name).ok_or_else(|| format!("{name}: there is no such command"))?;
    let rest = command.iter().skip(1).map(String::as_bytes);
    let args: Result<Vec<CString>, _> =
        std::iter::once(program.as_os_str().as_bytes()).chain(rest).map(CString::new).collect();
    let args = args.map_err(|error| error.to_string())?;
    let signals =
        Signals::install(false).and_then(|signals| signals.tick(Duration::from_millis(250)).map(|()| signals));
    let ready = signals.and_then(|signals| Ok((signals, File::open("/dev/null")?)));
    let (signals, input) = ready.map_err(|error| error.to_string())?;
    match child::run(&mut Spawner::default(), &child::Order::plain(args), &input, EACH, &signals).finish {
        Finish::Ended(ended) => Ok(ended == Ended::Exited(0)),
        Finish::Stopped { .. } => Ok(false),
        Finish::NotStarted(error) | Finish::Lost(error) => Err(format!("{}: {error}", program.display())),
    }
}
