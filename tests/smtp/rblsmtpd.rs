//! rblsmtpd, beside the original: who is refused and with which words, what is asked, and how long
//! anything may take. Look-ups need root: the test's own name server stands on port 53 of a
//! loopback address.

use std::time::{Duration, Instant};

use kit::dns::{A, Answer, Dns, TXT};
use kit::log::pid_of;
use kit::run::Done;
use kit::sides::same;
use kit::{DEADLINE, Run, Server, Side, address, as_root, bin, both, ours};

/// The client of most tests, and the name under which the list NAME has it.
const CLIENT: &str = "192.0.2.71";

fn listed(name: &str) -> String {
    format!("71.2.0.192.{name}")
}

/// A conversation that tries everything.
const COMMANDS: &str = "HELO a\r\nehlo  b c\r\nMAIL FROM:<x@y>\r\nRCPT TO:<a@b>\nrcpt\r\nDATA\r\n\
    RSET\r\nNOOP x\r\nVRFY a\r\nHELP\r\n\r\n NOOP\r\nNOOP\t\r\nQuit now\r\nNOOP\r\n";

/// rblsmtpd of a side, with what it needs to know of its client.
fn rblsmtpd(side: Side, words: &[&str]) -> Run {
    Run::new(side.program("rblsmtpd"))
        .args(words)
        .env("TCPREMOTEIP", CLIENT)
}

/// What the client got, and the log without the process number; the exit code is 0.
fn told(done: &Done) -> (String, String) {
    assert_eq!(done.code, Some(0), "{}", done.err());
    let log = done.err();
    let log = match log.split_once(" pid ") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before} pid N{after}")
        }
        None => log,
    };
    (done.out(), log)
}

/// [`told`] where the log may also say what could not be looked up, which the original keeps for
/// itself.
fn told_but_warnings(done: &Done) -> (String, String) {
    let (out, log) = told(done);
    let is_warning = |line: &&str| !line.contains(": warning: unable to look up ");
    (out, log.split_inclusive('\n').filter(is_warning).collect())
}

// $RBLSMTPD

#[test]
fn the_administrators_text_refuses_every_recipient_and_is_logged_once() {
    let long = "y".repeat(300);
    for value in [
        "go away",
        "-go away",
        "-",
        " ",
        "a\tb\u{e9}c\r\nd\u{7f}",
        &long[..199],
        &long[..200],
        &long[..201],
        &long,
    ] {
        for options in [&[][..], &["-b"], &["-t5"], &["-t", "5x"]] {
            let (said, log) = same(|side| {
                let run = rblsmtpd(side, options).args(["echo", "served"]);
                told(&run.env("RBLSMTPD", value).input(COMMANDS).done())
            });
            let (text, code) = match value.strip_prefix('-') {
                Some(text) => (text, "553 "),
                None => (value, "451 "),
            };
            assert!(said.starts_with("220 rblsmtpd.local\r\n250 rblsmtpd.local\r\n"));
            assert!(said.ends_with("\r\n221 rblsmtpd.local\r\n"));
            let refusals = said.lines().filter(|line| line.starts_with(code));
            assert_eq!(refusals.count(), 8, "{said}");
            assert!(log.starts_with(&format!("rblsmtpd: {CLIENT} pid N: {code}")));
            assert_eq!(
                log.len(),
                format!("rblsmtpd: {CLIENT} pid N: {code}\n").len() + text.len().min(200)
            );
        }
    }
}

#[test]
fn an_empty_value_serves_whatever_the_lists_say() {
    both(("served\n".to_owned(), String::new()), |side| {
        let run = rblsmtpd(side, &["-c", "-r", "list.test", "echo", "served"]);
        told(
            &run.env("RBLSMTPD", "")
                .env("DNSCACHEIP", "127.0.0.1")
                .done(),
        )
    });
}

#[test]
fn a_time_of_zero_tells_and_does_not_listen() {
    for time in ["0", "x"] {
        both(
            (
                "451 no\r\n".to_owned(),
                format!("rblsmtpd: {CLIENT} pid N: 451 no\n"),
            ),
            |side| {
                let run = rblsmtpd(side, &["-t", time, "echo", "served"]);
                told(&run.env("RBLSMTPD", "no").input(COMMANDS).done())
            },
        );
    }
}

