//! Logins for programs without privileges: authd and check-via; and what sets the passwords, and
//! knows those that no file of ours holds: superd-passwd and superd-nss.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::checkers::{Call, add_hash, apop, crypt, pop};
use kit::desk::Desk;
use kit::pop3::{HOST, JOE, Office, PASSWORD, Pop3, SYSTEM_PASSWORD, with_system_users};
use kit::run::becoming;
use kit::sasl::apop_digest;
use kit::server::Report;
use kit::{
    Client, DEADLINE, Done, Run, SOMEBODY, as_root, bin, is_root, note_left_out, probe, script,
};

/// Who asks: somebody where the tests run as root, else who runs them.
fn asker(office: &Office) -> u32 {
    if is_root() { SOMEBODY } else { office.uid }
}

/// authd for whoever [`asker`] is.
fn authd(office: &Office, checker: &[&str]) -> Desk {
    let program: Vec<&str> = ["authd"].iter().chain(checker).copied().collect();
    let who = asker(office).to_string();
    Desk::start(
        office,
        &["--mode", "0666"],
        &program,
        &[("AUTHD_ALLOW", &who)],
    )
}

/// check-via, asking about this record without privileges.
fn ask<'a>(office: &'a Office, desk: &Desk, record: Vec<u8>) -> Call<'a> {
    let path = desk.path.display().to_string();
    let call = Call::new(office, bin("check-via"), record).words(&[&path, "/bin/true"]);
    call.by(asker(office))
}

#[test]
fn a_process_without_privileges_learns_who_it_is_and_stays_what_it_is() {
    let office = Office::new();
    let desk = authd(&office, &["selectcheckpw"]);
    let who = asker(&office);
    let probe = probe().display().to_string();
    let path = desk.path.display().to_string();
    let home = office.path("joe").display().to_string();
    let call = ask(&office, &desk, pop("joe-work", PASSWORD)).words(&[&path, &probe]);
    let done = call
        .env("AUTH", "pop")
        .env("SERVICE", "smtp")
        .env("TCPREMOTEIP", "192.0.2.1")
        .done();
    assert_eq!(done.code, Some(0), "{} {}", done.err(), desk.log());
    let report = Report::read(&done.out());
    assert_eq!(report.env("USER").as_deref(), Some("joe"));
    assert_eq!(report.env("EXT").as_deref(), Some("work"));
    assert_eq!(report.env("HOME").as_deref(), Some(&*home));
    if is_root() {
        assert_eq!(report.env("SHELL").as_deref(), Some("/bin/sh"));
    }
    assert_eq!(report.one("uid"), format!("{who} {who} {who}"));
    let line = desk.wait_for("authd: login ");
    let expected =
        format!("authd: login ip=192.0.2.1 user=joe-work auth=pop service=smtp uid={who} pid=");
    assert!(line.starts_with(&expected), "{line}");
    assert!(!desk.log().contains(PASSWORD));
}

#[test]
fn digests_are_decided_about_where_the_checker_can() {
    let office = Office::new();
    for (checker, expected) in [("selectcheckpw", 0), ("checkapoppw", 0)] {
        let desk = authd(&office, &[checker]);
        let call = ask(&office, &desk, apop("joe", PASSWORD)).env("AUTH", "apop");
        assert_eq!(call.code(), Some(expected), "{checker} {}", desk.log());
        desk.wait_for("authd: login user=joe auth=apop ");
    }
}

#[test]
fn a_wrong_password_is_answered_after_two_seconds_and_never_at_once() {
    let office = Office::new();
    let desk = authd(&office, &["checkpw"]);
    let started = Instant::now();
    let done = ask(&office, &desk, pop("joe", "wrong-73")).done();
    assert_eq!(done.code, Some(1), "{}", done.err());
    assert!(
        started.elapsed() >= Duration::from_millis(1950),
        "{:?}",
        started.elapsed()
    );
    assert!(done.err().contains("says no"), "{}", done.err());
    let line = desk.wait_for("authd: refuse ");
    assert!(line.contains(" user=joe auth=pop "), "{line}");
    assert!(line.ends_with(" reason=\"wrong password\""), "{line}");
    assert!(!desk.log().contains("wrong-73"));
}

