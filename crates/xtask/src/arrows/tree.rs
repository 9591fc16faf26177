//! The modules of one crate as its source declares them: names, imports and used paths.
//!
//! Source is parsed with `syn`. Everything under `#[cfg(test)]` is skipped. The arguments of macros
//! are not syntax to `syn`; their tokens are searched for paths.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::Result;

/// Position of a module in [`Tree::modules`].
pub(super) type Id = usize;

/// The crate root.
pub(super) const ROOT: Id = 0;

/// The modules of one crate; the first is the crate root.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
}

/// One module.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Its name; empty for the crate root.
    pub(super) name: String,
    /// The module that declares it; the root is its own parent.
    pub(super) parent: Id,
    /// The file that holds it, as it was opened.
    pub(super) file: PathBuf,
    /// The modules that it declares.
    pub(super) children: HashMap<String, Id>,
    /// What it defines itself.
    pub(super) items: HashSet<String>,
    /// Names that it imports, with the path that each stands for.
    pub(super) imports: HashMap<String, Vec<String>>,
    /// Paths of its `use …::*`.
    pub(super) globs: Vec<Vec<String>>,
    /// Every path that it names, in imports and in code.
    pub(super) uses: Vec<Use>,
}

/// A path at a line of a file.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

impl Tree {
    /// Reads a crate from its root file, for example `src/lib.rs`.
    ///
    /// # Errors
    /// A file cannot be read, or is not Rust.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        let folder = root.parent().unwrap_or(Path::new("")).to_owned();
        tree.modules.push(Module {
            file: root.to_owned(),
            ..Module::default()
        });
        let items = parsed(root)?.items;
        tree.fill(ROOT, &items, &folder)?;
        Ok(tree)
    }

    /// A module of this tree.
    #[expect(clippy::indexing_slicing, reason = "an id is the position of a module")]
    pub(super) fn at(&self, id: Id) -> &Module {
        &self.modules[id]
    }

    #[expect(clippy::indexing_slicing, reason = "an id is the position of a module")]
    fn at_mut(&mut self, id: Id) -> &mut Module {
        &mut self.modules[id]
    }

    /// The path of a module below the crate root; `crate` for the root.
    pub(super) fn path(&self, id: Id) -> String {
        let module = self.at(id);
        match module.parent {
            _ if id == ROOT => "crate".to_owned(),
            ROOT => module.name.clone(),
            parent => format!("{}::{}", self.path(parent), module.name),
        }
    }

    /// The module and all that contain it, the root first.
    pub(super) fn ancestry(&self, id: Id) -> Vec<Id> {
        let mut chain = vec![id];
        let mut at = id;
        while at != ROOT {
            at = self.at(at).parent;
            chain.push(at);
        }
        chain.reverse();
        chain
    }

    /// Reads the items of module `id`, whose child modules are files in `folder`.
    fn fill(&mut self, id: Id, items: &[syn::Item], folder: &Path) -> Result {
        let mut reader = Reader(self.at_mut(id));
        for item in items {
            reader.visit_item(item);
            if let (Some(name), false) = (name(item), tested(attributes(item))) {
                reader.0.items.insert(name);
            }
        }
        for item in items {
            if let syn::Item::Mod(child) = item
                && !tested(&child.attrs)
            {
                self.child(id, child, folder)?;
            }
        }
        Ok(())
    }

    fn child(&mut self, parent: Id, item: &syn::ItemMod, folder: &Path) -> Result {
        let name = plain(&item.ident);
        let below = folder.join(&name);
        let id = self.modules.len();
        let file = match &item.content {
            Some(_) => self.at(parent).file.clone(),
            None => file_of(item, folder, &below)?,
        };
        self.modules.push(Module {
            name: name.clone(),
            parent,
            file: file.clone(),
            ..Module::default()
        });
        self.at_mut(parent).children.insert(name, id);
        if let Some((_, items)) = &item.content {
            return self.fill(id, items, &below);
        }
        let items = parsed(&file)?.items;
        self.fill(id, &items, &below)
    }
}

