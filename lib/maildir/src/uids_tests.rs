use std::fs;
use std::time::Duration;

use crate::test_support::{NO_INDEX, TestBox, files};
use crate::uidlist::uidl;

use super::*;

const WAIT: Duration = Duration::from_millis(50);
const LIST: &str = "3 V1700000000 N9 G0123456789abcdef0123456789abcdef Xlater\n\
    2 :2.m.h\n\
    5 S100 W104 P0000abcd Zunknown :1.m.h\n\
    7 :gone.m.h\n";

/// The header and the UID and name of each line.
fn all(text: &[u8]) -> (Header, Vec<(u32, Vec<u8>)>) {
    let mut entries = Vec::new();
    let header = read(text, |entry| {
        entries.push((entry.uid, entry.unique.to_vec()));
    });
    (header.expect("a list"), entries)
}

fn assigned(test: &TestBox) -> Uids {
    Uids::assign(&test.open(&NO_INDEX), WAIT).expect("assigned")
}

#[test]
fn messages_are_found_by_their_names() {
    let test = TestBox::with(3);
    fs::write(test.path(FILE), LIST).expect("written");
    let mailbox = test.open(&NO_INDEX);
    let uids = Uids::load(&mailbox).expect("read").expect("there");
    assert_eq!(
        [0, 1, 2, 3].map(|n| uids.uid(n)),
        [Some(5), Some(2), None, None]
    );
    assert_eq!(uids.saved_uidl(0), Some(&b"0000abcd"[..]));
    assert_eq!(uids.saved_uidl(1), None);
    assert_eq!(uidl(5, 1_700_000_000), "000000056553f100");
    fs::remove_file(test.path(FILE)).expect("removed");
    assert_eq!(Uids::load(&mailbox).expect("read"), None);
}

#[test]
fn of_a_name_that_stands_twice_the_later_line_counts() {
    let test = TestBox::with(1);
    let text = "3 V1 N9\n2 Pold :1.m.h\n4 Pnew :1.m.h\n";
    fs::write(test.path(FILE), text).expect("written");
    let uids = Uids::load(&test.open(&NO_INDEX))
        .expect("read")
        .expect("there");
    assert_eq!(uids.uid(0), Some(4));
    assert_eq!(uids.saved_uidl(0), Some(&b"new"[..]));
}

#[test]
fn new_uids_are_appended_and_what_is_there_stays_as_it_is() {
    let test = TestBox::with(4);
    fs::write(test.path(FILE), LIST).expect("written");
    let uids = assigned(&test);
    assert_eq!(
        [0, 1, 2, 3].map(|n| uids.uid(n)),
        [Some(5), Some(2), Some(9), Some(10)]
    );
    let text = fs::read_to_string(test.path(FILE)).expect("there");
    assert_eq!(text, format!("{LIST}9 :3.m.h\n10 :4.m.h\n"));
    assert_eq!(uids.header.complete, text.len() as u64);
    // Nothing to do, nothing done.
    assert_eq!(assigned(&test), uids);
    assert_eq!(fs::read_to_string(test.path(FILE)).expect("there"), text);
    assert!(!test.exists("dovecot-uidlist.lock"));
}

#[test]
fn what_a_dead_writer_left_unfinished_is_cut_off() {
    let test = TestBox::with(3);
    fs::write(test.path(FILE), format!("{LIST}9 :somebo")).expect("written");
    assigned(&test);
    let text = fs::read_to_string(test.path(FILE)).expect("there");
    assert_eq!(text, format!("{LIST}9 :3.m.h\n"));
}

