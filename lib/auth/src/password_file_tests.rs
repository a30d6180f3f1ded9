use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::account::Origin;

fn account(home: &Path, extension: &[u8]) -> Account {
    Account {
        name: b"joe".to_vec(),
        uid: os::identity::effective_uid(),
        gid: os::identity::effective_gid(),
        home: home.to_owned(),
        shell: Vec::new(),
        mailbox: PathBuf::from("Maildir"),
        quota: None,
        origin: Origin::Users,
        extension: extension.to_vec(),
    }
}

fn placed(extension: &str, variables: &[(&str, &str)]) -> Result<PathBuf, Fault> {
    let env: Env = variables.iter().copied().collect();
    place(&account(Path::new("/h"), extension.as_bytes()), &env)
}

#[test]
fn the_file_is_in_the_maildir_and_with_dash_in_that_of_the_extension() {
    for (extension, variables, expected) in [
        ("", &[][..], "Maildir/.password"),
        ("work", &[], "Maildir/.password"),
        ("work", &[("DASH", "-")], "Maildir-work/.password"),
        ("a-b", &[("DASH", "/.")], "Maildir/.a-b/.password"),
        ("work", &[("DASH", "")], "Maildirwork/.password"),
        ("", &[("DASH", "-")], "Maildir/.password"),
        ("", &[("MAILDIR", "./mail/in/")], "./mail/in/.password"),
        (
            "x",
            &[("MAILDIR", "mail"), ("DASH", "+")],
            "mail+x/.password",
        ),
    ] {
        let path = placed(extension, variables).expect("a place");
        assert_eq!(path, Path::new(expected), "{extension} {variables:?}");
    }
}

#[test]
fn nothing_leads_out_of_the_home() {
    for extension in ["/x", "a/b", "..", "a..b", "/../x"] {
        for variables in [&[][..], &[("DASH", "-")], &[("DASH", "/")]] {
            let placed = placed(extension, variables);
            assert!(matches!(placed, Err(Fault::Extension)), "{extension}");
        }
    }
    for maildir in ["", "/", "/var/mail", "..", "a/../..", "../x"] {
        let placed = placed("", &[("MAILDIR", maildir)]);
        assert!(matches!(placed, Err(Fault::Outside(_))), "{maildir}");
    }
    let placed = placed("x", &[("DASH", "/../")]);
    assert!(matches!(placed, Err(Fault::Outside(_))));
}

fn line(text: &[u8]) -> Option<Vec<u8>> {
    let line = first_line(text).expect("readable");
    line.map(|line| line.to_vec())
}

#[test]
fn the_password_is_the_first_line_and_nothing_is_trimmed() {
    assert_eq!(line(b"sekrit\nmore\n").expect("short"), b"sekrit");
    assert_eq!(line(b"sekrit").expect("short"), b"sekrit");
    assert_eq!(line(b" sek rit \n").expect("short"), b" sek rit ");
    assert_eq!(line(b"sekrit\r\n").expect("short"), b"sekrit\r");
    assert_eq!(line(b"sek\0rit\n").expect("short"), b"sek");
    assert_eq!(line(b"\nsekrit\n").expect("short"), b"");
    assert_eq!(line(b"").expect("short"), b"");
}

#[test]
fn a_password_of_the_limit_is_read_and_a_longer_one_is_not() {
    let mut text = vec![b'x'; PASSWORD_LIMIT];
    assert_eq!(line(&text).as_deref(), Some(&text[..]));
    text.extend_from_slice(b"\nrest");
    assert_eq!(line(&text).as_deref(), Some(&text[..PASSWORD_LIMIT]));
    text.insert(0, b'x');
    assert_eq!(line(&text), None);
    assert_eq!(line(&text[..PASSWORD_LIMIT + 1]), None);
}

/// A home with a password file of this mode.
fn home(mode: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("Maildir")).expect("made");
    let path = folder.path().join("Maildir/.password");
    std::fs::write(&path, "sekrit\n").expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
    (folder, path)
}

fn read_in(home: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    read(&account(home, b""), &Env::default())
}

#[test]
fn a_file_is_used_only_where_nobody_else_may_do_anything_with_it() {
    for mode in [0o400, 0o600, 0o700] {
        let (folder, _) = home(mode);
        assert_eq!(read_in(folder.path()).expect("fine").as_slice(), b"sekrit");
    }
    for mode in [0o640, 0o604, 0o644, 0o620, 0o602, 0o610, 0o601, 0o666] {
        let (folder, path) = home(mode);
        let fault = read_in(folder.path()).expect_err("open to others");
        assert_eq!(
            fault.to_string(),
            format!("{} has mode {mode:04o} and must be 0600", path.display())
        );
        assert!(matches!(Refusal::from(fault), Refusal::Temporary(_)));
    }
}

#[test]
fn the_owner_is_looked_at_before_the_mode() {
    let (folder, path) = home(0o644);
    let mut other = account(folder.path(), b"");
    other.uid += 1;
    let fault = read(&other, &Env::default()).expect_err("somebody else's");
    assert_eq!(
        fault.to_string(),
        format!(
            "{} belongs to uid {} and must belong to uid {}",
            path.display(),
            other.uid - 1,
            other.uid
        )
    );
    assert!(matches!(Refusal::from(fault), Refusal::No(_)));
}

#[test]
fn what_is_missing_is_told_apart() {
    let (folder, path) = home(0o600);
    std::fs::remove_file(&path).expect("removed");
    let fault = read_in(folder.path()).expect_err("missing");
    assert!(
        matches!(Refusal::from(fault), Refusal::No(why) if why.ends_with(".password does not exist"))
    );
    std::fs::remove_dir(folder.path().join("Maildir")).expect("removed");
    let fault = read_in(folder.path()).expect_err("missing");
    assert!(matches!(Refusal::from(fault), Refusal::No(_)));
    let fault = read_in(Path::new("/nonexistent/home")).expect_err("no home");
    assert!(matches!(Refusal::from(fault), Refusal::Temporary(why)
        if why == "unable to enter the home /nonexistent/home: file does not exist"));
}

#[test]
fn links_directories_and_fifos_are_no_password_files_and_are_not_waited_for() {
    let (folder, path) = home(0o600);
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&path, &elsewhere).expect("moved");
    std::os::unix::fs::symlink(&elsewhere, &path).expect("linked");
    let fault = read_in(folder.path()).expect_err("a link");
    assert!(matches!(fault, Fault::Link(_)), "{fault}");
    std::fs::remove_file(&path).expect("removed");
    std::fs::create_dir(&path).expect("made");
    let fault = read_in(folder.path()).expect_err("a directory");
    assert!(matches!(fault, Fault::NoFile(_)), "{fault}");
    std::fs::remove_dir(&path).expect("removed");
    let made = std::process::Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(&path)
        .status();
    assert!(made.expect("mkfifo").success());
    let fault = read_in(folder.path()).expect_err("a fifo");
    assert!(matches!(fault, Fault::NoFile(_)), "{fault}");
}
