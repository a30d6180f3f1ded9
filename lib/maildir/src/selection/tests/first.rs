//! Opening a mailbox for the first time, and what is found in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::support::*;
use crate::selection::{Access, Kind, Selection, Writing, status};
use crate::test_support::{TestBox, files};

#[test]
fn messages_get_uids_in_the_order_of_their_delivery_and_new_ones_go_to_cur() {
    let test = TestBox::new();
    put(&test, 12, ":2,S");
    put(&test, 3, "");
    put(&test, 100, "");
    put(&test, 7, ":2,FRT");
    let mut selection = select(&test.dir);
    assert_eq!(shown(&selection), "1* 2FRT 3S 4*");
    assert_eq!(selection.validity(), VALIDITY);
    assert_eq!(selection.uid_next(), 5);
    assert_eq!(selection.count_recent(), 2);
    assert_eq!(selection.count_unseen(), 3);
    assert_eq!(selection.first_unseen(), Some(0));
    assert_eq!(selection.take_news(true), Default::default());
    assert_eq!(
        files(&test.path("cur")),
        ["100.m.h:2,", "12.m.h:2,S", "3.m.h:2,", "7.m.h:2,FRT"]
    );
    let list = fs::read_to_string(test.path("dovecot-uidlist")).expect("a list");
    assert!(
        list.ends_with("\n1 :3.m.h\n2 :7.m.h\n3 :12.m.h\n4 :100.m.h\n"),
        "{list}"
    );
    // Nobody else is told that they are recent.
    assert_eq!(shown(&select(&test.dir)), "1 2FRT 3S 4");
}

#[test]
fn a_mailbox_keeps_its_uids_whatever_is_lost_of_journal_and_list() {
    let test = TestBox::with(3);
    drop(select(&test.dir));
    test.remove("cur/2.m.h:2,");
    put(&test, 4, "");
    for lost in [&["superd-journal"][..], &["dovecot-uidlist"], &[]] {
        for name in lost {
            test.remove(name);
        }
        let selection = select(&test.dir);
        assert_eq!(shown(&selection).replace('*', ""), "1 3 4", "{lost:?}");
        assert_eq!(selection.validity(), VALIDITY);
        assert_eq!(selection.uid_next(), 5);
    }
}

#[test]
fn uids_are_never_given_twice_though_all_is_expunged_and_the_journal_lost() {
    let test = TestBox::with(3);
    let mut selection = select(&test.dir);
    selection
        .store(&[0, 1, 2], &add("T"), None)
        .expect("stored");
    assert_eq!(selection.expunge(None).expect("expunged"), [1, 2, 3]);
    drop(selection);
    test.remove("superd-journal");
    let mut selection = select(&test.dir);
    assert_eq!((selection.len(), selection.uid_next()), (0, 4));
    put(&test, 1, ":2,");
    assert_eq!(refresh(&mut selection), "4");
}

#[test]
fn an_empty_mailbox_has_a_validity_that_lasts() {
    let test = TestBox::new();
    let selection = select(&test.dir);
    assert!(selection.is_empty());
    assert_eq!(selection.uid_next(), 1);
    drop(selection);
    test.remove("superd-journal");
    let open = |validity| {
        Selection::open(&crate::selection::Open {
            dir: &test.dir,
            access: Access::ReadWrite,
            wait: WAIT,
            account: None,
            new_validity: &move || Ok(validity),
        })
    };
    assert_eq!(open(9).expect("selected").validity(), VALIDITY);
    test.remove("superd-journal");
    test.remove("dovecot-uidlist");
    assert_eq!(open(9).expect("selected").validity(), 9);
}

#[test]
fn examining_moves_nothing_and_leaves_new_mail_new() {
    let test = TestBox::new();
    put(&test, 1, "");
    put(&test, 2, ":2,S");
    let mut selection = examine(&test.dir);
    assert!(selection.is_read_only());
    assert_eq!(shown(&selection), "1* 2S");
    let error = selection.store(&[0], &add("S"), None).expect_err("refused");
    assert_eq!(error.kind(), Kind::ReadOnly);
    assert_eq!(
        selection.expunge(None).expect_err("refused").kind(),
        Kind::ReadOnly
    );
    assert!(test.exists("new/1.m.h"));
    let status = with(&test.dir, Access::ReadWrite, |open| status(open, true)).expect("a status");
    assert_eq!((status.messages, status.recent, status.unseen), (2, 1, 1));
    assert_eq!((status.size, status.uid_next, status.deleted), (22, 3, 0));
    assert!(test.exists("new/1.m.h"));
    // The first that may take it is told that it is recent, and the others are not any more.
    assert_eq!(shown(&select(&test.dir)), "1* 2S");
    assert_eq!(refresh(&mut selection), "1 2S");
}

