//! checkpassword: the passwords of the system and of the file users.secret, in the order of
//! checkpassword(8).

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};

use crate::checkers::{Call, add_account, add_hash, append, crypt, pop};
use kit::pop3::{JOE, Office, PASSWORD, SYSTEM_PASSWORD, with_system_users};
use kit::process::eventually;
use kit::server::Report;
use kit::{Run, SOMEBODY, as_root, bin, is_root, note_left_out, probe, signal};

#[test]
fn checkpassword_knows_the_usual_hashes_of_the_system() {
    let office = Office::new();
    let settings = [
        ("y", "$y$j8T$saltsaltsaltsalt$"),
        ("six", "$6$saltsalt$"),
        ("five", "$5$saltsalt$"),
        ("rounds", "$6$rounds=1000$saltsalt$"),
        ("two", "$2b$04$abcdefghijklmnopqrstuu"),
        ("twoy", "$2y$04$abcdefghijklmnopqrstuu"),
        ("one", "$1$saltsalt$"),
    ];
    for (name, setting) in settings {
        add_hash(&office, name, &crypt("a s\u{e9}krit", setting));
    }
    for (name, setting) in settings {
        let code = |password| Call::new(&office, bin("checkpassword"), pop(name, password)).code();
        assert_eq!(code("a s\u{e9}krit"), Some(0), "{setting}");
        assert_eq!(code("a sekrit"), Some(1), "{setting}");
    }
}

