use super::*;
use std::cell::RefCell;
use std::ffi::OsString;
use std::rc::Rc;

struct House {
    _folder: tempfile::TempDir,
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
        House {
            _folder: folder,
            home,
        }
    }

    fn read(&self, variables: &[(&str, &str)]) -> Result<Dnsbl, ControlError> {
        let variable = |name: &str| {
            let pair = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(pair.1))
        };
        Dnsbl::read(&variable, &self.home)
    }

    fn sources(&self, variables: &[(&str, &str)]) -> Vec<Source> {
        self.read(variables).expect("read").sources
    }
}

/// `way base flags text`, flags in rblsmtpd's letters.
fn shown(source: &Source) -> String {
    let way = match source.way {
        Way::List => "list",
        Way::Anti => "anti",
        Way::Note => "note",
    };
    let flag = |set, letter| if set { letter } else { "" };
    let text = source.message.as_deref().map(String::from_utf8_lossy);
    let base = String::from_utf8_lossy(&source.base);
    let (permanent, closed) = (flag(source.permanent, "b"), flag(source.closed, "c"));
    format!("{way} {base} {permanent}{closed} {text:?}")
}

#[test]
fn an_entry_is_a_base_with_a_sign_and_a_text() {
    for (entry, expected) in [
        ("zen.test", "list zen.test  None"),
        ("-zen.test", "list zen.test b None"),
        (
            "zen.test:No mail: go",
            "list zen.test  Some(\"No mail: go\")",
        ),
        ("zen.test:-No", "list zen.test b Some(\"No\")"),
        ("-zen.test:No", "list zen.test b Some(\"No\")"),
        ("-zen.test:-No", "list zen.test b Some(\"No\")"),
        ("+white.test", "anti white.test  None"),
        ("+white.test:Test", "anti white.test  Some(\"Test\")"),
        ("=new.test", "note new.test  None"),
    ] {
        let source = source(entry.as_bytes(), false).expect("good");
        assert_eq!(shown(&source), expected, "{entry}");
    }
    assert!(source(b"zen.test", true).expect("good").closed);
}

#[test]
fn an_entry_that_says_nothing_is_an_error() {
    for entry in ["zen.test:", "zen.test:-", "-", "+", ":No", &"x".repeat(64)] {
        assert_eq!(source(entry.as_bytes(), false), None, "{entry}");
    }
    let house = House::new(&[("dnsbllist", "zen.test\nzen.test:\n")]);
    let error = house.read(&[]).expect_err("bad").to_string();
    assert!(
        error.ends_with("control/dnsbllist: unknown word zen.test:"),
        "{error}"
    );
}

#[test]
fn remarks_and_blanks_around_entries_say_nothing() {
    let text = "# lists\n \t zen.test  # the best\n\t# none\nb.test:See http://b.test/#why # x\n";
    let house = House::new(&[("dnsbllist", text)]);
    let shown: Vec<_> = house.sources(&[]).iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            "list zen.test  None",
            "list b.test  Some(\"See http://b.test/#why\")"
        ]
    );
}

#[test]
fn variables_choose_the_list_and_what_silence_means() {
    let house = House::new(&[("dnsbllist", "one.test\n"), ("other", "two.test\n")]);
    let bases = |variables: &[(&str, &str)]| {
        let dnsbl = house.read(variables).expect("read");
        let names = dnsbl.lists().map(String::from_utf8_lossy);
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(bases(&[]), "one.test");
    assert_eq!(bases(&[("DNSBLLIST", "control/other")]), "two.test");
    assert_eq!(bases(&[("DNSBLLIST", "")]), "");
    assert_eq!(bases(&[("DNSBLSKIP", "")]), "");
    assert!(house.read(&[("DNSBLLIST", "control/gone")]).is_err());
    let closed = |variables| house.sources(variables)[0].closed;
    assert!(!closed(&[]));
    assert!(closed(&[("DNSBLFAILCLOSED", "1")]) && closed(&[("DNSBLFAILCLOSED", "")]));
    assert!(!closed(&[("DNSBLFAILCLOSED", "0")]));
    let house = House::new(&[("dnsbllist", "one.test\n"), ("dnsblfailclosed", "1\n")]);
    assert!(house.sources(&[])[0].closed);
    assert!(!house.sources(&[("DNSBLFAILCLOSED", "0")])[0].closed);
}

#[test]
fn the_address_stands_where_the_text_wants_it() {
    assert_eq!(replaced(b"%IP% is %IP%, %I%", b"::1"), b"::1 is ::1, %I%");
    assert_eq!(replaced(b"", b"::1"), b"");
}

/// The lines of the log, and the refusal.
fn asked(dnsbl: &Dnsbl, ip: &str) -> (String, Option<String>) {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&lines);
    let mut log = Log::to(
        "smtpd",
        Some(ip.as_bytes()),
        Box::new(move |line| {
            sink.borrow_mut().extend_from_slice(line);
            os::log::Said::Written
        }),
    );
    let refusal = dnsbl.look_up(ip.as_bytes(), &mut log);
    let refusal = refusal.map(|refusal| String::from_utf8_lossy(refusal.line()).into_owned());
    let said = String::from_utf8_lossy(&lines.borrow()).into_owned();
    (said, refusal)
}

#[test]
fn the_variable_decides_alone_and_asks_nobody() {
    let house = House::new(&[("dnsbllist", "zen.test\n")]);
    for (value, expected) in [
        ("", None),
        ("Go away", Some("451 Go away")),
        ("-Go away", Some("553 Go away")),
    ] {
        let dnsbl = house.read(&[("RBLSMTPD", value), ("DNSBLSKIP", "")]);
        let (said, refusal) = asked(&dnsbl.expect("read"), "192.0.2.1");
        assert_eq!(refusal.as_deref(), expected);
        assert_eq!(said, "");
    }
    assert!(house.read(&[("DNSBLSKIP", "")]).expect("read").is_idle());
    assert!(!house.read(&[]).expect("read").is_idle());
}

#[test]
fn whoever_has_no_address_is_not_looked_up() {
    let house = House::new(&[("dnsbllist", "zen.test\n")]);
    let dnsbl = house.read(&[("DNSCACHEIP", "127.0.0.1")]).expect("read");
    assert_eq!(asked(&dnsbl, "unknown"), (String::new(), None));
}

#[test]
fn a_list_that_cannot_be_asked_is_passed_over_unless_it_is_closed() {
    // Nobody listens at that address: the answer is a refusal, and at once.
    let house = House::new(&[("dnsbllist", "zen.test\n")]);
    let read = |closed| {
        let variables = [("DNSCACHEIP", "127.111.7.53"), ("DNSBLFAILCLOSED", closed)];
        house.read(&variables).expect("read")
    };
    let (said, refusal) = asked(&read("0"), "192.0.2.1");
    assert_eq!(refusal, None);
    if os::identity::effective_uid() != 0 {
        let begin =
            "smtpd: warning ip=192.0.2.1 reason=\"unable to look up 192.0.2.1 in zen.test: ";
        assert!(said.starts_with(begin), "{said}");
    }
    let (_, refusal) = asked(&read("1"), "192.0.2.1");
    assert_eq!(refusal.as_deref(), Some("451 temporary RBL lookup error"));
}
