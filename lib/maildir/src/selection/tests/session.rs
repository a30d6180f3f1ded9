//! What sessions and other programs see of one another's changes.

use std::fs;

use super::support::*;
use crate::selection::{Expunged, How, Kind, Selection};
use crate::test_support::{TestBox, files};

#[test]
fn a_change_of_flags_is_in_the_name_and_in_the_other_session() {
    let test = TestBox::with(3);
    let (mut a, mut b) = (select(&test.dir), select(&test.dir));
    let before = a.highest_modseq();
    let stored = a.store(&[0, 2], &add("SF"), None).expect("stored");
    assert_eq!(stored.changed, [0, 2]);
    assert_eq!(shown(&a), "1FS 2 3FS");
    assert!(a.highest_modseq() > before);
    assert_eq!((a.modseq(0), a.modseq(1)), (a.highest_modseq(), before));
    // Who did it is not told of it.
    assert_eq!(a.take_news(true), Default::default());
    assert_eq!(
        files(&test.path("cur")),
        ["1.m.h:2,FS", "2.m.h:2,", "3.m.h:2,FS"]
    );
    b.sync().expect("synced");
    let news = b.take_news(true);
    assert_eq!(news.changed, [0, 2]);
    assert_eq!(shown(&b), shown(&a));
    assert_eq!(
        (b.modseq(0), b.highest_modseq()),
        (a.modseq(0), a.highest_modseq())
    );
    // The third one knows it from the journal.
    let c = select(&test.dir);
    assert_eq!((shown(&c), c.modseq(2)), (shown(&a), a.modseq(2)));
}

#[test]
fn what_changes_nothing_raises_no_modification_sequence() {
    let test = TestBox::with(2);
    let mut selection = select(&test.dir);
    selection.store(&[0], &add("S"), None).expect("stored");
    let highest = selection.highest_modseq();
    let stored = selection.store(&[0], &add("S"), None).expect("stored");
    assert_eq!((stored.unchanged, stored.changed), (vec![0], vec![]));
    let remove = change(How::Remove, "FT", &["none"]);
    let stored = selection.store(&[0, 1], &remove, None).expect("stored");
    assert_eq!(stored.unchanged, [0, 1]);
    assert_eq!(selection.highest_modseq(), highest);
    assert_eq!(selection.keyword_id(b"none"), None);
}

#[test]
fn flags_are_replaced_added_and_removed_and_unknown_letters_stay() {
    let test = TestBox::new();
    put(&test, 1, ":2,FPX");
    let mut selection = select(&test.dir);
    selection
        .store(&[0], &change(How::Replace, "S", &["work"]), None)
        .expect("stored");
    assert_eq!(shown(&selection), "1S+work");
    assert_eq!(files(&test.path("cur")), ["1.m.h:2,PSXa"]);
    selection.store(&[0], &add("T"), None).expect("stored");
    let remove = change(How::Remove, "S", &["WORK"]);
    selection.store(&[0], &remove, None).expect("stored");
    assert_eq!(shown(&selection), "1T");
    assert_eq!(files(&test.path("cur")), ["1.m.h:2,PTX"]);
}

#[test]
fn a_store_keeps_what_others_changed_meanwhile() {
    let test = TestBox::with(2);
    let mut selection = select(&test.dir);
    rest(&test);
    selection.sync().expect("synced");
    // mutt does not tell anybody, and the directories look as before.
    test.rename("cur/1.m.h:2,", "cur/1.m.h:2,F");
    hide(&test, &selection);
    let stored = selection.store(&[0, 1], &add("S"), None).expect("stored");
    assert_eq!(stored.changed, [0, 1]);
    assert_eq!(files(&test.path("cur")), ["1.m.h:2,FS", "2.m.h:2,S"]);
    assert_eq!(shown(&selection), "1FS 2S");
}

/// Makes the directories look as their stamps say.
fn hide(test: &TestBox, selection: &Selection) {
    for (place, stamp) in [
        ("new", selection.view.summary.stamps.new.stamp),
        ("cur", selection.view.summary.stamps.cur.stamp),
    ] {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(stamp as u64);
        let dir = fs::File::open(test.path(place)).expect("there");
        dir.set_modified(time).expect("dated");
    }
}

#[test]
fn a_foreign_change_behind_one_of_ours_is_found_a_second_later() {
    let test = TestBox::with(2);
    let mut selection = select(&test.dir);
    rest(&test);
    selection.sync().expect("synced");
    selection.store(&[0], &add("S"), None).expect("stored");
    test.rename("cur/2.m.h:2,", "cur/2.m.h:2,F");
    hide(&test, &selection);
    assert_eq!(refresh(&mut selection), "1S 2");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(refresh(&mut selection), "1S 2F");
}

