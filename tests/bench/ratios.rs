//! `make bench`: what the program does, as a ratio to what this machine can do, both measured in turn in one run.
//!
//! A rate on a shared machine changes from hour to hour, so each row is the median of five rounds that alternate ours and
//! the limit. The limits are C programs: limits.c beside this file, or the sources in the folder that `LIMITS` names.
//!
//!     make bench                            # everything
//!     make bench WHAT="drain-disk publish"  # some of: drain-memory drain-disk publish mbox million order empty start
//!                                           # rate smtp-in smtp-sink slow-sink smtp-cpu loaded postfix verp bounces queues
//!                                           # render merge
//!     make bench WHAT=campaign              # a merge of ten million rows, or of ROWS; only where it is named
//!     make bench DISK=/var/spool            # the disk rows lie there, and not where the build does
//!     make bench QUICK=1                    # a tenth of the work, one round: shows that it runs, and no more
//!
//! Or beside the binary of another commit, which is built with the same flags and kept below the target folder: eleven
//! pairs, the ratios of time and of the processors' time, and the system calls of a message (see against.rs). Nothing is
//! asserted: the last line names what is below 0.97.
//!
//!     make bench AGAINST=HEAD~1             # any name that git knows; QUICK=1 and DISK= as above
//!     make bench AGAINST=v1 WHAT="submit"   # some of: start sendmail submit empty mbox drain-memory drain-disk
//!                                           # drain-smtp post smtp-in bounces
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

mod against;
mod bounces;
mod drain;
mod empty;
mod merge;
mod merge_beside;
mod million;
mod order;
mod program;
mod render;
mod rows;
mod site;
mod smtp;
mod start;
mod tasks;
mod tools;

use tools::Tools;

fn main() {
    // The durable publishers are processes of their own, started by the row that measures them.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [flag, dir, count] = args.as_slice()
        && flag == "--publish"
    {
        return rows::publish_some(dir.as_ref(), count.parse().expect("a number"));
    }
    let wanted = std::env::var("WHAT").unwrap_or_default();
    let quick = std::env::var_os("QUICK").is_some_and(|value| !value.is_empty());
    let tools = Tools::build(quick);
    if let Some(other) = std::env::var_os("AGAINST").filter(|path| !path.is_empty()) {
        return against::run(&tools, &wanted, other.as_ref());
    }
    if wanted.split_whitespace().any(|word| word == "campaign") {
        merge::campaign(&tools);
    }
    for (name, row) in rows::ALL {
        if wanted.is_empty() || wanted.split_whitespace().any(|word| word == name) {
            row(&tools);
        }
    }
}
