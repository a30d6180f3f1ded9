use std::ffi::OsStr;

use super::super::test_support::name_of;
use super::*;

#[test]
fn a_name_is_its_directory_and_back() {
    for (name, dir) in [("A.B", ".A.B"), ("INBOX.x", ".INBOX.x"), ("a b", ".a b")] {
        assert_eq!(name_of(name).dir_name().expect("one"), dir);
        assert_eq!(Name::from_dir_name(OsStr::new(dir)), Some(name_of(name)));
    }
    assert_eq!(Name::inbox().dir_name(), None);
}

#[test]
fn directories_that_are_no_mailboxes_have_no_name() {
    for dir in [
        &b"cur"[..],
        b".",
        b"..",
        b"..A",
        b".A..B",
        b".A.",
        b".INBOX",
        b".inbox",
        b".Inbox.x",
        b".&AGE-",
        b".A&B",
        ".é".as_bytes(),
        b".A\nB",
        b"superd-new.0123",
        b"",
    ] {
        assert_eq!(
            Name::from_dir_name(OsStr::from_bytes(dir)),
            None,
            "{}",
            dir.escape_ascii()
        );
    }
}

#[test]
fn inbox_is_read_in_any_case_at_the_first_level_only() {
    assert!(name_of("iNbOx").is_inbox());
    assert_eq!(name_of("inbox.Inbox").as_disk(), b"INBOX.Inbox");
    assert_eq!(name_of("x.inbox").as_disk(), b"x.inbox");
    assert_eq!(name_of("inboxes").as_disk(), b"inboxes");
    assert_eq!(name_of("inbox.x").parent(), Some(Name::inbox()));
    assert!(name_of("inbox.x").is_below(&Name::inbox()));
    assert!(!name_of("x").is_below(&Name::inbox()));
    assert_eq!(Name::inbox().parent(), None);
}

#[test]
fn a_directory_name_of_255_bytes_fits_and_one_of_256_does_not() {
    assert!(Name::from_disk(&[b'x'; 254]).is_ok());
    assert_eq!(Name::from_disk(&[b'x'; 255]), Err(BadName::TooLong));
    let name = name_of(&format!("a.{}", "x".repeat(252)));
    assert!(
        name.moved(&name_of("a"), &name_of("b"))
            .expect("below")
            .is_ok()
    );
    let moved = name.moved(&name_of("a"), &name_of("bb"));
    assert_eq!(moved, Some(Err(BadName::TooLong)));
}

#[test]
fn what_is_below_a_name_follows_it_at_once() {
    let mut names = ["b", "a.c", "a-b", "a", "a.c.d", "a c"].map(name_of);
    names.sort();
    assert_eq!(names, ["a", "a.c", "a.c.d", "a c", "a-b", "b"].map(name_of));
}

#[test]
fn a_name_moves_with_what_is_above_it_and_with_nothing_else() {
    let (from, to) = (name_of("a.b"), name_of("x"));
    for (old, new) in [
        ("a.b", Some("x")),
        ("a.b.c", Some("x.c")),
        ("a", None),
        ("a.bc", None),
        ("A.b", None),
        ("x.a.b", None),
    ] {
        let moved = name_of(old)
            .moved(&from, &to)
            .map(|name| name.expect("short"));
        assert_eq!(moved, new.map(name_of), "{old}");
    }
}
