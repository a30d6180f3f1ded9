//! The checkpassword interface: a record on descriptor 3, an exit code or the next program.
//!
//! Where the original can be had (Debian's checkpw, checkapoppw and selectcheckpw) each rule is held
//! to it and to ours ([`both`]); what ours does otherwise on purpose stands under COMPATIBILITY in
//! checkpassword(8) and checkpw(8), and its tests have no `both`. There is no original of
//! checkpassword here; its rules are those that were observed elsewhere.

use std::fmt::Debug;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use kit::pop3::{JOE, Office, PASSWORD, POST_GROUP, SYSTEM_PASSWORD, with_system_users};
use kit::sasl::apop_digest;
use kit::server::Report;
use kit::{DEADLINE, Done, Run, bin, is_root, libexec, peer, probe, run};

/// A challenge as popup would have shown it.
pub const CHALLENGE: &str = "<12.34@mx.example.org>";

/// One call of a checker.
pub struct Call<'a> {
    office: &'a Office,
    launcher: Vec<String>,
    program: PathBuf,
    words: Vec<String>,
    env: Vec<(&'a str, String)>,
    record: Option<Vec<u8>>,
    input: Vec<u8>,
}

impl<'a> Call<'a> {
    /// With this record, and a program behind it that ends with 0.
    pub fn new(
        office: &'a Office,
        program: impl Into<PathBuf>,
        record: impl AsRef<[u8]>,
    ) -> Call<'a> {
        Call {
            office,
            launcher: Vec::new(),
            program: program.into(),
            words: vec!["/bin/true".to_owned()],
            env: Vec::new(),
            record: Some(record.as_ref().to_vec()),
            input: Vec::new(),
        }
    }

    /// With descriptor 3 closed.
    pub fn without_record(mut self) -> Call<'a> {
        self.record = None;
        self
    }

    /// With these words behind the checker's name.
    pub fn words(mut self, words: &[&str]) -> Call<'a> {
        self.words = words.iter().map(ToString::to_string).collect();
        self
    }

    pub fn env(mut self, name: &'a str, value: impl ToString) -> Call<'a> {
        self.env.push((name, value.to_string()));
        self
    }

    /// Run by this user, who is in no group.
    pub fn by(mut self, uid: u32) -> Call<'a> {
        if is_root() {
            let words = format!("setpriv --reuid {uid} --regid {uid} --clear-groups --");
            self.launcher = words.split(' ').map(str::to_owned).collect();
        }
        self
    }

    /// With these words between the shell that opens descriptor 3 and the checker.
    pub fn launcher(mut self, words: &[&str]) -> Call<'a> {
        self.launcher = words.iter().map(ToString::to_string).collect();
        self
    }

    /// All words of the command.
    pub fn command(&self) -> Vec<String> {
        let record = self.office.path("record");
        let open = match &self.record {
            Some(bytes) => {
                fs::write(&record, bytes).unwrap();
                format!("exec \"$@\" 3<'{}'", record.display())
            }
            None => "exec \"$@\" 3<&-".to_owned(),
        };
        let mut all = self.office.launcher();
        all.extend(["/bin/sh", "-c", &open, "sh"].map(str::to_owned));
        all.extend(self.launcher.clone());
        all.push(self.program.display().to_string());
        all.extend(self.words.clone());
        all
    }

    pub fn done(self) -> Done {
        let words = self.command();
        let mut run = Run::new(&words[0])
            .args(&words[1..])
            .env("SUPERD_HOME", self.office.path("home"))
            .env("SUPERD_LIBEXEC", libexec())
            .input(self.input);
        for (name, value) in self.env {
            run = run.env(name, value);
        }
        run.done()
    }

    pub fn code(self) -> Option<i32> {
        self.done().code
    }

    /// What the reporting program behind it says. Fails where it is not reached.
    pub fn report(self) -> Report {
        let words = [probe().display().to_string()];
        let done = Call {
            words: words.to_vec(),
            ..self
        }
        .done();
        assert_eq!(done.code, Some(0), "{}", done.err());
        Report::read(&done.out())
    }
}

/// The record of a password.
pub fn pop(name: &str, password: &str) -> Vec<u8> {
    format!("{name}\0{password}\0{CHALLENGE}\0").into_bytes()
}