#[test]
fn who_is_not_named_may_not_ask_and_is_told_nothing() {
    if !as_root("who may ask authd") {
        return;
    }
    let office = Office::new();
    let desk = authd(&office, &["checkpw"]);
    let started = Instant::now();
    let done = ask(&office, &desk, pop("joe", PASSWORD))
        .by(SOMEBODY + 1)
        .done();
    assert_eq!(done.code, Some(111), "{}", done.err());
    assert!(done.err().contains("gives no answer"), "{}", done.err());
    assert!(
        started.elapsed() < Duration::from_millis(1900),
        "it is no question of passwords"
    );
    let line = desk.wait_for("authd: refuse ");
    let expected = format!("authd: refuse uid={} pid=", SOMEBODY + 1);
    assert!(
        line.starts_with(&expected) && line.ends_with(" reason=\"it may not ask\""),
        "{line}"
    );
    // Root always may, and the socket is closed to others where no mode is given.
    let root = Call::new(&office, bin("check-via"), pop("joe", PASSWORD));
    let path = desk.path.display().to_string();
    assert_eq!(root.words(&[&path, "/bin/true"]).code(), Some(0));
    let closed = Desk::start(
        &office,
        &[],
        &["authd", "checkpw"],
        &[("AUTHD_ALLOW", &SOMEBODY.to_string())],
    );
    let done = ask(&office, &closed, pop("joe", PASSWORD)).done();
    assert_eq!(done.code, Some(111), "{}", done.err());
    assert_eq!(
        closed.log().matches("authd: ").count(),
        0,
        "{}",
        closed.log()
    );
}

#[test]
fn without_a_list_owner_and_group_of_the_socket_may_ask() {
    if !as_root("who may ask authd by the socket's owner") {
        return;
    }
    let office = Office::new();
    let (owner, group) = (SOMEBODY + 1, SOMEBODY + 2);
    let owners = format!("{owner}:{group}");
    let desk = Desk::start(
        &office,
        &["--owner", &owners, "--mode", "0666"],
        &["authd", "checkpw"],
        &[],
    );
    for (uid, gid, more, expected) in [
        (owner, SOMEBODY, "--clear-groups".to_owned(), 0),
        (SOMEBODY, group, "--clear-groups".to_owned(), 0),
        (SOMEBODY, SOMEBODY, "--clear-groups".to_owned(), 111),
        (SOMEBODY, SOMEBODY, format!("--groups={group}"), 111),
    ] {
        let (uid, gid) = (uid.to_string(), gid.to_string());
        let call = ask(&office, &desk, pop("joe", PASSWORD));
        let done = call
            .launcher(&["setpriv", "--reuid", &uid, "--regid", &gid, &more, "--"])
            .done();
        assert_eq!(
            done.code,
            Some(expected),
            "{uid} {gid} {more}: {}",
            done.err()
        );
    }
    // Root's group is what a socket has by accident.
    let desk = Desk::start(&office, &["--mode", "0666"], &["authd", "checkpw"], &[]);
    let call = ask(&office, &desk, pop("joe", PASSWORD));
    let who = SOMEBODY.to_string();
    let done = call
        .launcher(&[
            "setpriv",
            "--reuid",
            &who,
            "--regid",
            "0",
            "--clear-groups",
            "--",
        ])
        .done();
    assert_eq!(done.code, Some(111), "{}", done.err());
}

#[test]
fn over_tcp_nobody_may_ask() {
    let office = Office::new();
    let me = fs::metadata("/proc/self").unwrap().uid().to_string();
    let server = office
        .serve(&["authd", "checkpw"])
        .env("AUTHD_ALLOW", me)
        .start();
    let mut client = server.connect();
    client.send(b"smtp\0joe\0mailbox pass\0\0pop\0\0");
    client.finish();
    assert_eq!(client.rest(), b"");
    server.wait_for("authd: refuse ");
    server.wait_for_ends(1);
    assert!(server.wait_for("superd: end ").ends_with(" status 256"));
}

