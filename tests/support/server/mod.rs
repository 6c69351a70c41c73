//! A server of SMTP or LMTP that does at each step what a test's script says, and keeps what it took as the truth.
//!
//! Its own rules are strict: what the client does that no client may do is kept, too ([`Log::misdeeds`]).

pub mod letters;
mod session;
mod stream;

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub use self::stream::Raw;
use crate::support::{Site, wait_until};

/// A step of the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    Greeting,
    Hello,
    Starttls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Content,
    Rset,
    /// A content was answered, and nothing else came yet.
    Idle,
}

/// A step that is about to be answered.
#[derive(Debug)]
pub struct Step<'a> {
    pub at: At,
    /// Sessions before this one.
    pub session: usize,
    /// MAIL commands of this session before the one at hand.
    pub transaction: usize,
    /// RCPT, and the content with LMTP: recipients before this one.
    pub recipient: usize,
    /// The command.
    pub line: &'a str,
}

/// What the server does at a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// It answers as usual.
    Go,
    Say(String),
    SayAndClose(String),
    /// It says these very bytes, which are no reply, and goes on.
    Garbage(String),
    Close,
    /// It takes the content and closes without a word.
    TakeAndClose,
    /// It does nothing any more.
    Stall,
    /// It says line after line of a reply that never ends.
    Drip,
}

/// `Say`, of a text.
pub fn say(text: &str) -> Act {
    Act::Say(text.to_owned())
}

/// From where the bytes to a cut are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Connected,
    /// The reply to EHLO has left.
    Hello,
    /// The reply to the first content has left.
    First,
}

/// The end of a session after so many bytes.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub mark: Mark,
    /// Bytes of the client's; else of the server's own.
    pub read: bool,
    pub bytes: usize,
    pub how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Close,
    /// By a reset, where the socket has such a thing.
    Reset,
    Stall,
}

/// What else than CRLF this server takes for a line's end around a lone dot, as some do or did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    pub lf: bool,
    pub cr: bool,
    /// It drops NUL bytes first.
    pub nul: bool,
}

/// What the server is.
#[derive(Clone, Debug, Default)]
pub struct Kind {
    pub lmtp: bool,
    pub offers: Vec<&'static str>,
    pub ends: Ends,
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// TLS from the first byte.
    pub implicit: bool,
    /// Who may log in, and by what secret; without a login nothing is taken.
    pub login: Option<(&'static str, &'static str)>,
    /// The kernel holds little of what it says.
    pub little: bool,
    /// At so many bytes of content it says that this is too much, and closes.
    pub most: Option<usize>,
    /// So many sessions at a time are let in.
    pub at_once: Option<usize>,
}

impl Kind {
    pub fn smtp(offers: &[&'static str]) -> Kind {
        Kind { offers: offers.to_vec(), ..Kind::default() }
    }

    pub fn lmtp(offers: &[&'static str]) -> Kind {
        Kind { lmtp: true, ..Kind::smtp(offers) }
    }
}

type OnStep = Box<dyn Fn(&Step<'_>) -> Act + Send + Sync>;
type OnSession = Box<dyn Fn(usize) -> Option<Cut> + Send + Sync>;

/// What happens when.
pub struct Script {
    step: OnStep,
    cut: OnSession,
}

impl Script {
    pub fn steps(step: impl Fn(&Step<'_>) -> Act + Send + Sync + 'static) -> Script {
        Script { step: Box::new(step), cut: Box::new(|_| None) }
    }

    pub fn good() -> Script {
        Script::steps(|_| Act::Go)
    }

    /// Cuts the session of this number, from 0.
    pub fn with_cuts(self, cut: impl Fn(usize) -> Option<Cut> + Send + Sync + 'static) -> Script {
        Script { cut: Box::new(cut), ..self }
    }
}

/// A message that was taken; with LMTP one for each recipient.
#[derive(Clone, Debug)]
pub struct Taken {
    pub session: usize,
    /// The whole MAIL command.
    pub mail: String,
    pub sender: String,
    pub recipients: Vec<String>,
    /// Without the doubled dots.
    pub content: Vec<u8>,
    /// The positive reply left whole.
    pub answered: bool,
}

/// Something else than the usual that was done to a transaction.
#[derive(Clone, Debug)]
pub struct Hit {
    pub at: At,
    pub transaction: usize,
    /// "" before MAIL.
    pub sender: String,
    pub recipient: usize,
    pub what: String,
}

#[derive(Clone, Debug, Default)]
pub struct Log {
    pub taken: Vec<Taken>,
    pub hits: Vec<Hit>,
    /// Session and command, in their order.
    pub commands: Vec<(usize, String)>,
    pub misdeeds: Vec<String>,
    /// Sessions that were begun over TLS.
    pub encrypted: usize,
}

struct Shared {
    kind: Kind,
    script: Mutex<Arc<Script>>,
    log: Mutex<Log>,
    sessions: AtomicUsize,
    open: AtomicUsize,
    stop: AtomicBool,
}

/// A server that listens until it is dropped.
pub struct Server {
    shared: Arc<Shared>,
    connect: String,
}

impl Server {
    /// On a port of 127.0.0.1 that is free.
    pub fn tcp(kind: Kind, script: Script) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let connect = format!("tcp:{}", listener.local_addr().expect("its address"));
        Server::start(connect, kind, script, move || listener.accept().map(|(socket, _)| Raw::Tcp(socket)))
    }

    /// On a socket of this name, which must be free or a dead server's.
    pub fn unix(path: &Path, kind: Kind, script: Script) -> Server {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).expect("a socket");
        let accept = move || listener.accept().map(|(socket, _)| Raw::Unix(socket));
        Server::start(format!("unix:{}", path.display()), kind, script, accept)
    }

    fn start(
        connect: String,
        kind: Kind,
        script: Script,
        accept: impl Fn() -> std::io::Result<Raw> + Send + 'static,
    ) -> Server {
        let shared = Arc::new(Shared {
            kind,
            script: Mutex::new(Arc::new(script)),
            log: Mutex::default(),
            sessions: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok(socket) = accept() {
                if ours.stop.load(Ordering::Acquire) {
                    break;
                }
                let number = ours.sessions.fetch_add(1, Ordering::AcqRel);
                let shared = Arc::clone(&ours);
                std::thread::spawn(move || session::run(&shared, number, socket));
            }
        });
        Server { shared, connect }
    }

    /// As the configuration names it.
    pub fn connect(&self) -> &str {
        &self.connect
    }

    pub fn log(&self) -> Log {
        self.with_log(Log::clone)
    }

    /// What `look` finds in the log, which may be long.
    pub fn with_log<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.shared.log.lock().expect("no session panicked"))
    }

