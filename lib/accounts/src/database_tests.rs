use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::resolve::{Accounts, Found};

const USERS: &str = "# ours\njoe:x:7:7::/v/joe:::\nAnn:x:7:7::/v/ann::mail:5C\nann:x:7:7::/v/other:::\n\
    joe-ext:x:7:7::/v/e::\nJOE:x:7:7::/v/never::\nbad:x:0:0::/:\nnonsense\n";
const ALIASES: &str = "all: joe,\n ann\nall: bob\nup: ALL\nfaulty: |prog\nempty:\nnocolon joe\n";

struct Place {
    _folder: tempfile::TempDir,
    home: Home,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("control")).expect("made");
        let home = Home::at(folder.path().to_owned());
        std::fs::write(home.users(), USERS).expect("written");
        std::fs::write(home.aliases(), ALIASES).expect("written");
        Place {
            _folder: folder,
            home,
        }
    }

    fn make(&self, list: List) -> u64 {
        make(&self.home, list).expect("made")
    }

    /// Makes both without waiting: for a test, in which nobody else edits the files.
    fn make_both(&self) {
        for list in [List::Users, List::Aliases] {
            make_after(&self.home, list, &|_| ()).expect("made");
        }
    }

    /// Whether the two are used.
    fn in_force(&self) -> [Option<bool>; 2] {
        [self.home.users(), self.home.aliases()].map(|path| is_in_force(&path))
    }

    fn database(&self) -> PathBuf {
        path_of(&self.home.users())
    }

    /// The Maildirs of a name, or the fault.
    fn answer(&self, local: &str) -> String {
        let system = PathBuf::from("/nonexistent/passwd");
        let accounts = Accounts::open_with(&self.home, vec![], system).expect("opened");
        match accounts.resolve(local.as_bytes()) {
            Ok(Found::Unknown) => "unknown".to_owned(),
            Ok(Found::Mailboxes(list)) => {
                let paths = list.iter().map(|one| one.maildir.display().to_string());
                paths.collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    fn login(&self, login: &str, extended: bool) -> Option<PathBuf> {
        let found = crate::login_in_users(&self.home, login.as_bytes(), extended);
        found.expect("no fault").map(|account| account.home)
    }
}

#[test]
fn a_database_gives_the_answers_of_its_file() {
    let place = Place::new();
    let names = [
        "joe",
        "JOE",
        "joe-x",
        "joe-ext",
        "joe-ext-y",
        "ann",
        "Ann-z",
        "bad",
        "nonsense",
        "jo",
        "-joe",
        "all",
        "ALL",
        "up",
        "faulty",
        "empty",
        "nocolon",
        "bob",
        "postmaster",
    ];
    let logins = [
        "joe",
        "JOE",
        "Ann",
        "ann",
        "ANN",
        "joe-x",
        "joe-ext-y",
        "Ann-x",
        "",
    ];
    let all = || {
        let of_login = |login: &&str| [place.login(login, false), place.login(login, true)];
        let answers = names.iter().map(|name| place.answer(name));
        (
            answers.collect::<Vec<_>>(),
            logins.iter().map(of_login).collect::<Vec<_>>(),
        )
    };
    let read = all();
    assert_eq!(place.in_force(), [None, None]);
    place.make_both();
    assert_eq!(place.in_force(), [Some(true); 2]);
    assert_eq!(all(), read);
    assert_eq!(place.answer("up"), "/v/joe/Maildir /v/ann/mail");
    assert_eq!(place.login("ann", false), Some("/v/other".into()));
    // It is the database that is asked, not the file: this one cannot be read.
    let meta = std::fs::metadata(place.home.users()).expect("there");
    let database = Database::open(&place.home.users(), &meta).expect("in force");
    assert!(database.get(b"mjoe").expect("sound").is_some());
    assert!(database.get(b"mbob").expect("sound").is_none());
}

#[test]
fn the_command_counts_names_and_waits_until_the_file_is_at_rest() {
    let place = Place::new();
    let start = std::time::Instant::now();
    assert_eq!(place.make(List::Users), 7);
    assert!(start.elapsed() >= REST);
    assert_eq!(place.make(List::Aliases), 6);
    let start = std::time::Instant::now();
    place.make(List::Users);
    assert!(start.elapsed() < REST);
}

#[test]
fn an_edit_puts_the_database_out_of_force_also_within_the_same_second() {
    let place = Place::new();
    for edit in ["in place", "a new file", "its times set back"] {
        std::fs::write(place.home.users(), USERS).expect("written");
        place.make_both();
        let before = std::fs::metadata(place.home.users()).expect("there");
        // A system's clock for files has ticks of some milliseconds.
        std::thread::sleep(Duration::from_millis(20));
        let text = USERS.replace("/v/joe:", "/w/joe:");
        let other = place.home.path().join("users.new");
        match edit {
            "a new file" => {
                std::fs::write(&other, text).expect("written");
                std::fs::rename(&other, place.home.users()).expect("moved");
            }
            _ => std::fs::write(place.home.users(), text).expect("written"),
        }
        if edit == "its times set back" {
            let file = std::fs::File::open(place.home.users()).expect("open");
            file.set_modified(before.modified().expect("a time"))
                .expect("set");
        }
        assert_eq!(place.in_force(), [Some(false), Some(true)], "{edit}");
        assert_eq!(place.answer("joe"), "/w/joe/Maildir", "{edit}");
    }
}

#[test]
fn a_database_newer_than_its_file_by_a_wrong_clock_is_not_trusted_either() {
    let place = Place::new();
    place.make_both();
    std::thread::sleep(Duration::from_millis(20));
    std::fs::write(place.home.users(), "joe:x:7:7::/w/joe::\n").expect("written");
    let future = SystemTime::now() + Duration::from_secs(86400);
    let file = std::fs::File::options()
        .write(true)
        .open(place.database())
        .expect("open");
    file.set_modified(future).expect("set");
    assert_eq!(place.in_force()[0], Some(false));
    assert_eq!(place.answer("joe"), "/w/joe/Maildir");
}

#[test]
fn what_is_no_file_of_the_owner_alone_is_passed_over() {
    let place = Place::new();
    let path = place.database();
    let kept = place.home.path().join("kept");
    let faults: [(&str, &dyn Fn()); 6] = [
        ("writable by the group", &|| chmod(&path, 0o664)),
        ("writable by all", &|| chmod(&path, 0o646)),
        ("a symbolic link", &|| {
            std::fs::rename(&path, &kept).expect("moved");
            symlink(&kept, &path).expect("linked");
        }),
        ("a directory", &|| {
            std::fs::remove_file(&path).expect("removed");
            std::fs::create_dir(&path).expect("made");
        }),
        ("a fifo", &|| {
            std::fs::remove_file(&path).expect("removed");
            let made = std::process::Command::new("mkfifo").arg(&path).status();
            assert!(made.expect("run").success());
        }),
        ("somebody else's", &|| {
            if os::identity::effective_uid() == 0 {
                std::os::unix::fs::chown(&path, Some(4242), None).expect("root may");
            } else {
                std::fs::remove_file(&path).expect("removed");
            }
        }),
    ];
    for (fault, make_it) in faults {
        place.make_both();
        assert_eq!(place.in_force()[0], Some(true), "{fault}");
        make_it();
        assert_ne!(place.in_force()[0], Some(true), "{fault}");
        assert_eq!(place.answer("joe"), "/v/joe/Maildir", "{fault}");
        if path.is_dir() {
            std::fs::remove_dir(&path).expect("removed");
        } else {
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn chmod(path: &Path, mode: u32) {
    let permissions = Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).expect("set");
}

#[test]
fn a_database_that_is_cut_short_or_garbled_at_any_place_gives_no_wrong_answer() {
    let place = Place::new();
    place.make_both();
    let names = ["joe", "joe-ext-y", "ann", "bob", "nonsense"];
    let right = names.map(|name| place.answer(name));
    let whole = std::fs::read(place.database()).expect("read");
    for length in (0..whole.len()).step_by(97) {
        std::fs::write(place.database(), &whole[..length]).expect("written");
        assert_eq!(names.map(|name| place.answer(name)), right, "{length}");
    }
    for at in (0..whole.len()).step_by(31) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(place.database(), &bytes).expect("written");
        assert_eq!(names.map(|name| place.answer(name)), right, "{at}");
    }
    std::fs::write(place.database(), &whole).expect("written");
    assert_eq!(
        place.in_force()[0],
        Some(false),
        "written to, if only as it was"
    );
}

#[test]
fn a_database_that_contradicts_itself_though_its_time_is_right_is_passed_over() {
    let place = Place::new();
    place.make_both();
    let time = std::fs::metadata(place.home.users()).expect("there");
    let time = time.modified().expect("a time");
    let whole = std::fs::read(place.database()).expect("read");
    let right = place.answer("joe");
    for length in (0..whole.len()).step_by(61) {
        std::fs::write(place.database(), &whole[..length]).expect("written");
        let file = std::fs::File::open(place.database()).expect("open");
        file.set_modified(time).expect("set");
        assert_eq!(place.answer("joe"), right, "{length}");
    }
}

#[test]
fn the_database_can_be_read_by_whom_the_file_lets() {
    let place = Place::new();
    for mode in [0o600, 0o640, 0o644, 0o660] {
        chmod(&place.home.users(), mode);
        place.make_both();
        let meta = std::fs::metadata(place.database()).expect("there");
        assert_eq!(meta.mode() & 0o777, mode & 0o644, "{mode:o}");
        let source = std::fs::metadata(place.home.users()).expect("there");
        assert_eq!((meta.uid(), meta.gid()), (source.uid(), source.gid()));
    }
}

#[test]
fn what_fails_is_a_sentence_and_leaves_the_old_database() {
    let place = Place::new();
    place.make_both();
    std::fs::remove_file(place.home.aliases()).expect("removed");
    let error = make(&place.home, List::Aliases)
        .expect_err("gone")
        .to_string();
    assert!(error.ends_with("/aliases: file does not exist"), "{error}");
    let target = "t".repeat(60_000);
    let lines = format!(" {target},\n").repeat(20);
    std::fs::write(place.home.aliases(), format!("a: b\nlong:\n{lines}")).expect("written");
    let error = make_after(&place.home, List::Aliases, &|_| ())
        .expect_err("long")
        .to_string();
    assert!(
        error.contains("line 2 of ") && error.ends_with("too long for a database"),
        "{error}"
    );
    let restless = |_| {
        std::thread::sleep(Duration::from_millis(20));
        std::fs::write(place.home.users(), USERS).expect("written");
    };
    std::fs::write(place.home.users(), USERS).expect("written");
    let error = make_after(&place.home, List::Users, &restless)
        .expect_err("restless")
        .to_string();
    assert!(error.ends_with("/users: it keeps changing"), "{error}");
    assert!(place.database().exists());
    assert!(!with_ending(&place.home.users(), ".tmp").exists());
}

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("fits") % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn name(&mut self) -> String {
        let parts = self.below(4) + 1;
        (0..parts)
            .map(|_| self.pick(&["a", "B", "b", "-", "A", "#"]))
            .collect()
    }
}

#[test]
fn files_of_chance_have_the_same_answers_with_a_database() {
    let place = Place::new();
    let mut dice = Dice(12);
    for round in 0..60 {
        let (mut users, mut aliases) = (String::new(), String::new());
        for number in 0..dice.below(12) {
            let rest = dice.pick(&[":x:7:7::/v/", ":x:0:7::/v/", ":x:7::/v/", "", ":x:7:7::/v/"]);
            users += &format!(
                "{}{rest}{number}:{}",
                dice.name(),
                dice.pick(&["\n", "\r\n", "\n\n"])
            );
        }
        for _ in 0..dice.below(9) {
            let head = dice.pick(&["", "", "", " ", "# "]);
            let colon = dice.pick(&[":", ":", ":", " :", ""]);
            let targets = [dice.name(), dice.name()].join(dice.pick(&[", ", ",\n ", " "]));
            aliases += &format!("{head}{}{colon} {targets}\n", dice.name());
        }
        std::fs::write(place.home.users(), &users).expect("written");
        std::fs::write(place.home.aliases(), &aliases).expect("written");
        for list in ["users.cdb", "aliases.cdb"] {
            let _ = std::fs::remove_file(place.home.path().join(list));
        }
        let mut names: Vec<String> = (0..20).map(|_| dice.name()).collect();
        names.push("postmaster".to_owned());
        let all = || -> Vec<String> {
            let of = |name: &String| {
                let login = |extended| {
                    let found = crate::login_in_users(&place.home, name.as_bytes(), extended);
                    found.map_err(|error| error.to_string())
                };
                format!(
                    "{} {:?} {:?}",
                    place.answer(name),
                    login(false),
                    login(true)
                )
            };
            names.iter().map(of).collect()
        };
        let read = all();
        place.make_both();
        assert_eq!(place.in_force(), [Some(true); 2]);
        for (name, (with, without)) in names.iter().zip(all().iter().zip(&read)) {
            assert_eq!(with, without, "{round} {name}\n{users}\n{aliases}");
        }
    }
}
