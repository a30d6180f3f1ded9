//! Transcripts of smtpd, lmtpd and rblsmtpd.

mod login;
mod others;

use std::net::Ipv4Addr;

use kit::server::Builder;
use kit::smtp::House;
use kit::transcript::{Talk, Transcript};
use kit::{libexec, script};

/// What a client of this protocol says and hears.
trait Speak {
    /// Reads one reply of SMTP.
    fn reply(&mut self) -> Vec<u8>;
    /// Says each line and reads its reply.
    fn smtp(&mut self, lines: &[&str]);
    /// Reads the banner first.
    fn greeted(&mut self, lines: &[&str]);
    /// Sends bytes that have so many replies.
    fn sent(&mut self, bytes: impl AsRef<[u8]>, replies: usize);
}

impl Speak for Talk {
    fn reply(&mut self) -> Vec<u8> {
        self.until(|line| line.get(3) != Some(&b'-'))
    }

    fn smtp(&mut self, lines: &[&str]) {
        for line in lines {
            self.say(line);
            self.reply();
        }
    }

    fn greeted(&mut self, lines: &[&str]) {
        self.reply();
        self.smtp(lines);
    }

    fn sent(&mut self, bytes: impl AsRef<[u8]>, replies: usize) {
        self.send(bytes);
        for _ in 0..replies {
            self.reply();
        }
    }
}

fn transcript(name: &'static str, house: &House) -> Transcript {
    let mut transcript = Transcript::new(name);
    transcript.hide(house.path(""), "<house>/");
    transcript.hide(libexec(), "<libexec>");
    transcript
}

