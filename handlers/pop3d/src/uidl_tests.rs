use std::io;

use maildir::uidlist::ListError;

use super::*;
use crate::store::Committed;

/// Messages by unique name and text; the same name twice makes twins.
struct Names(Vec<(&'static [u8], &'static [u8])>);

impl Store for Names {
    type Message = &'static [u8];

    fn len(&self) -> usize {
        self.0.len()
    }

    fn size(&self, n: usize) -> u64 {
        self.0[n].1.len() as u64
    }

    fn correct_size(&mut self, _: usize, _: u64) {}

    fn unique(&self, n: usize) -> &[u8] {
        self.0[n].0
    }

    fn is_twin(&self, n: usize) -> bool {
        self.0.iter().filter(|other| other.0 == self.0[n].0).count() > 1
    }

    fn open(&mut self, n: usize) -> io::Result<&'static [u8]> {
        Ok(self.0[n].1)
    }

    fn list(&mut self, _: Style) -> Result<Option<Box<dyn List>>, ListError> {
        Ok(None)
    }

    fn commit(&mut self, _: &dyn Fn(usize) -> bool) -> Committed {
        Committed::default()
    }
}

struct Listed(Vec<Option<&'static [u8]>>);

impl List for Listed {
    fn id(&self, n: usize, _: &[u8], into: &mut Vec<u8>) -> bool {
        into.extend_from_slice(self.0[n].unwrap_or_default());
        self.0[n].is_some()
    }
}

fn ids_of(style: Style, list: Option<Box<dyn List>>, mut store: Names) -> Vec<String> {
    let ids = Ids::new(style, list, &mut store);
    let all: Vec<String> = (0..store.len())
        .map(|n| {
            let mut id = Vec::new();
            ids.write(n, &store, &mut id);
            assert!((1..=70).contains(&id.len()), "{}", id.escape_ascii());
            assert!(id.iter().all(|byte| (0x21..=0x7e).contains(byte)));
            String::from_utf8(id).expect("ASCII")
        })
        .collect();
    let different: HashSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "{all:?}");
    all
}

