//! superd-rules: what becomes of the files, whatever goes wrong. In the order of superd-rules(1).

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::rules::Place;
use kit::{Done, Side, bin, both, ours};

#[test]
fn what_the_system_refuses_is_told_in_the_originals_words() {
    let told = |expected: &str, run: &dyn Fn(Side) -> Done| {
        both(
            (Some(111), format!("tcprules: fatal: {expected}\n")),
            |side| {
                let done = run(side);
                let err = done.err();
                // Ours warns that there are no rules in an empty input.
                (
                    done.code,
                    err.lines()
                        .filter(|line| line.contains("fatal"))
                        .map(|l| format!("{l}\n"))
                        .collect(),
                )
            },
        );
    };
    let args = |args: &'static [&'static str]| {
        move |side| {
            let place = Place::new();
            fs::create_dir(place.path("dir")).unwrap();
            fs::write(place.path("file"), "").unwrap();
            place.run(side, args, ":allow\n")
        }
    };
    told(
        "unable to create no/tmp: file does not exist",
        &args(&["cdb", "no/tmp"]),
    );
    told(
        "unable to create file/tmp: not a directory",
        &args(&["cdb", "file/tmp"]),
    );
    told(
        "unable to create dir: is a directory",
        &args(&["cdb", "dir"]),
    );
    told(
        "unable to create : file does not exist",
        &args(&["cdb", ""]),
    );
    told(
        "unable to move tmp to dir: is a directory",
        &args(&["dir", "tmp"]),
    );
    told(
        "unable to move tmp to no/cdb: file does not exist",
        &args(&["no/cdb", "tmp"]),
    );
    told(
        "unable to move tmp to : file does not exist",
        &args(&["", "tmp"]),
    );
    let shell = |command: &'static str| move |side| Place::new().shell(side, command);
    told(
        "unable to read input: is a directory",
        &shell("\"$1\" cdb tmp <."),
    );
    told(
        "unable to read input: file descriptor not open",
        &shell("\"$1\" cdb tmp <&-"),
    );
}

/// The size in bytes of the database that these rules make.
fn compiled_size(rules: &Path) -> usize {
    let place = Place::new();
    place.compile(Side::Ours, fs::read(rules).unwrap());
    place.cdb().unwrap().len()
}

#[test]
fn a_full_disk_is_told_and_leaves_the_old_database() {
    // A limit on the size of files stands in for it; ignored, its signal is an error instead.
    let place = Place::new();
    let rules: String = (0..2000)
        .map(|n| format!("1.2.{}.{}:deny\n", n / 250, n % 250))
        .collect();
    fs::write(place.path("rules"), rules).unwrap();
    assert_eq!(place.compile(Side::Ours, ":deny\n").code, Some(0));
    let before = place.cdb();
    let size = compiled_size(&place.path("rules"));
    // A block is 512 bytes, with some shells 1024.
    for blocks in [0, 1, 2, 3, 4, 5, size / 2048, size / 1024] {
        let command = format!("trap '' XFSZ; ulimit -f {blocks}; \"$1\" cdb tmp <rules");
        let done = place.shell(Side::Ours, &command);
        assert_eq!(done.code, Some(111), "{blocks}: {}", done.err());
        assert!(
            done.err()
                .starts_with("tcprules: fatal: unable to write to tmp: "),
            "{}",
            done.err()
        );
        assert_eq!(
            (place.cdb(), place.names()),
            (before.clone(), vec!["cdb".into(), "rules".into()])
        );
    }
}

#[test]
fn trap_11_a_failing_run_leaves_the_old_database_and_with_ours_nothing_else() {
    for text in ["x:y\n", "1.2.3.4:deny\nx:y\n1.2.3.5:deny\n"] {
        both((Some(100), true), |side| {
            let place = Place::new();
            place.compile(side, "1.2.3.4:deny\n");
            let before = place.cdb();
            let done = place.compile(side, text);
            (done.code, place.cdb() == before)
        });
        let place = Place::new();
        place.compile(Side::Ours, text);
        assert_eq!(place.names(), [""; 0]);
    }
}

#[test]
fn a_symbolic_link_in_the_databases_place_is_replaced_and_not_followed() {
    both((Some(0), true, "old".to_string()), |side| {
        let place = Place::new();
        fs::write(place.path("real"), "old").unwrap();
        symlink("real", place.path("cdb")).unwrap();
        let done = place.compile(side, ":allow\n");
        let is_file = fs::symlink_metadata(place.path("cdb")).unwrap().is_file();
        (
            done.code,
            is_file,
            fs::read_to_string(place.path("real")).unwrap(),
        )
    });
}

#[test]
fn one_name_for_both_files_works() {
    both((Some(0), vec!["cdb".to_string()]), |side| {
        let place = Place::new();
        place.run(side, &["cdb", "cdb"], ":deny\n");
        let done = place.run(side, &["cdb", "./cdb"], ":allow\n");
        (done.code, place.names())
    });
}

#[test]
fn ours_refuses_to_write_through_what_is_no_regular_file() {
    let place = Place::new();
    fs::write(place.path("precious"), "precious").unwrap();
    symlink("precious", place.path("tmp")).unwrap();
    let done = place.compile(Side::Ours, ":allow\n");
    assert_eq!(done.code, Some(111));
    assert_eq!(
        done.err(),
        "tcprules: fatal: unable to create tmp: not a regular file\n"
    );
    assert_eq!(
        fs::read_to_string(place.path("precious")).unwrap(),
        "precious"
    );
}

#[test]
fn a_new_database_has_the_originals_mode_and_with_ours_a_replaced_one_keeps_its_own() {
    let mode = |place: &Place| {
        fs::metadata(place.path("cdb"))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    for (umask, expected) in [
        ("022", 0o644),
        ("027", 0o640),
        ("077", 0o600),
        ("000", 0o644),
    ] {
        both(expected, |side| {
            let place = Place::new();
            let done = place.shell(
                side,
                &format!("umask {umask}; echo :allow | \"$1\" cdb tmp"),
            );
            assert_eq!(done.code, Some(0), "{}", done.err());
            mode(&place)
        });
    }
    ours(|side| {
        let place = Place::new();
        place.compile(side, ":allow\n");
        fs::set_permissions(place.path("cdb"), fs::Permissions::from_mode(0o640)).unwrap();
        place.compile(side, ":deny\n");
        assert_eq!(mode(&place), 0o640);
    });
}

#[test]
fn a_run_that_is_killed_leaves_the_old_database_and_the_next_run_is_not_hindered() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let place = Place::new();
    place.compile(Side::Ours, ":deny\n");
    let before = place.cdb();
    let mut child = Command::new(bin("tcprules"))
        .args(["cdb", "tmp"])
        .current_dir(place.0.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all("1.2.3.4:allow\n".repeat(20_000).as_bytes())
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(place.cdb(), before);
    let done = place.compile(Side::Ours, "1.2.3.4:deny\n");
    assert_eq!((done.code, done.err()), (Some(0), String::new()));
    assert_eq!(place.names(), ["cdb"]);
}