#[test]
fn unchanged_since_refuses_what_has_changed() {
    let test = TestBox::with(3);
    let (mut a, mut b) = (select(&test.dir), select(&test.dir));
    let known = b.highest_modseq();
    a.store(&[1], &add("F"), None).expect("stored");
    let stored = b.store(&[0, 1, 2], &add("S"), Some(known)).expect("stored");
    assert_eq!((stored.changed, stored.modified), (vec![0, 2], vec![1]));
    assert_eq!(shown(&b), "1S 2F 3S");
    // One whose name alone says it.
    test.rename("cur/3.m.h:2,S", "cur/3.m.h:2,SR");
    let known = b.highest_modseq();
    let stored = b.store(&[2], &add("F"), Some(known)).expect("stored");
    assert_eq!(stored.modified, [2]);
    assert_eq!(shown(&b), "1S 2F 3RS");
}

#[test]
fn the_expunged_stay_until_they_are_told_and_are_told_from_the_last_to_the_first() {
    let test = TestBox::with(5);
    let (mut a, mut b) = (select(&test.dir), select(&test.dir));
    a.store(&[1, 3, 4], &add("T"), None).expect("stored");
    let before = a.highest_modseq();
    assert_eq!(a.expunge(Some(&[(1, 4)])).expect("expunged"), [2, 4]);
    assert_eq!(shown(&a), "1 (2T) 3 (4T) 5T");
    assert!(a.highest_modseq() > before);
    b.sync().expect("synced");
    assert_eq!(shown(&b), "1 (2T) 3 (4T) 5T");
    let news = b.take_news(false);
    assert_eq!((news.expunged.len(), b.len()), (0, 5));
    put(&test, 9, "");
    b.sync().expect("synced");
    let news = b.take_news(true);
    let told = [Expunged { n: 3, uid: 4 }, Expunged { n: 1, uid: 2 }];
    assert_eq!((news.expunged, news.exists), (told.to_vec(), Some(4)));
    assert_eq!(news.recent, Some(1));
    assert_eq!(shown(&b), "1 3 5T 6*");
    assert_eq!(a.vanished_since(before), Some(vec![(2, 2), (4, 4)]));
    assert_eq!(b.vanished_since(a.highest_modseq()), Some(vec![]));
    assert_eq!(b.vanished_since(1), None);
    assert_eq!(files(&test.path("cur")).len(), 4);
}

#[test]
fn a_message_that_lost_its_flag_in_time_is_not_expunged() {
    let test = TestBox::with(2);
    let mut selection = select(&test.dir);
    selection.store(&[0, 1], &add("T"), None).expect("stored");
    rest(&test);
    selection.sync().expect("synced");
    test.rename("cur/1.m.h:2,T", "cur/1.m.h:2,S");
    hide(&test, &selection);
    assert_eq!(selection.expunge(None).expect("expunged"), [2]);
    assert_eq!(refresh(&mut selection), "1S");
    assert_eq!(files(&test.path("cur")), ["1.m.h:2,S"]);
}

#[test]
fn what_others_remove_is_expunged_and_what_they_deliver_is_new() {
    let test = TestBox::with(3);
    let (mut a, mut b) = (select(&test.dir), select(&test.dir));
    test.remove("cur/2.m.h:2,");
    test.rename("cur/3.m.h:2,", "cur/3.m.h:2,F");
    put(&test, 4, "");
    put(&test, 5, ":2,S");
    a.sync().expect("synced");
    assert_eq!(shown(&a), "1 (2) 3F");
    let news = a.take_news(true);
    assert_eq!(
        (news.expunged.len(), news.exists, news.recent),
        (1, Some(4), Some(1))
    );
    assert_eq!(news.changed, [1]);
    assert_eq!(shown(&a), "1 3F 4* 5S");
    assert_eq!(refresh(&mut b), "1 3F 4 5S");
    assert_eq!(b.highest_modseq(), a.highest_modseq());
    // It comes back, and is another message.
    put(&test, 2, ":2,");
    assert_eq!(refresh(&mut b), "1 3F 4 5S 6");
    assert_eq!(refresh(&mut a), "1 3F 4* 5S 6");
}

