//! Messages are shown, or one is sent, as recipients would get them.

use std::os::unix::fs::PermissionsExt;

use crate::support::Site;
use crate::template::{data, merge, refused, site};

const ROWS: &str = "email,name\na@x.org,Anna\nb@x.org,Bernadette the Longest\nno address,C\nd@X.org,\n";

fn printed(site: &Site, rows: &str, more: &[&str]) -> String {
    let output = merge(site, rows, more);
    assert!(output.status.success() && output.stderr.is_empty(), "{more:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_row_is_shown_by_its_number_and_by_its_address() {
    let site = site("");
    let rows = data(&site, "x.csv", ROWS);
    let second = printed(&site, &rows, &["--preview", "2"]);
    assert!(second.starts_with("From: Shop <shop@example.org>\nTo: Bernadette the Longest <b@x.org>\n"), "{second}");
    assert!(second.contains("Dear Bernadette the Longest,") && second.contains("Message-ID: <"));
    assert!(printed(&site, &rows, &["--preview", "d@x.org"]).contains("\nTo: d@X.org\n"));
    for (choice, why) in
        [("9", "no such row: 9"), ("z@x.org", "no such row: z@x.org"), ("3", "row 3: email: bad address")]
    {
        let (said, status) = refused(&merge(&site, &rows, &["--preview", choice]));
        assert!(status == 65 && said.contains(why), "{said}");
    }
    assert!(site.list().is_empty());
}

#[test]
fn the_worst_are_shown_each_with_a_reason() {
    let site = site("");
    let rows = data(&site, "x.csv", ROWS);
    let shown = printed(&site, &rows, &["--preview", "worst"]);
    let headings: Vec<&str> = shown.lines().filter(|line| line.starts_with("=== ")).collect();
    assert_eq!(headings.len(), 3, "{shown}");
    assert!(headings[0].starts_with("=== row 2: the largest message") && headings[0].contains("longest value of name"));
    assert!(headings[1].starts_with("=== row 4: 1 empty values"), "{headings:?}");
    let out = site.path("out").display().to_string();
    let told = printed(&site, &rows, &["--preview", "worst", "--out", &out]);
    assert_eq!(told.lines().count(), 3, "{told}");
    let file = site.path("out/row-2.eml");
    assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&file).expect("text").contains("Bernadette"));
    let (said, status) = refused(&merge(&site, &rows, &["--preview", "2", "--out", &out]));
    assert!(status == 73 && said.contains("row-2.eml"), "{said}");
}

#[test]
fn the_html_is_a_page_with_its_pictures() {
    let site = site("");
    let rows = data(&site, "x.csv", ROWS);
    let page = site.path("page.html").display().to_string();
    assert_eq!(printed(&site, &rows, &["--html-preview", &page]), "");
    let html = std::fs::read_to_string(&page).expect("text");
    assert!(html.contains("Dear Anna,") && html.contains("src=\"data:image/png;base64,UE5H\""), "{html}");
    assert_eq!(std::fs::metadata(&page).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(refused(&merge(&site, &rows, &["--html-preview", &page])).1, 73);
    let other = site.path("other.html").display().to_string();
    assert!(printed(&site, &rows, &["--preview", "2", "--html-preview", &other]).contains("Bernadette"));
    assert!(std::fs::read_to_string(&other).expect("text").contains("Bernadette"));
    let bad = site.path("bad.html").display().to_string();
    assert_eq!(refused(&merge(&site, &rows, &["--preview", "3", "--html-preview", &bad])).1, 65);
    assert!(!site.path("bad.html").exists());
}

#[test]
fn a_test_is_one_mail_to_another_address() {
    let site = site("");
    let rows = data(&site, "x.csv", ROWS);
    let id = printed(&site, &rows, &["--send-test", "me@example.net", "--row", "b@x.org"]);
    let listed = site.list();
    assert_eq!((listed.len(), listed[0]["id"].as_str()), (1, Some(id.trim())));
    let message = site.ok(&["show", id.trim(), "--message"]);
    assert!(
        message.contains("To: Bernadette the Longest <me@example.net>") && !message.contains("b@x.org"),
        "{message}"
    );
    assert_eq!(refused(&merge(&site, &rows, &["--send-test", "no address"])).1, 65);
    assert_eq!(site.list().len(), 1);
}
