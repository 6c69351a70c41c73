//! The arrows of the house: which file of `src/` imports which, as the files themselves say, and the circles they make.
//!
//! A file imports the one that defines what it names, through `crate::`, `super::`, `self::`, a child module's name or an
//! alias, in `use` lines, in code and inside of macros. A `pub use` hands a name on: who names it there imports the file
//! that defines it, and the file that hands it on imports nothing by that. A method whose type has methods in several files
//! is an arrow as well, from the files of the same folder that call it, where no other method of the program has its name.
//! Tests inside of the files do not count.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// One source file.
pub struct Source {
    /// Relative to `src/`.
    pub name: String,
    pub text: String,
}

/// From file to file, and the names by which.
pub type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

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
struct Parsed<'s> {
    name: &'s str,
    /// Its module, from the crate's root.
    module: Vec<String>,
    items: Vec<syn::Item>,
    hands_on: Vec<(String, Vec<String>)>,
}

impl Parsed<'_> {
    fn of(source: &Source) -> Parsed<'_> {
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
fn leaves(tree: &syn::UseTree, path: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
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

/// What all files define, to find names by.
struct House<'s> {
    sources: &'s [Parsed<'s>],
    by_module: HashMap<&'s [String], usize>,
    /// Methods of types that have them in several files, each in the one file that has it.
    methods: HashMap<String, usize>,
}

impl<'s> House<'s> {
    fn new(sources: &'s [Parsed]) -> House<'s> {
        let by_module = sources.iter().enumerate().map(|(at, source)| (source.module.as_slice(), at)).collect();
        House { sources, by_module, methods: methods(sources) }
    }

    /// `path` as one from the crate's root; `None` if it leads out of the crate.
    fn absolute(
        &self,
        from: &[String],
        path: &[String],
        aliases: &HashMap<String, Vec<String>>,
    ) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let mut whole = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            name => {
                let child = [from, &[name.to_owned()]].concat();
                match aliases.get(name) {
                    Some(path) => path.clone(),
                    None if self.by_module.contains_key(child.as_slice()) => child,
                    None => return None,
                }
            }
        };
        for name in rest {
            if name == "super" {
                whole.pop()?;
            } else {
                whole.push(name.clone());
            }
        }
        Some(whole)
    }

    /// The module and the file that define what an absolute path names; no file if it is a module itself.
    fn definer(&self, path: &[String], depth: usize) -> Option<usize> {
        let len = (0..path.len()).rev().find(|&len| self.by_module.contains_key(&path[..len]))?;
        if self.by_module.contains_key(path) {
            return None;
        }
        let at = self.by_module[&path[..len]];
        let (source, name) = (&self.sources[at], &path[len]);
        let none = HashMap::new();
        for (alias, to) in source.hands_on.iter().filter(|_| depth < 9) {
            let Some(mut to) = self.absolute(&source.module, to, &none) else { continue };
            if alias == name {
                to.extend_from_slice(&path[len + 1..]);
                // A module that is handed on, or something in one.
                return self.definer(&to, depth + 1).or(Some(at));
            }
            to.push(name.clone());
            if alias == "*" && self.by_module.contains_key(&to[..to.len() - 1]) && self.defines(&to) {
                return self.definer(&to, depth + 1);
            }
        }
        Some(at)
    }

    fn defines(&self, path: &[String]) -> bool {
        let Some((name, module)) = path.split_last() else { return false };
        let items = &self.sources[self.by_module[module]].items;
        items.iter().filter_map(name_of).any(|defined| defined == *name)
    }
}

fn name_of(item: &syn::Item) -> Option<String> {
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

fn methods(sources: &[Parsed]) -> HashMap<String, usize> {
    let mut homes: HashMap<String, BTreeSet<usize>> = HashMap::new();
    let mut all: Vec<(String, String, usize)> = Vec::new();
    let mut elsewhere: BTreeSet<String> = BTreeSet::new();
    for (at, source) in sources.iter().enumerate() {
        for item in source.items.iter().filter(|item| !is_for_tests(attributes(item))) {
            match item {
                syn::Item::Impl(block) if block.trait_.is_none() => {
                    let syn::Type::Path(path) = &*block.self_ty else { continue };
                    let holder = path.path.segments.last().map_or(String::new(), |last| last.ident.to_string());
                    homes.entry(holder.clone()).or_default().insert(at);
                    for inner in &block.items {
                        if let syn::ImplItem::Fn(method) = inner {
                            all.push((holder.clone(), method.sig.ident.to_string(), at));
                        }
                    }
                }
                syn::Item::Trait(block) => {
                    for inner in &block.items {
                        if let syn::TraitItem::Fn(method) = inner {
                            elsewhere.insert(method.sig.ident.to_string());
                        }
                    }
                }
                _ => {}
            }
        }
    }
    let mut counts: HashMap<&str, u32> = HashMap::new();
    all.iter().for_each(|(_, name, _)| *counts.entry(name).or_default() += 1);
    let spread = all.iter().filter(|(holder, ..)| homes[holder].len() > 1);
    let clear =
        spread.filter(|(_, name, _)| counts[name.as_str()] == 1 && !elsewhere.contains(name) && !is_of_std(name));
    clear.map(|(_, name, at)| (name.clone(), *at)).collect()
}

/// Methods that the standard library's types have as well.
fn is_of_std(name: &str) -> bool {
    ["clear", "close", "discard", "each", "events", "finish", "names", "remove", "sync", "take", "wait"].contains(&name)
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
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

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is = |word: &syn::Path| word.is_ident("test");
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|word| is(&word))
    })
}

