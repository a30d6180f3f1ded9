//! The clients that people send mail with: what each of them sends arrives byte for byte, in the clear and by
//! STARTTLS, in one piece or in chunks.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use kit::clients::python;
use kit::place::files;
use kit::smtp::{House, behind_tls};
use kit::{Client, Done, Run, Server, peer, private_dir, script, tls};

const HEADER: &str = "From: S <s@far.test>\nTo: Joe <joe@here.test>\nDate: Tue, 24 Nov 2026 10:00:00 +0000\n\
                      Message-ID: <1@far.test>\nSubject: every byte\nMIME-Version: 1.0\n\
                      Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n";

/// Dots wherever they could be taken for something, what is not ASCII, lines that look like others, and a line of
/// this length.
fn body(line: usize) -> Vec<u8> {
    let long = "0123456789".repeat(line / 10);
    let text = format!(
        "gr\u{fc}\u{df}e, \u{65e5}\u{672c}\n.\n..\n.dot\n...\n\n{long}\nFrom here on\n>From there\n\tQUIT\n.\n\nlast\n"
    );
    text.into_bytes()
}

/// The whole message that clients send which do not touch it: also bytes that are no UTF-8, and a line that is
/// longer than any that SMTP knows.
fn message() -> Vec<u8> {
    [HEADER.as_bytes(), b"\xe4\xff \x80\n", &body(5000)].concat()
}

fn with_crlf(text: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines
        .flat_map(|line| [line.strip_suffix(b"\n").unwrap(), b"\r\n"].concat())
        .collect()
}

/// Where a client is to send.
struct Door<'a> {
    address: SocketAddr,
    /// The certificate of a server that is to be spoken with by TLS only.
    certificate: Option<&'a Path>,
    /// A directory for its files.
    dir: PathBuf,
}

