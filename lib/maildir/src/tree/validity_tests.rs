use std::collections::BTreeSet;
use std::thread;

use super::super::test_support::{TestTree, name_of};
use super::*;

/// The names of the empty files.
fn names(test: &TestTree) -> Vec<String> {
    let mut names = test.entries();
    names.retain(|name| name.starts_with("dovecot-uidvalidity."));
    names
}

#[test]
fn the_first_is_the_clock_and_each_is_greater_than_the_last() {
    let test = TestTree::with(&[]);
    let before = clock();
    let first = test.tree.next_validity().expect("given");
    assert!((before..=before + 10).contains(&first), "{first}");
    let second = test.tree.next_validity().expect("given");
    assert!(second > first);
    assert_eq!(test.read(FILE), format!("{second:08x}"));
    assert_eq!(names(&test), [format!("dovecot-uidvalidity.{second:08x}")]);
}

#[test]
fn what_dovecot_gave_is_never_given_again() {
    let ahead = clock() + 1000;
    for (name, hint) in [
        (Some(ahead), None),
        (None, Some(ahead)),
        (Some(ahead), Some(3)),
        (Some(3), Some(ahead)),
    ] {
        let test = TestTree::with(&[]);
        if let Some(name) = name {
            test.write(&format!("dovecot-uidvalidity.{name:08x}"), "");
        }
        if let Some(hint) = hint {
            test.write(FILE, &format!("{hint:08x}"));
        }
        assert_eq!(test.tree.next_validity().expect("given"), ahead + 1);
        assert_eq!(
            names(&test),
            [format!("dovecot-uidvalidity.{:08x}", ahead + 1)]
        );
    }
}

#[test]
fn files_that_are_not_what_they_should_be_say_nothing() {
    let test = TestTree::with(&[]);
    test.write(FILE, "nonsense");
    for name in [
        "dovecot-uidvalidity.lock",
        "dovecot-uidvalidity.FFFFFFFFF",
        "dovecot-uidvalidity.+fffffff",
    ] {
        test.write(name, "");
    }
    let given = test.tree.next_validity().expect("given");
    assert!(given < clock() + 10, "{given}");
    assert_eq!(names(&test).len(), 4);
}

#[test]
fn of_several_last_ones_the_greatest_counts_and_the_others_go() {
    let test = TestTree::with(&[]);
    let ahead = clock() + 1000;
    for given in [5, ahead, ahead - 1] {
        test.write(&format!("dovecot-uidvalidity.{given:08x}"), "");
    }
    assert_eq!(test.tree.next_validity().expect("given"), ahead + 1);
    assert_eq!(
        names(&test),
        [format!("dovecot-uidvalidity.{:08x}", ahead + 1)]
    );
}

#[test]
fn after_the_last_one_there_is_none() {
    let test = TestTree::with(&[]);
    test.write("dovecot-uidvalidity.ffffffff", "");
    let error = test.tree.next_validity().expect_err("none left");
    assert_eq!(error.to_string(), "there are no UIDVALIDITYs left");
}

#[test]
fn several_at_once_get_different_ones() {
    let test = TestTree::with(&[]);
    let give = || -> Vec<u32> {
        let given = (0..25).map(|_| test.tree.next_validity().expect("given"));
        given.collect()
    };
    let all: BTreeSet<u32> = thread::scope(|scope| {
        let threads = [scope.spawn(give), scope.spawn(give), scope.spawn(give)];
        let given = threads.map(|thread| thread.join().expect("ended"));
        given.into_iter().flatten().collect()
    });
    assert_eq!(all.len(), 75);
}

#[test]
fn a_mailbox_that_loses_its_name_is_older_than_the_next_one() {
    let ahead = clock() + 1000;
    for list in ["dovecot-uidlist", "courierimapuiddb"] {
        let test = TestTree::with(&["a", "b"]);
        let text = match list {
            "dovecot-uidlist" => format!("3 V{ahead} N5 G00\n1 :x\n"),
            _ => format!("1 {ahead} 5\n1 x\n"),
        };
        test.write(&format!(".a/{list}"), &text);
        test.tree.delete(&name_of("a")).expect("deleted");
        assert_eq!(test.tree.next_validity().expect("given"), ahead + 1);
        test.write(
            &format!(".b/{list}"),
            &text.replace(&ahead.to_string(), &(ahead + 9).to_string()),
        );
        test.tree
            .rename(&name_of("b"), &name_of("c"))
            .expect("renamed");
        assert_eq!(test.tree.next_validity().expect("given"), ahead + 10);
    }
}

#[test]
fn a_uidvalidity_that_nobody_noted_is_noted_when_its_mailbox_goes() {
    let test = TestTree::with(&["a"]);
    // Dovecot gives one more than the last one, however late it is.
    test.write("dovecot-uidvalidity.00000005", "");
    test.write(".a/dovecot-uidlist", "3 V7 N1 G00\n");
    test.tree.delete(&name_of("a")).expect("deleted");
    assert_eq!(names(&test), ["dovecot-uidvalidity.00000007"]);
    test.tree.create(&name_of("a")).expect("made");
    test.write(".a/dovecot-uidlist", "3 V6 N1 G00\n");
    test.tree.delete(&name_of("a")).expect("deleted");
    assert_eq!(names(&test), ["dovecot-uidvalidity.00000007"]);
}
