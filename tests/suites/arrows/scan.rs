//! Reads Rust sources with a real parser and lists every path they name, where, and from which module.
//! What stands under `#[cfg(test)]` is left out: the arrows are those of the programs.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::rules::PATH_ATTRIBUTE;

/// A module's path from its crate's root, the crate's name first.
pub(super) type Module = Vec<String>;

/// A path as the source has it.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) module: Module,
    pub(super) segments: Vec<String>,
    /// It began with `::`.
    pub(super) absolute: bool,
    /// It was a `use …::*`.
    pub(super) glob: bool,
    /// It was a `use` itself.
    pub(super) import: bool,
}

/// What the sources say.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) named: Vec<Named>,
    /// What a name means in a module because a `use` put it there.
    pub(super) aliases: BTreeMap<(Module, String), Vec<String>>,
    pub(super) modules: BTreeSet<Module>,
    /// Modules declared under `#[cfg(test)]` in files of their own.
    tests: BTreeSet<Module>,
}

/// The module that a file is, or `None` for a file that is no part of a crate's sources:
/// `node/src/web/home.rs` is `lianbo_node::web::home`. A program's `main.rs` counts as the root.
pub(super) fn module_of(file: &str) -> Option<Module> {
    let (folder, rest) = file.split_once("/src/")?;
    let mut module = vec![format!("lianbo_{folder}")];
    module.extend(rest.strip_suffix(".rs")?.split('/').map(str::to_owned));
    if module.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        module.pop();
    }
    Some(module)
}

/// Reads a whole tree: path from the repository's root → text.
pub(super) fn scan(tree: &BTreeMap<String, String>) -> syn::Result<Sources> {
    let mut sources = Sources::default();
    for (file, text) in tree {
        let Some(module) = module_of(file) else { continue };
        sources.modules.insert(module.clone());
        let parsed = syn::parse_file(text)?;
        Reader { file, module, sources: &mut sources }.visit_file(&parsed);
    }
    let Sources { named, tests, .. } = &mut sources;
    named.retain(|named| !tests.iter().any(|test| named.module.starts_with(test)));
    Ok(sources)
}

struct Reader<'a> {
    file: &'a str,
    module: Module,
    sources: &'a mut Sources,
}

impl Reader<'_> {
    fn name(&mut self, line: usize, segments: Vec<String>, absolute: bool) {
        // A single name is a local one, or comes from a `use` that is listed itself.
        if segments.len() > 1 {
            self.push(line, segments, absolute, false, false);
        }
    }

    fn push(
        &mut self,
        line: usize,
        segments: Vec<String>,
        absolute: bool,
        glob: bool,
        import: bool,
    ) {
        let (file, module) = (self.file.to_owned(), self.module.clone());
        self.sources.named.push(Named { file, line, module, segments, absolute, glob, import });
    }

    fn import(&mut self, tree: &syn::UseTree, before: &[String], absolute: bool) {
        let with = |ident: &syn::Ident| {
            let mut segments = before.to_vec();
            // `use a::b::{self}` names `a::b`.
            if ident != "self" || segments.is_empty() {
                segments.push(ident.to_string());
            }
            segments
        };
        match tree {
            syn::UseTree::Path(path) => self.import(&path.tree, &with(&path.ident), absolute),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.import(item, before, absolute));
            }
            syn::UseTree::Glob(glob) => {
                self.push(glob.star_token.span.start().line, before.to_vec(), absolute, true, true);
            }
            syn::UseTree::Name(leaf) => {
                let segments = with(&leaf.ident);
                let name = segments.last().cloned().unwrap_or_default();
                self.leaf(&leaf.ident, name, segments, absolute);
            }
            syn::UseTree::Rename(leaf) => {
                self.leaf(&leaf.ident, leaf.rename.to_string(), with(&leaf.ident), absolute);
            }
        }
    }

    fn leaf(&mut self, at: &syn::Ident, name: String, segments: Vec<String>, absolute: bool) {
        self.sources.aliases.insert((self.module.clone(), name), segments.clone());
        self.push(at.span().start().line, segments, absolute, false, true);
    }

    /// The paths inside a macro's call or an attribute, whose grammar only the macro knows.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut line, mut colons, mut absolute) = (0, 0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 || path.is_empty() {
                        self.name(line, std::mem::take(&mut path), absolute);
                        absolute = colons >= 2;
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.name(line, std::mem::take(&mut path), absolute);
                    (colons, absolute) = (0, false);
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.name(line, path, absolute);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !attributes(item).iter().any(is_test) {
            visit::visit_item(self, item);
        } else if let syn::Item::Mod(module) = item {
            let mut path = self.module.clone();
            path.push(module.ident.to_string());
            self.sources.tests.insert(path);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !item.attrs.iter().any(is_test) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        self.sources.modules.insert(self.module.clone());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, &[], item.leading_colon.is_some());
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name).to_string();
        self.leaf(&item.ident, name, vec![item.ident.to_string()], true);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |first| first.ident.span().start().line);
        self.name(line, segments, path.leading_colon.is_some());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if attribute.path().is_ident("path") {
            let line = attribute.pound_token.span.start().line;
            self.push(line, vec![PATH_ATTRIBUTE.to_owned()], true, false, false);
        }
        visit::visit_attribute(self, attribute);
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.tokens(list.tokens.clone());
        visit::visit_meta_list(self, list);
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`, or `#[cfg(all(test, …))]`: present in no program.
fn is_test(attribute: &syn::Attribute) -> bool {
    let Ok(list) = attribute.meta.require_list() else { return false };
    let mut words = list.tokens.clone().into_iter();
    attribute.path().is_ident("cfg")
        && match (words.next(), words.next()) {
            (Some(TokenTree::Ident(word)), None) => word == "test",
            (Some(TokenTree::Ident(word)), Some(TokenTree::Group(of))) if word == "all" => of
                .stream()
                .into_iter()
                .any(|token| matches!(token, TokenTree::Ident(word) if word == "test")),
            _ => false,
        }
}
