//! The crates of the workspace, as their manifests tell it.

use std::fs;
use std::path::{Path, PathBuf};

/// A crate of the workspace.
pub struct Crate {
    /// The name that others depend on it by.
    pub name: String,
    /// Its folder, relative to the root.
    pub folder: String,
    /// What it depends on, outside crates too, for its tests too.
    dependencies: Vec<String>,
    /// Whether it takes the workspace's lints, which forbid `unsafe`.
    takes_lints: bool,
}

/// The root of the tree.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).expect("a root").to_owned()
}

/// All crates that others may depend on, in the order of the root manifest's list: those at the ground first.
pub fn all() -> Vec<Crate> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the root manifest");
    let mut crates = Vec::new();
    for (_, name, value) in rows(&manifest).filter(|row| row.0 == "workspace.dependencies") {
        if let Some(folder) = value.split("path = \"").nth(1) {
            let folder = folder.split('"').next().expect("a quoted path");
            crates.push(read(name, folder));
        }
    }
    assert!(crates.len() > 20, "only {} crates found", crates.len());
    crates
}

fn read(name: &str, folder: &str) -> Crate {
    let path = root().join(folder).join("Cargo.toml");
    let manifest = fs::read_to_string(path).expect("a manifest");
    let of_crate = |row: &(&str, &str, &str)| row.0.ends_with("dependencies");
    Crate {
        name: name.into(),
        folder: folder.into(),
        dependencies: rows(&manifest)
            .filter(of_crate)
            .map(|(_, key, _)| key.split('.').next().unwrap_or(key).to_owned())
            .collect(),
        takes_lints: rows(&manifest).any(|row| row == ("lints", "workspace", "true")),
    }
}

/// The lines `key = value` of a manifest, each with the name of its section. Cargo reads more; this
/// tree's manifests keep to one line a dependency.
fn rows(manifest: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut section = "";
    manifest.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            return None;
        }
        let (key, value) = line.split_once('=')?;
        (!line.starts_with('#')).then_some((section, key.trim(), value.trim()))
    })
}

/// Handlers whose tests alone use another handler: imapup's run the checkers of popup's.
const TESTS_USE: &[(&str, &str)] = &[("imapup", "popup")];

/// The folder that a crate stands in: "os", "rules", "lib", "superd" or "handlers".
fn part(folder: &str) -> &str {
    folder.split('/').next().unwrap_or(folder)
}

/// The parts of the tree that a crate of this part may depend on; within one part, see the list's order.
fn may_depend_on(part: &str) -> &'static [&'static str] {
    match part {
        "os" => &[],
        "rules" => &["os"],
        "lib" => &["os", "rules", "lib"],
        "superd" => &["os", "rules", "lib", "superd"],
        "handlers" => &["os", "rules", "lib"],
        _ => panic!("a crate stands in {part}, a folder without directions"),
    }
}

#[test]
fn crates_depend_on_those_of_the_ground_only() {
    let crates = all();
    let mut wrong = Vec::new();
    for (at, one) in crates.iter().enumerate() {
        for dependency in &one.dependencies {
            let Some(place) = crates.iter().position(|other| other.name == *dependency) else {
                continue;
            };
            if TESTS_USE.contains(&(&one.name, dependency)) {
                continue;
            }
            let its_part = part(&crates[place].folder);
            if !may_depend_on(part(&one.folder)).contains(&its_part) {
                wrong.push(format!("{} on {}", one.folder, crates[place].folder));
            } else if place >= at {
                wrong.push(format!(
                    "{} on {}, which stands after it in Cargo.toml",
                    one.folder, crates[place].folder
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "these may not depend: {wrong:#?}");
}

#[test]
fn only_os_speaks_to_the_system_without_a_safe_interface() {
    for one in all().iter().filter(|one| one.name != "os") {
        assert!(
            one.takes_lints,
            "{} does not take the workspace's lints, which forbid unsafe",
            one.folder
        );
        for outside in ["libc", "nix"] {
            assert!(
                !one.dependencies.iter().any(|name| name == outside),
                "{} depends on {outside}: that is os's",
                one.folder
            );
        }
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the root manifest");
    let forbids = ("workspace.lints.rust", "unsafe_code", "\"forbid\"");
    assert!(rows(&manifest).any(|row| row == forbids));
}

#[test]
fn rows_of_a_manifest_have_their_section_and_no_comments() {
    let manifest = "# a = 1\n[lints]\nworkspace = true\n[dev-dependencies]\nos.workspace = true\n";
    assert_eq!(
        rows(manifest).collect::<Vec<_>>(),
        [
            ("lints", "workspace", "true"),
            ("dev-dependencies", "os.workspace", "true")
        ]
    );
}
