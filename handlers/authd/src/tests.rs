use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::*;

fn peer(uid: u32, gid: u32) -> Credentials {
    Credentials { pid: 1, uid, gid }
}

#[test]
fn without_a_list_the_owner_and_the_group_of_the_socket_may_ask() {
    let owner = Allowed::Owner { uid: 5, gid: 6 };
    for (uid, gid, expected) in [
        (0, 0, true),
        (0, 9, true),
        (5, 9, true),
        (9, 6, true),
        (9, 9, false),
        (6, 5, false),
        (u32::MAX, 6, false),
        (5, u32::MAX, false),
    ] {
        assert_eq!(owner.lets(peer(uid, gid)), expected, "{uid}:{gid}");
    }
    let roots = Allowed::Owner { uid: 0, gid: 0 };
    assert!(!roots.lets(peer(9, 0)));
    assert!(Allowed::Nobody.lets(peer(0, 0)));
    assert!(!Allowed::Nobody.lets(peer(9, 9)));
}

#[test]
fn a_list_of_users_is_all_that_counts_besides_root() {
    let env = |list: &str| {
        [(ALLOW, list), (PATH, "/nonexistent/socket")]
            .into_iter()
            .collect::<Env>()
    };
    let allowed = Allowed::of(&env("7, root ,8,")).expect("a list");
    assert_eq!(allowed, Allowed::Users(vec![7, 0, 8]));
    assert!(allowed.lets(peer(7, 1)));
    assert!(!allowed.lets(peer(9, 7)));
    assert_eq!(Allowed::of(&env("")), Ok(Allowed::Users(Vec::new())));
    let error = Allowed::of(&env("no-such-user-here")).expect_err("nobody");
    assert_eq!(error, "no such user: no-such-user-here ($AUTHD_ALLOW)");
    let whole = u32::MAX.to_string();
    let allowed = Allowed::of(&env(&whole)).expect("a list");
    assert!(!allowed.lets(peer(u32::MAX, 1)));
}

#[test]
fn the_owner_is_asked_of_the_socket_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let _listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
    let mut env = Env::default();
    assert_eq!(Allowed::of(&env), Ok(Allowed::Nobody));
    env.set(PATH, path.to_str().expect("plain").as_bytes());
    let meta = path.metadata().expect("there");
    let (uid, gid) = (meta.uid(), meta.gid());
    assert_eq!(Allowed::of(&env), Ok(Allowed::Owner { uid, gid }));
    env.set(PATH, b"/nonexistent/socket");
    let error = Allowed::of(&env).expect_err("missing");
    assert_eq!(
        error,
        "unable to look at /nonexistent/socket: file does not exist"
    );
}

#[test]
fn a_checker_is_named_with_its_options_and_no_program() {
    let named = |words: &[&str]| checker(words.iter().map(OsString::from).collect());
    assert!(named(&["checkpw"]).is_some());
    assert!(named(&["checkpassword"]).is_some());
    for words in [
        &[][..],
        &["checkpw", "prog"],
        &["/bin/checkpw"],
        &["cat"],
        &["check-via", "/run/authd"],
    ] {
        assert!(named(words).is_none(), "{words:?}");
    }
}

#[test]
fn only_an_address_is_taken_for_one() {
    assert_eq!(client(b"192.0.2.1").as_deref(), Some("192.0.2.1"));
    assert_eq!(client(b"2001:DB8::1").as_deref(), Some("2001:db8::1"));
    for text in [&b""[..], b"localhost", b"192.0.2.1 x", b"\xff"] {
        assert_eq!(client(text), None);
    }
}

/// A home with one account, whose password is `sekrit`.
fn home() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, mode).expect("set");
    };
    write("users", "joe:x:5000:5001::/vmail/joe:/bin/sh\n");
    write("users.secret", "joe:{PLAIN}sekrit\n");
    folder
}

fn env_of(home: &tempfile::TempDir, allowed: &str) -> Env {
    let home = home.path().to_str().expect("plain");
    let variables = [("SUPERD_HOME", home), (ALLOW, allowed)];
    variables.into_iter().collect()
}

