//! `sendmail -bs` by clients that are not ours, as inetd and systemd start it.

use super::smtp_in::{SERVE, limited};
use crate::support::{self, Site, wait_until};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// What the client of tests/support/client.py has handed in is there, and nothing else, and all of it is delivered once.
fn assert_all_of_the_clients(site: &Site) {
    site.ok(&["run"]);
    let mut expected: Vec<(u32, String)> = (0..300).map(|n| (2, format!("r2.{n}@example.net"))).collect();
    expected.extend([1, 3, 4, 6, 7].map(|n| (n, format!("r{n}@example.net"))));
    expected.extend([(5, "zo\u{eb}@example.net".to_owned()), (6, "r6.never@example.net".to_owned())]);
    let mut found: Vec<_> = site.deliveries().into_iter().collect();
    assert!(found.iter().all(|(_, times)| *times == 1), "{found:?}");
    found.sort();
    expected.sort();
    assert_eq!(found.into_iter().map(|(whom, _)| whom).collect::<Vec<_>>(), expected);
    assert!(site.list().is_empty());
    site.assert_clean();
}

/// Runs that client; `None` where there is no Python.
fn client(args: &[&str]) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/client.py");
    let output = Command::new("python3").arg("-B").arg(script).args(args).output();
    if output.is_err() {
        eprintln!("skipped: python3 is not installed");
    }
    output.ok()
}

/// As inetd does it: a process for each connection, the socket is its standard input, output and error.
#[test]
fn another_ones_client_over_tcp() {
    let site = limited();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let (site, listener, done) = (&site, &listener, &AtomicBool::new(false));
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            for socket in listener.incoming().map(|socket| socket.expect("a client")) {
                if done.load(Ordering::SeqCst) {
                    return;
                }
                scope.spawn(move || {
                    let side = || Stdio::from(OwnedFd::from(socket.try_clone().expect("a descriptor")));
                    let mut command = site.command(&SERVE);
                    let status = command.stdin(side()).stdout(side()).stderr(side()).status();
                    assert!(status.expect("the program starts").success());
                });
            }
        });
        let output = client(&["127.0.0.1", &port]);
        // One more connection ends the loop.
        done.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(listener.local_addr().expect("an address"));
        output
    });
    let Some(output) = output else { return };
    assert!(output.status.success(), "{output:?}");
    assert_all_of_the_clients(site);
}

/// As the units in contrib do it.
#[test]
fn another_ones_client_behind_socket_activation() {
    let site = limited();
    let socket = site.path("smtp");
    let mut activate = Command::new("systemd-socket-activate");
    activate.arg("--inetd").arg("--accept").arg("-l").arg(&socket).arg(env!("CARGO_BIN_EXE_bulkmailer"));
    activate.arg("--spool").arg(site.path("spool")).arg("--config").arg(site.path("bulkmailer.toml")).args(SERVE);
    let Ok(mut activate) = activate.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        eprintln!("skipped: systemd-socket-activate is not installed");
        return;
    };
    wait_until("it listens", || socket.exists());
    let output = client(&[socket.to_str().expect("a path")]);
    let pid = activate.id();
    wait_until("the sessions have ended", || support::children(pid).is_empty());
    activate.kill().expect("it lives");
    activate.wait().expect("it ends");
    let Some(output) = output else { return };
    assert!(output.status.success(), "{output:?}");
    assert_all_of_the_clients(&site);
}