    /// Sessions that are under way.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Acquire)
    }

    pub fn sessions(&self) -> usize {
        self.shared.sessions.load(Ordering::Acquire)
    }

    /// From the next session on; they are counted from 0 again, and the log stays.
    pub fn set(&self, script: Script) {
        *self.shared.script.lock().expect("no session panicked") = Arc::new(script);
        self.shared.sessions.store(0, Ordering::Release);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // The one that waits for a connection gets one.
        match self.connect.split_once(':') {
            Some(("unix", path)) => drop(std::os::unix::net::UnixStream::connect(path)),
            Some((_, to)) => drop(TcpStream::connect(to)),
            None => {}
        }
        if std::thread::panicking() {
            let log = self.log();
            let of_session = |n: usize| log.commands.iter().filter(move |(session, _)| *session == n);
            let last = self.sessions().saturating_sub(3)..self.sessions();
            let lines: Vec<_> = last.flat_map(of_session).take(60).collect();
            eprintln!(
                "{}: the last sessions: {lines:#?}\nhits: {:#?}",
                self.connect,
                log.hits.iter().rev().take(5).collect::<Vec<_>>()
            );
        }
    }
}

/// Makes the outbound queue of `site` lead to servers at `connect`, of `kind` "smtp" or "lmtp", through one worker unless
/// `queue`, more lines of the queue's table, says something else; `transport` is more lines of the transport's.
pub fn lead_to(site: &Site, kind: &str, connect: &[&str], queue: &str, transport: &str) {
    let workers = if queue.contains("workers") { "" } else { "workers = 1\n" };
    site.configure(&format!(
        "[limits]\nmin_free = 0\n[queue.outbound]\ntransport = \"x\"\nnotices = false\nprobe_every = 0\n{workers}{queue}\n\
         [transport.x]\nkind = \"{kind}\"\nconnect = {connect:?}\nhello = \"client.example.org\"\n{transport}\n"
    ));
}

/// A site of its own that leads to `server`.
pub fn site_of(server: &Server, queue: &str, transport: &str) -> Site {
    // A thousand messages are synced in no time where that is memory; what a power cut does is not asked here.
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let site = Site { dir: memory.expect("a temporary folder") };
    let kind = if server.shared.kind.lmtp { "lmtp" } else { "smtp" };
    let timeout = if transport.contains("timeout") { "" } else { "timeout = \"20s\"\n" };
    lead_to(&site, kind, &[server.connect()], queue, &format!("{timeout}{transport}"));
    site
}

/// Runs the program with `args` to its end, which must come: its status, and what it said.
pub fn ends(site: &Site, args: &[&str]) -> (i32, String) {
    let mut child = site.start(args);
    let mut status = None;
    wait_until("the program ends", || {
        status = child.try_wait().expect("a child of ours");
        status.is_some()
    });
    let output = child.wait_with_output().expect("it ended");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().expect("by itself"), String::from_utf8_lossy(&said).into_owned())
}

/// A port of 127.0.0.1 that nobody listens on, and that nobody else can have.
pub struct Dead {
    /// A connection from that port.
    _ends: (TcpListener, TcpStream),
    pub connect: String,
}

impl Dead {
    pub fn tcp() -> Dead {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let stream = TcpStream::connect(listener.local_addr().expect("its address")).expect("it listens");
        let connect = format!("tcp:{}", stream.local_addr().expect("its address"));
        Dead { _ends: (listener, stream), connect }
    }
}

/// A certificate authority of the test's own, made by openssl(1).
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    pub fn new(folder: &Path) -> Authority {
        let authority = Authority { folder: folder.to_owned() };
        authority.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=test-ca -keyout ca.key -out ca.pem",
        );
        authority
    }

    /// What clients are to trust.
    pub fn path(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    fn openssl(&self, args: &str) {
        let mut command = std::process::Command::new("openssl");
        let output = command.args(args.split(' ')).current_dir(&self.folder).output().expect("openssl(1)");
        assert!(output.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A certificate for `name`, an alternative name as in "DNS:mail.example.org", which ended `days` ago if that is negative.
    pub fn certify(&self, name: &str, days: i64) -> Arc<rustls::ServerConfig> {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};

        std::fs::write(self.folder.join("ext"), format!("subjectAltName={name}\n")).expect("written");
        self.openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test -keyout key.pem -out req.pem",
        );
        self.openssl(&format!(
            "x509 -req -in req.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} -extfile ext -out cert.pem"
        ));
        let certificate = CertificateDer::from_pem_file(self.folder.join("cert.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(self.folder.join("key.pem")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.expect("versions").with_no_client_auth().with_single_cert(vec![certificate], key);
        Arc::new(config.expect("a key that fits"))
    }
}
