//! What the choice of a spool and a file depends on: the user, his environment, and the host's own places.

use std::path::PathBuf;

use nix::unistd::Uid;

use super::error::ConfigError;
use crate::sys::nss;

/// What the choice depends on. Tests make their own.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The effective user.
    pub uid: u32,
    /// `HOME`; where it is missing, the user's entry in the password database counts.
    pub home: Option<PathBuf>,
    pub spool: Option<PathBuf>,
    pub config: Option<PathBuf>,
    pub xdg_config: Option<PathBuf>,
    pub xdg_state: Option<PathBuf>,
    pub host: Host,
}

/// The host's own places.
#[derive(Clone, Debug)]
pub struct Host {
    pub file: PathBuf,
    pub spool: PathBuf,
    pub maildir: PathBuf,
    /// Where a sendmail command may be, the likeliest first.
    pub sendmails: Vec<PathBuf>,
    /// This program.
    pub own: PathBuf,
}

impl Default for Host {
    fn default() -> Host {
        Host {
            file: "/etc/bulkmailer.toml".into(),
            spool: "/var/spool/bulkmailer".into(),
            maildir: "/var/lib/bulkmailer/Maildir".into(),
            sendmails: vec!["/usr/sbin/sendmail".into(), "/usr/lib/sendmail".into()],
            own: "/proc/self/exe".into(),
        }
    }
}

impl Environment {
    /// This process's.
    pub fn of_process() -> Environment {
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // The XDG base directory specification has relative paths ignored.
        let absolute = |name: &str| path(name).filter(|path| path.is_absolute());
        Environment {
            uid: Uid::effective().as_raw(),
            home: absolute("HOME"),
            spool: path("BULKMAILER_SPOOL"),
            config: path("BULKMAILER_CONFIG"),
            xdg_config: absolute("XDG_CONFIG_HOME"),
            xdg_state: absolute("XDG_STATE_HOME"),
            host: Host::default(),
        }
    }

    pub(super) fn is_root(&self) -> bool {
        self.uid == 0
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.home.clone().or_else(|| nss::home(self.uid))
    }

    /// The plain user's own file, whether it exists or not.
    pub(super) fn own_file(&self) -> Option<PathBuf> {
        let folder = self.xdg_config.clone().or_else(|| Some(self.home()?.join(".config")));
        folder.map(|folder| folder.join("bulkmailer.toml"))
    }

    /// Where the plain user's own spool and Maildir lie.
    pub(super) fn own_state(&self) -> Result<PathBuf, ConfigError> {
        let folder = self.xdg_state.clone().or_else(|| Some(self.home()?.join(".local/state")));
        let missing =
            || ConfigError::whole(None, "no home directory is known: set HOME, or name a spool with --spool".into());
        folder.map(|folder| folder.join("bulkmailer")).ok_or_else(missing)
    }

    /// The plain user's own spool, whether it exists or not.
    pub(super) fn own_spool(&self) -> Option<PathBuf> {
        self.own_state().ok().filter(|_| !self.is_root()).map(|state| state.join("spool"))
    }
}
