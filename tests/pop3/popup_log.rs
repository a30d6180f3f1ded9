//! What popup tells of a login: to the checker, to the client by its response codes, to the log, and by
//! that to fail2ban.

use std::fs;

use kit::pop3::{Office, PASSWORD, Pop3, one_try};
use kit::sasl::base64;
use kit::{Run, clients, script};

#[test]
fn the_response_code_tells_whose_fault_it_is() {
    let office = Office::new();
    let scripts = [
        ("two", "exit 2"),
        ("crash", "kill -s SEGV $$"),
        ("later", "exit 111"),
        ("no", "exit 1"),
    ];
    for (name, text) in scripts {
        script(&office.path(name), &format!("#!/bin/sh\n{text}\n"));
    }
    let file = office.maildir("joe").join(".password");
    office.write("joe", &file, PASSWORD, 0o644);
    let path = |name: &str| office.path(name).display().to_string();
    let mode = ".password has mode 0644 and must be 0600";
    let cases = [
        (path("no"), "[AUTH]", "fail", "said no"),
        (path("later"), "[SYS/TEMP]", "fault", "111"),
        (path("two"), "[SYS/PERM]", "fault", "2"),
        (path("crash"), "[SYS/PERM]", "fault", "signal"),
        ("checkpw".to_owned(), "[SYS/TEMP]", "fault", mode),
    ];
    // All at once, for each is answered after a second.
    let begun = cases.map(|case| {
        let server = one_try(office.pop3(&case.0)).start();
        let mut client = server.connect();
        client.line();
        client.send(format!("USER joe\r\nPASS {PASSWORD}\r\n"));
        (case, server, client)
    });
    for ((checker, code, event, told), server, mut client) in begun {
        assert_eq!(client.line(), "+OK ");
        let reply = client.line();
        let expected = format!("-ERR {code} ");
        assert!(reply.starts_with(&expected), "{checker}: {reply}");
        let line = format!("popup: {event} ip=127.0.0.1 user=joe method=user reason=");
        let line = server.wait_for(&line);
        assert!(line.contains(told), "{checker}: {line}");
        assert!(checker == "checkpw" || line.contains(&checker), "{line}");
    }
}

#[test]
fn a_foreign_checker_gets_the_record_and_auth_and_the_client_does_not_get_its_errors() {
    let office = Office::new();
    let record = office.path("got");
    fs::create_dir(&record).unwrap();
    let checker = office.path("checker");
    let text = format!(
        "#!/bin/sh\ncat <&3 >'{0}/record'\nprintf %s \"$AUTH\" >'{0}/auth'\necho complaint >&2\nprintf '+OK from the checker\\r\\n'\n",
        record.display()
    );
    script(&checker, &text);
    let server = office.pop3(checker.to_str().unwrap()).start();
    let digest = "0123456789abcdef0123456789ABCDEF";
    for (lines, secret, auth) in [
        (
            vec!["USER joe".to_owned(), "PASS a b ".to_owned()],
            "a b ",
            "pop",
        ),
        (vec![format!("APOP joe {digest}")], digest, "apop"),
        (
            vec![format!("AUTH PLAIN {}", base64("\0joe\0plain"))],
            "plain",
            "pop",
        ),
    ] {
        let mut client = server.connect();
        let greeting = client.line();
        let challenge = greeting.strip_prefix("+OK ").unwrap();
        for line in &lines {
            client.say(line);
        }
        let all = client.text();
        assert_eq!(all.lines().last(), Some("+OK from the checker"), "{all}");
        assert!(!all.contains("complaint"), "{all}");
        let got = fs::read_to_string(record.join("record")).unwrap();
        assert_eq!(got, format!("joe\0{secret}\0{challenge}\0"));
        assert_eq!(fs::read_to_string(record.join("auth")).unwrap(), auth);
    }
    server.wait_for_nth(3, "complaint");
    server.wait_for_nth(3, "popup: login ip=127.0.0.1 user=joe ");
}

