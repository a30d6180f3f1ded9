use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A folder with scripts as queue programs.
struct Programs {
    folder: tempfile::TempDir,
    patience: Duration,
}

impl Programs {
    fn new() -> Programs {
        let folder = tempfile::tempdir().expect("a folder");
        Programs {
            folder,
            patience: Duration::from_secs(60),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A script; it is written by a child, for this process forks in other threads meanwhile, and
    /// a file that a fork holds open for writing cannot be executed.
    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let source = self.path(&format!("{name}.sh"));
        fs::write(&source, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).expect("set");
        let copied = Command::new("/bin/cp")
            .arg("-p")
            .arg(&source)
            .arg(&path)
            .status();
        assert!(copied.expect("cp").success());
        path
    }

    /// Keeps message and envelope below its own name.
    fn capturing(&self, name: &str) -> PathBuf {
        let message = self.path(&format!("{name}.message"));
        let envelope = self.path(&format!("{name}.envelope"));
        let text = format!(
            "cat >'{}'; cat <&1 >'{}'",
            message.display(),
            envelope.display()
        );
        self.script(name, &text)
    }

    fn start(&self, parts: &[(&Path, &[&str])]) -> Result<Handoff, Failure> {
        let recipients: Vec<Vec<Vec<u8>>> = parts
            .iter()
            .map(|(_, names)| names.iter().map(|name| (*name).into()).collect())
            .collect();
        let parts: Vec<Part<'_>> = parts
            .iter()
            .zip(&recipients)
            .map(|((program, _), recipients)| Part {
                program,
                recipients,
            })
            .collect();
        Handoff::start(self.folder.path(), &parts, self.patience)
    }

    fn one(&self, program: &Path) -> Result<(), (Failure, bool)> {
        let mut handoff = self.start(&[(program, &["joe@h"])]).expect("started");
        handoff.write(b"text\n");
        handoff.finish(b"s@x")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_default()
    }
}

fn reply(result: Result<(), (Failure, bool)>) -> &'static str {
    result.expect_err("a failure").0.reply
}

#[test]
fn a_program_gets_the_message_and_then_the_envelope() {
    let programs = Programs::new();
    let program = programs.capturing("q");
    let mut handoff = programs
        .start(&[(&program, &["joe@h", "ann@h"])])
        .expect("started");
    assert!(handoff.pid() > 1);
    handoff.write(b"one\n");
    handoff.write(b"two\n");
    handoff.finish(b"s@x").expect("taken");
    assert_eq!(programs.read("q.message"), b"one\ntwo\n");
    assert_eq!(programs.read("q.envelope"), b"Fs@x\0Tjoe@h\0Tann@h\0\0");
}

#[test]
fn it_runs_in_the_home() {
    let programs = Programs::new();
    let program = programs.script("q", "pwd >cwd; cat >/dev/null");
    programs.one(&program).expect("taken");
    let cwd = String::from_utf8(programs.read("cwd")).expect("ASCII");
    let home = fs::canonicalize(programs.folder.path()).expect("there");
    assert_eq!(Path::new(cwd.trim_end()), home);
}

#[test]
fn a_message_that_is_given_up_has_no_envelope() {
    let programs = Programs::new();
    let program = programs.capturing("q");
    let mut handoff = programs.start(&[(&program, &["joe@h"])]).expect("started");
    handoff.write(b"half");
    handoff.abort();
    assert_eq!(programs.read("q.message"), b"half");
    assert_eq!(programs.read("q.envelope"), b"");
}

#[test]
fn exit_codes_and_signals_are_told_by_their_replies() {
    let programs = Programs::new();
    for code in [0, 11, 31, 53, 54, 91, 111, 120, 255] {
        let text = format!("cat >/dev/null; cat <&1 >/dev/null; exit {code}");
        let result = programs.one(&programs.script(&format!("q{code}"), &text));
        assert_eq!(
            result.err().map(|failed| failed.0.reply),
            replies::for_exit(code),
            "{code}"
        );
    }
    let program = programs.script("killed", "cat >/dev/null; kill -9 $$");
    assert_eq!(reply(programs.one(&program)), replies::CRASHED);
}

#[test]
fn a_program_that_cannot_be_executed_is_told_at_the_start() {
    let programs = Programs::new();
    let missing = programs.path("missing");
    let failure = programs.start(&[(&missing, &["a"])]).expect_err("missing");
    assert_eq!(failure.reply, replies::CANNOT_EXEC);
    let expected = format!("unable to run {}: file does not exist", missing.display());
    assert_eq!(failure.reason, expected);
}

#[test]
fn a_program_that_stops_reading_does_not_stop_us() {
    let programs = Programs::new();
    for (name, text, expected) in [
        ("early", "exit 53", replies::for_exit(53).expect("a reply")),
        ("satisfied", "exit 0", replies::READ_ERROR),
        (
            "closed",
            "exec <&-; cat <&1 >/dev/null",
            replies::READ_ERROR,
        ),
    ] {
        let program = programs.script(name, text);
        let mut handoff = programs.start(&[(&program, &["a"])]).expect("started");
        for _ in 0..100 {
            handoff.write(&[b'x'; 10_000]);
        }
        assert_eq!(reply(handoff.finish(b"")), expected, "{name}");
    }
}