#[test]
fn a_list_is_made_where_there_is_none() {
    let test = TestBox::with(2);
    fs::write(test.path("dovecot-uidlist.tmp"), "left behind").expect("written");
    let uids = assigned(&test);
    let text = fs::read(test.path(FILE)).expect("there");
    let (header, entries) = all(&text);
    assert_eq!(header, uids.header);
    assert!(header.validity > 1_600_000_000);
    assert_eq!((header.next, entries.len()), (3, 2));
    let first = text.split(|&byte| byte == b'\n').next().expect("a line");
    let guid = first.rsplit(|&byte| byte == b'G').next().expect("a guid");
    assert_eq!(guid.len(), 32);
    assert_eq!(Uids::load(&test.open(&NO_INDEX)).expect("read"), Some(uids));
    assert!(!test.exists("dovecot-uidlist.tmp"));
}

#[test]
fn a_list_of_version_1_becomes_one_of_version_3_with_the_same_uids() {
    let test = TestBox::with(2);
    fs::write(test.path(FILE), "1 77 9\n3 2.m.h\n4 gone\n").expect("written");
    let uids = assigned(&test);
    assert_eq!([0, 1].map(|n| uids.uid(n)), [Some(9), Some(3)]);
    let text = fs::read(test.path(FILE)).expect("there");
    let (header, entries) = all(&text);
    assert_eq!((header.version, header.validity, header.next), (3, 77, 10));
    let uids: Vec<_> = entries.iter().map(|entry| entry.0).collect();
    assert_eq!(uids, [3, 4, 9]);
}

#[test]
fn a_broken_list_is_not_touched() {
    let test = TestBox::with(1);
    fs::write(test.path(FILE), "3 V1 N9\nx\n").expect("written");
    let error = Uids::assign(&test.open(&NO_INDEX), WAIT).expect_err("broken");
    let text = error.to_string();
    assert!(
        text.ends_with("dovecot-uidlist: line 2 cannot be read"),
        "{text}"
    );
    assert_eq!(
        fs::read_to_string(test.path(FILE)).expect("there"),
        "3 V1 N9\nx\n"
    );
    assert!(!test.exists("dovecot-uidlist.lock"));
}

#[test]
fn without_the_lock_nothing_is_written() {
    let test = TestBox::with(1);
    fs::write(test.path("dovecot-uidlist.lock"), "").expect("written");
    let error = Uids::assign(&test.open(&NO_INDEX), WAIT).expect_err("locked");
    assert!(
        error.to_string().ends_with("dovecot-uidlist: it is locked"),
        "{error}"
    );
    assert!(!test.exists(FILE));
}

#[test]
fn the_last_uid_is_given_and_none_after_it() {
    let test = TestBox::with(2);
    fs::write(test.path(FILE), "3 V1 N4294967294\n").expect("written");
    let error = Uids::assign(&test.open(&NO_INDEX), WAIT).expect_err("one too many");
    assert!(matches!(error.fault, Fault::Full));
    test.remove("cur/2.m.h:2,");
    assert_eq!(assigned(&test).uid(0), Some(4_294_967_294));
}

#[test]
fn of_twins_one_has_a_uid_and_names_that_would_break_the_list_have_none() {
    let test = TestBox::new();
    test.put("new/1.m.h", "one\n", 1);
    test.put("cur/1.m.h:2,S", "another\n", 2);
    test.put("cur/2\nm.h:2,", "two\n", 3);
    let uids = assigned(&test);
    assert_eq!([0, 1, 2].map(|n| uids.uid(n)), [Some(1), None, None]);
    assert_eq!(files(&test.dir), ["cur", FILE, "new", "tmp"]);
}

#[test]
fn sessions_that_assign_at_once_agree() {
    let test = TestBox::with(40);
    let lists: Vec<Uids> = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mailbox = test.open(&NO_INDEX);
                    Uids::assign(&mailbox, Duration::from_secs(30)).expect("assigned")
                })
            })
            .collect();
        sessions
            .into_iter()
            .map(|session| session.join().expect("no panic"))
            .collect()
    });
    for list in &lists {
        assert!((0..40).all(|n| list.uid(n) == lists[0].uid(n)));
    }
    let (header, entries) = all(&fs::read(test.path(FILE)).expect("there"));
    assert_eq!((header.next, entries.len()), (41, 40));
}
