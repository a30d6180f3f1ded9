use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use super::super::test_support::{TestTree, name_of};
use super::*;

#[test]
fn a_new_maildir_has_inbox_alone() {
    let test = TestTree::with(&[]);
    assert_eq!(test.list(), ["INBOX"]);
    assert!(test.tree.exists(&Name::inbox()));
    assert_eq!(test.tree.path(&Name::inbox()), test.tree.root());
}

#[test]
fn names_above_mailboxes_are_listed_and_are_none() {
    let test = TestTree::with(&["a.b.c", "a.b.d", "x", "x.y", "INBOX.z"]);
    assert_eq!(
        test.list(),
        [
            "INBOX+", "INBOX.z", "(a)+", "(a.b)+", "a.b.c", "a.b.d", "x+", "x.y"
        ]
    );
    assert!(!test.tree.exists(&name_of("a.b")));
    assert!(test.tree.exists(&name_of("a.b.c")));
}

#[test]
fn only_directories_with_names_of_mailboxes_count() {
    let test = TestTree::with(&["real"]);
    for dir in [
        "..hidden",
        ".a..b",
        ".&AGE-",
        ".INBOX",
        "plain",
        "superd-new.1",
    ] {
        fs::create_dir(test.path(dir)).expect("made");
    }
    test.write(".file", "");
    fs::create_dir(test.outside("elsewhere")).expect("made");
    symlink(test.outside("elsewhere"), test.path(".link")).expect("linked");
    symlink(test.outside("nowhere"), test.path(".dangling")).expect("linked");
    symlink(test.path(".file"), test.path(".to-file")).expect("linked");
    assert_eq!(test.list(), ["INBOX", "link", "real"]);
    for (name, there) in [("link", true), ("dangling", false), ("file", false)] {
        assert_eq!(test.tree.exists(&name_of(name)), there, "{name}");
    }
}

#[test]
fn ten_thousand_mailboxes_are_listed_at_once() {
    let test = TestTree::with(&[]);
    for n in 0..10_000 {
        fs::create_dir(test.path(&format!(".top{}.sub{n}", n % 100))).expect("made");
    }
    let start = Instant::now();
    let listed = test.tree.list().expect("listed");
    assert_eq!(listed.len(), 10_101);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_root_that_cannot_be_read_is_an_error_with_its_name() {
    let tree = Tree::new("/nonexistent/Maildir".into());
    let error = tree.list().expect_err("not there");
    assert_eq!(
        error.to_string(),
        "unable to use /nonexistent/Maildir: file does not exist"
    );
}
