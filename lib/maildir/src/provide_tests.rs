use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a home")
}

fn provided(home: &Path, dir: &str) -> bool {
    provide_in(home, Path::new(dir)).expect("no trouble")
}

#[test]
fn it_is_made_whole_for_its_owner_alone_and_once() {
    for dir in ["Maildir", "./Maildir/", "mail/in"] {
        let home = home();
        fs::create_dir(home.path().join("mail")).expect("made");
        assert!(provided(home.path(), dir), "{dir}");
        for part in ["", "tmp", "new", "cur"] {
            let meta = fs::symlink_metadata(home.path().join(dir).join(part)).expect("made");
            assert_eq!(meta.permissions().mode(), 0o040_700, "{dir} {part}");
        }
        assert!(!provided(home.path(), dir), "it is there");
        let above = home.path().join(dir).parent().expect("one").to_owned();
        let left = |entry: io::Result<fs::DirEntry>| {
            let name = entry.expect("read").file_name();
            name.to_string_lossy().ends_with(NEW)
        };
        assert!(!fs::read_dir(above).expect("read").any(left), "{dir}");
    }
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    let home = home();
    fs::write(home.path().join("file"), "").expect("written");
    fs::create_dir(home.path().join("empty")).expect("made");
    symlink("nowhere", home.path().join("link")).expect("linked");
    for dir in ["file", "empty", "link"] {
        assert!(!provided(home.path(), dir), "{dir}");
    }
    assert!(!home.path().join("nowhere").exists());
    assert_eq!(fs::read_dir(home.path()).expect("read").count(), 3);
}

#[test]
fn nothing_is_made_where_the_way_is_missing_a_link_or_leads_out_of_the_home() {
    let home = home();
    let elsewhere = self::home();
    symlink(elsewhere.path(), home.path().join("link")).expect("linked");
    for dir in [
        "missing/in",
        "link/in",
        "../x",
        "/tmp/no-such-maildir-here",
        "",
        ".",
        "..",
    ] {
        assert!(!provided(home.path(), dir), "{dir}");
    }
    assert!(!provided(Path::new("/nonexistent"), "Maildir"));
    assert_eq!(fs::read_dir(elsewhere.path()).expect("read").count(), 0);
    assert_eq!(fs::read_dir(home.path()).expect("read").count(), 1);
}

#[test]
fn in_a_home_of_somebody_elses_nothing_is_made() {
    // Root's, or where the tests are root's, nobody's: as the empty place of one that is not mounted.
    let home = home();
    let (owner, path) = match os::identity::effective_uid() {
        0 => (7001, home.path().to_owned()),
        _ => (0, Path::new("/").to_owned()),
    };
    if owner != 0 {
        std::os::unix::fs::chown(&path, Some(owner), None).expect("given away");
    }
    assert!(!provided(&path, "no-such-maildir-here"));
    if owner != 0 {
        fs::create_dir(path.join("mail")).expect("made");
        assert!(
            !provided(&path, "mail/in"),
            "it is below one that is not his"
        );
    }
}

#[test]
fn what_a_kill_has_left_is_made_ready_by_the_next_login() {
    let home = home();
    fs::create_dir(home.path().join(format!("Maildir{NEW}"))).expect("made");
    fs::create_dir(home.path().join(format!("Maildir{NEW}/tmp"))).expect("made");
    assert!(provided(home.path(), "Maildir"));
    assert!(Maildir::at(home.path().join("Maildir")).exists());
    // But never through a link in its place.
    let elsewhere = self::home();
    symlink(elsewhere.path(), home.path().join(format!("other{NEW}"))).expect("linked");
    assert!(!provided(home.path(), "other"));
    assert_eq!(fs::read_dir(elsewhere.path()).expect("read").count(), 0);
}