#[test]
fn without_a_known_client_the_log_has_a_gap() {
    both("rblsmtpd:  pid N: 451 no\n".to_owned(), |side| {
        let run = Run::new(side.program("rblsmtpd")).args(["echo", "served"]);
        told(&run.env("RBLSMTPD", "no").input("QUIT\r\n").done()).1
    });
}

// The command line

#[test]
fn what_cannot_be_run_is_told_as_the_original_tells_it() {
    for (words, code, said) in [
        (
            &["/nonexistent"][..],
            111,
            "rblsmtpd: fatal: unable to run /nonexistent: file does not exist\n",
        ),
        (
            &["-", "x"],
            111,
            "rblsmtpd: fatal: unable to run -: file does not exist\n",
        ),
        (
            &["/"],
            111,
            "rblsmtpd: fatal: unable to run /: access denied\n",
        ),
    ] {
        both((Some(code), said.to_owned()), |side| {
            let done = rblsmtpd(side, words).done();
            (done.code, done.err())
        });
    }
}

#[test]
fn what_means_nothing_is_told_with_the_usage() {
    for (words, said) in [
        (&[][..], ""),
        (&["-t", "5"], ""),
        (&["-R", "echo"], "rblsmtpd: illegal option -- R\n"),
        (&["-bZ", "echo"], "rblsmtpd: illegal option -- Z\n"),
        (&["-r"], "rblsmtpd: option requires an argument -- r\n"),
        (&["-bt"], "rblsmtpd: option requires an argument -- t\n"),
    ] {
        let usage = format!("{said}rblsmtpd: usage: rblsmtpd [ ");
        both((Some(100), true), |side| {
            let done = rblsmtpd(side, words).done();
            (done.code, done.err().starts_with(&usage))
        });
    }
}

#[test]
fn the_exit_is_the_programs() {
    for options in [&[][..], &["-bBcC", "-t5"], &["--"]] {
        both(Some(7), |side| {
            let words = [options, &["/bin/sh", "-c", "exit 7"]].concat();
            rblsmtpd(side, &words).done().code
        });
    }
}

// Look-ups

/// A name server with a client that is listed, spared, unknown and not to be found out about.
fn dns() -> Dns {
    let text = |text: &[u8]| Answer::Text(text.to_vec());
    let local = || Answer::Addresses(vec!["127.0.0.2".parse().unwrap()]);
    Dns::start(&[
        (&listed("list.test"), TXT, text(b"listed")),
        (&listed("other.test"), TXT, text(b"also\tlisted\xe9")),
        (&listed("long.test"), TXT, text(&[b'y'; 255])),
        (&listed("empty.test"), TXT, text(b"")),
        (&listed("list.test"), A, local()),
        (&listed("anti.test"), A, local()),
        (&listed("fail.test"), TXT, Answer::ServerFailure),
        (&listed("fail.test"), A, Answer::ServerFailure),
        (&listed("silent.test"), TXT, Answer::Silence),
        ("list.test", TXT, text(b"all of us")),
    ])
}

#[test]
fn the_lists_decide_as_with_the_original() {
    if !as_root("look-ups") {
        return;
    }
    let dns = dns();
    let long = format!("451 {}", "y".repeat(200));
    let cases = [
        ("-r list.test", "451 listed"),
        ("-b -r list.test", "553 listed"),
        ("-b -B -r list.test", "451 listed"),
        ("-r list.test -b", "451 listed"),
        ("-r list.test.", "451 listed"),
        ("-r LI\\163t.test", "451 listed"),
        ("-r other.test", "451 also?listed?"),
        ("-r long.test", long.as_str()),
        ("-r empty.test", ""),
        ("-r none.test", ""),
        ("-r anti.test", ""),
        ("-a other.test", ""),
        ("-r none.test -r list.test", "451 listed"),
        ("-r other.test -b -r list.test", "451 also?listed?"),
        (
            "-b -r none.test -B -r list.test -r other.test",
            "451 listed",
        ),
        ("-a anti.test -r list.test", ""),
        ("-r list.test -a anti.test", "451 listed"),
        ("-a none.test -r list.test", "451 listed"),
        ("-r fail.test", ""),
        ("-c -r fail.test", "451 temporary RBL lookup error"),
        ("-bc -r fail.test", "451 temporary RBL lookup error"),
        ("-r fail.test -c", ""),
        ("-cC -r fail.test", ""),
        ("-r fail.test -r list.test", "451 listed"),
        ("-b -r fail.test -r list.test", "451 listed"),
        ("-b -r list.test -r fail.test", "553 listed"),
        (
            "-c -r fail.test -r list.test",
            "451 temporary RBL lookup error",
        ),
        ("-a fail.test -r list.test", ""),
        ("-c -a fail.test -r none.test", ""),
        ("-bc -a fail.test -r list.test", "451 listed"),
    ];
    // Together, for the original takes 11 s where a server cannot answer.
    std::thread::scope(|scope| {
        for (words, expected) in cases {
            let dns = &dns;
            scope.spawn(move || {
                let expected = if expected.is_empty() {
                    ("served\n".to_owned(), String::new())
                } else {
                    (
                        format!("220 rblsmtpd.local\r\n{expected}\r\n221 rblsmtpd.local\r\n"),
                        format!("rblsmtpd: {CLIENT} pid N: {expected}\n"),
                    )
                };
                let options: Vec<&str> = words.split(' ').collect();
                both((words, expected), |side| {
                    let run = rblsmtpd(side, &options).args(["echo", "served"]);
                    let run = run.env("DNSCACHEIP", dns.server());
                    let run = run.input("RCPT TO:<a@b>\r\nQUIT\r\n");
                    (words, told_but_warnings(&run.done()))
                });
            });
        }
    });
}