/// The record of a digest that is right for this password.
pub fn apop(name: &str, password: &str) -> Vec<u8> {
    let digest = apop_digest(CHALLENGE, password);
    format!("{name}\0{digest}\0{CHALLENGE}\0").into_bytes()
}

/// The original of that name, where it is there and can run, and ours.
pub fn sides(name: &'static str) -> Vec<PathBuf> {
    // The original looks for users in /etc/passwd alone.
    let original = if with_system_users(&format!("the original {name}")) {
        peer(name)
    } else {
        None
    };
    original.into_iter().chain([bin(name)]).collect()
}

/// Runs `run` with the original and with ours; each must give `expected`.
pub fn both<T: PartialEq + Debug>(name: &'static str, expected: T, run: impl Fn(&Path) -> T) {
    for program in sides(name) {
        assert_eq!(run(&program), expected, "{}", program.display());
    }
}

/// An account of that name that has joe's number and home.
pub fn add_account(office: &Office, name: &str) {
    let (file, shell) = if is_root() {
        (office.path("passwd"), ":/bin/sh")
    } else {
        (office.path("home/users"), "::")
    };
    let home = office.path("joe").display().to_string();
    append(
        &file,
        &format!("{name}:x:{}:{}::{home}{shell}", office.uid, office.gid),
    );
}

/// [`add_account`], and what stands in the place of its password.
pub fn add_hash(office: &Office, name: &str, hash: &str) {
    add_account(office, name);
    if is_root() {
        append(
            &office.path("shadow"),
            &format!("{name}:{hash}:19000:0:99999:7:::"),
        );
    } else {
        append(
            &office.path("home/users.secret"),
            &format!("{name}:{{CRYPT}}{hash}"),
        );
    }
}

pub fn append(file: &Path, line: &str) {
    let mut text = fs::read_to_string(file).unwrap();
    text.push_str(line);
    text.push('\n');
    fs::write(file, text).unwrap();
}

/// The hash of a password, by the system's crypt(3) and not by what is tested.
pub fn crypt(password: &str, setting: &str) -> String {
    let done = Run::new("perl")
        .args(["-e", "print crypt($ARGV[0], $ARGV[1])", password, setting])
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    let hash = done.out();
    assert!(
        hash.len() >= setting.len(),
        "this crypt knows no {setting}: {hash}"
    );
    hash
}

const ALL: [&str; 4] = ["checkpassword", "checkpw", "checkapoppw", "selectcheckpw"];

#[test]
fn without_a_program_descriptor_3_is_not_read_and_the_answer_is_2() {
    let office = Office::new();
    for name in ["checkpw", "checkapoppw"] {
        both(name, Some(2), |program| {
            Call::new(&office, program, "")
                .without_record()
                .words(&[])
                .code()
        });
    }
    for name in ALL {
        let call = Call::new(&office, bin(name), "")
            .without_record()
            .words(&[]);
        let done = call.env("AUTH", "pop").done();
        assert_eq!(done.code, Some(2), "{name}");
        assert!(done.err().contains("usage: "), "{}", done.err());
    }
}

#[test]
fn a_descriptor_3_that_cannot_be_read_is_trouble() {
    let office = Office::new();
    for name in ["checkpw", "checkapoppw"] {
        both(name, Some(111), |program| {
            Call::new(&office, program, "").without_record().code()
        });
    }
    let done = Call::new(&office, bin("checkpassword"), "")
        .without_record()
        .done();
    assert_eq!(done.code, Some(111));
    assert!(
        done.err().contains("unable to read descriptor 3: "),
        "{}",
        done.err()
    );
}

#[test]
fn a_record_has_512_bytes_and_not_one_more() {
    let office = Office::new();
    for (bytes, expected) in [(512, 0), (513, 1), (600, 1)] {
        let mut record = pop("joe", PASSWORD);
        record.resize(bytes, b'x');
        both("checkpw", Some(expected), |program| {
            Call::new(&office, program, &record).code()
        });
        let mut record = pop("joe", SYSTEM_PASSWORD);
        record.resize(bytes, b'x');
        let code = Call::new(&office, bin("checkpassword"), &record).code();
        assert_eq!(code, Some(expected), "{bytes}");
    }
}

