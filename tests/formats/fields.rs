//! Recipients with fields: the entry goes its way like any other, and the fields are shown.

use crate::support::Site;
use serde_json::json;

/// Gives the recipient `address` of the entry in `site` these fields, as a program of format 2 writes them.
fn give(site: &Site, address: &str, fields: &str) {
    let path = site.tree().into_iter().find(|line| line.contains("/ready/")).expect("an entry");
    let path = path.split(' ').next().expect("a path").to_owned();
    let text = std::fs::read_to_string(&path).expect("text").replacen(r#""v":1,"#, r#""v":2,"#, 1);
    let with = format!("{{\"address\":\"{address}\",\"fields\":{fields}}}");
    std::fs::write(&path, text.replacen(&format!("\"{address}\""), &with, 1)).expect("written");
}

#[test]
fn fields_are_shown_and_the_entry_goes_its_way() {
    for recipients in [&["mara@x.org"][..], &["mara@x.org", "b@x.org"]] {
        let site = Site::new("ok", "");
        let id = site.submit(1, recipients);
        give(&site, "mara@x.org", r#"{"name":"Mara \u001b[31m","of":[1,null]}"#);
        let page = site.ok(&["show", &id]);
        assert!(page.contains("recipient  mara@x.org: open\n"), "{page}");
        assert!(page.contains("           of: [1,null]\n") && !page.contains('\u{1b}'), "{page}");
        let shown: serde_json::Value = serde_json::from_str(&site.ok(&["show", &id, "--json"])).expect("JSON");
        assert_eq!(shown["recipients"][0]["fields"], json!({"name": "Mara \u{1b}[31m", "of": [1, null]}));
        assert_eq!(shown["recipients"][1].get("fields"), None);
        site.assert_clean();
        assert_eq!(site.list()[0]["recipients"], json!(recipients));
        site.ok(&["hold", &id]);
        site.ok(&["release", &id]);
        site.ok(&["run"]);
        assert_eq!(site.deliveries().len(), recipients.len());
    }
}
