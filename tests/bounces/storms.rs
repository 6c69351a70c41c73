//! Many failures, few notices: what is more than an hour may have becomes one summary.

use super::notices::{SENDER, notices, sendmail, site};
use crate::support::Site;

/// An hour passes, as the files of storms have it.
pub fn an_hour_passes(site: &Site) {
    for file in std::fs::read_dir(site.path("spool/outbound/storm")).expect("a folder").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("text");
        assert!(text.contains("\"since\":17"), "{text}");
        std::fs::write(file.path(), text.replacen("\"since\":17", "\"since\":16", 1)).expect("written");
    }
}

#[test]
fn a_storm_becomes_a_summary() {
    let site = site("workers = 4\n[notices]\nper_hour = 2");
    for n in 0..5 {
        sendmail(&site, SENDER, &[], &[&format!("b67@host{n}.org")]);
    }
    sendmail(&site, "t75@example.org", &[], &["b67@host9.org"]);
    site.ok(&["run"]);
    let count = |whom: &str| notices(&site).iter().filter(|(to, _)| to == whom).count();
    assert_eq!((count(SENDER), count("t75@example.org"), site.ids("failed").len()), (2, 1, 6));
    site.ok(&["run"]);
    assert_eq!(count(SENDER), 2, "the hour is not over");
    an_hour_passes(&site);
    site.ok(&["run"]);
    let summary: Vec<String> =
        notices(&site).into_iter().filter(|(_, text)| text.contains("held back")).map(|(_, text)| text).collect();
    assert_eq!((summary.len(), count(SENDER), count("t75@example.org")), (1, 3, 1), "{summary:?}");
    assert!(summary[0].contains("that 3 of them were held back") && summary[0].matches("b67@host").count() == 3);
    assert_eq!(std::fs::read_dir(site.path("spool/outbound/storm")).expect("a folder").count(), 0);
    site.assert_clean();
}
