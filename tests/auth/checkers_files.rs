//! The passwords in the Maildirs: checkpw, checkapoppw and selectcheckpw, in the order of checkpw(8).
//!
//! See [`crate::checkers`] for how ours are held to the originals.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::checkers::{CHALLENGE, Call, add_account, apop, both, crypt, pop, sides};
use kit::pop3::{JOE, Office, PASSWORD, with_system_users};
use kit::sasl::apop_digest;
use kit::{DEADLINE, Run, bin};

#[test]
fn the_password_is_the_first_line_to_the_byte() {
    let office = Office::new();
    let long = "p".repeat(400);
    for (file, password, expected) in [
        ("sekrit", "sekrit", 0),
        ("sekrit\n", "sekrit", 0),
        ("sekrit\nother\n", "sekrit", 0),
        ("sekrit\nother\n", "other", 1),
        ("sekrit \n", "sekrit", 1),
        ("sekrit \n", "sekrit ", 0),
        (" sekrit\n", "sekrit", 1),
        (" sekrit\n", " sekrit", 0),
        ("sekrit\r\n", "sekrit", 1),
        ("sekrit\r\n", "sekrit\r", 0),
        ("sekrit\0more\n", "sekrit", 0),
        ("sekrit\n", "sekri", 1),
        ("sekrit\n", "sekrit2", 1),
        ("\u{fc}\u{df}\n", "\u{fc}\u{df}", 0),
        (&long, &long, 0),
    ] {
        office.password("joe", file);
        let record = pop("joe", password);
        for program in sides("checkpw") {
            let done = Call::new(&office, &program, &record).done();
            assert_eq!(
                done.code,
                Some(expected),
                "{file:?} {password:?} {}",
                program.display()
            );
        }
        let record = apop("joe", password);
        let done = Call::new(&office, bin("checkapoppw"), &record).done();
        assert_eq!(
            done.code,
            Some(expected),
            "{file:?} {password:?} {}",
            done.err()
        );
    }
}

#[test]
fn an_empty_password_file_lets_nobody_in() {
    let office = Office::new();
    for file in ["", "\n", "\nsekrit\n", "\0sekrit\n"] {
        office.password("joe", file);
        both("checkpw", Some(1), |program| {
            Call::new(&office, program, pop("joe", "")).code()
        });
        // Whoever has seen the challenge can compute this digest; the original takes it.
        for auth in ["apop", "cram"] {
            let call = Call::new(&office, bin("checkapoppw"), apop("joe", ""));
            assert_eq!(call.env("AUTH", auth).code(), Some(1), "{file:?} {auth}");
        }
    }
}

#[test]
fn the_password_file_must_be_closed_to_everybody_else() {
    let office = Office::new();
    let record = pop("joe", PASSWORD);
    let file = office.maildir("joe").join(".password");
    for (mode, expected) in [
        (0o400, 0),
        (0o600, 0),
        (0o700, 0),
        (0o610, 111),
        (0o620, 111),
        (0o640, 111),
        (0o601, 111),
        (0o602, 111),
        (0o604, 111),
        (0o644, 111),
    ] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        both("checkpw", Some(expected), |program| {
            Call::new(&office, program, &record).code()
        });
    }
    let done = Call::new(&office, bin("checkpw"), &record)
        .env("TCPREMOTEIP", "192.0.2.1")
        .done();
    let expected = format!(
        "checkpw: fault ip=192.0.2.1 user=joe reason=\"{} has mode 0644 and must be 0600\"\n",
        file.display()
    );
    assert_eq!(done.err(), expected);
}

#[test]
fn the_password_file_must_be_the_users_own() {
    if !with_system_users("the owner of .password") {
        return;
    }
    let office = Office::new();
    let record = pop("joe", PASSWORD);
    let file = office.maildir("joe").join(".password");
    for (owner, expected) in [(0, 1), (JOE + 1, 1), (JOE, 0)] {
        chown(&file, Some(owner), None).unwrap();
        both("checkpw", Some(expected), |program| {
            Call::new(&office, program, &record).code()
        });
    }
}

#[test]
fn what_is_missing_tells_a_mistake_from_a_home_that_is_not_there_yet() {
    let office = Office::new();
    let record = pop("joe", PASSWORD);
    let code = |program: &Path| Call::new(&office, program, &record).code();
    fs::remove_file(office.maildir("joe").join(".password")).unwrap();
    both("checkpw", Some(1), code);
    fs::remove_dir_all(office.maildir("joe")).unwrap();
    both("checkpw", Some(1), code);
    fs::remove_dir_all(office.path("joe")).unwrap();
    both("checkpw", Some(111), code);
}

