//! A walk through one file: what it names, and which file that imports.

use std::collections::HashMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::arrows::Arrows;
use super::house::{House, holder};
use super::source::{attributes, is_for_tests, leaves};

pub struct Walk<'h, 's> {
    house: &'h House<'s>,
    at: usize,
    /// The module that the walk is in.
    module: Vec<String>,
    aliases: HashMap<String, Vec<String>>,
    /// The type whose methods the walk is in.
    holder: Option<String>,
    arrows: &'h mut Arrows,
}

impl<'h, 's> Walk<'h, 's> {
    /// Walks through the file `at`.
    pub fn through(house: &'h House<'s>, at: usize, arrows: &'h mut Arrows) {
        let file = &house.files[at];
        let mut walk = Walk { house, at, module: file.module.clone(), aliases: HashMap::new(), holder: None, arrows };
        walk.items(&file.items);
    }

    /// Names come before what is named by them.
    fn items(&mut self, items: &[syn::Item]) {
        let (uses, rest): (Vec<_>, Vec<_>) = items.iter().partition(|item| matches!(item, syn::Item::Use(_)));
        uses.into_iter().chain(rest).for_each(|item| self.visit_item(item));
    }

    fn arrow(&mut self, to: usize, name: &str) {
        let [from, to] = [self.at, to].map(|at| self.house.files[at].name.to_owned());
        if from != to {
            self.arrows.entry((from, to)).or_default().insert(name.to_owned());
        }
    }

    fn named(&mut self, path: &[String]) {
        let Some(whole) = self.house.absolute(&self.module, path, &self.aliases) else { return };
        if let Some(to) = self.house.definer(&whole, 0) {
            let name = path.last().cloned().unwrap_or_default();
            self.arrow(to, &name);
        }
    }

    fn called(&mut self, holder: Option<&str>, method: &str) {
        let of_type = holder.and_then(|holder| self.house.method_of(self.at, holder, method));
        if let Some(to) = of_type.or_else(|| self.house.method(self.at, method)) {
            self.arrow(to, method);
        }
    }

    fn brought(&mut self, item: &syn::ItemUse) {
        let mut found = Vec::new();
        leaves(&item.tree, &mut Vec::new(), &mut found);
        for (alias, mut path) in found {
            let Some(whole) = self.house.absolute(&self.module, &path, &self.aliases) else { continue };
            // What is handed on within its folder is imported by whoever names it; what comes from elsewhere, here.
            let is_private = matches!(item.vis, syn::Visibility::Inherited);
            if is_private || whole.first() != self.module.first() {
                path.extend((alias == "*").then(|| alias.clone()));
                self.named(&path);
            }
            self.aliases.insert(alias, whole);
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
                    // Two are a range.
                    dot = mark.as_char() == '.' && !dot;
                    colons = 0;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.named(&std::mem::take(&mut path));
                    if let (Some(method), Delimiter::Parenthesis) = (before, group.delimiter()) {
                        self.called(None, &method);
                    }
                    self.words(group.stream());
                }
                TokenTree::Literal(_) => self.named(&std::mem::take(&mut path)),
            }
            (colons, dot) = (0, false);
        }
        self.named(&path);
    }
}

impl<'ast> Visit<'ast> for Walk<'_, '_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            item if is_for_tests(attributes(item)) => {}
            syn::Item::Use(item) => self.brought(item),
            item => visit::visit_item(self, item),
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if let Some((_, items)) = &module.content {
            let aliases = self.aliases.clone();
            self.module.push(module.ident.to_string());
            self.items(items);
            self.module.pop();
            self.aliases = aliases;
        }
    }

    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        let before = std::mem::replace(&mut self.holder, holder(block));
        visit::visit_item_impl(self, block);
        self.holder = before;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.named(&words);
        if let [.., holder, name] = &words[..] {
            let own = self.holder.clone().filter(|_| holder == "Self");
            if let Some(to) = self.house.method_of(self.at, own.as_deref().unwrap_or(holder), name) {
                self.arrow(to, name);
            }
        }
        visit::visit_path(self, path);
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.words(list.tokens.clone());
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.words(call.tokens.clone());
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let own = matches!(&*call.receiver, syn::Expr::Path(path) if path.path.is_ident("self"));
        let holder = self.holder.clone().filter(|_| own);
        self.called(holder.as_deref(), &call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }
}