#[test]
fn what_is_no_question_gets_no_answer() {
    let office = Office::new();
    let desk = authd(&office, &["checkpw"]);
    let question = |fill: usize| {
        let service = "s".repeat(fill);
        format!("{service}\0joe\0{PASSWORD}\0\0pop\0\0").into_bytes()
    };
    let base = question(0).len();
    assert!(
        desk.talk(question(1024 - base)).starts_with("yes\0joe\0"),
        "{}",
        desk.log()
    );
    for wrong in [
        question(1025 - base),
        question(0)[..base - 1].to_vec(),
        b"".to_vec(),
        b"\0joe\0mailbox pass\0\0ldap\0\0".to_vec(),
        b"\0joe\0mailbox pass\0\0pop\0\0more\0".to_vec(),
    ] {
        assert_eq!(desk.talk(&wrong), "", "{}", wrong.escape_ascii());
    }
    let complaints = || {
        desk.log()
            .matches("authd: fatal: unable to read the question")
            .count()
    };
    let deadline = Instant::now() + DEADLINE;
    while complaints() < 5 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(complaints(), 5, "{}", desk.log());
    assert!(!desk.log().contains("pass"), "{}", desk.log());
}

#[test]
fn trouble_stays_trouble_on_its_way_and_is_told_in_the_log_alone() {
    let office = Office::new();
    let file = office.maildir("joe").join(".password");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let desk = authd(&office, &["checkpw"]);
    let done = ask(&office, &desk, pop("joe", PASSWORD)).done();
    assert_eq!(done.code, Some(111), "{}", done.err());
    assert!(!done.err().contains("0644"), "{}", done.err());
    let line = desk.wait_for("authd: fault ");
    assert!(line.contains("has mode 0644"), "{line}");
    office.password("joe", "{CRYPT}no hash\n");
    assert_eq!(ask(&office, &desk, pop("joe", PASSWORD)).code(), Some(2));
    let path = office.path("no-socket").display().to_string();
    let call = Call::new(&office, bin("check-via"), pop("joe", PASSWORD));
    let done = call.words(&[&path, "/bin/true"]).done();
    assert_eq!(done.code, Some(111));
    assert!(done.err().contains(&path), "{}", done.err());
}

#[test]
fn authd_takes_one_checker_of_ours_and_nothing_behind_it() {
    for words in [
        &[][..],
        &["checkpw", "/bin/true"],
        &["check-via", "/x"],
        &["/bin/true"],
        &["checkpassword", "-x"],
    ] {
        let done = Run::new(bin("authd")).args(words).done();
        assert_eq!(done.code, Some(100), "{words:?} {}", done.err());
        assert!(
            done.err().starts_with("authd: fatal: usage: authd checker"),
            "{}",
            done.err()
        );
    }
}

#[test]
fn popup_without_root_lets_in_through_authd() {
    let office = Office::new();
    let desk = authd(&office, &["checkpassword"]);
    let path = desk.path.display().to_string();
    let probe = probe().display().to_string();
    let server = office.serve(&["popup", HOST, "check-via", &path, &probe]);
    let who = asker(&office);
    let server = if is_root() {
        server.options([format!("-u{who}"), format!("-g{who}")])
    } else {
        server
    };
    let server = server.start();
    let mut client = server.connect();
    // authd's checker may know no digests.
    assert_eq!(client.line(), format!("+OK {HOST} ready"));
    assert_eq!(client.ask("USER joe"), "+OK ");
    client.say(&format!("PASS {SYSTEM_PASSWORD}"));
    let report = Report::read(&client.text());
    assert_eq!(
        report.env("USER").as_deref(),
        Some("joe"),
        "{:?} {}",
        server.log(),
        desk.log()
    );
    assert_eq!(report.one("uid"), format!("{who} {who} {who}"));
    let port = server.address().port();
    let line = desk.wait_for("authd: login ");
    assert!(
        line.contains(&format!(" ip=127.0.0.1 user=joe auth=pop service={port} ")),
        "{line}"
    );
}

/// superd-passwd with this new password, for the office's users.
fn passwd(office: &Office, words: &[&str], typed: &str) -> Done {
    let mut all = office.launcher();
    all.push(bin("superd-passwd").display().to_string());
    all.extend(words.iter().map(ToString::to_string));
    Run::new(&all[0])
        .args(&all[1..])
        .env("SUPERD_HOME", office.path("home"))
        .input(format!("{typed}\n"))
        .done()
}

