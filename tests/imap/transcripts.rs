//! imapup and imapd.

use crate::house::{Home, three};
use kit::pop3::{HOST, Office, PASSWORD};
use kit::sasl::{base64, cram};
use kit::transcript::{Talk, Transcript};

/// What a client of this protocol says and hears.
trait Speak {
    /// Says each line and reads to its tagged response, or to a request to go on.
    fn imap(&mut self, lines: &[&str]);
}

impl Speak for Talk {
    fn imap(&mut self, lines: &[&str]) {
        for line in lines {
            self.say(line);
            let tag = line.split(' ').next().unwrap_or("").as_bytes().to_vec();
            self.until(|reply| {
                reply.starts_with(b"+ ")
                    || reply.starts_with(b"* BAD")
                    || (reply.starts_with(&tag) && reply.get(tag.len()) == Some(&b' '))
            });
        }
    }
}

#[test]
fn imap_before_the_login() {
    let office = Office::new();
    let mut all = Transcript::new("imap-login");
    all.hide(office.path(""), "<office>/");
    let checker = office.checker();
    let login = |user: &str, password: &str| base64(format!("\0{user}\0{password}"));
    let server = office
        .serve(&[
            "imapup",
            HOST,
            &checker,
            "/bin/sh",
            "-c",
            "printf '%s OK served\\r\\n' \"$IMAPLOGINTAG\"",
        ])
        .start();
    all.session("the commands", &server, |talk| {
        talk.line();
        talk.imap(&[
            "a CAPABILITY",
            "b NOOP",
            "c noop",
            "d NOOP x",
            "e ID NIL",
            "f ID (\"name\" \"x\" \"version\" NIL)",
            "g ID x",
            "h SELECT INBOX",
            "i STARTTLS",
            "j LOGIN joe",
            "k LOGIN",
            "l LOGIN joe a b",
            "m FOO",
            "n",
            "* NOOP",
            "",
            " NOOP",
            "p AUTHENTICATE",
            "q AUTHENTICATE NONE",
            "r AUTHENTICATE CRAM-MD5",
            "s AUTHENTICATE PLAIN ?",
        ]);
        talk.say("t AUTHENTICATE PLAIN");
        talk.line();
        talk.say("*");
        talk.line();
        talk.imap(&["u LOGOUT"]);
    });
    all.session("LOGIN", &server, |talk| {
        talk.line();
        talk.imap(&["a LOGIN joe \"sec\\\"ret\"", "a LOGIN joe secret"]);
    });
    all.session("LOGIN with literals", &server, |talk| {
        talk.line();
        talk.imap(&["a LOGIN {3}"]);
        talk.say("joe {6}");
        talk.line();
        talk.say("secret");
        talk.line();
    });
    all.session("LOGIN with literals that do not wait", &server, |talk| {
        talk.line();
        talk.send("a LOGIN {3+}\r\njoe {6+}\r\nsecret\r\n");
        talk.line();
    });
    all.session("AUTHENTICATE PLAIN at once", &server, |talk| {
        talk.line();
        talk.imap(&[&format!("a AUTHENTICATE PLAIN {}", login("joe", "secret"))]);
    });
    all.session(
        "AUTHENTICATE LOGIN, AUTHENTICATE PLAIN for somebody else",
        &server,
        |talk| {
            talk.line();
            talk.imap(&[
                &format!("a AUTHENTICATE PLAIN {}", base64("ann\0joe\0secret")),
                "b AUTHENTICATE LOGIN",
            ]);
            talk.say(base64("joe"));
            talk.line();
            talk.say(base64("secret"));
            talk.line();
        },
    );
    all.session("logins that fail", &server, |talk| {
        talk.line();
        talk.imap(&[
            "a LOGIN joe wrong",
            "b LOGIN joe later",
            "c LOGIN joe broken",
        ]);
        talk.finish();
    });
    all.session("too many bad commands", &server, |talk| {
        talk.line();
        talk.send("a FOO\r\nb BAR x\r\n".repeat(30));
    });
    all.session("literals that are too large or none", &server, |talk| {
        talk.line();
        talk.imap(&["a LOGIN {x}", "b LOGIN {-1}", "c NOOP {3}"]);
        talk.send("d LOGIN {99999}\r\n");
        talk.line();
        talk.send("e LOGIN {99999+}\r\n");
        talk.finish();
    });
    all.session("a line that is too long", &server, |talk| {
        talk.line();
        talk.send(format!("a NOOP {}\r\nb NOOP\r\n", "x".repeat(20_000)));
        talk.finish();
    });
    all.session("an end in the middle", &server, |talk| {
        talk.line();
        talk.send("a NOO");
        talk.finish();
    });
    drop(server);
    let server = office
        .serve(&["imapup", HOST, "selectcheckpw", "imapd", "Maildir"])
        .env("MAXAUTHFAIL", "1")
        .start();
    all.session("CRAM-MD5, of a checker of ours", &server, |talk| {
        talk.line();
        talk.say("a AUTHENTICATE CRAM-MD5");
        let challenge = String::from_utf8(talk.line()).unwrap();
        talk.say_as(&cram(challenge.trim_end(), "joe", PASSWORD), "<digest>");
        talk.until(|line| line.starts_with(b"a "));
        talk.imap(&["b LOGOUT"]);
    });
    all.session("one try, and a wrong password", &server, |talk| {
        talk.line();
        talk.imap(&["a LOGIN joe wrong"]);
    });
    drop(server);
    let server = office
        .serve(&["imapup", HOST, "checkpw", "imapd", "Maildir"])
        .env("REQUIRETLS", "1")
        .start();
    all.session("TLS is demanded", &server, |talk| {
        talk.line();
        talk.imap(&[
            "a CAPABILITY",
            "b LOGIN joe x",
            "c AUTHENTICATE PLAIN",
            "d LOGOUT",
        ]);
    });
    drop(server);
    let server = office.serve(&["imapup", HOST]).start();
    all.session("words are missing", &server, |_| {});
    all.check();
}

