//! Which top-level module of a crate names which other one, and where.
//!
//! The root file is no module of its own here: it names all of them, and what it takes out of one by
//! `use` belongs to that one.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A line where one top-level module names another.
#[derive(Debug)]
pub struct Mention {
    pub from: String,
    pub to: String,
    /// `path:line: the line`.
    pub line: String,
}

/// Reads the crate whose root file is `root`, following `mod` as the compiler does, but for tests.
pub fn mentions(root: &Path) -> Vec<Mention> {
    let mut reader = Reader::default();
    let text = fs::read_to_string(root).expect("the root file of a crate");
    let tokens = tokens(&text, root);
    reader.learn(&tokens);
    let folder = root.parent().expect("a folder").to_owned();
    let source = Source { root, text: &text };
    reader.read(&source, &tokens, &folder, &mut Vec::new());
    reader.found
}

/// A file and what stands in it.
struct Source<'a> {
    root: &'a Path,
    text: &'a str,
}

#[derive(Default)]
struct Reader {
    /// The top-level modules.
    modules: Vec<String>,
    /// Names that the root file takes out of a module: whoever uses them uses that module.
    exported: HashMap<String, String>,
    found: Vec<Mention>,
}

fn tokens(text: &str, path: &Path) -> Vec<TokenTree> {
    let stream: TokenStream = text
        .parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    without_tests(stream.into_iter().collect())
}

/// The same tokens without items under `#[cfg(test)]` or `#[test]`, at all depths of modules.
fn without_tests(tokens: Vec<TokenTree>) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        if !is_punct(&token, '#') {
            kept.push(token);
            continue;
        }
        let Some(attribute) = tokens.next() else {
            break;
        };
        let text = attribute.to_string().replace(char::is_whitespace, "");
        if text != "[cfg(test)]" && text != "[test]" {
            kept.extend([token, attribute]);
            continue;
        }
        // An item, after further attributes, ends with its braces or a semicolon.
        for token in tokens.by_ref() {
            let braces =
                matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
            if braces || is_punct(&token, ';') {
                break;
            }
        }
    }
    kept
}

fn is_punct(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn word(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

/// Whether `::` stands at this place.
fn joins(tokens: &[TokenTree], at: usize) -> bool {
    matches!(tokens.get(at..at + 2), Some([a, b]) if is_punct(a, ':') && is_punct(b, ':'))
}

/// The first words of what follows `a::`, which is a word or a tree of them in braces, each with its
/// line.
fn heads(tokens: &[TokenTree], at: usize) -> Vec<(String, usize)> {
    match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => vec![(ident.to_string(), ident.span().start().line)],
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let branches = inner.split(|token| is_punct(token, ','));
            branches.flat_map(|branch| heads(branch, 0)).collect()
        }
        _ => Vec::new(),
    }
}

/// The names that a use tree brings in, at all its leaves.
fn leaves(tokens: &[TokenTree]) -> Vec<String> {
    let mut names = Vec::new();
    for branch in tokens.split(|token| is_punct(token, ',')) {
        match branch.last() {
            Some(TokenTree::Ident(ident)) => names.push(ident.to_string()),
            Some(TokenTree::Group(group)) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                names.extend(leaves(&inner));
            }
            _ => {}
        }
    }
    names
}

impl Reader {
    /// Learns of the root file which modules there are, and what it takes out of them.
    fn learn(&mut self, tokens: &[TokenTree]) {
        for at in 0..tokens.len() {
            if word(tokens.get(at)).as_deref() == Some("mod") {
                self.modules.extend(word(tokens.get(at + 1)));
            }
        }
        for at in 0..tokens.len() {
            if word(tokens.get(at)).as_deref() != Some("use") {
                continue;
            }
            let mut start = at + 1;
            let own = matches!(word(tokens.get(start)).as_deref(), Some("self" | "crate"));
            if own && joins(tokens, start + 1) {
                start += 3;
            }
            let Some(module) = word(tokens.get(start)) else {
                continue;
            };
            if !self.modules.contains(&module) || !joins(tokens, start + 1) {
                continue;
            }
            let rest = tokens[start + 3..].split(|token| is_punct(token, ';'));
            for name in rest.take(1).flat_map(leaves) {
                self.exported.insert(name, module.clone());
            }
        }
    }

