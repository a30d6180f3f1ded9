use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::thread;

use super::*;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn create(&self, target: &str, temporary: &str) -> io::Result<Replacement> {
        Replacement::create_patiently(&self.path(target), &self.path(temporary), 2)
    }

    fn refusal(&self, target: &str, temporary: &str) -> String {
        os::reason(&self.create(target, temporary).unwrap_err()).into_owned()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().mode() & 0o7777
    }
}

fn fill(new: &Replacement, text: &str) {
    (&mut new.file()).write_all(text.as_bytes()).unwrap();
}

#[test]
fn until_the_commit_the_old_content_is_there_and_then_the_new() {
    let place = Place::new();
    place.write("cdb", "old");
    let new = place.create("cdb", "tmp").unwrap();
    fill(&new, "new");
    assert_eq!(
        (place.read("cdb"), place.names()),
        ("old".into(), vec!["cdb".into(), "tmp".into()])
    );
    new.commit().unwrap();
    assert_eq!(
        (place.read("cdb"), place.names()),
        ("new".into(), vec!["cdb".into()])
    );
}

#[test]
fn what_is_dropped_without_a_commit_leaves_nothing_behind() {
    let place = Place::new();
    place.write("cdb", "old");
    let new = place.create("cdb", "tmp").unwrap();
    fill(&new, "new");
    drop(new);
    assert_eq!(
        (place.read("cdb"), place.names()),
        ("old".into(), vec!["cdb".into()])
    );
}

#[test]
fn a_left_over_temporary_file_is_removed_not_written_into() {
    let place = Place::new();
    place.write("tmp", "left over");
    fs::hard_link(place.path("tmp"), place.path("other name")).unwrap();
    let new = place.create("cdb", "tmp").unwrap();
    fill(&new, "new");
    new.commit().unwrap();
    assert_eq!(
        (place.read("cdb"), place.read("other name")),
        ("new".into(), "left over".into())
    );
}

#[test]
fn a_temporary_name_that_is_no_regular_file_is_refused_and_left_alone() {
    let place = Place::new();
    place.write("precious", "precious");
    symlink(place.path("precious"), place.path("link")).unwrap();
    symlink(place.path("nowhere"), place.path("dangling")).unwrap();
    fs::create_dir(place.path("directory")).unwrap();
    let _socket = UnixListener::bind(place.path("socket")).unwrap();
    let before = place.names();
    assert_eq!(place.refusal("cdb", "link"), "not a regular file");
    assert_eq!(place.refusal("cdb", "dangling"), "not a regular file");
    assert_eq!(place.refusal("cdb", "socket"), "not a regular file");
    assert_eq!(place.refusal("cdb", "directory"), "is a directory");
    assert_eq!(place.refusal("cdb", "no/tmp"), "file does not exist");
    assert_eq!(place.refusal("cdb", "precious/tmp"), "not a directory");
    assert_eq!(
        (place.names(), place.read("precious")),
        (before, "precious".into())
    );
}

#[test]
fn a_temporary_name_that_is_the_file_itself_does_not_touch_it_before_the_commit() {
    let place = Place::new();
    place.write("cdb", "old");
    symlink(place.path("cdb"), place.path("link")).unwrap();
    fs::hard_link(place.path("cdb"), place.path("hard link")).unwrap();
    for (target, temporary) in [
        ("cdb", "cdb"),
        ("cdb", "./cdb"),
        ("cdb", "hard link"),
        ("link", "cdb"),
    ] {
        let new = place.create(target, temporary).unwrap();
        fill(&new, "new");
        assert_eq!(place.read("cdb"), "old", "{target} {temporary}");
        drop(new);
        assert_eq!(
            (place.read("cdb"), place.names().len()),
            ("old".into(), 3),
            "{target} {temporary}"
        );
    }
    let new = place.create("cdb", "cdb").unwrap();
    fill(&new, "new");
    new.commit().unwrap();
    assert_eq!((place.read("cdb"), place.names().len()), ("new".into(), 3));
}

#[test]
fn one_name_for_both_works_where_there_is_no_file_yet() {
    let place = Place::new();
    let new = place.create("cdb", "./cdb").unwrap();
    fill(&new, "new");
    assert!(!place.path("cdb").exists(), "nobody sees a part of it");
    new.commit().unwrap();
    assert_eq!(
        (place.read("cdb"), place.names()),
        ("new".into(), vec!["cdb".into()])
    );
}