#[test]
fn a_message_that_comes_and_goes_between_two_looks_is_never_told() {
    let test = TestBox::with(1);
    let (mut a, mut b) = (select(&test.dir), select(&test.dir));
    put(&test, 2, ":2,T");
    a.sync().expect("synced");
    let news = a.take_news(true);
    assert_eq!(news.exists, Some(2));
    b.sync().expect("synced");
    assert_eq!(b.len(), 1);
    a.expunge(None).expect("expunged");
    b.sync().expect("synced");
    assert_eq!(b.take_news(true), Default::default());
    assert_eq!((shown(&b), b.uid_next()), ("1".into(), 3));
}

#[test]
fn a_message_is_opened_under_the_name_that_it_has_now() {
    use std::io::Read;
    let test = TestBox::with(2);
    let mut selection = select(&test.dir);
    test.rename("cur/1.m.h:2,", "cur/1.m.h:2,RS");
    let mut text = String::new();
    let mut file = selection.open_message(0).expect("found");
    file.read_to_string(&mut text).expect("read");
    assert_eq!(text, "message 1\n");
    test.remove("cur/2.m.h:2,");
    let error = selection.open_message(1).expect_err("gone");
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert_eq!(shown(&selection), "1RS (2)");
    assert_eq!(selection.path(1), std::path::PathBuf::new());
    assert_eq!(selection.size(1), None);
}