#[test]
fn smtp_commands_and_refusals() {
    let house = House::new();
    let mut all = transcript("smtp", &house);
    let server = house.smtp().start();
    all.session("everything in order", &server, |talk| {
        talk.greeted(&[
            "EHLO client.test",
            "MAIL FROM:<s@x.test>",
            "RCPT TO:<joe@here.test>",
            "DATA",
        ]);
        talk.sent("Subject: x\r\n\r\n..dot\r\ntext\r\n.\r\n", 1);
        talk.smtp(&[
            "HELO client.test",
            "MAIL FROM:<>",
            "RCPT TO:<ann@here.test>",
            "RCPT TO:<joe@HERE.test>",
            "DATA",
        ]);
        talk.sent("\r\n.\r\n", 1);
        talk.smtp(&["NOOP", "RSET", "VRFY joe", "HELP", "QUIT"]);
    });
    all.session("bad commands", &server, |talk| {
        talk.greeted(&[
            "DATA",
            "RCPT TO:<joe@here.test>",
            "EXPN x",
            "ETRN x",
            "TURN",
            "",
            " NOOP",
            "NOOP x",
            "noop",
            "RSET x",
            "HELO",
            "EHLO",
            "QUIT x",
        ]);
    });
    all.session("bad and unusual senders and recipients", &server, |talk| {
        talk.greeted(&[
            "MAIL",
            "MAIL s@x",
            "MAIL FROM: <s@x>",
            "MAIL FROM:s@x",
            "MAIL FROM:<s@x",
            "MAIL FROM:<s@x> SIZE=",
            "MAIL FROM:<s@x> SIZE=x",
            "MAIL FROM:<s@x> SIZE=10 BODY=8BITMIME",
            "MAIL FROM:<s@x> BODY=BINARYMIME",
            "MAIL FROM:<s@x> NOTHING=x",
            "MAIL FROM:<s@x> SMTPUTF8",
            "DATA",
            "BDAT 0 LAST",
            "RCPT",
            "RCPT TO:",
            "RCPT TO:<>",
            "RCPT TO:<joe@here.test> NOTIFY=NEVER",
            "RCPT TO:<joe>",
            "RCPT TO:<postmaster>",
            "RCPT TO:<nobody@here.test>",
            "RCPT TO:<x@far.test>",
            "RCPT TO:<@a:joe@here.test>",
            "RCPT TO:<\"joe\"@here.test>",
            "MAIL FROM:<t@y>",
            "QUIT",
        ]);
    });
    all.session(
        "commands of extensions that are not there",
        &server,
        |talk| {
            talk.greeted(&["STARTTLS", "AUTH PLAIN", "XCLIENT ADDR=192.0.2.1", "BDAT"]);
        },
    );
    all.session(
        "lines too long, with NUL, with bytes above 127",
        &server,
        |talk| {
            talk.reply();
            talk.sent(
                [b"NOOP ".to_vec(), vec![b'x'; 3000], b"\r\n".to_vec()].concat(),
                1,
            );
            talk.sent(format!("MAIL FROM:<{}@x>\r\n", "s".repeat(1000)), 1);
            talk.sent(format!("MAIL FROM:<{}@x>\r\n", "s".repeat(890)), 1);
            talk.sent("NO\0OP\r\n", 1);
            talk.sent("MAIL FROM:<a\0b@x>\r\n", 1);
            talk.sent(b"MAIL FROM:<\xe9@x>\r\n", 1);
            talk.sent(b"RCPT TO:<\xe9@here.test>\r\n", 1);
            talk.sent("NOOP\n", 1);
            talk.sent("NOOP\r\r\n", 1);
            talk.smtp(&["QUIT"]);
        },
    );
    all.session("pipelined, and BDAT", &server, |talk| {
        talk.greeted(&["EHLO client.test"]);
        talk.sent("MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nRCPT TO:<no@here.test>\r\nBDAT 6\r\nA: b\r\nBDAT 0\r\n", 5);
        talk.smtp(&["DATA", "NOOP", "RCPT TO:<ann@here.test>"]);
        talk.sent("BDAT 7 LAST\r\n\r\n.\r\nx\n", 1);
        talk.smtp(&["QUIT"]);
    });
    all.session("more of BDAT", &server, |talk| {
        talk.greeted(&["EHLO client.test"]);
        talk.sent(
            "MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nBDAT 5 LAST\r\nA: b\n",
            3,
        );
        talk.sent("MAIL FROM:<s@x>\r\nBDAT 5 LAST\r\nA: b\nRSET\r\n", 3);
        talk.sent(
            "MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nBDAT 6 LAST\r\nA: b\r\n",
            3,
        );
        talk.smtp(&["BDAT 99999999999999999999999999 LAST"]);
        talk.finish();
    });
    all.session("line ends that are none", &server, |talk| {
        talk.greeted(&["MAIL FROM:<s@x>", "RCPT TO:<joe@here.test>", "DATA"]);
        talk.sent("a\nb\r\n.\r\n", 1);
        talk.smtp(&["MAIL FROM:<s@x>", "RCPT TO:<joe@here.test>", "DATA"]);
        talk.sent("a\r\n.\nb\r\n.\r\n", 1);
        talk.smtp(&["MAIL FROM:<s@x>", "RCPT TO:<joe@here.test>", "DATA"]);
        talk.sent("a\rb\r\n.\r\n", 1);
        talk.smtp(&["QUIT"]);
    });
    all.session("a loop", &server, |talk| {
        talk.greeted(&["MAIL FROM:<s@x>", "RCPT TO:<joe@here.test>", "DATA"]);
        talk.sent(
            format!("{}\r\nx\r\n.\r\n", "Received: x\r\n".repeat(101)),
            1,
        );
        talk.smtp(&["QUIT"]);
    });
    all.session("an end in the middle of a command", &server, |talk| {
        talk.greeted(&["HELO x"]);
        talk.send("MAIL FR");
        talk.finish();
    });
    all.session("an end in the middle of a message", &server, |talk| {
        talk.greeted(&["MAIL FROM:<s@x>", "RCPT TO:<joe@here.test>", "DATA"]);
        talk.send("Subject: x\r\n");
        talk.finish();
    });
    all.session("a line without end", &server, |talk| {
        talk.reply();
        talk.send("x".repeat(2_000_000));
    });
    all.check();
}