#[test]
fn a_password_that_superd_passwd_has_set_works_by_user_and_by_apop() {
    let office = Office::new();
    let server = office.pop3("selectcheckpw").env("MAXAUTHFAIL", "1").start();
    for new in [
        "a new password",
        "$1$saltsalt$rVeMlzhmLGHPcoopzSgrR1",
        "{PLAIN}x ",
    ] {
        let done = passwd(&office, &["joe"], new);
        assert_eq!(done.code, Some(0), "{}", done.err());
        assert!(!done.err().contains(new) && !done.out().contains(new));
        let file = fs::metadata(office.maildir("joe").join(".password")).unwrap();
        assert_eq!((file.mode() & 0o7777, file.uid()), (0o600, office.uid));
        let log_in = |how: &dyn Fn(&mut Client, &str) -> String| {
            let mut client = server.connect();
            let greeting = client.line();
            let reply = how(&mut client, &greeting);
            assert!(
                reply.starts_with("+OK"),
                "{new:?}: {reply} {:?}",
                server.log()
            );
        };
        log_in(&|client, _| client.login("joe", new));
        log_in(&|client, greeting| client.ask(&format!("APOP joe {}", apop_digest(greeting, new))));
    }
    let mut client = server.connect();
    client.line();
    assert!(client.login("joe", PASSWORD).starts_with("-ERR [AUTH] "));
}

#[test]
fn each_scheme_makes_what_the_systems_crypt_makes_too() {
    let office = Office::new();
    for (scheme, start) in [("yescrypt", "$y$"), ("sha512", "$6$"), ("bcrypt", "$2b$")] {
        let done = passwd(&office, &["-s", scheme, "joe"], "n\u{e9}w pass");
        assert_eq!(done.code, Some(0), "{scheme} {}", done.err());
        let text = fs::read_to_string(office.maildir("joe").join(".password")).unwrap();
        let hash = text.trim_end().strip_prefix("{CRYPT}").unwrap();
        assert!(hash.starts_with(start), "{hash}");
        assert_eq!(crypt("n\u{e9}w pass", hash), hash, "{scheme}");
        for (password, expected) in [("n\u{e9}w pass", 0), ("new pass", 1)] {
            let code = Call::new(&office, bin("checkpw"), pop("joe", password)).code();
            assert_eq!(code, Some(expected), "{scheme} {password}");
        }
    }
}

