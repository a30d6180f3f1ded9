//! The Makefile, as somebody meets it who has just unpacked the sources.

use std::path::Path;

use kit::{Done, Run, bin, note_left_out, private_dir, script};

/// What `make tools` says where cargo and rustc answer -V with these lines. An empty one is a program that fails.
fn tools(cargo: &str, rustc: &str) -> Option<Done> {
    if !Path::new("/usr/bin/make").exists() {
        note_left_out("what make says of an old Rust", "no /usr/bin/make");
        return None;
    }
    let dir = private_dir(0o755);
    for (name, line) in [("cargo", cargo), ("rustc", rustc)] {
        let text = format!("#!/bin/sh\nset -- '{line}'\necho \"$1\"\n[ \"$1\" ]\n");
        script(&dir.path().join(name), &text);
    }
    let make = Run::new("/usr/bin/make")
        .args(["-s", "-C", env!("CARGO_MANIFEST_DIR"), "tools", "HOST=here"])
        .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()));
    Some(make.done())
}

#[test]
fn make_says_which_rust_it_needs_and_where_debian_has_it() {
    let new = "rustc 1.95.0 (59807616e 2026-04-14)";
    for (cargo, rustc, told) in [
        ("cargo 1.65.0", "rustc 1.63.0", "and cargo is 1.65.0: "),
        ("cargo 1.95.0", "rustc 1.63.0", "and rustc is 1.63.0: "),
        ("cargo 1.94.9", new, "and cargo is 1.94.9: "),
        ("cargo 1.100.0", "rustc 0.99.0", "and rustc is 0.99.0: "),
        ("", new, "and cargo is none that tells its version: "),
    ] {
        let Some(done) = tools(cargo, rustc) else {
            return;
        };
        assert_eq!(done.code, Some(2), "{cargo}: {}", done.err());
        let first = done.err().lines().next().unwrap_or_default().to_owned();
        let wanted = format!("superd is built with Rust 1.95 or later, {told}");
        assert!(first.starts_with(&wanted), "{cargo}: {first}");
        assert!(first.contains("in Debian 12 it is in the packages cargo-web and rustc-web"));
    }
    for (cargo, rustc) in [
        ("cargo 1.95.0 (f2d3ce0bd 2026-03-21)", new),
        ("cargo 1.96.0", "rustc 1.96.0 (built from a source tarball)"),
        ("cargo 1.100.0-nightly (x 2027-01-01)", "rustc 2.0.0"),
    ] {
        let Some(done) = tools(cargo, rustc) else {
            return;
        };
        assert_eq!((done.code, done.err().as_str()), (Some(0), ""), "{cargo}");
    }
}

#[test]
fn who_has_no_rustc_installs_what_somebody_else_has_built() {
    if !Path::new("/usr/bin/make").exists() {
        note_left_out("make install without Rust", "no /usr/bin/make");
        return;
    }
    let dir = private_dir(0o755);
    let target = dir.path().join("target");
    let install = || {
        Run::new("/usr/bin/make")
            .args(["-s", "-C", env!("CARGO_MANIFEST_DIR"), "install"])
            .arg(format!("DESTDIR={}", dir.path().display()))
            .env("CARGO_TARGET_DIR", &target)
            .env("PATH", "/usr/bin:/bin")
            .done()
    };
    if Path::new("/usr/bin/rustc").exists() {
        note_left_out("make install without Rust", "rustc is in /usr/bin");
        return;
    }
    let done = install();
    assert_eq!(done.code, Some(2), "{}", done.err());
    assert!(
        done.err()
            .starts_with("superd is not built: run make first\n"),
        "{}",
        done.err()
    );

    for (part, name) in [
        ("a-linux-musl", "superd"),
        ("nss/a-linux-gnu", "superd-nss"),
    ] {
        let release = target.join(part).join("release");
        std::fs::create_dir_all(&release).unwrap();
        std::fs::copy(bin("superd"), release.join(name)).unwrap();
    }
    let done = install();
    assert_eq!(done.code, Some(0), "{}", done.err());
    for name in ["sbin/superd", "libexec/superd/superd-nss"] {
        assert!(dir.path().join("usr/local").join(name).exists(), "{name}");
    }
}
