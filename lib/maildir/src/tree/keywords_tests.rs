use std::fs;
use std::time::Duration;

use super::*;

const WAIT: Duration = Duration::from_millis(50);

fn names(keywords: &Keywords) -> Vec<String> {
    let shown =
        |(letter, name): (u8, &[u8])| format!("{}={}", char::from(letter), name.escape_ascii());
    keywords.iter().map(shown).collect()
}

#[test]
fn the_index_is_the_letter() {
    let keywords = read(b"0 $Junk\n1 foo\n25 last\n");
    assert_eq!(names(&keywords), ["a=$Junk", "b=foo", "z=last"]);
    assert_eq!(keywords.name(b'b'), Some(&b"foo"[..]));
    for none in [b'c', b'A', b'`', b'{', 0, 255] {
        assert_eq!(keywords.name(none), None);
    }
    assert_eq!(keywords.letter(b"FOO"), Some(b'b'));
    assert_eq!(keywords.letter(b"bar"), None);
}

#[test]
fn lines_that_say_nothing_are_passed_over_and_stay() {
    let odd = "26 beyond\nx\n-1 y\n 2 z\n3  spaces\n4 a b\n5 \n\n0 second\n6 FOO\n";
    let text = format!("0 $Junk\n1 foo\n{odd}");
    let keywords = read(text.as_bytes());
    assert_eq!(names(&keywords), ["a=$Junk", "b=foo"]);
    assert_eq!(keywords.to_text(), text.as_bytes());
}

#[test]
fn new_keywords_get_the_letters_behind_the_last_and_then_those_between() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(FILE);
    fs::write(&file, "0 $Junk\n23 x\n").expect("written");
    let more: &[&[u8]] = &[b"one", b"ONE", b"$JUNK", b"two", b"three", b"no good", b""];
    let keywords = Keywords::add(folder.path(), more, WAIT).expect("added");
    let expected = ["a=$Junk", "b=three", "x=x", "y=one", "z=two"];
    assert_eq!(names(&keywords), expected);
    assert_eq!(Keywords::load(folder.path()).expect("read"), keywords);
    assert_eq!(
        fs::read_to_string(&file).expect("there"),
        "0 $Junk\n1 three\n23 x\n24 one\n25 two\n"
    );
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
}

#[test]
fn there_are_twenty_six_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let all: Vec<String> = (0..30).map(|n| format!("k{n}")).collect();
    let all: Vec<&[u8]> = all.iter().map(String::as_bytes).collect();
    let keywords = Keywords::add(folder.path(), &all, WAIT).expect("added");
    assert_eq!(keywords.iter().count(), 26);
    assert_eq!(keywords.letter(b"k25"), Some(b'z'));
    assert_eq!(keywords.letter(b"k26"), None);
    assert_eq!(
        Keywords::add(folder.path(), &all, WAIT).expect("full"),
        keywords
    );
}

#[test]
fn what_others_added_meanwhile_stays_and_the_lock_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    Keywords::add(folder.path(), &[b"one"], WAIT).expect("added");
    let stale = Keywords::load(folder.path()).expect("read");
    Keywords::add(folder.path(), &[b"two"], WAIT).expect("added");
    assert!(stale.letter(b"two").is_none());
    let lock = Dotlock::take(&folder.path().join(uidlist::FILE), WAIT).expect("locked");
    let error = Keywords::add(folder.path(), &[b"three"], WAIT).expect_err("locked");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    // What is there needs no lock.
    Keywords::add(folder.path(), &[b"two"], WAIT).expect("there");
    let keywords = Keywords::add_locked(folder.path(), &[b"three"], &lock).expect("added");
    assert_eq!(names(&keywords), ["a=one", "b=two", "c=three"]);
}

#[test]
fn a_mailbox_without_the_file_has_none() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(
        Keywords::load(folder.path()).expect("none"),
        Keywords::default()
    );
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
}
