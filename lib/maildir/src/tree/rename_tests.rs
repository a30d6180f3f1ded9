use std::fs;

use super::super::test_support::{TestTree, name_of};
use super::*;

fn rename(test: &TestTree, from: &str, to: &str) -> Result<(), TreeError> {
    test.tree.rename(&name_of(from), &name_of(to))
}

fn refusal(test: &TestTree, from: &str, to: &str) -> TreeError {
    let before = test.entries();
    let error = rename(test, from, to).expect_err("refused");
    assert_eq!(test.entries(), before, "nothing is done");
    error
}

#[test]
fn all_below_a_mailbox_and_all_in_it_go_with_it() {
    let test = TestTree::with(&["a", "a.b", "a.b.c", "a-b", "A"]);
    test.write(".a/dovecot-uidlist", "3 V7 N9 G0\n");
    test.write(".a.b/cur/1.m.h:2,", "mail");
    rename(&test, "a", "x.y").expect("renamed");
    assert_eq!(
        test.list(),
        ["A", "INBOX", "a-b", "(x)+", "x.y+", "x.y.b+", "x.y.b.c"]
    );
    assert_eq!(test.read(".x.y/dovecot-uidlist"), "3 V7 N9 G0\n");
    assert_eq!(test.read(".x.y.b/cur/1.m.h:2,"), "mail");
}

#[test]
fn a_name_that_only_has_others_below_it_can_be_renamed() {
    let test = TestTree::with(&["a.b", "x.c"]);
    rename(&test, "a", "x").expect("renamed");
    assert_eq!(test.list(), ["INBOX", "(x)+", "x.b", "x.c"]);
}

#[test]
fn anything_in_the_way_stops_all_of_it() {
    let test = TestTree::with(&["a", "a.b", "x", "y.b"]);
    for (to, taken) in [("x", "x"), ("y", "y.b"), ("a", "a"), ("INBOX", "INBOX")] {
        match refusal(&test, "a", to) {
            TreeError::Exists(name) => assert_eq!(name, name_of(taken), "{to}"),
            error => panic!("{to}: {error}"),
        }
    }
    // What is there and no mailbox is in the way, too, and is found only when it is met.
    test.write(".z", "a file");
    assert!(matches!(refusal(&test, "a", "z"), TreeError::Exists(_)));
}

#[test]
fn a_mailbox_cannot_go_below_itself_nor_inbox_anywhere() {
    let test = TestTree::with(&["a", "a.b", "INBOX.c"]);
    assert!(matches!(refusal(&test, "a", "a.x"), TreeError::Refused(_)));
    assert!(matches!(
        refusal(&test, "a", "a.b.c"),
        TreeError::Refused(_)
    ));
    assert!(matches!(
        refusal(&test, "INBOX", "x"),
        TreeError::Refused(_)
    ));
    assert!(matches!(
        refusal(&test, "nobody", "x"),
        TreeError::Missing(_)
    ));
    rename(&test, "INBOX.c", "c").expect("renamed");
    assert_eq!(test.list(), ["INBOX", "a+", "a.b", "c"]);
}

#[test]
fn a_mailbox_can_take_the_place_above_it_with_names_that_are_still_taken() {
    let test = TestTree::with(&["a.b", "a.b.b", "a.b.c", "a.b.b.c", "a.b.b.b"]);
    for (n, dir) in [".a.b", ".a.b.b", ".a.b.c", ".a.b.b.c", ".a.b.b.b"]
        .iter()
        .enumerate()
    {
        test.write(&format!("{dir}/mark"), &n.to_string());
    }
    rename(&test, "a.b", "a").expect("renamed");
    assert_eq!(
        test.list(),
        ["INBOX", "a+", "a.b+", "a.b.b", "a.b.c", "a.c"]
    );
    let marks =
        [".a", ".a.b", ".a.c", ".a.b.c", ".a.b.b"].map(|dir| test.read(&format!("{dir}/mark")));
    assert_eq!(marks, ["0", "1", "2", "3", "4"]);
}

#[test]
fn a_name_that_would_be_too_long_below_stops_all_of_it() {
    let long = format!("a.{}", "x".repeat(240));
    let test = TestTree::with(&["a", &long]);
    assert!(matches!(
        refusal(&test, "a", &"y".repeat(20)),
        TreeError::Refused(_)
    ));
}

#[test]
fn a_renaming_that_was_killed_is_done_by_the_same_command() {
    let test = TestTree::with(&["a", "a.b", "a.c"]);
    let there = test.tree.on_disk().expect("read").into_iter().collect();
    let moves = plan(&name_of("a"), &name_of("x"), &there).expect("nothing in the way");
    assert_eq!(moves.last(), Some(&(name_of("a"), name_of("x"))));
    for done in 0..moves.len() {
        let test = TestTree::with(&["a", "a.b", "a.c"]);
        for (old, new) in &moves[..done] {
            fs::rename(test.tree.path(old), test.tree.path(new)).expect("renamed");
        }
        rename(&test, "a", "x").expect("renamed");
        assert_eq!(test.list(), ["INBOX", "x+", "x.b", "x.c"]);
    }
}

#[test]
fn a_renaming_that_fails_in_the_middle_is_taken_back() {
    let test = TestTree::with(&["a", "a.b"]);
    // A file is no mailbox: the last renaming meets it.
    test.write(".x", "");
    assert!(matches!(refusal(&test, "a", "x"), TreeError::Exists(_)));
    assert_eq!(test.list(), ["INBOX", "a+", "a.b"]);
}
