use std::os::unix::fs::PermissionsExt;

use auth::Verdict;
use auth::attempt::RECORD_LIMIT;
use zeroize::Zeroizing;

use super::ask::decide;
use super::*;

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn env(smtpauth: Option<&str>) -> Env {
    let mut env: Env = [("PATH", "/bin:/usr/bin")].into_iter().collect();
    if let Some(value) = smtpauth {
        env.set("SMTPAUTH", value.as_bytes());
    }
    env
}

fn parse(all: &[&str], smtpauth: Option<&str>) -> Result<SmtpAuth, String> {
    SmtpAuth::parse(&words(all), &env(smtpauth), Path::new("/"))
}

fn offered(all: &[&str], smtpauth: Option<&str>) -> (Vec<&'static str>, bool) {
    let auth = parse(all, smtpauth).expect("usable");
    let names = auth.offer().mechanisms(false).map(sasl::Mechanism::name);
    (names.collect(), auth.is_required())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn password(login: &str, password: &str) -> Credentials {
    Credentials::Password {
        login: login.into(),
        password: Zeroizing::new(password.into()),
    }
}

/// A folder with an executable script in it.
fn script(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("check");
    crate::test_support::script(&file, &format!("#!/bin/sh\n{text}\n"));
    let path = file.to_str().expect("text").to_owned();
    (folder, path)
}

fn asked(text: &str, credentials: Credentials, deadline: Instant) -> Answer {
    let (_folder, file) = script(text);
    let auth = parse(&[&file, "/bin/true"], None).expect("usable");
    auth.check(credentials, b"<1.2@h>", &env(None), deadline)
}

#[test]
fn smtpauth_says_what_is_offered_and_whether_it_is_demanded() {
    const PLAINTEXT: &[&str] = &["LOGIN", "PLAIN"];
    const ALL: &[&str] = &["LOGIN", "PLAIN", "CRAM-MD5"];
    const CRAM: &[&str] = &["CRAM-MD5"];
    for (value, mechanisms, required) in [
        (None, PLAINTEXT, false),
        (Some(""), PLAINTEXT, false),
        (Some("yes"), PLAINTEXT, false),
        (Some("!yes"), PLAINTEXT, true),
        (Some("-"), &[], false),
        (Some("0"), &[], false),
        (Some("!"), PLAINTEXT, true),
        (Some("cram"), CRAM, false),
        (Some("CRAM-MD5"), CRAM, false),
        (Some("+cram"), ALL, false),
        (Some("!cram"), CRAM, true),
        (Some("!+cram"), ALL, true),
    ] {
        let told = offered(&["/bin/checker", "true"], value);
        assert_eq!(told, (mechanisms.to_vec(), required), "{value:?}");
    }
}

#[test]
fn without_a_checker_nothing_is_offered_and_nothing_can_be_demanded() {
    for value in [None, Some(""), Some("+cram"), Some("-"), Some("0")] {
        assert_eq!(offered(&[], value), (vec![], false), "{value:?}");
    }
    for value in ["!", "!cram", "!+cram"] {
        let error = parse(&[], Some(value)).expect_err("nobody could send");
        assert!(error.contains("SMTPAUTH"), "{error}");
    }
}

#[test]
fn only_what_a_checker_of_ours_can_verify_is_offered() {
    let own = |name, value| offered(&[name, "true"], Some(value)).0;
    assert_eq!(own("checkpw", "+cram"), ["LOGIN", "PLAIN"]);
    assert_eq!(own("checkapoppw", "+cram"), ["CRAM-MD5"]);
    assert_eq!(
        own("selectcheckpw", "+cram"),
        ["LOGIN", "PLAIN", "CRAM-MD5"]
    );
    // What is behind authd is not known here.
    let via = offered(&["check-via", "/run/authd", "true"], Some("+cram"));
    assert_eq!(via.0, ["LOGIN", "PLAIN", "CRAM-MD5"]);
    for (name, value) in [("checkpw", "!cram"), ("checkapoppw", "")] {
        let error = parse(&[name, "true"], Some(value)).expect_err("nothing is left");
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn the_hosts_name_of_the_old_patches_is_left_out() {
    let (folder, file) = script("exit 0");
    let mut env = env(None);
    env.set("PATH", folder.path().as_os_str().as_bytes());
    let parse = |all: &[&str]| SmtpAuth::parse(&words(all), &env, Path::new("/")).expect("usable");
    let expected = parse(&[&file, "true", "a.b"]);
    assert_eq!(parse(&["mx.example.org", &file, "true", "a.b"]), expected);
    assert_eq!(parse(&["check", "true", "a.b"]), expected);
    // A program with a dot in its name is a program.
    std::fs::rename(&file, folder.path().join("check.sh")).expect("renamed");
    let dotted = parse(&["check.sh", "mx.example.org", "true"]);
    let Some(Way::Foreign(program, rest)) = dotted.checker else {
        panic!("{dotted:?}");
    };
    assert!(program.ends_with("check.sh"));
    assert_eq!(rest, words(&["mx.example.org", "true"]));
}

#[test]
fn a_checker_that_is_not_there_is_told_at_the_start() {
    for all in [&["no-such-checker", "true"][..], &["mx.example.org"]] {
        let error = parse(all, None).expect_err("missing");
        assert_eq!(
            error,
            format!("unable to run {}: file does not exist", all[0])
        );
        assert!(parse(all, Some("-")).is_ok());
    }
}

#[test]
fn a_checker_with_a_dot_that_has_gone_is_no_hosts_name_and_its_subprogram_no_checker() {
    let error = parse(&["gone.pl", "/bin/true"], None).expect_err("gone");
    assert_eq!(error, "unable to run gone.pl: file does not exist");
    for all in [&["gone.pl", "/bin/true", "x"][..], &["true", "true"]] {
        let error = parse(all, None).expect_err("everybody");
        assert!(error.ends_with("it would let everybody in"), "{error}");
    }
}

#[test]
fn a_checker_of_ours_is_asked_where_nothing_is_run_behind_it() {
    for (all, is_ours) in [
        (&["checkpw"][..], true),
        (&["checkpw", "true"], true),
        (&["checkpw", "/bin/true"], true),
        (&["check-via", "/run/authd"], true),
        (&["check-via", "/run/authd", "/usr/bin/true"], true),
        (&["checkpw", "relay-ctrl-allow", "true"], false),
        (&["checkpw", "/bin/false"], false),
        (&["/bin/checkpw", "true"], false),
    ] {
        assert_eq!(ours(&words(all)).is_some(), is_ours, "{all:?}");
    }
}

#[test]
fn a_checker_gets_the_record_and_the_subprogram_and_an_empty_conversation() {
    let answer = asked(
        "[ \"$(tr '\\000' / <&3)\" = 'joe/pass word//' ] || exit 10
         [ \"$AUTH\" = pop ] || exit 11
         [ \"$1\" = /bin/true ] || exit 12
         [ -z \"$(cat)\" ] || exit 13
         exec \"$@\"",
        password("joe", "pass word"),
        soon(),
    );
    assert_eq!(
        answer,
        Answer::Accepted {
            user: b"joe".to_vec()
        }
    );
    let digest = "0123456789abcdef0123456789abcdef";
    let answer = asked(
        &format!(
            "[ \"$(tr '\\000' / <&3)\" = 'joe/{digest}/<1.2@h>/' ] || exit 10
             [ \"$AUTH\" = cram ] || exit 11"
        ),
        Credentials::Cram {
            login: b"joe".to_vec(),
            digest: Zeroizing::new(digest.into()),
        },
        soon(),
    );
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
}

#[test]
fn one_and_three_are_no_and_every_other_code_is_trouble() {
    for code in [1, 3] {
        let answer = asked(&format!("exit {code}"), password("joe", "x"), soon());
        assert!(matches!(answer, Answer::Refused(_)), "{code}: {answer:?}");
    }
    for end in ["exit 2", "exit 4", "exit 100", "exit 111", "kill -9 $$"] {
        let answer = asked(end, password("joe", "x"), soon());
        assert!(matches!(answer, Answer::Trouble(_)), "{end}: {answer:?}");
    }
}

#[test]
fn a_checker_that_does_not_end_is_not_waited_for() {
    let begin = Instant::now();
    let answer = asked(
        "sleep 60",
        password("joe", "x"),
        begin + Duration::from_millis(200),
    );
    assert!(matches!(&answer, Answer::Trouble(why) if why.ends_with("did not end in time")));
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_checker_that_does_not_read_is_asked_all_the_same() {
    let answer = asked(
        "exec 3<&-; exit 0",
        password("joe", &"x".repeat(480)),
        soon(),
    );
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
}

#[test]
fn a_secret_of_the_records_limit_is_shown_and_a_longer_one_is_refused() {
    let fits = RECORD_LIMIT - b"joe\0\0\0".len();
    let answer = asked("exit 0", password("joe", &"x".repeat(fits)), soon());
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    let answer = asked("exit 0", password("joe", &"x".repeat(fits + 1)), soon());
    assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
}

/// A home with the user `joe` and the password `pw` of his, in the file of passwords.
fn home() -> (tempfile::TempDir, Env) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut env = env(None);
    env.set("SUPERD_HOME", path.as_os_str().as_bytes());
    let line = format!("joe:x:65534:65534:joe:{}:/bin/sh::\n", path.display());
    std::fs::write(path.join("users"), line).expect("written");
    let secrets = path.join("users.secret");
    std::fs::write(&secrets, "joe:{PLAIN}pw\n").expect("written");
    std::fs::set_permissions(&secrets, PermissionsExt::from_mode(0o600)).expect("set");
    (folder, env)
}

// That it is asked in a copy of this process is tested with the whole program: one with threads, as
// this one is, makes no copies.
#[test]
fn a_checker_of_ours_tells_the_account_or_why_not() {
    let (_folder, env) = home();
    let (_, all) = ours(&words(&["checkpassword"])).expect("ours");
    let verdict = decide(&all, b"joe\0pw\0\0", &env);
    assert!(
        matches!(&verdict, Verdict::Yes(entry) if entry.user == b"joe"),
        "{verdict:?}"
    );
    let verdict = decide(&all, b"joe\0pwx\0\0", &env);
    assert!(
        matches!(&verdict, Verdict::No(why) if !why.is_empty() && !why.contains("pwx")),
        "{verdict:?}"
    );
    let verdict = decide(&all, b"joe\0pw", &env);
    assert!(matches!(verdict, Verdict::No(_)), "{verdict:?}");
}

#[test]
fn an_authd_that_is_not_there_is_trouble_with_a_reason() {
    let (_, all) = ours(&words(&["check-via", "/nonexistent/authd"])).expect("ours");
    let verdict = decide(&all, b"joe\0pw\0\0", &env(None));
    assert!(
        matches!(&verdict, Verdict::Temporary(why) if why.contains("/nonexistent/authd")),
        "{verdict:?}"
    );
}