#[test]
fn smtp_limits_and_lists() {
    let house = House::new();
    let mut all = transcript("smtp-limits", &house);
    for (name, text) in [
        ("databytes", "100"),
        ("badmailfrom", "bad@x\n@bad.test"),
        ("badrcptto", "spam@here.test"),
        ("badhelo", "bad.helo"),
        (
            "validrcptto",
            "joe@here.test\nann@here.test\n-old@here.test",
        ),
        ("timeoutsmtpd", "1200"),
        ("smtpgreeting", "mx.here.test hello"),
    ] {
        house.control(name, text);
    }
    let server = house.smtp().env("MAXRCPT", "2").start();
    all.session("lists", &server, |talk| {
        talk.greeted(&[
            "HELO bad.helo",
            "MAIL FROM:<s@x>",
            "RCPT TO:<joe@here.test>",
            "HELO good.helo",
            "MAIL FROM:<bad@x>",
            "RCPT TO:<joe@here.test>",
            "RSET",
            "MAIL FROM:<a@bad.test>",
            "RCPT TO:<joe@here.test>",
            "MAIL FROM:<s@x>",
            "RCPT TO:<spam@here.test>",
            "RCPT TO:<old@here.test>",
            "RCPT TO:<who@here.test>",
            "RCPT TO:<joe@here.test>",
            "RCPT TO:<joe@far.test>",
            "RCPT TO:<ann@here.test>",
            "RCPT TO:<joe@here.test>",
            "QUIT",
        ]);
    });
    all.session("sizes", &server, |talk| {
        talk.greeted(&[
            "EHLO x",
            "MAIL FROM:<s@x> SIZE=101",
            "MAIL FROM:<s@x> SIZE=100",
            "RCPT TO:<joe@here.test>",
            "DATA",
        ]);
        talk.sent(format!("{}\r\n.\r\n", "x".repeat(200)), 1);
        talk.smtp(&["MAIL FROM:<s@x>", "RCPT TO:<joe@here.test>"]);
        talk.sent(format!("BDAT 202\r\n{}\r\n", "x".repeat(200)), 1);
        talk.smtp(&["QUIT"]);
    });
    drop(server);
    let server = house
        .smtp()
        .env("RBLSMTPD", "-go away")
        .env("SMTPD_GREETDELAY", "0")
        .start();
    all.session("a client of a block list", &server, |talk| {
        talk.greeted(&[
            "HELO x",
            "MAIL FROM:<s@x>",
            "RCPT TO:<joe@here.test>",
            "DATA",
            "QUIT",
        ]);
    });
    drop(server);
    house.control("timeoutsmtpd", "1");
    let server = house.smtp().start();
    all.session("silence", &server, |_| {});
    all.session("silence in a message", &server, |talk| {
        talk.send("MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nDATA\r\nx\r\n");
    });
    drop(server);
    house.control("databytes", "none");
    let server = house.smtp().start();
    all.session("settings that are wrong", &server, |_| {});
    drop(server);
    all.check();
}

/// smtpd with a queue program that ends with the code that stands in the subject.
fn with_queue(house: &House) -> Builder {
    let queue = house.path("queue");
    let text = "#!/bin/sh\nread -r line\nread -r line\nread -r word code text\ncat >/dev/null\n[ -z \"$text\" ] || printf %s \"$text\" >&6\nexit \"$code\"\n";
    script(&queue, text);
    house
        .smtp()
        .env("QMAILQUEUE", &queue)
        .env("RELAYCLIENT", "")
}

#[test]
fn smtp_what_the_queue_program_says() {
    let house = House::new();
    let mut all = transcript("smtp-queue", &house);
    let server = with_queue(&house).start();
    all.session("exit codes", &server, |talk| {
        talk.reply();
        for code in [
            "0",
            "11",
            "31",
            "40",
            "51",
            "52",
            "53",
            "54",
            "61",
            "63",
            "71",
            "81",
            "82 Dnot today",
            "82 Znot now",
            "82",
            "88 Done",
            "91",
            "111",
            "115",
            "120",
        ] {
            talk.sent("MAIL FROM:<s@x>\r\nRCPT TO:<r@far.test>\r\nDATA\r\n", 3);
            talk.sent(format!("Subject: {code}\r\n\r\nx\r\n.\r\n"), 1);
        }
        talk.smtp(&["QUIT"]);
    });
    drop(server);
    let server = house.smtp().env("QMAILQUEUE", "/nonexistent/queue").start();
    all.session("no such program", &server, |talk| {
        talk.greeted(&["MAIL FROM:<s@x>", "RCPT TO:<joe@here.test>", "DATA", "QUIT"]);
    });
    drop(server);
    house.control("remotequeue", "smtp:127.0.0.1:1");
    let server = house.smtp().env("RELAYCLIENT", "").start();
    all.session("a next server that is not there", &server, |talk| {
        talk.greeted(&["MAIL FROM:<s@x>", "RCPT TO:<r@far.test>", "DATA", "QUIT"]);
    });
    drop(server);
    all.check();
}

