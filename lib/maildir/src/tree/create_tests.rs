use std::fs::File;
use std::os::unix::fs::symlink;

use super::super::test_support::{TestTree, name_of};
use super::*;

#[test]
fn a_new_mailbox_is_whole_and_marked_and_nothing_else_is_made() {
    let test = TestTree::with(&["a.b"]);
    for part in ["tmp", "new", "cur"] {
        assert!(test.path(".a.b").join(part).is_dir(), "{part}");
    }
    assert_eq!(test.read(".a.b/maildirfolder"), "");
    assert_eq!(test.entries(), [".a.b", "cur", "new", "tmp"]);
}

#[test]
fn what_exists_is_not_made_again() {
    let test = TestTree::with(&["a", "b.c"]);
    test.write(".a/cur/1.m.h:2,", "mail");
    for name in ["a", "INBOX"] {
        let error = test.tree.create(&name_of(name)).expect_err("there");
        assert!(matches!(error, TreeError::Exists(_)), "{error}");
    }
    assert_eq!(test.read(".a/cur/1.m.h:2,"), "mail");
    // What only has others below it can be made.
    test.tree.create(&name_of("b")).expect("made");
    assert_eq!(test.list(), ["INBOX", "a", "b+", "b.c"]);
}

#[test]
fn something_else_in_the_place_of_a_mailbox_is_left_alone() {
    let test = TestTree::with(&[]);
    test.write(".file", "text");
    symlink("nowhere", test.path(".dangling")).expect("linked");
    for name in ["file", "dangling"] {
        let error = test.tree.create(&name_of(name)).expect_err("taken");
        assert!(matches!(error, TreeError::Exists(_)), "{error}");
    }
    assert_eq!(test.read(".file"), "text");
    assert_eq!(test.entries(), [".dangling", ".file", "cur", "new", "tmp"]);
}

#[test]
fn a_deleted_mailbox_is_gone_with_its_messages() {
    let test = TestTree::with(&["a"]);
    test.write(".a/cur/1.m.h:2,", "mail");
    test.tree.delete(&name_of("a")).expect("deleted");
    assert_eq!(test.list(), ["INBOX"]);
    assert_eq!(test.entries(), ["cur", "new", "tmp"]);
    let error = test.tree.delete(&name_of("a")).expect_err("gone");
    assert!(matches!(error, TreeError::Missing(_)), "{error}");
}

#[test]
fn deleting_a_mailbox_leaves_those_below_it_and_its_name() {
    let test = TestTree::with(&["a", "a.b"]);
    test.tree.delete(&name_of("a")).expect("deleted");
    assert_eq!(test.list(), ["INBOX", "(a)+", "a.b"]);
    let error = test.tree.delete(&name_of("a")).expect_err("has one below");
    assert!(matches!(error, TreeError::Refused(_)), "{error}");
    test.tree.delete(&name_of("a.b")).expect("deleted");
    assert_eq!(test.list(), ["INBOX"]);
}

#[test]
fn inbox_is_never_deleted() {
    let test = TestTree::with(&[]);
    let error = test.tree.delete(&Name::inbox()).expect_err("never");
    assert!(matches!(error, TreeError::Refused(_)), "{error}");
    assert_eq!(test.entries(), ["cur", "new", "tmp"]);
}

#[test]
fn of_a_linked_mailbox_only_the_link_is_deleted() {
    let test = TestTree::with(&["a"]);
    fs::create_dir_all(test.outside("elsewhere/cur")).expect("made");
    fs::write(test.outside("elsewhere/cur/1.m.h:2,"), "mail").expect("written");
    symlink(test.outside("elsewhere"), test.path(".link")).expect("linked");
    symlink(test.outside("elsewhere"), test.path(".a/cur/inside")).expect("linked");
    test.tree.delete(&name_of("link")).expect("deleted");
    test.tree.delete(&name_of("a")).expect("deleted");
    assert_eq!(test.list(), ["INBOX"]);
    assert_eq!(test.entries(), ["cur", "new", "tmp"]);
    assert!(test.outside("elsewhere/cur/1.m.h:2,").exists());
}

#[test]
fn what_the_killed_left_is_no_mailbox_and_is_swept() {
    let test = TestTree::with(&["a"]);
    for dir in [
        "superd-deleted.1/cur",
        "superd-new.1/tmp",
        "superd-new.2",
        "superd-newer",
    ] {
        fs::create_dir_all(test.path(dir)).expect("made");
    }
    test.write("superd-deleted.1/cur/1.m.h:2,", "mail");
    symlink(test.path(".a"), test.path("superd-deleted.2")).expect("linked");
    let now = SystemTime::now();
    let long_ago = now - STALE - Duration::from_secs(10);
    let dir = File::open(test.path("superd-new.2")).expect("opened");
    dir.set_modified(long_ago).expect("aged");
    assert_eq!(test.list(), ["INBOX", "a"]);
    assert_eq!(test.tree.sweep(now), 3);
    assert_eq!(
        test.entries(),
        [".a", "cur", "new", "superd-new.1", "superd-newer", "tmp"]
    );
    assert_eq!(test.tree.sweep(now), 0);
}

#[test]
fn a_mailbox_that_cannot_be_made_leaves_nothing() {
    let tree = Tree::new("/nonexistent/Maildir".into());
    let error = tree.create(&name_of("a")).expect_err("nowhere");
    assert_eq!(
        error.to_string(),
        "unable to use /nonexistent/Maildir/.a: file does not exist"
    );
    assert!(!error.is_permission());
}

#[test]
fn only_a_mailbox_without_a_message_is_removed_as_empty() {
    let test = TestTree::with(&["a", "b", "c"]);
    test.write(".b/cur/1.m.h:2,", "mail");
    test.write(".c/new/1.m.h", "mail");
    test.write(".a/tmp/1.m.h", "never a message");
    let is_gone = |name| test.tree.remove_empty(&name_of(name)).expect("looked into");
    assert!(is_gone("a") && !is_gone("b") && !is_gone("c"));
    assert!(!test.tree.remove_empty(&Name::inbox()).expect("looked into"));
    assert_eq!(test.list(), ["INBOX", "b", "c"]);
    assert_eq!(test.read(".b/cur/1.m.h:2,"), "mail");
    assert_eq!(test.read(".c/new/1.m.h"), "mail");
    for part in ["tmp", "new", "cur"] {
        assert!(test.path(".b").join(part).is_dir(), "{part}");
    }
    assert_eq!(test.entries(), [".b", ".c", "cur", "new", "tmp"]);
    assert!(test.tree.remove_empty(&name_of("a")).is_err());
}
