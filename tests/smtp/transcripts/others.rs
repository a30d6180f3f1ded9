//! lmtpd and rblsmtpd.

use std::fs;

use super::Speak;
use kit::pop3::{Office, with_system_users};
use kit::transcript::Transcript;
use kit::{Run, bin};

#[test]
fn lmtp() {
    if !with_system_users("transcripts of lmtpd") {
        return;
    }
    let office = Office::new();
    let mut all = Transcript::new("lmtp");
    all.hide(office.path(""), "<office>/");
    fs::write(office.path("home/control/me"), "here.test\n").unwrap();
    fs::write(office.path("home/control/databytes"), "10000\n").unwrap();
    fs::remove_dir_all(office.maildir("ann")).unwrap();
    fs::write(office.path("ann/Maildir"), "no directory").unwrap();
    let server = office.serve(&["lmtpd"]).start();
    all.session(
        "everything in order, but for one recipient",
        &server,
        |talk| {
            talk.greeted(&[
                "LHLO client",
                "MAIL FROM:<s@x>",
                "RCPT TO:<joe@here.test>",
                "RCPT TO:<ann@here.test>",
                "RCPT TO:<no@here.test>",
                "RCPT TO:<joe@far.test>",
                "RCPT TO:<root@here.test>",
                "DATA",
            ]);
            talk.sent("Subject: x\r\n\r\ntext\r\n.\r\n", 2);
            talk.smtp(&["MAIL FROM:<>", "RCPT TO:<joe@here.test>", "DATA"]);
            talk.sent("Subject: x\r\n\r\ntext\r\n.\r\n", 1);
            talk.smtp(&["NOOP", "VRFY joe", "RSET", "QUIT"]);
        },
    );
    all.session("bad commands", &server, |talk| {
        talk.greeted(&[
            "HELO x",
            "EHLO x",
            "MAIL FROM:<s@x>",
            "RCPT TO:<joe@here.test>",
            "BDAT 0 LAST",
            "LHLO",
            "LHLO x",
            "FOO",
            "",
            "RSET",
            "DATA",
            "HELP",
            "QUIT",
        ]);
    });
    all.session("bad senders and recipients", &server, |talk| {
        talk.greeted(&[
            "LHLO x",
            "MAIL",
            "MAIL FROM:x",
            "MAIL FROM:<s@x> SIZE=10001",
            "MAIL FROM:<s@x> BODY=X",
            "MAIL FROM:<s@x> FOO",
            "MAIL FROM:<s@x> SIZE=9 BODY=8BITMIME SMTPUTF8",
            "MAIL FROM:<t@x>",
            "DATA",
            "RCPT",
            "RCPT TO:<>",
            "RCPT TO:<a b@here.test>",
            "RCPT TO:<joe@here.test> X=Y",
            "RCPT TO:<joe>",
            "QUIT",
        ]);
    });
    all.session(
        "commands of extensions that are not there",
        &server,
        |talk| {
            talk.greeted(&[
                "LHLO x",
                "STARTTLS",
                "AUTH PLAIN",
                "XCLIENT ADDR=x",
                "BDAT x",
            ]);
            talk.finish();
        },
    );
    all.session("messages that are refused", &server, |talk| {
        talk.greeted(&[
            "LHLO c",
            "MAIL FROM:<s@x>",
            "RCPT TO:<joe@here.test>",
            "RCPT TO:<joe@here.test>",
            "DATA",
        ]);
        talk.sent("a\nb\r\n.\r\n", 2);
        talk.smtp(&["MAIL FROM:<s@x>", "RCPT TO:<joe@here.test>", "DATA"]);
        talk.sent(format!("{}.\r\n", "x".repeat(500).repeat(30) + "\r\n"), 1);
        talk.smtp(&["MAIL FROM:<s@x>", "RCPT TO:<joe@here.test>", "DATA"]);
        talk.sent(
            format!("{}\r\nx\r\n.\r\n", "Received: x\r\n".repeat(101)),
            1,
        );
        talk.smtp(&["MAIL FROM:<s@x>", "RCPT TO:<joe@here.test>"]);
        talk.sent("BDAT 6\r\nA: b\r\nBDAT 3 LAST\r\n\r\nx", 2);
        talk.send(format!("NOOP {}\r\n", "x".repeat(3000)));
        talk.reply();
        talk.smtp(&["QUIT"]);
    });
    all.session("an end in the middle of a message", &server, |talk| {
        talk.greeted(&[
            "LHLO c",
            "MAIL FROM:<s@x>",
            "RCPT TO:<joe@here.test>",
            "DATA",
        ]);
        talk.send("Subject: x\r\n");
        talk.finish();
    });
    all.session("a line without end", &server, |talk| {
        talk.reply();
        talk.send("x".repeat(2_000_000));
    });
    all.session("a tab, a NUL", &server, |talk| {
        talk.greeted(&["LHLO c"]);
        talk.sent("NO\0OP\r\n", 1);
        talk.sent("MAIL FROM:<a\0b@x>\r\n", 1);
        talk.finish();
    });
    drop(server);
    fs::write(office.path("home/control/databytes"), "none\n").unwrap();
    let server = office.serve(&["lmtpd"]).start();
    all.session("settings that are wrong", &server, |_| {});
    all.check();
}

const COMMANDS: &[u8] = b"HELO a\r\nEHLO b\r\nMAIL FROM:<x@y>\r\nRCPT TO:<a@b>\nrcpt\r\nDATA\r\nRSET\r\nNOOP x\r\nVRFY a\r\nHELP\r\n\r\n NOOP\r\nQUIT now\r\nNOOP\r\n";

#[test]
fn rblsmtpd() {
    let mut all = Transcript::new("rblsmtpd");
    let run = |words: &[&str]| {
        Run::new(bin("rblsmtpd"))
            .args(words)
            .env("TCPREMOTEIP", "192.0.2.71")
    };
    for value in ["go away", "-go away", "", "-", "a\tb\u{e9}c\r\nd"] {
        all.run(
            &format!("RBLSMTPD={value:?}"),
            COMMANDS,
            run(&["echo", "served"]).env("RBLSMTPD", value),
        );
    }
    all.run(
        "no time",
        COMMANDS,
        run(&["-t0", "echo", "served"]).env("RBLSMTPD", "no"),
    );
    all.run(
        "an early end",
        b"HELO a\r\nRCPT TO",
        run(&["echo", "served"]).env("RBLSMTPD", "no"),
    );
    all.run("no list", b"", run(&["echo", "served"]));
    all.run("a bad option", b"", run(&["-Z"]));
    all.run(
        "a program that is not there",
        b"",
        run(&["/nonexistent/program"]).env("RBLSMTPD", ""),
    );
    all.check();
}