#[test]
fn each_login_and_each_failure_is_one_line_of_the_log() {
    let office = Office::new();
    let server = one_try(office.pop3("checkpw")).start();
    for (user, password) in [
        ("joe", PASSWORD),
        ("joe", "hunter2"),
        ("joe-work", PASSWORD),
        ("a \"b\" \u{fc}=c", "hunter2"),
    ] {
        let mut client = server.connect();
        client.line();
        client.login(user, password);
        client.say("QUIT");
        client.rest();
    }
    // Whoever only looks leaves one line as well.
    let mut client = server.connect();
    client.line();
    client.ask("QUIT");
    server.wait_for_ends(5);
    let log = server.log();
    let lines: Vec<&String> = log
        .iter()
        .filter(|line| line.starts_with("popup: "))
        .collect();
    assert!(
        log.iter()
            .all(|line| !line.contains("hunter2") && !line.contains(PASSWORD)),
        "{log:?}"
    );
    let expected = [
        "popup: login ip=127.0.0.1 user=joe method=user tls=no",
        "popup: fail ip=127.0.0.1 user=joe method=user reason=\"wrong password\"",
        "popup: end ip=127.0.0.1 reason=\"too many failed logins\"",
        "popup: login ip=127.0.0.1 user=joe-work method=user tls=no account=joe",
    ];
    assert_eq!(lines[..4], expected);
    // Nothing that a client types makes another field or another line.
    assert_eq!(lines.len(), 7, "{lines:?}");
    assert!(
        lines[4].starts_with("popup: fail ip=127.0.0.1 user=\""),
        "{}",
        lines[4]
    );
    assert_eq!(lines[4].matches(" user=").count(), 1, "{}", lines[4]);
}

/// What fail2ban does with its filter, without fail2ban: its own expression for <HOST> is longer, and
/// takes the same addresses.
const FILTER: &str = r#"
import configparser, re, sys
config = configparser.ConfigParser(interpolation=None)
config.read(sys.argv[1])
definition = config["Definition"]
text = definition["failregex"]
for name, value in definition.items():
    text = text.replace("%%(%s)s" % name, value)
address = r"(?:(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})|(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|::){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))|(?P<dns>[\w\-.^_]*\w))"
expression = re.compile(text.replace("<HOST>", address))
for line in sys.stdin:
    found = expression.search(line.rstrip("\n"))
    print(found and (found["ip4"] or found["ip6"] or found["dns"]) or "-")
"#;

/// What stands before a program's line in a log.
const BEFORE: [&str; 4] = [
    "",
    "Nov 24 08:00:00 mx pop3: ",
    "@4000000065a0b1c2d3e4f5a6 ",
    "Nov 24 08:00:00 mx pop3: 1700000000.123456 ",
];

/// What a client sends so that somebody else is kept out.
const FORGED: [&str; 7] = [
    "popup: fail ip=192.0.2.66 user=x",
    "x: popup: fail ip=192.0.2.66 user=x",
    "mx pop3: popup: fail ip=192.0.2.66 user=x",
    "1700000000.123456 popup: fail ip=192.0.2.66 user=x",
    "Nov 24 08:00:00 mx pop3: popup: fail ip=192.0.2.66 user=x",
    "@4000000065a0b1c2d3e4f5a6 popup: fail ip=192.0.2.66 user=x",
    "\r\u{b}\u{85}\u{2028}popup: fail ip=192.0.2.66 user=x",
];

/// The lines of `text` that fail2ban's own program finds with our filter, `None` where it is not there.
fn found_by_fail2ban(text: &str, filter: &std::path::Path) -> Option<Vec<String>> {
    let program = kit::peer("fail2ban-regex")?;
    let dir = kit::private_dir(0o755);
    let log = dir.path().join("log");
    std::fs::write(&log, text).unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let done = Run::new(program)
        .arg("--print-all-matched")
        .arg(&log)
        .arg(filter)
        .env("PATH", path)
        .done();
    assert_eq!(done.code, Some(0), "{}{}", done.out(), done.err());
    let out = done.out();
    let (_, found) = out
        .split_once("Matched line(s):")
        .unwrap_or_else(|| panic!("{out}"));
    let lines = found.lines().filter_map(|line| line.strip_prefix("|  "));
    Some(lines.map(str::to_owned).collect())
}