#[test]
fn a_file_that_is_no_plain_file_is_neither_followed_nor_waited_for() {
    let office = Office::new();
    let file = office.maildir("joe").join(".password");
    let elsewhere = office.path("joe").join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    let call = || Call::new(&office, bin("checkpw"), pop("joe", PASSWORD));
    let done = call().done();
    assert_eq!(done.code, Some(1), "{}", done.err());
    assert!(done.err().contains("is a symbolic link"), "{}", done.err());
    fs::remove_file(&file).unwrap();
    let made = Run::new("mkfifo").args(["-m", "600"]).arg(&file).done();
    assert_eq!(made.code, Some(0), "{}", made.err());
    office.give("joe", &file);
    let started = Instant::now();
    let done = call().done();
    assert_eq!(done.code, Some(1), "{}", done.err());
    assert!(done.err().contains("is no regular file"), "{}", done.err());
    assert!(started.elapsed() < DEADLINE / 3, "a FIFO holds it up");
}

#[test]
fn a_line_that_is_longer_than_any_password_is_none() {
    let office = Office::new();
    // The record holds a name and a password of 512 bytes together, so that no login can show which
    // of these is too long; the log does.
    for (length, told) in [(512, "wrong password"), (513, "is longer than 512 bytes")] {
        office.password("joe", "p".repeat(length));
        let done = Call::new(&office, bin("checkpw"), pop("joe", "p")).done();
        assert_eq!(done.code, Some(1));
        assert!(done.err().contains(told), "{length}: {}", done.err());
    }
}

#[test]
fn the_password_file_may_hold_a_hash_that_serves_for_passwords_alone() {
    let office = Office::new();
    let login = |file: &str, password: &str| {
        office.password("joe", file);
        Call::new(&office, bin("selectcheckpw"), pop("joe", password))
            .env("AUTH", "pop")
            .code()
    };
    let hash = crypt("sekrit", "$6$saltsalt$");
    for file in [
        hash.clone(),
        format!("{hash}\n"),
        format!("{{CRYPT}}{hash}\n"),
    ] {
        assert_eq!(login(&file, "sekrit"), Some(0), "{file}");
        assert_eq!(login(&file, "sekri"), Some(1), "{file}");
        assert_eq!(login(&file, file.trim_end()), Some(1), "{file}");
        let digest = Call::new(&office, bin("selectcheckpw"), apop("joe", "sekrit"));
        assert_ne!(digest.env("AUTH", "apop").code(), Some(0), "{file}");
        let digest = Call::new(&office, bin("selectcheckpw"), apop("joe", file.trim_end()));
        assert_ne!(digest.env("AUTH", "apop").code(), Some(0), "{file}");
    }
    // What is no hash to its last byte is a password, and braces make plain what it is.
    let cut = &hash[..hash.len() - 1];
    assert_eq!(login(cut, cut), Some(0));
    assert_eq!(login(&format!("{{PLAIN}}{hash}"), &hash), Some(0));
    assert_eq!(login(&format!("{{PLAIN}}{hash}"), "sekrit"), Some(1));
    assert_eq!(login(&format!("{{CRYPT}}{cut}"), cut), Some(2));
}

