//! Which spool and which configuration file this process uses, and why.
//!
//! | | the spool | the file |
//! |---|---|---|
//! | 1 | `--spool` | `--config` |
//! | 2 | `BULKMAILER_SPOOL` | `BULKMAILER_CONFIG` |
//! | 3 | a plain user with a file of his own: his | a plain user: his, if it exists |
//! | 4 | the host's: root always, a plain user on a host that has bulkmailer | the host's, if it exists |
//! | 5 | the plain user's own | none: the embedded configuration |
//!
//! A host has bulkmailer where its file or its spool exists. Whether mail can be handed in there is not asked here:
//! mail that it refuses is seen by its sender, and mail in a spool of his own that nothing runs by nobody.
//!
//! The host's are `/var/spool/bulkmailer` and `/etc/bulkmailer.toml`; a plain user's are
//! `$XDG_STATE_HOME/bulkmailer/spool` and `$XDG_CONFIG_HOME/bulkmailer.toml`.
//!
//! Kept true: root takes no file that another user could change or replace, because its commands would run as root
//! ([`trusted`]). It is resolved at each call of the sendmail face, so it costs a few stats and one read, and starts no
//! program.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::environment::{Environment, Host};
use super::error::ConfigError;
use super::load;
use super::reader::Origins;
use super::sendmail::{self, Sendmail};
use super::settings::Config;
use super::transport::Transport;
use crate::sys::named;
use crate::sys::trusted::{self, OpenError, Untrusted};

/// More than this is no configuration.
const LARGEST_FILE: u64 = 1 << 20;

/// What is in force for this process.
#[derive(Clone, Debug)]
pub struct Site {
    /// Absolute; it need not exist yet.
    pub spool: PathBuf,
    /// It is the host's own place, whoever named it.
    pub spool_is_hosts: bool,
    /// The plain user's own spool, also where another is in use.
    pub own_spool: Option<PathBuf>,
    /// His own spool is in use, and nobody named it.
    pub spool_is_own: bool,
    /// Why this spool, in words that follow its path: "the host's, because you are root".
    pub spool_why: String,
    pub file: Option<PathBuf>,
    /// Why this file or none.
    pub file_why: String,
    pub config: Config,
    /// Which line of `file` set what.
    pub origins: Origins,
    /// What was found of a sendmail command for the embedded configuration.
    pub sendmail_why: String,
}

impl Site {
    /// Finds spool and file for this process, and reads the file.
    ///
    /// Errors: a named file that cannot be read or may be changed by others, whatever [`load::parse`] finds, a command
    /// that leads back to this program, a plain user without a home.
    pub fn resolve(spool: Option<&Path>, config: Option<&Path>) -> Result<Site, ConfigError> {
        Site::resolve_in(&Environment::of_process(), spool, config)
    }

    /// The same in a given environment.
    pub fn resolve_in(env: &Environment, spool: Option<&Path>, config: Option<&Path>) -> Result<Site, ConfigError> {
        let own_file = if env.is_root() { None } else { env.own_file() };
        let own_file = own_file.filter(|file| file.symlink_metadata().is_ok());
        let Chosen { path: spool, why: spool_why, is_own: spool_is_own } =
            choose_spool(env, spool, own_file.as_deref())?;
        let (text, file, file_why) = choose_file(env, config, own_file)?;
        let maildir = if env.is_root() || spool == env.host.spool {
            env.host.maildir.clone()
        } else {
            env.own_state().map_or_else(|_| spool.with_file_name("Maildir"), |state| state.join("Maildir"))
        };
        let own = env.host.own.metadata().ok();
        let (found, sendmail_why) = sendmail::find(&env.host.sendmails, own.as_ref());
        let embedded = match found {
            Sendmail::Program(program) => Config::embedded(Some(program), maildir),
            Sendmail::Ourselves(program) => Config::embedded(None, maildir).without_way_out(program),
            Sendmail::None => Config::embedded(None, maildir),
        };
        let (config, origins) = match &file {
            Some(file) => {
                let (config, origins) = load::parse(&text, file, embedded, &|| env.home())?;
                sendmail::refuse_ourselves(&config, &origins, file, own.as_ref())?;
                (config, origins)
            }
            None => (embedded, Origins::default()),
        };
        let spool_is_hosts = spool == env.host.spool;
        Ok(Site {
            spool,
            spool_is_hosts,
            own_spool: env.own_spool(),
            spool_is_own,
            spool_why,
            file,
            file_why,
            config,
            origins,
            sendmail_why,
        })
    }

    /// The host's Maildir, if the host's spool is in use and a queue ends there.
    pub fn hosts_maildir(&self) -> Option<&Path> {
        let used = self.config.queues.values().filter_map(|queue| self.config.transports.get(&queue.transport));
        let hosts = Host::default().maildir;
        used.filter(|_| self.spool_is_hosts).find_map(|transport| match transport {
            Transport::Maildir { path } => (*path == hosts).then_some(path.as_path()),
            Transport::Pipe { .. } | Transport::Command { .. } | Transport::Smtp(_) | Transport::Ourselves { .. } => {
                None
            }
        })
    }

