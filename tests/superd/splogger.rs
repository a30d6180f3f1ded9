//! splogger against syslog sockets of the tests' own: what it sends to the byte, and what it does when
//! nobody takes it.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kit::{DEADLINE, Done, Run, Server, Side, bin, note_left_out, private_dir, run};

/// A syslog that a test plays itself.
struct Syslog {
    socket: UnixDatagram,
    path: PathBuf,
    _dir: Option<tempfile::TempDir>,
}

impl Syslog {
    fn new() -> Syslog {
        let dir = private_dir(0o755);
        let mut syslog = Syslog::at(&dir.path().join("log"));
        syslog._dir = Some(dir);
        syslog
    }

    fn at(path: &Path) -> Syslog {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Syslog {
            socket,
            path: path.to_owned(),
            _dir: None,
        }
    }

    fn message(&self) -> String {
        let mut buffer = [0; 4096];
        let count = self.socket.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    /// Ends it: nobody takes what is sent to its socket any more, also no process that another test has just forked
    /// and that has still to execute its program.
    fn end(self) {
        let Syslog { socket, path, .. } = self;
        drop(socket);
        let asks = UnixDatagram::unbound().unwrap();
        let start = Instant::now();
        while asks.connect(&path).is_ok() {
            assert!(start.elapsed() < DEADLINE, "the socket stays open");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::fs::remove_file(&path).unwrap();
    }

    /// All that has come, for a splogger that is done.
    fn messages(&self) -> Vec<String> {
        let wait = Some(Duration::from_millis(1));
        self.socket.set_read_timeout(wait).unwrap();
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(count) => all.push(String::from_utf8_lossy(&buffer[..count]).into_owned()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    return all;
                }
            }
        }
    }
}

/// Runs splogger with this input to its end.
fn splog(syslog: &Path, words: &[&str], input: impl AsRef<[u8]>) -> Done {
    let program = Run::new(bin("splogger")).args(words).input(input);
    program.env("SPLOGGER_SOCKET", syslog).done()
}

/// What syslog has got of an input. It must fit into a socket: ten messages or so.
fn logged(words: &[&str], input: impl AsRef<[u8]>) -> Vec<String> {
    let syslog = Syslog::new();
    let done = splog(&syslog.path, words, input);
    assert_eq!((done.code, done.err()), (Some(0), String::new()));
    syslog.messages()
}

/// `<PRI>`, date, tag and colon, time, the byte behind it, and the text.
fn parts(message: &str) -> (&str, &str, &str, &str, char, &str) {
    let (number, rest) = message.split_at(message.find('>').unwrap() + 1);
    let (date, rest) = rest.split_at("Mmm dd hh:mm:ss ".len());
    let (tag, rest) = rest.split_once(' ').unwrap();
    let end = rest.find([' ', '+']).unwrap();
    let mark = rest[end..].chars().next().unwrap();
    (number, date, tag, &rest[..end], mark, &rest[end + 1..])
}

fn texts(messages: &[String]) -> Vec<&str> {
    messages.iter().map(|message| parts(message).5).collect()
}

/// A splogger that runs, to be written to.
struct Running {
    child: Child,
}

impl Running {
    fn start(syslog: &Path) -> Running {
        let child = Command::new(bin("splogger"))
            .args(["t", "3"])
            .env("SPLOGGER_SOCKET", syslog)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running { child }
    }

    fn say(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
    }

