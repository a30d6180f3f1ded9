//! Circles among the top-level modules of a crate.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::path::Path;

use crate::crates::{all, root};
use crate::modules::{Mention, mentions};

/// Circles that are still there: in this crate the first module ought not to name the second. A line
/// whose circle is gone is an error, so that this list only gets shorter.
const KNOWN: &[(&str, &str, &str)] = &[
    ("accounts", "control", "home"),
    ("accounts", "database", "aliases"),
    ("accounts", "database", "userlist"),
    ("accounts", "error", "aliases"),
    ("accounts", "error", "resolve"),
    ("accounts", "names", "database"),
    ("accounts", "resolve", "sources"),
    ("accounts", "resolve", "userlist"),
    ("accounts", "resolve", "known"),
    ("accounts", "userlist", "names"),
    ("imap", "frame", "append"),
    ("imap", "parse", "append"),
    ("imapd", "input", "messages"),
    ("maildir", "uidlist", "uids"),
    ("pop3d", "uidl", "store"),
];

/// The shortest way from a module to itself, as the modules on it, if there is one.
fn circle(mentions: &[&Mention]) -> Option<Vec<String>> {
    let starts = mentions.iter().map(|mention| mention.from.as_str());
    let circles = starts.filter_map(|start| way(mentions, start, start));
    circles.min_by_key(Vec::len)
}

/// The shortest way from a module to another one, both included.
fn way(mentions: &[&Mention], start: &str, end: &str) -> Option<Vec<String>> {
    let mut before: HashMap<&str, &str> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(here) = queue.pop_front() {
        for next in mentions.iter().filter(|mention| mention.from == here) {
            if before.contains_key(next.to.as_str()) {
                continue;
            }
            before.insert(&next.to, here);
            if next.to == end {
                let mut way = vec![end.to_owned()];
                let mut at = end;
                loop {
                    at = before[at];
                    way.insert(0, at.to_owned());
                    if at == start {
                        return Some(way);
                    }
                }
            }
            queue.push_back(&next.to);
        }
    }
    None
}

/// The circle in words: who names whom, and the lines where.
fn explain(mentions: &[&Mention], way: &[String]) -> String {
    let mut text = way.join(" -> ");
    for step in way.windows(2) {
        let lines = mentions
            .iter()
            .filter(|mention| mention.from == step[0] && mention.to == step[1]);
        for mention in lines.take(5) {
            let _ = write!(text, "\n    {} -> {}: {}", step[0], step[1], mention.line);
        }
    }
    text
}

/// What is wrong in one crate, as sentences.
fn faults(name: &str, file: &Path, known: &[(&str, &str, &str)]) -> Vec<String> {
    let all = mentions(file);
    let every: Vec<&Mention> = all.iter().collect();
    let known: Vec<_> = known.iter().filter(|known| known.0 == name).collect();
    let mut faults = Vec::new();
    for (_, from, to) in &known {
        let named = all.iter().any(|one| one.from == *from && one.to == *to);
        if !named || way(&every, to, from).is_none() {
            faults.push(format!(
                "{name}: {from} -> {to} makes no circle any more: take its line out of KNOWN"
            ));
        }
    }
    let is_known = |one: &Mention| {
        known
            .iter()
            .any(|(_, from, to)| one.from == *from && one.to == *to)
    };
    let mut rest: Vec<&Mention> = every.into_iter().filter(|one| !is_known(one)).collect();
    while let Some(circle) = circle(&rest) {
        faults.push(format!("{name}: {}", explain(&rest, &circle)));
        // The next one is told too: without its last step, this one is none.
        let last = &circle[circle.len() - 2];
        rest.retain(|one| one.from != *last || one.to != circle[0]);
    }
    faults
}

#[test]
fn modules_of_a_crate_make_no_circle() {
    let faults: Vec<String> = all()
        .iter()
        .flat_map(|one| {
            faults(
                &one.name,
                &root().join(&one.folder).join("src/lib.rs"),
                KNOWN,
            )
        })
        .collect();
    assert!(
        faults.is_empty(),
        "circles of modules:\n{}",
        faults.join("\n")
    );
}

#[test]
fn circles_are_found_in_files_folders_and_trees_of_use_but_not_in_tests() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    };
    write(
        "lib.rs",
        "pub mod a;\nmod b;\nmod c;\npub use c::{Deep, inner::Thing};\n",
    );
    write(
        "a.rs",
        "use crate::{Thing, b::{self, X}};\n#[cfg(test)]\nmod tests { use crate::b; }\n",
    );
    write(
        "b.rs",
        "// crate::a\nconst X: &str = \"crate::a\";\n#[test]\nfn t() { super::a::f() }\n",
    );
    write("c/mod.rs", "pub mod inner;\npub struct Deep;\n");
    write("c/inner.rs", "pub struct Thing;\nfn f() { super::Deep; }\n");
    let root = folder.path().join("lib.rs");
    assert_eq!(faults("made", &root, &[]), [""; 0]);

    write(
        "c/inner.rs",
        "pub struct Thing;\nfn f() { g(super::super::a::h()) }\n",
    );
    let found = faults("made", &root, &[]).join("\n");
    assert!(
        found.starts_with("made: a -> c -> a") || found.starts_with("made: c -> a -> c"),
        "{found}"
    );
    assert!(
        found.contains("inner.rs:2: fn f() { g(super::super::a::h()) }"),
        "{found}"
    );
    assert!(
        found.contains("a.rs:1: use crate::{Thing, b::{self, X}};"),
        "{found}"
    );

    assert_eq!(faults("made", &root, &[("made", "c", "a")]), [""; 0]);
    let gone = faults("made", &root, &[("made", "c", "a"), ("made", "a", "b")]).join("\n");
    assert!(gone.contains("a -> b makes no circle any more"), "{gone}");
}
