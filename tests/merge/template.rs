//! A site with a template, and how a merge is called there.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::Site;

/// The template of most tests, whose merge.toml is `settings`.
pub fn site(settings: &str) -> Site {
    let site = Site::new("ok", "");
    write(&site.path("template"), settings);
    site
}

fn write(folder: &Path, settings: &str) {
    std::fs::create_dir(folder).expect("a folder");
    let headers = "From: Shop <shop@example.org>\nTo: {{ name }} <{{ email }}>\nSubject: Hello {{ name }}\n\
                   List-Unsubscribe: <https://example.org/u>\n";
    for (name, text) in [
        ("merge.toml", settings),
        ("headers", headers),
        ("text", "Dear {{ name }},\n\nthis is for you.\n"),
        ("html", "<p>Dear {{ name }},</p>\n<p>this is for you. <img src=\"cid:logo.png\"></p>\n"),
    ] {
        std::fs::write(folder.join(name), text).expect("written");
    }
    std::fs::create_dir(folder.join("inline")).expect("a folder");
    std::fs::write(folder.join("inline/logo.png"), "PNG").expect("written");
}

/// Writes data; how `--data` names it.
pub fn data(site: &Site, name: &str, text: &str) -> String {
    let path = site.path(name);
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

/// Runs `bulkmailer merge` with the site's template.
pub fn merge(site: &Site, data: &str, more: &[&str]) -> Output {
    let template = site.path("template").display().to_string();
    let head = ["merge", "--template", &template, "-f", "shop@example.org", "--data", data];
    site.try_run(&[&head[..], more].concat())
}

/// The report of a check, and its status.
pub fn checked(site: &Site, data: &str, more: &[&str]) -> (Value, i32) {
    let output = merge(site, data, &[&["--check", "--json"], more].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (report, output.status.code().expect("a status"))
}

/// One line on the standard error, and the status.
#[track_caller]
pub fn refused(output: &Output) -> (String, i32) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.lines().count(), 1, "{output:?}");
    (said, output.status.code().expect("a status"))
}
