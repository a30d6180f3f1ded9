use std::thread;

use super::super::test_support::{TestTree, name_of};
use super::*;

fn subscribed(test: &TestTree) -> Vec<String> {
    let names = test.tree.subscribed().expect("read");
    names.iter().map(Name::to_string).collect()
}

#[test]
fn nothing_is_subscribed_at_first_and_nothing_is_written_by_looking() {
    let test = TestTree::with(&["a"]);
    assert!(subscribed(&test).is_empty());
    test.tree.unsubscribe(&name_of("a")).expect("was none");
    assert_eq!(test.entries(), [".a", "cur", "new", "tmp"]);
}

#[test]
fn a_new_file_is_as_dovecot_writes_it() {
    let test = TestTree::with(&[]);
    for name in ["A.B", "Entw&APw-rfe.&AOk-", "INBOX", "INBOX.x", "a b"] {
        test.tree.subscribe(&name_of(name)).expect("subscribed");
    }
    // This is what Dovecot 2.3.19 wrote for the same commands.
    let text = "V\t2\n\nA\tB\nEntw&APw-rfe\t&AOk-\nINBOX\nINBOX\tx\na b\n";
    assert_eq!(test.read(FILE), text);
    assert_eq!(
        subscribed(&test),
        ["A.B", "Entw&APw-rfe.&AOk-", "INBOX", "INBOX.x", "a b"]
    );
    // Again is no change.
    test.tree.subscribe(&name_of("A.B")).expect("subscribed");
    assert_eq!(test.read(FILE), text);
    test.tree
        .unsubscribe(&name_of("INBOX"))
        .expect("taken back");
    assert_eq!(test.read(FILE), text.replace("INBOX\n", ""));
    assert_eq!(test.entries(), ["cur", "new", "subscriptions", "tmp"]);
}

#[test]
fn a_file_of_version_1_stays_one() {
    let test = TestTree::with(&[]);
    test.write(FILE, "A.B\nINBOX");
    assert_eq!(subscribed(&test), ["A.B", "INBOX"]);
    test.tree.subscribe(&name_of("C.D")).expect("subscribed");
    assert_eq!(test.read(FILE), "A.B\nINBOX\nC.D\n");
}

#[test]
fn lines_that_are_no_names_stay_as_they_are() {
    for (head, tab) in [("", "."), ("V\t2\n\n", "\t")] {
        let test = TestTree::with(&[]);
        let odd = format!("shared/box\na\u{1}tb\né\n{tab}x\n\nA{tab}B\n&AGE-\n");
        test.write(FILE, &format!("{head}{odd}"));
        assert_eq!(subscribed(&test), ["A.B"]);
        test.tree.subscribe(&name_of("z")).expect("subscribed");
        assert_eq!(test.read(FILE), format!("{head}{odd}z\n"));
        test.tree.unsubscribe(&name_of("A.B")).expect("taken back");
        assert_eq!(
            test.read(FILE),
            format!("{head}{odd}z\n").replace(&format!("A{tab}B\n"), "")
        );
    }
}

#[test]
fn couriers_subscriptions_count_until_there_are_own_ones() {
    let test = TestTree::with(&[]);
    test.write(
        COURIER,
        "INBOX\nINBOX.Sent\nINBOX.A.B\nINBOX.Sent\nshared.x\n\n",
    );
    assert_eq!(subscribed(&test), ["A.B", "INBOX", "Sent"]);
    assert!(!test.path(FILE).exists());
    test.tree.unsubscribe(&name_of("Sent")).expect("taken back");
    assert_eq!(test.read(FILE), "V\t2\n\nINBOX\nA\tB\n");
    assert_eq!(subscribed(&test), ["A.B", "INBOX"]);
    test.tree
        .unsubscribe(&name_of("INBOX"))
        .expect("taken back");
    test.tree.unsubscribe(&name_of("A.B")).expect("taken back");
    // None at all is not the same as no file.
    assert_eq!(test.read(FILE), "V\t2\n\n");
    assert!(subscribed(&test).is_empty());
}

#[test]
fn changes_at_once_are_all_made() {
    let test = TestTree::with(&[]);
    let names: Vec<Name> = (0..40).map(|n| name_of(&format!("n{n}"))).collect();
    thread::scope(|scope| {
        for part in names.chunks(10) {
            let tree = &test.tree;
            scope.spawn(move || {
                for name in part {
                    tree.subscribe(name).expect("subscribed");
                }
            });
        }
    });
    assert_eq!(
        test.tree.subscribed().expect("read"),
        names.into_iter().collect()
    );
}

#[test]
fn a_file_that_is_a_link_is_not_followed() {
    let test = TestTree::with(&[]);
    std::fs::write(test.outside("secret"), "A\n").expect("written");
    std::os::unix::fs::symlink(test.outside("secret"), test.path(FILE)).expect("linked");
    let error = test.tree.subscribed().expect_err("a link");
    assert!(error.to_string().starts_with("unable to use "), "{error}");
    test.tree.subscribe(&name_of("B")).expect_err("a link");
    assert_eq!(
        std::fs::read_to_string(test.outside("secret")).expect("there"),
        "A\n"
    );
}
