use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

fn find(text: &str, local: &str) -> Option<Line> {
    let local = local.to_ascii_lowercase().into_bytes();
    let names = BTreeSet::from([local.clone()]);
    let mut found = Users.scan(&mut text.as_bytes(), &names).expect("readable");
    found.remove(&local)
}

fn found(text: &str, local: &str) -> Option<(u64, Vec<u8>)> {
    let line = find(text, local)?;
    Some((line.number, line.account.expect("no fault").name))
}

const FILE: &str = "# remark\n\njoe:x:1:1::/a:\nJoe-Lists:x:2:2::/b:\njoe:x:3:3::/c:\n";

#[test]
fn the_longest_name_wins_and_of_equal_names_the_first() {
    assert_eq!(found(FILE, "joe"), Some((3, b"joe".to_vec())));
    assert_eq!(found(FILE, "JOE"), Some((3, b"joe".to_vec())));
    assert_eq!(found(FILE, "joe-x"), Some((3, b"joe".to_vec())));
    assert_eq!(found(FILE, "joe-lists"), Some((4, b"Joe-Lists".to_vec())));
    assert_eq!(found(FILE, "joe-lists-x"), Some((4, b"Joe-Lists".to_vec())));
    assert_eq!(found(FILE, "joe-"), Some((3, b"joe".to_vec())));
}

#[test]
fn who_is_not_in_the_file_is_not_found() {
    for local in ["jo", "joex", "", "-", "# remark", "ann"] {
        assert_eq!(found(FILE, local), None, "{local}");
    }
    let gone = Path::new("/nonexistent/users");
    assert!(find_login(gone, b"joe", false).expect("no error").is_none());
}

#[test]
fn a_login_is_a_name_byte_by_byte_and_with_an_extension_only_where_that_is_asked_for() {
    let name = |login: &str, extended| {
        let line = find_login(file(FILE).path(), login.as_bytes(), extended);
        let line = line.expect("readable")?;
        Some(line.account.expect("no fault").name)
    };
    for extended in [false, true] {
        assert_eq!(name("joe", extended), Some(b"joe".to_vec()));
        assert_eq!(name("Joe-Lists", extended), Some(b"Joe-Lists".to_vec()));
        for nobody in ["JOE", "", "jo", "joex", "# remark"] {
            assert_eq!(name(nobody, extended), None, "{nobody}");
        }
    }
    assert_eq!(name("joe-x", false), None);
    assert_eq!(name("joe-lists", true), Some(b"joe".to_vec()));
    assert_eq!(name("Joe-Lists-x", true), Some(b"Joe-Lists".to_vec()));
}

#[test]
fn a_faulty_line_matters_only_to_who_is_meant() {
    let text = "bob:x:0:0::/:\nann:nonsense\njoe:x:1:1::/a:\n";
    assert_eq!(found(text, "joe"), Some((3, b"joe".to_vec())));
    let line = find(text, "ann").expect("found");
    assert_eq!((line.number, line.account), (2, Err(LineError::Fields)));
    let line = first(file(text).path()).expect("readable").expect("found");
    assert_eq!((line.number, line.account), (1, Err(LineError::Root)));
}

#[test]
fn the_first_account_is_the_first_line_that_says_something() {
    let line = first(file(FILE).path()).expect("readable").expect("found");
    assert_eq!(line.number, 3);
    assert!(first(file("# none\n").path()).expect("readable").is_none());
}