impl Door<'_> {
    fn ip(&self) -> String {
        self.address.ip().to_string()
    }

    fn port(&self) -> String {
        self.address.port().to_string()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

/// A client: sends [`message`], or [`HEADER`] or one of its own with [`body`] of 900, to joe.
type Sender = fn(&Door<'_>) -> Option<Done>;

/// Those that send what they are given.
const FAITHFUL: [(&str, Sender); 4] = [
    ("swaks", swaks),
    ("curl", curl),
    ("msmtp", msmtp),
    ("smtplib", smtplib),
];

/// Those that write the header themselves.
const COMPOSING: [(&str, Sender); 2] = [("git send-email", git), ("mutt", mutt)];

fn swaks(door: &Door<'_>) -> Option<Done> {
    // It ends the last line itself, whether it has an end or not.
    let file = door.write("message", message().strip_suffix(b"\n").unwrap());
    let mut run = Run::new(peer("swaks")?)
        .args(["--server", &door.ip(), "--port", &door.port(), "--pipeline"])
        .args([
            "--helo",
            "swaks.test",
            "--from",
            "s@far.test",
            "--to",
            "joe@here.test",
        ])
        .arg("--data")
        .arg(format!("@{}", file.display()));
    if door.certificate.is_some() {
        run = run.arg("--tls");
    }
    Some(run.done())
}

fn curl(door: &Door<'_>) -> Option<Done> {
    let file = door.write("message", message());
    let mut run = Run::new(peer("curl")?)
        .args(["-sS", "--max-time", "20", "--crlf"])
        .args([
            "--mail-from",
            "s@far.test",
            "--mail-rcpt",
            "joe@here.test",
            "-T",
        ])
        .arg(file);
    if let Some(certificate) = door.certificate {
        run = run.args(["--ssl-reqd", "--cacert"]).arg(certificate);
    }
    let port = door.port();
    let done = run
        .arg("--connect-to")
        .arg(format!("localhost:{port}:{}:{port}", door.ip()))
        .arg(format!("smtp://localhost:{port}/curl.test"))
        .done();
    Some(done)
}

fn msmtp(door: &Door<'_>) -> Option<Done> {
    let tls = match door.certificate {
        Some(file) => format!(
            "tls on\ntls_starttls on\ntls_trust_file {}\ntls_host_override localhost\n",
            file.display()
        ),
        None => "tls off\n".to_owned(),
    };
    let text = format!(
        "account default\nhost {}\nport {}\nauth off\nfrom s@far.test\n{tls}",
        door.ip(),
        door.port()
    );
    let config = door.write("msmtprc", text);
    let run = Run::new(peer("msmtp")?).arg("-C").arg(config);
    let run = run.args(["-i", "joe@here.test"]).env("HOME", &door.dir);
    Some(run.input(message()).done())
}

const SMTPLIB: &str = "
import smtplib, ssl, sys
host, port, certificate = sys.argv[1:]
s = smtplib.SMTP(host, int(port), timeout=20)
if certificate:
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    s.starttls(context=context)
s.sendmail('s@far.test', ['joe@here.test'], sys.stdin.buffer.read(), mail_options=['BODY=8BITMIME'])
s.quit()
";

fn smtplib(door: &Door<'_>) -> Option<Done> {
    let certificate = door.certificate.unwrap_or(Path::new(""));
    Some(
        run_python(python()?, SMTPLIB, door)
            .arg(certificate)
            .input(with_crlf(&message()))
            .done(),
    )
}

fn run_python(python: PathBuf, text: &str, door: &Door<'_>) -> Run {
    Run::new(python)
        .args(["-c", text, &door.ip(), &door.port()])
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
}

fn git(door: &Door<'_>) -> Option<Done> {
    let first = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n";
    let patch = [first.as_bytes(), HEADER.as_bytes(), &body(900)].concat();
    let patch = door.write("0001-every-byte.patch", patch);
    // Whose certificate it is cannot be told it apart from where it connects.
    let mut run = Run::new(peer("git")?)
        .args([
            "-c",
            "sendemail.smtpsslcertpath=",
            "send-email",
            "--no-validate",
            "--confirm=never",
            "--suppress-cc=all",
            "--quiet",
        ])
        .args([
            "--transfer-encoding=8bit",
            "--from=S <s@far.test>",
            "--to=joe@here.test",
        ])
        .arg(format!("--smtp-server={}", door.ip()))
        .arg(format!("--smtp-server-port={}", door.port()));
    if door.certificate.is_some() {
        run = run.arg("--smtp-encryption=tls");
    }
    let run = run.arg(patch).dir(&door.dir).env("HOME", &door.dir);
    Some(run.env("GIT_CONFIG_NOSYSTEM", "1").done())
}

fn mutt(door: &Door<'_>) -> Option<Done> {
    let tls = match door.certificate {
        Some(file) => format!(
            "set ssl_starttls=yes\nset ssl_force_tls=yes\nset ssl_verify_host=no\nset certificate_file={}\n",
            file.display()
        ),
        None => "set ssl_starttls=no\nset ssl_force_tls=no\n".to_owned(),
    };
    let text = format!(
        "set smtp_url=smtp://{}:{}/\nset from=s@far.test\nset copy=no\nset hostname=mutt.test\nset charset=utf-8\n\
         set send_charset=utf-8\nset use_envelope_from=yes\n{tls}",
        door.ip(),
        door.port()
    );
    let config = door.write("muttrc", text);
    let run = Run::new(peer("mutt")?).args(["-n", "-s", "every byte", "-F"]);
    let run = run.arg(config).args(["--", "joe@here.test"]).dir(&door.dir);
    let run = run
        .env("HOME", &door.dir)
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "dumb");
    Some(run.input(body(900)).done())
}

/// The one message that joe has got, which is removed: what the servers put on top, and the rest.
fn take(house: &House, header_of_client: &[u8]) -> (String, Vec<u8>) {
    let all = files(&house.path("joe/Maildir/new"));
    assert_eq!(all.len(), 1, "{all:?}");
    let stored = fs::read(&all[0]).unwrap();
    fs::remove_file(&all[0]).unwrap();
    assert!(files(&house.path("joe/Maildir/tmp")).is_empty());
    let is_here = |at: &usize| stored[*at..].starts_with(header_of_client);
    let at = (0..stored.len())
        .find(is_here)
        .expect("the client's header");
    let trace = String::from_utf8(stored[..at].to_vec()).unwrap();
    (trace, stored[at..].to_vec())
}

/// What came of a message of a client that writes the header itself: all of the header, and the body.
fn take_composed(house: &House) -> (String, Vec<u8>) {
    let (head, rest) = take(house, b"\n\n");
    (head, rest[2..].to_vec())
}

/// Fails at the first byte that is another one.
fn is_equal(what: &str, found: &[u8], expected: &[u8]) {
    let same = found
        .iter()
        .zip(expected)
        .take_while(|(one, other)| one == other);
    let at = same.count();
    let rest = |bytes: &[u8]| bytes[at..].iter().take(100).copied().collect::<Vec<u8>>();
    let (found_rest, expected_rest) = (rest(found), rest(expected));
    assert!(
        found == expected,
        "{what}, from byte {at} on: {} instead of {}",
        found_rest.escape_ascii(),
        expected_rest.escape_ascii()
    );
}

/// Nothing but the fields of the servers.
fn is_trace(trace: &str, received: &str) {
    let mut lines = trace.lines();
    assert_eq!(lines.next(), Some("Return-Path: <s@far.test>"), "{trace}");
    assert_eq!(lines.next(), Some("Delivered-To: joe@here.test"), "{trace}");
    let rest: Vec<&str> = lines.collect();
    assert!(rest[0].starts_with("Received: from "), "{trace}");
    assert!(
        rest[1..].iter().all(|line| line.starts_with("  ")),
        "{trace}"
    );
    assert!(trace.contains(received), "{trace}");
}

fn delivers(client: &str, done: &Done, server_said: &dyn Fn() -> String) {
    let told = format!("{client}: {}{}{}", done.out(), done.err(), server_said());
    assert_eq!(done.code, Some(0), "{told}");
}

#[test]
fn every_byte_of_a_message_arrives_from_every_client() {
    let house = House::new();
    let server = house.smtp().start();
    let dir = private_dir(0o700);
    let door = Door {
        address: server.address(),
        certificate: None,
        dir: dir.path().to_owned(),
    };
    let log = || server.log().join("\n");
    for (name, send) in FAITHFUL {
        let Some(done) = send(&door) else { continue };
        delivers(name, &done, &log);
        let (trace, text) = take(&house, HEADER.as_bytes());
        is_trace(&trace, " with ESMTP id ");
        is_equal(name, &text, &message());
    }
    for (name, send) in COMPOSING {
        let Some(done) = send(&door) else { continue };
        delivers(name, &done, &log);
        let (head, text) = take_composed(&house);
        assert!(head.contains(" with ESMTP id "), "{name}: {head}");
        assert!(head.contains("\nSubject: every byte"), "{name}: {head}");
        is_equal(name, &text, &body(900));
    }
}

#[test]
fn every_byte_of_a_message_arrives_from_every_client_by_starttls() {
    let house = House::new();
    let dir = private_dir(0o700);
    let Some((certificate, _)) = tls::certificate() else {
        return;
    };
    for (name, send) in FAITHFUL.into_iter().chain(COMPOSING) {
        let Some(program) = behind_tls(&house, &[], &[]) else {
            return;
        };
        let door = Door {
            address: program.address,
            certificate: Some(&certificate),
            dir: dir.path().to_owned(),
        };
        let Some(done) = send(&door) else { continue };
        // A client that has never been there leaves a program that waits for it.
        delivers(name, &done, &String::new);
        program.log();
        const OVER_TLS: &str = " with ESMTPS (TLSv1.3) id ";
        if COMPOSING.iter().any(|(composing, _)| *composing == name) {
            let (head, text) = take_composed(&house);
            assert!(head.contains(OVER_TLS), "{name}: {head}");
            is_equal(name, &text, &body(900));
        } else {
            let (trace, text) = take(&house, HEADER.as_bytes());
            is_trace(&trace, OVER_TLS);
            is_equal(name, &text, &message());
        }
    }
}

#[test]
fn a_password_is_asked_for_only_behind_starttls_where_that_is_demanded() {
    let house = House::new();
    let remote = house.capturing("remote");
    house.control("remotequeue", remote.to_str().unwrap());
    let checker = house.path("checker");
    script(
        &checker,
        "#!/bin/sh\ncase \"$(tr '\\000' / <&3)\" in joe/secret/*) exec \"$@\";; esac\nexit 1\n",
    );
    let checker = checker.display().to_string();
    let start = || {
        let one = Path::new("1");
        behind_tls(
            &house,
            &[&checker, "/bin/true"],
            &[("FORCETLS", one), ("SMTPAUTH", Path::new("!"))],
        )
    };
    let Some(swaks) = peer("swaks") else { return };
    let Some(program) = start() else { return };
    let mut client = Client::connect(program.address);
    client.dialogue("220 ", &[("EHLO client.test", "250 ")]);
    client.say("AUTH PLAIN AGpvZQBzZWNyZXQ=");
    client.expect("538 ");
    client.say("MAIL FROM:<joe@here.test>");
    client.expect("530 ");
    client.say("QUIT");
    program.log();
    for (password, more) in [
        ("secret", "--tls"),
        ("wrong", "--tls"),
        ("secret", "--pipeline"),
    ] {
        let Some(program) = start() else { return };
        let done = Run::new(&swaks)
            .args(["--server", &program.address.ip().to_string()])
            .args(["--port", &program.address.port().to_string(), more])
            .args([
                "--auth",
                "PLAIN",
                "--auth-user",
                "joe",
                "--auth-password",
                password,
            ])
            .args([
                "--helo",
                "swaks.test",
                "--from",
                "s@far.test",
                "--to",
                "x@far.test",
            ])
            .done();
        let log = program.log();
        let is_good = password == "secret" && more == "--tls";
        assert_eq!(done.code == Some(0), is_good, "{}{log}", done.out());
        assert!(!log.contains("secret"), "{log}");
    }
    assert_eq!(house.captured("remote"), ["Fs@far.test|Tx@far.test||"]);
    let sent = files(&house.path("remote"));
    let message = sent
        .iter()
        .find(|path| path.extension().is_some_and(|end| end == "message"));
    let message = fs::read_to_string(message.unwrap()).unwrap();
    assert!(message.contains(" with ESMTPSA (TLSv1.3) id "), "{message}");
    assert!(message.contains("(joe@"), "{message}");
}

const SMTPUTF8: &str = "
import smtplib, sys
from email.message import EmailMessage
from email.policy import SMTPUTF8
host, port = sys.argv[1:]
m = EmailMessage(policy=SMTPUTF8)
m['From'] = 'J\u{f6}rg <j\u{f6}rg@far.test>'
m['To'] = '\u{7528}\u{6237}@here.test'
m['Subject'] = 'Gr\u{fc}\u{df}e'
m.set_content('Sch\u{f6}n\\n.\\n', cte='8bit')
s = smtplib.SMTP(host, int(port), timeout=20)
s.send_message(m)
s.quit()
sys.stdout.buffer.write(m.as_bytes(policy=SMTPUTF8.clone(linesep='\\n')))
";

#[test]
fn addresses_and_headers_in_utf_8_come_as_they_are() {
    let house = House::new();
    fs::write(house.path("home/aliases"), "\u{7528}\u{6237}: joe\n").unwrap();
    let server = house.smtp().start();
    let Some(python) = python() else { return };
    let door = Door {
        address: server.address(),
        certificate: None,
        dir: house.path(""),
    };
    let run = run_python(python, SMTPUTF8, &door);
    let done = run.env("PYTHONUTF8", "1").done();
    delivers("smtplib", &done, &|| server.log().join("\n"));
    let sent = done.stdout;
    let (trace, text) = take(&house, "From: J\u{f6}rg ".as_bytes());
    is_equal("smtplib", &text, &sent);
    let head = "Return-Path: <j\u{f6}rg@far.test>\nDelivered-To: \u{7528}\u{6237}@here.test\n";
    assert!(trace.starts_with(head), "{trace}");
    assert!(trace.contains(" with UTF8SMTP id "), "{trace}");
}

/// A client that has said EHLO and named sender and recipient.
fn begun(server: &Server) -> Client {
    let mut client = server.connect();
    let steps = [
        ("EHLO client.test", "250 "),
        ("MAIL FROM:<s@far.test> BODY=8BITMIME", "250 "),
        ("RCPT TO:<joe@here.test>", "250 "),
    ];
    client.dialogue("220 ", &steps);
    client
}

#[test]
fn a_message_in_chunks_of_any_size_is_the_same_message() {
    let house = House::new();
    let server = house.smtp().start();
    let text = with_crlf(&message());
    let sizes = [
        1,
        2,
        3,
        7,
        63,
        64,
        65,
        1000,
        4095,
        4096,
        4097,
        text.len() - 1,
        text.len(),
        text.len() + 1,
    ];
    for size in sizes {
        for (ends_empty, pipelined) in [(false, false), (true, false), (false, true), (true, true)]
        {
            // A million small commands, one by one, would only take time.
            if size < 7 && !pipelined {
                continue;
            }
            let mut client = begun(&server);
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            let mut commands: Vec<Vec<u8>> = Vec::new();
            for (at, piece) in pieces.iter().enumerate() {
                let is_last = !ends_empty && at + 1 == pieces.len();
                let last = if is_last { " LAST" } else { "" };
                commands
                    .push([format!("BDAT {}{last}\r\n", piece.len()).as_bytes(), piece].concat());
            }
            if ends_empty {
                commands.push(b"BDAT 0 LAST\r\n".to_vec());
            }
            let count = commands.len();
            if pipelined {
                // In a thread of its own, for the replies must be read meanwhile.
                let mut all = commands.concat();
                all.extend_from_slice(b"QUIT\r\n");
                client.send_aside(all);
            }
            for (at, command) in commands.iter().enumerate() {
                if !pipelined {
                    client.send(command);
                }
                let reply = client.line();
                let expected = if at + 1 == count {
                    "250 ok 1"
                } else {
                    "250 ok, "
                };
                assert!(
                    reply.starts_with(expected),
                    "{size} {ends_empty} {pipelined}: {reply}"
                );
            }
            let (trace, stored) = take(&house, HEADER.as_bytes());
            is_trace(&trace, " with ESMTP id ");
            is_equal(&size.to_string(), &stored, &message());
        }
    }
}

#[test]
fn in_chunks_a_message_may_have_no_line_end_at_its_end_and_a_broken_one_is_none() {
    let house = House::new();
    let server = house.smtp().start();
    let mut client = begun(&server);
    client.send("BDAT 17 LAST\r\nSubject: x\r\n\r\nyyy");
    client.expect("250 ok 1");
    let (_, stored) = take(&house, b"Subject: x");
    assert_eq!(stored, b"Subject: x\n\nyyy");
    drop(client);
    // A dot is a dot, and what looks like the end of DATA is text.
    let mut client = begun(&server);
    client.send("BDAT 21\r\nSubject: x\r\n\r\n..\r\n.\r\nBDAT 6 LAST\r\n.\r\n..\n");
    client.expect("250 ok, 21 ");
    client.expect("550 ");
    drop(client);
    let mut client = begun(&server);
    client.send("BDAT 21\r\nSubject: x\r\n\r\n..\r\n.\r\nBDAT 7 LAST\r\n.\r\n..\r\n");
    client.expect("250 ok, 21 ");
    client.expect("250 ok 1");
    let (_, stored) = take(&house, b"Subject: x");
    assert_eq!(stored, b"Subject: x\n\n..\n.\n.\n..\n");
    drop(client);
    // The client is gone before its last chunk, within it, or gives up.
    for end in [
        "BDAT 3\r\nabc",
        "BDAT 30 LAST\r\nabc",
        "BDAT 3\r\nabcRSET\r\nQUIT\r\n",
    ] {
        let mut client = begun(&server);
        client.send(end);
        client.finish();
        client.rest();
    }
    server.wait_for_nth(6, "smtpd: end ");
    assert!(files(&house.path("joe/Maildir/new")).is_empty());
    assert!(files(&house.path("joe/Maildir/tmp")).is_empty());
}

#[test]
fn a_whole_session_in_one_packet_is_answered_in_order() {
    let house = House::new();
    let server = house.smtp().start();
    let mut client = server.connect();
    let mut all = b"EHLO client.test\r\n".to_vec();
    for to in ["joe", "nobody-here", "joe"] {
        all.extend(format!("MAIL FROM:<s@far.test>\r\nRCPT TO:<{to}@here.test>\r\n").bytes());
        if to == "joe" {
            let text = String::from_utf8(with_crlf(&body(900))).unwrap();
            let text = text.replace("\r\n.", "\r\n..");
            all.extend(format!("DATA\r\nSubject: x\r\n\r\n{text}.\r\n").bytes());
        } else {
            all.extend(b"DATA\r\n");
        }
    }
    all.extend(b"NOOP\r\nQUIT\r\n");
    client.send(all);
    for reply in ["220 ", "250 ", "250 ", "250 ", "354 ", "250 ok 1"] {
        client.expect(reply);
    }
    for reply in [
        "250 ", "550 ", "503 ", "250 ", "250 ", "354 ", "250 ok 1", "250 ", "221 ",
    ] {
        client.expect(reply);
    }
    let expected = [b"Subject: x\n\n".as_slice(), &body(900)].concat();
    for file in files(&house.path("joe/Maildir/new")) {
        assert!(fs::read(file).unwrap().ends_with(&expected));
    }
    assert_eq!(house.mail("joe").len(), 2);
}

#[test]
fn a_load_of_connections_and_messages_arrives_whole() {
    let Some(source) = peer("smtp-source") else {
        return;
    };
    let house = House::new();
    let server = house.smtp().start();
    for more in [&["-d"][..], &[], &["-A", "-d"]] {
        let done = Run::new(&source)
            .args(["-s", "10", "-m", "100", "-l", "5000", "-M", "source.test"])
            .args(["-f", "s@far.test", "-t", "joe@here.test"])
            .args(more)
            .arg(server.address().to_string())
            .done();
        assert_eq!(done.code, Some(0), "{}{}", done.out(), done.err());
    }
    assert_eq!(house.mail("joe").len(), 300);
    for mail in house.mail("joe") {
        assert!(mail.len() > 5000, "{mail}");
    }
}

#[test]
fn a_proxy_says_by_xclient_for_whom_it_speaks_and_nobody_else_does() {
    let house = House::new();
    let rules = house.rules("127.0.0.5:allow,XCLIENT=\"\",RELAYCLIENT=\"\"\n:allow\n");
    let server = house
        .smtp()
        .options(["-x".into(), rules.into_os_string()])
        .start();
    let Some(swaks) = peer("swaks") else { return };
    let send = |from: Ipv4Addr, to: &str| {
        Run::new(&swaks)
            .args(["--server", &server.address().ip().to_string()])
            .args(["--port", &server.address().port().to_string()])
            .args(["--local-interface", &from.to_string()])
            .args(["--helo", "swaks.test", "--from", "s@far.test", "--to", to])
            .args([
                "--xclient-addr",
                "192.0.2.7",
                "--xclient-name",
                "client.far.test",
            ])
            .args(["--xclient-helo", "their.helo"])
            .done()
    };
    let done = send(Ipv4Addr::new(127, 0, 0, 5), "joe@here.test");
    delivers("swaks", &done, &|| server.log().join("\n"));
    let mail = house.mail("joe").concat();
    assert!(
        mail.contains("Received: from client.far.test (HELO swaks.test) (192.0.2.7)"),
        "{mail}"
    );
    server.wait_for("smtpd: xclient ip=192.0.2.7 proxy=127.0.0.5 host=client.far.test relay=no");
    // The proxy may relay, but not for everybody behind it.
    let done = send(Ipv4Addr::new(127, 0, 0, 5), "x@far.test");
    assert_ne!(done.code, Some(0));
    assert!(done.out().contains("<** 553 "), "{}", done.out());
    let done = send(Ipv4Addr::new(127, 0, 0, 6), "joe@here.test");
    assert_ne!(done.code, Some(0), "{}", done.out());
    assert_eq!(house.mail("joe").len(), 1);
}
