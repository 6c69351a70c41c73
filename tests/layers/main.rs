//! The house: imports point downward, as the table in src/lib.rs says; storage and delivery never import each other; no file
//! imports one that imports it, also within a folder; none is longer than a reader likes; `unsafe` is in `sys` alone, and
//! no file lets itself off a lint; users and hosts are looked up in one place.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

mod arrows;
mod house;
mod source;
mod walk;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arrows::{Arrows, arrows, circles};
use source::{Source, sources};

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(sources);
static ARROWS: LazyLock<Arrows> = LazyLock::new(|| arrows(&SOURCES));

/// A file of more lines holds two things.
const LINES_MAX: usize = 400;

/// The layer of each module, by the table in src/lib.rs.
fn layers() -> BTreeMap<String, u8> {
    let mut layers = BTreeMap::new();
    let table = SOURCES.iter().find(|source| source.name == "lib.rs").expect("src/lib.rs");
    for row in table.text.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let Ok(number) = cells[0].parse() else { continue };
        layers.extend(cells[1].split('`').skip(1).step_by(2).map(|module| (module.to_owned(), number)));
    }
    layers
}

/// The module of the crate that a file belongs to.
fn module(file: &str) -> &str {
    file.split('/').next().unwrap_or("").trim_end_matches(".rs")
}

#[test]
fn imports_point_downward() {
    let layers = layers();
    let layer = |file| *layers.get(module(file)).unwrap_or_else(|| panic!("src/{file} is in no layer of src/lib.rs"));
    for ((from, to), names) in ARROWS.iter() {
        let (above, below) = (module(from), module(to));
        if above == below || ["main", "lib"].contains(&above) {
            continue;
        }
        // The two of the ground need each other: an instant is a word, its zone and the clock are the system's.
        let ground = layer(from) == 0 && layer(to) == 0;
        assert!(layer(to) < layer(from) || ground, "src/{from} must not import {names:?} of src/{to}");
        let apart =
            ["transport", "worker"].contains(&above) && below == "spool" || above == "spool" && below == "transport";
        assert!(!apart, "src/{from} must not import {names:?} of src/{to}: storage and delivery meet in src/queue.rs");
    }
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let tell = |circle: &Vec<String>| -> String {
        let inside = ARROWS.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        inside.map(|((from, to), names)| format!("src/{from} -> src/{to}: {names:?}\n")).collect()
    };
    let found: Vec<String> = circles(&ARROWS).iter().map(tell).collect();
    assert!(found.is_empty(), "these files import each other in a circle:\n{}", found.join("\n"));
}

#[test]
fn files_are_short() {
    for source in SOURCES.iter() {
        let (lines, name) = (source.text.lines().count(), &source.name);
        assert!(lines <= LINES_MAX, "src/{name} has {lines} lines: which two things does it hold?");
    }
}

#[test]
fn unsafe_is_in_sys_alone() {
    for source in SOURCES.iter().filter(|source| module(&source.name) != "sys") {
        let code = source.code();
        let has = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == "unsafe");
        assert!(!has, "src/{}: unsafe belongs into src/sys", source.name);
    }
}

#[test]
fn no_file_lets_itself_off_a_lint_of_cargo_toml() {
    let own = ["#![allow(unsafe_code)]", "#![cfg_attr(test, allow("];
    for source in SOURCES.iter() {
        let mut lines = source.code();
        if ["sys/mod.rs", "lib.rs"].contains(&source.name.as_str()) {
            own.iter().for_each(|known| lines = lines.replacen(known, "", 1));
        }
        assert_eq!(let_off(&lines), None, "src/{}: the lints of Cargo.toml hold in all of src", source.name);
    }
}

/// The first word in an attribute of `code` that lets it off a lint.
fn let_off(code: &str) -> Option<&'static str> {
    let code = code.replace("#![", "#[");
    code.split("#[").skip(1).find_map(|rest| {
        let inside = rest.split(']').next().unwrap_or_default();
        let mut words = inside.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words.find_map(|word| ["allow", "expect", "warn"].into_iter().find(|off| *off == word))
    })
}

