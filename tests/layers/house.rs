//! What all files define, to find the file that a name stands for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::source::{Parsed, attributes, is_for_tests, name_of};

/// Methods that types of the standard library have as well.
const OF_STD: [&str; 5] = ["clear", "finish", "remove", "take", "wait"];

/// The files that have a method, by its type and its name.
type Methods = BTreeMap<(String, String), BTreeSet<usize>>;

pub struct House<'s> {
    pub files: &'s [Parsed<'s>],
    by_module: HashMap<&'s [String], usize>,
    methods: Methods,
    /// Of types that have methods in several files, and of names that nothing else has.
    plain: HashMap<String, usize>,
}

impl<'s> House<'s> {
    pub fn new(files: &'s [Parsed]) -> House<'s> {
        let by_module = files.iter().enumerate().map(|(at, file)| (file.module.as_slice(), at)).collect();
        let methods = methods(files);
        let plain = plain(&methods, files);
        House { files, by_module, methods, plain }
    }

    /// `path` as one from the crate's root; `None` if it leads out of the crate.
    pub fn absolute(
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

    /// The file that defines what an absolute path names; `None` if that is a module.
    pub fn definer(&self, path: &[String], depth: usize) -> Option<usize> {
        let mut len = (0..=path.len()).rev().find(|&len| self.by_module.contains_key(&path[..len]))?;
        if len == path.len() {
            // Something else may have the module's name, and be meant.
            let (name, above) = path.split_last()?;
            let file = &self.files[*self.by_module.get(above)?];
            let hands_on = |(alias, to): &(String, Vec<String>)| {
                let to = self.absolute(&file.module, to, &HashMap::new()).unwrap_or_default();
                alias == name && !to.is_empty() && !self.by_module.contains_key(&to[..])
            };
            if !file.hands_on.iter().any(hands_on) && !self.defines(path) {
                return None;
            }
            len -= 1;
        }
        let at = self.by_module[&path[..len]];
        let (file, name) = (&self.files[at], &path[len]);
        for (alias, to) in file.hands_on.iter().filter(|_| depth < 9) {
            let Some(mut to) = self.absolute(&file.module, to, &HashMap::new()) else { continue };
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
        let items = &self.files[self.by_module[module]].items;
        items.iter().filter_map(name_of).any(|defined| defined == *name)
    }

    /// The one file in the folder of `from` that has the method `name` of the type `holder`.
    pub fn method_of(&self, from: usize, holder: &str, name: &str) -> Option<usize> {
        let found = self.methods.get(&(holder.to_owned(), name.to_owned()));
        let near: Vec<usize> = found.into_iter().flatten().copied().filter(|&to| self.are_near(from, to)).collect();
        if let [to] = near[..] { Some(to) } else { None }
    }

    /// The one in the folder of `from` that has a method `name`, where no other has one of that name.
    pub fn method(&self, from: usize, name: &str) -> Option<usize> {
        self.plain.get(name).copied().filter(|&to| self.are_near(from, to))
    }

    fn are_near(&self, one: usize, other: usize) -> bool {
        self.files[one].module.first() == self.files[other].module.first()
    }
}

/// The name of the type that an `impl` is for.
pub fn holder(block: &syn::ItemImpl) -> Option<String> {
    let syn::Type::Path(path) = &*block.self_ty else { return None };
    path.path.segments.last().map(|last| last.ident.to_string())
}

fn methods(files: &[Parsed]) -> Methods {
    let mut methods = Methods::new();
    for (at, file) in files.iter().enumerate() {
        for item in file.items.iter().filter(|item| !is_for_tests(attributes(item))) {
            let syn::Item::Impl(block) = item else { continue };
            let Some(holder) = holder(block).filter(|_| block.trait_.is_none()) else { continue };
            for inner in &block.items {
                if let syn::ImplItem::Fn(method) = inner {
                    methods.entry((holder.clone(), method.sig.ident.to_string())).or_default().insert(at);
                }
            }
        }
    }
    methods
}

fn plain(methods: &Methods, files: &[Parsed]) -> HashMap<String, usize> {
    let mut homes: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for ((holder, name), found) in methods {
        homes.entry(holder).or_default().extend(found);
        *counts.entry(name).or_default() += found.len();
    }
    let of_traits: BTreeSet<String> = files.iter().flat_map(|file| &file.items).flat_map(of_trait).collect();
    let is_clear = |holder: &str, name: &str| {
        homes[holder].len() > 1 && counts[name] == 1 && !of_traits.contains(name) && !OF_STD.contains(&name)
    };
    let clear = methods.iter().filter(|((holder, name), _)| is_clear(holder, name));
    clear.filter_map(|((_, name), found)| Some((name.clone(), *found.first()?))).collect()
}

fn of_trait(item: &syn::Item) -> Vec<String> {
    let syn::Item::Trait(block) = item else { return Vec::new() };
    let name = |inner: &syn::TraitItem| match inner {
        syn::TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
        _ => None,
    };
    block.items.iter().filter_map(name).collect()
}
