//! recordio, beside the original: its lines to the byte, whose end is seen, and that it never stands in
//! the way.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kit::log::pid_of;
use kit::pop3::{HOST, Office, PASSWORD};
use kit::{DEADLINE, Run, Server, Side, as_root, bin, peer, run};

/// The original (where it is there) and ours.
fn programs() -> Vec<PathBuf> {
    peer("recordio")
        .into_iter()
        .chain([bin("recordio")])
        .collect()
}

/// A conversation with a program under a recorder.
struct Talk {
    child: Child,
    client: UnixStream,
}

impl Talk {
    fn start(recordio: &PathBuf, words: &[&str]) -> Talk {
        let (client, server) = UnixStream::pair().unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let other = server.try_clone().unwrap();
        let child = Command::new(recordio)
            .args(words)
            .stdin(std::os::fd::OwnedFd::from(server))
            .stdout(std::os::fd::OwnedFd::from(other))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Talk { child, client }
    }

    fn expect(&mut self, text: &str) {
        let mut got = vec![0; text.len()];
        self.client.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), text);
    }

    /// The rest of what the client gets, and the record, with PID for the program's number, first
    /// of what went in and then of what came out; and the exit code.
    fn end(mut self) -> (String, String, Option<i32>) {
        let mut rest = Vec::new();
        self.client.read_to_end(&mut rest).unwrap();
        let mut record = Vec::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_end(&mut record).unwrap();
        let status = run::wait(&mut self.child, Instant::now() + DEADLINE);
        let pid = self.child.id().to_string();
        let record: String = record.iter().map(|&byte| char::from(byte)).collect();
        let record = record.replace(&pid, "PID");
        let (inward, outward): (Vec<&str>, Vec<&str>) = record
            .split_inclusive('\n')
            .partition(|line| line.starts_with("PID < "));
        let rest = String::from_utf8_lossy(&rest).into_owned();
        let record = [inward, outward].concat().concat();
        (rest, record, status.expect("an end").code())
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a shell text does under each recorder with this input, all of which is there at once.
fn both(text: &str, input: &[u8]) -> (String, String, Option<i32>) {
    let mut results = programs().into_iter().map(|recordio| {
        let mut talk = Talk::start(&recordio, &["/bin/sh", "-c", text]);
        talk.client.write_all(input).unwrap();
        talk.client.shutdown(Shutdown::Write).unwrap();
        talk.end()
    });
    let first = results.next().unwrap();
    for other in results {
        assert_eq!(first, other);
    }
    first
}

#[test]
fn lines_and_ends_are_recorded_as_the_original_does_it() {
    let text = "cat >/dev/null; printf 'x\\n\\ny\\tz\\r\\n\\377end'; exit 7";
    let (said, record, code) = both(text, b"one\n\ntwo \xff\x00\n three");
    assert_eq!(said, "x\n\ny\tz\r\n\u{fffd}end");
    assert_eq!(
        record,
        "PID < one \nPID <  \nPID < two \u{ff}\0 \nPID <  three+\nPID < [EOF]\n\
         PID > x \nPID >  \nPID > y\tz\r \nPID > \u{ff}end+\nPID > [EOF]\n"
    );
    assert_eq!(code, Some(7));
}

#[test]
fn long_data_is_cut_where_the_original_cuts_it() {
    for count in [255, 256, 257, 511, 512, 513, 1000] {
        let mut input = vec![b'a'; count];
        input.extend(b"\nb\n");
        let text = format!("cat >/dev/null; exec head -c {} /dev/zero", count.min(600));
        let (_, record, _) = both(&text, &input);
        let longest = record.lines().map(str::len).max().unwrap();
        assert_eq!(longest, "PID < ".len() + count.min(256) + 1, "{count}");
    }
}

#[test]
fn a_dialogue_is_recorded_in_its_order() {
    for recordio in programs() {
        let text = "echo hello; read a; echo \"got $a\"; printf '? '; read b; exit 3";
        let mut talk = Talk::start(&recordio, &["/bin/sh", "-c", text]);
        talk.expect("hello\n");
        talk.client.write_all(b"one\n").unwrap();
        // The question may be read together with the line before it: that makes no difference.
        talk.expect("got one\n? ");
        let pid = talk.child.id();
        talk.client.write_all(b"two\n").unwrap();
        let mut record = String::new();
        let mut stderr = talk.child.stderr.take().unwrap();
        stderr.read_to_string(&mut record).unwrap();
        let expected = [
            "> hello ",
            "< one ",
            "> got one ",
            "> ? +",
            "< two ",
            "> [EOF]",
        ];
        let expected: String = expected.map(|line| format!("{pid} {line}\n")).concat();
        assert_eq!(record, expected);
        let status = run::wait(&mut talk.child, Instant::now() + DEADLINE);
        assert_eq!(status.expect("an end").code(), Some(3));
    }
}

#[test]
fn a_program_that_cannot_be_run_is_told_as_the_original_tells_it() {
    for recordio in programs() {
        for (words, code, said) in [
            (
                &[][..],
                100,
                "recordio: usage: recordio program [ arg ... ]\n",
            ),
            (
                &["/nonexistent"],
                111,
                "recordio: fatal: unable to run /nonexistent: file does not exist\n",
            ),
        ] {
            let talk = Talk::start(&recordio, words);
            let (_, record, status) = talk.end();
            assert_eq!(status, Some(code));
            assert!(record.contains(said), "{record}");
        }
    }
}

#[test]
fn a_program_that_has_closed_its_input_goes_on_talking() {
    let text = "exec <&-; echo closed; sleep 0.3; echo still here";
    let mut talk = Talk::start(&bin("recordio"), &["/bin/sh", "-c", text]);
    talk.expect("closed\n");
    talk.client.write_all(b"one\n").unwrap();
    let (said, _, code) = talk.end();
    assert_eq!((said.as_str(), code), ("still here\n", Some(0)));
}

#[test]
fn megabytes_pass_unchanged_in_both_directions_at_once() {
    let mut talk = Talk::start(&bin("recordio"), &["/bin/cat"]);
    let mut stderr = talk.child.stderr.take().unwrap();
    let log = std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    let sent: Vec<u8> = (0..3_000_000_u32)
        .map(|at| (at.wrapping_mul(at) >> 7) as u8)
        .collect();
    let mut writer = talk.client.try_clone().unwrap();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut got = Vec::new();
    talk.client.read_to_end(&mut got).unwrap();
    writer.join().unwrap();
    assert!(got == sent, "{} bytes", got.len());
    assert!(log.join().unwrap().unwrap() > 6_000_000);
}

#[test]
fn a_log_that_nobody_reads_does_not_hold_the_conversation_up_and_the_gap_is_told() {
    let mut talk = Talk::start(&bin("recordio"), &["/bin/cat"]);
    let start = Instant::now();
    let line = format!("{}\n", "x".repeat(99));
    for _ in 0..3000 {
        talk.client.write_all(line.as_bytes()).unwrap();
        talk.expect(&line);
    }
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    // As soon as it is read there are lines again.
    let mut stderr = talk.child.stderr.take().unwrap();
    let mut buffer = vec![0; 1 << 17];
    assert!(stderr.read(&mut buffer).unwrap() > 0);
    talk.client.write_all(b"last\n").unwrap();
    talk.expect("last\n");
    talk.client.shutdown(Shutdown::Write).unwrap();
    let mut record = String::new();
    stderr.read_to_string(&mut record).unwrap();
    let told = format!("recordio: warning: {}: ", talk.child.id());
    let told = record.lines().find_map(|line| line.strip_prefix(&told));
    let told = told.unwrap_or_else(|| panic!("{record}"));
    assert!(told.ends_with(" lines dropped"), "{told}");
    assert!(record.contains(" < last \n"));
}

#[test]
fn under_superd_the_record_has_the_number_and_the_end_of_the_program() {
    let words = [
        "recordio",
        "/bin/sh",
        "-c",
        "read a; echo \"got $a\"; exit 9",
    ];
    let server = Server::of(Side::Ours)
        .options(["-vHRl0"])
        .handler(words)
        .start();
    let mut client = server.connect();
    client.say("hello");
    assert_eq!(client.text(), "got hello\r\n");
    let pid = pid_of(&server.wait_for(": ok "));
    server.wait_for(&format!("{pid} < hello\r "));
    server.wait_for(&format!("{pid} > got hello\r "));
    server.wait_for(&format!("end {pid} status 2304"));
}

#[test]
fn a_program_of_ours_is_found_by_its_bare_name() {
    let home = kit::private_dir(0o755);
    let words = ["recordio", "smtpd"];
    let server = Server::of(Side::Ours)
        .options(["-vHRl0"])
        .env("SUPERD_HOME", home.path())
        .handler(words)
        .start();
    let mut client = server.connect();
    client.expect("220 ");
    client.say("NOOP");
    client.expect("250 ");
    client.say("QUIT");
    client.expect("221 ");
    server.wait_for(" < NOOP\r ");
    server.wait_for(" > 221 ");
}

#[test]
fn behind_the_login_it_records_what_was_sent_ahead_of_it_and_no_password() {
    let office = Office::new();
    let words = ["popup", HOST, "checkpw", "recordio", "pop3d", "Maildir"];
    let server = office.serve(&words).start();
    let mut client = server.connect();
    client.send(format!("USER joe\r\nPASS {PASSWORD}\r\nSTAT\r\nQUIT\r\n"));
    let said = client.text();
    assert!(said.ends_with("+OK 0 0\r\n+OK \r\n"), "{said}");
    let pid = pid_of(&server.wait_for(": ok "));
    server.wait_for(&format!("{pid} < STAT\r "));
    server.wait_for(&format!("{pid} > +OK 0 0\r "));
    server.wait_for(&format!("{pid} > [EOF]"));
    assert!(!server.log().iter().any(|line| line.contains(PASSWORD)));
}

#[test]
fn the_program_has_the_variables_of_an_ipv6_client_as_they_were() {
    let variables = [
        ("PROTO", "TCP6"),
        ("TCPREMOTEIP", "2001:db8::7"),
        ("TCP6REMOTEIP", "2001:db8::7"),
        ("TCPLOCALIP", "::1"),
        ("TCP6INTERFACE", "lo"),
    ];
    let mut run = Run::new(bin("recordio")).args(["/bin/sh", "-c", "env; cat"]);
    for (name, value) in variables {
        run = run.env(name, value);
    }
    let done = run.input("from ::ffff:192.0.2.1\n").done();
    assert_eq!(done.code, Some(0));
    for (name, value) in variables {
        let line = format!("{name}={value}\n");
        assert!(done.out().contains(&line), "{line}{}", done.out());
    }
    assert!(
        done.err().contains(" < from ::ffff:192.0.2.1 \n"),
        "{}",
        done.err()
    );
}

#[test]
fn the_recorder_is_not_root() {
    if !as_root("the recorder's user") {
        return;
    }
    let mut talk = Talk::start(&bin("recordio"), &["/bin/cat"]);
    talk.client.write_all(b"x").unwrap();
    talk.expect("x");
    let pid = talk.child.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", children.trim())).unwrap();
    let uids = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .unwrap();
    assert!(!uids.split_whitespace().any(|uid| uid == "0"), "{uids}");
}