#[test]
fn a_symbolic_link_is_replaced_and_not_followed() {
    let place = Place::new();
    place.write("real", "old");
    symlink(place.path("real"), place.path("cdb")).unwrap();
    let new = place.create("cdb", "tmp").unwrap();
    fill(&new, "new");
    new.commit().unwrap();
    assert!(fs::symlink_metadata(place.path("cdb")).unwrap().is_file());
    assert_eq!(
        (place.read("cdb"), place.read("real")),
        ("new".into(), "old".into())
    );
}

#[test]
fn a_move_that_is_impossible_is_told_and_leaves_nothing_behind() {
    let place = Place::new();
    fs::create_dir(place.path("cdb")).unwrap();
    let new = place.create("cdb", "tmp").unwrap();
    match new.commit() {
        Err(CommitError::Move(error)) => assert_eq!(os::reason(&error), "is a directory"),
        other => panic!("{other:?}"),
    }
    assert_eq!(place.names(), ["cdb"]);
}

#[test]
fn the_mode_of_the_old_file_is_kept() {
    let place = Place::new();
    place.write("cdb", "old");
    for mode in [0o600, 0o640, 0o604, 0o666] {
        fs::set_permissions(place.path("cdb"), Permissions::from_mode(mode)).unwrap();
        place.create("cdb", "tmp").unwrap().commit().unwrap();
        assert_eq!(place.mode("cdb"), mode);
    }
    fs::set_permissions(place.path("cdb"), Permissions::from_mode(0o4755)).unwrap();
    place.create("cdb", "tmp").unwrap().commit().unwrap();
    assert_eq!(place.mode("cdb"), 0o755);
}

#[test]
fn a_new_file_has_the_mode_of_the_original_program() {
    let place = Place::new();
    fs::write(place.path("measure"), "").unwrap();
    let umask = 0o666 & !place.mode("measure");
    place.create("cdb", "tmp").unwrap().commit().unwrap();
    assert_eq!(place.mode("cdb"), 0o644 & !umask);
    place.write("real", "");
    fs::set_permissions(place.path("real"), Permissions::from_mode(0o600)).unwrap();
    symlink(place.path("real"), place.path("link")).unwrap();
    place.create("link", "tmp").unwrap().commit().unwrap();
    assert_eq!(place.mode("link"), 0o644 & !umask);
}

#[test]
fn owner_and_group_of_the_old_file_are_kept_where_the_system_lets_us() {
    let place = Place::new();
    place.write("cdb", "old");
    // Only root can give files away; others stop here and have tested what they can.
    if std::os::unix::fs::chown(place.path("cdb"), Some(12_345), Some(23_456)).is_err() {
        return;
    }
    fs::set_permissions(place.path("cdb"), Permissions::from_mode(0o640)).unwrap();
    place.create("cdb", "tmp").unwrap().commit().unwrap();
    let new = fs::metadata(place.path("cdb")).unwrap();
    assert_eq!(
        (new.uid(), new.gid(), new.mode() & 0o777),
        (12_345, 23_456, 0o640)
    );
}

#[test]
fn a_temporary_file_that_another_run_is_writing_is_waited_for_and_then_refused() {
    let place = Place::new();
    let first = place.create("cdb", "tmp").unwrap();
    fill(&first, "first");
    assert_eq!(place.refusal("cdb", "tmp"), "another process is writing it");
    first.commit().unwrap();
    assert_eq!(place.read("cdb"), "first");
    place.create("cdb", "tmp").unwrap();
}

#[test]
fn many_runs_at_once_with_one_temporary_file_all_succeed_and_none_mixes_with_another() {
    let place = Place::new();
    let (target, temporary) = (place.path("cdb"), place.path("tmp"));
    thread::scope(|scope| {
        for number in 0..8_u8 {
            let (target, temporary) = (&target, &temporary);
            scope.spawn(move || {
                let new = Replacement::create(target, temporary).unwrap();
                for _ in 0..100 {
                    fill(&new, &format!("{number}"));
                    thread::yield_now();
                }
                new.commit().unwrap();
            });
        }
    });
    let text = place.read("cdb");
    assert_eq!(text.len(), 100);
    assert!(
        text.bytes().all(|byte| byte == text.as_bytes()[0]),
        "{text}"
    );
    assert_eq!(place.names(), ["cdb"]);
}

#[test]
fn what_another_process_put_in_the_place_of_the_temporary_file_is_neither_moved_nor_removed() {
    let place = Place::new();
    place.write("cdb", "old");
    let new = place.create("cdb", "tmp").unwrap();
    fs::remove_file(place.path("tmp")).unwrap();
    place.write("tmp", "a stranger's");
    assert!(matches!(new.commit(), Err(CommitError::Move(_))));
    assert_eq!(
        (place.read("cdb"), place.read("tmp")),
        ("old".into(), "a stranger's".into())
    );
}
