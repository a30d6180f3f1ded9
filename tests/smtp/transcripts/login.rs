//! smtpd with a checker, and behind TLS.

use super::{Speak, transcript};
use kit::sasl::base64;
use kit::smtp::{House, behind_tls};
use kit::transcript::Talk;
use kit::{Client, libexec, script};

#[test]
fn smtp_auth() {
    let house = House::new();
    let mut all = transcript("smtp-auth", &house);
    let checker = house.path("checker");
    let text = "#!/bin/sh\nin=$(tr '\\0' '\\n' <&3)\ncase $in in joe*secret*) exec \"$@\";; late*) exit 111;; esac\nexit 1\n";
    script(&checker, text);
    let checker = checker.display().to_string();
    house.control("remotequeue", "true");
    let plain = |name: &str, password: &str| base64(format!("\0{name}\0{password}"));
    let server = house
        .smtp()
        .handler(["smtpd", &checker, "/bin/true"])
        .env("SUPERD_LIBEXEC", libexec())
        .start();
    all.session("logins that succeed, and mail", &server, |talk| {
        talk.greeted(&[
            "EHLO x",
            &format!("AUTH PLAIN {}", plain("joe", "secret")),
            "AUTH LOGIN",
            "MAIL FROM:<s@x>",
            "RCPT TO:<r@far.test>",
            "QUIT",
        ]);
    });
    all.session("LOGIN", &server, |talk| {
        talk.greeted(&[
            "EHLO x",
            "AUTH LOGIN",
            &base64("joe"),
            &base64("secret"),
            "EHLO x",
            "QUIT",
        ]);
    });
    all.session("PLAIN in two steps", &server, |talk| {
        talk.greeted(&["EHLO x", "AUTH PLAIN", &plain("joe", "secret"), "QUIT"]);
    });
    all.session("logins that are malformed or cancelled", &server, |talk| {
        talk.greeted(&[
            "EHLO x",
            "AUTH",
            "AUTH CRAM-MD5",
            "AUTH NONE",
            "AUTH PLAIN ?",
            "AUTH PLAIN",
            "*",
            "QUIT",
        ]);
    });
    all.session("more of them", &server, |talk| {
        talk.greeted(&[
            "EHLO x",
            "AUTH LOGIN",
            "*",
            "AUTH LOGIN =",
            "*",
            "AUTH PLAIN =",
            "AUTH PLAIN eA==",
            "QUIT",
        ]);
    });
    all.session(
        "an AUTH in a transaction, a checker in trouble, and a no",
        &server,
        |talk| {
            talk.greeted(&[
                "MAIL FROM:<s@x>",
                &format!("AUTH PLAIN {}", plain("joe", "secret")),
                "RSET",
                &format!("AUTH PLAIN {}", plain("late", "x")),
                &format!("AUTH PLAIN {}", plain("joe", "wrong")),
                "QUIT",
            ]);
        },
    );
    drop(server);
    let server = house
        .smtp()
        .handler(["smtpd", &checker, "/bin/true"])
        .env("SUPERD_LIBEXEC", libexec())
        .env("SMTPAUTH", "!")
        .start();
    all.session("a login is demanded", &server, |talk| {
        talk.greeted(&[
            "EHLO x",
            "MAIL FROM:<s@x>",
            "RCPT TO:<joe@here.test>",
            &format!("AUTH PLAIN {}", plain("joe", "secret")),
            "MAIL FROM:<s@x>",
            "QUIT",
        ]);
    });
    drop(server);
    let server = house
        .smtp()
        .handler(["smtpd", &checker, "/bin/true"])
        .env("SUPERD_LIBEXEC", libexec())
        .env("FORCETLS", "1")
        .env("REQUIRETLS", "1")
        .start();
    all.session("TLS is demanded", &server, |talk| {
        talk.greeted(&[
            "EHLO x",
            "MAIL FROM:<s@x>",
            &format!("AUTH PLAIN {}", plain("joe", "secret")),
            "QUIT",
        ]);
    });
    drop(server);
    let server = house.smtp().handler(["smtpd", "true"]).start();
    all.session("true as the checker", &server, |_| {});
    drop(server);
    let server = house
        .smtp()
        .handler(["smtpd", &checker, "/bin/true"])
        .env("SMTPAUTH", "+cram")
        .start();
    all.session("CRAM-MD5", &server, |talk| {
        talk.greeted(&[
            "EHLO x",
            "AUTH CRAM-MD5",
            "*",
            "AUTH CRAM-MD5",
            &base64("joe x"),
            "QUIT",
        ]);
    });
    drop(server);
    if let Some(program) = behind_tls(&house, &[], &[]) {
        all.title("STARTTLS, and nothing of what was sent with it");
        let mut talk = Talk::on(Client::connect(program.address));
        talk.greeted(&["EHLO x", "STARTTLS x"]);
        talk.sent("STARTTLS\r\nMAIL FROM:<s@x>\r\n", 1);
        talk.send("this is no handshake\r\n");
        all.talked(talk);
        let log: Vec<String> = program.log().lines().map(str::to_owned).collect();
        all.log(&log);
        all.check();
    }
}
