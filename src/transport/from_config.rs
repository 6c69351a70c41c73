//! From the configuration to the transport that it names.

use super::handover::Transport;
use super::maildir::Maildir;
use super::no_way_out::NoWayOut;
use super::pipe::Pipe;
use super::profiles;
use super::smtp::Smtp;
use crate::config;

/// Opens the transport that `config` describes, for the `number`-th worker.
pub fn open(config: &config::Transport, number: usize) -> Box<dyn Transport> {
    match config {
        config::Transport::Pipe { command, profile, timeout } => {
            Box::new(Pipe::new(command.clone(), profiles::resolve(*profile, command).0, *timeout))
        }
        config::Transport::Command { command, timeout } => Box::new(Pipe::with_environment(command.clone(), *timeout)),
        config::Transport::Maildir { path } => Box::new(Maildir::new(path.clone())),
        config::Transport::Ourselves { program } => Box::new(NoWayOut::new(config::no_way_out(program))),
        config::Transport::Smtp(smtp) => Box::new(Smtp::new((**smtp).clone(), number)),
    }
}