    /// Reads a file, or the inside of an inline module: `folder` is where its own modules are, `module`
    /// its path from the root.
    fn read(
        &mut self,
        source: &Source,
        tokens: &[TokenTree],
        folder: &Path,
        module: &mut Vec<String>,
    ) {
        let mut path = None;
        let mut at = 0;
        while at < tokens.len() {
            if is_punct(&tokens[at], '#') {
                let attribute = tokens
                    .get(at + 1)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                if let Some(named) = attribute.strip_prefix("[path = \"") {
                    path = Some(named.trim_end_matches("\"]").to_owned());
                }
                at += 2;
                continue;
            }
            match &tokens[at] {
                TokenTree::Group(group) => {
                    let inner = without_tests(group.stream().into_iter().collect());
                    self.read(source, &inner, folder, module);
                }
                TokenTree::Ident(ident) if ident == "mod" => {
                    if let Some(name) = word(tokens.get(at + 1)) {
                        module.push(name.clone());
                        if let Some(TokenTree::Group(group)) = tokens.get(at + 2) {
                            let inner = without_tests(group.stream().into_iter().collect());
                            self.read(source, &inner, &folder.join(&name), module);
                            at += 2;
                        } else {
                            self.follow(source, folder, &name, path.take(), module);
                            at += 1;
                        }
                        module.pop();
                    }
                }
                TokenTree::Ident(_) => self.names(source, tokens, at, module),
                _ => {}
            }
            at += 1;
        }
    }

    /// Reads the file of a module; one named by `#[path]` is beside the file that says so.
    fn follow(
        &mut self,
        source: &Source,
        folder: &Path,
        name: &str,
        path: Option<String>,
        module: &mut Vec<String>,
    ) {
        let candidates: Vec<PathBuf> = match path {
            Some(path) => vec![source.root.with_file_name(path)],
            None => vec![
                folder.join(format!("{name}.rs")),
                folder.join(name).join("mod.rs"),
            ],
        };
        let file = candidates.iter().find(|file| file.exists());
        let file =
            file.unwrap_or_else(|| panic!("no file of module {name} in {}", folder.display()));
        let text = fs::read_to_string(file).expect("a source file");
        let source = Source {
            root: file,
            text: &text,
        };
        self.read(&source, &tokens(&text, file), &folder.join(name), module);
    }

    /// Notes what the path that starts here names, if it names another top-level module.
    fn names(&mut self, source: &Source, tokens: &[TokenTree], at: usize, module: &[String]) {
        let continues =
            at > 0 && (is_punct(&tokens[at - 1], ':') && at > 1 && is_punct(&tokens[at - 2], ':'));
        let Some(first) = word(tokens.get(at)) else {
            return;
        };
        if continues || !joins(tokens, at + 1) {
            return;
        }
        let mut start = at + 3;
        let up = match first.as_str() {
            "crate" => module.len(),
            "self" => 0,
            "super" => {
                let mut up = 1;
                while word(tokens.get(start)).as_deref() == Some("super")
                    && joins(tokens, start + 1)
                {
                    up += 1;
                    start += 3;
                }
                up
            }
            _ => return,
        };
        if up < module.len() {
            return;
        }
        let Some(from) = module.first() else { return };
        for (name, line) in heads(tokens, start) {
            let to = if self.modules.contains(&name) {
                name.as_str()
            } else {
                match self.exported.get(&name) {
                    Some(module) => module.as_str(),
                    None => continue,
                }
            };
            if to != from {
                let words = source.text.lines().nth(line - 1).unwrap_or_default().trim();
                self.found.push(Mention {
                    from: from.clone(),
                    to: to.into(),
                    line: format!("{}:{line}: {words}", source.root.display()),
                });
            }
        }
    }
}
