//! STLS by the UCSPI-TLS interface. The TLS program here encrypts nothing: what is seen is who says
//! what, when, and on which descriptor.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use crate::house::{As, DEADLINE, Link, Popup, Talking, directory, starts};

/// The TLS program's ends: control, what popup reads, what popup writes.
struct TlsProgram {
    listener: UnixListener,
    path: PathBuf,
}

impl TlsProgram {
    fn new(name: &str) -> TlsProgram {
        let path = directory().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        TlsProgram { listener, path }
    }

    fn start(&self, words: &[&str], start: As, change: impl FnOnce(Popup) -> Popup) -> Talk {
        let popup = Popup::new(words)
            .env("UCSPITLS", "")
            .env("TLS_PROGRAM", self.path.to_str().unwrap())
            .starter(start);
        let plain = change(popup).start(Link::Tcp);
        let [control, input, output] = [(); 3].map(|()| {
            let (socket, _) = self.listener.accept().unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket
        });
        Talk {
            plain,
            control,
            input,
            output,
        }
    }
}

struct Talk {
    plain: Talking,
    control: UnixStream,
    input: UnixStream,
    output: UnixStream,
}

impl Talk {
    /// Asks for TLS and plays the handshake.
    fn start_tls(&mut self, variables: &[u8]) {
        assert_eq!(self.plain.ask("STLS\r\n"), "+OK TLS now\r\n");
        let mut byte = [0];
        self.control.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"Y");
        self.control.write_all(variables).unwrap();
    }

    /// One line over the encrypted link.
    fn ask(&mut self, text: &str) -> String {
        self.input.write_all(text.as_bytes()).unwrap();
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.output.read(&mut byte).unwrap_or(0) == 1 {
            line.push(byte[0]);
            if byte[0] == b'\n' {
                break;
            }
        }
        String::from_utf8(line).unwrap()
    }
}

const VARIABLES: &[u8] = b"SSL_PROTOCOL=TLSv1.3\0LD_PRELOAD=/x\0SSL_CIPHER=C\0\0";

/// The line about the end of a client who says QUIT.
const QUIT: &str = "popup: end ip=192.0.2.1 reason=quit\n";

#[test]
fn after_stls_all_is_said_on_the_other_descriptors() {
    let tls = TlsProgram::new("stls-joined");
    for start in starts() {
        let mut talk = tls.start(&["joe", "mail"], start, |popup| popup);
        talk.plain.line();
        talk.plain.ask("USER eve\r\n");
        talk.start_tls(VARIABLES);
        assert_eq!(talk.ask("PASS sekrit\r\n"), "-ERR USER first\r\n");
        talk.input.write_all(b"CAPA\r\n").unwrap();
        let mut capa = Vec::new();
        while capa.last().is_none_or(|line| line != ".\r\n") {
            capa.push(talk.line());
        }
        assert!(!capa.contains(&"STLS\r\n".to_owned()), "{capa:?}");
        assert_eq!(talk.ask("USER joe\r\n"), "+OK \r\n");
        let reply = talk.ask("PASS sekrit\r\nSTAT\r\n");
        assert!(
            reply.contains(" SSL_PROTOCOL=TLSv1.3\r\n"),
            "{start:?} {reply}"
        );
        assert_eq!(talk.line(), "+OK STAT\r\n");
        assert_eq!(talk.ask("QUIT\r\n"), "+OK QUIT\r\n");
        let done = talk.plain.wait();
        assert_eq!((done.code, done.said.as_str()), (Some(0), ""));
        assert_eq!(
            done.log,
            "popup: login ip=192.0.2.1 user=joe method=user tls=TLSv1.3\n"
        );
    }
}

#[test]
fn what_was_sent_in_the_clear_behind_stls_is_dropped() {
    let tls = TlsProgram::new("stls-injected");
    for start in starts() {
        let mut talk = tls.start(&["joe", "mail"], start, |popup| popup);
        talk.plain.line();
        talk.plain.say("STLS\r\nUSER joe\r\nPASS sekrit\r\n");
        assert_eq!(talk.plain.line(), "+OK TLS now\r\n");
        let mut byte = [0];
        talk.control.read_exact(&mut byte).unwrap();
        talk.control.write_all(b"\0\0").unwrap();
        assert_eq!(talk.ask("NOOP\r\n"), "+OK \r\n");
        assert_eq!(talk.ask("PASS x\r\n"), "-ERR USER first\r\n");
        let reply = talk.ask("QUIT\r\n");
        assert_eq!(reply, "+OK \r\n");
        assert_eq!(talk.plain.wait().log, QUIT);
    }
}