#[test]
fn a_record_without_its_fields_is_a_call_that_makes_no_sense() {
    let office = Office::new();
    let no_password = b"joe\0".to_vec();
    for record in [b"".to_vec(), b"joe".to_vec(), no_password] {
        for name in ["checkpw", "checkapoppw"] {
            both(name, Some(2), |program| {
                Call::new(&office, program, &record).code()
            });
        }
        let code = Call::new(&office, bin("checkpassword"), &record).code();
        assert_eq!(code, Some(2), "{}", record.escape_ascii());
    }
}

#[test]
fn a_password_needs_no_third_field_and_a_digest_does() {
    let office = Office::new();
    let two = format!("joe\0{PASSWORD}\0");
    both("checkpw", Some(0), |program| {
        Call::new(&office, program, &two).code()
    });
    let two = format!("joe\0{SYSTEM_PASSWORD}\0");
    assert_eq!(
        Call::new(&office, bin("checkpassword"), two).code(),
        Some(0)
    );
    let two = format!("joe\0{}\0", apop_digest(CHALLENGE, PASSWORD));
    both("checkapoppw", Some(2), |program| {
        Call::new(&office, program, &two).code()
    });
}

#[test]
fn what_stands_behind_the_third_field_does_not_matter() {
    let office = Office::new();
    let more = |mut record: Vec<u8>| {
        record.extend_from_slice(b"more\0and more");
        record
    };
    let record = more(pop("joe", PASSWORD));
    both("checkpw", Some(0), |program| {
        Call::new(&office, program, &record).code()
    });
    let record = more(apop("joe", PASSWORD));
    both("checkapoppw", Some(0), |program| {
        Call::new(&office, program, &record).code()
    });
}

#[test]
fn nobody_is_let_in_by_another_password_or_under_an_unknown_name() {
    let office = Office::new();
    for (name, password) in [
        ("joe", "other"),
        ("joe", ""),
        ("stranger", PASSWORD),
        ("JOE", PASSWORD),
    ] {
        let record = pop(name, password);
        both("checkpw", Some(1), |program| {
            Call::new(&office, program, &record).code()
        });
        let record = apop(name, password);
        both("checkapoppw", Some(1), |program| {
            Call::new(&office, program, &record).code()
        });
    }
    for (name, password) in [
        ("joe", PASSWORD),
        ("joe", ""),
        ("stranger", SYSTEM_PASSWORD),
    ] {
        let code = Call::new(&office, bin("checkpassword"), pop(name, password)).code();
        assert_eq!(code, Some(1), "{name} {password}");
    }
}

#[test]
fn a_program_that_cannot_be_run_is_trouble() {
    let office = Office::new();
    let words = ["/nonexistent/program"];
    let record = pop("joe", PASSWORD);
    both("checkpw", Some(111), |program| {
        Call::new(&office, program, &record).words(&words).code()
    });
    let record = apop("joe", PASSWORD);
    both("checkapoppw", Some(111), |program| {
        Call::new(&office, program, &record).words(&words).code()
    });
    let call = Call::new(&office, bin("checkpassword"), pop("joe", SYSTEM_PASSWORD));
    let done = call.words(&words).done();
    assert_eq!(done.code, Some(111));
    assert!(
        done.err().contains("/nonexistent/program"),
        "{}",
        done.err()
    );
}

#[test]
fn the_next_program_is_the_same_process_and_its_end_is_the_end() {
    let office = Office::new();
    let (record, words) = (pop("joe", PASSWORD), ["/bin/sh", "-c", "exit $0", "7"]);
    both("checkpw", Some(7), |program| {
        Call::new(&office, program, &record).words(&words).code()
    });
}

#[test]
fn the_next_program_gets_descriptors_0_to_2_and_not_3() {
    let office = Office::new();
    let record = pop("joe", PASSWORD);
    both("checkpw", vec![0, 1, 2], |program| {
        let report = Call::new(&office, program, &record).report();
        let number = |fact: String| fact.split(' ').next().unwrap().parse().unwrap();
        let mut open: Vec<u32> = report.all("fd").into_iter().map(number).collect();
        open.sort_unstable();
        // Higher ones are what whoever runs the tests has left open.
        open.retain(|&number| number < 10);
        open
    });
    let words = ["/bin/sh", "-c", "cat; echo error >&2"];
    both(
        "checkpw",
        ("input".to_owned(), "error\n".to_owned()),
        |program| {
            let mut call = Call::new(&office, program, &record).words(&words);
            call.input = b"input".to_vec();
            let done = call.done();
            (done.out(), done.err())
        },
    );
}

