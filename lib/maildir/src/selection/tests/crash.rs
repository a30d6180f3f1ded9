//! What a kill, a full disk or a careless hand may leave behind.

use std::fs;

use super::support::*;
use crate::selection::{Kind, check_journal};
use crate::test_support::TestBox;

/// A mailbox with a journal whose log has something of everything, what is in it, and the modification
/// sequences before and after that.
fn eventful() -> (TestBox, String, [u64; 2]) {
    let test = TestBox::with(4);
    let mut selection = select(&test.dir);
    rest(&test);
    selection.sync().expect("synced");
    let before = selection.highest_modseq();
    selection.store(&[0, 2], &add("SF"), None).expect("stored");
    selection.store(&[1], &add("T"), None).expect("stored");
    selection.expunge(None).expect("expunged");
    put(&test, 5, "");
    selection.sync().expect("synced");
    selection.take_news(true);
    selection.facts(&[0, 1, 2]);
    selection.save();
    let shown = shown(&selection).replace('*', "");
    let highest = selection.highest_modseq();
    (test, shown, [before, highest])
}

/// Puts another journal into the place of this one: who has mapped that still has it.
fn replace(test: &TestBox, bytes: &[u8]) {
    fs::write(test.path("tmp/journal"), bytes).expect("written");
    test.rename("tmp/journal", "superd-journal");
}

#[test]
fn a_journal_that_was_cut_anywhere_costs_no_message_no_flag_and_no_uid() {
    let (test, expected, [before, highest]) = eventful();
    let journal = test.path("superd-journal");
    let whole = fs::read(&journal).expect("there");
    for end in 0..whole.len() {
        replace(&test, &whole[..end]);
        let mut selection = select(&test.dir);
        assert_eq!(shown(&selection), expected, "{end}");
        assert_eq!((selection.validity(), selection.uid_next()), (VALIDITY, 6));
        assert!(selection.highest_modseq() >= highest, "{end}");
        // The expunge may be known, or nothing is said of it; it is not denied.
        let gone = selection.vanished_since(before);
        assert!(gone.is_none_or(|gone| gone == [(2, 2)]), "{end}");
        if end % 16 == 0 {
            // What follows the last good frame is not in the way.
            selection.store(&[0], &add("R"), None).expect("stored");
            let again = select(&test.dir);
            assert_eq!(shown(&again), shown(&selection), "{end}");
            let removed = change(crate::selection::How::Remove, "R", &[]);
            selection.store(&[0], &removed, None).expect("stored");
        }
    }
}

#[test]
fn a_journal_with_a_changed_bit_is_believed_in_no_part_of_it() {
    let (test, expected, _) = eventful();
    let journal = test.path("superd-journal");
    let whole = fs::read(&journal).expect("there");
    for at in (0..whole.len()).step_by(3) {
        let mut changed = whole.clone();
        changed[at] ^= 0x40;
        replace(&test, &changed);
        let selection = select(&test.dir);
        assert_eq!(shown(&selection), expected, "{at}");
        assert_eq!(selection.uid_next(), 6);
    }
    assert!(check_journal(&whole).is_some());
}

#[test]
fn modification_sequences_grow_though_the_journal_is_lost() {
    let (test, _, [_, highest]) = eventful();
    for journal in [None, Some(&b"garbage"[..]), Some(b"")] {
        match journal {
            None => test.remove("superd-journal"),
            Some(bytes) => replace(&test, bytes),
        }
        let selection = select(&test.dir);
        assert!(selection.highest_modseq() > highest);
        assert!((0..selection.len()).all(|n| selection.modseq(n) > highest));
        assert_eq!(selection.vanished_since(highest), None);
    }
}