#[test]
fn a_name_that_cannot_be_is_a_source_that_cannot_answer() {
    let base = "x".repeat(64);
    for (flag, expected) in [
        ("-C", "served\n"),
        ("-c", "220 rblsmtpd.local\r\n221 rblsmtpd.local\r\n"),
    ] {
        both(expected.to_owned(), |side| {
            let run = rblsmtpd(side, &[flag, "-r", &base, "echo", "served"]);
            let run = run.env("DNSCACHEIP", "127.0.0.1").input("QUIT\r\n");
            told_but_warnings(&run.done()).0
        });
    }
}

#[test]
fn what_could_not_be_looked_up_is_told_if_it_counted() {
    if !as_root("look-ups") {
        return;
    }
    let dns = dns();
    let words = ["-r", "fail.test", "-r", "list.test", "-r", "silent.test"];
    let run = rblsmtpd(Side::Ours, &words).args(["echo", "served"]);
    let done = run.env("DNSCACHEIP", dns.server()).input("QUIT\r\n").done();
    let log = done.err();
    let lines: Vec<&str> = log.lines().collect();
    let warning = "rblsmtpd: warning: unable to look up 192.0.2.71 in fail.test: temporary failure";
    assert_eq!(lines.len(), 2, "{log}");
    assert_eq!(lines[0], warning);
    assert!(lines[1].ends_with(": 451 listed"));
}

#[test]
fn an_ipv6_client_is_looked_up_by_its_digits_and_a_mapped_one_as_the_ipv4_client_it_is() {
    if !as_root("look-ups") {
        return;
    }
    let nibbles = "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.list.test";
    let six = Answer::Text(b"six".to_vec());
    let four = Answer::Text(b"four".to_vec());
    let dns = Dns::start(&[(nibbles, TXT, six), (&listed("list.test"), TXT, four)]);
    for (ip, text) in [
        ("2001:db8::567:89ab", "six"),
        ("::ffff:192.0.2.71", "four"),
        ("::ffff:c000:247", "four"),
    ] {
        let run = Run::new(bin("rblsmtpd"))
            .args(["-r", "list.test", "echo", "served"])
            .env("TCPREMOTEIP", ip)
            .env("DNSCACHEIP", dns.server());
        let (said, log) = told(&run.input("RCPT\r\n").done());
        assert_eq!(said, format!("220 rblsmtpd.local\r\n451 {text}\r\n"));
        assert_eq!(log, format!("rblsmtpd: {ip} pid N: 451 {text}\n"));
    }
}

/// The original asks for the name of the list alone, and refuses everybody if that has a text.
#[test]
fn a_client_without_an_address_is_looked_up_nowhere_and_served() {
    if !as_root("look-ups") {
        return;
    }
    let dns = dns();
    for ip in [None, Some(""), Some("x"), Some("192.0.2")] {
        let run = Run::new(bin("rblsmtpd"))
            .args(["-c", "-r", "list.test", "echo", "served"])
            .env("DNSCACHEIP", dns.server());
        let run = ip
            .into_iter()
            .fold(run, |run, ip| run.env("TCPREMOTEIP", ip));
        assert_eq!(told(&run.done()), ("served\n".to_owned(), String::new()));
    }
    assert_eq!(dns.asked(), []);
}

