//! `config show`: every value that is in force, and where it came from.

use serde_json::json;

use super::heading::{heading, places_json, stranded};
use crate::config::Site;
use crate::config::reference::in_force;
use crate::sys::output::Page;

/// The file that would say all this, with comments that say where it came from.
pub(super) fn text(site: &Site) -> Page {
    let mut page = heading(site, "# ");
    page.line(format!("# sendmail: {}", site.sendmail_why));
    for (queue, why) in stranded(site) {
        page.line(format!("# no way out: {queue}: {why}"));
    }
    for (table, keys) in in_force(&site.config) {
        page.line("");
        page.line(format!("[{table}]"));
        for (key, value) in keys {
            let line = format!("{key} = {value}");
            page.line(format!("{line:<39} # {}", origin(site, &format!("{table}.{key}"))));
        }
    }
    page
}

/// The same as JSON: every value by its key, with where it came from.
pub(super) fn json(site: &Site) -> Page {
    let (spool, file) = places_json(site);
    let mut values = serde_json::Map::new();
    for (table, keys) in in_force(&site.config) {
        for (key, value) in keys {
            let key = format!("{table}.{key}");
            let from = origin(site, &key);
            values.insert(key, json!({ "value": value, "from": from }));
        }
    }
    let sendmail = &site.sendmail_why;
    let stranded: serde_json::Map<_, _> = stranded(site).map(|(queue, why)| (queue.clone(), json!(why))).collect();
    Page::pretty(
        &json!({ "spool": spool, "file": file, "sendmail": sendmail, "no_way_out": stranded, "values": values }),
    )
}

/// Where `key` was set: `/etc/bulkmailer.toml:3`, or `default`.
fn origin(site: &Site, key: &str) -> String {
    match (&site.file, site.origins.line(key)) {
        (Some(file), Some(line)) => format!("{}:{line}", file.display()),
        (Some(_) | None, _) => "default".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::site;
    use super::*;
    use crate::config::{Config, load};

    #[test]
    fn what_is_shown_reads_back_as_the_same_configuration() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let text = "[online]\ncheck = [\"nm-online\", \"-q\"]\n[queue.news]\nlinger = \"1h30m\"\nrate = \"90/hour\"\nburst = 7\n\
                    [transport.x]\nkind = \"pipe\"\nrate = \"2000/min\"\nsessions = 3\n\
                    command = [\"/x\", 'a \"b\" \\ ', \"{recipients}\"]\n";
        let site = site(temp.path(), Some(text));
        let page = super::text(&site);
        let shown = page.as_str();
        let read = load::parse(shown, Path::new("shown"), Config::embedded(None, "/elsewhere".into()), &|| None);
        let (config, _) = read.unwrap_or_else(|error| panic!("{error}\n{shown}"));
        assert_eq!(config, site.config, "{shown}");
        let from = format!("linger = \"90m\"                          # {}:4\n", temp.path().join("etc").display());
        assert!(shown.contains(&from), "{shown}");
        assert!(shown.contains("message = \"64M\"                         # default\n"), "{shown}");
    }

    #[test]
    fn the_json_has_every_value_with_its_origin() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let site = site(temp.path(), Some("[limits]\nrecipients = 7\n"));
        let shown: serde_json::Value = serde_json::from_str(json(&site).as_str()).expect("JSON");
        assert_eq!(shown["values"]["limits.recipients"]["value"], 7);
        assert!(shown["values"]["limits.recipients"]["from"].as_str().is_some_and(|from| from.ends_with("etc:2")));
        assert_eq!(shown["values"]["queue.outbound.retry.first"], json!({ "value": "5m", "from": "default" }));
        assert!(shown["spool"]["path"].as_str().is_some_and(|path| path.ends_with("/s")));
    }
}