#[test]
fn the_list_of_dovecot_is_kept_and_its_fields_with_it() {
    let test = TestBox::with(2);
    let list = "3 V77 N9 G0123456789abcdef0123456789abcdef\n\
        2 :2.m.h\n5 W11 P0000abcd :1.m.h\n";
    fs::write(test.path("dovecot-uidlist"), list).expect("written");
    put(&test, 3, "");
    let selection = select(&test.dir);
    assert_eq!(shown(&selection), "2 5 9*");
    assert_eq!(selection.validity(), 77);
    let text = fs::read_to_string(test.path("dovecot-uidlist")).expect("there");
    assert_eq!(text, format!("{list}9 :3.m.h\n"));
}

#[test]
fn the_lists_of_courier_are_taken_over_uids_and_keywords() {
    let test = TestBox::new();
    put(&test, 1, ":2,S");
    put(&test, 2, ":2,");
    put(&test, 3, "");
    fs::write(
        test.path("courierimapuiddb"),
        "1 555 40\n7 2.m.h\n9 1.m.h\n",
    )
    .expect("written");
    fs::create_dir(test.path("courierimapkeywords")).expect("made");
    fs::write(
        test.path("courierimapkeywords/:list"),
        "$Label1\nwork\n\n2.m.h:0 1\n",
    )
    .expect("written");
    let examined = examine(&test.dir);
    assert_eq!(shown(&examined), "7 9S 40*");
    let selection = select(&test.dir);
    assert_eq!(selection.validity(), 555);
    assert_eq!(shown(&selection), "7+$Label1+work 9S 40*");
    drop(selection);
    let mut selection = select(&test.dir);
    let gone = change(crate::selection::How::Replace, "", &[]);
    selection.store(&[0], &gone, None).expect("stored");
    drop(selection);
    // Once, and not each time.
    assert_eq!(shown(&select(&test.dir)), "7 9S 40");
    let list = fs::read_to_string(test.path("dovecot-uidlist")).expect("a list");
    assert!(list.starts_with("3 V555 N"), "{list}");
}

#[test]
fn a_broken_list_is_told_and_not_touched() {
    let test = TestBox::with(1);
    fs::write(test.path("dovecot-uidlist"), "3 V1 N9\nx\n").expect("written");
    let error = with(&test.dir, Access::ReadWrite, Selection::open).expect_err("broken");
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(
        error.to_string().ends_with("line 2 cannot be read"),
        "{error}"
    );
    let text = fs::read_to_string(test.path("dovecot-uidlist")).expect("there");
    assert_eq!(text, "3 V1 N9\nx\n");
}

#[test]
fn a_mailbox_that_is_not_there_is_not_found() {
    let test = TestBox::new();
    let error = with(&test.path(".none"), Access::ReadWrite, Selection::open).expect_err("none");
    assert_eq!(error.kind(), Kind::NotFound);
}

#[test]
fn a_hand_made_mailbox_gets_its_directories() {
    let test = TestBox::new();
    fs::create_dir(test.path(".made")).expect("made");
    assert!(select(&test.path(".made")).is_empty());
    assert!(test.exists(".made/tmp") && test.exists(".made/cur"));
}

#[test]
fn of_two_files_with_one_unique_name_each_is_a_message() {
    let test = TestBox::new();
    put(&test, 1, ":2,S");
    fs::write(test.path("new/1.m.h"), "another one\n").expect("written");
    let mut selection = select(&test.dir);
    assert_eq!(selection.len(), 2);
    let sizes: Vec<_> = (0..2).filter_map(|n| selection.size(n)).collect();
    assert_eq!(sizes.iter().sum::<u64>(), 11 + 13);
    assert_eq!(files(&test.path("cur")).len(), 2);
    assert!(files(&test.path("new")).is_empty());
    assert_eq!(select(&test.dir).len(), 2);
}