/// The file of `mod name;`.
fn file_of(item: &syn::ItemMod, folder: &Path, below: &Path) -> Result<PathBuf> {
    let named = item.attrs.iter().find_map(|one| match &one.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(text),
                ..
            }) => Some(folder.join(text.value())),
            _ => None,
        },
        _ => None,
    });
    named
        .into_iter()
        .chain([below.with_extension("rs"), below.join("mod.rs")])
        .find(|file| file.is_file())
        .ok_or_else(|| format!("no file for `mod {}` in {}", item.ident, folder.display()).into())
}

fn parsed(file: &Path) -> Result<syn::File> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("{shown}: {error}"))?;
    syn::parse_file(&text)
        .map_err(|error| format!("{shown}:{}: {error}", error.span().start().line).into())
}

/// Collects what one module names; child modules are read on their own.
struct Reader<'a>(&'a mut Module);

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !matches!(item, syn::Item::Mod(_)) && !tested(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !tested(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&item.tree, &mut Vec::new());
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            let names = path.segments.iter().map(|one| plain(&one.ident));
            self.0.uses.push(Use {
                path: names.collect(),
                line: path.span().start().line,
            });
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

impl Reader<'_> {
    fn import(&mut self, tree: &syn::UseTree, path: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(part) => {
                path.push(plain(&part.ident));
                self.import(&part.tree, path);
                path.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, path);
                }
            }
            syn::UseTree::Glob(star) => {
                self.0.globs.push(path.clone());
                self.mention(path.clone(), star.span());
            }
            syn::UseTree::Name(name) => self.bind(&name.ident, &name.ident, path),
            syn::UseTree::Rename(name) => self.bind(&name.ident, &name.rename, path),
        }
    }

    /// `use path::item as name`; `use path::{self}` imports `path`.
    fn bind(&mut self, item: &syn::Ident, name: &syn::Ident, path: &[String]) {
        let mut full = path.to_vec();
        let mut name = plain(name);
        if item != "self" {
            full.push(plain(item));
        } else if let (true, Some(last)) = (name == "self", full.last()) {
            name.clone_from(last);
        }
        self.mention(full.clone(), item.span());
        if name != "_" {
            self.0.imports.insert(name, full);
        }
    }

    fn mention(&mut self, path: Vec<String>, at: proc_macro2::Span) {
        let line = at.start().line;
        self.0.uses.push(Use { path, line });
    }

    /// Finds `a::b::c` among tokens.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.mention_tokens(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(plain(&ident));
                    colons = 0;
                    continue;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && colons < 2 => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            self.mention_tokens(&mut path, line);
            colons = 0;
        }
        self.mention_tokens(&mut path, line);
    }

    fn mention_tokens(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.0.uses.push(Use { path, line });
        }
    }
}

/// An identifier without `r#`.
fn plain(ident: &syn::Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

/// Whether `#[cfg(test)]`, or a condition that needs `test`, is among the attributes.
fn tested(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|one| match &one.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            let words = condition.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            words.into_iter().any(|word| word == "test") && !condition.contains("not")
        }
        meta => meta.path().is_ident("test"),
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(one) => &one.attrs,
        syn::Item::Enum(one) => &one.attrs,
        syn::Item::Fn(one) => &one.attrs,
        syn::Item::Impl(one) => &one.attrs,
        syn::Item::Macro(one) => &one.attrs,
        syn::Item::Mod(one) => &one.attrs,
        syn::Item::Static(one) => &one.attrs,
        syn::Item::Struct(one) => &one.attrs,
        syn::Item::Trait(one) => &one.attrs,
        syn::Item::Type(one) => &one.attrs,
        syn::Item::Union(one) => &one.attrs,
        syn::Item::Use(one) => &one.attrs,
        _ => &[],
    }
}

/// The name that an item defines in its module.
fn name(item: &syn::Item) -> Option<String> {
    Some(plain(match item {
        syn::Item::Const(one) => &one.ident,
        syn::Item::Enum(one) => &one.ident,
        syn::Item::Fn(one) => &one.sig.ident,
        syn::Item::Macro(one) => one.ident.as_ref()?,
        syn::Item::Static(one) => &one.ident,
        syn::Item::Struct(one) => &one.ident,
        syn::Item::Trait(one) => &one.ident,
        syn::Item::Type(one) => &one.ident,
        syn::Item::Union(one) => &one.ident,
        _ => return None,
    }))
}
