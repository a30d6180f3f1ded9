//! popup and pop3d.

use std::fs;

use kit::pop3::{HOST, Office, PASSWORD};
use kit::sasl::{apop_digest, base64, cram};
use kit::transcript::{Talk, Transcript};

/// What a client of this protocol says and hears.
trait Speak {
    /// Says each line and reads the first line of its reply.
    fn pop3(&mut self, lines: &[&str]);
    /// Says each line and reads a reply that goes on to a dot, if it is a good one.
    fn pop3_lists(&mut self, lines: &[&str]);
}

impl Speak for Talk {
    fn pop3(&mut self, lines: &[&str]) {
        for line in lines {
            self.say(line);
            self.line();
        }
    }

    fn pop3_lists(&mut self, lines: &[&str]) {
        for line in lines {
            self.say(line);
            if self.line().starts_with(b"+OK") {
                self.until(|line| line == b".\r\n");
            }
        }
    }
}

fn transcript(name: &'static str, office: &Office) -> Transcript {
    let mut transcript = Transcript::new(name);
    transcript.hide(office.path(""), "<office>/");
    transcript
}

#[test]
fn pop3_before_the_login() {
    let office = Office::new();
    let mut all = transcript("pop3-login", &office);
    let checker = office.checker();
    let login = |user: &str, password: &str| base64(format!("\0{user}\0{password}"));
    let server = office
        .serve(&[
            "popup",
            HOST,
            &checker,
            "/bin/sh",
            "-c",
            "printf '+OK served\\r\\n'",
        ])
        .start();
    all.session("the commands", &server, |talk| {
        talk.line();
        talk.pop3_lists(&["CAPA", "AUTH"]);
        talk.pop3(&[
            "NOOP",
            "noop x",
            "USER",
            "USER joe",
            "USER ann",
            "STAT",
            "LIST",
            "STLS",
            "UTF8",
            "UTF8 x",
            "LANG",
            "PASS",
            "USER joe",
            "PASS",
            "APOP joe",
            "APOP joe x",
            "AUTH NONE",
            "AUTH CRAM-MD5 x",
            "AUTH PLAIN",
            "*",
            "AUTH PLAIN ?",
            "AUTH LOGIN",
        ]);
        talk.pop3(&["*", "QUIT"]);
    });
    all.session("USER and PASS", &server, |talk| {
        talk.line();
        talk.pop3(&["USER joe", "PASS secret"]);
    });
    all.session("AUTH PLAIN at once", &server, |talk| {
        talk.line();
        talk.pop3(&[&format!("AUTH PLAIN {}", login("joe", "secret"))]);
    });
    all.session("AUTH PLAIN in two steps", &server, |talk| {
        talk.line();
        talk.pop3(&["AUTH PLAIN", &login("joe", "secret")]);
    });
    all.session("AUTH LOGIN", &server, |talk| {
        talk.line();
        talk.pop3(&["AUTH LOGIN", &base64("joe"), &base64("secret")]);
    });
    all.session(
        "logins that fail, and the end of patience",
        &server,
        |talk| {
            talk.line();
            talk.pop3(&[
                "PASS secret",
                "USER joe",
                "PASS wrong",
                "PASS secret",
                "USER joe",
                "PASS later",
            ]);
            talk.pop3(&["USER joe", "PASS broken"]);
            talk.finish();
        },
    );
    all.session("too many bad commands", &server, |talk| {
        talk.line();
        talk.send("FOO\r\nBAR x\r\n".repeat(20));
    });
    all.session("lines too long, with NUL, in two", &server, |talk| {
        talk.line();
        talk.pop3(&[
            &format!("USER {}", "x".repeat(507)),
            &format!("USER {}", "x".repeat(508)),
            "NO\0OP",
            "USER a\0b",
        ]);
        talk.send("NO");
        talk.send("OP\n");
        talk.line();
        talk.send("QUI");
        talk.finish();
    });
    all.session("a line without end", &server, |talk| {
        talk.line();
        talk.send("x".repeat(2_000_000));
    });
    drop(server);
    let server = office.pop3("selectcheckpw").env("MAXAUTHFAIL", "1").start();
    all.session("CRAM-MD5, of a checker of ours", &server, |talk| {
        talk.line();
        talk.pop3_lists(&["CAPA"]);
        talk.say("AUTH CRAM-MD5");
        let challenge = String::from_utf8(talk.line()).unwrap();
        talk.say_as(&cram(challenge.trim_end(), "joe", PASSWORD), "<digest>");
        talk.line();
        talk.pop3(&["STAT", "QUIT"]);
    });
    all.session("APOP, of a checker of ours", &server, |talk| {
        let greeting = String::from_utf8(talk.line()).unwrap();
        talk.say_as(
            &format!("APOP joe {}", apop_digest(&greeting, PASSWORD)),
            "APOP joe <digest>",
        );
        talk.line();
        talk.pop3(&["QUIT"]);
    });
    all.session("one try, and a wrong password", &server, |talk| {
        talk.line();
        talk.pop3(&["USER joe", "PASS wrong"]);
    });
    all.session("one try, and nobody of that name", &server, |talk| {
        talk.line();
        talk.pop3(&["USER stranger", "PASS wrong"]);
    });
    drop(server);
    let server = office.pop3("checkapoppw").start();
    all.session("APOP alone", &server, |talk| {
        talk.line();
        talk.pop3_lists(&["CAPA"]);
        talk.pop3(&["USER joe", "AUTH PLAIN", "QUIT"]);
    });
    drop(server);
    let server = office.pop3("checkpw").env("REQUIRETLS", "1").start();
    all.session("TLS is demanded", &server, |talk| {
        talk.line();
        talk.pop3_lists(&["CAPA"]);
        talk.pop3(&["USER joe", "PASS x", "AUTH PLAIN", "STLS", "QUIT"]);
    });
    drop(server);
    let server = office.serve(&["popup", HOST]).start();
    all.session("words are missing", &server, |_| {});
    all.check();
}

