use super::*;

const LIST: &str = "3 V1700000000 N9 G0123456789abcdef0123456789abcdef Xlater\n\
    2 :2.m.h\n\
    5 S100 W104 P0000abcd Zunknown :1.m.h\n\
    7 :gone.m.h\n";

/// UID, unique name, saved identifier.
type Owned = (u32, String, Option<String>);

fn all(text: &[u8]) -> Result<(Header, Vec<Owned>), Fault> {
    let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut entries = Vec::new();
    let header = read(text, |entry| {
        let saved = entry.pop3_uidl().map(text_of);
        entries.push((entry.uid, text_of(entry.unique), saved));
    })?;
    Ok((header, entries))
}

#[test]
fn a_list_is_read_with_the_fields_that_its_lines_have() {
    let (header, entries) = all(LIST.as_bytes()).expect("a list");
    assert_eq!(
        (header.version, header.validity, header.next),
        (3, 1_700_000_000, 9)
    );
    assert_eq!(header.complete, LIST.len() as u64);
    assert_eq!(header.pop3_format, None);
    let entry =
        |uid, name: &str, saved: Option<&str>| (uid, name.to_owned(), saved.map(str::to_owned));
    let expected = [
        entry(2, "2.m.h", None),
        entry(5, "1.m.h", Some("0000abcd")),
        entry(7, "gone.m.h", None),
    ];
    assert_eq!(entries, expected);
    let mut sizes = Vec::new();
    read(LIST.as_bytes(), |entry| {
        sizes.push((
            entry.field(b'S').map(<[u8]>::to_vec),
            entry.field(b'W').is_some(),
        ));
    })
    .expect("a list");
    assert_eq!(sizes[1], (Some(b"100".to_vec()), true));
    assert_eq!(sizes[0], (None, false));
}

#[test]
fn the_next_uid_is_above_all_that_were_appended() {
    let (header, _) = all(b"3 V1 N2 G00\n9 :1.m.h\n").expect("a list");
    assert_eq!(header.next, 10);
}

#[test]
fn an_old_list_and_names_with_flags_and_values_with_colons_are_read() {
    let (header, entries) = all(b"1 1700000000 9\n3 1.m.h\n").expect("a list");
    assert_eq!((header.version, header.next), (1, 9));
    assert_eq!(entries[0].1, "1.m.h");
    let (_, entries) = all(b"3 V1 N9 PUID%u\n3 Pa:b :1.m.h:2,S\n").expect("a list");
    assert_eq!(entries, [(3, "1.m.h".to_owned(), Some("a:b".to_owned()))]);
}

#[test]
fn an_unfinished_last_line_is_not_read() {
    let text = b"3 V1 N9 G00\n3 :1.m.h\n4 :2.m";
    let (header, entries) = all(text).expect("a list");
    assert_eq!(entries.len(), 1);
    assert_eq!(header.complete, 21);
}

#[test]
fn a_broken_list_is_refused_with_the_line() {
    for text in [
        &b""[..],
        b"3 V1 N1",
        b"2 V1 N1\n",
        b"3 N1\n",
        b"3 V1\n",
        b"3 V0 N1\n",
        b"3 V4294967296 N1\n",
        b"3 V1 Nx\n",
        b"1 1\n",
        b"1 1 0\n",
        b"x\n",
    ] {
        assert!(matches!(all(text), Err(Fault::Header)), "{text:?}");
    }
    for line in [
        "0 :1.m.h",
        "4294967295 :1.m.h",
        "x :1.m.h",
        "3",
        "3 1.m.h",
        "3 :",
        "3 :../1.m.h",
        "2 :1.m.h",
        "1 :1.m.h",
        "",
    ] {
        let text = format!("3 V1 N9\n2 :2.m.h\n{line}\n4 :4.m.h\n");
        assert!(
            matches!(all(text.as_bytes()), Err(Fault::Line(3))),
            "{line}"
        );
    }
    all(b"3 V1 N9\n4294967294 :1.m.h\n").expect("the greatest");
}
