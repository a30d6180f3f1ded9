use std::os::unix::fs::PermissionsExt;

use super::*;

fn exited(code: i32) -> Option<Status> {
    Some(Status(code * 256))
}

#[test]
fn the_exit_code_decides() {
    assert_eq!(decide(exited(0), b""), Decision::Deliver);
    assert_eq!(decide(exited(99), b"Spam\n"), Decision::Taken);
    assert_eq!(
        decide(exited(100), b"no \x1b[31mthanks\r\nmore\n"),
        Decision::Refuse("no ?[31mthanks".to_owned())
    );
    assert_eq!(
        decide(exited(100), b"\n"),
        Decision::Refuse("the message is refused".to_owned())
    );
    for code in [1, 2, 98, 101, 111, 126, 127, 255] {
        assert_eq!(
            decide(exited(code), b"Spam\n"),
            Decision::Defer(format!("exited {code}"))
        );
    }
    assert_eq!(
        decide(Some(Status(9)), b"Spam\n"),
        Decision::Defer("was ended by signal 9".to_owned())
    );
    assert_eq!(
        decide(None, b"Spam\n"),
        Decision::Defer("took too long".to_owned())
    );
}

#[test]
fn a_folder_is_one_of_the_maildir_and_nowhere_else() {
    let folder = |line: &[u8]| match decide(exited(0), line) {
        Decision::Folder(name) => Some(String::from_utf8(name).expect("text")),
        Decision::Deliver => None,
        other => panic!("{other:?}"),
    };
    for line in ["Spam", ".Spam", " Spam \nInbox\n", "Spam\r\n"] {
        assert_eq!(folder(line.as_bytes()).as_deref(), Some(".Spam"), "{line}");
    }
    assert_eq!(folder(b"Lists.a b").as_deref(), Some(".Lists.a b"));
    for line in [
        "", ".", "..", "...", "../x", "a/b", "/etc", ".a..b", "a.", "a\tb\0", "..Spam",
    ] {
        assert_eq!(folder(line.as_bytes()), None, "{line}");
    }
    let longest = "x".repeat(FOLDER_BYTES);
    assert!(folder(longest.as_bytes()).is_some());
    assert!(folder(format!("{longest}x").as_bytes()).is_none());
}

/// A home with a mailbox whose filter is a script in it.
struct House {
    folder: tempfile::TempDir,
    mailbox: Mailbox,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

impl House {
    fn new(script: &str) -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_owned();
        let house = House {
            mailbox: Mailbox {
                source: accounts::Source::Users,
                user: b"joe".to_vec(),
                uid: os::identity::effective_uid(),
                gid: 0,
                shell: Vec::new(),
                extension: b"lists".to_vec(),
                inbox: home.join("Maildir"),
                maildir: home.join("Maildir"),
                quota: None,
                filter: Some(Filter {
                    path: home.join("filter"),
                    of_his_own: true,
                    seconds: 20,
                }),
                home,
            },
            folder,
        };
        fs::write(house.path(), script).expect("written");
        house.set_mode(0o755);
        house
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("filter")
    }

    fn set_mode(&self, mode: u32) {
        fs::set_permissions(self.path(), fs::Permissions::from_mode(mode)).expect("set");
    }

    fn ask(&self) -> Result<Decision, Failure> {
        let text = self.folder.path().join("text");
        fs::write(&text, "Subject: x\n\ny\n").expect("written");
        let file = File::open(text).expect("there");
        let question = Question {
            mailbox: &self.mailbox,
            sender: b"s@x",
            recipient: b"joe-lists@here",
        };
        loop {
            match question.ask(&file, self.mailbox.uid, soon()) {
                // Another test has forked while the script was being written.
                Err(failure) if failure.reason.contains("text busy") => {}
                answer => return answer,
            }
        }
    }

    fn said(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).expect("written by the filter")
    }
}