#[test]
fn a_journal_that_is_lost_under_a_session_is_made_again_with_all_that_it_knows() {
    let test = TestBox::with(3);
    let mut a = select(&test.dir);
    let before = a.highest_modseq();
    a.store(&[0], &add("S"), None).expect("stored");
    a.store(&[1], &add("T"), None).expect("stored");
    a.expunge(None).expect("expunged");
    let (modseq, highest) = (a.modseq(0), a.highest_modseq());
    test.remove("superd-journal");
    a.sync().expect("synced");
    let b = select(&test.dir);
    assert_eq!((b.modseq(0), b.highest_modseq()), (modseq, highest));
    assert_eq!(b.vanished_since(before), Some(vec![(2, 2)]));
    // And one that somebody replaced by an older one is replaced again.
    replace(&test, b"older");
    a.store(&[2], &add("F"), None).expect("stored");
    let c = select(&test.dir);
    assert_eq!(shown(&c), "1S 3F");
    assert_eq!(c.highest_modseq(), a.highest_modseq());
}

#[test]
fn the_journal_of_another_mailbox_is_none_of_this_one() {
    let (other, ..) = eventful();
    let test = TestBox::with(2);
    fs::write(test.path("dovecot-uidlist"), "3 V5 N9\n4 :2.m.h\n").expect("written");
    fs::copy(other.path("superd-journal"), test.path("superd-journal")).expect("copied");
    let selection = select(&test.dir);
    assert_eq!((selection.validity(), shown(&selection)), (5, "4 9".into()));
}

#[test]
fn an_old_journal_that_came_back_from_a_backup_learns_what_has_happened() {
    let (test, ..) = eventful();
    let old = fs::read(test.path("superd-journal")).expect("there");
    let mut selection = select(&test.dir);
    selection.store(&[0], &add("T"), None).expect("stored");
    selection.expunge(None).expect("expunged");
    put(&test, 7, "");
    selection.sync().expect("synced");
    selection.take_news(true);
    let (shown_before, next) = (shown(&selection).replace('*', ""), selection.uid_next());
    drop(selection);
    replace(&test, &old);
    let selection = select(&test.dir);
    // A message that the old journal does not know has a UID that it would not give.
    assert_eq!(shown(&selection), shown_before);
    assert_eq!(selection.uid_next(), next);
}

#[test]
fn an_unfinished_line_of_the_list_is_cut_off() {
    let test = TestBox::with(2);
    drop(select(&test.dir));
    let list = test.path("dovecot-uidlist");
    let text = fs::read_to_string(&list).expect("there");
    for end in ["3", "3 ", "3 :", "3 :9.m", "4294967295 :9.m.h"] {
        fs::write(&list, format!("{text}{end}")).expect("written");
        put(&test, 9, ":2,");
        let mut selection = select(&test.dir);
        assert_eq!(shown(&selection), "1 2 3", "{end}");
        assert_eq!(
            fs::read_to_string(&list).expect("there"),
            format!("{text}3 :9.m.h\n")
        );
        test.remove("cur/9.m.h:2,");
        assert_eq!(refresh(&mut selection), "1 2");
        drop(selection);
        test.remove("superd-journal");
    }
}

#[test]
fn files_that_a_dead_session_left_are_in_nobodys_way() {
    let test = TestBox::with(2);
    for name in [
        "superd-journal.tmp",
        "dovecot-uidlist.tmp",
        "dovecot-keywords.tmp",
    ] {
        fs::write(test.path(name), "left behind").expect("written");
    }
    let mut selection = select(&test.dir);
    let change = change(crate::selection::How::Add, "", &["word"]);
    selection.store(&[0], &change, None).expect("stored");
    assert_eq!(shown(&select(&test.dir)), "1+word 2");
    assert!(!test.exists("superd-journal.tmp"));
}

#[test]
fn a_lock_that_somebody_holds_is_waited_for_and_told() {
    let test = TestBox::with(1);
    let mut selection = select(&test.dir);
    selection.wait = std::time::Duration::from_millis(30);
    let lock = crate::selection::lock::Lock::take(&test.dir, WAIT).expect("free");
    let error = selection.store(&[0], &add("S"), None).expect_err("held");
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.to_string().ends_with("it is locked"), "{error}");
    drop(lock);
    selection.store(&[0], &add("S"), None).expect("stored");
}

