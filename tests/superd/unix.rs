//! `unix:PATH`: listening on a UNIX socket, with the variables of ucspi-unix's unixserver.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kit::run::{PATH, wait};
use kit::server::Report;
use kit::{DEADLINE, Run, as_root, bin, peer, place, private_dir, signal};

/// A superd on a socket in a directory of its own.
struct Service {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Service {
    fn start(options: &[&str]) -> Service {
        let dir = private_dir(0o755);
        let path = dir.path().join("socket");
        Service::start_at(dir, path, options)
    }

    fn start_at(dir: tempfile::TempDir, path: PathBuf, options: &[&str]) -> Service {
        let mut place = std::ffi::OsString::from("unix:");
        place.push(&path);
        let mut child = Command::new(bin("superd"))
            .args(["-v", "-1"])
            .args(options)
            .arg(place)
            .arg(place::probe())
            .env_clear()
            .env("PATH", PATH)
            .env("TCPREMOTEIP", "leaked")
            .env("UNIXREMOTEEUID", "leaked")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut told = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        out.read_line(&mut told).expect("read");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        assert_eq!(
            Path::new(told.trim_end()),
            path,
            "-1 tells the path once it listens"
        );
        Service {
            child,
            log,
            path,
            _dir: dir,
        }
    }

    fn report(&self) -> Report {
        Report::read(&talk(&self.path))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn talk(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("set");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

#[test]
fn the_variables_are_those_of_unixserver() {
    let service = Service::start(&[]);
    let ours = service.report();
    let me = std::fs::metadata("/proc/self").expect("this process");
    assert_eq!(ours.env("PROTO").as_deref(), Some("UNIX"));
    assert_eq!(
        ours.env("UNIXLOCALPATH").map(PathBuf::from),
        Some(service.path.clone())
    );
    assert_eq!(ours.env("UNIXREMOTEEUID"), Some(me.uid().to_string()));
    assert_eq!(ours.env("UNIXREMOTEEGID"), Some(me.gid().to_string()));
    assert_eq!(
        ours.env("UNIXREMOTEPID"),
        Some(std::process::id().to_string())
    );
    let names = |report: &Report| -> Vec<String> {
        let unix = |name: &String| name.starts_with("UNIX") || name == "PROTO";
        let mut names: Vec<String> = report.names().into_iter().filter(unix).collect();
        names.sort();
        names
    };
    let Some(original) = peer("unixserver") else {
        return;
    };
    let dir = private_dir(0o755);
    let path = dir.path().join("socket");
    let mut server = Command::new(original)
        .args(["-q", "--"])
        .args([&path, place::probe()])
        .env_clear()
        .env("PATH", PATH)
        .spawn()
        .expect("started");
    let deadline = Instant::now() + DEADLINE;
    while UnixStream::connect(&path).is_err() {
        assert!(Instant::now() < deadline, "unixserver does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let theirs = Report::read(&talk(&path));
    signal(server.id(), "TERM");
    server.wait().expect("its end");
    assert_eq!(names(&ours), names(&theirs));
}

#[test]
fn the_program_is_told_its_own_pid() {
    let mut service = Service::start(&[]);
    let told = service.report().env("UNIXLOCALPID").expect("the variable");
    assert_eq!(service.line(), "superd: status: 0/40");
    assert_eq!(service.line(), "superd: status: 1/40");
    let uid = std::fs::metadata("/proc/self").expect("this process").uid();
    assert_eq!(service.line(), format!("superd: pid {told} from uid {uid}"));
    assert!(service.line().starts_with(&format!("superd: ok {told} ")));
}

#[test]
fn no_variable_of_an_outer_server_leaks_through() {
    let report = Service::start(&[]).report();
    assert_eq!(report.env("TCPREMOTEIP"), None);
    assert_ne!(report.env("UNIXREMOTEEUID").as_deref(), Some("leaked"));
}

#[test]
fn the_socket_has_the_mode_that_was_asked_for() {
    for (word, mode) in [("0600", 0o600), ("666", 0o666)] {
        let service = Service::start(&["--mode", word]);
        let meta = std::fs::metadata(&service.path).expect("the socket");
        assert!(meta.file_type().is_socket());
        assert_eq!(meta.permissions().mode() & 0o777, mode);
    }
}

#[test]
fn the_socket_has_the_owner_that_was_asked_for() {
    if !as_root("the owner of a UNIX socket") {
        return;
    }
    let service = Service::start(&["--owner", "nobody:0"]);
    let owner = std::fs::metadata(&service.path).expect("the socket");
    let nobody = Run::new("id").args(["-u", "nobody"]).done().out();
    assert_eq!(
        (owner.uid().to_string().as_str(), owner.gid()),
        (nobody.trim(), 0)
    );
}

#[test]
fn term_ends_it_with_0_and_removes_the_socket() {
    let mut service = Service::start(&[]);
    signal(service.child.id(), "TERM");
    let status = wait(&mut service.child, Instant::now() + DEADLINE).expect("an end");
    assert_eq!(status.code(), Some(0));
    assert!(!service.path.exists());
}

#[test]
fn a_socket_that_a_killed_server_left_behind_is_replaced() {
    let mut first = Service::start(&[]);
    first.child.kill().expect("killed");
    first.child.wait().expect("its end");
    assert!(first.path.exists(), "a kill leaves the socket");
    let path = first.path.clone();
    let second = Service::start_at(private_dir(0o755), path, &[]);
    assert_eq!(second.report().env("PROTO").as_deref(), Some("UNIX"));
}

#[test]
fn a_socket_that_somebody_listens_on_is_not_taken_away() {
    let service = Service::start(&[]);
    let mut place = std::ffi::OsString::from("unix:");
    place.push(&service.path);
    let done = Run::new(bin("superd")).arg(place).arg("true").done();
    assert_eq!(done.code, Some(111));
    let said = format!(
        "superd: fatal: unable to bind {}: address already used\n",
        service.path.display()
    );
    assert_eq!(done.err(), said);
    assert_eq!(service.report().env("PROTO").as_deref(), Some("UNIX"));
}

#[test]
fn rules_and_a_unix_socket_do_not_go_together() {
    let done = Run::new(bin("superd"))
        .args(["-x", "r.cdb", "unix:/nowhere/s", "true"])
        .done();
    assert_eq!(done.code, Some(100));
    assert!(
        done.err()
            .starts_with("superd: fatal: -x does not go with unix:"),
        "{}",
        done.err()
    );
}

#[test]
fn a_directory_that_does_not_exist_is_fatal() {
    let done = Run::new(bin("superd"))
        .args(["unix:/nonexistent/s", "true"])
        .done();
    assert_eq!(done.code, Some(111));
    assert_eq!(
        done.err(),
        "superd: fatal: unable to bind /nonexistent/s: file does not exist\n"
    );
}