#[test]
fn a_filter_reads_the_message_in_the_home_with_a_small_environment() {
    let house = House::new("#!/bin/sh\ncat >message\nenv >env\npwd >pwd\necho Spam\n");
    assert_eq!(house.ask(), Ok(Decision::Folder(b".Spam".to_vec())));
    assert_eq!(house.said("message"), "Subject: x\n\ny\n");
    let home = house.folder.path().display().to_string();
    assert_eq!(house.said("pwd").trim_end(), home);
    let env = house.said("env");
    let mut names: Vec<&str> = env
        .lines()
        // The shell's own.
        .filter(|line| {
            !["PWD=", "OLDPWD=", "SHLVL=", "_="]
                .iter()
                .any(|own| line.starts_with(own))
        })
        .collect();
    names.sort_unstable();
    let mut expected = vec![
        "DEFAULT=lists".to_owned(),
        "EXT=lists".to_owned(),
        format!("HOME={home}"),
        "HOST=here".to_owned(),
        "LOCAL=joe-lists".to_owned(),
        "LOGNAME=joe".to_owned(),
        format!("MAILDIR={home}/Maildir"),
        "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
        "RECIPIENT=joe-lists@here".to_owned(),
        "SENDER=s@x".to_owned(),
        "SHELL=/bin/sh".to_owned(),
        // For the log.
        format!("{}={}", os::session::VARIABLE, os::session::id()),
        "USER=joe".to_owned(),
    ];
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn a_refusal_tells_the_client_its_text_and_trouble_tells_it_nothing() {
    let house = House::new("#!/bin/sh\necho no thanks\nexit 100\n");
    let failure = house.ask().expect_err("refused");
    assert_eq!(failure.reply(), (true, "5.7.1", "no thanks".to_owned()));
    let house = House::new("#!/bin/sh\necho secret\nexit 3\n");
    let failure = house.ask().expect_err("broken");
    assert!(failure.reason.ends_with("/filter exited 3"), "{failure}");
    let (permanent, enhanced, text) = failure.reply();
    assert_eq!((permanent, enhanced), (false, "4.3.0"));
    assert_eq!(text, "unable to filter mail for joe-lists@here");
}

#[test]
fn a_filter_that_hangs_is_killed_with_what_it_has_started() {
    let mut house = House::new("#!/bin/sh\nsleep 60 &\necho $! >pid\nwait\n");
    house.mailbox.filter.as_mut().expect("one").seconds = 1;
    let begin = Instant::now();
    let failure = house.ask().expect_err("late");
    assert!(begin.elapsed() < Duration::from_secs(15));
    assert!(failure.reason.ends_with(" took too long"), "{failure}");
    let pid = house.said("pid");
    let stat = format!("/proc/{}/stat", pid.trim());
    while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(begin.elapsed() < Duration::from_secs(15), "{pid} lives");
    }
}

#[test]
fn what_says_too_much_is_cut_and_does_not_wait() {
    let house = House::new("#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' x\nexit 100\n");
    let failure = house.ask().expect_err("refused");
    assert!(failure.reply().2.ends_with("xxx..."));
}

#[test]
fn what_is_not_as_a_filter_must_be_makes_mail_wait() {
    let reason = |house: &House| house.ask().expect_err("not usable").reason;
    let house = House::new("#!/bin/sh\nexit 99\n");
    for mode in [0o775, 0o757] {
        house.set_mode(mode);
        assert!(reason(&house).ends_with("/filter can be written to by others"));
    }
    house.set_mode(0o644);
    assert!(reason(&house).ends_with("/filter is not executable"));
    let house = House::new("exit 99\n");
    assert!(
        reason(&house).contains("begins with neither #!"),
        "no shell"
    );
    let house = House::new("");
    fs::remove_file(house.path()).expect("removed");
    fs::create_dir(house.path()).expect("made");
    assert!(reason(&house).ends_with("/filter is no regular file"));
    let house = House::new("#!/bin/sh\nexit 99\n");
    if house.mailbox.uid == 0 {
        std::os::unix::fs::chown(house.path(), Some(4242), None).expect("root may");
        assert!(reason(&house).contains("/filter belongs neither to"));
    }
    let house = House::new("#!/nonexistent/interpreter\n");
    assert!(reason(&house).contains("/filter cannot be run: "));
}

#[test]
fn a_filter_of_ones_own_may_be_missing_and_everybodys_may_not() {
    let mut house = House::new("");
    fs::remove_file(house.path()).expect("removed");
    assert_eq!(house.ask(), Ok(Decision::Deliver));
    house.mailbox.filter.as_mut().expect("one").of_his_own = false;
    let failure = house.ask().expect_err("missing");
    assert!(
        failure
            .reason
            .ends_with("/filter cannot be used: file does not exist"),
        "{failure}"
    );
    house.mailbox.filter = None;
    assert_eq!(house.ask(), Ok(Decision::Deliver));
}
