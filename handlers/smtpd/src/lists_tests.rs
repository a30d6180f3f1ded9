use super::*;
use crate::keyfile::tests::file_of;

fn entries(text: &str) -> Vec<Vec<u8>> {
    control::entries(text.as_bytes())
        .map(<[u8]>::to_vec)
        .collect()
}

fn patterns(text: &str) -> Patterns {
    Patterns::new(entries(text))
}

#[test]
fn an_entry_is_an_address_or_a_host_in_any_case() {
    let list = patterns("Joe@bad.test\n@worse.test\n");
    for bad in [
        "joe@BAD.test",
        "x@worse.test",
        "@worse.test",
        "a@b@Worse.test",
    ] {
        assert!(list.name_address(bad.as_bytes()), "{bad}");
    }
    for good in ["", "x@bad.test", "x@sub.worse.test", "worse.test", "joe"] {
        assert!(!list.name_address(good.as_bytes()), "{good}");
    }
}

#[test]
fn a_star_stands_for_anything() {
    for (pattern, address, expected) in [
        ("*@spam.test", "a@spam.test", true),
        ("*@spam.test", "@spam.test", true),
        ("*@spam.test", "a@spam.test.org", false),
        ("@*.spam.test", "a@b.Spam.test", true),
        ("@*.spam.test", "a@spam.test", false),
        ("@*.spam.test", "a@x.test@b.spam.test", true),
        ("sales*@*", "sales-7@any.test", true),
        ("sales*@*", "presales@any.test", false),
        ("*a*b*c", "xaxbxbxc", true),
        ("*a*b*c", "xaxbxbx", false),
        ("**", "x", true),
        ("*", "", true),
        ("a*", "a", true),
        ("a", "", false),
        ("", "a", false),
    ] {
        let (pattern, address) = (pattern.as_bytes(), address.as_bytes());
        assert_eq!(means(pattern, address), expected, "{pattern:?} {address:?}");
    }
}

#[test]
fn the_null_sender_is_never_a_bad_one() {
    let list = patterns("*\n");
    assert!(list.name_address(b"x"));
    assert!(!list.name_address(b""));
}

#[test]
fn many_stars_do_not_make_a_look_up_slow() {
    let pattern = b"*a".repeat(450);
    let mut text = b"a".repeat(898);
    text.push(b'b');
    let start = std::time::Instant::now();
    assert!(!is_like(&pattern, &text));
    assert!(start.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn without_lists_every_recipient_may_be_there() {
    let none = ValidRecipients::new(None, vec![KeyFile::default()]);
    assert!(!none.is_known());
    assert_eq!(none.have(b"joe@here.test"), Ok(true));
}

const LIST: &str = "Joe@Here.test\n-ann@all.test\n@all.test\n-@none.test\nsue@none.test\nsales\n";

#[test]
fn the_address_counts_before_the_host_in_a_text_as_in_databases() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = || file_of(&folder.path().join("valid.cdb"), LIST);
    let half = |at: usize| entries(LIST).split_off(at);
    for valid in [
        ValidRecipients::new(Some(entries(LIST)), vec![]),
        ValidRecipients::new(None, vec![KeyFile::default(), database()]),
        ValidRecipients::new(Some(half(3)), vec![database()]),
    ] {
        for there in [
            "joe@here.test",
            "JOE@HERE.TEST",
            "anybody@all.test",
            "sue@none.test",
            "sales",
            "postmaster",
            "PostMaster",
        ] {
            assert_eq!(valid.have(there.as_bytes()), Ok(true), "{there}");
        }
        for nobody in [
            "ann@here.test",
            "ann@all.test",
            "bob@none.test",
            "bob@other.test",
            "joe",
            "@here.test",
            "joe@here.test.",
            "",
        ] {
            assert_eq!(valid.have(nobody.as_bytes()), Ok(false), "{nobody}");
        }
    }
}

#[test]
fn an_empty_list_has_nobody() {
    let valid = ValidRecipients::new(Some(vec![]), vec![]);
    assert!(valid.is_known());
    assert_eq!(valid.have(b"joe@here.test"), Ok(false));
}

#[test]
fn a_list_that_cannot_be_read_is_an_error_unless_another_one_has_the_address() {
    let gone = || KeyFile::open_named("/nonexistent/valid.cdb".into());
    let valid = ValidRecipients::new(Some(entries("joe@here.test\n")), vec![gone()]);
    assert_eq!(valid.have(b"joe@here.test"), Ok(true));
    let reason = valid.have(b"ann@here.test").expect_err("broken");
    assert_eq!(
        reason.to_string(),
        "unable to read /nonexistent/valid.cdb: file does not exist"
    );
}

struct House {
    folder: tempfile::TempDir,
    home: Home,
}

impl House {
    fn new(files: &[(&str, &str)]) -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path().to_owned());
        std::fs::create_dir(folder.path().join("control")).expect("made");
        for (name, text) in files {
            std::fs::write(home.control(name), text).expect("written");
        }
        House { folder, home }
    }

    fn read(&self, variables: &[(&str, &str)]) -> Result<Lists, ControlError> {
        let variable = |name: &str| {
            let pair = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(pair.1))
        };
        Lists::read(&variable, &self.home)
    }
}

