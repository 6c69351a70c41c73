//! The layers: imports point downward only, storage and delivery never import each other, `unsafe` is in `sys` alone.

use std::path::{Path, PathBuf};

fn layer(module: &str) -> u8 {
    match module {
        "model" | "sys" => 0,
        "policy" => 1,
        "queue" | "spool" | "transport" | "config" | "events" => 2,
        "worker" | "intake" | "bounce" => 3,
        "runner" | "admin" => 4,
        "cli" | "main" | "lib" => 5,
        other => panic!("src/{other} is in no layer: add it to the table in src/lib.rs and here"),
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => sources(&path, found),
            path if path.extension().is_some_and(|end| end == "rs") => found.push(path),
            _ => {}
        }
    }
}

/// Module name and code without comments of every source file.
fn modules() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let read = |path: &PathBuf| {
        let inside = path.strip_prefix(&root).expect("below src").display().to_string();
        let module = inside.split('/').next().unwrap_or("").trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(path).expect("text");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        (module, inside, code)
    };
    files.iter().map(read).collect()
}

/// The modules that code names as `crate::x`, also in lists: `use crate::{a, b::c}`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for after in code.split("crate::").skip(1) {
        let names: Vec<&str> = match after.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or("").split(',').collect(),
            None => vec![after],
        };
        let name =
            |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        found.extend(names.into_iter().map(name).filter(|name| !name.is_empty()));
    }
    found
}

#[test]
fn imports_point_downward() {
    for (module, file, code) in modules() {
        for import in imports(&code) {
            assert!(layer(&import) <= layer(&module), "{file}: {module} must not import {import}");
            let sides = [module.as_str(), import.as_str()];
            let both = sides.contains(&"transport") && sides.contains(&"spool");
            assert!(!both, "{file}: storage and delivery must not import each other");
        }
    }
}

#[test]
fn unsafe_is_in_sys_alone() {
    for (module, file, code) in modules() {
        let has = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == "unsafe");
        assert!(module == "sys" || !has, "{file}: unsafe belongs into src/sys");
    }
}

/// Whatever looks up a user or a host by itself would load the host's modules into a program with the C library in it.
#[test]
fn users_and_hosts_are_looked_up_in_one_place() {
    let look_ups = ["to_socket_addrs", "ToSocketAddrs", "User::from_", "Group::from_", "initgroups", "getgrouplist"];
    for (_, file, code) in modules() {
        // What is connected to by name is looked up, too; a port beside it is an address of our own.
        let found: Vec<&str> = look_ups.into_iter().filter(|word| code.contains(word)).collect();
        assert!(file.starts_with("sys/nss") || found.is_empty(), "{file}: {found:?} belongs into src/sys/nss.rs");
        let by_name = ["TcpStream::connect(", "UdpSocket", "env::home_dir"];
        let found: Vec<&str> = by_name.into_iter().filter(|word| code.contains(word)).collect();
        assert!(found.is_empty(), "{file}: {found:?} looks a name up: take sys::nss");
    }
}

#[test]
fn the_check_sees_what_it_looks_for() {
    assert_eq!(imports("use crate::a::b; use crate::{c, d::e}; crate::f::g()"), ["a", "c", "d", "f"]);
    assert!(modules().len() > 30);
}