#[test]
fn pop3_after_the_login() {
    let office = Office::new();
    let mut all = transcript("pop3", &office);
    office.deliver("joe", "1700000001.a.host", "Subject: one\n\nfirst\n.dot\n");
    office.deliver(
        "joe",
        "1700000002.b.host",
        "Subject: two\nFrom: x\n\nl1\nl2\nl3\n",
    );
    office.deliver("joe", "1700000003.c.host", "no header at all");
    office.deliver(
        "joe",
        "1700000004.d.host",
        "Subject: three\r\n\r\ncr lf\r\n",
    );
    let server = office.pop3("checkpw").start();
    let login = |talk: &mut Talk| {
        talk.line();
        talk.pop3(&["USER joe", &format!("PASS {PASSWORD}")]);
    };
    all.session("reading", &server, |talk| {
        login(talk);
        talk.pop3_lists(&[
            "CAPA", "LIST", "UIDL", "RETR 1", "RETR 2", "RETR 3", "RETR 4", "TOP 2 0", "TOP 2 1",
            "TOP 2 99",
        ]);
        talk.pop3(&[
            "STAT", "LIST 1", "LIST 9", "UIDL 2", "UIDL 9", "NOOP", "LAST", "RSET", "QUIT",
        ]);
    });
    all.session("errors", &server, |talk| {
        login(talk);
        talk.pop3(&[
            "RETR",
            "RETR 0",
            "RETR 5",
            "RETR x",
            "RETR 99999999999999999999",
            "RETR -1",
            "TOP",
            "TOP 1",
            "TOP 1 x",
            "TOP x 1",
            "DELE",
            "DELE 0",
            "DELE 9",
            "LIST x",
            "USER joe",
            "PASS x",
            "APOP a b",
            "AUTH PLAIN",
            "STLS",
            "XTND",
            "",
            "NOOP x",
            "LIST 1 x",
            "UTF8",
        ]);
        talk.pop3(&["NO\0OP", &format!("NOOP {}", "x".repeat(600))]);
        talk.pop3(&["QUIT"]);
    });
    all.session("deleting, and an end without QUIT", &server, |talk| {
        login(talk);
        talk.pop3(&[
            "DELE 1", "DELE 1", "RETR 1", "LIST 1", "UIDL 1", "TOP 1 0", "STAT", "LAST", "RSET",
            "DELE 2",
        ]);
        talk.pop3_lists(&["LIST", "UIDL"]);
        talk.finish();
    });
    all.session("deleting", &server, |talk| {
        login(talk);
        talk.pop3(&["DELE 1", "DELE 3", "QUIT"]);
    });
    all.session("pipelined, and what is behind QUIT", &server, |talk| {
        talk.line();
        talk.send(format!(
            "USER joe\r\nPASS {PASSWORD}\r\nSTAT\r\nLIST\r\nRETR 1\r\nQUIT\r\nNOOP\r\n"
        ));
    });
    all.session("too many bad commands", &server, |talk| {
        login(talk);
        talk.send("FOO\r\n".repeat(30));
    });
    all.session("a line without end", &server, |talk| {
        login(talk);
        talk.send("x".repeat(2_000_000));
    });
    fs::remove_dir_all(office.maildir("joe").join("cur")).unwrap();
    all.session("a Maildir that is none", &server, login);
    all.check();
}
