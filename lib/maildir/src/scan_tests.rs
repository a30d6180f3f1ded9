use std::os::unix::fs::symlink;

use crate::test_support::TestBox;

use super::*;

fn uniques(folder: &Folder) -> Vec<String> {
    let mut names: Vec<_> = folder
        .messages
        .iter()
        .map(|message| String::from_utf8_lossy(folder.names.unique(message)).into_owned())
        .collect();
    names.sort();
    names
}

/// A folder that has seen these names, as a scan has before it looks a second time.
fn having_seen(test: &TestBox, names: &[(Place, &str)]) -> Folder {
    let mut folder = Folder::new(&test.dir);
    for &(place, name) in names {
        let mut path = PathBuf::new();
        crate::folder::join(&mut path, &test.dir, place, &[name.as_bytes()]);
        let inode = fs::symlink_metadata(path).map_or(0, |meta| meta.ino());
        assert!(folder.push(place, name.as_bytes(), inode));
    }
    folder.sort_by_key();
    folder
}

#[test]
fn regular_files_in_new_and_cur_are_messages_and_nothing_else_is() {
    let test = TestBox::with(1);
    test.put("new/2.m.h", "two\n", 2);
    test.put("cur/.hidden", "no message\n", 3);
    test.put("tmp/3.m.h", "not yet\n", 3);
    fs::create_dir(test.path("cur/directory")).expect("made");
    symlink(test.path("tmp/3.m.h"), test.path("cur/link")).expect("made");
    let _socket = std::os::unix::net::UnixListener::bind(test.path("cur/socket")).expect("bound");
    let folder = scan(&test.dir).expect("scanned");
    assert_eq!(uniques(&folder), ["1.m.h", "2.m.h"]);
}

#[test]
fn a_directory_that_cannot_be_read_is_named() {
    let test = TestBox::with(1);
    fs::remove_dir(test.path("new")).expect("removed");
    let unreadable = scan(&test.dir).expect_err("no new");
    assert_eq!(unreadable.path, test.path("new"));
    assert_eq!(unreadable.error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_change_shows_unless_the_last_one_was_within_a_tick() {
    let start = 1000 * SECOND + 1;
    let shows = |stamp| Stamps([1, stamp]).would_show_changes_since(start);
    assert!(shows(start - TICK - 1));
    assert!(!shows(start - TICK));
    assert!(!shows(start));
    // No fractions of a second: a clock of two seconds.
    assert!(shows(997 * SECOND));
    assert!(!shows(999 * SECOND));
    // Nothing that happens now gets a time so far ahead.
    assert!(shows(1100 * SECOND));
}

#[test]
fn directories_at_rest_are_read_once_and_changing_ones_not_for_ever() {
    let test = TestBox::with(1);
    let old = SystemTime::now() - std::time::Duration::from_secs(100);
    let rest = || {
        for place in PLACES {
            let dir = fs::File::open(test.path(place.name())).expect("opened");
            dir.set_modified(old).expect("set");
        }
    };
    let count = |mut each: Box<dyn FnMut(usize)>| {
        rest();
        let mut readings = 0;
        let stamps = until_at_rest(&test.dir, |reading| {
            each(reading);
            readings += 1;
            Ok(Go::On)
        });
        (readings, stamps.expect("read").is_some())
    };
    assert_eq!(count(Box::new(|_| {})), (1, true));
    let dir = test.dir.clone();
    let touch = move |n| fs::write(dir.join(format!("new/{n}")), "x").expect("written");
    assert_eq!(count(Box::new(touch)), (READINGS_CHANGING, false));
    // Fresh all the time, but not seen to change.
    let mut readings = 0;
    fs::write(test.path("cur/fresh"), "x").expect("written");
    let stamps = until_at_rest(&test.dir, |_| {
        readings += 1;
        Ok(Go::On)
    });
    assert!(readings <= READINGS_YOUNG || stamps.expect("read").is_some());
}

#[test]
fn a_message_seen_in_two_places_is_one_if_the_first_is_gone() {
    let test = TestBox::new();
    test.put("cur/1.m.h:2,S", "one\n", 1);
    let seen = [
        (Place::New, "1.m.h"),
        (Place::Cur, "1.m.h:2,"),
        (Place::Cur, "1.m.h:2,S"),
    ];
    let mut folder = having_seen(&test, &seen);
    resolve(&mut folder);
    assert_eq!(folder.messages.len(), 1);
    let message = folder.messages[0];
    assert_eq!(folder.names.name(&message), b"1.m.h:2,S");
    assert!(!message.is(mark::TWIN | mark::MISSING));
}

#[test]
fn two_files_of_one_unique_name_are_two_messages() {
    let test = TestBox::new();
    test.put("new/1.m.h", "one\n", 1);
    test.put("cur/1.m.h:2,S", "another\n", 1);
    let folder = scan(&test.dir).expect("scanned");
    assert_eq!(uniques(&folder), ["1.m.h", "1.m.h"]);
    assert!(folder.messages.iter().all(|message| message.is(mark::TWIN)));
}

#[test]
fn two_names_of_one_file_are_one_message_under_the_one_in_cur() {
    for cur in ["cur/1.m.h:2,", "cur/1.m.h:2,S"] {
        let test = TestBox::new();
        test.put("new/1.m.h", "one\n", 1);
        fs::hard_link(test.path("new/1.m.h"), test.path(cur)).expect("linked");
        let folder = scan(&test.dir).expect("scanned");
        assert_eq!(uniques(&folder), ["1.m.h"]);
        let message = folder.messages[0];
        assert_eq!(folder.names.name(&message), &cur.as_bytes()[4..]);
        assert!(message.is(mark::LINKED) && !message.is(mark::TWIN));
    }
}

#[test]
fn a_name_that_is_told_twice_is_one_message() {
    let test = TestBox::with(1);
    let seen = [(Place::Cur, "1.m.h:2,"), (Place::Cur, "1.m.h:2,")];
    let mut folder = having_seen(&test, &seen);
    resolve(&mut folder);
    assert_eq!(uniques(&folder), ["1.m.h"]);
    assert!(!folder.messages[0].is(mark::TWIN));
}

#[test]
fn a_message_that_is_in_none_of_its_places_is_kept_as_missing() {
    let test = TestBox::new();
    let seen = [(Place::New, "1.m.h"), (Place::Cur, "1.m.h:2,")];
    let mut folder = having_seen(&test, &seen);
    resolve(&mut folder);
    assert_eq!(folder.messages.len(), 1);
    assert!(folder.messages[0].is(mark::MISSING));
}

#[test]
fn a_message_that_a_later_reading_does_not_see_is_looked_at() {
    let test = TestBox::with(2);
    let mut folder = having_seen(&test, &[(Place::Cur, "1.m.h:2,"), (Place::Cur, "2.m.h:2,")]);
    test.remove("cur/2.m.h:2,");
    test.put("new/3.m.h", "three\n", 3);
    read_again(&mut folder, &PLACES, &mut |_, _| false).expect("read");
    folder.sort_by_key();
    resolve(&mut folder);
    assert_eq!(uniques(&folder), ["1.m.h", "2.m.h", "3.m.h"]);
    for message in &folder.messages {
        let is_second = folder.names.unique(message) == b"2.m.h";
        assert_eq!(message.is(mark::MISSING), is_second);
    }
}
