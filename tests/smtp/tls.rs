//! STARTTLS of smtpd: nothing that was said, or sent ahead, in the clear counts behind it.

use std::path::Path;

use kit::clients::python;
use kit::smtp::{House, behind_tls};
use kit::{Client, Run};

#[test]
fn what_was_sent_in_the_clear_behind_starttls_is_not_taken_as_sent_after_it() {
    let house = House::new();
    let Some(program) = behind_tls(&house, &[], &[]) else {
        return;
    };
    let mut client = Client::connect(program.address);
    client.expect("220 ");
    // CVE-2011-0411: the injected commands must not be answered, in the clear or later.
    client.send("STARTTLS\r\nMAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nNOOP\r\n");
    client.expect("220 ready for tls");
    // Which ends what waits for one.
    client.send("this is no handshake\r\n");
    let rest = client.rest();
    assert!(
        !rest.windows(4).any(|part| part == b"250 "),
        "{}",
        rest.escape_ascii()
    );
    assert!(house.mail("joe").is_empty());
}

/// Greets, logs in and is let through in the clear, begins TLS, and says what it hears then.
const BEFORE_AND_AFTER: &str = "
import smtplib, ssl, sys
host, port, certificate = sys.argv[1:]
smtp = smtplib.SMTP(host, int(port), timeout=20, local_hostname='before.test')
smtp.ehlo()
print(*smtp.docmd('AUTH PLAIN', 'AGpvZQB4'))
print(*smtp.docmd('MAIL FROM:<s@x>'))
print(*smtp.docmd('RCPT TO:<x@far.test>'))
print(*smtp.docmd('STARTTLS'))
print(*smtp.docmd('RSET'))
context = ssl.create_default_context()
context.load_verify_locations(certificate)
context.check_hostname = False
smtp.starttls(context=context)
print(*smtp.docmd('MAIL FROM:<s@x>'))
print(*smtp.docmd('RCPT TO:<x@far.test>'))
print(*smtp.docmd('RCPT TO:<joe@here.test>'))
print(*smtp.data(b'Subject: x\\r\\n\\r\\ny\\r\\n'))
smtp.quit()
";

#[test]
fn behind_starttls_nobody_has_greeted_or_logged_in() {
    let house = House::new();
    let Some(python) = python() else { return };
    let Some((certificate, _)) = kit::tls::certificate() else {
        return;
    };
    let remote = house.capturing("remote");
    house.control("remotequeue", remote.to_str().unwrap());
    let everybody = ["/bin/sh", "-c", "exit 0"];
    let Some(program) = behind_tls(&house, &everybody, &[("SMTPAUTH", Path::new("1"))]) else {
        return;
    };
    let done = Run::new(python)
        .args(["-c", BEFORE_AND_AFTER])
        .arg(program.address.ip().to_string())
        .arg(program.address.port().to_string())
        .arg(&certificate)
        .done();
    let said = done.out();
    let codes: Vec<&str> = said.lines().filter_map(|line| line.get(..3)).collect();
    // In the clear: a login that lets him relay, and no STARTTLS within a transaction.
    assert_eq!(
        codes[..5],
        ["235", "250", "250", "503", "250"],
        "{said}{}",
        done.err()
    );
    // Behind it: a stranger.
    assert_eq!(
        codes[5..],
        ["250", "553", "250", "250"],
        "{said}{}",
        done.err()
    );
    let [message] = &house.mail("joe")[..] else {
        panic!("one message: {}", program.log());
    };
    assert!(
        !message.contains("before.test") && !message.contains("joe@127"),
        "{message}"
    );
    assert!(message.contains(" (TLSv1.3) id "), "{message}");
    assert!(!message.contains("ESMTPSA"), "{message}");
    assert!(house.captured("remote").is_empty());
}
