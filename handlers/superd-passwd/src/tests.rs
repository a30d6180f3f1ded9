use super::*;
use auth::hash::{ADMIN, Compared, verify};

fn parsed(words: &[&str]) -> Result<Options, Failure> {
    parse(words.iter().map(OsString::from).collect())
}

#[test]
fn a_users_own_file_has_the_password_as_it_is_and_that_of_all_a_hash() {
    let options = parsed(&[]).expect("fine");
    assert_eq!((options.in_users, options.scheme), (false, Scheme::Plain));
    let options = parsed(&["-u", "joe"]).expect("fine");
    assert_eq!(options.scheme, Scheme::Hashed(Method::Yescrypt));
    assert_eq!(options.user.as_deref(), Some(&b"joe"[..]));
    let options = parsed(&["-m", "mail", "-sbcrypt", "joe"]).expect("fine");
    assert_eq!(options.scheme, Scheme::Hashed(Method::Bcrypt));
    assert_eq!(options.maildir.as_deref(), Some(&b"mail"[..]));
}

#[test]
fn a_wrong_command_line_is_told_as_such() {
    for words in [
        &["-u"][..],
        &["a", "b"],
        &["-x"],
        &["--help"],
        &["-s", "md5"],
        &["-s"],
        &["-u", "-m", "x", "joe"],
    ] {
        let error = parsed(words).expect_err("wrong");
        assert!(matches!(error, Failure::Usage(_)), "{words:?}: {error:?}");
    }
}

fn line(password: &[u8], scheme: Scheme) -> Vec<u8> {
    let line = line_of_password_file(password, scheme).expect("a line");
    line.strip_suffix(b"\n").expect("its end").to_vec()
}

#[test]
fn what_is_written_is_what_the_checkers_read() {
    let sum = "k28jL7k2dbvnOb5YZBueyze6QwnnAbY1CnGoMaHjvs7";
    let hash = format!("$y$j9T$abcdefgh${sum}");
    for password in [
        &b"sekrit"[..],
        b"{PLAIN}x",
        b"{CRYPT}x",
        b"$6$x",
        hash.as_bytes(),
        b" a:b ",
    ] {
        let line = line(password, Scheme::Plain);
        assert_eq!(Stored::of_password_file(&line), Stored::Plain(password));
        let value = value_of_secret(password, Scheme::Plain).expect("a value");
        assert_eq!(Stored::of_secret(&value), Stored::Plain(password));
    }
    assert_eq!(line(b"sekrit", Scheme::Plain), b"sekrit");
    let scheme = Scheme::Hashed(Method::Sha512);
    let (line, value) = (line(b"sekrit", scheme), value_of_secret(b"sekrit", scheme));
    let value = value.expect("a value");
    for stored in [Stored::of_password_file(&line), Stored::of_secret(&value)] {
        let Stored::Hash(hash) = stored else {
            panic!("{stored:?}");
        };
        assert_eq!(verify(b"sekrit", hash, ADMIN), Compared::Match);
    }
}

#[test]
fn a_password_that_would_not_come_through_is_refused() {
    let ok = |password: &[u8]| check(password).is_ok();
    assert!(ok(&[b'x'; NEW_LIMIT]));
    assert!(!ok(&[b'x'; NEW_LIMIT + 1]));
    assert!(!ok(b""));
    assert!(!ok(b"a\0b"));
    assert!(!ok(b"a\rb"));
    assert!(ok("pässwört".as_bytes()));
    let scheme = Scheme::Hashed(Method::Bcrypt);
    assert!(stored(&[b'x'; 73], scheme).is_err());
}

fn lines(text: &[u8], chunk: usize) -> Vec<u8> {
    let mut rest = text;
    let read = |buffer: &mut [u8]| {
        let count = chunk.min(buffer.len()).min(rest.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        Ok(count)
    };
    read_line(read).expect("a line").to_vec()
}

#[test]
fn one_line_is_read_with_or_without_its_end() {
    for chunk in [1, 3, 100] {
        assert_eq!(lines(b"sekrit\nmore\n", chunk), b"sekrit");
        assert_eq!(lines(b"sekrit", chunk), b"sekrit");
        assert_eq!(lines(b"\nx", chunk), b"");
        assert_eq!(lines(b"", chunk), b"");
    }
    let mut text = vec![b'x'; NEW_LIMIT];
    text.push(b'\n');
    assert!(check(&lines(&text, 7)).is_ok());
    text.insert(0, b'x');
    assert!(check(&lines(&text, 7)).is_err());
    text.splice(0..0, vec![b'x'; 10_000]);
    assert!(check(&lines(&text, 7)).is_err());
}

#[test]
fn root_has_no_mail_password_and_others_only_their_own() {
    let env = [("HOME", "/nonexistent")].into_iter().collect();
    let mut account = own(&env).expect("somebody");
    account.uid = 0;
    assert!(matches!(become_owner(&account), Err(Failure::Refused(_))));
    if identity::effective_uid() != 0 {
        account.uid = identity::effective_uid() + 1;
        assert!(matches!(become_owner(&account), Err(Failure::Refused(_))));
    }
}

#[test]
fn a_name_that_the_file_of_secrets_cannot_hold_is_refused_before_a_password_is_read() {
    for (name, why) in [
        (
            "#joe",
            "users.secret cannot have this name: it begins a remark",
        ),
        ("jo:e", "the name has a slash or a colon in it"),
        ("joe\nroot", "the name has a control character in it"),
        ("joe\r", "the name has a control character in it"),
        ("", "the name is empty"),
    ] {
        match run(
            "superd-passwd",
            vec!["-u".into(), name.into()],
            &mut Env::default(),
        ) {
            Err(Failure::Refused(told)) => assert_eq!(told, why),
            other => panic!("{name:?}: {other:?}"),
        }
    }
    assert!(check_name(b"joe").is_ok());
}