/// Walks through one file.
struct Walk<'h, 's> {
    house: &'h House<'s>,
    at: usize,
    aliases: HashMap<String, Vec<String>>,
    arrows: &'h mut Arrows,
}

impl Walk<'_, '_> {
    fn arrow(&mut self, to: usize, name: &str) {
        let [from, to] = [self.at, to].map(|at| self.house.sources[at].name.to_owned());
        if from != to {
            self.arrows.entry((from, to)).or_default().insert(name.to_owned());
        }
    }

    fn named(&mut self, path: &[String]) {
        let from = &self.house.sources[self.at].module;
        let Some(whole) = self.house.absolute(from, path, &self.aliases) else { return };
        if let Some(to) = self.house.definer(&whole, 0) {
            let name = path.last().cloned().unwrap_or_default();
            self.arrow(to, &name);
        }
    }

    /// Inside of a macro there are no paths, but words.
    fn words(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut dot, mut method) = (0, false, None);
        for token in tokens {
            let before = method.take();
            match token {
                TokenTree::Ident(word) if colons == 2 => path.push(word.to_string()),
                TokenTree::Ident(word) if dot => method = Some(word.to_string()),
                TokenTree::Ident(word) => {
                    self.named(&std::mem::take(&mut path));
                    path.push(word.to_string());
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Punct(mark) => {
                    self.named(&std::mem::take(&mut path));
                    dot = mark.as_char() == '.';
                    colons = 0;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.named(&std::mem::take(&mut path));
                    if let (Some(method), Delimiter::Parenthesis) = (before, group.delimiter()) {
                        self.called(&method);
                    }
                    self.words(group.stream());
                }
                TokenTree::Literal(_) => self.named(&std::mem::take(&mut path)),
            }
            (colons, dot) = (0, false);
        }
        self.named(&path);
    }

    fn called(&mut self, method: &str) {
        let folder = |at: usize| self.house.sources[at].module.first();
        if let Some(&to) = self.house.methods.get(method).filter(|to| folder(**to) == folder(self.at)) {
            self.arrow(to, method);
        }
    }
}

impl<'ast> Visit<'ast> for Walk<'_, '_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        if let syn::Item::Use(item) = item {
            let mut found = Vec::new();
            leaves(&item.tree, &mut Vec::new(), &mut found);
            for (alias, path) in found {
                let from = &self.house.sources[self.at].module;
                let Some(whole) = self.house.absolute(from, &path, &HashMap::new()) else { continue };
                if matches!(item.vis, syn::Visibility::Inherited) && alias != "*" {
                    self.named(&path);
                } else if alias == "*" && matches!(item.vis, syn::Visibility::Inherited) {
                    self.named(&[path, vec!["*".to_owned()]].concat());
                }
                self.aliases.insert(alias, whole);
            }
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.named(&path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.words(call.tokens.clone());
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.called(&call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }
}

/// All arrows between these files.
pub fn arrows(sources: &[Source]) -> Arrows {
    let sources: Vec<Parsed> = sources.iter().map(Parsed::of).collect();
    let house = House::new(&sources);
    let mut arrows = Arrows::new();
    for (at, source) in sources.iter().enumerate() {
        let mut walk = Walk { house: &house, at, aliases: HashMap::new(), arrows: &mut arrows };
        // Names come before what is named by them.
        let (uses, rest): (Vec<_>, Vec<_>) = source.items.iter().partition(|item| matches!(item, syn::Item::Use(_)));
        uses.into_iter().chain(rest).for_each(|item| walk.visit_item(item));
    }
    arrows
}

/// The circles: files that reach each other, each in order.
pub fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        next.entry(from).or_default().push(to);
    }
    let reached = |file: &'_ str| -> BTreeSet<&str> {
        let (mut seen, mut todo) = (BTreeSet::new(), next[file].clone());
        while let Some(file) = todo.pop() {
            if seen.insert(file) {
                todo.extend(next.get(file).into_iter().flatten());
            }
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|&file| (file, reached(file))).collect();
    let mut found = BTreeSet::new();
    for (file, reached) in reach.iter().filter(|(file, reached)| reached.contains(*file)) {
        let back = |other: &&&str| reach.get(**other).is_some_and(|theirs| theirs.contains(file));
        found.insert(reached.iter().filter(back).map(|&other| other.to_owned()).collect());
    }
    Vec::from_iter(found)
}