#[test]
fn a_file_that_somebody_is_moving_by_link_and_unlink_is_one_message() {
    let test = TestBox::new();
    put(&test, 1, "");
    fs::hard_link(test.path("new/1.m.h"), test.path("cur/1.m.h:2,S")).expect("linked");
    let mut selection = select(&test.dir);
    assert_eq!(selection.len(), 1);
    refresh(&mut selection);
    assert_eq!(shown(&selection), "1S");
    selection.sync_with_lock(true).expect("looked");
    assert_eq!(files(&test.path("cur")), ["1.m.h:2,S"]);
    assert!(files(&test.path("new")).is_empty());
}

#[test]
fn a_name_that_cannot_stand_in_the_list_is_changed() {
    let test = TestBox::new();
    fs::write(test.path("cur/1\n.m.h:2,F"), "message\n").expect("written");
    assert_eq!(shown(&select(&test.dir)), "1F");
    assert_eq!(shown(&select(&test.dir)), "1F");
}

/// As if the process had no right to write, which root always has.
fn forbidden(test: &TestBox) -> Selection {
    with(&test.dir, Access::ReadWrite, |open| {
        let mut selection = Selection::prepare(open, true).expect("opened");
        selection.writing = Writing::Forbidden;
        selection.start(open.new_validity).expect("started");
        selection
    })
}

#[test]
fn where_nothing_may_be_written_nothing_is_and_uids_that_do_not_last_say_so() {
    let test = TestBox::with(2);
    let before = files(&test.dir);
    let mut selection = forbidden(&test);
    assert!(selection.is_read_only());
    assert_eq!(shown(&selection), "1 2");
    assert_ne!(selection.validity(), VALIDITY);
    let error = selection.store(&[0], &add("S"), None).expect_err("refused");
    assert_eq!(error.kind(), Kind::ReadOnly);
    put(&test, 3, "");
    test.rename("cur/1.m.h:2,", "cur/1.m.h:2,S");
    assert_eq!(refresh(&mut selection), "1S 2 3*");
    test.remove("cur/2.m.h:2,");
    assert_eq!(refresh(&mut selection), "1S 3*");
    drop(selection);
    assert_eq!(files(&test.dir), before);
    assert!(test.exists("new/3.m.h"));
    // What the list has lasts.
    drop(select(&test.dir));
    test.remove("superd-journal");
    let mut selection = forbidden(&test);
    assert_eq!(
        (selection.validity(), shown(&selection)),
        (VALIDITY, "1S 2".into())
    );
    put(&test, 9, "");
    assert_eq!(refresh(&mut selection), "1S 2");
    assert!(!test.exists("superd-journal"));
}

#[test]
fn where_writing_fails_the_list_is_believed_and_the_rest_is_shown_when_it_works() {
    let test = TestBox::with(2);
    drop(select(&test.dir));
    test.remove("superd-journal");
    test.remove("superd-lock");
    std::os::unix::fs::symlink("elsewhere", test.path("superd-lock")).expect("linked");
    put(&test, 3, "");
    let mut selection = select(&test.dir);
    assert_eq!(
        (selection.validity(), shown(&selection)),
        (VALIDITY, "1 2".into())
    );
    assert!(selection.take_warning().is_some());
    assert_eq!(refresh(&mut selection), "1 2");
    test.remove("superd-lock");
    assert_eq!(refresh(&mut selection), "1 2 3*");
    assert_eq!(shown(&select(&test.dir)), "1 2 3");
    // Without a list there would be no UIDVALIDITY that lasts.
    drop(selection);
    for name in ["superd-journal", "superd-lock", "dovecot-uidlist"] {
        test.remove(name);
    }
    std::os::unix::fs::symlink("elsewhere", test.path("superd-lock")).expect("linked");
    with(&test.dir, Access::ReadWrite, Selection::open).expect_err("told");
}

#[test]
fn what_the_process_may_not_write_is_read_nonetheless() {
    if os::identity::effective_uid() == 0 {
        // root may write everywhere.
        return;
    }
    let test = TestBox::with(2);
    fs::set_permissions(&test.dir, fs::Permissions::from_mode(0o500)).expect("closed");
    let selection = select(&test.dir);
    fs::set_permissions(&test.dir, fs::Permissions::from_mode(0o700)).expect("opened");
    assert!(selection.is_read_only());
    assert_eq!(shown(&selection), "1 2");
}
