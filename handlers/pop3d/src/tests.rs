//! Whole sessions over real Maildirs, sockets and pipes.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use os::log::Said;
use tempfile::TempDir;

use super::*;

/// A Maildir in a folder of its own.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        for part in ["tmp", "new", "cur"] {
            fs::create_dir_all(folder.path().join("Maildir").join(part)).expect("made");
        }
        Place { folder }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("Maildir")
    }

    /// Puts a message at `path`, `new/1.x` for example; its number makes it older than the next.
    fn put(&self, path: &str, text: &[u8]) {
        let path = self.dir().join(path);
        fs::write(&path, text).expect("written");
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let number = name.split('.').next().and_then(|first| first.parse().ok());
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + number.unwrap_or(0));
        let file = File::options().write(true).open(&path).expect("there");
        file.set_modified(time).expect("set");
    }

    /// The messages that are there, with their directories.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for part in ["new", "cur"] {
            for entry in fs::read_dir(self.dir().join(part)).expect("readable") {
                let name = entry.expect("an entry").file_name();
                names.push(format!("{part}/{}", name.to_string_lossy()));
            }
        }
        names.sort();
        names
    }

    /// What pop3d is started with for this Maildir.
    fn call(&self, env: &[(&str, &str)], ahead: &[u8]) -> Call {
        let mut env: chain::Env = env.iter().copied().collect();
        env.set("USER", b"alice");
        Call {
            name: "pop3d".to_owned(),
            args: vec![self.dir().into_os_string()],
            env,
            ahead: ahead.to_vec(),
            applets: &[],
        }
    }

    /// A session over a socket pair, and the client's end of it.
    fn session(&self, env: &[(&str, &str)]) -> Served {
        let (server, client) = UnixStream::pair().expect("a pair");
        let input = OwnedFd::from(server.try_clone().expect("a copy"));
        self.serve(input, server.into(), client, env, b"")
    }

    fn serve(
        &self,
        input: OwnedFd,
        output: OwnedFd,
        client: UnixStream,
        env: &[(&str, &str)],
        ahead: &[u8],
    ) -> Served {
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("set");
        let call = self.call(env, ahead);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = lines.clone();
        let server = std::thread::spawn(move || {
            let sink = move |line: &[u8]| {
                let line = String::from_utf8(line.to_vec()).expect("ASCII");
                into.lock().expect("not poisoned").push(line);
                Said::Written
            };
            let log = Log::to("pop3d", Some(b"192.0.2.1"), Box::new(sink));
            let exit = converse(&call, log, |limits| Ok(Conn::new(input, output, limits)));
            assert_eq!(exit, Exit::OK);
        });
        Served {
            client,
            server: Some(server),
            lines,
        }
    }
}

struct Served {
    client: UnixStream,
    server: Option<JoinHandle<()>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Served {
    fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).expect("taken");
    }

    /// Reads just what is expected.
    #[track_caller]
    fn expect(&mut self, text: &str) {
        let mut buffer = vec![0; text.len()];
        self.client.read_exact(&mut buffer).expect("said");
        assert_eq!(String::from_utf8_lossy(&buffer), text);
    }

    #[track_caller]
    fn dialogue(&mut self, lines: &[(&str, &str)]) {
        for (line, reply) in lines {
            self.send(&format!("{line}\r\n"));
            self.expect(&format!("{reply}\r\n"));
        }
    }

    /// What is still said until the session is over, and the log.
    fn rest(mut self) -> (String, Vec<String>) {
        let mut rest = String::new();
        self.client.read_to_string(&mut rest).expect("text");
        (rest, self.join())
    }

    fn join(&mut self) -> Vec<String> {
        if let Some(server) = self.server.take() {
            server.join().expect("no panic");
        }
        self.lines.lock().expect("not poisoned").clone()
    }
}

#[test]
fn a_session_ends_with_the_deleted_gone_and_the_new_ones_old() {
    let place = Place::new();
    place.put("new/1.x", b"A: b\n\none\n");
    place.put("cur/2.x:2,S", b"A: b\n\n.two");
    place.put("new/3.x", b"A: b\n\nthree\n");
    let mut served = place.session(&[]);
    served.expect("+OK \r\n");
    served.dialogue(&[
        ("STAT", "+OK 3 42"),
        ("UIDL", "+OK \r\n1 1.x\r\n2 2.x\r\n3 3.x\r\n."),
        ("RETR 2", "+OK \r\nA: b\r\n\r\n..two\r\n."),
        ("DELE 2", "+OK "),
        ("DELE 3", "+OK "),
    ]);
    assert_eq!(place.names(), ["cur/2.x:2,S", "new/1.x", "new/3.x"]);
    served.send("QUIT\r\n");
    let (rest, log) = served.rest();
    assert_eq!(rest, "+OK \r\n");
    assert_eq!(place.names(), ["cur/1.x:2,"]);
    assert_eq!(
        log,
        [
            "pop3d: session ip=192.0.2.1 user=alice retr=1 top=0 dele=2 bytes=14 messages=3 \
          seconds=0 end=quit\n"
        ]
    );
}

