use super::super::test_support::{TestTree, name_of};
use super::*;

/// What the mailboxes that are there are for.
fn special(test: &TestTree) -> Vec<String> {
    let listed = test.tree.list().expect("listed").into_iter();
    let there = listed
        .filter(|listed| listed.selectable)
        .map(|listed| listed.name);
    let special = test.tree.special_of(&there.collect());
    let shown = special.iter().map(|(name, uses)| {
        let uses: Vec<&str> = uses.iter().map(|special| special.attribute()).collect();
        format!("{name} {}", uses.join(" "))
    });
    shown.collect()
}

#[test]
fn attributes_are_read_in_any_case_and_only_those_of_real_mailboxes() {
    for (special, attribute, _) in USES {
        assert_eq!(special.attribute(), attribute);
        assert_eq!(
            Use::of(attribute.to_ascii_uppercase().as_bytes()),
            Some(special)
        );
    }
    for other in [&b"\\All"[..], b"\\Flagged", b"Sent", b"\\Seen", b""] {
        assert_eq!(Use::of(other), None, "{}", other.escape_ascii());
    }
}

#[test]
fn well_known_names_say_what_a_mailbox_is_for_and_one_is_enough() {
    let test = TestTree::with(&[
        "Sent",
        "Sent Messages",
        "Deleted Items",
        "spam",
        "Work.Drafts",
        "Archives",
    ]);
    assert_eq!(
        special(&test),
        [
            "Archives \\Archive",
            "Deleted Items \\Trash",
            "Sent \\Sent",
            "spam \\Junk"
        ]
    );
}

#[test]
fn what_a_client_said_counts_more_than_a_name() {
    let test = TestTree::with(&["Sent", "Mail.Out", "Trash"]);
    test.tree
        .set_special(&name_of("Mail.Out"), &[Use::Sent, Use::Archive])
        .expect("set");
    assert_eq!(test.read(FILE), "\\Sent\tMail.Out\n\\Archive\tMail.Out\n");
    assert_eq!(
        special(&test),
        ["Mail.Out \\Archive \\Sent", "Trash \\Trash"]
    );
    test.tree
        .set_special(&name_of("Mail.Out"), &[Use::Drafts])
        .expect("set");
    assert_eq!(
        special(&test),
        ["Mail.Out \\Drafts", "Sent \\Sent", "Trash \\Trash"]
    );
}

#[test]
fn what_was_said_goes_with_a_renamed_mailbox_and_away_with_a_deleted_one() {
    let test = TestTree::with(&["Mail", "Mail.Out", "Mail.Old"]);
    test.tree
        .set_special(&name_of("Mail.Out"), &[Use::Sent])
        .expect("set");
    test.tree
        .set_special(&name_of("Mail.Old"), &[Use::Archive])
        .expect("set");
    test.tree
        .rename(&name_of("Mail"), &name_of("Post"))
        .expect("renamed");
    assert_eq!(special(&test), ["Post.Old \\Archive", "Post.Out \\Sent"]);
    test.tree.delete(&name_of("Post.Out")).expect("deleted");
    assert_eq!(test.read(FILE), "\\Archive\tPost.Old\n");
    test.tree.create(&name_of("Post.Out")).expect("made");
    assert_eq!(special(&test), ["Post.Old \\Archive"]);
}

#[test]
fn a_line_of_a_mailbox_that_is_gone_says_nothing_and_odd_lines_stay() {
    let test = TestTree::with(&["Sent", "x"]);
    test.write(FILE, "\\Sent\tGone\nnonsense\n\\Other\tx\n\\Junk\t../x");
    assert_eq!(special(&test), ["Sent \\Sent"]);
    test.tree
        .set_special(&name_of("x"), &[Use::Junk])
        .expect("set");
    assert_eq!(special(&test), ["Sent \\Sent", "x \\Junk"]);
    assert_eq!(
        test.read(FILE),
        "\\Sent\tGone\nnonsense\n\\Other\tx\n\\Junk\t../x\n\\Junk\tx\n"
    );
}

#[test]
fn where_nothing_was_said_nothing_is_written() {
    let test = TestTree::with(&["a", "b"]);
    test.tree
        .rename(&name_of("a"), &name_of("c"))
        .expect("renamed");
    test.tree.delete(&name_of("b")).expect("deleted");
    assert!(!test.path(FILE).exists());
}