/// Sessions of imapd, which speaks on descriptors 0 and 1 and need not wait for anybody.
#[test]
fn imap_after_the_login() {
    let mut all = Transcript::new("imap");
    let home = Home::new();
    three(&home);
    home.folder(".Sent");
    all.hide(home.path(), "<home>");
    let text = "Subject: new\r\n\r\nappended\r\n";
    let sessions: [(&str, String); 9] = [
        ("mailboxes", "a CAPABILITY\r\nb NAMESPACE\r\nc LIST \"\" *\r\nd LSUB \"\" *\r\ne CREATE a\r\nf CREATE a\r\ng CREATE a.b\r\nh RENAME a c\r\ni DELETE none\r\nj SUBSCRIBE c\r\n\
            k LSUB \"\" *\r\nl UNSUBSCRIBE c\r\nm STATUS INBOX (MESSAGES UNSEEN UIDNEXT RECENT)\r\nn STATUS none (MESSAGES)\r\no DELETE c.b\r\np DELETE c\r\nq DELETE INBOX\r\nr CREATE INBOX\r\n\
            s LIST \"\" \"\"\r\nt ID NIL\r\nu LOGOUT\r\n".to_owned()),
        ("fetch", "a SELECT INBOX\r\nb FETCH 1:* (FLAGS UID INTERNALDATE RFC822.SIZE)\r\nc FETCH 1 BODY[]\r\nd FETCH 2 (ENVELOPE BODYSTRUCTURE)\r\ne FETCH 3 BODY.PEEK[HEADER.FIELDS (SUBJECT)]\r\n\
            f FETCH 1 BODY[TEXT]<2.5>\r\ng UID FETCH 1:* FLAGS\r\nh FETCH 9 FLAGS\r\ni FETCH x FLAGS\r\nj FETCH 1 NONE\r\nk FETCH 1 BODY[\r\nl LOGOUT\r\n".to_owned()),
        ("search and store", "a SELECT INBOX\r\nb SEARCH ALL\r\nc SEARCH SUBJECT \"message 2\"\r\nd UID SEARCH FLAGGED\r\ne SEARCH CHARSET x TEXT y\r\nf SEARCH NONE\r\ng STORE 1 +FLAGS (\\Deleted)\r\n\
            h STORE 2 FLAGS.SILENT (\\Answered)\r\ni STORE 3 -FLAGS (\\Seen)\r\nj STORE 9 +FLAGS (\\Seen)\r\nk STORE 1 FLAGS x\\y\r\nl SORT (REVERSE DATE) UTF-8 ALL\r\nm THREAD REFERENCES UTF-8 ALL\r\n\
            n COPY 2 Sent\r\no COPY 2 none\r\np MOVE 3 Sent\r\nq EXPUNGE\r\nr CHECK\r\ns CLOSE\r\nt FETCH 1 FLAGS\r\nu LOGOUT\r\n".to_owned()),
        ("examine", "a EXAMINE INBOX\r\nb STORE 1 +FLAGS (\\Seen)\r\nc EXPUNGE\r\nd UNSELECT\r\ne SELECT none\r\nf SELECT Sent\r\ng UID EXPUNGE 1\r\nh LOGOUT\r\n".to_owned()),
        ("append", format!("a APPEND Sent (\\Seen) \"01-Jan-2020 00:00:00 +0000\" {{{0}+}}\r\n{text}\r\nb APPEND none {{{0}+}}\r\n{text}\r\nc APPEND Sent {{{0}+}}\r\n\r\n\
            d APPEND Sent {{x}}\r\ne APPEND Sent (\\Bad\\) {{1+}}\r\nx\r\nf STATUS Sent (MESSAGES)\r\ng LOGOUT\r\n", text.len()).replace("c APPEND Sent {26+}\r\n\r\n", "")),
        ("errors", format!("a\r\n* b\r\n\r\nc FOO\r\nd SELECT\r\ne LOGIN joe x\r\nf AUTHENTICATE PLAIN\r\ng STARTTLS\r\nh FETCH 1 FLAGS\r\ni SELECT \"a\r\nj SELECT {{3}}\r\n\r\nk NOOP x\r\nl ENABLE CONDSTORE X\r\nm GETQUOTAROOT INBOX\r\nn NO\0OP\r\no NOOP {}\r\np LOGOUT\r\n", "x".repeat(70_000))),
        ("too many bad commands", "a FOO\r\n".repeat(40)),
        ("an end in the middle of a literal", "a SELECT INBOX\r\nb APPEND INBOX {100}\r\nhello".to_owned()),
        ("a line without end", "x".repeat(2_000_000)),
    ];
    for (title, input) in sessions {
        all.run(title, input.as_bytes(), home.imapd_run());
    }
    all.check();
}
