use std::io::Read;
use std::os::unix::fs::symlink;

use crate::index::{self, Record};
use crate::test_support::{INDEX, NO_INDEX, TestBox, files, listed};

use super::*;

fn records(test: &TestBox) -> Vec<Record> {
    let bytes = fs::read(test.index()).expect("there");
    let mut records = Vec::new();
    index::read(&bytes[..], bytes.len() as u64, |record| {
        records.push(record);
    })
    .expect("an index");
    records
}

/// Opens and ends a session, so that the index is there.
fn indexed(count: u64) -> TestBox {
    let test = TestBox::with(count);
    drop(test.open(&INDEX));
    assert_eq!(records(&test).len() as u64, count);
    test
}

#[test]
fn messages_have_exact_sizes_and_come_in_the_order_of_time_and_name() {
    let test = TestBox::new();
    test.put("cur/3.m.h:2,S", "a\r\nb\nc", 30);
    test.put("new/9.m.h", "", 10);
    // Of one instant.
    test.put("new/2.m.h", "x\n", 20);
    test.put("cur/1.m.h:2,", "y\n\n", 20);
    let same = fs::metadata(test.path("cur/1.m.h:2,"))
        .expect("there")
        .modified()
        .expect("known");
    let file = File::options().append(true).open(test.path("new/2.m.h"));
    file.expect("there").set_modified(same).expect("set");
    let mailbox = test.open(&NO_INDEX);
    let expected = [("9.m.h", 0), ("1.m.h", 5), ("2.m.h", 3), ("3.m.h", 9)];
    let expected = expected.map(|(name, size)| (name.to_owned(), size));
    assert_eq!(listed(&mailbox), expected);
    assert!(mailbox.is_new(0) && !mailbox.is_new(1));
    assert!(!mailbox.is_empty());
}

#[test]
fn a_message_of_this_moment_or_of_the_future_is_shown() {
    let test = TestBox::new();
    test.put("new/1.m.h", "now\n", 86_400);
    test.put("new/2.m.h", "tomorrow\n", 0);
    let file = File::options().append(true).open(test.path("new/2.m.h"));
    let tomorrow = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
    file.expect("there").set_modified(tomorrow).expect("set");
    assert_eq!(test.open(&NO_INDEX).len(), 2);
}

#[test]
fn there_is_a_difference_between_no_maildir_and_one_that_cannot_be_scanned() {
    let test = TestBox::new();
    let open = |dir: &Path| Mailbox::open(dir, &NO_INDEX).expect_err("not possible");
    let error = open(&test.path("none"));
    assert!(matches!(error, MailboxError::NoMaildir(..)));
    let text = error.to_string();
    assert!(text.ends_with("none: file does not exist"), "{text}");
    fs::write(test.path("file"), "").expect("written");
    assert!(matches!(
        open(&test.path("file")),
        MailboxError::NoMaildir(..)
    ));
    fs::remove_dir(test.path("cur")).expect("removed");
    let error = open(&test.dir);
    assert!(matches!(error, MailboxError::Scan(..)));
    let text = error.to_string();
    assert!(text.ends_with("Maildir/cur: file does not exist"), "{text}");
}

#[test]
fn sizes_in_names_are_believed_where_the_file_has_the_first_of_them() {
    let test = TestBox::new();
    test.put("cur/1.m.h,S=4,W=8:2,", "abc\n", 1);
    test.put("cur/2.m.h,S=9,W=12:2,", "abc\n", 2);
    test.put("cur/3.m.h,S=4:2,", "abc\n", 3);
    let expected = [
        ("1.m.h,S=4,W=8", 8),
        ("2.m.h,S=9,W=12", 5),
        ("3.m.h,S=4", 5),
    ];
    let expected = expected.map(|(name, size)| (name.to_owned(), size));
    assert_eq!(listed(&test.open(&NO_INDEX)), expected);
}

#[test]
fn with_a_complete_index_no_message_is_opened() {
    let test = indexed(5);
    // Nothing but the index can say how long they were.
    for n in 1..=5 {
        let file = File::options()
            .write(true)
            .open(test.path(&format!("cur/{n}.m.h:2,")));
        file.expect("there").set_len(0).expect("emptied");
    }
    let sizes: Vec<_> = listed(&test.open(&INDEX))
        .into_iter()
        .map(|m| m.1)
        .collect();
    assert_eq!(sizes, [11; 5]);
    let sizes: Vec<_> = listed(&test.open(&NO_INDEX))
        .into_iter()
        .map(|m| m.1)
        .collect();
    assert_eq!(sizes, [0; 5]);
}

