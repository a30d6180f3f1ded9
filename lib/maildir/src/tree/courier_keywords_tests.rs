use super::*;

fn of(keywords: &CourierKeywords, unique: &str) -> Vec<String> {
    let names = keywords.of(unique.as_bytes());
    names.map(|name| name.escape_ascii().to_string()).collect()
}

const TEXT: &str =
    "$Junk\nfoo\nno good\nbar\n\n1.m.h,S=9:0 3\n2.m.h:1\n3.m.h:2 7 x\n4.m.h\n5.m.h:0 0\n";

#[test]
fn a_list_says_which_message_has_which() {
    let keywords = read(TEXT.as_bytes());
    assert_eq!(of(&keywords, "1.m.h,S=9"), ["$Junk", "bar"]);
    assert_eq!(of(&keywords, "2.m.h"), ["foo"]);
    assert_eq!(of(&keywords, "5.m.h"), ["$Junk"]);
    for none in ["3.m.h", "4.m.h", "6.m.h", ""] {
        assert!(of(&keywords, none).is_empty(), "{none}");
    }
    assert_eq!(
        keywords.names().collect::<Vec<_>>(),
        [&b"$Junk"[..], b"foo", b"bar"]
    );
}

#[test]
fn a_list_without_messages_or_without_all_is_one_too() {
    assert_eq!(read(b""), CourierKeywords::default());
    assert_eq!(read(b"one\ntwo").names().count(), 2);
    assert_eq!(read(b"\n1.m.h:0\n").names().count(), 0);
}

#[test]
fn the_newest_change_counts_instead_of_the_list() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(CourierKeywords::load(folder.path()).expect("none"), None);
    let dir = folder.path().join(DIRECTORY);
    fs::create_dir(&dir).expect("made");
    for (file, text) in [
        (LIST, TEXT),
        ("1.m.h,S=9", "new\n$JUNK\n"),
        (".900.1.m.h,S=9", "old\n"),
        (".900.2.m.h", "older\n"),
        (".1000.2.m.h", "newer\n"),
        ("5.m.h", ""),
        (".tmp.12.h", "unfinished\n"),
        (".0.6.m.h", "none\n"),
    ] {
        fs::write(dir.join(file), text).expect("written");
    }
    let keywords = CourierKeywords::load(folder.path())
        .expect("read")
        .expect("there");
    assert_eq!(of(&keywords, "1.m.h,S=9"), ["$Junk", "new"]);
    assert_eq!(of(&keywords, "2.m.h"), ["newer"]);
    for none in ["5.m.h", "6.m.h", "12.h"] {
        assert!(of(&keywords, none).is_empty(), "{none}");
    }
}
