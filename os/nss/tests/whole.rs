//! The helper as its callers see it: a request in, an answer out.
//!
//! Users, passwords and PAM services of the tests' own stand in a mount namespace; for that a test
//! needs root, and says so where it cannot run.

// What is left out is printed; clippy allows that only inside functions marked #[test].
#![allow(clippy::print_stdout)]

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use os::names::nss::{Answer, REQUEST_LIMIT, Request};

const PROGRAM: &str = env!("CARGO_BIN_EXE_superd-nss");

fn run(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that refuses may have ended before it has read everything.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("its end")
}

fn helper() -> Command {
    let mut helper = Command::new(PROGRAM);
    helper.env_clear();
    helper
}

fn ask(command: Command, request: Request<'_>) -> Answer {
    let done = run(command, &request.to_record().expect("a record"));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{:?}: {said}", done.status);
    assert_eq!(said, "");
    Answer::parse(&done.stdout).expect("an answer")
}

#[test]
fn a_user_is_told_with_his_groups() {
    let Answer::User(root, groups) = ask(helper(), Request::User { name: b"root" }) else {
        panic!("there is no root");
    };
    assert_eq!((root.uid, root.gid), (0, 0));
    assert!(groups.contains(&0));
    let nobody = Request::User {
        name: b"no-such-user-here",
    };
    assert_eq!(ask(helper(), nobody), Answer::Unknown);
}

#[test]
fn a_hash_of_the_oldest_scheme_is_compared() {
    // The example of PHP's manual.
    let hash = b"rl.3StKT.4T8M";
    let secret = b"rasmuslerdorf";
    let answer = ask(helper(), Request::Hash { secret, hash });
    assert_eq!(answer, Answer::Yes(Vec::new()));
    // It looks at eight bytes.
    let secret = b"rasmusl_rdorf";
    let answer = ask(helper(), Request::Hash { secret, hash });
    assert_eq!(answer, Answer::No("wrong password".to_owned()));
}

#[test]
fn what_is_no_request_gets_no_answer() {
    let mut long = b"user\0".to_vec();
    long.resize(REQUEST_LIMIT, b'x');
    long.push(0);
    for input in [
        &b""[..],
        b"user\0root",
        b"user\0root\0\0",
        b"exec\0sh\0",
        &long,
    ] {
        let done = run(helper(), input);
        assert_eq!(done.status.code(), Some(100));
        assert!(done.stdout.is_empty());
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            said.starts_with("superd-nss: fatal: unable to read the request: "),
            "{said}"
        );
        assert!(!said.contains("root"), "{said}");
    }
}

#[test]
fn an_argument_is_refused() {
    let mut command = helper();
    command.arg("--help");
    let done = run(command, b"");
    assert_eq!(done.status.code(), Some(100));
}

/// Whether this process is root; where not, that is noted.
fn as_root(what: &str) -> bool {
    let root = std::fs::metadata("/proc/self").expect("proc").uid() == 0;
    if !root {
        println!("left out: {what}: needs root");
        if let Some(list) = std::env::var_os("SUPERD_LEFT_OUT") {
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(list);
            writeln!(file.expect("the list"), "{what}: needs root").expect("written");
        }
    }
    root
}

/// The helper among users and services of the tests' own: passwd, group, shadow and pam.d of `dir`
/// stand in the places of the system's, for it alone.
fn helper_in(dir: &Path) -> Command {
    let script = "for name in passwd group shadow pam.d nsswitch.conf; do \
        [ ! -e \"$1/$name\" ] || mount --bind \"$1/$name\" \"/etc/$name\" || exit 99; done; exec \"$2\"";
    let mut command = Command::new("unshare");
    command
        .args(["-m", "--", "/bin/sh", "-c", script, "sh"])
        .arg(dir)
        .arg(PROGRAM);
    command
}

/// `joe`, password `sekrit` by DES; `ann`, the same and expired; `bob`, locked.
fn users() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).expect("written");
    };
    write(
        "passwd",
        "root:x:0:0::/root:/bin/sh\njoe:x:7001:7001::/home/joe:/bin/sh\n\
         ann:x:7002:7001::/home/ann:\nbob:x:7003:7001::/home/bob:\n",
    );
    write(
        "group",
        "root:x:0:\njoes:x:7001:\nmail:x:8:joe,ann\nmore:x:7009:joe\n",
    );
    // rl.3StKT.4T8M is of rasmuslerdorf.
    write(
        "shadow",
        "root:*:19000::::::\njoe:rl.3StKT.4T8M:19000:0:99999:7:::\n\
         ann:rl.3StKT.4T8M:19000:0:99999:7::100:\nbob:!rl.3StKT.4T8M:19000:0:99999:7:::\n",
    );
    write(
        "nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\n",
    );
    dir
}

const RIGHT: &[u8] = b"rasmuslerdorf";

#[test]
fn the_password_of_a_shadow_entry_is_checked_and_closed_accounts_are_told() {
    if !as_root("shadow entries by NSS") {
        return;
    }
    let dir = users();
    let shadow =
        |name: &[u8], secret: &[u8]| ask(helper_in(dir.path()), Request::Shadow { name, secret });
    assert_eq!(shadow(b"joe", RIGHT), Answer::Yes(b"joe".to_vec()));
    let wrong = Answer::No("wrong password".to_owned());
    assert_eq!(shadow(b"joe", b"wrong"), wrong);
    assert_eq!(shadow(b"bob", RIGHT), wrong);
    // Whoever does not know the password does not learn that the account is closed.
    assert_eq!(shadow(b"ann", b"wrong"), wrong);
    let closed = Answer::No("the account has expired".to_owned());
    assert_eq!(shadow(b"ann", RIGHT), closed);
    assert_eq!(shadow(b"tim", RIGHT), Answer::Unknown);
}