#[test]
fn a_file_that_was_replaced_is_read_again() {
    let test = indexed(3);
    test.put("tmp/x", "another message\n", 2);
    test.rename("tmp/x", "cur/2.m.h:2,");
    let sizes: Vec<_> = listed(&test.open(&INDEX))
        .into_iter()
        .map(|m| m.1)
        .collect();
    assert_eq!(sizes, [11, 17, 11]);
}

#[test]
fn a_change_of_flags_or_place_costs_no_reading() {
    let test = indexed(2);
    test.rename("cur/1.m.h:2,", "cur/1.m.h:2,RS");
    test.rename("cur/2.m.h:2,", "new/2.m.h");
    let before = fs::metadata(test.index()).expect("there");
    let before = os::file::Identity::of(&before);
    drop(test.open(&INDEX));
    let after = fs::metadata(test.index()).expect("there");
    assert!(before.has_content_of(&os::file::Identity::of(&after)));
}

#[test]
fn an_index_that_is_corrupt_deleted_or_no_file_changes_nothing() {
    let test = indexed(4);
    let whole = fs::read(test.index()).expect("there");
    let expected = listed(&test.open(&NO_INDEX));
    let mut too_large = whole.clone();
    too_large[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut wrong_sum = whole.clone();
    *wrong_sum.last_mut().expect("a byte") ^= 1;
    // The last record says a size that is wrong, and the checksum notices.
    let mut wrong_size = whole.clone();
    let at = wrong_size.len() - 5;
    wrong_size[at] ^= 1;
    let cases: [&[u8]; 7] = [
        &[],
        &whole[..31],
        &whole[..whole.len() - 1],
        b"no index at all, but longer than a header",
        &too_large,
        &wrong_sum,
        &wrong_size,
    ];
    for bytes in cases {
        fs::write(test.index(), bytes).expect("written");
        assert_eq!(listed(&test.open(&INDEX)), expected);
        assert_eq!(records(&test).len(), 4, "rebuilt");
    }
    fs::remove_file(test.index()).expect("deleted");
    assert_eq!(listed(&test.open(&INDEX)), expected);
    assert_eq!(records(&test).len(), 4, "rebuilt");
    fs::remove_file(test.index()).expect("deleted");
    symlink("/etc/passwd", test.index()).expect("made");
    assert_eq!(listed(&test.open(&INDEX)), expected);
    assert_eq!(records(&test).len(), 4, "the link was replaced");
}

#[test]
fn an_index_of_a_later_version_with_wider_records_is_used_and_left_alone() {
    let test = indexed(2);
    let narrow = fs::read(test.index()).expect("there");
    let mut wide = narrow[..32].to_vec();
    wide[10] = 48;
    for record in narrow[32..32 + 80].chunks(40) {
        wide.extend_from_slice(record);
        wide.extend_from_slice(&[7; 8]);
    }
    wide.extend_from_slice(&crc32fast::hash(&wide).to_le_bytes());
    fs::write(test.index(), &wide).expect("written");
    test.put("new/3.m.h", "three\n", 3);
    assert_eq!(test.open(&INDEX).len(), 3);
    assert_eq!(fs::read(test.index()).expect("there"), wide);
}

#[test]
fn two_messages_of_one_key_are_both_read() {
    let test = indexed(2);
    let mut folder = crate::scan::scan(&test.dir).expect("scanned");
    // As on a file system that tells no inodes.
    let name = b"1.m.h:2,S";
    let inode = fs::metadata(test.path("cur/1.m.h:2,"))
        .expect("there")
        .ino();
    assert!(folder.push(Place::Cur, name, inode));
    folder.sort_by_key();
    assert_eq!(cache::load(&mut folder).matched, 1);
}

#[test]
fn a_size_on_the_wire_that_the_file_cannot_have_is_not_believed() {
    // 10 bytes and one line end each.
    for (wire, is_believed) in [
        (9, false),
        (10, true),
        (22, true),
        (23, false),
        (u64::MAX, false),
    ] {
        let test = indexed(2);
        let all: Vec<_> = records(&test)
            .into_iter()
            .map(|record| Record { wire, ..record })
            .collect();
        let mut bytes = Vec::new();
        index::write(&mut bytes, 2, all.into_iter()).expect("memory");
        fs::write(test.index(), bytes).expect("written");
        let wire = if is_believed { wire } else { 11 };
        let mailbox = test.open(&INDEX);
        assert_eq!((mailbox.wire_size(0), mailbox.wire_size(1)), (wire, wire));
        drop(mailbox);
        assert!(records(&test).iter().all(|record| record.wire == wire));
    }
}

#[test]
fn a_file_that_was_written_to_a_moment_ago_is_not_kept_in_the_index() {
    let test = TestBox::with(1);
    fs::write(test.path("cur/2.m.h:2,"), "growing\n").expect("written");
    drop(test.open(&INDEX));
    assert_eq!(records(&test).len(), 1);
}

#[test]
fn most_of_an_index_being_of_messages_that_are_gone_it_is_written_anew() {
    let test = indexed(10);
    for n in 1..=6 {
        test.remove(&format!("cur/{n}.m.h:2,"));
    }
    drop(test.open(&INDEX));
    assert_eq!(records(&test).len(), 4);
}

#[test]
fn when_much_was_found_out_the_index_is_written_at_once() {
    for (count, at_once) in [
        (SAVE_AT_ONCE as u64 - 1, false),
        (SAVE_AT_ONCE as u64, true),
    ] {
        let test = TestBox::with(count);
        let mailbox = test.open(&INDEX);
        assert_eq!(test.index().exists(), at_once);
        drop(mailbox);
        assert_eq!(records(&test).len() as u64, count);
        assert!(files(&test.path("tmp")).is_empty());
    }
}

#[test]
fn a_corrected_size_is_for_the_next_session() {
    let test = TestBox::new();
    test.put("cur/1.m.h,S=4,W=8:2,", "abc\n", 1);
    let mut mailbox = test.open(&INDEX);
    mailbox.correct_size(0, 5);
    mailbox.correct_size(7, 5);
    assert_eq!(mailbox.wire_size(0), 8);
    drop(mailbox);
    assert_eq!(test.open(&INDEX).wire_size(0), 5);
}

#[test]
fn a_maildir_without_tmp_has_no_index_and_says_why() {
    let test = TestBox::with(1);
    fs::remove_dir(test.path("tmp")).expect("removed");
    let mut mailbox = test.open(&INDEX);
    assert_eq!(mailbox.len(), 1);
    mailbox.save();
    let warning = mailbox.take_warning().expect("a reason");
    assert!(
        warning.starts_with("unable to write ") && warning.ends_with("index: file does not exist"),
        "{warning}"
    );
    assert_eq!(mailbox.take_warning(), None);
}

#[test]
fn a_message_is_opened_under_the_name_that_it_has_now() {
    let test = TestBox::with(3);
    test.put("new/4.m.h", "four\n", 4);
    let mut mailbox = test.open(&NO_INDEX);
    let read = |mailbox: &mut Mailbox, n| {
        let mut text = String::new();
        let mut file = mailbox.open_message(n)?;
        file.read_to_string(&mut text).map(|_| text)
    };
    test.rename("cur/2.m.h:2,", "cur/2.m.h:2,RS");
    test.rename("new/4.m.h", "cur/4.m.h:2,");
    assert_eq!(read(&mut mailbox, 1).expect("found"), "message 2\n");
    assert_eq!(read(&mut mailbox, 3).expect("found"), "four\n");
    test.remove("cur/2.m.h:2,RS");
    let gone = |error: io::Error| assert_eq!(error.kind(), io::ErrorKind::NotFound);
    gone(read(&mut mailbox, 1).expect_err("gone"));
    gone(read(&mut mailbox, 1).expect_err("still gone"));
    gone(read(&mut mailbox, 4).expect_err("never there"));
    assert_eq!(read(&mut mailbox, 2).expect("there"), "message 3\n");
}

#[test]
fn what_is_put_in_a_messages_place_is_not_followed_or_waited_for() {
    let test = TestBox::with(2);
    let mut mailbox = test.open(&NO_INDEX);
    test.put("secret", "secret\n", 1);
    test.remove("cur/1.m.h:2,");
    symlink(test.path("secret"), test.path("cur/1.m.h:2,")).expect("made");
    mailbox.open_message(0).expect_err("a link");
    test.remove("cur/2.m.h:2,");
    let made = std::process::Command::new("mkfifo")
        .arg(test.path("cur/2.m.h:2,"))
        .status();
    assert!(made.expect("mkfifo runs").success());
    mailbox.open_message(1).expect_err("a fifo");
    assert!(test.open(&NO_INDEX).is_empty());
}

#[test]
fn numbers_that_no_message_has_get_harmless_answers() {
    let mailbox = TestBox::with(1).open(&NO_INDEX);
    assert_eq!(mailbox.unique(1), b"");
    assert_eq!((mailbox.wire_size(1), mailbox.inode(1)), (0, 0));
    assert!(!mailbox.is_new(1) && !mailbox.is_twin(1));
}

#[test]
fn threads_and_one_alone_find_the_same() {
    let test = TestBox::with(500);
    let one = Options {
        threads: 1,
        index: false,
    };
    let many = Options { threads: 4, ..one };
    assert_eq!(listed(&test.open(&one)), listed(&test.open(&many)));
}