/// Between the steps of a STORE, an EXPUNGE, an APPEND and a MOVE: each leaves names behind, and
/// the journal and the list as they were.
#[test]
fn a_kill_between_a_change_and_its_record_is_found_by_the_next_session() {
    let test = TestBox::with(3);
    let selection = select(&test.dir);
    rest(&test);
    drop(select(&test.dir));
    let highest = selection.highest_modseq();
    // Renamed, removed, and put there, and then nothing more.
    test.rename("cur/1.m.h:2,", "cur/1.m.h:2,S");
    test.remove("cur/2.m.h:2,");
    put(&test, 4, ":2,F");
    let mut again = select(&test.dir);
    assert_eq!(shown(&again), "1S 3 4F");
    assert!(again.modseq(0) > highest && again.modseq(2) > highest);
    assert_eq!(again.modseq(1), selection.modseq(2));
    assert_eq!(again.vanished_since(highest), Some(vec![(2, 2)]));
    // The list was written and the journal was not.
    rest(&test);
    again.sync().expect("synced");
    let list = test.path("dovecot-uidlist");
    let text = fs::read_to_string(&list).expect("there");
    fs::write(&list, format!("{text}5 :5.m.h\n6 :6.m.h\n")).expect("written");
    put(&test, 6, ":2,");
    assert_eq!(refresh(&mut again), "1S 3 4F 6");
    assert_eq!(again.uid_next(), 7);
}

#[test]
fn an_old_journal_under_a_session_expunges_nothing_that_is_there() {
    let test = TestBox::with(3);
    let (mut a, mut b) = (select(&test.dir), select(&test.dir));
    let old = fs::read(test.path("superd-journal")).expect("there");
    put(&test, 4, ":2,");
    a.store(&[0], &add("S"), None).expect("stored");
    a.store(&[1], &add("T"), None).expect("stored");
    a.expunge(None).expect("expunged");
    assert_eq!(refresh(&mut a), "1S 3 4");
    assert_eq!(refresh(&mut b), "1S 3 4");
    let highest = a.highest_modseq();
    replace(&test, &old);
    put(&test, 5, ":2,F");
    assert_eq!(refresh(&mut b), "1S 3 4 5F");
    assert_eq!(refresh(&mut a), "1S 3 4 5F");
    assert!(a.highest_modseq() > highest);
    let c = select(&test.dir);
    assert_eq!(shown(&c), "1S 3 4 5F");
    assert_eq!(c.uid_next(), 6);
}

#[test]
fn a_session_that_cannot_read_what_others_wrote_does_not_cut_it_off() {
    let test = TestBox::with(2);
    let mut a = select(&test.dir);
    let mut b = select(&test.dir);
    put(&test, 3, ":2,");
    b.sync().expect("synced");
    // For a the next message cannot have this UID.
    a.view.summary.next = 9;
    b.store(&[0], &add("S"), None).expect("stored");
    a.store(&[1], &add("F"), None).expect("stored");
    assert_eq!(refresh(&mut b), "1S 2F 3");
    assert_eq!(refresh(&mut a), "1S 2F 3");
    assert_eq!(shown(&select(&test.dir)), "1S 2F 3");
}

#[test]
fn a_journal_that_cannot_be_written_is_done_without_and_written_later() {
    let test = TestBox::with(3);
    let mut a = select(&test.dir);
    // What stands in the way of a new one.
    fs::create_dir(test.path("superd-journal.tmp")).expect("made");
    test.remove("superd-journal");
    a.store(&[0], &add("S"), None).expect("stored");
    let warning = a.take_warning().expect("a warning");
    assert!(warning.contains("superd-journal"), "{warning}");
    let mut b = select(&test.dir);
    assert_eq!(shown(&b), "1S 2 3");
    b.store(&[1], &add("F"), None).expect("stored");
    put(&test, 4, "");
    assert_eq!(refresh(&mut a), "1S 2F 3 4*");
    assert_eq!(refresh(&mut b), "1S 2F 3 4");
    assert!(!test.exists("superd-journal"));
    fs::remove_dir(test.path("superd-journal.tmp")).expect("removed");
    a.next_try = None;
    a.sync().expect("synced");
    assert!(test.exists("superd-journal"));
    assert_eq!(refresh(&mut b), "1S 2F 3 4");
    b.store(&[2], &add("R"), None).expect("stored");
    assert_eq!(refresh(&mut a), "1S 2F 3R 4*");
    assert_eq!(shown(&select(&test.dir)), "1S 2F 3R 4");
}
