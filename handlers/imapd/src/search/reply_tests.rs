use super::*;
use crate::search::test_support::mailbox;

/// Ten messages with UIDs 1 to 10, of which the first two are gone, so that numbers and UIDs differ.
fn eight(dir: &std::path::Path) -> Selection {
    let mut selection = mailbox(dir, vec![b"x\n".to_vec(); 10]);
    for n in [0, 1] {
        std::fs::remove_file(selection.path(n)).expect("removed");
    }
    selection.sync().expect("in step");
    let _ = selection.take_news(true);
    assert_eq!((selection.len(), selection.uid(0)), (8, 3));
    selection
}

fn found(which: &[usize], highest_modseq: Option<u64>) -> Found {
    Found {
        which: which.to_vec(),
        highest_modseq,
    }
}

/// By letters: min, max, all, count, save.
fn options(letters: &str) -> ReturnOptions {
    ReturnOptions {
        min: letters.contains('m'),
        max: letters.contains('x'),
        all: letters.contains('a'),
        count: letters.contains('c'),
        save: letters.contains('s'),
    }
}

#[test]
fn esearch_tells_what_is_asked_for_and_nothing_of_nothing() {
    let home = tempfile::tempdir().expect("a directory");
    let selection = eight(home.path());
    let some = found(&[0, 1, 2, 5], None);
    let none = found(&[], None);
    for (letters, by, found, expected) in [
        ("", By::Number, &some, " ALL 1:3,6"),
        ("a", By::Uid, &some, " UID ALL 3:5,8"),
        ("m", By::Number, &some, " MIN 1"),
        ("x", By::Uid, &some, " UID MAX 8"),
        ("mxc", By::Number, &some, " MIN 1 MAX 6 COUNT 4"),
        ("sm", By::Number, &some, " MIN 1"),
        ("sa", By::Number, &some, " ALL 1:3,6"),
        ("", By::Number, &none, ""),
        ("a", By::Uid, &none, " UID"),
        ("mxac", By::Number, &none, " COUNT 0"),
    ] {
        let mut out = Vec::new();
        write_esearch(&mut out, b"a1", &selection, by, &options(letters), found);
        let reply = String::from_utf8(out).expect("ASCII");
        assert_eq!(
            reply,
            format!("* ESEARCH (TAG \"a1\"){expected}\r\n"),
            "{letters}"
        );
    }
}

#[test]
fn the_modification_sequence_is_that_of_what_is_told() {
    let home = tempfile::tempdir().expect("a directory");
    let mut selection = eight(home.path());
    // The second has the highest, the last the next.
    for n in [7, 1] {
        let change = maildir::selection::Change {
            how: maildir::selection::How::Add,
            flags: maildir::selection::Flags::FLAGGED,
            keywords: Vec::new(),
        };
        selection.store(&[n], &change, None).expect("stored");
    }
    let modseq = |n: usize| selection.modseq(n);
    assert!(modseq(0) < modseq(7) && modseq(7) < modseq(1));
    let all = found(&[0, 1, 7], Some(modseq(1)));
    for (letters, n) in [
        ("m", 0),
        ("x", 7),
        ("mx", 7),
        ("mc", 1),
        ("xa", 1),
        ("c", 1),
        ("", 1),
        ("sm", 0),
    ] {
        let mut out = Vec::new();
        write_esearch(
            &mut out,
            b"a",
            &selection,
            By::Number,
            &options(letters),
            &all,
        );
        let end = format!(" MODSEQ {}\r\n", modseq(n));
        assert!(
            out.ends_with(end.as_bytes()),
            "{letters}: {}",
            out.escape_ascii()
        );
    }
    let mut out = Vec::new();
    write_esearch(
        &mut out,
        b"a",
        &selection,
        By::Number,
        &options("c"),
        &found(&[], None),
    );
    assert_eq!(out, b"* ESEARCH (TAG \"a\") COUNT 0\r\n");
}

#[test]
fn save_keeps_the_ends_where_only_they_are_asked_for_and_else_all() {
    let home = tempfile::tempdir().expect("a directory");
    let selection = eight(home.path());
    let four = found(&[0, 1, 2, 5], None);
    // RFC 5182 section 2.4.
    for (letters, uids) in [
        ("s", &[3, 4, 5, 8][..]),
        ("sa", &[3, 4, 5, 8]),
        ("sc", &[3, 4, 5, 8]),
        ("sm", &[3]),
        ("sx", &[8]),
        ("smx", &[3, 8]),
        ("smc", &[3, 4, 5, 8]),
        ("sxa", &[3, 4, 5, 8]),
        ("smxac", &[3, 4, 5, 8]),
    ] {
        assert_eq!(
            saved(&selection, &options(letters), &four),
            uids,
            "{letters}"
        );
    }
    assert_eq!(saved(&selection, &options("smx"), &found(&[4], None)), [7]);
    assert!(saved(&selection, &options("smx"), &found(&[], None)).is_empty());
}

#[test]
fn only_what_is_saved_and_nothing_else_gets_no_reply() {
    assert!(!wants_reply(&options("s")));
    for letters in ["", "m", "x", "a", "c", "sm", "sx", "sa", "sc"] {
        assert!(wants_reply(&options(letters)), "{letters}");
    }
}

#[test]
fn lists_have_numbers_or_uids_and_the_modification_sequence_at_the_end() {
    let home = tempfile::tempdir().expect("a directory");
    let selection = eight(home.path());
    let text = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    };
    let search = |by, found: &Found| text(&|out| write_search(out, &selection, by, found));
    assert_eq!(search(By::Number, &found(&[], None)), "* SEARCH\r\n");
    assert_eq!(
        search(By::Number, &found(&[0, 7], None)),
        "* SEARCH 1 8\r\n"
    );
    assert_eq!(
        search(By::Uid, &found(&[0, 7], Some(90))),
        "* SEARCH 3 10 (MODSEQ 90)\r\n"
    );
    let sort =
        |order: &[usize], modseq| text(&|out| write_sort(out, &selection, By::Uid, order, modseq));
    assert_eq!(sort(&[7, 0], None), "* SORT 10 3\r\n");
    assert_eq!(sort(&[], None), "* SORT\r\n");
    assert_eq!(sort(&[1], Some(5)), "* SORT 4 (MODSEQ 5)\r\n");
    let nothing = text(&|out| write_thread(out, &selection, By::Uid, &Threads::default()));
    assert_eq!(nothing, "* THREAD\r\n");
}