#[test]
fn all_sources_are_asked_at_once_and_silence_costs_one_deadline() {
    if !as_root("look-ups") {
        return;
    }
    let dns = dns();
    let bases = ["a", "b", "c", "d"].map(|name| format!("{name}.silent.test"));
    let silent: Vec<(String, u16, Answer)> = bases
        .iter()
        .map(|base| (listed(base), TXT, Answer::Silence))
        .collect();
    let table: Vec<(&str, u16, Answer)> = silent
        .iter()
        .map(|(name, kind, answer)| (name.as_str(), *kind, answer.clone()))
        .collect();
    let mute = Dns::start(&table);
    let words: Vec<&str> = bases
        .iter()
        .flat_map(|base| ["-r", base.as_str()])
        .collect();
    let start = Instant::now();
    let run = rblsmtpd(Side::Ours, &words).args(["echo", "served"]);
    let done = run.env("DNSCACHEIP", mute.server()).done();
    let taken = start.elapsed();
    assert_eq!(told_but_warnings(&done), ("served\n".into(), String::new()));
    assert_eq!(done.err().matches(": timed out\n").count(), 4);
    let deadline = Duration::from_secs(10);
    assert!(
        taken >= deadline && taken < deadline + Duration::from_secs(5),
        "{taken:?}"
    );
    // What is behind the source that decides is not waited for.
    let start = Instant::now();
    let words = ["-r", "list.test", "-r", "silent.test", "echo", "served"];
    let run = rblsmtpd(Side::Ours, &words).env("DNSCACHEIP", dns.server());
    assert!(
        told(&run.input("QUIT\r\n").done())
            .1
            .ends_with(": 451 listed\n")
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}

// The conversation

#[test]
fn a_client_that_does_not_quit_is_left_when_its_time_is_over() {
    both(("220 rblsmtpd.local\r\n".to_owned(), true), |side| {
        let words = ["-t", "1", "echo", "served"];
        let handler = [side.program("rblsmtpd").into_os_string()];
        let server = Server::of(side)
            .options(["-HRl0"])
            .handler(handler.into_iter().chain(words.map(Into::into)))
            .env("RBLSMTPD", "no")
            .start();
        let start = Instant::now();
        let mut client = server.connect();
        // One byte after the other does not hold it.
        let mut other = server.connect();
        other.send("N");
        std::thread::sleep(Duration::from_millis(500));
        other.send("O");
        client.expect("220 ");
        let text = other.text();
        let taken = start.elapsed();
        let rest = client.text();
        assert_eq!(rest, "");
        (
            text,
            taken >= Duration::from_millis(950) && taken < DEADLINE / 3,
        )
    });
}

#[test]
fn lines_of_any_length_are_answered_once_and_a_line_without_end_ends_it() {
    let long = "x".repeat(100_000);
    let input = format!("{long}\r\nNOOP {long}\r\nNOOP\r\nQUIT\r\n");
    let run = ours(|side| rblsmtpd(side, &["echo", "served"]));
    let (said, _) = told(&run.env("RBLSMTPD", "no").input(input).done());
    let expected =
        "220 rblsmtpd.local\r\n451 no\r\n451 no\r\n250 rblsmtpd.local\r\n221 rblsmtpd.local\r\n";
    assert_eq!(said, expected);
    let run = ours(|side| rblsmtpd(side, &["echo", "served"]));
    let done = run
        .env("RBLSMTPD", "no")
        .input("x".repeat(3_000_000))
        .done();
    assert_eq!(told(&done).0, "220 rblsmtpd.local\r\n");
}

#[test]
fn a_client_that_leaves_in_the_middle_is_no_fault() {
    for input in ["", "HELO a", "HELO a\r\nMAIL"] {
        let (said, log) = same(|side| {
            let run = rblsmtpd(side, &["echo", "served"]);
            told(&run.env("RBLSMTPD", "no").input(input).done())
        });
        assert!(said.starts_with("220 "), "{said}");
        assert_eq!(log.lines().count(), 1);
    }
}

// Under superd

#[test]
fn under_superd_nothing_is_read_ahead_of_the_program_and_it_gets_the_client() {
    let words = [
        "rblsmtpd",
        "/bin/sh",
        "-c",
        "read a; echo \"got $a\"; exit 9",
    ];
    let server = Server::of(Side::Ours)
        .options(["-vHRl0"])
        .handler(words)
        .start();
    let mut client = server.connect();
    client.send("one\ntwo\n");
    assert_eq!(client.text(), "got one\n");
    let pid = pid_of(&server.wait_for(": ok "));
    server.wait_for(&format!("end {pid} status 2304"));
}

#[test]
fn under_superd_the_listed_are_refused_and_the_others_served() {
    if !as_root("look-ups") {
        return;
    }
    let (good, bad) = (address(), address());
    let [a, b, c, d] = bad.octets();
    let name = format!("{d}.{c}.{b}.{a}.list.test");
    let dns = Dns::start(&[(&name, TXT, Answer::Text(b"spam".to_vec()))]);
    let words = [
        "rblsmtpd",
        "-b",
        "-r",
        "list.test",
        "recordio",
        "echo",
        "served",
    ];
    let server = Server::of(Side::Ours)
        .options(["-vHRl0"])
        .env("DNSCACHEIP", dns.server())
        .handler(words)
        .start();
    assert_eq!(server.talk_from(good), "served\n");
    let mut client = server.connect_from(bad);
    client.dialogue(
        "220 rblsmtpd.local",
        &[
            ("EHLO x", "250 rblsmtpd.local"),
            ("MAIL FROM:<x@y>", "250 rblsmtpd.local"),
            ("RCPT TO:<a@b>", "553 spam"),
            ("QUIT", "221 rblsmtpd.local"),
        ],
    );
    let line = server.wait_for(": 553 spam");
    assert!(line.starts_with(&format!("rblsmtpd: {bad} pid ")), "{line}");
}

/// The users of a process: real, effective, saved and of the file system.
fn uids(pid: u32) -> Vec<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let words = line.unwrap().split_whitespace();
    words.map(|word| word.parse().unwrap()).collect()
}

