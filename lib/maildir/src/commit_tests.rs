use std::io::ErrorKind;

use crate::test_support::{INDEX, NO_INDEX, TestBox, files, listed};

#[test]
fn deleted_messages_go_and_the_rest_of_new_moves_to_cur() {
    let test = TestBox::with(2);
    test.put("new/3.m.h", "three\n", 3);
    test.put("new/4.m.h", "four\n", 4);
    test.put("new/5.m.h:2,F", "five\n", 5);
    let mut mailbox = test.open(&NO_INDEX);
    assert!(mailbox.is_new(2) && !mailbox.is_new(1));
    let commit = mailbox.commit(&|n| n == 0 || n == 2, true);
    assert_eq!((commit.removed, commit.moved, commit.unmoved), (2, 2, 0));
    assert!(commit.failed.is_empty() && commit.unsynced.is_none());
    assert_eq!(
        files(&test.path("cur")),
        ["2.m.h:2,", "4.m.h:2,", "5.m.h:2,F"]
    );
    assert!(files(&test.path("new")).is_empty());
    assert!(!mailbox.is_new(3));
    mailbox.open_message(3).expect("under its new name");
    mailbox.open_message(4).expect("under its new name");
    let error = mailbox.open_message(0).expect_err("removed");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_message_that_was_renamed_meanwhile_is_removed_under_its_new_name() {
    let test = TestBox::with(3);
    test.put("new/4.m.h", "four\n", 4);
    let mut mailbox = test.open(&NO_INDEX);
    test.rename("cur/1.m.h:2,", "cur/1.m.h:2,RS");
    test.rename("cur/2.m.h:2,", "cur/2.m.h:2,S");
    test.rename("new/4.m.h", "cur/4.m.h:2,S");
    let commit = mailbox.commit(&|n| n == 0 || n == 3, false);
    assert_eq!((commit.removed, commit.moved), (2, 0));
    assert!(commit.failed.is_empty());
    assert_eq!(files(&test.path("cur")), ["2.m.h:2,S", "3.m.h:2,"]);
}

#[test]
fn a_message_that_is_gone_already_counts_as_removed() {
    let test = TestBox::with(2);
    let mut mailbox = test.open(&NO_INDEX);
    test.remove("cur/1.m.h:2,");
    let commit = mailbox.commit(&|_| true, false);
    assert_eq!(commit.removed, 2);
    assert!(commit.failed.is_empty());
}

#[test]
fn what_cannot_be_removed_is_told_with_its_reason() {
    let test = TestBox::with(2);
    let mut mailbox = test.open(&NO_INDEX);
    test.remove("cur/1.m.h:2,");
    std::fs::create_dir(test.path("cur/1.m.h:2,")).expect("made");
    let commit = mailbox.commit(&|_| true, false);
    assert_eq!(commit.removed, 1);
    assert_eq!(commit.failed.len(), 1);
    assert_eq!(commit.failed[0].0, 0);
}

#[test]
fn a_move_never_replaces_a_file() {
    let test = TestBox::new();
    test.put("new/1.m.h", "one\n", 1);
    let mut mailbox = test.open(&NO_INDEX);
    test.put("cur/1.m.h:2,", "somebody's\n", 2);
    let commit = mailbox.commit(&|_| false, false);
    assert_eq!((commit.moved, commit.unmoved), (0, 1));
    let text = std::fs::read_to_string(test.path("cur/1.m.h:2,")).expect("there");
    assert_eq!(text, "somebody's\n");
    assert!(test.exists("new/1.m.h"));
}

#[test]
fn mail_that_came_during_the_session_stays_in_new() {
    let test = TestBox::with(1);
    let mut mailbox = test.open(&NO_INDEX);
    test.put("new/2.m.h", "two\n", 2);
    let commit = mailbox.commit(&|_| true, false);
    assert_eq!((commit.removed, commit.moved), (1, 0));
    assert_eq!(files(&test.path("new")), ["2.m.h"]);
}

#[test]
fn of_twins_the_one_that_was_meant_is_removed_even_when_both_were_renamed() {
    for victim in [0, 1] {
        let test = TestBox::new();
        test.put("new/1.m.h", "older\n", 1);
        test.put("cur/1.m.h:2,", "newer\n", 2);
        let mut mailbox = test.open(&NO_INDEX);
        assert_eq!(mailbox.len(), 2);
        test.rename("cur/1.m.h:2,", "cur/1.m.h:2,F");
        test.rename("new/1.m.h", "cur/1.m.h:2,S");
        let commit = mailbox.commit(&|n| n == victim, false);
        assert_eq!(commit.removed, 1);
        let left = ["cur/1.m.h:2,F", "cur/1.m.h:2,S"][victim];
        assert_eq!(files(&test.path("cur")), [&left[4..]]);
    }
}

#[test]
fn a_message_that_was_copied_over_is_still_the_message_of_that_name() {
    let test = TestBox::with(2);
    let mut mailbox = test.open(&NO_INDEX);
    // As a restore does: the same message in another file, with other flags.
    std::fs::copy(test.path("cur/1.m.h:2,"), test.path("cur/1.m.h:2,S")).expect("copied");
    test.remove("cur/1.m.h:2,");
    mailbox.open_message(0).expect("found by its name");
    assert_eq!(mailbox.commit(&|n| n == 0, false).removed, 1);
    assert_eq!(files(&test.path("cur")), ["2.m.h:2,"]);
}

#[test]
fn the_index_forgets_what_was_removed() {
    let test = TestBox::with(4);
    let mut mailbox = test.open(&INDEX);
    assert!(!test.index().exists(), "four messages can wait");
    mailbox.commit(&|n| n < 3, false);
    let bytes = std::fs::read(test.index()).expect("written");
    let mut records = 0;
    crate::index::read(&bytes[..], bytes.len() as u64, |_| records += 1).expect("an index");
    assert_eq!(records, 1);
    assert_eq!(listed(&test.open(&INDEX)).len(), 1);
}

#[test]
fn a_twin_is_removed_and_opened_as_the_file_that_it_was_and_not_by_its_name() {
    use std::io::Read;
    let read = |mut file: std::fs::File| {
        let mut text = String::new();
        file.read_to_string(&mut text).expect("readable");
        text
    };
    // The older one gets flags, and the newer one the name that the older one had.
    let test = TestBox::new();
    test.put("cur/1.m.h:2,", "older\n", 1);
    test.put("new/1.m.h", "newer\n", 2);
    let mut mailbox = test.open(&NO_INDEX);
    test.rename("cur/1.m.h:2,", "cur/1.m.h:2,S");
    test.rename("new/1.m.h", "cur/1.m.h:2,");
    assert_eq!(read(mailbox.open_message(0).expect("there")), "older\n");
    assert_eq!(read(mailbox.open_message(1).expect("there")), "newer\n");
    assert_eq!(mailbox.commit(&|n| n == 0, false).removed, 1);
    assert_eq!(files(&test.path("cur")), ["1.m.h:2,"]);
    // Another session has removed the older one and moved the newer one.
    let test = TestBox::new();
    test.put("cur/1.m.h:2,", "older\n", 1);
    test.put("new/1.m.h", "newer\n", 2);
    let mut mailbox = test.open(&NO_INDEX);
    test.remove("cur/1.m.h:2,");
    test.rename("new/1.m.h", "cur/1.m.h:2,");
    let error = mailbox.open_message(0).expect_err("gone");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(mailbox.commit(&|n| n == 0, false).removed, 1);
    assert_eq!(files(&test.path("cur")), ["1.m.h:2,"]);
}

/// One message under two names, as whoever dies between a link and an unlink leaves it.
fn linked(cur: &str) -> TestBox {
    let test = TestBox::with(1);
    test.put("new/2.m.h", "two\n", 2);
    std::fs::hard_link(test.path("new/2.m.h"), test.path(cur)).expect("linked");
    test
}

#[test]
fn a_message_with_two_names_is_one_and_goes_with_both() {
    for cur in ["cur/2.m.h:2,", "cur/2.m.h:2,S"] {
        let test = linked(cur);
        let mut mailbox = test.open(&NO_INDEX);
        assert_eq!(mailbox.len(), 2);
        let commit = mailbox.commit(&|n| n == 1, false);
        assert_eq!((commit.removed, commit.failed.len()), (1, 0));
        assert!(files(&test.path("new")).is_empty());
        assert_eq!(files(&test.path("cur")), ["1.m.h:2,"]);
    }
}

#[test]
fn a_message_with_two_names_that_is_kept_keeps_the_one_in_cur() {
    for cur in ["cur/2.m.h:2,", "cur/2.m.h:2,S"] {
        let test = linked(cur);
        let mut mailbox = test.open(&NO_INDEX);
        mailbox.commit(&|_| false, false);
        assert!(files(&test.path("new")).is_empty());
        assert_eq!(files(&test.path("cur")), ["1.m.h:2,", &cur[4..]]);
        mailbox.open_message(1).expect("there");
    }
}

#[test]
fn a_move_that_somebody_began_meanwhile_and_did_not_end_is_ended() {
    let test = TestBox::new();
    test.put("new/1.m.h", "one\n", 1);
    let mut mailbox = test.open(&NO_INDEX);
    std::fs::hard_link(test.path("new/1.m.h"), test.path("cur/1.m.h:2,")).expect("linked");
    let commit = mailbox.commit(&|_| false, false);
    assert_eq!((commit.moved, commit.unmoved), (1, 0));
    assert!(files(&test.path("new")).is_empty());
    assert_eq!(files(&test.path("cur")), ["1.m.h:2,"]);
}
