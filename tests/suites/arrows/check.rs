//! Resolves the paths that sources name and holds them against the rules.

use std::collections::BTreeSet;
use std::fmt;

use super::rules::{Arrow, Rule};
use super::scan::{Named, Sources};

/// A forbidden arrow and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Broken {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) why: &'static str,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, from, to, why } = self;
        write!(f, "{file}:{line}: {from} must not use {to}: {why}")
    }
}

/// Every forbidden arrow in the sources, by file and line.
pub(super) fn check(sources: &Sources, rules: &[Rule]) -> Vec<Broken> {
    let mut broken = BTreeSet::new();
    for named in &sources.named {
        let target = resolve(sources, named);
        for rule in rules {
            if binds(rule, &named.module) && forbids(rule, sources, named, &target) {
                broken.insert(Broken {
                    file: named.file.clone(),
                    line: named.line,
                    from: named.module.join("::"),
                    to: target.join("::") + if named.glob { "::*" } else { "" },
                    why: rule.why,
                });
            }
        }
    }
    broken.into_iter().collect()
}

fn binds(rule: &Rule, module: &[String]) -> bool {
    let under = |names: &[&str]| names.iter().any(|name| is_under(module, name));
    under(rule.binds) && !under(rule.except)
}

fn forbids(rule: &Rule, sources: &Sources, named: &Named, target: &[String]) -> bool {
    match rule.arrow {
        // `use std::time::*` brings in `SystemTime` without a word.
        Arrow::Never(listed) => listed
            .iter()
            .any(|name| is_under(target, name) || (named.glob && is_above(target, name))),
        Arrow::Only(listed) => {
            let ours = target.first() == named.module.first();
            let own = named.module.get(..2).is_some_and(|own| target.starts_with(own));
            let top = target.get(..2).is_some_and(|top| sources.modules.contains(top));
            let root = target.len() == 1 && named.glob;
            ours && (top || root) && !own && !listed.iter().any(|name| is_under(target, name))
        }
    }
}

/// What a path means, from a crate's root. Names that nothing explains are other crates' (or local items,
/// which no rule names).
fn resolve(sources: &Sources, named: &Named) -> Vec<String> {
    if named.absolute {
        return facade(sources, named.segments.clone());
    }
    let mut path = named.segments.clone();
    let mut known = BTreeSet::new();
    while let Some(first) = path.first().cloned() {
        let Some(means) = sources.aliases.get(&(named.module.clone(), first.clone())) else {
            break;
        };
        // `use time::time` is not explained by itself.
        if (named.import && *means == named.segments) || !known.insert(first) {
            break;
        }
        path.splice(..1, means.iter().cloned());
    }
    facade(sources, from_root(sources, &named.module, path))
}

/// Resolves `crate`, `self`, `super` and the names of child modules.
fn from_root(sources: &Sources, module: &[String], path: Vec<String>) -> Vec<String> {
    let mut base = module.to_vec();
    let mut rest = path.as_slice();
    match rest.first().map(String::as_str) {
        Some("crate") => {
            base.truncate(1);
            rest = &rest[1..];
        }
        Some("self") => rest = &rest[1..],
        Some("super") => {}
        Some(child) => {
            base.push(child.to_owned());
            if !sources.modules.contains(&base) {
                return path;
            }
            rest = &rest[1..];
        }
        None => return path,
    }
    while let Some(("super", after)) =
        rest.split_first().map(|(first, after)| (first.as_str(), after))
    {
        base.pop();
        rest = after;
    }
    base.extend_from_slice(rest);
    base
}

/// A crate's root is no layer: what it re-exports counts as what it is. A re-export by any other module is
/// that module's face, and that module's own arrow.
fn facade(sources: &Sources, path: Vec<String>) -> Vec<String> {
    let [root, name, rest @ ..] = path.as_slice() else { return path };
    let root = vec![root.clone()];
    let hidden = !sources.modules.contains(&path[..2]);
    match sources.aliases.get(&(root.clone(), name.clone())) {
        Some(means) if hidden => {
            let means = [means.as_slice(), rest].concat();
            from_root(sources, &root, means)
        }
        _ => path,
    }
}

fn is_under(path: &[String], name: &str) -> bool {
    let mut path = path.iter();
    name.split("::").all(|segment| path.next().is_some_and(|next| next == segment))
}

fn is_above(path: &[String], name: &str) -> bool {
    let mut name = name.split("::");
    path.iter().all(|segment| name.next().is_some_and(|next| next == segment))
}