#[test]
fn the_lists_for_strangers_leave_clients_alone_that_may_relay() {
    let house = House::new(&[
        ("badmailfrom", "a@x\n"),
        ("badmailfromnorelay", "b@x\n"),
        ("badrcptto", "a@x\n"),
        ("badrcpttonorelay", "b@x\n"),
        ("badhelo", "localhost\n*.evil\n"),
        ("badhelonorelay", "friend\n"),
        ("validrcptto", "joe@x\n"),
    ]);
    let lists = house.read(&[]).expect("read");
    for may_relay in [false, true] {
        assert!(lists.refuse_sender(b"a@x", may_relay));
        assert!(lists.refuse_recipient(b"a@x", may_relay));
        assert!(lists.refuse_hello(b"LocalHost", may_relay));
        assert!(lists.refuse_hello(b"mx.evil", may_relay));
        assert!(!lists.refuse_hello(b"evil", may_relay));
        assert_eq!(lists.refuse_sender(b"b@x", may_relay), !may_relay);
        assert_eq!(lists.refuse_recipient(b"b@x", may_relay), !may_relay);
        assert_eq!(lists.refuse_hello(b"friend", may_relay), !may_relay);
        assert_eq!(lists.is_valid(b"joe@x", may_relay), Ok(true));
        assert_eq!(lists.is_valid(b"ann@x", may_relay), Ok(may_relay));
    }
    let lists = house.read(&[("NOBADHELO", "")]).expect("read");
    assert!(!lists.refuse_hello(b"localhost", false));
    assert!(!lists.refuse_hello(b"friend", false));
}

#[test]
fn variables_name_other_lists_of_recipients_or_none() {
    let house = House::new(&[("validrcptto", "joe@x\n"), ("other", "ann@x\n")]);
    file_of(
        &house.folder.path().join("control/validrcptto.cdb"),
        "sue@x\n",
    );
    file_of(&house.folder.path().join("more.cdb"), "bob@x\n");
    let who = |variables: &[(&str, &str)]| {
        let lists = house.read(variables).expect("read");
        let all = ["joe@x", "ann@x", "sue@x", "bob@x", "tom@x"];
        let there = all
            .iter()
            .filter(|who| lists.is_valid(who.as_bytes(), false) == Ok(true));
        there.map(|who| &who[..3]).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(who(&[]), "joe sue");
    assert_eq!(who(&[("VALIDRCPTTO", "control/other")]), "ann sue");
    assert_eq!(who(&[("VALIDRCPTTO", "")]), "sue");
    assert_eq!(who(&[("MOREVALIDRCPTTO_CDB", "more.cdb")]), "joe sue bob");
    let none = [("VALIDRCPTTO", ""), ("VALIDRCPTTO_CDB", "")];
    assert_eq!(who(&none), "joe ann sue bob tom");
    let gone = house
        .read(&[("VALIDRCPTTO", "control/gone")])
        .expect_err("gone");
    assert!(
        gone.to_string()
            .ends_with("control/gone: file does not exist")
    );
    let lists = house
        .read(&[("VALIDRCPTTO_CDB", "gone.cdb")])
        .expect("read");
    assert!(lists.is_valid(b"tom@x", false).is_err());
}

#[test]
fn a_list_that_cannot_be_read_is_no_empty_list() {
    for name in [
        "badmailfrom",
        "badmailfromnorelay",
        "badrcptto",
        "badrcpttonorelay",
        "badhelo",
        "badhelonorelay",
        "validrcptto",
    ] {
        let house = House::new(&[]);
        std::fs::create_dir(house.home.control(name)).expect("made");
        let error = house.read(&[]).expect_err("a directory").to_string();
        assert!(
            error.ends_with(&format!("{name}: is a directory")),
            "{error}"
        );
    }
}