fn ids(style: Style, names: &[&'static [u8]]) -> Vec<String> {
    ids_of(
        style,
        None,
        Names(names.iter().map(|&name| (name, &b""[..])).collect()),
    )
}

fn listed(list: &[Option<&'static [u8]>], names: &[&'static [u8]]) -> Vec<String> {
    let store = Names(names.iter().map(|&name| (name, &b""[..])).collect());
    ids_of(Style::Courier, Some(Box::new(Listed(list.to_vec()))), store)
}

#[test]
fn an_ordinary_name_is_its_own_id_and_its_sizes_are_a_part_of_it() {
    let name: &[u8] = b"1700000000.M1P2.host,S=123,W=130";
    assert_eq!(
        ids(Style::Name, &[name]),
        ["1700000000.M1P2.host,S=123,W=130"]
    );
}

#[test]
fn a_name_of_70_bytes_is_an_id_and_one_of_71_is_hashed() {
    let told = ids(Style::Name, &[&[b'x'; 70], &[b'x'; 71]]);
    assert_eq!(told[0], "x".repeat(70));
    let hashed = hash_form(&[&[b'x'; 71]]);
    assert_eq!(told[1].as_bytes(), hashed);
}

#[test]
fn the_digits_of_a_hash_are_those_of_rfc_1321() {
    assert_eq!(&hex(&[b"abc"]), b"900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(
        &hex(&[b"", b"a", b"bc"]),
        b"900150983cd24fb0d6963f7d28e17f72"
    );
}

#[test]
fn names_that_are_no_ids_are_hashed() {
    for name in [&b""[..], b"a b", b"\x7f", b"caf\xc3\xa9", b"a\tb"] {
        let told = ids(Style::Name, &[name]);
        assert!(told[0].starts_with("md5-"), "{}", name.escape_ascii());
        assert_eq!(told[0].len(), 36);
    }
}

#[test]
fn a_name_that_looks_like_a_hash_cannot_take_the_place_of_one() {
    let other: &'static [u8] = hash_form(&[b"a b"]).leak();
    let told = ids(Style::Name, &[b"a b", other]);
    assert_eq!(told[0].as_bytes(), other);
    assert_ne!(told[1].as_bytes(), other);
}

#[test]
fn twins_keep_their_ids_in_any_order_and_next_to_any_other_twin() {
    let (a, b, c): (&[u8], &[u8], &[u8]) = (b"text a", b"text b", b"text c");
    let twins = |texts: &[&'static [u8]]| {
        let store = Names(texts.iter().map(|&text| (&b"1.x"[..], text)).collect());
        ids_of(Style::Name, None, store)
    };
    let told = twins(&[a, b, c]);
    assert_eq!(twins(&[c, a]), [told[2].clone(), told[0].clone()]);
    assert!(told.iter().all(|id| id.starts_with("md5-")));
}

#[test]
fn copies_of_one_message_under_one_name_are_told_apart() {
    let store = Names(vec![
        (b"1.x", b"same"),
        (b"1.x", b"same"),
        (b"1.x", b"same"),
    ]);
    assert_eq!(ids_of(Style::Name, None, store).len(), 3);
}

#[test]
fn mailfront_cuts_a_name_before_its_sizes_and_at_70_bytes() {
    for (name, id) in [
        (&b"1.x,S=12"[..], "1.x"),
        (b"1.x,W=12,S=10", "1.x"),
        (b"1.x,y", "1.x,y"),
        (b"1.x,", "1.x,"),
        (b"1,y,S=3", "1,y,S=3"),
    ] {
        assert_eq!(ids(Style::Mailfront, &[name]), [id]);
    }
    assert_eq!(ids(Style::Mailfront, &[&[b'x'; 90]]), ["x".repeat(70)]);
}

#[test]
fn names_that_mailfront_cuts_to_the_same_are_hashed_whole() {
    let told = ids(Style::Mailfront, &[b"1.x,S=1", b"2.x,S=1", b"1.x,S=2"]);
    assert_eq!(told[1], "2.x");
    assert!(told[0].starts_with("md5-") && told[2].starts_with("md5-"));
}

#[test]
fn md5_is_the_hash_of_the_name_whatever_that_is() {
    assert_eq!(
        ids(Style::Md5, &[b"abc", b"a b"]),
        [
            "900150983cd24fb0d6963f7d28e17f72".to_owned(),
            String::from_utf8(hex(&[b"a b"]).to_vec()).expect("digits")
        ]
    );
}

#[test]
fn a_list_goes_before_the_name_and_the_name_stands_in_for_it() {
    assert_eq!(
        listed(&[Some(b"UID1-99"), None], &[b"1.x", b"2.x"]),
        ["UID1-99", "2.x"]
    );
}

#[test]
fn whatever_a_list_says_no_two_messages_get_the_same_id() {
    // Twice the same; one that is another's name; nothing; a space; too long; a hash form.
    let long: &[u8] = &[b'l'; 71];
    let told = listed(
        &[
            Some(b"same"),
            Some(b"same"),
            Some(b"4.x"),
            None,
            Some(b""),
            Some(b"a b"),
            Some(long),
            Some(b"md5-900150983cd24fb0d6963f7d28e17f72"),
            Some(b"good"),
        ],
        &[
            b"1.x", b"2.x", b"3.x", b"4.x", b"5.x", b"6.x", b"7.x", b"8.x", b"9.x",
        ],
    );
    assert!(
        told[..8].iter().all(|id| id.starts_with("md5-")),
        "{told:?}"
    );
    assert_eq!(told[8], "good");
}

#[test]
fn styles_have_names_and_anything_else_is_said_to_be_none() {
    for (name, style) in [
        ("name", Style::Name),
        ("mailfront", Style::Mailfront),
        ("md5", Style::Md5),
        ("courier", Style::Courier),
        ("dovecot", Style::Dovecot),
    ] {
        assert_eq!(Style::of(name.as_bytes()), Ok(style));
    }
    let error = Style::of(b"Name\n").expect_err("none");
    assert_eq!(
        error.to_string(),
        "Name\\n is none of name, mailfront, md5, courier and dovecot"
    );
}
