//! What the guides of people who work on the program name is there: files, folders, and functions in them.

use std::path::Path;

/// The last two need not be there.
const GUIDES: [&str; 3] = ["tests/README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

/// What is wrong with a line: each `tests/…` and `src/…` in backticks is a path, with `::name` or, later in the line,
/// `name()` for a function in that file.
fn faults(root: &Path, line: &str) -> Vec<String> {
    let (mut faults, mut file) = (Vec::new(), None);
    for word in line.split('`').skip(1).step_by(2) {
        let (path, of_path) = word.split_once("::").unwrap_or((word, ""));
        let name = if path.starts_with("tests/") || path.starts_with("src/") {
            // "tests/*/run" names several.
            let Some(text) =
                path.split_once('*').map_or_else(|| read(&root.join(path)), |(folder, _)| read(&root.join(folder)))
            else {
                faults.push(format!("{path} is not there"));
                continue;
            };
            file = Some(text);
            of_path
        } else {
            word.strip_suffix("()").unwrap_or("")
        };
        if let (Some(text), false) = (&file, name.is_empty())
            && !['(', '<'].iter().any(|next| text.contains(&format!("fn {name}{next}")))
        {
            faults.push(format!("fn {name} is not there"));
        }
    }
    faults
}

/// A file's text; nothing for a folder, `None` where there is neither.
fn read(path: &Path) -> Option<String> {
    if path.is_dir() { Some(String::new()) } else { std::fs::read_to_string(path).ok() }
}

#[test]
fn what_the_guides_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults_found = Vec::new();
    for guide in GUIDES {
        let text = match read(&root.join(guide)) {
            Some(text) => text,
            None if guide != GUIDES[0] => continue,
            None => panic!("{guide} is missing"),
        };
        for (number, line) in (1..).zip(text.lines()) {
            faults_found.extend(faults(root, line).into_iter().map(|fault| format!("{guide}:{number}: {fault}")));
        }
    }
    assert!(faults_found.is_empty(), "{faults_found:#?}");
}

#[test]
fn a_name_that_is_not_there_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wrong = ["`tests/none.rs`", "`src/lib.rs::none`", "`tests/docs/guides.rs`: `none()`"];
    assert!(wrong.iter().all(|line| faults(root, line).len() == 1));
    assert_eq!(faults(root, "`tests/docs/guides.rs`: `faults()`, `tests/*/run`, `make`"), [""; 0]);
}