#[test]
fn the_next_program_is_the_user_at_home_and_finds_everything_else_as_it_was() {
    let office = Office::new();
    let home = office.path("joe").display().to_string();
    let shell = |report: &Report| report.env("SHELL");
    let record = pop("joe", PASSWORD);
    let facts = |program: &Path| {
        let call = Call::new(&office, program, &record).env("TCPREMOTEIP", "192.0.2.1");
        let report = call.env("USER", "somebody").report();
        (
            [
                report.env("USER"),
                report.env("HOME"),
                report.env("TCPREMOTEIP"),
                report.env("EXT"),
            ],
            report.one("uid"),
            report.one("gid"),
        )
    };
    let some = |text: &str| Some(text.to_owned());
    let three = |id: u32| format!("{id} {id} {id}");
    let expected = (
        [some("joe"), some(&home), some("192.0.2.1"), some("")],
        three(office.uid),
        three(office.gid),
    );
    both("checkpw", expected, facts);
    let ours = Call::new(&office, bin("checkpassword"), pop("joe", SYSTEM_PASSWORD)).report();
    assert_eq!(ours.env("USER"), some("joe"));
    assert_eq!(ours.env("PWD"), some(&home));
    assert_eq!(ours.one("uid"), three(office.uid));
    if is_root() {
        assert_eq!(shell(&ours), some("/bin/sh"));
    }
    let words = ["/bin/pwd", "-P"];
    both("checkpw", Some(0), |program| {
        let done = Call::new(&office, program, &record).words(&words).done();
        let place = done.out();
        // The original stays in the Maildir's home as well; where exactly is not compared to the byte.
        assert!(Path::new(place.trim_end()).starts_with(&home), "{place}");
        done.code
    });
    let call = Call::new(&office, bin("checkpassword"), pop("joe", SYSTEM_PASSWORD));
    assert_eq!(call.words(&words).done().out().trim_end(), home);
}

#[test]
fn the_user_has_all_his_groups_or_by_a_variable_his_own_alone() {
    if !with_system_users("the groups of a login") {
        return;
    }
    let office = Office::new();
    let record = pop("joe", PASSWORD);
    let groups = |program: &Path| {
        let call = Call::new(&office, program, &record).env("CHECKPASSWORD_GROUPS", "primary");
        call.report().one("groups")
    };
    both("checkpw", JOE.to_string(), groups);
    let report = Call::new(&office, bin("checkpw"), &record).report();
    let mut all: Vec<u32> = report
        .one("groups")
        .split(' ')
        .map(|id| id.parse().unwrap())
        .collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, [JOE, POST_GROUP]);
}

#[test]
fn selectcheckpw_goes_by_auth_and_lets_nobody_in_without_it() {
    let office = Office::new();
    let (password, digest) = (pop("joe", PASSWORD), apop("joe", PASSWORD));
    for (auth, record, expected) in [
        (Some("pop"), &password, 0),
        (Some("apop"), &digest, 0),
        (Some("pop"), &digest, 1),
        (Some("apop"), &password, 1),
        (Some("other"), &password, 1),
        (None, &password, 1),
        (None, &digest, 1),
    ] {
        both("selectcheckpw", Some(expected), |program| {
            let call = Call::new(&office, program, record);
            match auth {
                Some(auth) => call.env("AUTH", auth).code(),
                None => call.code(),
            }
        });
    }
}

#[test]
fn arguments_with_blanks_stay_whole() {
    let office = Office::new();
    for (name, auth) in [
        ("checkpw", ""),
        ("selectcheckpw", "pop"),
        ("checkpassword", "pop"),
    ] {
        let secret = if name == "checkpassword" {
            SYSTEM_PASSWORD
        } else {
            PASSWORD
        };
        let call = Call::new(&office, bin(name), pop("joe", secret)).env("AUTH", auth);
        let done = call
            .words(&["/bin/sh", "-c", "exit $#", "sh", "a  b", "", "*"])
            .done();
        assert_eq!(done.code, Some(3), "{name} {}", done.err());
    }
}

