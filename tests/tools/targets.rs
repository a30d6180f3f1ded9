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
    let kit = tests.join("kit/src");
    modules(&kit.join("lib.rs"), &kit, &mut found);
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
    let sources: Vec<String> = (below(&tests, "/transcripts.rs").iter())
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
