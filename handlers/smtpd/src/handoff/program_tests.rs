use std::fs;
use std::path::{Path, PathBuf};

use chain::Env;

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

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        crate::test_support::script(&path, &format!("#!/bin/sh\n{text}\n"));
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

    fn start(&self, program: &Path) -> Result<Running, Failure> {
        let context = ProgramContext {
            folder: self.folder.path(),
            env: &Env::of_process(),
            patience: self.patience,
        };
        Running::start(&Program::File(program.to_owned()), context, false)
    }

    fn one(&self, program: &Path) -> Result<(), Failure> {
        let mut running = self.start(program).expect("started");
        running.write(b"text\n");
        running.commit(b"s@x", &[b"joe@h".to_vec()], self.patience)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_default()
    }
}

fn reply(result: Result<(), Failure>) -> Cow<'static, str> {
    result.expect_err("a failure").reply
}

#[test]
fn a_program_gets_the_message_and_then_the_envelope() {
    let programs = Programs::new();
    let program = programs.capturing("q");
    let mut handoff = programs.start(&program).expect("started");
    assert!(handoff.pid() > 1);
    handoff.write(b"one\n");
    handoff.write(b"two\n");
    let recipients = [b"joe@h".to_vec(), b"ann@h".to_vec()];
    handoff
        .commit(b"s@x", &recipients, programs.patience)
        .expect("taken");
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
    let mut handoff = programs.start(&program).expect("started");
    handoff.write(b"half");
    drop(handoff);
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
            result.err().map(|failed| failed.reply.into_owned()),
            texts::for_exit(code).map(str::to_owned),
            "{code}"
        );
    }
    let program = programs.script("killed", "cat >/dev/null; kill -9 $$");
    assert_eq!(reply(programs.one(&program)), texts::CRASHED);
}

#[test]
fn a_program_that_cannot_be_executed_is_told_at_the_start() {
    let programs = Programs::new();
    let missing = programs.path("missing");
    let failure = programs.start(&missing).expect_err("missing");
    assert_eq!(failure.reply, texts::CANNOT_EXEC);
    let expected = format!("unable to run {}: file does not exist", missing.display());
    assert_eq!(failure.reason, expected);
}

#[test]
fn a_program_that_stops_reading_does_not_stop_us() {
    let programs = Programs::new();
    for (name, text, expected) in [
        ("early", "exit 53", texts::for_exit(53).expect("a reply")),
        ("satisfied", "exit 0", texts::READ_ERROR),
        ("closed", "exec <&-; cat <&1 >/dev/null", texts::READ_ERROR),
    ] {
        let program = programs.script(name, text);
        let mut handoff = programs.start(&program).expect("started");
        for _ in 0..100 {
            handoff.write(&[b'x'; 10_000]);
        }
        assert_eq!(
            reply(handoff.commit(b"", &[b"a".to_vec()], programs.patience)),
            expected,
            "{name}"
        );
    }
}

/// Its own process sleeps: the shell would leave a child behind that holds the pipes.
const HANGS: &str = "exec sleep 60";

#[test]
fn a_program_that_does_not_read_is_given_up_after_a_while() {
    let mut programs = Programs::new();
    programs.patience = Duration::from_millis(100);
    let program = programs.script("q", HANGS);
    let mut handoff = programs.start(&program).expect("started");
    let started = Instant::now();
    handoff.write(&[b'x'; 1 << 20]);
    handoff.write(&[b'x'; 1 << 20]);
    let failure = handoff
        .commit(b"", &[b"a".to_vec()], programs.patience)
        .expect_err("hangs");
    assert_eq!(failure.reply, texts::TIMEOUT);
    assert!(failure.reason.ends_with("took too long"), "{failure:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_program_that_does_not_end_is_killed_after_a_while() {
    let mut programs = Programs::new();
    programs.patience = Duration::from_millis(100);
    let program = programs.script("q", HANGS);
    assert_eq!(reply(programs.one(&program)), texts::TIMEOUT);
    let started = Instant::now();
    let handoff = programs.start(&program).expect("started");
    drop(handoff);
    assert!(started.elapsed() < Duration::from_secs(10));
}

/// A program that takes everything, says `text` on descriptor `number`, and exits with `code`.
fn saying(programs: &Programs, text: &str, number: u8, code: u8) -> String {
    let script =
        format!("cat >/dev/null; cat <&1 >/dev/null; printf '{text}' >&{number}; exit {code}");
    let name = format!("says{number}.{code}.{}", text.len());
    let program = programs.script(&name, &script);
    reply(programs.one(&program)).into_owned()
}

#[test]
fn a_reply_of_the_programs_own_is_said_with_82_or_88_from_either_descriptor() {
    let programs = Programs::new();
    for number in [4, 6] {
        for code in [82, 88] {
            assert_eq!(
                saying(&programs, "Dno thanks", number, code),
                "554 no thanks"
            );
            assert_eq!(saying(&programs, "Zlater", number, code), "451 later");
            assert_eq!(saying(&programs, "hello", number, code), "451 ello");
        }
    }
    assert_eq!(
        saying(&programs, "Dno thanks", 6, 81),
        texts::for_exit(81).expect("one")
    );
    assert_eq!(saying(&programs, "Dx", 6, 82), texts::TEMPORARY);
}

#[test]
fn a_reply_of_the_programs_own_is_one_printable_line() {
    let programs = Programs::new();
    let injected = saying(&programs, "Dno\\r\\n250 ok\\r\\n", 6, 82);
    assert_eq!(injected, "554 no");
    assert_eq!(saying(&programs, "Dn\\033o", 6, 82), "554 n?o");
}

#[test]
fn the_program_finds_the_environment_of_the_session_and_no_other_descriptors() {
    let programs = Programs::new();
    let script = "echo $RELAYCLIENT-$NOT_OURS >env; ls /proc/self/fd >fds; cat >/dev/null; cat <&1 >/dev/null";
    let program = programs.script("q", script);
    let env: Env = [("RELAYCLIENT", "@x"), ("PATH", "/bin:/usr/bin")]
        .into_iter()
        .collect();
    let context = ProgramContext {
        folder: programs.folder.path(),
        env: &env,
        patience: programs.patience,
    };
    let running = Running::start(&Program::File(program), context, false).expect("started");
    running
        .commit(b"", &[b"a".to_vec()], programs.patience)
        .expect("taken");
    assert_eq!(programs.read("env"), b"@x-\n");
}
