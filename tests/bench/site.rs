//! A spool to measure in, and the mail that goes into it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::Program;
use super::tools::Tools;

/// Bytes of a message with its header.
pub const BYTES: usize = 4_096;

/// A spool with its configuration, and the program that works there.
pub struct Site<'d> {
    dir: &'d Path,
    program: &'d Program,
}

impl Site<'_> {
    /// Mail goes through `command`; `queue` are more lines of the queue's table.
    pub fn new<'d>(program: &'d Program, dir: &'d Path, command: &[&str], queue: &str) -> Site<'d> {
        let transport = format!("kind = \"pipe\"\nprofile = \"generic\"\ncommand = {command:?}\n");
        Site::through(program, dir, &transport, queue)
    }

    /// `transport` are the lines of the transport's table.
    pub fn through<'d>(program: &'d Program, dir: &'d Path, transport: &str, queue: &str) -> Site<'d> {
        let text = format!(
            "[limits]\nmin_free = \"0\"\n[queue.outbound]\ntransport = \"t\"\n{queue}\n[transport.t]\n{transport}"
        );
        std::fs::write(dir.join("bulkmailer.toml"), text).expect("a configuration");
        Site { dir, program }
    }

    /// Mail goes to the cheapest sendmail.
    pub fn into_sink<'d>(program: &'d Program, dir: &'d Path, tools: &Tools, queue: &str) -> Site<'d> {
        Site::through(program, dir, &to_sink(tools), queue)
    }

    pub fn spool(&self) -> PathBuf {
        self.dir.join("spool")
    }

    /// A command that prepares something.
    pub fn command(&self, args: &[&str]) -> Command {
        self.of_here(self.program.command(), args)
    }

    /// A command whose cost counts.
    pub fn measured(&self, args: &[&str]) -> Command {
        self.of_here(self.program.measured(), args)
    }

    fn of_here(&self, mut command: Command, args: &[&str]) -> Command {
        command.arg("--spool").arg(self.spool()).arg("--config").arg(self.dir.join("bulkmailer.toml")).args(args);
        command
    }

    /// The sendmail face, whose options leave no room for a spool's name; its cost counts.
    pub fn sendmail(&self, args: &[&str]) -> Command {
        let mut command = self.program.measured();
        command.env("BULKMAILER_SPOOL", self.spool()).env("BULKMAILER_CONFIG", self.dir.join("bulkmailer.toml"));
        command.arg("sendmail").args(args);
        command
    }

    /// An mbox of `count` messages.
    pub fn mbox(&self, count: u32) -> PathBuf {
        let path = self.dir.join("box");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
        for n in 0..count {
            writeln!(file, "From s@example.org Tue\n{}", message(n)).expect("written");
        }
        file.flush().expect("written");
        path
    }

    /// Queues an mbox, to prepare something.
    pub fn submit(&self, mbox: &Path) -> Command {
        self.command(&["submit", "-q", "--mbox", mbox.to_str().expect("a path")])
    }
}

/// The transport's lines for the cheapest sendmail.
pub fn to_sink(tools: &Tools) -> String {
    let sink = tools.program("sink").display().to_string();
    let command = [&sink, "-oi", "-f", "{sender}", "--", "{recipients}"];
    format!("kind = \"pipe\"\nprofile = \"generic\"\ncommand = {command:?}\n")
}

/// The transport's lines for an SMTP server on a port of the loopback.
pub fn to_smtp(port: u16) -> String {
    format!("kind = \"smtp\"\nconnect = \"tcp:127.0.0.1:{port}\"\n")
}

pub fn message(n: u32) -> String {
    let head = format!(
        "From: s@example.org\nTo: r{n}@example.net\nDate: Tue, 24 Nov 2026 12:00:00 +0000\nMessage-ID: <{n}@x>\n\n"
    );
    let line = "All mail that waits in a queue arrives in the end, and each message once.\n";
    let body = line.repeat(BYTES / line.len() + 1);
    format!("{head}{}\n", &body[..BYTES - head.len() - 1])
}
