//! Which spool and which file are found, and what is not taken.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::{Config, Environment, Host, Site, Transport};

/// A host and a plain user's home in a temporary folder.
struct World {
    root: tempfile::TempDir,
    env: Environment,
}

impl World {
    fn new() -> World {
        let root = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| root.path().join(name);
        let host = Host {
            file: at("etc.toml"),
            spool: at("var-spool"),
            maildir: at("var-lib/Maildir"),
            sendmails: vec![at("sendmail"), at("lib-sendmail")],
            own: at("bulkmailer"),
        };
        let home = Some(at("home"));
        std::fs::create_dir_all(at("home/.config")).expect("a home");
        let (spool, config, xdg_config, xdg_state) = (None, None, None, None);
        World { env: Environment { uid: 1000, home, spool, config, xdg_config, xdg_state, host }, root }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        std::fs::write(self.at(name), text).expect("written");
        std::fs::set_permissions(self.at(name), PermissionsExt::from_mode(mode)).expect("its mode is set");
    }

    fn site(&self) -> Site {
        Site::resolve_in(&self.env, None, None).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(&self) -> String {
        Site::resolve_in(&self.env, None, None).expect_err("it is refused").to_string()
    }
}

#[test]
fn a_plain_user_has_a_place_of_his_own() {
    let world = World::new();
    let site = world.site();
    assert_eq!(site.spool, world.at("home/.local/state/bulkmailer/spool"));
    let maildir = world.at("home/.local/state/bulkmailer/Maildir");
    assert_eq!(site.config.transports["maildir"], Transport::Maildir { path: maildir });
    assert_eq!((site.file, site.config.queues["outbound"].transport.as_str()), (None, "maildir"));
    assert!(site.spool_why.starts_with("your own, because there is no"), "{}", site.spool_why);
}

#[test]
fn the_hosts_spool_is_used_where_the_host_has_bulkmailer_and_the_hosts_file_where_there_is_no_own() {
    let mut world = World::new();
    std::fs::create_dir(world.at("var-spool")).expect("a spool");
    world.write("etc.toml", "[queue.outbound]\nworkers = 3\n", 0o644);
    let site = world.site();
    assert_eq!((site.spool, site.config.queues["outbound"].workers), (world.at("var-spool"), Some(3)));
    assert_eq!(site.config.transports["maildir"], Transport::Maildir { path: world.at("var-lib/Maildir") });
    world.write("home/.config/bulkmailer.toml", "[queue.outbound]\nworkers = 2\n", 0o644);
    let site = world.site();
    assert_eq!(site.spool, world.at("home/.local/state/bulkmailer/spool"));
    assert_eq!(site.config.queues["outbound"].workers, Some(2));
    world.env.xdg_state = Some(world.at("state"));
    world.env.xdg_config = Some(world.at("nowhere"));
    world.env.host.spool = world.at("no-spool");
    // The host's file alone makes it a host that has bulkmailer.
    let site = world.site();
    assert_eq!((site.spool.clone(), site.spool_is_own), (world.at("no-spool"), false));
    assert_eq!(site.own_spool, Some(world.at("state/bulkmailer/spool")));
    assert_eq!(site.spool_why, format!("the host's, because there is {}", world.at("etc.toml").display()));
    world.env.host.file = world.at("no-etc.toml");
    let site = world.site();
    assert_eq!((site.spool, site.spool_is_own), (world.at("state/bulkmailer/spool"), true));
    // So does a link that leads nowhere.
    std::os::unix::fs::symlink(world.at("nowhere"), world.at("no-spool")).expect("a link");
    assert_eq!(world.site().spool, world.at("no-spool"));
}

#[test]
fn a_flag_counts_more_than_a_variable_and_both_more_than_the_rule() {
    let mut world = World::new();
    for (name, workers) in [("one.toml", 1), ("two.toml", 2)] {
        world.write(name, &format!("[queue.outbound]\nworkers = {workers}\n"), 0o644);
    }
    world.env.spool = Some("/by/variable".into());
    world.env.config = Some(world.at("one.toml"));
    let site = world.site();
    assert_eq!((site.spool, site.config.queues["outbound"].workers), ("/by/variable".into(), Some(1)));
    let site = Site::resolve_in(&world.env, Some(Path::new("/by/flag")), Some(&world.at("two.toml")));
    let site = site.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((site.spool, site.config.queues["outbound"].workers), ("/by/flag".into(), Some(2)));
    assert_eq!((site.spool_why.as_str(), site.file_why.as_str()), ("named by --spool", "named by --config"));
    world.env.config = Some(world.at("missing.toml"));
    assert!(world.refused().contains("missing.toml: cannot read"), "{}", world.refused());
    world.env.config = Some("/dev/null".into());
    assert_eq!(world.site().config, Config::embedded(None, world.at("home/.local/state/bulkmailer/Maildir")));
}

#[test]
fn root_takes_the_hosts_places_and_no_file_that_others_can_change() {
    let mut world = World::new();
    world.env.uid = 0;
    world.write("home/.config/bulkmailer.toml", "[queue.outbound]\nworkers = 2\n", 0o644);
    let site = world.site();
    assert_eq!((site.spool, site.file), (world.at("var-spool"), None));
    let is_root = nix::unistd::geteuid().is_root();
    let folder = world.root.path().canonicalize().expect("it is there");
    // All of it is the user's who runs this.
    let (file, folder) = (folder.join("etc.toml").display().to_string(), folder.display().to_string());
    world.write("etc.toml", "[queue.outbound]\nworkers = 3\n", 0o644);
    if is_root {
        assert_eq!(world.site().config.queues["outbound"].workers, Some(3));
    } else {
        assert!(world.refused().contains(&format!("{folder} belongs to ")), "{}", world.refused());
    }
    for mode in [0o666, 0o620] {
        world.write("etc.toml", "", mode);
        let why = if is_root { format!("'chmod go-w {file}'") } else { format!("{folder} belongs to ") };
        assert!(world.refused().contains(&why), "{}", world.refused());
    }
    world.write("etc.toml", "", 0o644);
    std::fs::set_permissions(world.root.path(), PermissionsExt::from_mode(0o775)).expect("its mode is set");
    let why = if is_root { format!("'chmod go-w {folder}'") } else { format!("{folder} belongs to ") };
    assert!(world.refused().contains(&why), "{}", world.refused());
    world.env.config = Some(world.at("etc.toml"));
    assert!(world.refused().contains(&why), "a file that is named: {}", world.refused());
    // No file, no fault: nobody's commands are taken.
    std::fs::remove_file(world.at("etc.toml")).expect("removed");
    world.env.config = None;
    assert_eq!(world.site().file, None);
    world.env.config = Some("/dev/null".into());
    assert_eq!(world.site().file, Some("/dev/null".into()));
}

#[test]
fn a_file_that_is_none_is_refused() {
    let world = World::new();
    std::fs::create_dir(world.at("etc.toml")).expect("a folder");
    assert!(world.refused().contains("this is no file"), "{}", world.refused());
    std::fs::remove_dir(world.at("etc.toml")).expect("removed");
    std::fs::write(world.at("etc.toml"), b"# \xff\n").expect("written");
    assert!(world.refused().contains("UTF-8"), "{}", world.refused());
    std::fs::write(world.at("etc.toml"), vec![b'\n'; (1 << 20) + 1]).expect("written");
    assert!(world.refused().contains("1 MiB"), "{}", world.refused());
}

#[test]
fn the_sendmail_command_is_found_unless_it_is_this_program() {
    let world = World::new();
    world.write("lib-sendmail", "#!/bin/sh\n", 0o755);
    let site = world.site();
    assert_eq!(site.config.queues["outbound"].transport, "sendmail");
    let Transport::Pipe { command, .. } = &site.config.transports["sendmail"] else { panic!("it is a pipe") };
    assert_eq!(command[0], world.at("lib-sendmail").to_string_lossy());
    world.write("sendmail", "no program", 0o644);
    assert_eq!(world.site().config, site.config, "a file that is no program is passed over");
    std::fs::remove_file(world.at("lib-sendmail")).expect("removed");
    let broken = |site: &Site| {
        assert!(site.sendmail_why.ends_with("cannot be run"), "{}", site.sendmail_why);
        assert_eq!(site.config.queues["outbound"].transport, "sendmail", "mail waits until it can be run");
    };
    broken(&world.site());
    std::fs::remove_file(world.at("sendmail")).expect("removed");
    std::os::unix::fs::symlink(world.at("nowhere"), world.at("sendmail")).expect("linked");
    broken(&world.site());
    std::fs::remove_file(world.at("sendmail")).expect("removed");
    world.write("bulkmailer", "the program", 0o755);
    std::os::unix::fs::symlink(world.at("bulkmailer"), world.at("sendmail")).expect("linked");
    let site = world.site();
    assert!(site.sendmail_why.ends_with("is bulkmailer itself"), "{}", site.sendmail_why);
    let ourselves = Transport::Ourselves { program: world.at("sendmail") };
    assert_eq!(site.config.transports[&site.config.queues["outbound"].transport], ourselves);
    assert!(site.config.no_way_out("outbound").is_some_and(|why| why.contains("[transport.sendmail]")));
    for queue in ["inbound", "bounce", "nowhere"] {
        assert_eq!(site.config.no_way_out(queue), None, "{queue}");
    }
    let link = world.at("sendmail");
    let text = format!("\n[transport.x]\nkind = \"pipe\"\ncommand = [{link:?}, \"{{recipients}}\"]\n");
    world.write("etc.toml", &text, 0o644);
    let said = world.refused();
    assert!(said.contains("etc.toml:4: transport.x.command: ") && said.contains("bulkmailer itself"), "{said}");
}
