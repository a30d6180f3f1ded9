//! APPEND, COPY and MOVE.

use std::fs;

use super::support::*;
use crate::Maildir;
use crate::selection::{Access, Appended, Flags, How, Kind, append, stage};
use crate::test_support::{TestBox, files};

fn other(test: &TestBox) -> std::path::PathBuf {
    let dir = test.path(".other");
    Maildir::at(dir.clone()).create().expect("made");
    dir
}

#[test]
fn messages_are_appended_with_flags_keywords_and_dates() {
    let test = TestBox::with(1);
    let mut selection = select(&test.dir);
    let message = |text: &[u8], flags: &str, date| {
        let mut writer = stage(&test.dir).expect("begun");
        writer.write(text).expect("written");
        Appended {
            staged: writer.finish().expect("finished"),
            flags: Flags::from_letters(flags.as_bytes()),
            keywords: vec![b"Work".to_vec()],
            date,
        }
    };
    let messages = vec![
        message(b"a\r\nb\r\n", "SF", Some(1_000_000_000)),
        message(b"open end", "", Some(-5)),
        message(b"now\r\n", "", None),
    ];
    let appended = with(&test.dir, Access::ReadWrite, |open| append(open, messages));
    let appended = appended.expect("appended");
    assert_eq!(
        (appended.validity, appended.uids),
        (VALIDITY, vec![2, 3, 4])
    );
    assert_eq!(refresh(&mut selection), "1 2FS+Work 3+Work 4+Work");
    let sizes: Vec<_> = (1..4).map(|n| selection.size(n)).collect();
    assert_eq!(sizes, [Some(6), Some(8), Some(5)]);
    let dates: Vec<_> = (1..3).map(|n| selection.date(n)).collect();
    assert_eq!(dates, [Some(1_000_000_000), Some(-5)]);
    let name = selection.path(1);
    let name = name.file_name().expect("a name").to_string_lossy();
    assert!(name.ends_with(",S=4,W=6:2,FSa"), "{name}");
    assert!(files(&test.path("tmp")).is_empty());
    // The other way round it is read from the files.
    test.remove("superd-journal");
    let mut again = select(&test.dir);
    assert_eq!(again.date(1), Some(1_000_000_000));
    assert_eq!(again.size(2), Some(8));
}

#[test]
fn what_cannot_be_appended_as_a_whole_is_not_appended_at_all() {
    let test = TestBox::with(1);
    drop(select(&test.dir));
    let message = || Appended {
        staged: stage(&test.dir).expect("begun").finish().expect("finished"),
        flags: Flags::default(),
        keywords: Vec::new(),
        date: None,
    };
    let (first, second) = (message(), message());
    fs::remove_file(&second.staged.temporary.path).expect("removed");
    let result = with(&test.dir, Access::ReadWrite, |open| {
        append(open, vec![first, second])
    });
    result.expect_err("one is missing");
    assert_eq!(files(&test.path("cur")), ["1.m.h:2,"]);
    assert!(files(&test.path("tmp")).is_empty());
    let selection = select(&test.dir);
    assert_eq!((shown(&selection), selection.uid_next()), ("1".into(), 2));
}

#[test]
fn copies_have_the_flags_keywords_and_dates_of_their_originals() {
    let test = TestBox::with(3);
    let target = other(&test);
    let mut there = select(&target);
    let add = change(How::Add, "S", &["odd"]);
    there.store(&[], &add, None).expect("nothing to do");
    let mut selection = select(&test.dir);
    selection
        .store(&[0, 2], &change(How::Add, "F", &["work"]), None)
        .expect("stored");
    let date = selection.date(2);
    let copied = with(&target, Access::ReadWrite, |open| {
        selection.copy(&[2, 0], open)
    });
    let copied = copied.expect("copied");
    assert_eq!(copied.pairs, [(3, 1), (1, 2)]);
    assert_eq!((copied.validity, copied.gone), (VALIDITY, vec![]));
    assert_eq!(refresh(&mut there), "1F+work 2F+work");
    assert_eq!((there.date(0), there.size(0)), (date, Some(11)));
    assert_eq!(shown(&selection), "1F+work 2 3F+work");
    // A letter of its own: odd came first there.
    assert_eq!(there.keywords(0), [1]);
}

