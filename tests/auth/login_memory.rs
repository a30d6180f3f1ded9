//! What a session has to itself after its login, whichever checker and whichever hash let it in.

use std::fs;

use crate::checkers::{add_hash, crypt};
use kit::pop3::{HOST, Office, Pop3};
use kit::process::{connection, eventually, holders};
use kit::{Client, Server};

/// The most that a session may have, in kB; in this build, which is not optimized.
const LIMIT: u64 = 300;

/// Anonymous memory of a process, in kB.
fn anonymous(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Anonymous:"));
    let number = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

/// How a client logs in by one protocol.
struct Protocol {
    words: [&'static str; 2],
    log_in: fn(&mut Client, &str),
}

const PROTOCOLS: [Protocol; 2] = [
    Protocol {
        words: ["popup", "pop3d"],
        log_in: |client, user| {
            client.line();
            let reply = client.login(user, "sekrit");
            assert!(reply.starts_with("+OK"), "{user} {reply}");
            assert!(client.ask("STAT").starts_with("+OK"));
        },
    },
    Protocol {
        words: ["imapup", "imapd"],
        log_in: |client, user| {
            client.line();
            client.say(&format!("a LOGIN {user} sekrit"));
            let reply = client.line();
            assert!(reply.starts_with("a OK"), "{user} {reply}");
            client.say("b NOOP");
            client.expect("b OK");
        },
    },
];

/// The memory of a session that `user` has begun.
fn memory(server: &Server, protocol: &Protocol, user: &str) -> u64 {
    let mut client = server.connect();
    (protocol.log_in)(&mut client, user);
    let connection = connection(server, &client);
    let session = eventually(|| {
        let all = holders(&connection, server);
        (all.len() == 1).then(|| all[0].pid)
    });
    anonymous(session)
}

#[test]
fn a_session_keeps_nothing_of_the_memory_that_its_password_hash_took() {
    let office = Office::new();
    let settings = [
        ("yescrypt", "$y$j9T$saltsaltsaltsalt$"),
        ("sha512", "$6$saltsalt$"),
        ("bcrypt", "$2b$05$abcdefghijklmnopqrstuu"),
    ];
    for (user, setting) in settings {
        add_hash(&office, user, &crypt("sekrit", setting));
    }
    for protocol in &PROTOCOLS {
        let [front, session] = protocol.words;
        for options in [&["-vHRl0"][..], &["-vHRl0", "--exec"]] {
            let serve = |checker: &str| {
                let words = [front, HOST, checker, session, "Maildir"];
                office.serve(&words).options(options).start()
            };
            let server = serve("checkpassword");
            for (user, _) in settings {
                let kilobytes = memory(&server, protocol, user);
                assert!(
                    kilobytes <= LIMIT,
                    "{front} {options:?} {user}: {kilobytes} kB"
                );
            }
            for checker in ["checkpw", "selectcheckpw"] {
                let server = serve(checker);
                for (_, setting) in settings {
                    office.password("joe", crypt("sekrit", setting));
                    let kilobytes = memory(&server, protocol, "joe");
                    let which = format!("{front} {options:?} {checker} {setting}");
                    assert!(kilobytes <= LIMIT, "{which}: {kilobytes} kB");
                }
            }
        }
    }
}