#[test]
fn a_users_hash_must_not_keep_a_root_process_busy() {
    let office = Office::new();
    let costly = format!("$6$rounds=500001$saltsalt${}", "a".repeat(86));
    office.password("joe", costly);
    let started = Instant::now();
    let done = Call::new(&office, bin("checkpw"), pop("joe", "x")).done();
    assert!(
        matches!(done.code, Some(1 | 2)),
        "{:?} {}",
        done.code,
        done.err()
    );
    assert!(done.err().contains("too much work"), "{}", done.err());
    // It would take minutes without the compiler's optimizations, and half a second with them.
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn an_extension_belongs_to_the_longest_name_that_is_an_account() {
    let office = Office::new();
    add_account(&office, "joe-list");
    for (login, user, extension) in [
        ("joe", "joe", ""),
        ("joe-work", "joe", "work"),
        ("joe-a-b", "joe", "a-b"),
        ("joe-list", "joe-list", ""),
        ("joe-list-x", "joe-list", "x"),
        ("joe-lists", "joe", "lists"),
        ("joe-", "joe", ""),
    ] {
        let record = pop(login, PASSWORD);
        let expected = [Some(user.to_owned()), Some(extension.to_owned())];
        both("checkpw", expected, |program| {
            let report = Call::new(&office, program, &record)
                .env("EXT", "leaked")
                .report();
            [report.env("USER"), report.env("EXT")]
        });
    }
    for login in ["-joe", "jo-e", "stranger"] {
        let record = pop(login, PASSWORD);
        both("checkpw", Some(1), |program| {
            Call::new(&office, program, &record).code()
        });
    }
}

#[test]
fn with_dash_an_extension_has_a_password_of_its_own() {
    let office = Office::new();
    let other = office.path("joe/Maildir-work");
    fs::create_dir(&other).unwrap();
    office.give("joe", &other);
    office.write("joe", &other.join(".password"), "of work\n", 0o600);
    for (login, password, dash, expected) in [
        ("joe-work", PASSWORD, None, 0),
        ("joe-work", "of work", None, 1),
        ("joe-work", PASSWORD, Some("-"), 1),
        ("joe-work", "of work", Some("-"), 0),
        ("joe", PASSWORD, Some("-"), 0),
        ("joe-none", PASSWORD, Some("-"), 1),
    ] {
        let record = pop(login, password);
        let code = |program: &Path| {
            let call = Call::new(&office, program, &record);
            dash.map_or_else(
                || Call::new(&office, program, &record),
                |dash| call.env("DASH", dash),
            )
            .code()
        };
        both("checkpw", Some(expected), code);
    }
}

#[test]
fn names_on_which_the_originals_hang_or_crash_are_names_like_any_other() {
    let office = Office::new();
    for name in ["checkpw", "checkapoppw"] {
        for login in [
            "",
            "-",
            "--",
            "stranger--here",
            "--joe",
            "joe--",
            "joe-a--b",
        ] {
            let done = Call::new(&office, bin(name), pop(login, "wrong")).done();
            assert_eq!(
                (done.code, done.signal),
                (Some(1), None),
                "{login:?} {}",
                done.err()
            );
        }
    }
    let report = Call::new(&office, bin("checkpw"), pop("joe--a", PASSWORD)).report();
    assert_eq!(report.env("EXT").as_deref(), Some("-a"));
}

#[test]
fn neither_an_extension_nor_maildir_leads_out_of_the_home() {
    let office = Office::new();
    let outside = office.path("outside");
    fs::create_dir(&outside).unwrap();
    office.write("joe", &outside.join(".password"), "outside\n", 0o600);
    // A way that would be there.
    let way = office.path("joe/Maildir-");
    fs::create_dir(&way).unwrap();
    office.give("joe", &way);
    let call = |login: &str| Call::new(&office, bin("checkpw"), pop(login, "outside"));
    for login in ["joe-/../../outside", "joe-..", "joe-a/b", "joe-a\nb"] {
        let done = call(login).env("DASH", "-").done();
        assert_eq!(done.code, Some(1), "{login:?} {}", done.err());
    }
    let outside = outside.display().to_string();
    for maildir in [&*outside, "../outside", "Maildir/../../outside", ""] {
        let done = call("joe").env("MAILDIR", maildir).done();
        assert_eq!(done.code, Some(2), "{maildir:?} {}", done.err());
        assert!(done.err().contains("not below the home"), "{}", done.err());
    }
}

#[test]
fn maildir_names_another_maildir_of_the_home() {
    let office = Office::new();
    for dir in ["joe/mail", "joe/mail/in"] {
        fs::create_dir(office.path(dir)).unwrap();
        office.give("joe", &office.path(dir));
    }
    let other = office.path("joe/mail/in/.password");
    office.write("joe", &other, "of mail\n", 0o600);
    for (password, expected) in [("of mail", 0), (PASSWORD, 1)] {
        let record = pop("joe", password);
        both("checkpw", Some(expected), |program| {
            Call::new(&office, program, &record)
                .env("MAILDIR", "mail/in")
                .code()
        });
    }
}

#[test]
fn a_digest_is_that_of_challenge_and_password() {
    let office = Office::new();
    let right = apop_digest(CHALLENGE, PASSWORD);
    for (digest, challenge, expected) in [
        (right.clone(), CHALLENGE, 0),
        (right.clone(), "<13.34@mx.example.org>", 1),
        (right[..31].to_owned(), CHALLENGE, 1),
        (format!("{right}0"), CHALLENGE, 1),
        (apop_digest(CHALLENGE, "other"), CHALLENGE, 1),
        (PASSWORD.to_owned(), CHALLENGE, 1),
    ] {
        let record = format!("joe\0{digest}\0{challenge}\0");
        both("checkapoppw", Some(expected), |program| {
            Call::new(&office, program, &record).code()
        });
    }
    let record = format!("joe\0{}\0{CHALLENGE}\0", right.to_uppercase());
    assert_eq!(
        Call::new(&office, bin("checkapoppw"), record).code(),
        Some(0)
    );
}

#[test]
fn the_digest_of_an_empty_challenge_is_taken_by_nobody() {
    let office = Office::new();
    let done = Run::new("openssl")
        .args(["md5", "-r"])
        .input(PASSWORD)
        .done();
    let digest = done.out().split(' ').next().unwrap().to_owned();
    let record = format!("joe\0{digest}\0\0");
    let done = Call::new(&office, bin("checkapoppw"), record).done();
    assert!(
        matches!(done.code, Some(1 | 2)),
        "{:?} {}",
        done.code,
        done.err()
    );
}

#[test]
fn cram_md5_is_checked_where_auth_says_so() {
    let office = Office::new();
    let done = Run::new("openssl")
        .args(["dgst", "-md5", "-hmac", PASSWORD, "-r"])
        .input(CHALLENGE)
        .done();
    let digest = done.out().split(' ').next().unwrap().to_owned();
    assert_eq!(digest.len(), 32, "{}", done.err());
    let record = format!("joe\0{digest}\0{CHALLENGE}\0");
    for name in ["checkapoppw", "selectcheckpw"] {
        for (auth, expected) in [("cram", 0), ("apop", 1)] {
            let code = Call::new(&office, bin(name), &record)
                .env("AUTH", auth)
                .code();
            assert_eq!(code, Some(expected), "{name} {auth}");
        }
    }
}