#[test]
fn groups_are_those_of_the_group_file() {
    if !as_root("groups by NSS") {
        return;
    }
    let dir = users();
    let Answer::User(joe, mut groups) = ask(helper_in(dir.path()), Request::User { name: b"joe" })
    else {
        panic!("there is no joe");
    };
    groups.sort_unstable();
    assert_eq!((joe.uid, joe.gid), (7001, 7001));
    assert_eq!(
        (joe.home.as_path(), joe.shell.as_slice()),
        (Path::new("/home/joe"), &b"/bin/sh"[..])
    );
    assert_eq!(groups, [8, 7001, 7009]);
}

#[test]
fn a_user_of_another_source_is_known_with_password_and_groups() {
    if !as_root("users of another source of NSS") {
        return;
    }
    let dir = users();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/elsewhere.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-DNAME(x)=_nss_elsewhere_##x", "-o"])
        .arg(dir.path().join("libnss_elsewhere.so.2"))
        .arg(source)
        .status();
    assert!(compiled.expect("there is a compiler").success());
    let switch = "passwd: files elsewhere\ngroup: files elsewhere\nshadow: files elsewhere\n";
    std::fs::write(dir.path().join("nsswitch.conf"), switch).expect("written");
    let helper = || {
        let mut helper = helper_in(dir.path());
        helper.env("LD_LIBRARY_PATH", dir.path());
        helper
    };
    let Answer::User(nina, mut groups) = ask(helper(), Request::User { name: b"nina" }) else {
        panic!("there is no nina");
    };
    groups.sort_unstable();
    assert_eq!((nina.uid, nina.gid), (7100, 7101));
    assert_eq!(
        (nina.home.as_path(), nina.shell.len()),
        (Path::new("/home/nina"), 20000)
    );
    assert_eq!(groups, [7101, 7102, 7103]);
    let shadow = |secret| {
        let name = b"nina";
        ask(helper(), Request::Shadow { name, secret })
    };
    assert_eq!(shadow(RIGHT), Answer::Yes(b"nina".to_vec()));
    assert_eq!(shadow(b"wrong"), Answer::No("wrong password".to_owned()));
    assert_eq!(
        ask(helper(), Request::User { name: b"tim" }),
        Answer::Unknown
    );
}

#[cfg(feature = "pam")]
mod pam {
    use super::*;

    fn services() -> tempfile::TempDir {
        let dir = users();
        let pam = dir.path().join("pam.d");
        std::fs::create_dir(&pam).expect("made");
        for (name, text) in [
            (
                "superd-unix",
                "auth required pam_unix.so nodelay\naccount required pam_unix.so\n",
            ),
            (
                "superd-yes",
                "auth required pam_permit.so\naccount required pam_permit.so\n",
            ),
            (
                "superd-closed",
                "auth required pam_permit.so\naccount required pam_deny.so\n",
            ),
            (
                "superd-here",
                "auth required pam_permit.so\naccount required pam_access.so nodefgroup accessfile=/etc/pam.d/access\n",
            ),
            ("access", "+:ALL:192.0.2.7\n-:ALL:ALL\n"),
            (
                "other",
                "auth required pam_deny.so\naccount required pam_deny.so\n",
            ),
        ] {
            std::fs::write(pam.join(name), text).expect("written");
        }
        dir
    }

    fn pam(dir: &Path, service: &str, name: &[u8], secret: &[u8], rhost: &[u8]) -> Answer {
        let request = Request::Pam {
            service: service.as_bytes(),
            name,
            secret,
            rhost,
        };
        ask(helper_in(dir), request)
    }

    fn is_no(answer: &Answer) -> bool {
        matches!(answer, Answer::No(why) if why.starts_with("PAM: "))
    }

    #[test]
    fn pam_decides_by_password_account_and_address() {
        if !as_root("PAM") {
            return;
        }
        let dir = services();
        let ask = |service, name: &str, secret, rhost: &str| {
            pam(
                dir.path(),
                service,
                name.as_bytes(),
                secret,
                rhost.as_bytes(),
            )
        };
        let yes = Answer::Yes(b"joe".to_vec());
        assert_eq!(ask("superd-unix", "joe", RIGHT, "192.0.2.7"), yes);
        for (service, name, secret, rhost) in [
            ("superd-unix", "joe", &b"wrong"[..], ""),
            ("superd-unix", "joe", b"", ""),
            ("superd-yes", "joe", b"", ""),
            ("superd-unix", "bob", RIGHT, ""),
            ("superd-unix", "ann", RIGHT, ""),
            ("superd-unix", "tim", RIGHT, ""),
            ("superd-closed", "joe", RIGHT, ""),
            ("superd-here", "joe", RIGHT, "192.0.2.8"),
            ("superd-none", "joe", RIGHT, ""),
        ] {
            let answer = ask(service, name, secret, rhost);
            assert!(is_no(&answer), "{service} {name} {rhost}: {answer:?}");
        }
        assert_eq!(ask("superd-yes", "joe", b"wrong", ""), yes);
        assert_eq!(ask("superd-here", "joe", RIGHT, "192.0.2.7"), yes);
    }

    #[test]
    fn a_module_that_is_missing_is_trouble_and_no_refusal() {
        if !as_root("PAM") {
            return;
        }
        let dir = services();
        let broken = dir.path().join("pam.d/superd-broken");
        std::fs::write(broken, "auth required pam_no_such_module.so\n").expect("written");
        let answer = pam(dir.path(), "superd-broken", b"joe", RIGHT, b"");
        assert!(matches!(answer, Answer::Temporary(_)), "{answer:?}");
    }
}