#[test]
fn a_password_of_the_users_file_is_set_in_users_secret_and_the_rest_stays() {
    let office = Office::new();
    let home = office.path("joe").display().to_string();
    let line = |name: &str| format!("{name}:x:{}:{}::{home}::\n", office.uid, office.gid);
    fs::write(office.path("home/users"), line("joe") + &line("max")).unwrap();
    fs::write(office.path("home/control/accounts"), "users\n").unwrap();
    let secret = office.path("home/users.secret");
    fs::write(&secret, "# ours\nmax:{PLAIN}of max\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
    let login =
        |name, password| Call::new(&office, bin("checkpassword"), pop(name, password)).code();
    for new in ["first pass", "second pass"] {
        let done = passwd(&office, &["-u", "joe"], new);
        assert_eq!(done.code, Some(0), "{}", done.err());
        assert_eq!(login("joe", new), Some(0));
        let text = fs::read_to_string(&secret).unwrap();
        assert!(text.starts_with("# ours\nmax:{PLAIN}of max\n"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(!text.contains(new), "{text}");
        assert_eq!(fs::metadata(&secret).unwrap().mode() & 0o7777, 0o640);
    }
    assert_eq!(login("joe", "first pass"), Some(1));
    assert_eq!(login("max", "of max"), Some(0));
}

#[test]
fn what_superd_passwd_does_not_set_leaves_the_old_password() {
    let office = Office::new();
    let file = office.maildir("joe").join(".password");
    let before = fs::read(&file).unwrap();
    let (most, more) = ("x".repeat(256), "x".repeat(257));
    for (words, typed, expected) in [
        (&["joe"][..], "", 1),
        (&["joe"], &more, 1),
        (&["joe"], "a\0b", 1),
        (&["joe"], "a\r", 1),
        (&["-s", "bcrypt", "joe"], &more[..73], 1),
        (&["stranger"], "x", 1),
        (&["-s", "rot13", "joe"], "x", 100),
        (&["-x", "joe"], "x", 100),
        (&["joe", "ann"], "x", 100),
        (&["-u"], "x", 100),
    ] {
        let done = passwd(&office, words, typed);
        assert_eq!(
            done.code,
            Some(expected),
            "{words:?} {typed:?} {}",
            done.err()
        );
        assert_ne!(done.err(), "", "{words:?}");
        assert_eq!(fs::read(&file).unwrap(), before, "{words:?}");
    }
    assert_eq!(passwd(&office, &["joe"], &most).code, Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), most);
    // Nothing else is left where it was written.
    let names = fs::read_dir(office.maildir("joe")).unwrap().count();
    assert_eq!(names, 4);
}

#[test]
fn nobody_sets_the_password_of_somebody_else_and_root_has_none() {
    if !with_system_users("superd-passwd for others") {
        return;
    }
    let office = Office::new();
    let before = fs::read(office.maildir("ann").join(".password")).unwrap();
    let as_joe = |words: &[&str]| {
        let launcher = [office.launcher(), becoming(JOE, JOE)].concat();
        let run = Run::behind(&launcher, bin("superd-passwd"))
            .args(words)
            .env("SUPERD_HOME", office.path("home"));
        run.input("of joe\n").done()
    };
    assert_eq!(as_joe(&["ann"]).code, Some(1));
    assert_eq!(
        fs::read(office.maildir("ann").join(".password")).unwrap(),
        before
    );
    let done = as_joe(&[]);
    assert_eq!(done.code, Some(0), "{}", done.err());
    let code = Call::new(&office, bin("checkpw"), pop("joe", "of joe")).code();
    assert_eq!(code, Some(0));
    assert_eq!(passwd(&office, &["toor"], "x").code, Some(1));
}

/// A folder of programs in which superd-nss is installed, by a script where variables are given.
fn with_nss(office: &Office, settings: &str) -> Option<PathBuf> {
    let Some(helper) = std::env::var_os("SUPERD_NSS")
        .map(PathBuf::from)
        .filter(|path| path.exists())
    else {
        note_left_out(
            "checkpassword with superd-nss",
            "it is not built (SUPERD_NSS)",
        );
        return None;
    };
    let dir = office.path("libexec");
    let done = Run::new(bin("superd")).arg("--links").arg(&dir).done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    let copy = dir.join("superd-nss");
    if settings.is_empty() {
        let done = Run::new("cp").arg(helper).arg(&copy).done();
        assert_eq!(done.code, Some(0), "{}", done.err());
    } else {
        script(
            &copy,
            &format!("#!/bin/sh\n{settings} exec '{}'\n", helper.display()),
        );
    }
    Some(dir)
}

#[test]
fn a_hash_of_the_systems_crypt_is_compared_by_superd_nss() {
    let office = Office::new();
    let Some(libexec) = with_nss(&office, "") else {
        return;
    };
    for (name, setting) in [
        ("des", "sa"),
        ("scrypt", "$7$CU..../....saltsalt"),
        ("gost", "$gy$j8T$saltsalt"),
    ] {
        add_hash(&office, name, &crypt("s\u{e9}krit", setting));
        for (password, expected) in [("s\u{e9}krit", 0), ("sekrit", 1)] {
            let call = Call::new(&office, bin("checkpassword"), pop(name, password));
            let done = call.env("SUPERD_LIBEXEC", libexec.display()).done();
            assert_eq!(
                done.code,
                Some(expected),
                "{setting} {password} {}",
                done.err()
            );
        }
    }
}

#[test]
fn pam_decides_about_the_systems_users_where_a_service_is_named() {
    if !with_system_users("PAM") {
        return;
    }
    let office = Office::new();
    let Some(libexec) = with_nss(&office, "") else {
        return;
    };
    if !Path::new("/etc/pam.d").is_dir() {
        note_left_out("PAM", "there is no /etc/pam.d");
        return;
    }
    let services = office.path("pam.d");
    fs::create_dir(&services).unwrap();
    for (name, text) in [
        (
            "pop3",
            "auth required pam_unix.so nodelay\naccount required pam_unix.so\n",
        ),
        (
            "all",
            "auth required pam_permit.so\naccount required pam_permit.so\n",
        ),
        (
            "other",
            "auth required pam_deny.so\naccount required pam_deny.so\n",
        ),
    ] {
        fs::write(services.join(name), text).unwrap();
    }
    let mount = format!(
        "mount --bind '{}' /etc/pam.d && exec \"$@\"",
        services.display()
    );
    let login = |service: &str, name, password| {
        let call = Call::new(&office, bin("checkpassword"), pop(name, password));
        let call = call.launcher(&["/bin/sh", "-c", &mount, "sh"]);
        call.env("PAM_SERVICE", service)
            .env("SUPERD_LIBEXEC", libexec.display())
            .done()
    };
    let built_without = login("pop3", "joe", SYSTEM_PASSWORD);
    if built_without.err().contains("without PAM") {
        note_left_out("PAM", "superd-nss is built without it");
        return;
    }
    assert_eq!(built_without.code, Some(0), "{}", built_without.err());
    for (service, name, password, expected) in [
        ("pop3", "joe", "wrong", 1),
        ("pop3", "ann", SYSTEM_PASSWORD, 1),
        ("pop3", "stranger", SYSTEM_PASSWORD, 1),
        ("none", "joe", SYSTEM_PASSWORD, 1),
        ("all", "joe", "anything", 0),
        ("all", "joe", "", 1),
        ("all", "toor", "anything", 1),
        // Empty counts as not set: the shadow file decides.
        ("", "joe", SYSTEM_PASSWORD, 0),
        ("", "joe", "anything", 1),
    ] {
        let done = login(service, name, password);
        assert_eq!(
            done.code,
            Some(expected),
            "{service} {name} {password} {}",
            done.err()
        );
    }
}

#[test]
fn a_user_who_is_only_in_nss_logs_in() {
    if !with_system_users("a user of NSS") {
        return;
    }
    let office = Office::new();
    let folder = office.path("modules");
    let Some(libexec) = with_nss(&office, &format!("LD_LIBRARY_PATH='{}'", folder.display()))
    else {
        return;
    };
    // The module of superd-nss' own tests: nina, uid 7100, whose password is by DES.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("os/nss/tests/elsewhere.c");
    fs::create_dir(&folder).unwrap();
    let done = Run::new("cc")
        .args(["-shared", "-fPIC", "-DNAME(x)=_nss_elsewhere_##x", "-o"])
        .arg(folder.join("libnss_elsewhere.so.2"))
        .arg(source)
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    let switch = office.path("nsswitch.conf");
    fs::write(
        &switch,
        "passwd: files elsewhere\ngroup: files elsewhere\nshadow: files elsewhere\n",
    )
    .unwrap();
    let mount = format!(
        "mount --bind '{}' /etc/nsswitch.conf && mount -t tmpfs none /home && mkdir /home/nina && \
         chown 7100 /home/nina && exec \"$@\"",
        switch.display()
    );
    let call = |name, password| {
        let call = Call::new(&office, bin("checkpassword"), pop(name, password));
        let call = call.launcher(&["/bin/sh", "-c", &mount, "sh"]);
        call.env("SUPERD_LIBEXEC", libexec.display())
    };
    let report = call("nina", "rasmuslerdorf").report();
    assert_eq!(report.env("USER").as_deref(), Some("nina"));
    assert_eq!(report.env("HOME").as_deref(), Some("/home/nina"));
    assert_eq!(report.one("uid"), "7100 7100 7100");
    let mut groups: Vec<u32> = report
        .one("groups")
        .split(' ')
        .map(|id| id.parse().unwrap())
        .collect();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(groups, [7101, 7102, 7103]);
    for (name, password) in [("nina", "wrong"), ("tina", "rasmuslerdorf")] {
        let done = call(name, password).done();
        assert_eq!(done.code, Some(1), "{name} {}", done.err());
    }
    // A user of the file is one as ever.
    assert_eq!(call("joe", SYSTEM_PASSWORD).code(), Some(0));
}