    /// The same spool with the embedded configuration, for what must be possible whatever stands in a file: a run that
    /// began before the file was spoilt can be stopped.
    ///
    /// Errors: a plain user without a home.
    pub fn without_file(spool: Option<&Path>) -> Result<Site, ConfigError> {
        let env = Environment::of_process();
        let own_file = if env.is_root() { None } else { env.own_file() };
        let own_file = own_file.filter(|file| file.symlink_metadata().is_ok());
        let Chosen { path: spool, why: spool_why, is_own: spool_is_own } =
            choose_spool(&env, spool, own_file.as_deref())?;
        let file_why = "none is read".to_owned();
        let config = Config::embedded(None, spool.with_file_name("Maildir"));
        let (origins, sendmail_why) = (Origins::default(), String::new());
        let spool_is_hosts = spool == env.host.spool;
        Ok(Site {
            spool,
            spool_is_hosts,
            own_spool: env.own_spool(),
            spool_is_own,
            spool_why,
            file: None,
            file_why,
            config,
            origins,
            sendmail_why,
        })
    }
}

/// The spool, why, and whether it is the plain user's own by default.
struct Chosen {
    path: PathBuf,
    why: String,
    is_own: bool,
}

fn choose_spool(env: &Environment, flag: Option<&Path>, own_file: Option<&Path>) -> Result<Chosen, ConfigError> {
    let chosen = |path: PathBuf, why: String| Chosen { path, why, is_own: false };
    let host = &env.host.spool;
    if let Some(path) = flag {
        return Ok(chosen(absolute(path, "--spool")?, "named by --spool".to_owned()));
    }
    if let Some(path) = &env.spool {
        return Ok(chosen(absolute(path, "BULKMAILER_SPOOL")?, "named by BULKMAILER_SPOOL".to_owned()));
    }
    if env.is_root() {
        return Ok(chosen(host.clone(), "the host's, because you are root".to_owned()));
    }
    let own = |why: String| Ok(Chosen { path: env.own_state()?.join("spool"), why, is_own: true });
    if let Some(file) = own_file {
        return own(format!("your own, because you have {}", file.display()));
    }
    // What may not be looked at is there.
    let exists = |path: &Path| !path.symlink_metadata().is_err_and(|error| is_missing(&error));
    match [host, &env.host.file].into_iter().find(|path| exists(path)) {
        Some(found) => Ok(chosen(host.clone(), format!("the host's, because there is {}", found.display()))),
        None => own(format!("your own, because there is no {} and no {}", host.display(), env.host.file.display())),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The file's text, the file, and why.
fn choose_file(
    env: &Environment,
    flag: Option<&Path>,
    own_file: Option<PathBuf>,
) -> Result<(String, Option<PathBuf>, String), ConfigError> {
    let named = |path: &Path, by: &str| {
        let path = absolute(path, by)?;
        let text = read(&path, env).map_err(|why| ConfigError::whole(Some(&path), why.to_string()))?;
        Ok((text, Some(path), format!("named by {by}")))
    };
    if let Some(path) = flag {
        return named(path, "--config");
    }
    if let Some(path) = &env.config {
        return named(path, "BULKMAILER_CONFIG");
    }
    if let Some(path) = own_file {
        let text = read(&path, env).map_err(|why| ConfigError::whole(Some(&path), why.to_string()))?;
        return Ok((text, Some(path), "your own".to_owned()));
    }
    let host = &env.host.file;
    match read(host, env) {
        Ok(text) => Ok((text, Some(host.clone()), "the host's".to_owned())),
        Err(Unread::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            Ok((String::new(), None, format!("there is no {}", host.display())))
        }
        Err(Unread::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied && !env.is_root() => {
            Ok((String::new(), None, format!("you may not read {}", host.display())))
        }
        // Others could put a file there, but there is none.
        Err(Unread::Untrusted(_)) if !exists(host) => {
            Ok((String::new(), None, format!("there is no {}", host.display())))
        }
        Err(why) => Err(ConfigError::whole(Some(host), why.to_string())),
    }
}

fn absolute(path: &Path, by: &str) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path).map_err(|error| ConfigError::whole(None, format!("{by} {path:?}: {error}")))
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("cannot read the configuration: {0}")]
    Io(#[from] io::Error),
    #[error("this is no file: name the configuration file itself")]
    NoFile,
    #[error("{0}")]
    Untrusted(Untrusted),
    #[error("a configuration has at most 1 MiB")]
    TooLarge,
    #[error("this is no text: a configuration is UTF-8")]
    NoText,
}

fn read(path: &Path, env: &Environment) -> Result<String, Unread> {
    let opened = if env.is_root() { trusted::open(path, env.uid) } else { named::open(path).map_err(OpenError::Io) };
    let file = opened.map_err(|refusal| match refusal {
        OpenError::Io(error) if error.kind() == io::ErrorKind::InvalidInput => Unread::NoFile,
        OpenError::Io(error) => Unread::Io(error),
        OpenError::Untrusted(found) => Unread::Untrusted(found),
    })?;
    read_text(&file)
}

fn read_text(file: &File) -> Result<String, Unread> {
    // Most are read by one call.
    let mut bytes = Vec::with_capacity(4 << 10);
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Unread::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| Unread::NoText)
}

/// Whether something has this name, be it a symbolic link that leads nowhere.
fn exists(path: &Path) -> bool {
    !path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests;
