//! What the tests of `show` and `check` share: a site with nothing found.

use std::path::Path;

use crate::config::{Environment, Host, Site};

/// A site with nothing found, in `root`.
pub fn site(root: &Path, file: Option<&str>) -> Site {
    let at = |name: &str| root.join(name);
    let host = Host { file: at("etc"), spool: at("s"), maildir: at("m"), sendmails: vec![], own: at("own") };
    let (spool, config, xdg_config, xdg_state) = (None, None, None, None);
    let home = Some(root.to_owned());
    let env = Environment { uid: 1000, home, spool, config, xdg_config, xdg_state, host };
    if let Some(text) = file {
        std::fs::write(at("etc"), text).expect("written");
        // With the host's file the spool is the host's.
        for (folder, mode) in [(at("s"), 0o711), (at("s/drop"), 0o3733)] {
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("a mode");
        }
    }
    Site::resolve_in(&env, None, None).unwrap_or_else(|error| panic!("{error}"))
}