#[test]
fn a_foreign_chain_gets_the_encrypted_link_as_0_and_1() {
    let tls = TlsProgram::new("stls-foreign");
    let script = "printf '+OK %s %s\\r\\n' \"$SSL_PROTOCOL\" \"${LD_PRELOAD-none}\"; exec cat";
    for start in starts() {
        let mut talk = tls.start(&["/bin/sh", "-c", script], start, |popup| popup);
        talk.plain.line();
        talk.start_tls(VARIABLES);
        talk.ask("USER joe\r\n");
        assert_eq!(talk.ask("PASS x\r\nSTAT\r\n"), "+OK TLSv1.3 none\r\n");
        assert_eq!(talk.line(), "STAT\r\n");
        drop(talk.input);
        assert_eq!(talk.plain.wait().code, Some(0));
    }
}

#[test]
fn without_stls_nothing_of_it_is_left_for_the_next_program() {
    let tls = TlsProgram::new("stls-unused");
    for start in starts() {
        let mut talk = tls.start(&["joe", "mail"], start, |popup| popup);
        talk.plain.line();
        talk.plain.ask("USER joe\r\n");
        let reply = talk.plain.ask("PASS sekrit\r\n");
        assert!(
            !reply.contains("SSL") && !reply.contains("UCSPITLS"),
            "{reply}"
        );
        // The TLS program sees that it is not needed any more.
        assert_eq!(talk.control.read(&mut [0; 8]).unwrap(), 0);
        assert_eq!(talk.output.read(&mut [0; 8]).unwrap(), 0);
        talk.plain.say("QUIT\r\n");
        assert_eq!(talk.plain.wait().code, Some(0));
    }
}

#[test]
fn where_tls_is_required_a_password_waits_for_it() {
    let tls = TlsProgram::new("stls-required");
    for start in starts() {
        let mut talk = tls.start(&["joe", "mail"], start, |popup| popup.env("REQUIRETLS", ""));
        talk.plain.line();
        assert!(
            talk.plain
                .ask("USER joe\r\n")
                .starts_with("-ERR STLS first")
        );
        talk.start_tls(b"\0\0");
        talk.ask("USER joe\r\n");
        let reply = talk.ask("PASS sekrit\r\n");
        assert!(reply.contains(" SSL_PROTOCOL=TLS\r\n"), "{reply}");
        drop(talk.input);
        assert_eq!(
            talk.plain.wait().log,
            "popup: refuse ip=192.0.2.1 method=user reason=\"a password in the clear\"\n\
             popup: login ip=192.0.2.1 user=joe method=user tls=TLS\n"
        );
    }
}

#[test]
fn a_tls_program_that_fails_ends_the_conversation() {
    let tls = TlsProgram::new("stls-failed");
    for start in starts() {
        let mut talk = tls.start(&["joe", "mail"], start, |popup| popup);
        talk.plain.line();
        assert_eq!(talk.plain.ask("STLS\r\n"), "+OK TLS now\r\n");
        talk.control.read_exact(&mut [0]).unwrap();
        drop((talk.control, talk.input, talk.output));
        let done = talk.plain.wait();
        assert_eq!((done.code, done.said.as_str()), (Some(1), ""));
    }
}

#[test]
fn descriptors_that_are_not_there_are_told_and_stls_is_not_offered() {
    for start in starts() {
        let popup = Popup::new(&["joe", "mail"])
            .env("UCSPITLS", "")
            .starter(start);
        let mut talking = popup.start(Link::Pair);
        talking.line();
        assert_eq!(talking.ask("STLS\r\n"), "-ERR authorization first\r\n");
        talking.say("QUIT\r\n");
        assert_eq!(
            talking.wait().log,
            format!(
                "popup: warning ip=192.0.2.1 reason=\"unable to offer TLS: UCSPITLS is set and \
                 SSLCTLFD is not\"\n{QUIT}"
            )
        );
    }
}
