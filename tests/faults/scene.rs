//! A spool with mail in every state, made once for a command and copied for each fault.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use crate::support::drop::MARA;
use crate::support::server::{Act as Does, At, Kind, Script, Server, say};
use crate::support::{Site, feed, message};
use crate::sweep;

/// What is done, and struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Hold,
    Release,
    Requeue,
    Remove,
    Pause,
    Resume,
    Cancel,
    Adopt,
    Deliver,
    Serve,
}

impl Act {
    pub const ALL: [Act; 10] = [
        Act::Hold,
        Act::Release,
        Act::Requeue,
        Act::Remove,
        Act::Pause,
        Act::Resume,
        Act::Cancel,
        Act::Adopt,
        Act::Deliver,
        Act::Serve,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Act::Hold => "hold",
            Act::Release => "release",
            Act::Requeue => "requeue",
            Act::Remove => "remove",
            Act::Pause => "jobs pause",
            Act::Resume => "jobs resume",
            Act::Cancel => "jobs cancel",
            Act::Adopt => "adoption",
            Act::Deliver => "delivery",
            Act::Serve => "submit --serve",
        }
    }

    /// A person acts on entries or jobs, and nothing is handed over.
    pub fn is_a_persons(self) -> bool {
        !matches!(self, Act::Adopt | Act::Deliver | Act::Serve)
    }
}

/// Whom mail that comes in is for.
const BROUGHT: [&str; 4] = ["ok60", "ok61", "never61", "later62"];
const SENDER: &str = "news@s.example";

/// A spool, and what is in it.
pub struct Template {
    pub act: Act,
    pub site: Site,
    ids: BTreeMap<&'static str, String>,
    /// Who is to get something yet.
    pub open: BTreeSet<String>,
}

/// A copy of a template, with a server of its own.
pub struct Scene {
    pub site: Site,
    pub server: Server,
}

/// In memory, where there is such a place.
fn site() -> Site {
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    Site { dir: memory.expect("a temporary folder") }
}

/// A server that refuses recipients by their names: `later` as long as it is not `healed`, `never` unless it takes `all`.
fn serve(healed: bool, all: bool) -> Script {
    Script::steps(move |step| match step.at {
        At::Rcpt if step.line.contains("<later") && !healed => say("451 4.2.1 later"),
        At::Rcpt if step.line.contains("<never") && !all => say("550 5.1.1 nobody"),
        _ => Does::Go,
    })
}

fn configure(site: &Site, server: &Server, act: Act) {
    let connect = server.connect();
    let queue = "transport = \"x\"\nworkers = 1\nmax_recipients = 2\njob_recipients = 2\nprobe_every = 0\n\
                 retry = { first = \"1d\", max = \"1d\" }\n";
    site.configure(&format!(
        "[limits]\nmin_free = 0\n[queue.outbound]\nnotices = {}\n{queue}[queue.other]\nnotices = false\n{queue}\
         [transport.x]\nkind = \"lmtp\"\nconnect = {connect:?}\nhello = \"client.example.org\"\ntimeout = \"20s\"\n",
        !act.is_a_persons()
    ));
}

fn server() -> Server {
    Server::tcp(Kind::lmtp(&["PIPELINING", "8BITMIME"]), serve(false, false))
}

impl Scene {
    pub fn of(template: &Template) -> Scene {
        let scene = Scene { site: site(), server: server() };
        copy(&template.site.path("spool"), scene.site.dir.path());
        configure(&scene.site, &scene.server, template.act);
        scene
    }

    /// From now on nobody is deferred; where a person acts, everybody is taken.
    pub fn heal(&self, act: Act) {
        self.server.set(serve(true, act.is_a_persons()));
    }
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp(1)");
    assert!(done.success(), "{}", from.display());
}

impl Template {
    pub fn new(act: Act) -> Template {
        let (site, server) = (site(), server());
        configure(&site, &server, act);
        let mut template = Template { act, site, ids: BTreeMap::new(), open: BTreeSet::new() };
        match act {
            Act::Adopt => template.load_drop(),
            Act::Deliver => template.load_ready(),
            Act::Serve => template.load_for_server(),
            Act::Hold | Act::Release | Act::Requeue | Act::Remove | Act::Pause | Act::Resume | Act::Cancel => {
                template.load_states(&server)
            }
        }
        template
    }

    pub fn id(&self, name: &str) -> &str {
        &self.ids[name]
    }

    pub fn args(&self) -> Vec<String> {
        let words: Vec<&str> = match self.act {
            Act::Hold => vec!["hold", "-Q", "outbound", "--yes"],
            Act::Release => vec!["release", "-Q", "outbound", "--yes"],
            Act::Requeue => vec!["requeue", "-Q", "outbound", "--yes"],
            Act::Remove => vec!["remove", "-Q", "outbound", "--yes"],
            Act::Pause => vec!["jobs", "pause", self.id("post")],
            Act::Resume => vec!["jobs", "resume", self.id("paused")],
            Act::Cancel => vec!["jobs", "cancel", "--yes", self.id("post")],
            Act::Adopt | Act::Deliver => vec!["run", "--queue", "outbound"],
            Act::Serve => vec!["submit", "--serve", "--queue", "outbound"],
        };
        words.into_iter().map(str::to_owned).collect()
    }