    /// Ends its input; its exit code, and what it said to descriptor 2.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.child.stdin.take());
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        let status = run::wait(&mut self.child, Instant::now() + DEADLINE);
        (status.expect("an end").code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[test]
fn a_line_is_a_message_with_tag_and_time_in_microseconds() {
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let messages = logged(&["smtpd", "3"], "hello world\n");
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(messages.len(), 1);
    let (number, _, tag, time, mark, text) = parts(&messages[0]);
    assert_eq!(
        (number, tag, mark, text),
        ("<30>", "smtpd:", ' ', "hello world")
    );
    let (seconds, micros) = time.split_once('.').unwrap();
    assert_eq!(micros.len(), 6);
    let time = Duration::from_secs(seconds.parse().unwrap())
        + Duration::from_micros(micros.parse().unwrap());
    assert!(before.as_micros() <= time.as_micros() && time <= after);
}

#[test]
fn without_words_the_tag_is_splogger_and_the_facility_mail() {
    let messages = logged(&[], "x\n");
    let (number, _, tag, ..) = parts(&messages[0]);
    assert_eq!((number, tag), ("<22>", "splogger:"));
}

#[test]
fn a_facility_is_a_number_that_nobody_checks_or_a_name() {
    for (facility, number) in [
        ("3", "<30>"),
        ("99", "<798>"),
        ("mail", "<22>"),
        ("local7", "<190>"),
    ] {
        let messages = logged(&["t", facility], "x\n");
        assert_eq!(parts(&messages[0]).0, number, "{facility}");
    }
}

#[test]
fn a_facility_that_there_is_not_is_told_and_the_lines_are_logged() {
    let syslog = Syslog::new();
    let done = splog(&syslog.path, &["t", "maill"], "x\n");
    assert_eq!(done.code, Some(0));
    assert_eq!(
        done.err(),
        "splogger: warning: unknown facility maill: kern is taken\n"
    );
    assert_eq!(parts(&syslog.message()).0, "<6>");
}

#[test]
fn an_option_that_there_is_not_ends_it_at_once() {
    let done = splog(Path::new("/nowhere"), &["-x", "t"], "x\n");
    assert_eq!(done.code, Some(100));
    let usage =
        "splogger: illegal option -- x\nsplogger: usage: splogger [ -8 ] [ tag [ facility ] ]\n";
    assert_eq!(done.err(), usage);
}

#[test]
fn the_header_is_that_of_logger_in_every_time_zone() {
    let Some(logger) = ["/usr/bin/logger", "/bin/logger"]
        .into_iter()
        .find(|path| Path::new(path).exists())
    else {
        note_left_out("the header of a syslog message", "there is no logger");
        return;
    };
    for zone in ["UTC", "America/New_York", "Asia/Kathmandu", "XYZ-3", ""] {
        let matches = (0..20).any(|_| {
            let theirs = Syslog::new();
            let done = Run::new(logger)
                .args(["-t", "tag", "-p", "daemon.info", "-u"])
                .arg(&theirs.path)
                .arg("text")
                .env("TZ", zone)
                .done();
            assert_eq!(done.code, Some(0), "{}", done.err());
            let ours = Syslog::new();
            let done = Run::new(bin("splogger"))
                .args(["tag", "daemon"])
                .input("text\n")
                .env("TZ", zone)
                .env("SPLOGGER_SOCKET", &ours.path)
                .done();
            assert_eq!(done.code, Some(0), "{}", done.err());
            let (theirs, ours) = (theirs.message(), ours.message());
            let head = theirs.strip_suffix("text").expect("logger's text");
            // The second may have changed in between.
            ours.starts_with(head)
        });
        assert!(matches, "{zone}");
    }
}

#[test]
fn a_line_says_how_urgent_it_is() {
    let lines = "alert: a\nwarning: b\nerror: c\n warning: d\nwarning e\n";
    let messages = logged(&["t", "2"], lines);
    let numbers: Vec<&str> = messages.iter().map(|message| parts(message).0).collect();
    assert_eq!(numbers, ["<17>", "<20>", "<22>", "<22>", "<22>"]);
}

#[test]
fn no_byte_but_printable_ascii_gets_into_syslog() {
    let messages = logged(&["t"], b"a\tb\r\x1b[0m\xc3\xa9%s%n\n");
    assert_eq!(texts(&messages), ["a?b??[0m??%s%n"]);
}

#[test]
fn characters_of_utf_8_are_kept_where_asked_for() {
    let messages = logged(&["-8", "t"], "é漢\u{202e}\x07\n");
    assert_eq!(texts(&messages), ["é漢????"]);
}

#[test]
fn an_empty_line_is_no_message_and_the_last_line_needs_no_newline() {
    let messages = logged(&["t"], "\na\n\n \nlast");
    assert_eq!(texts(&messages), ["a", " ", "last"]);
}

#[test]
fn a_long_line_goes_on_with_a_plus_the_same_time_and_priority() {
    let line = format!("warning:{}", "x".repeat(2000 - 8));
    let messages = logged(&["t"], format!("{line}\n"));
    let all: Vec<_> = messages.iter().map(|message| parts(message)).collect();
    let marks: Vec<char> = all.iter().map(|parts| parts.4).collect();
    assert_eq!(marks, [' ', '+', '+']);
    let lengths: Vec<usize> = all.iter().map(|parts| parts.5.len()).collect();
    assert_eq!(lengths, [799, 799, 402]);
    assert!(
        all.iter()
            .all(|parts| parts.0 == "<20>" && parts.3 == all[0].3)
    );
    assert_eq!(texts(&messages).concat(), line);
}

#[test]
fn a_syslog_that_listens_for_streams_gets_them() {
    let dir = private_dir(0o755);
    let path = dir.path().join("log");
    let syslog = UnixListener::bind(&path).unwrap();
    let done = splog(&path, &["t"], "one\ntwo\n");
    assert_eq!((done.code, done.err()), (Some(0), String::new()));
    let mut all = String::new();
    syslog.accept().unwrap().0.read_to_string(&mut all).unwrap();
    let messages: Vec<String> = all.split_terminator('\0').map(str::to_owned).collect();
    assert_eq!(texts(&messages), ["one", "two"]);
}

#[test]
fn without_a_syslog_descriptor_2_gets_the_lines() {
    let dir = private_dir(0o755);
    let path = dir.path().join("log");
    let start = Instant::now();
    let done = splog(&path, &["t"], "one\ntwo");
    assert_eq!(done.code, Some(0));
    assert!(start.elapsed() < Duration::from_secs(10));
    let said = done.err();
    let lines: Vec<&str> = said.lines().collect();
    let path = path.display();
    let warning = format!(
        "splogger: warning: unable to reach syslog at {path}: file does not exist; its last lines follow"
    );
    assert_eq!(lines[0], warning);
    assert!(lines[1].starts_with("t: ") && lines[1].ends_with(" one"));
    assert!(lines[2].starts_with("t: ") && lines[2].ends_with(" two"));
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_syslog_that_is_started_anew_gets_what_was_said_meanwhile() {
    let dir = private_dir(0o755);
    let path = dir.path().join("log");
    let first = Syslog::at(&path);
    let mut splogger = Running::start(&path);
    splogger.say("one\n");
    assert!(first.message().ends_with(" one"));
    first.end();
    splogger.say("two\n");
    std::thread::sleep(Duration::from_millis(500));
    splogger.say("three\n");
    let second = Syslog::at(&path);
    assert!(second.message().ends_with(" two"));
    assert!(second.message().ends_with(" three"));
    // Gone once more, and with nothing to say meanwhile.
    second.end();
    let third = Syslog::at(&path);
    splogger.say("four\n");
    assert!(third.message().ends_with(" four"));
    assert_eq!(splogger.end(), (Some(0), String::new()));
}

#[test]
fn a_syslog_that_stays_away_leaves_the_lines_to_descriptor_2_until_it_is_back() {
    let dir = private_dir(0o755);
    let path = dir.path().join("log");
    let mut splogger = Running::start(&path);
    splogger.say("one\n");
    let start = Instant::now();
    let mut said = String::new();
    let mut stderr = splogger.child.stderr.take().unwrap();
    while !said.ends_with(" one\n") {
        let mut buffer = [0; 1000];
        let count = stderr.read(&mut buffer).unwrap();
        assert!(count > 0, "{said}");
        said.push_str(str::from_utf8(&buffer[..count]).unwrap());
    }
    assert!(start.elapsed() >= Duration::from_secs(4), "{said}");
    let syslog = Syslog::at(&path);
    std::thread::sleep(Duration::from_millis(1100));
    splogger.say("two\n");
    assert!(syslog.message().ends_with(" two"));
    splogger.child.stderr = Some(stderr);
    assert_eq!(splogger.end(), (Some(0), String::new()));
}

/// Writes so many lines into a splogger whose syslog takes nothing; the longest time of a write.
fn write_lines(splogger: &mut Running, count: usize) -> Duration {
    let mut longest = Duration::ZERO;
    let rest = "x".repeat(90);
    for number in 0..count {
        let start = Instant::now();
        splogger.say(&format!("{number:07} {rest}\n"));
        longest = longest.max(start.elapsed());
    }
    longest
}

#[test]
fn whoever_writes_does_not_wait_for_a_syslog_that_is_stuck_and_what_is_dropped_is_told() {
    const LINES: usize = 100_000;
    let syslog = Syslog::new();
    let mut splogger = Running::start(&syslog.path);
    let longest = write_lines(&mut splogger, LINES);
    // HOLD is 0.9 s; the rest is for a machine that is busy.
    assert!(longest < Duration::from_millis(1500), "{longest:?}");
    // It is taken up again.
    let (mut next, mut dropped) = (0, 0);
    let mut last_said = false;
    while next < LINES || !last_said {
        let message = syslog.message();
        let (number, _, _, _, _, text) = parts(&message);
        if text == "last" {
            last_said = true;
        } else if let Some(told) = text.strip_prefix("warning: ") {
            assert_eq!(number, "<28>");
            let count: usize = told.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(told, format!("{count} lines dropped"));
            dropped += count;
            next += count;
        } else {
            assert_eq!(
                text[..7].parse::<usize>().unwrap(),
                next,
                "nothing is lost silently"
            );
            next += 1;
        }
        if next == LINES && !last_said {
            splogger.say("last\n");
        }
    }
    assert!(dropped > LINES / 2, "{dropped}");
    let (code, said) = splogger.end();
    assert_eq!((code, said.as_str()), (Some(111), ""));
}

#[test]
fn a_syslog_that_is_slow_gets_everything_of_a_burst() {
    const LINES: usize = 20_000;
    let syslog = Syslog::new();
    let mut splogger = Running::start(&syslog.path);
    let writer = std::thread::spawn(move || {
        let longest = write_lines(&mut splogger, LINES);
        (longest, splogger.end())
    });
    for number in 0..LINES {
        let message = syslog.message();
        let text = parts(&message).5;
        assert_eq!(text[..7].parse::<usize>().unwrap(), number);
        if number % 500 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let (longest, end) = writer.join().unwrap();
    assert!(longest < Duration::from_millis(1500), "{longest:?}");
    assert_eq!(end, (Some(0), String::new()));
}

#[test]
fn a_syslog_that_is_stuck_at_the_end_leaves_the_rest_to_descriptor_2() {
    let syslog = Syslog::new();
    let mut splogger = Running::start(&syslog.path);
    write_lines(&mut splogger, 300);
    let (code, said) = splogger.end();
    assert_eq!(code, Some(0), "{said}");
    let sent = syslog.messages().len();
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].ends_with("takes no more; its last lines follow"),
        "{}",
        lines[0]
    );
    assert_eq!(sent + lines.len() - 1, 300);
    assert!(lines[300 - sent].contains(" 0000299 "));
}

#[test]
fn a_service_can_be_piped_into_it() {
    let syslog = Syslog::new();
    let splogger = Command::new(bin("splogger"))
        .args(["smtpd", "3"])
        .env("SPLOGGER_SOCKET", &syslog.path)
        .stdin(Stdio::piped())
        .spawn();
    let mut splogger = splogger.unwrap();
    let pipe = splogger.stdin.take().unwrap();
    let mut server = Server::of(Side::Ours)
        .options(["-vHRl0"])
        .stderr(pipe)
        .start();
    server.talk();
    for expected in [
        "status: 0/40",
        "status: 1/40",
        "pid ",
        "ok ",
        "end ",
        "status: 0/40",
    ] {
        let message = syslog.message();
        let text = parts(&message).5;
        assert!(
            text.starts_with(&format!("tcpserver: {expected}")),
            "{text}"
        );
    }
    server.signal("TERM");
    server.wait();
    let status = run::wait(&mut splogger, Instant::now() + DEADLINE);
    assert_eq!(status.expect("an end").code(), Some(0));
}
