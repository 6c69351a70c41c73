//! Recipients with fields: the entry goes its way like any other, and the fields are shown.

use crate::support::{Site, drop};
use serde_json::json;

/// Gives the recipient `address` of the entry in `site` these fields, as a program of format 2 writes them.
pub fn give(site: &Site, address: &str, fields: &str) {
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

/// A stranger's file of 26 MB with fields is refused by its first line, in the memory of a small one.
#[test]
fn fields_in_drop_take_no_memory() {
    let site = drop::own("");
    let object = format!(r#"{{"address":"a@x.org","fields":{{"a":[{}1]}}}}"#, "[],".repeat(19_000));
    let lines = format!("{object}\n").repeat(450);
    for (v, why) in [(2, "its recipients have fields, which only a job can use"), (1, "a recipient line: ")] {
        let envelope = "\"sender\":\"s@x.org\",\"recipients\":450,\"submitted\":1,\"uid\":0";
        let head = format!("{{\"size\":{:>20},\"v\":{v},\"id\":\"a1\",{envelope}}}\n", 3);
        let path = drop::put(&site, "outbound.1k1frf610s9p0qjecyse5", &format!("{head}{lines}\nx\ny"));
        let mut shell = std::process::Command::new("sh");
        let command = site.command(&["check", "--json"]);
        shell.args(["-c", "ulimit -v 200000; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
        let output = shell.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.stderr.is_empty() && said.contains(why), "{v}: {output:?}");
        site.ok(&["run", "--quiet"]);
        assert!(path.exists() && drop::arrived(&site).is_empty());
        std::fs::remove_file(path).expect("removed");
    }
}