#[test]
fn smtp_xclient_and_plugins() {
    let house = House::new();
    let mut all = transcript("smtp-xclient", &house);
    let clients = house.path("home/clients.cdb");
    kit::compile(
        kit::Side::Ours,
        &house.path("home"),
        "clients.cdb",
        "203.0.113.9:deny\n203.0.113.:allow,RELAYCLIENT=\"\"\n",
    );
    assert!(clients.exists());
    let rules = house.rules("127.0.0.2:deny\n127.0.0.3:allow,XCLIENT=\"\",XCLIENT_RULES=\"none.cdb\"\n127.:allow,XCLIENT=\"\",XCLIENT_RULES=\"clients.cdb\",RELAYCLIENT=\"\"\n");
    house.control("remotequeue", "true");
    let server = house
        .smtp()
        .options(["-x".into(), rules.into_os_string()])
        .start();
    all.session("a proxy", &server, |talk| {
        talk.greeted(&[
            "EHLO proxy",
            "XCLIENT NAME=a.far.test",
            "XCLIENT ADDR=203.0.113.7 PORT=99 PROTO=ESMTP HELO=c.far.test",
            "EHLO c",
            "MAIL FROM:<s@x>",
            "RCPT TO:<x@far.test>",
            "XCLIENT ADDR=203.0.113.8",
        ]);
    });
    all.session("a client with a login behind a proxy", &server, |talk| {
        talk.greeted(&[
            "XCLIENT ADDR=198.51.100.7 LOGIN=joe NAME=[UNAVAILABLE]",
            "EHLO c",
            "MAIL FROM:<s@x>",
            "RCPT TO:<x@far.test>",
            "QUIT",
        ]);
    });
    all.session("a client that is denied behind a proxy", &server, |talk| {
        talk.greeted(&["XCLIENT ADDR=203.0.113.9", "QUIT"]);
    });
    for (title, line) in [
        ("malformed", "XCLIENT ADDR"),
        ("unknown", "XCLIENT COLOUR=red"),
        ("twice", "XCLIENT ADDR=1.2.3.4 ADDR=1.2.3.4"),
        ("no address", "XCLIENT ADDR=x"),
        ("too late", "MAIL FROM:<s@x>\r\nXCLIENT ADDR=203.0.113.7"),
    ] {
        all.session(&format!("XCLIENT {title}"), &server, |talk| {
            talk.reply();
            talk.send(format!("{line}\r\nNOOP\r\nQUIT\r\n"));
        });
    }
    all.session_from(
        Ipv4Addr::new(127, 0, 0, 3),
        "rules that are not there",
        &server,
        |talk| {
            talk.greeted(&["XCLIENT ADDR=203.0.113.9", "QUIT"]);
        },
    );
    all.session_from(
        Ipv4Addr::new(127, 0, 0, 2),
        "denied by superd",
        &server,
        |_| {},
    );
    drop(server);
    let plugins = "[connection]\n:echo P220-hello there\n[helo]\n:case $SMTPHELOHOST in bad) echo E550 bad helo;; end) echo R554 go;; esac\n\
        [mail]\n:case $SMTPMAILFROM in no*) echo Eno;; later@x) echo LR451 later;; h@x) echo HX-Plugin: yes;; drop@x) echo D;; esac\n\
        [rcpt]\n:case $SMTPRCPTTO in ann@*) echo E550 not her;; far@*) echo O;; esac\n[data]\n:exit 120\n";
    house.control("smtpplugins", plugins);
    let server = house.smtp().env("ENABLE_SPP", "1").start();
    all.session("plugins", &server, |talk| {
        talk.greeted(&[
            "HELO bad",
            "HELO x",
            "MAIL FROM:<no@x>",
            "MAIL FROM:<later@x>",
            "RCPT TO:<joe@here.test>",
            "MAIL FROM:<h@x>",
            "RCPT TO:<ann@here.test>",
            "RCPT TO:<far@far.test>",
            "RCPT TO:<joe@here.test>",
            "DATA",
            "HELO end",
        ]);
    });
    all.session("a plugin drops the session", &server, |talk| {
        talk.greeted(&["MAIL FROM:<drop@x>"]);
    });
    all.check();
}