    /// What the command reads: a client of LMTP, which does not wait for answers.
    pub fn input(&self) -> Vec<u8> {
        if self.act != Act::Serve {
            return Vec::new();
        }
        let letter = |n: u32, to: &[&str]| {
            let to: String = to.iter().map(|to| format!("RCPT TO:<{to}@c.example>\n")).collect();
            format!("MAIL FROM:<{SENDER}>\n{to}DATA\n{}.\n", message(n))
        };
        let [a, b, c, d] = BROUGHT;
        let letters = [letter(60, &[a]), letter(61, &[b, c]), letter(62, &[d])].concat();
        format!("LHLO client.example.org\n{letters}QUIT\n").replace('\n', "\r\n").into_bytes()
    }

    /// The users for whom that client has something.
    pub fn brought(&self) -> &'static [&'static str] {
        if self.act == Act::Serve { &BROUGHT } else { &[] }
    }

    /// The numbers of the calls that change the spool, by kind.
    pub fn calls(&self) -> BTreeMap<String, Vec<usize>> {
        let scene = Scene::of(self);
        let log = sweep::recorded(&scene.site, &self.args(), &self.input());
        sweep::calls(&log, &scene.site.path("spool").display().to_string())
    }

    /// What `args` change in the spool.
    pub fn changes_of(&self, args: &[&str]) -> Vec<String> {
        let words: Vec<String> = args.iter().map(|&word| word.to_owned()).collect();
        sweep::changes_of(&Scene::of(self).site, &words)
    }

    /// Queues message `n` to these users; its id, or its job's.
    fn submit(&mut self, queue: &str, n: u32, users: &[&str], post: bool) -> String {
        let all: Vec<String> = users.iter().map(|user| format!("{user}@c.example")).collect();
        self.open.extend(all.iter().cloned());
        let list = self.site.path("list");
        std::fs::write(&list, all.join("\n")).expect("written");
        let mut command = self.site.command(&["submit", "--json", "--queue", queue, "-f", SENDER]);
        if post {
            command.arg("--recipients").arg(&list);
        } else {
            command.arg("--").args(&all);
        }
        let output = feed(command, message(n).as_bytes());
        assert!(output.status.success(), "{output:?}");
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        said[if post { "job" } else { "id" }].as_str().expect("an id").to_owned()
    }

    /// Mail in every state, of both queues.
    fn load_states(&mut self, server: &Server) {
        self.submit("outbound", 1, &["ok1"], false);
        self.submit("outbound", 2, &["later2"], false);
        self.submit("outbound", 3, &["ok3", "never3"], false);
        let mbox = self.site.path("box");
        let mail = |n: u32, to: &str| format!("From {SENDER} Tue\nTo: {to}@c.example\n{}\n", message(n));
        std::fs::write(&mbox, mail(4, "never4") + &mail(5, "later5")).expect("written");
        self.site.ok(&["submit", "-q", "--mbox", mbox.to_str().expect("a path")]);
        self.open.extend(["never4@c.example".to_owned(), "later5@c.example".to_owned()]);
        self.submit("outbound", 6, &["ok6", "later7", "never8", "ok9", "ok10"], true);
        self.submit("other", 40, &["never40"], false);
        self.submit("other", 41, &["ok41", "later41"], false);
        self.site.ok(&["run"]);
        let fresh = self.submit("outbound", 11, &["ok11"], false);
        let held = [self.submit("outbound", 12, &["ok12"], false), self.submit("other", 42, &["ok42"], false)];
        for id in held.iter().chain((self.act == Act::Release).then_some(&fresh)) {
            self.site.ok(&["hold", id]);
        }
        let post = self.submit("outbound", 20, &["ok20", "ok21", "ok22"], true);
        let paused = self.submit("outbound", 30, &["ok30", "ok31", "ok32"], true);
        self.site.ok(&["jobs", "pause", &paused]);
        self.ids.extend([("post", post), ("paused", paused)]);
        for taken in server.log().taken {
            for recipient in taken.recipients {
                assert!(self.open.remove(&recipient), "{recipient}");
            }
        }
    }

    fn load_ready(&mut self) {
        for (n, to) in [(50, &["ok50"][..]), (51, &["later51"]), (52, &["ok52", "never52"]), (53, &["later53", "ok53"])]
        {
            self.submit("outbound", n, to, false);
        }
        self.submit("outbound", 54, &["ok54", "ok55", "later56", "never57", "ok58"], true);
        self.submit("other", 42, &["ok42"], false);
    }

    /// A spool in which there was something before.
    fn load_for_server(&mut self) {
        self.submit("outbound", 50, &["ok50"], false);
        self.submit("other", 42, &["ok42"], false);
    }

    /// Mail of another user, where we may act for one; and a message of ours.
    fn load_drop(&mut self) {
        self.submit("outbound", 50, &["ok50"], false);
        self.submit("other", 42, &["ok42"], false);
        let (spool, root) = (self.site.path("spool"), nix::unistd::geteuid().is_root());
        let drop = spool.join("drop");
        std::fs::create_dir_all(&drop).expect("a folder");
        for (path, mode) in [(&spool, 0o711), (&drop, 0o3733)] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
        }
        for (n, user) in [(51, "ok51"), (52, "never52"), (53, "later53")] {
            let (path, text) = (drop.join(format!("outbound.{n}")), message(n));
            let fields = format!("\"sender\":{SENDER:?},\"recipient\":\"{user}@c.example\",\"submitted\":1,\"uid\":0");
            let file = format!("{{\"size\":{:>20},\"v\":1,\"id\":\"a1\",{fields}}}\n\n{text}", text.len());
            std::fs::write(&path, file).expect("written");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("a mode");
            if root {
                chown(&path, Some(MARA), Some(0)).expect("chown");
            }
            self.open.insert(format!("{user}@c.example"));
        }
    }
}