#[test]
fn a_client_who_goes_away_or_falls_silent_has_changed_nothing() {
    for (env, end) in [(&[][..], "closed"), (&[("TIMEOUT", "1")], "timeout")] {
        let place = Place::new();
        place.put("new/1.x", b"A: b\n\none\n");
        let mut served = place.session(env);
        served.expect("+OK \r\n");
        served.dialogue(&[("DELE 1", "+OK ")]);
        served.send("QUI");
        if end == "closed" {
            served
                .client
                .shutdown(std::net::Shutdown::Write)
                .expect("open");
        }
        let (rest, log) = served.rest();
        assert_eq!((rest.as_str(), log.len()), ("", 1));
        assert!(log[0].contains(" dele=0 "), "{log:?}");
        assert!(log[0].ends_with(&format!(" end={end}\n")), "{log:?}");
        assert_eq!(place.names(), ["new/1.x"]);
    }
}

#[test]
fn the_time_of_a_session_has_an_end_however_busy_the_client() {
    let place = Place::new();
    let mut served = place.session(&[("SESSION_TIMEOUT", "1")]);
    served.expect("+OK \r\n");
    let start = Instant::now();
    while served.client.write_all(b"NOOP\r\n").is_ok() {
        assert!(start.elapsed() < Duration::from_secs(8));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(served.join()[0].ends_with(" end=session-timeout\n"));
}

#[test]
fn commands_sent_all_at_once_are_answered_in_order_also_those_read_before() {
    let place = Place::new();
    place.put("cur/1.x:2,", b"one\n");
    let (server, mut client) = UnixStream::pair().expect("a pair");
    client
        .write_all(b"P\r\nDELE 1\r\nSTAT\r\nQUIT\r\nNOOP\r\n")
        .expect("taken");
    let input = OwnedFd::from(server.try_clone().expect("a copy"));
    let served = place.serve(input, server.into(), client, &[], b"STAT\r\nRETR 1\r\nNOO");
    let (rest, _) = served.rest();
    assert_eq!(
        rest,
        "+OK \r\n+OK 1 5\r\n+OK \r\none\r\n.\r\n+OK \r\n+OK \r\n+OK 0 0\r\n+OK \r\n"
    );
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn two_pipes_do_as_well_as_a_socket() {
    let place = Place::new();
    let text = vec![b'\n'; 300_000];
    place.put("cur/1.x:2,", &text);
    let (input, mut to) = std::io::pipe().expect("a pipe");
    let (mut from, output) = std::io::pipe().expect("a pipe");
    let (unused, _) = UnixStream::pair().expect("a pair");
    let mut served = place.serve(input.into(), output.into(), unused, &[], b"");
    to.write_all(b"RETR 1\r\nQUIT\r\n").expect("room");
    let mut said = Vec::new();
    from.read_to_end(&mut said).expect("read");
    served.join();
    let lines = "\r\n".repeat(300_000);
    assert!(said == format!("+OK \r\n+OK \r\n{lines}.\r\n+OK \r\n").as_bytes());
}

#[test]
fn a_line_of_the_limit_is_a_command_and_a_longer_one_is_refused_and_no_more() {
    let place = Place::new();
    let mut served = place.session(&[]);
    served.expect("+OK \r\n");
    let blanks = |count: usize| " ".repeat(count - 4);
    served.dialogue(&[
        (&format!("NOOP{}", blanks(session::LINE_LIMIT)), "+OK "),
        (
            &format!("NOOP{}", blanks(session::LINE_LIMIT + 1)),
            "-ERR line too long",
        ),
        ("NOOP\0", "-ERR a command has no NUL"),
        ("NOOP", "+OK "),
    ]);
}

#[test]
fn a_message_is_sent_and_removed_under_the_name_that_it_has_now() {
    let place = Place::new();
    place.put("new/1.x", b"one\n");
    place.put("cur/2.x:2,", b"two\n");
    place.put("cur/3.x:2,", b"three\n");
    let mut served = place.session(&[]);
    served.expect("+OK \r\n");
    served.dialogue(&[("DELE 2", "+OK ")]);
    let rename = |from: &str, to: &str| {
        fs::rename(place.dir().join(from), place.dir().join(to)).expect("renamed");
    };
    rename("new/1.x", "cur/1.x:2,S");
    rename("cur/2.x:2,", "cur/2.x:2,FS");
    fs::remove_file(place.dir().join("cur/3.x:2,")).expect("removed");
    served.dialogue(&[
        ("RETR 1", "+OK \r\none\r\n."),
        ("RETR 3", "-ERR unable to open that message"),
        ("DELE 3", "+OK "),
        ("QUIT", "+OK "),
    ]);
    assert_eq!(served.rest().0, "");
    assert_eq!(place.names(), ["cur/1.x:2,S"]);
}

#[test]
fn a_maildir_that_is_none_is_told_and_logged() {
    let place = Place::new();
    fs::remove_dir(place.dir().join("new")).expect("removed");
    let (rest, log) = place.session(&[]).rest();
    assert_eq!(rest, "-ERR unable to scan $HOME/Maildir\r\n");
    assert!(log[0].starts_with("pop3d: fault ip=192.0.2.1 user=alice reason=\"unable to scan "));
    fs::remove_dir_all(place.dir()).expect("removed");
    for env in [&[][..], &[("POP3D_LOCK", "1")]] {
        let (rest, log) = place.session(env).rest();
        assert_eq!(rest, "-ERR this user has no $HOME/Maildir\r\n");
        assert_eq!(log.len(), 1);
    }
}

#[test]
fn without_an_argument_there_is_no_maildir() {
    let settings = Settings::read(&chain::Env::default()).expect("settings");
    for dir in [None, Some(Path::new(""))] {
        let refusal = open(dir, &settings).expect_err("none");
        assert_eq!(refusal.reply, replies::NO_MAILDIR);
    }
}

#[test]
fn with_the_lock_there_is_one_session_at_a_time() {
    let place = Place::new();
    let env = [("POP3D_LOCK", "1")];
    let mut first = place.session(&env);
    first.expect("+OK \r\n");
    let (rest, log) = place.session(&env).rest();
    assert_eq!(
        rest,
        "-ERR [IN-USE] another session has this mailbox open\r\n"
    );
    assert!(log[0].contains(" has locked "));
    // It is asked for, so others may do without.
    place.session(&[]).expect("+OK \r\n");
    first.dialogue(&[("QUIT", "+OK ")]);
    first.join();
    place.session(&env).expect("+OK \r\n");
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn a_style_of_ids_that_does_not_exist_is_told_and_logged() {
    let (rest, log) = Place::new().session(&[("POP3D_UIDL", "uw")]).rest();
    assert_eq!(
        rest,
        "-ERR [SYS/PERM] unable to use the configuration of this server\r\n"
    );
    assert_eq!(
        log,
        [
            "pop3d: fault ip=192.0.2.1 user=alice reason=\"unable to use variable POP3D_UIDL: uw is \
          none of name, mailfront, md5, courier and dovecot\"\n"
        ]
    );
}

#[test]
fn what_makes_no_sense_in_the_environment_is_warned_of() {
    let place = Place::new();
    let mut served = place.session(&[("TIMEOUT", "1h")]);
    served.expect("+OK \r\n");
    served.dialogue(&[("QUIT", "+OK ")]);
    let (_, log) = served.rest();
    assert_eq!(
        log[0],
        "pop3d: warning ip=192.0.2.1 user=alice reason=\"TIMEOUT is ignored: 1h is not a number of \
         seconds\"\n"
    );
}

#[test]
fn the_ids_of_dovecot_are_kept_and_new_messages_get_the_next() {
    let place = Place::new();
    for name in ["cur/1.x:2,S", "cur/2.x:2,", "new/3.x"] {
        place.put(name, b"A: b\n\n");
    }
    fs::write(
        place.dir().join("dovecot-uidlist"),
        "3 V1700000000 N12 G0123456789abcdef0123456789abcdef\n7 :1.x\n11 PUID-of-old W9 :2.x\n",
    )
    .expect("written");
    for _ in 0..2 {
        let mut served = place.session(&[("POP3D_UIDL", "dovecot")]);
        served.expect("+OK \r\n");
        served.dialogue(&[(
            "UIDL",
            "+OK \r\n1 000000076553f100\r\n2 UID-of-old\r\n3 0000000c6553f100\r\n.",
        )]);
    }
}

#[test]
fn the_ids_of_courier_are_kept() {
    let place = Place::new();
    for name in ["cur/1.x:2,S", "cur/2.x:2,", "new/3.x"] {
        place.put(name, b"A: b\n\n");
    }
    fs::write(
        place.dir().join("courierpop3dsizelist"),
        "/3 9 1700000000\n1.x 8 5:1700000000:0\n2.x:2, 8 6:1600000000:0\n",
    )
    .expect("written");
    let mut served = place.session(&[("POP3D_UIDL", "courier")]);
    served.expect("+OK \r\n");
    served.dialogue(&[(
        "UIDL",
        "+OK \r\n1 UID5-1700000000\r\n2 UID6-1600000000\r\n3 3.x\r\n.",
    )]);
}

#[test]
fn uid_0_is_not_served() {
    if os::identity::effective_uid() != 0 {
        return;
    }
    let call = Call {
        name: "pop3d".to_owned(),
        args: vec!["Maildir".into()],
        env: chain::Env::default(),
        ahead: Vec::new(),
        applets: &[],
    };
    assert_eq!(main(call), Exit::NO);
}
