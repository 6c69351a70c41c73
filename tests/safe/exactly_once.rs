//! Many submitters, runs and flushes at the same time, and nobody crashes: each message once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{self, Site, assert_silent};

#[test]
fn twenty_thousand_with_everybody_at_once() {
    let site = Site::new("ok", "workers = 8");
    let boxes: Vec<_> = (0..4).map(|i| site.mbox(&format!("box{i}"), i * 5_000 + 50..(i + 1) * 5_000)).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (i, mbox) in boxes.iter().enumerate() {
            let site = &site;
            scope.spawn(move || {
                let many = site.start(&["submit", "-q", "--mbox", mbox.to_str().expect("a path")]);
                for n in (i as u32 * 5_000)..(i as u32 * 5_000 + 50) {
                    site.submit(n, &[&format!("r{n}@example.net")]);
                }
                assert_silent(many);
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    site.ok(&["run"]);
                }
            });
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    site.ok(&["flush", "-q"]);
                }
            });
        }
        // The last delivery tells; a lost one would end in the limit of the wait.
        support::wait_until("all were delivered", || lines(&site) >= 20_000);
        done.store(true, Ordering::Relaxed);
    });
    site.ok(&["run"]);
    site.assert_each_once(0..20_000);
    assert!(site.list().is_empty());
    site.assert_clean();
}

fn lines(site: &Site) -> usize {
    std::fs::read(site.path("log")).unwrap_or_default().iter().filter(|&&b| b == b'\n').count()
}