#[test]
fn who_verifies_one_kind_alone_takes_the_second_field_for_it_whatever_auth_says() {
    let office = Office::new();
    for auth in ["pop", "apop", "other", ""] {
        let record = pop("joe", PASSWORD);
        both("checkpw", Some(0), |program| {
            let call = Call::new(&office, program, &record);
            call.env("AUTH", auth).code()
        });
        let record = apop("joe", PASSWORD);
        both("checkapoppw", Some(0), |program| {
            let call = Call::new(&office, program, &record);
            call.env("AUTH", auth).code()
        });
        let call = Call::new(&office, bin("checkpassword"), pop("joe", SYSTEM_PASSWORD));
        assert_eq!(call.env("AUTH", auth).code(), Some(0), "{auth}");
    }
    // A digest is no password for having been the answer to the same challenge, nor the other way round.
    let digest = apop("joe", PASSWORD);
    both("checkpw", Some(1), |program| {
        Call::new(&office, program, &digest).code()
    });
    let password = pop("joe", PASSWORD);
    both("checkapoppw", Some(1), |program| {
        Call::new(&office, program, &password).code()
    });
}

#[test]
fn a_program_of_ours_goes_on_in_the_same_process() {
    let office = Office::new();
    office.deliver("joe", "1.a", "Subject: x\n\nhello\n");
    // Nothing can be executed that is not there.
    for words in [&["pop3d", "Maildir"][..], &["checkpw", "pop3d", "Maildir"]] {
        let mut call = Call::new(&office, bin("checkpw"), pop("joe", PASSWORD)).words(words);
        call = call.env("SUPERD_LIBEXEC", "/nonexistent");
        call.input = b"STAT\r\nQUIT\r\n".to_vec();
        let done = call.done();
        if words.len() == 2 {
            assert_eq!(done.code, Some(0), "{}", done.err());
            let out = done.out();
            let replies: Vec<&str> = out.lines().collect();
            assert_eq!(replies.len(), 3, "{out}");
            assert!(replies[1].starts_with("+OK 1 "), "{out}");
        } else {
            // There is no second record.
            assert_eq!(done.code, Some(111), "{}", done.err());
        }
    }
    let call = Call::new(&office, bin("checkpw"), pop("joe", PASSWORD));
    let done = call.words(&["/nonexistent/pop3d", "Maildir"]).done();
    assert_eq!(done.code, Some(111));
}

#[test]
fn passwords_and_digests_are_never_told() {
    let office = Office::new();
    let secret = "unusual-secret-73";
    office.password("ann", "another-secret-74\n");
    for name in ALL {
        for auth in ["pop", "apop", "cram"] {
            for (login, typed) in [
                ("joe", secret),
                ("ann", "another-secret-7"),
                ("stranger", secret),
            ] {
                let call = Call::new(&office, bin(name), pop(login, typed)).env("AUTH", auth);
                let done = call.done();
                assert_ne!(done.code, Some(0));
                let told = done.err();
                assert_eq!(told.lines().count(), 1, "{name} {auth} {login}: {told}");
                assert!(told.contains(&format!(" user={login} ")), "{told}");
                assert!(!told.contains("secret-7"), "{told}");
            }
        }
    }
}

#[test]
fn where_descriptor_2_is_the_connection_nothing_is_said() {
    let office = Office::new();
    for (joined, expected) in [("2>&1", ""), ("", "no word on the connection")] {
        let mut call = Call::new(&office, bin("checkpw"), pop("joe", "wrong"));
        let program = call.program.display().to_string();
        call.program = "/bin/sh".into();
        let text = format!("exec '{program}' /bin/true {joined}");
        call = call.words(&["-c", &text]);
        let words = call.command();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut log, end) = std::io::pipe().unwrap();
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .env_clear()
            .env("PATH", run::PATH)
            .env("SUPERD_HOME", office.path("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stderr(end)
            .spawn()
            .unwrap();
        let status = run::wait(&mut child, Instant::now() + DEADLINE).expect("it ends");
        assert_eq!(status.code(), Some(1));
        let (mut told, mut logged) = (String::new(), String::new());
        (&ours).read_to_string(&mut told).unwrap();
        log.read_to_string(&mut logged).unwrap();
        assert_eq!(told, "");
        if expected.is_empty() {
            assert_eq!(logged, "");
        } else {
            assert!(logged.starts_with("checkpw: refuse "), "{logged}");
        }
        (&ours).flush().unwrap();
    }
}
