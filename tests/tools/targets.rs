//! The tests themselves: each file is part of a target, each transcript is compared.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kit::place::top;

/// All files below `dir` whose names end so.
fn below(dir: &Path, end: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut below(&path, end));
        } else if path.to_str().unwrap().ends_with(end) {
            found.insert(path);
        }
    }
    found
}

/// The folders of this one that are crates.
fn crates_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.join("Cargo.toml").exists())
        .collect()
}

/// A file and all the modules that it declares: `dir` is where its modules stand.
fn modules(file: &Path, dir: &Path, found: &mut BTreeSet<PathBuf>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    found.insert(file.to_owned());
    for line in text.lines() {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let name = line
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(';'));
        if let Some(name) = name {
            modules(&dir.join(format!("{name}.rs")), &dir.join(name), found);
        }
    }
}

#[test]
fn every_file_of_tests_is_part_of_a_target() {
    let tests = top().join("tests");
    let manifest = fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let mut found = BTreeSet::new();
    for folder in crates_below(&tests) {
        let src = folder.join("src");
        modules(&src.join("lib.rs"), &src, &mut found);
    }
    for line in manifest.lines() {
        let path = line
            .strip_prefix("path = \"tests/")
            .and_then(|rest| rest.strip_suffix("/main.rs\""));
        if let Some(target) = path {
            let dir = tests.join(target);
            modules(&dir.join("main.rs"), &dir, &mut found);
        }
    }
    let all = below(&tests, ".rs");
    let forgotten: Vec<&PathBuf> = all.difference(&found).collect();
    assert!(forgotten.is_empty(), "in no target: {forgotten:?}");
    assert!(found.len() > 90, "{found:?}");
}

#[test]
fn every_transcript_is_compared() {
    let tests = top().join("tests");
    let sources: Vec<String> = (below(&tests, ".rs").iter())
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let transcripts = below(&tests.join("transcripts"), ".txt");
    assert!(transcripts.len() > 10, "{transcripts:?}");
    for path in transcripts {
        let quoted = format!("\"{}\"", path.file_stem().unwrap().to_str().unwrap());
        assert!(
            sources.iter().any(|source| source.contains(&quoted)),
            "{path:?}"
        );
    }
}

/// The value of a Makefile's variable.
fn variable<'a>(makefile: &'a str, name: &str) -> Vec<&'a str> {
    let line = makefile
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
    line.unwrap_or_else(|| panic!("no {name}"))
        .split(' ')
        .collect()
}

#[test]
fn every_set_has_its_target_and_every_crate_is_of_one_set() {
    let makefile = fs::read_to_string(top().join("Makefile")).unwrap();
    let manifest = fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let sets = variable(&makefile, "SETS");
    let targets = manifest
        .lines()
        .filter(|line| line.starts_with("path = \"tests/"));
    assert_eq!(targets.count(), sets.len());
    let mut named: Vec<&str> = Vec::new();
    for set in sets {
        let target = format!("path = \"tests/{set}/main.rs\"");
        assert!(manifest.contains(&target), "{set}");
        named.append(&mut variable(&makefile, &format!("CRATES_{set}")));
    }
    named.sort_unstable();
    let mut folders: Vec<PathBuf> = ["os", "rules", "superd", "superd/lookup"]
        .map(|name| top().join(name))
        .into();
    for room in ["lib", "handlers", "tests"] {
        folders.append(&mut crates_below(&top().join(room)));
    }
    let name = |folder: &PathBuf| {
        let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("name = \""));
        line.unwrap().trim_end_matches('"').to_owned()
    };
    let mut crates: Vec<String> = folders.iter().map(name).collect();
    crates.sort();
    assert_eq!(named, crates);
}
