//! STARTTLS of smtpd: nothing that was said, or sent ahead, in the clear counts behind it.

use std::path::Path;

use kit::Client;
use kit::smtp::{House, behind_tls, smtplib};

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
smtp.ehlo()
say('AUTH PLAIN AGpvZQB4')
say('MAIL FROM:<s@x>')
say('RCPT TO:<x@far.test>')
say('STARTTLS')
say('RSET')
encrypt()
say('MAIL FROM:<s@x>')
say('RCPT TO:<x@far.test>')
say('RCPT TO:<joe@here.test>')
message()
smtp.quit()
";

#[test]
fn behind_starttls_nobody_has_greeted_or_logged_in() {
    let house = House::new();
    let remote = house.capturing("remote");
    house.control("remotequeue", remote.to_str().unwrap());
    let everybody = ["/bin/sh", "-c", "exit 0"];
    let Some(program) = behind_tls(&house, &everybody, &[("SMTPAUTH", Path::new("1"))]) else {
        return;
    };
    let Some((codes, said)) = smtplib(&program, BEFORE_AND_AFTER) else {
        return;
    };
    // In the clear: a login that lets him relay, and no STARTTLS within a transaction.
    assert_eq!(codes[..5], ["235", "250", "250", "503", "250"], "{said}");
    // Behind it: a stranger.
    assert_eq!(codes[5..], ["250", "553", "250", "250"], "{said}");
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
