use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

fn find(text: &str, local: &str) -> Option<Line> {
    let local = local.to_ascii_lowercase().into_bytes();
    let names = BTreeSet::from([local.clone()]);
    let mut found = Users
        .scan(text.as_bytes(), &names, &Stems::default())
        .expect("readable");
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

#[test]
fn many_names_in_one_pass_have_the_answers_of_each_alone() {
    let mut text = "a-b:x:1:1::/1:\nA:x:2:2::/2:\na-b-c:x:3:3::/3:\n-:x:4:4::/4:\nab:x:5:5::/5:\n\
        a:x:6:6::/6:\n#a-x:x:7:7::/7:\na-b:x:8:8::/8:\nA-:x:9:9::/9:\n"
        .to_owned();
    text += &format!("{}:x:9:9::/9:\n", "a-".repeat(200));
    let names = [
        "a",
        "ab",
        "abc",
        "a-",
        "a--",
        "a-b",
        "a-bc",
        "a-b-",
        "a-b-c",
        "a-b-c-d",
        "a-b-x",
        "-",
        "--",
        "-a",
        "a.b",
        "a-x",
        "b",
        "",
        "a\u{e9}-b",
        "#a-x",
    ];
    let all: BTreeSet<Vec<u8>> = names.map(|name| name.as_bytes().to_vec()).into();
    let together = Users
        .scan(text.as_bytes(), &all, &Stems::default())
        .expect("readable");
    for name in names {
        let alone = find(&text, name).map(|line| line.number);
        let found = together.get(name.as_bytes()).map(|line| line.number);
        assert_eq!(found, alone, "{name}");
    }
    assert_eq!(together[&b"a-b-c-d"[..]].number, 3);
    assert_eq!(together[&b"a-bc"[..]].number, 2);
}

#[test]
fn what_is_known_of_one_extension_gives_no_wrong_answer_about_another() {
    use crate::names::Names;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users");
    let parts = ["a", "B", "-", "b", "A-", "--"];
    let mut dice: u64 = 7;
    let mut name = || {
        let mut name = String::new();
        for _ in 0..4 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            name += parts[usize::try_from(dice >> 40).expect("fits") % parts.len()];
        }
        name
    };
    for _ in 0..300 {
        let text: String = (0..8)
            .map(|_| format!("{}:x:7:7::/v::\n", name()))
            .collect();
        std::fs::write(&path, &text).expect("written");
        let mut names = Names::new(Users, path.clone());
        for _ in 0..40 {
            let local = name().to_ascii_lowercase();
            let found = names.get(local.as_bytes()).expect("readable");
            let alone = find(&text, &local);
            assert_eq!(
                found.map(|line| line.number),
                alone.map(|line| line.number),
                "{local}\n{text}"
            );
        }
    }
}