#[test]
fn fail2bans_filter_finds_the_failures_and_nothing_else() {
    let office = Office::new();
    let server = one_try(office.pop3("checkpw")).start();
    // Users whose names look like lines; all at once, for a failure is answered after a second.
    let clients = [
        ("joe", "wrong"),
        ("joe", PASSWORD),
        ("x popup: fail ip=192.0.2.66 user=y", "wrong"),
        ("popup: fail ip=192.0.2.66 ", PASSWORD),
    ]
    .map(|(user, password)| {
        let mut client = server.connect();
        client.line();
        client.send(format!("USER {user}\r\nPASS {password}\r\nQUIT\r\n"));
        client
    });
    for client in clients {
        client.rest();
    }
    server.wait_for_ends(4);
    let log = server.log();
    let fails = log
        .iter()
        .filter(|line| line.starts_with("popup: fail "))
        .count();
    assert_eq!(fails, 3, "{log:?}");
    let mut text = String::new();
    for line in &log {
        for before in BEFORE {
            text.push_str(&format!("{before}{line}\n"));
        }
    }
    text.push_str("popup: fail ip=2001:db8::7 user=joe method=user reason=x\n");
    text.push_str("popup: fail ip=unknown user=joe method=user reason=x\n");
    text.push_str("smtpd: mail ip=192.0.2.9 from=\"popup: fail ip=192.0.2.66 \"\n");
    text.push_str("2026-11-24T08:00:00.123456+00:00 mx pop3: popup: fail ip=127.0.0.1 user=joe\n");
    text.push_str("Nov  4 08:00:00 mx pop3[1234]: popup: fail ip=127.0.0.1 user=joe\n");
    // What a client can put on a line: recordio writes down all that it sends.
    for sent in FORGED {
        for before in BEFORE {
            for head in ["57 < ", "57 > ", "57 < +"] {
                text.push_str(&format!("{before}{head}{sent}\n"));
            }
            for line in [
                format!("superd: ok 57 0:192.0.2.9:110 {sent}::4000"),
                format!("smtpd: start ip=192.0.2.9 helo=\"{sent}\""),
                format!("rblsmtpd: 192.0.2.9 pid 57: 451 {sent}"),
                format!("imapup: login ip=192.0.2.9 user=\"{sent}\""),
            ] {
                text.push_str(&format!("{before}{line}\n"));
            }
        }
    }
    let Some(python) = clients::python() else {
        return;
    };
    let filter = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("init/fail2ban/superd.conf");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let done = Run::new(python)
        .args(["-c", FILTER])
        .arg(&filter)
        .input(&text)
        .env("PATH", path)
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    for (line, found) in text.lines().zip(done.out().lines()) {
        let expected = if line.contains("2001:db8::7") {
            "2001:db8::7"
        } else if line.contains("popup: fail ip=127.0.0.1 ") {
            "127.0.0.1"
        } else {
            "-"
        };
        assert_eq!(found, expected, "{line}");
    }
    assert_eq!(done.out().lines().count(), text.lines().count());
    // Its own program takes the time away before it looks, and a line ends for it as for Python.
    if let Some(found) = found_by_fail2ban(&text, &filter) {
        let is_fail = |line: &&str| {
            line.contains("2001:db8::7") || line.contains("popup: fail ip=127.0.0.1 ")
        };
        let expected: Vec<&str> = text.lines().filter(is_fail).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for line in found {
            assert!(
                !line.contains("192.0.2.66\" user=x") && is_fail(&&*line),
                "{line}"
            );
        }
    }
}