/// Its own process sleeps: the shell would leave a child behind that holds the pipes.
const HANGS: &str = "exec sleep 60";

#[test]
fn a_program_that_does_not_read_is_given_up_after_a_while() {
    let mut programs = Programs::new();
    programs.patience = Duration::from_millis(100);
    let program = programs.script("q", HANGS);
    let mut handoff = programs.start(&[(&program, &["a"])]).expect("started");
    let started = Instant::now();
    handoff.write(&[b'x'; 1 << 20]);
    handoff.write(&[b'x'; 1 << 20]);
    let (failure, _) = handoff.finish(b"").expect_err("hangs");
    assert_eq!(failure.reply, replies::TIMEOUT);
    assert!(failure.reason.ends_with("took too long"), "{failure:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_program_that_does_not_end_is_killed_after_a_while() {
    let mut programs = Programs::new();
    programs.patience = Duration::from_millis(100);
    let program = programs.script("q", HANGS);
    assert_eq!(reply(programs.one(&program)), replies::TIMEOUT);
    let started = Instant::now();
    let handoff = programs.start(&[(&program, &["a"])]).expect("started");
    handoff.abort();
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn two_programs_get_the_same_message_and_each_its_recipients() {
    let programs = Programs::new();
    let (local, remote) = (programs.capturing("local"), programs.capturing("remote"));
    let parts: [(&Path, &[&str]); 2] = [(&local, &["joe@h"]), (&remote, &["x@far", "y@far"])];
    let mut handoff = programs.start(&parts).expect("started");
    handoff.write(b"text\n");
    handoff.finish(b"s@x").expect("taken");
    assert_eq!(
        programs.read("local.message"),
        programs.read("remote.message")
    );
    assert_eq!(programs.read("local.envelope"), b"Fs@x\0Tjoe@h\0\0");
    assert_eq!(
        programs.read("remote.envelope"),
        b"Fs@x\0Tx@far\0Ty@far\0\0"
    );
}

fn two(programs: &Programs, local: &Path, remote: &Path) -> Result<(), (Failure, bool)> {
    let parts: [(&Path, &[&str]); 2] = [(local, &["joe@h"]), (remote, &["x@far"])];
    let mut handoff = programs.start(&parts).expect("started");
    handoff.write(&[b'x'; 200_000]);
    handoff.finish(b"s@x")
}

#[test]
fn when_the_local_one_fails_nothing_leaves_this_host() {
    let programs = Programs::new();
    let local = programs.script("local", "cat >/dev/null; cat <&1 >/dev/null; exit 31");
    let remote = programs.capturing("remote");
    let (failure, in_part) = two(&programs, &local, &remote).expect_err("refused");
    assert_eq!(failure.reply, replies::for_exit(31).expect("a reply"));
    assert!(!in_part);
    assert_eq!(programs.read("remote.envelope"), b"");
}

#[test]
fn when_the_remote_one_is_gone_before_the_end_nobody_gets_the_message() {
    let programs = Programs::new();
    let local = programs.capturing("local");
    for (name, text) in [("failed", "exit 53"), ("odd", "exit 0")] {
        let remote = programs.script(name, text);
        let (failure, in_part) = two(&programs, &local, &remote).expect_err("gone");
        assert!(failure.reply.starts_with("451 "), "{failure:?}");
        assert!(!in_part);
        assert_eq!(programs.read("local.envelope"), b"", "{name}");
    }
}

#[test]
fn when_the_remote_one_fails_at_the_very_end_that_is_told() {
    let programs = Programs::new();
    let local = programs.capturing("local");
    let remote = programs.script("remote", "cat >/dev/null; cat <&1 >/dev/null; exit 71");
    let (failure, in_part) = two(&programs, &local, &remote).expect_err("failed");
    assert_eq!(failure.reply, replies::for_exit(71).expect("a reply"));
    assert!(in_part);
    assert_eq!(programs.read("local.envelope"), b"Fs@x\0Tjoe@h\0\0");
}

#[test]
fn when_the_second_program_cannot_be_started_the_first_is_given_up() {
    let programs = Programs::new();
    let local = programs.capturing("local");
    let missing = programs.path("missing");
    let parts: [(&Path, &[&str]); 2] = [(&local, &["joe@h"]), (&missing, &["x@far"])];
    let failure = programs.start(&parts).expect_err("missing");
    assert_eq!(failure.reply, replies::CANNOT_EXEC);
    assert_eq!(programs.read("local.envelope"), b"");
}

#[test]
fn waiting_in_steps_ends_with_the_child_or_at_the_deadline() {
    let mut child = Command::new("/bin/sleep")
        .arg("60")
        .spawn()
        .expect("started");
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(matches!(wait_in_steps(&mut child, soon), Ok(None)));
    child.kill().expect("killed");
    let later = Instant::now() + Duration::from_secs(10);
    assert!(matches!(wait_in_steps(&mut child, later), Ok(Some(_))));
}
