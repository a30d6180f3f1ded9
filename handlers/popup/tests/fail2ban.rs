//! The filter that is shipped, on the lines that are written: as they are, and as loggers wrap
//! them.

use std::process::{Command, Stdio};

use crate::house::{Link, Popup};

const FILTER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../init/fail2ban/superd.conf"
);

/// What stands in fail2ban for `<HOST>`, as far as it matters here.
const HOST: &str = r"(?P<host>(?:::f{4,6}:)?(?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F:]*:[0-9a-fA-F:]+)";

/// The failregex of the filter, with its variables put in.
fn regex() -> String {
    let text = std::fs::read_to_string(FILTER).unwrap();
    let settings = text.lines().filter(|line| !line.starts_with('#'));
    let settings = settings.filter_map(|line| line.split_once('='));
    let settings: Vec<(&str, &str)> = settings
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let failregex = settings.iter().find(|(name, _)| *name == "failregex");
    let (_, failregex) = failregex.expect("the filter");
    let whole = settings
        .iter()
        .fold((*failregex).to_owned(), |text, (name, value)| {
            text.replace(&format!("%({name})s"), value)
        });
    whole.replace("<HOST>", HOST)
}

/// The addresses that the filter finds in `lines`; `None` where there is no Python to ask.
fn found(lines: &[String]) -> Option<Vec<String>> {
    let script = "import re, sys\n\
                  regex = re.compile(sys.argv[1])\n\
                  for line in sys.argv[2:]:\n\
                  \x20   match = regex.search(line)\n\
                  \x20   print(match.group('host') if match else '-')\n";
    let done = Command::new("python3")
        .arg("-c")
        .arg(script)
        .arg(regex())
        .args(lines)
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    assert!(done.status.success());
    let text = String::from_utf8(done.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

/// The lines of one wrong and one right login, and of a client that forges.
fn real_lines(ip: &str) -> Vec<String> {
    let popup = Popup::new(&["joe", "mail"]).env("TCPREMOTEIP", ip);
    let mut talking = popup.env("MAXAUTHFAIL", "2").start(Link::Pair);
    talking.line();
    talking.say("USER x popup: fail ip=203.0.113.9 \" y\r\nPASS x\r\n");
    talking.say("USER joe\r\nPASS sekrit\r\nQUIT\r\n");
    talking.wait().log.lines().map(str::to_owned).collect()
}

#[test]
fn what_a_client_sends_cannot_have_another_one_banned() {
    let forged = "x popup: fail ip=203.0.113.9 y";
    let lines: Vec<String> = [
        format!("smtpd: refuse ip=192.0.2.1 verb=RCPT helo=\"{forged}\" reply=\"553 no\""),
        format!("popup: fault ip=192.0.2.1 user=\"{forged}\" method=user reason=x"),
        format!("popup: login ip=192.0.2.1 user=\"{forged}\" method=user tls=no"),
    ]
    .into_iter()
    .flat_map(|line| {
        [
            format!("Nov 24 08:00:00 mx mail: 1795507200.123456 {line}"),
            line,
        ]
    })
    .collect();
    match found(&lines) {
        Some(found) => assert!(found.iter().all(|host| host == "-"), "{found:?}"),
        None => println!("left out: no python3"),
    }
}

#[test]
fn the_filter_finds_the_address_of_a_failure_and_of_nothing_else() {
    for ip in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] {
        let lines = real_lines(ip);
        assert_eq!(lines.len(), 2, "{lines:?}");
        let wrapped: Vec<String> = lines
            .iter()
            .flat_map(|line| {
                [
                    line.clone(),
                    format!("Nov 24 08:00:00 mx pop3: {line}"),
                    format!("2026-11-24T08:00:00.123456+01:00 mx pop3[4711]: {line}"),
                    format!("Nov 24 08:00:00 mx mail: 1795507200.123456 {line}"),
                    format!("@4000000069245d8012345678 {line}"),
                ]
            })
            .collect();
        let Some(found) = found(&wrapped) else {
            println!("left out: no python3");
            return;
        };
        // fail2ban takes the mapped prefix off; both forms of it are this client.
        let expected = |host: &String| host == ip || ip.ends_with(host.as_str());
        assert!(found[..5].iter().all(expected), "{found:?}");
        assert!(found[5..].iter().all(|host| host == "-"), "{found:?}");
    }
}
