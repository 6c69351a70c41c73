//! The files of `src/`, and what each defines and hands on.

use std::path::{Path, PathBuf};

/// One source file.
pub struct Source {
    /// Relative to `src/`.
    pub name: String,
    pub text: String,
}

/// Everything below `src/` but files that hold tests alone.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    find(&root, &mut files);
    files.sort();
    let read = |path: &PathBuf| Source {
        name: path.strip_prefix(&root).expect("below src").display().to_string(),
        text: std::fs::read_to_string(path).expect("text"),
    };
    files.iter().filter(|path| !path.ends_with("tests.rs") && !path.ends_with("properties.rs")).map(read).collect()
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => find(&path, found),
            path if path.extension().is_some_and(|end| end == "rs") => found.push(path),
            _ => {}
        }
    }
}

impl Source {
    /// The text without comments.
    pub fn code(&self) -> String {
        self.text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }
}

/// What a file says.
pub struct Parsed<'s> {
    pub name: &'s str,
    /// Its module, from the crate's root.
    pub module: Vec<String>,
    pub items: Vec<syn::Item>,
    pub hands_on: Vec<(String, Vec<String>)>,
}

impl Parsed<'_> {
    pub fn of(source: &Source) -> Parsed<'_> {
        let name = source.name.as_str();
        let items = syn::parse_file(&source.text).unwrap_or_else(|error| panic!("src/{name}: {error}")).items;
        let mut module: Vec<String> = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            module.pop();
        }
        let mut hands_on = Vec::new();
        for item in &items {
            if let syn::Item::Use(item) = item
                && !matches!(item.vis, syn::Visibility::Inherited)
            {
                leaves(&item.tree, &mut Vec::new(), &mut hands_on);
            }
        }
        Parsed { name, module, items, hands_on }
    }
}

/// The names that a `use` brings and the paths that they stand for; `*` stands for all of a module.
pub fn leaves(tree: &syn::UseTree, path: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    match tree {
        syn::UseTree::Path(inner) => {
            path.push(inner.ident.to_string());
            leaves(&inner.tree, path, found);
            path.pop();
        }
        syn::UseTree::Group(group) => group.items.iter().for_each(|item| leaves(item, path, found)),
        syn::UseTree::Glob(_) => found.push(("*".to_owned(), path.clone())),
        syn::UseTree::Name(name) => found.push(leaf(&name.ident.to_string(), &name.ident.to_string(), path)),
        syn::UseTree::Rename(name) => found.push(leaf(&name.ident.to_string(), &name.rename.to_string(), path)),
    }
}

fn leaf(name: &str, alias: &str, path: &[String]) -> (String, Vec<String>) {
    let mut whole = path.to_vec();
    match (name, path.last()) {
        ("self", Some(last)) => (if alias == "self" { last.clone() } else { alias.to_owned() }, whole),
        _ => {
            whole.push(name.to_owned());
            (alias.to_owned(), whole)
        }
    }
}

pub fn name_of(item: &syn::Item) -> Option<String> {
    Some(match item {
        syn::Item::Const(item) => item.ident.to_string(),
        syn::Item::Enum(item) => item.ident.to_string(),
        syn::Item::Fn(item) => item.sig.ident.to_string(),
        syn::Item::Static(item) => item.ident.to_string(),
        syn::Item::Struct(item) => item.ident.to_string(),
        syn::Item::Trait(item) => item.ident.to_string(),
        syn::Item::Type(item) => item.ident.to_string(),
        _ => return None,
    })
}

pub fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

pub fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is = |word: &syn::Path| word.is_ident("test");
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|word| is(&word))
    })
}