#[test]
fn a_copy_into_the_same_mailbox_is_another_message() {
    let test = TestBox::with(2);
    let mut selection = select(&test.dir);
    let copied = with(&test.dir, Access::ReadWrite, |open| {
        selection.copy(&[0, 1], open)
    });
    assert_eq!(copied.expect("copied").pairs, [(1, 3), (2, 4)]);
    assert_eq!(refresh(&mut selection), "1 2 3 4");
    let moved = with(&test.dir, Access::ReadWrite, |open| {
        selection.move_to(&[0], open)
    });
    assert_eq!(moved.expect("moved").pairs, [(1, 5)]);
    assert_eq!(refresh(&mut selection), "2 3 4 5");
}

#[test]
fn what_is_gone_is_told_and_the_rest_is_moved_but_not_copied() {
    let test = TestBox::with(3);
    let target = other(&test);
    let mut selection = select(&test.dir);
    test.remove("cur/2.m.h:2,");
    test.rename("cur/3.m.h:2,", "cur/3.m.h:2,S");
    let copied = with(&target, Access::ReadWrite, |open| {
        selection.copy(&[0, 1, 2], open)
    });
    let copied = copied.expect("copied");
    assert_eq!((copied.pairs, copied.gone), (vec![], vec![1]));
    assert!(select(&target).is_empty());
    assert!(files(&target.join("tmp")).is_empty());
    let moved = with(&target, Access::ReadWrite, |open| {
        selection.move_to(&[0, 1, 2], open)
    });
    let moved = moved.expect("moved");
    assert_eq!((moved.pairs, moved.gone), (vec![(1, 1), (3, 2)], vec![1]));
    assert_eq!(shown(&select(&target)), "1 2S");
    assert_eq!(refresh(&mut selection), "");
}

#[test]
fn what_is_there_is_copied_where_that_is_asked_for() {
    let test = TestBox::with(3);
    let target = other(&test);
    let mut selection = select(&test.dir);
    test.remove("cur/2.m.h:2,");
    let copied = with(&target, Access::ReadWrite, |open| {
        selection.copy_present(&[0, 1, 2], open)
    });
    let copied = copied.expect("copied");
    assert_eq!((copied.pairs, copied.gone), (vec![(1, 1), (3, 2)], vec![1]));
    assert_eq!(shown(&select(&target)), "1 2");
    assert_eq!(refresh(&mut selection), "1 3");
}

#[test]
fn moved_messages_are_there_and_no_more_here() {
    let test = TestBox::with(3);
    let target = other(&test);
    fs::write(target.join("new/9.m.h"), "new\n").expect("written");
    let (mut a, mut b) = (select(&test.dir), select(&test.dir));
    let moved = with(&target, Access::ReadWrite, |open| a.move_to(&[0, 1], open));
    assert_eq!(moved.expect("moved").pairs, [(1, 2), (2, 3)]);
    assert_eq!(shown(&a), "(1) (2) 3");
    assert_eq!(refresh(&mut b), "3");
    // What was new there still is, for the first one who selects it.
    assert!(target.join("new/9.m.h").exists());
    assert_eq!(shown(&select(&target)), "1* 2 3");
    assert_eq!(files(&test.path("cur")), ["3.m.h:2,"]);
}

#[test]
fn nothing_is_moved_into_a_mailbox_that_is_not_there() {
    let test = TestBox::with(1);
    let mut selection = select(&test.dir);
    let target = test.path(".none");
    let error = with(&target, Access::ReadWrite, |open| {
        selection.move_to(&[0], open)
    });
    assert_eq!(error.expect_err("none").kind(), Kind::NotFound);
    assert_eq!(refresh(&mut selection), "1");
}

#[test]
fn a_message_in_new_is_copied_by_one_who_only_reads() {
    let test = TestBox::new();
    put(&test, 1, "");
    let target = other(&test);
    let mut selection = examine(&test.dir);
    let copied = with(&target, Access::ReadWrite, |open| {
        selection.copy(&[0], open)
    });
    assert_eq!(copied.expect("copied").pairs, [(1, 1)]);
    assert!(test.exists("new/1.m.h"));
    let moved = with(&target, Access::ReadWrite, |open| {
        selection.move_to(&[0], open)
    });
    assert_eq!(moved.expect_err("refused").kind(), Kind::ReadOnly);
}
