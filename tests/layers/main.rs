//! The house: imports point downward, as the table in src/lib.rs says; storage and delivery never import each other; no file
//! imports one that imports it, also within a folder; none is longer than a reader likes; `unsafe` is in `sys` alone; users
//! and hosts are looked up in one place.

mod arrows;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arrows::{Arrows, Source, arrows, circles, sources};

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(sources);
static ARROWS: LazyLock<Arrows> = LazyLock::new(|| arrows(&SOURCES));

/// A file of more lines holds two things, but for a table.
const LINES_MAX: usize = 400;

/// Circles that are known, arrow by arrow. None may come; one that is gone is taken off.
const KNOWN: &[(&str, &str)] = &[];

/// Files that are known to be too long, and how long they may be.
const LONG: &[(&str, usize)] = &[];

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

/// The arrows that run in a circle, each with what is named along it.
fn in_circles(arrows: &Arrows) -> Vec<(&str, &str)> {
    let circles = circles(arrows);
    let run = |from: &String, to: &String| circles.iter().any(|circle| circle.contains(from) && circle.contains(to));
    arrows.keys().filter(|(from, to)| run(from, to)).map(|(from, to)| (from.as_str(), to.as_str())).collect()
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let found = in_circles(&ARROWS);
    let tell = |(from, to): &&(&str, &str)| {
        let names: Vec<&str> = ARROWS[&((*from).to_owned(), (*to).to_owned())].iter().map(String::as_str).collect();
        format!("src/{from} -> src/{to}: {}", names.join(", "))
    };
    let new: Vec<String> = found.iter().filter(|arrow| !KNOWN.contains(arrow)).map(|arrow| tell(&arrow)).collect();
    assert!(new.is_empty(), "these files import each other in a circle:\n{}", new.join("\n"));
    let gone: Vec<_> = KNOWN.iter().filter(|arrow| !found.contains(arrow)).collect();
    assert!(gone.is_empty(), "in no circle any more: take them off the list: {gone:#?}");
}

#[test]
fn files_are_short() {
    for source in SOURCES.iter() {
        let (lines, name) = (source.text.lines().count(), source.name.as_str());
        let most = LONG.iter().find(|(long, _)| *long == name).map_or(LINES_MAX, |(_, most)| *most);
        assert!(lines <= most, "src/{name} has {lines} lines: which two things does it hold?");
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
        ("a/c.rs", "pub struct Thing; impl Thing { fn turn(&self) {} }"),
        ("a/e.rs", "impl super::Thing { fn spin(&self) { self.turn() } }"),
        ("d.rs", "use crate::a::*; pub fn word() {} #[cfg(test)] mod tests { use crate::a::b::run; }"),
        ("f.rs", "use super::d; fn f() { d::word(); std::d::word() }"),
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
        "a/e.rs a/c.rs Thing turn",
        "a/mod.rs a/b.rs run",
        "d.rs a/mod.rs *",
        "f.rs d.rs word",
    ];
    assert_eq!(found, expected);
    assert_eq!(circles(&arrows), [["a/b.rs", "a/mod.rs", "d.rs"]]);
}