/// What authd says to `question`, and the exit code or why there is none.
fn asked(env: &Env, question: &[u8]) -> (Vec<u8>, Result<Exit, String>) {
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    ours.write_all(question).expect("room");
    ours.shutdown(Shutdown::Write).expect("shut");
    let checker = checker(vec!["checkpassword".into()]).expect("ours");
    let exit = run("authd", &checker, env, theirs.as_fd(), theirs.as_fd());
    drop(theirs);
    let mut said = Vec::new();
    // Who is not heard finds the connection reset.
    let _ = ours.read_to_end(&mut said);
    (said, exit)
}

fn myself() -> String {
    os::identity::effective_uid().to_string()
}

#[test]
fn the_right_password_is_a_yes_with_what_the_next_program_needs() {
    let home = home();
    let env = env_of(&home, &myself());
    let (said, exit) = asked(&env, b"smtpd\0joe\0sekrit\0\0pop\x00192.0.2.1\0");
    assert_eq!(said, b"yes\0joe\0/vmail/joe\0/bin/sh\0end\0");
    assert_eq!(exit, Ok(Exit::OK));
}

#[test]
fn a_no_comes_after_its_time_and_without_a_reason() {
    let home = home();
    let env = env_of(&home, &myself());
    for question in [
        &b"smtpd\0joe\0wrong\0\0pop\0\0"[..],
        b"smtpd\0tim\0sekrit\0\0pop\0\0",
        b"smtpd\0joe\0sekrit\0\0apop\0\0",
    ] {
        let start = Instant::now();
        let (said, exit) = asked(&env, question);
        assert_eq!(said, b"no\0");
        assert_eq!(exit, Ok(Exit::NO));
        assert!(start.elapsed() >= Backoff::AUTHD.delay(0));
    }
}

#[test]
fn trouble_is_no_no_and_comes_no_sooner() {
    let home = home();
    let env = env_of(&home, &myself());
    let secrets = home.path().join("users.secret");
    let trouble = |word: &[u8]| {
        let start = Instant::now();
        let (said, exit) = asked(&env, b"smtpd\0joe\0sekrit\0\0pop\0\0");
        assert_eq!(said, [word, b"\0"].concat());
        assert_eq!(exit, Ok(Exit::TEMPORARY));
        // It may be that of one account alone.
        assert!(start.elapsed() >= Backoff::AUTHD.delay(0));
    };
    std::fs::write(&secrets, "joe:{SSHA}x\n").expect("written");
    trouble(b"permanent");
    std::fs::remove_file(&secrets).expect("removed");
    trouble(b"temporary");
}

#[test]
fn what_is_no_question_gets_no_answer() {
    let home = home();
    let env = env_of(&home, &myself());
    let mut long = b"smtpd\0joe\0".to_vec();
    long.resize(QUESTION_LIMIT, b'x');
    long.push(0);
    for question in [&b""[..], b"joe\0sekrit\0\0", &long] {
        let (said, exit) = asked(&env, question);
        assert_eq!(said, b"");
        let why = exit.expect_err("no question");
        assert!(why.starts_with("unable to read the question: "), "{why}");
    }
}

#[test]
fn who_may_not_ask_is_told_nothing() {
    if os::identity::effective_uid() == 0 {
        // Root may always ask; the rule itself is tested above.
        return;
    }
    let home = home();
    let (said, exit) = asked(&env_of(&home, ""), b"smtpd\0joe\0sekrit\0\0pop\0\0");
    assert_eq!((said.as_slice(), exit), (&b""[..], Ok(Exit::NO)));
}

#[test]
fn a_socket_of_another_family_is_nobodys() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    let client = std::net::TcpStream::connect(address).expect("connected");
    let (socket, _) = listener.accept().expect("a connection");
    let home = home();
    let checker = checker(vec!["checkpassword".into()]).expect("ours");
    let env = env_of(&home, "0,4294967295");
    let exit = run("authd", &checker, &env, socket.as_fd(), socket.as_fd());
    assert_eq!(exit, Ok(Exit::NO));
    drop(client);
}
