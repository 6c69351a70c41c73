//! The examples of contrib/merge are what they say.

use std::path::Path;

use serde_json::Value;

use crate::support::Site;

fn checked(site: &Site, template: &Path, data: &Path) -> Value {
    let (template, data) = (template.display().to_string(), data.display().to_string());
    let args = ["merge", "--check", "--json", "-f", "news@example.org", "--template", &template, "--data", &data];
    serde_json::from_str(&site.ok(&args)).expect("JSON")
}

#[test]
fn every_row_of_the_examples_can_be_sent() {
    let site = Site::new("ok", "");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/merge");
    let report = checked(&site, &folder.join("newsletter"), &folder.join("readers.csv"));
    assert_eq!((&report["send"], &report["warnings"]), (&3.into(), &Value::Array(Vec::new())), "{report}");
    // The files of the invoices lie where root put them.
    let template = site.path("invoices");
    std::fs::create_dir(&template).expect("a folder");
    for name in ["merge.toml", "headers", "text"] {
        let text = std::fs::read_to_string(folder.join("invoices").join(name)).expect("text");
        let files = folder.join("files").display().to_string();
        std::fs::write(template.join(name), text.replace("/srv/invoices", &files)).expect("written");
    }
    let report = checked(&site, &template, &folder.join("customers.jsonl"));
    assert_eq!((&report["send"], &report["warnings"]), (&2.into(), &Value::Array(Vec::new())), "{report}");
}