#[test]
fn neither_the_look_ups_nor_the_conversation_are_roots_and_the_program_is() {
    if !as_root("giving up root") {
        return;
    }
    let source = address();
    let [a, b, c, d] = source.octets();
    let name = |list: &str| format!("{d}.{c}.{b}.{a}.{list}");
    let dns = Dns::start(&[
        (&name("silent.test"), TXT, Answer::Silence),
        (&name("list.test"), TXT, Answer::Text(b"spam".to_vec())),
    ]);
    let start = |list: &str| {
        let words = [
            "rblsmtpd",
            "-r",
            list,
            "/bin/sh",
            "-c",
            "id -u; ps --ppid $$ -o comm=",
        ];
        Server::of(Side::Ours)
            .options(["-vHRl0"])
            .env("DNSCACHEIP", dns.server())
            .handler(words)
            .start()
    };
    let server = start("list.test");
    let mut client = server.connect_from(source);
    client.expect("220 ");
    let pid = pid_of(&server.wait_for(": ok "));
    assert!(!uids(pid).contains(&0), "{:?}", uids(pid));

    let server = start("silent.test");
    let client = server.connect_from(source);
    let pid = pid_of(&server.wait_for(": ok "));
    assert_eq!(uids(pid), [0; 4]);
    let limit = Instant::now() + DEADLINE;
    let children = format!("/proc/{pid}/task/{pid}/children");
    let child = loop {
        let child = std::fs::read_to_string(&children).unwrap();
        // It has just been forked, or is somebody else by now.
        if let Ok(child) = child.trim().parse()
            && !uids(child).contains(&0)
        {
            break child;
        }
        assert!(Instant::now() < limit, "a child that is not root");
        std::thread::sleep(Duration::from_millis(5));
    };
    // Before it asks it has no socket at all.
    let question = name("silent.test");
    while !dns.asked().iter().any(|(asked, _)| *asked == question) {
        assert!(Instant::now() < limit, "{:?}", dns.asked());
        std::thread::sleep(Duration::from_millis(5));
    }
    let open = std::fs::read_dir(format!("/proc/{child}/fd")).unwrap();
    let sockets = open.filter(|entry| {
        let target = std::fs::read_link(entry.as_ref().unwrap().path()).unwrap();
        target.to_string_lossy().starts_with("socket:")
    });
    // That of the question, and not the client's.
    assert_eq!(sockets.count(), 1);
    // The program is root's, and has no child of ours.
    assert_eq!(client.text(), "0\nps\n");
}
