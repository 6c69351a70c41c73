//! The configuration: one that is taken is valid, and one that is not says why.
#![no_main]

use std::path::{Path, PathBuf};

use bulkmailer::config::{Config, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let embedded = Config::embedded(Some(Path::new("/usr/sbin/sendmail")), PathBuf::from("/var/spool/maildir"));
    match load::parse(text, Path::new("/etc/bulkmailer.toml"), embedded, &|| Some(PathBuf::from("/home/u"))) {
        Ok((config, _)) => {
            for queue in config.queues.values() {
                assert!(config.transports.contains_key(&queue.transport));
                assert!(queue.retry.first <= queue.retry.max && queue.max_recipients > 0);
            }
            assert!(config.limits.header <= config.limits.message && config.limits.recipients > 0);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