#[test]
fn whatever_lets_off_a_lint_is_seen() {
    for (code, word) in [
        ("#[allow(unused)]", Some("allow")),
        ("#![expect(unused)]", Some("expect")),
        ("fn f() {}\n#[cfg_attr(test, expect(unused))]", Some("expect")),
        ("#[cfg_attr(all(unix, test), warn ( unused ))]", Some("warn")),
        ("#[test] fn f() { g().expect(\"allow\"); warn(1); expect(2) }", None),
    ] {
        assert_eq!(let_off(code), word, "{code}");
    }
}

/// Whatever looks up a user or a host by itself would load the host's modules into a program with the C library in it.
#[test]
fn users_and_hosts_are_looked_up_in_one_place() {
    let look_ups = ["to_socket_addrs", "ToSocketAddrs", "User::from_", "Group::from_", "initgroups", "getgrouplist"];
    for source in SOURCES.iter() {
        let (name, code) = (&source.name, source.code());
        // What is connected to by name is looked up, too; a port beside it is an address of our own.
        let found: Vec<&str> = look_ups.into_iter().filter(|word| code.contains(word)).collect();
        assert!(name.starts_with("sys/nss") || found.is_empty(), "src/{name}: {found:?} belongs into src/sys/nss");
        let by_name = ["TcpStream::connect(", "UdpSocket", "env::home_dir"];
        let found: Vec<&str> = by_name.into_iter().filter(|word| code.contains(word)).collect();
        assert!(found.is_empty(), "src/{name}: {found:?} looks a name up: take sys::nss");
    }
}

#[test]
fn the_check_sees_what_it_looks_for() {
    assert!(SOURCES.len() > 100 && ARROWS.len() > 400 && layers().len() > 10);
    let files = [
        ("a/mod.rs", "mod b; mod c; pub use c::Thing; use self::b::{self as other, run}; fn go() { other::run() }"),
        ("a/b.rs", "use super::Thing; fn run(thing: &Thing) { tell!(\"{}\", crate::d::word(), thing.turn()) }"),
        ("a/c.rs", "pub struct Thing; impl Thing { fn turn(&self) { Self::spin(self) } }"),
        ("a/e.rs", "impl super::Thing { fn spin(&self) { self.turn() } fn take(&self) {} }"),
        ("d.rs", "use crate::a::*; pub fn word() {} #[cfg(test)] mod tests { use crate::a::b::run; }"),
        ("f.rs", "use super::d; fn f() { d::word(); std::d::word() } #[arg(value = crate::g::g)] struct G;"),
        ("g/mod.rs", "mod g; pub use g::g; pub use crate::f::f; fn h() { (0..crate::d::word()) }"),
        ("g/g.rs", "pub fn g() {} mod inner { use super::super::h; fn i() { println!(\"{}\", 0..crate::d::N) } }"),
    ];
    let source = |(name, text): &(&str, &str)| Source { name: (*name).to_owned(), text: (*text).to_owned() };
    let files: Vec<Source> = files.iter().map(source).collect();
    let arrows = arrows(&files);
    let found: Vec<String> = arrows
        .iter()
        .map(|((from, to), names)| format!("{from} {to} {}", Vec::from_iter(names.clone()).join(" ")))
        .collect();
    let expected = [
        "a/b.rs a/c.rs Thing turn",
        "a/b.rs d.rs word",
        "a/c.rs a/e.rs spin",
        "a/e.rs a/c.rs Thing turn",
        "a/mod.rs a/b.rs run",
        "d.rs a/mod.rs *",
        "f.rs d.rs word",
        "f.rs g/g.rs g",
        "g/g.rs d.rs N",
        "g/g.rs g/mod.rs h",
        "g/mod.rs d.rs word",
        "g/mod.rs f.rs f",
    ];
    assert_eq!(found, expected);
    let circles = circles(&arrows);
    assert_eq!(
        circles,
        [vec!["a/b.rs", "a/mod.rs", "d.rs"], vec!["a/c.rs", "a/e.rs"], vec!["f.rs", "g/g.rs", "g/mod.rs"]]
    );
}