#[test]
fn the_first_26_keywords_are_letters_and_the_others_are_kept_all_the_same() {
    let test = TestBox::with(2);
    let mut a = select(&test.dir);
    let names: Vec<String> = (1..=28).map(|n| format!("word{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    a.store(&[0], &change(How::Add, "", &names[..26]), None)
        .expect("stored");
    assert_eq!(
        files(&test.path("cur"))[0],
        "1.m.h:2,abcdefghijklmnopqrstuvwxyz"
    );
    let mut b = select(&test.dir);
    let highest = a.highest_modseq();
    a.store(&[1], &change(How::Add, "", &names[25..]), None)
        .expect("stored");
    assert!(a.take_news(true).keywords_changed);
    assert_eq!(files(&test.path("cur"))[1], "2.m.h:2,z");
    assert_eq!(a.keywords(1), [25, 26, 27]);
    b.sync().expect("synced");
    let news = b.take_news(true);
    assert!(news.keywords_changed);
    assert_eq!(news.changed, [1]);
    assert_eq!(b.keyword_name(27), b"word28");
    assert_eq!(b.keyword_id(b"WORD27"), Some(26));
    assert_eq!(b.keyword_names().count(), 28);
    // One without a letter comes and goes with no other name of the file.
    let highest = {
        assert!(b.highest_modseq() > highest);
        b.highest_modseq()
    };
    b.store(&[1], &change(How::Remove, "", &["word27"]), None)
        .expect("stored");
    assert!(b.highest_modseq() > highest);
    assert_eq!(files(&test.path("cur"))[1], "2.m.h:2,z");
    assert_eq!(select(&test.dir).keywords(1), [25, 27]);
    // With the journal they are lost, and nothing else is.
    drop((a, b));
    test.remove("superd-journal");
    assert_eq!(select(&test.dir).keywords(1), [25]);
}

#[test]
fn letters_that_nobody_named_have_names_nonetheless() {
    let test = TestBox::new();
    put(&test, 1, ":2,Sc");
    let mut selection = select(&test.dir);
    assert_eq!(shown(&selection), "1S+unknown-2");
    fs::write(test.path("dovecot-keywords"), "2 urgent\n").expect("written");
    selection.sync().expect("synced");
    assert!(selection.take_news(true).keywords_changed);
    assert_eq!(shown(&selection), "1S+urgent");
}

#[test]
fn uids_that_pop3d_gave_are_taken_as_they_are() {
    let test = TestBox::with(1);
    let mut selection = select(&test.dir);
    put(&test, 3, ":2,");
    put(&test, 2, ":2,");
    let mailbox = test.open(&crate::test_support::INDEX);
    let uids = crate::uidlist::Uids::assign(&mailbox, WAIT).expect("assigned");
    let given: Vec<_> = (0..3)
        .map(|n| (mailbox.unique(n).to_vec(), uids.uid(n)))
        .collect();
    refresh(&mut selection);
    for n in 0..3 {
        let unique = selection.view.unique(&selection.view.messages[n]).to_vec();
        assert!(given.contains(&(unique, Some(selection.uid(n)))));
    }
    // One that was given and is gone is not given again.
    test.remove("cur/3.m.h:2,");
    put(&test, 9, ":2,");
    let mailbox = test.open(&crate::test_support::INDEX);
    crate::uidlist::Uids::assign(&mailbox, WAIT).expect("assigned");
    test.remove("cur/9.m.h:2,");
    refresh(&mut selection);
    assert_eq!(selection.uid_next(), 5);
}

#[test]
fn a_line_that_somebody_wrote_for_a_known_message_is_a_new_uid() {
    let test = TestBox::with(2);
    let mut selection = select(&test.dir);
    let list = test.path("dovecot-uidlist");
    let text = fs::read_to_string(&list).expect("there");
    fs::write(&list, format!("{text}8 :1.m.h\n")).expect("written");
    selection.sync().expect("synced");
    assert_eq!(shown(&selection), "(1) 2");
    assert_eq!(refresh(&mut selection), "2 8");
    // An old list, as from a backup, gives nothing back that the client was told is gone.
    fs::write(&list, text).expect("written");
    assert_eq!(refresh(&mut selection), "2 9");
}

#[test]
fn a_list_of_mostly_dead_lines_is_written_anew() {
    let test = TestBox::with(100);
    let mut text = String::from("3 V7 N101 G00 Xodd\n");
    for n in 1..=100 {
        text.push_str(&format!("{n} P{n} :{n}.m.h\n"));
    }
    fs::write(test.path("dovecot-uidlist"), text).expect("written");
    let mut selection = select(&test.dir);
    let most: Vec<usize> = (0..98).collect();
    selection.store(&most, &add("T"), None).expect("stored");
    selection.expunge(None).expect("expunged");
    put(&test, 101, ":2,");
    rest(&test);
    refresh(&mut selection);
    let text = fs::read_to_string(test.path("dovecot-uidlist")).expect("there");
    assert_eq!(
        text,
        "3 V7 N102 G00 Xodd\n99 P99 :99.m.h\n100 P100 :100.m.h\n101 :101.m.h\n"
    );
    assert_eq!(shown(&select(&test.dir)), "99 100 101");
    assert_eq!(refresh(&mut selection), "99 100 101");
}

#[test]
fn a_mailbox_that_was_removed_is_not_found_and_another_one_in_its_place_neither() {
    let test = TestBox::new();
    let dir = test.path(".box");
    crate::Maildir::at(dir.clone()).create().expect("made");
    fs::write(dir.join("cur/1.m.h:2,"), "one\n").expect("written");
    let mut selection = select(&dir);
    fs::rename(&dir, test.path(".gone")).expect("renamed");
    assert_eq!(selection.sync().expect_err("gone").kind(), Kind::NotFound);
    crate::Maildir::at(dir.clone()).create().expect("made");
    let error = selection.store(&[0], &add("S"), None).expect_err("another");
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(
        selection.sync().expect_err("another").kind(),
        Kind::NotFound
    );
    assert_eq!(files(&dir), ["cur", "new", "tmp"]);
}

#[test]
fn another_validity_is_another_mailbox() {
    let test = TestBox::with(1);
    let mut selection = select(&test.dir);
    fs::write(test.path("dovecot-uidlist"), "3 V5 N3\n2 :1.m.h\n").expect("written");
    assert_eq!(
        selection.sync().expect_err("another").kind(),
        Kind::NotFound
    );
    let again = select(&test.dir);
    assert_eq!((again.validity(), shown(&again)), (5, "2".into()));
}

#[test]
fn sizes_and_dates_are_found_out_once() {
    let test = TestBox::new();
    test.put("cur/1.m.h:2,", "one\ntwo\n", 5);
    test.put("cur/2.m.h,S=4,W=5:2,", "one\n", 6);
    let mut selection = select(&test.dir);
    selection.facts(&[0, 1]);
    assert_eq!((selection.size(0), selection.size(1)), (Some(10), Some(5)));
    let date = selection.date(0).expect("known");
    assert_eq!(selection.date(1), Some(date + 1));
    drop(selection);
    let mut selection = select(&test.dir);
    test.put("cur/1.m.h:2,", "longer than it was\n", 5);
    assert_eq!(selection.size(0), Some(10));
    assert_eq!(selection.date(0), Some(date));
}

#[test]
fn news_of_a_mailbox_that_rests_is_none_and_costs_no_look() {
    let test = TestBox::with(3);
    drop(select(&test.dir));
    rest(&test);
    drop(select(&test.dir));
    let inode = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        let meta = fs::metadata(test.path(name)).expect("there");
        (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())
    };
    let before = inode("superd-journal");
    let mut selection = select(&test.dir);
    // A file that a look would find.
    put(&test, 4, ":2,");
    hide(&test, &selection);
    assert_eq!(refresh(&mut selection), "1 2 3");
    drop(selection);
    assert_eq!(inode("superd-journal"), before);
}