#[test]
fn a_hash_whose_process_is_ended_lets_nobody_in_and_is_no_wrong_password() {
    let office = Office::new();
    // A quarter of a gigabyte: slow enough to be met at work.
    add_hash(
        &office,
        "slow",
        "$y$jDT$saltsaltsaltsalt$0000000000000000000000000000000000000000000",
    );
    let words = Call::new(&office, bin("checkpassword"), pop("slow", "sekrit")).command();
    let checker = Command::new(&words[0])
        .args(&words[1..])
        .env("SUPERD_HOME", office.path("home"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let children = format!("/proc/{0}/task/{0}/children", checker.id());
    let child: u32 = eventually(|| {
        let child = fs::read_to_string(&children).ok()?.trim().parse().ok()?;
        // What starts the checker has children of its own before.
        let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        (name == "checkpassword\n").then_some(child)
    });
    signal(child, "KILL");
    let done = checker.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(111), "{log}");
    assert!(log.contains("unable to compute the hash"), "{log}");
}

#[test]
fn a_scheme_that_only_the_systems_crypt_knows_is_a_temporary_failure_without_superd_nss() {
    let office = Office::new();
    add_hash(&office, "old", &crypt("sekrit", "sa"));
    let done = Call::new(&office, bin("checkpassword"), pop("old", "sekrit")).done();
    assert_eq!(done.code, Some(111), "{}", done.err());
    assert!(
        done.err()
            .contains("unable to ask superd-nss: file does not exist"),
        "{}",
        done.err()
    );
}

#[test]
fn locked_accounts_and_empty_passwords_are_refused_and_crash_nothing() {
    let office = Office::new();
    let hash = crypt("sekrit", "$6$saltsalt$");
    let all = [
        ("bang", format!("!{hash}")),
        ("star", "*".to_owned()),
        ("bangs", "!!".to_owned()),
        ("void", String::new()),
    ];
    for (name, hash) in &all {
        add_hash(&office, name, hash);
    }
    for (name, hash) in &all {
        for password in ["", "sekrit", hash] {
            let done = Call::new(&office, bin("checkpassword"), pop(name, password)).done();
            assert_eq!(
                (done.code, done.signal),
                (Some(1), None),
                "{name} {password} {}",
                done.err()
            );
        }
    }
}

#[test]
fn an_account_that_has_expired_and_a_password_that_is_too_old_are_refused() {
    if !with_system_users("the dates of /etc/shadow") {
        return;
    }
    let office = Office::new();
    let hash = crypt("sekrit", "$6$saltsalt$");
    for (name, dates, expected) in [
        // Changed on day 19000; at most so many days, warned, and so many more; the account's end.
        ("expired", "19000:0:99999:7::19001:", 1),
        ("unexpired", "19000:0:99999:7::99999:", 0),
        ("old", "19000:0:30:7:5::", 1),
        ("due", "19000:0:30:7:99999::", 0),
    ] {
        add_account(&office, name);
        append(&office.path("shadow"), &format!("{name}:{hash}:{dates}"));
        let done = Call::new(&office, bin("checkpassword"), pop(name, "sekrit")).done();
        assert_eq!(done.code, Some(expected), "{name} {}", done.err());
    }
}

#[test]
fn nobody_gets_in_as_root() {
    if !with_system_users("a login as uid 0") {
        return;
    }
    let office = Office::new();
    let done = Call::new(&office, bin("checkpassword"), pop("toor", SYSTEM_PASSWORD)).done();
    assert_eq!(done.code, Some(1), "{}", done.err());
    assert!(done.err().contains("uid 0"), "{}", done.err());
    let file = office.maildir("joe").join(".password");
    chown(&file, Some(0), Some(0)).unwrap();
    let done = Call::new(&office, bin("checkpw"), pop("toor", PASSWORD)).done();
    assert_eq!(done.code, Some(1), "{}", done.err());
    assert!(done.err().contains("uid 0"), "{}", done.err());
}

#[test]
fn nobody_logs_in_as_a_program_unless_the_administrator_has_named_it() {
    if !with_system_users("a login as an account of a program") {
        return;
    }
    let office = Office::new();
    let home = office.path("joe").display().to_string();
    let hash = crypt("sekrit", "$6$saltsalt$");
    for (name, uid) in [("base", 77), ("no-one", 65_534)] {
        append(
            &office.path("passwd"),
            &format!("{name}:x:{uid}:{uid}::{home}:/bin/sh"),
        );
        append(
            &office.path("shadow"),
            &format!("{name}:{hash}:19000:0:99999:7:::"),
        );
    }
    let file = office.maildir("joe").join(".password");
    let try_all = |name: &str, uid: u32| {
        for path in [office.path("joe"), office.maildir("joe"), file.clone()] {
            chown(path, Some(uid), Some(uid)).unwrap();
        }
        [("checkpassword", "sekrit"), ("checkpw", PASSWORD)].map(|(checker, password)| {
            let done = Call::new(&office, bin(checker), pop(name, password)).done();
            (done.code, done.err())
        })
    };
    for (code, log) in try_all("base", 77) {
        assert_eq!(code, Some(1), "{log}");
        let reason = "user=base reason=\"the account has uid 77, below 1000, and is not in control/systemusers\"";
        assert!(log.contains(reason), "{log}");
        assert_eq!(log.lines().count(), 1, "{log}");
    }
    for (code, log) in try_all("no-one", 65_534) {
        assert_eq!(code, Some(1), "{log}");
        let reason = "the account has uid 65534, which is nobody's";
        assert!(log.contains(reason), "{log}");
    }
    for (file, text) in [
        ("systemusers", "# ours\nbase\nno-one\n"),
        ("uidmin", "77\n"),
    ] {
        let path = office.path("home/control").join(file);
        fs::write(&path, text).unwrap();
        for (code, log) in try_all("base", 77) {
            assert_eq!(code, Some(0), "{file} {text}: {log}");
        }
        fs::remove_file(path).unwrap();
    }
    // Neither makes root anybody.
    fs::write(office.path("home/control/uidmin"), "0\n").unwrap();
    fs::write(office.path("home/control/systemusers"), "toor\n").unwrap();
    let done = Call::new(&office, bin("checkpassword"), pop("toor", SYSTEM_PASSWORD)).done();
    assert_eq!(done.code, Some(1), "{}", done.err());
    // What cannot be understood lets nobody in, and is not the user's fault.
    fs::write(office.path("home/control/uidmin"), "low\n").unwrap();
    let done = Call::new(&office, bin("checkpassword"), pop("base", "sekrit")).done();
    assert_eq!(done.code, Some(111), "{}", done.err());
}

#[test]
fn the_lowest_number_of_people_is_that_of_login_defs() {
    if !with_system_users("a login with another login.defs") {
        return;
    }
    if !std::path::Path::new("/etc/login.defs").exists() {
        note_left_out("a login with another login.defs", "there is none here");
        return;
    }
    let office = Office::new();
    let home = office.path("joe").display().to_string();
    let hash = crypt("sekrit", "$6$saltsalt$");
    append(
        &office.path("passwd"),
        &format!("old:x:501:501::{home}:/bin/sh"),
    );
    append(
        &office.path("shadow"),
        &format!("old:{hash}:19000:0:99999:7:::"),
    );
    chown(office.path("joe"), Some(501), Some(501)).unwrap();
    fs::write(office.path("record"), pop("old", "sekrit")).unwrap();
    let code = |defs: &str| {
        let (file, record) = (office.path("login.defs"), office.path("record"));
        fs::write(&file, defs).unwrap();
        let text = format!(
            "mount --bind '{}' /etc/login.defs || exit 99; exec \"$0\" true 3<'{}'",
            file.display(),
            record.display()
        );
        let launcher = office.launcher();
        let done = Run::behind(&launcher, "sh")
            .args(["-c", &text])
            .arg(bin("checkpassword"))
            .env("SUPERD_HOME", office.path("home"))
            .done();
        done.code
    };
    assert_eq!(code("UID_MIN\t\t 1000\n"), Some(1));
    assert_eq!(code("UID_MIN 500\n"), Some(0));
    assert_eq!(code("# nothing\n"), Some(1));
}

/// The accounts joe and ann of the file `users` alone, with these uids, and a password each in
/// `users.secret`, which belongs to `owner`.
fn users_file(office: &Office, joe: u32, ann: u32, owner: u32) {
    let home = office.path("joe").display().to_string();
    let users = format!("joe:x:{joe}:{joe}::{home}::\nann:x:{ann}:{ann}::{home}::\n");
    fs::write(office.path("home/users"), users).unwrap();
    fs::write(office.path("home/control/accounts"), "users\n").unwrap();
    let secret = office.path("home/users.secret");
    fs::write(&secret, "# who\njoe:{PLAIN}of joe\nann:{plain}of:ann \n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    if is_root() {
        chown(&secret, Some(owner), None).unwrap();
        fs::set_permissions(office.path("joe"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_caller_that_is_no_superuser_can_only_become_who_he_is() {
    let office = Office::new();
    let me = if is_root() { SOMEBODY } else { office.uid };
    users_file(&office, me, me + 1, me);
    if office.gid != me && !is_root() {
        // Accounts here have the user's number as their group.
        let home = office.path("joe").display().to_string();
        let users = format!(
            "joe:x:{me}:{}::{home}::\nann:x:{}:{me}::{home}::\n",
            office.gid,
            me + 1
        );
        fs::write(office.path("home/users"), users).unwrap();
    }
    let call =
        |name, password| Call::new(&office, bin("checkpassword"), pop(name, password)).by(me);
    let report = call("joe", "of joe").report();
    assert_eq!(report.one("uid"), format!("{me} {me} {me}"));
    assert_eq!(report.env("USER").as_deref(), Some("joe"));
    let done = call("ann", "of:ann ").done();
    assert_eq!(done.code, Some(111), "{}", done.err());
    let told = format!("cannot become uid {}", me + 1);
    assert!(done.err().contains(&told), "{}", done.err());
    assert_eq!(call("ann", "of ann").code(), Some(1));
}

#[test]
fn an_account_of_the_users_file_is_let_in_by_users_secret() {
    if !as_root("users.secret under root") {
        return;
    }
    let office = Office::new();
    users_file(&office, JOE, JOE + 1, 0);
    let call = |name, password| Call::new(&office, bin("checkpassword"), pop(name, password));
    let report = call("ann", "of:ann ").report();
    assert_eq!(report.one("uid"), format!("{0} {0} {0}", JOE + 1));
    assert_eq!(report.one("groups").trim(), (JOE + 1).to_string());
    // What a file says that others can read or write is not believed.
    let secret = office.path("home/users.secret");
    for mode in [0o604, 0o644, 0o620, 0o602] {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
        let done = call("joe", "of joe").done();
        assert!(
            matches!(done.code, Some(2 | 111)),
            "{mode:o} {:?}",
            done.code
        );
        assert!(done.err().contains("users.secret"), "{}", done.err());
    }
}

#[test]
fn with_e_nothing_is_changed_but_the_answer_is_the_same() {
    let office = Office::new();
    let call = |password| Call::new(&office, bin("checkpassword"), pop("joe", password));
    let me = fs::metadata("/proc/self").unwrap();
    let uid = std::os::unix::fs::MetadataExt::uid(&me);
    for option in ["-e", "--noenv"] {
        let probe = probe().display().to_string();
        let done = call(SYSTEM_PASSWORD)
            .words(&[option, "--", &probe])
            .env("USER", "me")
            .done();
        assert_eq!(done.code, Some(0), "{}", done.err());
        let report = Report::read(&done.out());
        assert_eq!(report.env("USER").as_deref(), Some("me"));
        assert_eq!(report.env("HOME"), None);
        assert_eq!(report.one("uid"), format!("{uid} {uid} {uid}"));
        assert_eq!(call("wrong").words(&[option, &probe]).code(), Some(1));
    }
    for words in [&["-x", "/bin/true"][..], &["-s"], &["-e"], &["--"]] {
        assert_eq!(
            call(SYSTEM_PASSWORD).words(words).code(),
            Some(2),
            "{words:?}"
        );
    }
}

#[test]
fn pam_is_not_left_out_where_it_is_asked_for() {
    let office = Office::new();
    if !is_root() {
        fs::remove_file(office.path("home/users")).unwrap();
    }
    // Without superd-nss PAM cannot be asked, and the shadow file must not be taken in its place.
    for (words, name, value) in [
        (&["-s", "pop3", "/bin/true"][..], "X", ""),
        (&["--service=pop3", "/bin/true"], "X", ""),
        (&["/bin/true"], "PAM_SERVICE", "pop3"),
    ] {
        let call = Call::new(&office, bin("checkpassword"), pop("joe", SYSTEM_PASSWORD));
        let done = call.words(words).env(name, value).done();
        assert_eq!(done.code, Some(111), "{words:?} {}", done.err());
        assert!(done.err().contains("superd-nss"), "{}", done.err());
    }
}

#[test]
fn unknown_names_and_locked_accounts_take_as_long_as_a_wrong_password() {
    let office = Office::new();
    let hash = crypt("sekrit", "$y$jAT$saltsaltsaltsalt$");
    // All that can be compared with makes the same work.
    if is_root() {
        fs::write(office.path("shadow"), "").unwrap();
    } else {
        fs::write(office.path("home/users.secret"), "").unwrap();
    }
    add_hash(&office, "max", &hash);
    add_hash(&office, "lock", &format!("!{hash}"));
    // The processor's time, its children's too, and the least of three: the machine may be busy.
    const TIMES: &str =
        r#"system @ARGV; printf STDERR "cpu=%.2f\n", (times)[2] + (times)[3]; exit $? >> 8"#;
    let login = |name| {
        let one = |_| {
            let call = Call::new(&office, bin("checkpassword"), pop(name, "wrong"));
            let done = call.launcher(&["perl", "-e", TIMES]).done();
            assert_eq!(done.code, Some(1), "{}", done.err());
            let text = done.err();
            let cpu = text.lines().find_map(|line| line.strip_prefix("cpu="));
            cpu.unwrap().parse::<f64>().unwrap()
        };
        (0..3).map(one).fold(f64::INFINITY, f64::min)
    };
    let known = login("max");
    for name in ["stranger", "lock"] {
        let other = login(name);
        assert!(
            other * 3.0 > known,
            "{other} s for {name:?}, {known} s for a wrong password"
        );
    }
}
