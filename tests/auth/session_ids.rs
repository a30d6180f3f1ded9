//! All lines of a session have one number, that of superd's own lines about the connection, whichever
//! programs write them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use kit::log::pid_of;
use kit::pop3::{HOST, Office, PASSWORD, Pop3};
use kit::server::Builder;
use kit::{Server, bin, is_root, probe, script};

/// A path of a program of ours, for it to be executed.
fn path(name: &str) -> String {
    bin(name).display().to_string()
}

/// The lines of handlers that the log has, and the number that superd gave the one connection.
fn lines(server: &Server) -> (Vec<String>, u32) {
    server.wait_for_ends(1);
    let log = server.whole_log();
    let ours: Vec<String> = log
        .iter()
        .filter(|line| !line.contains("superd: "))
        .cloned()
        .collect();
    let pid = pid_of(&server.wait_for("superd: pid "));
    (ours, pid)
}

/// A client logs in by POP3, wrongly first, and says QUIT.
fn session(builder: Builder) -> (Vec<String>, u32) {
    let server = builder.start();
    let mut client = server.connect();
    client.line();
    assert!(client.login("joe", "wrong").starts_with("-ERR"));
    let reply = client.login("joe", PASSWORD);
    assert!(reply.starts_with("+OK"), "{reply} {:?}", server.log());
    assert!(client.ask("QUIT").starts_with("+OK"));
    client.rest();
    lines(&server)
}

#[test]
fn each_line_of_a_session_has_the_number_that_superd_gave_the_connection() {
    let office = Office::new();
    let folder = office.path("allow");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let joined = [
        "popup",
        HOST,
        "checkpw",
        "relay-ctrl-allow",
        "pop3d",
        "Maildir",
    ];
    let (popup, checkpw) = (path("popup"), path("checkpw"));
    let (allow, pop3d) = (path("relay-ctrl-allow"), path("pop3d"));
    let executed = [&*popup, HOST, &checkpw, &allow, &pop3d, "Maildir"];
    let recorded = [&["recordio"], &joined[..]].concat();
    for words in [&joined[..], &executed, &recorded] {
        for options in [&[][..], &["--exec"]] {
            let builder = office.serve(words).options(options);
            let builder = builder
                .env("RELAY_CTRL_DIR", &folder)
                // As of a session in which somebody has started this service.
                .env("SUPERD_SESSION", "7");
            let (lines, pid) = session(builder);
            let mut events = Vec::new();
            for line in &lines {
                if words[0] == "recordio" && line.starts_with(&format!("{pid} ")) {
                    continue;
                }
                let words: Vec<&str> = line.split(' ').collect();
                assert_eq!(words[2], "ip=127.0.0.1", "{line}");
                assert_eq!(words[3], format!("id={pid}"), "{line}");
                events.push(format!("{} {}", words[0], words[1]));
            }
            for event in ["popup: fail", "popup: login", "pop3d: session"] {
                let event = event.to_owned();
                assert!(events.contains(&event), "{words:?} {options:?} {lines:#?}");
            }
        }
    }
}

#[test]
fn a_program_of_somebody_elses_finds_the_number_and_hands_it_on() {
    let office = Office::new();
    // It looks at nothing and becomes what follows, as whoever it is.
    let checker = office.path("checker");
    script(
        &checker,
        "#!/bin/sh\ngrep -qz wrong <&3 && exit 1\necho \"checker: of=$SUPERD_SESSION\" >&2\nexec 3<&-\nexec \"$@\"\n",
    );
    let home = office.path("joe").display().to_string();
    let to_joe = match is_root() {
        true => format!(
            "exec setpriv --reuid {0} --regid {0} --clear-groups --",
            office.uid
        ),
        false => "exec".to_owned(),
    };
    let text = format!("cd {home} && export USER=joe && {to_joe} \"$0\" Maildir");
    let words = [
        "popup",
        HOST,
        &checker.display().to_string(),
        "/bin/sh",
        "-c",
        &text,
        &path("pop3d"),
    ];
    let (lines, pid) = session(office.serve(&words));
    assert!(lines.contains(&format!("checker: of={pid}")), "{lines:#?}");
    let of_session = format!(" id={pid} ");
    for start in ["popup: fail ", "pop3d: session "] {
        let line = lines.iter().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("{start} in {lines:#?}"));
        assert!(line.contains(&of_session), "{line}");
    }
}

#[test]
fn what_is_no_number_of_a_process_is_not_taken_for_one() {
    let office = Office::new();
    for value in ["7 ip=192.0.2.1", "x", "99999999999", ""] {
        let done = crate::checkers::Call::new(&office, bin("checkpw"), b"ann\0wrong\0\0")
            .env("SUPERD_SESSION", value)
            .done();
        let text = String::from_utf8(done.stderr).unwrap();
        let id = text.split(' ').find_map(|word| word.strip_prefix("id="));
        let id: u32 = id.unwrap().parse().unwrap();
        assert!(id > 7, "{text}");
    }
    // And superd sets none: what is not ours starts with the environment of the original.
    let server = office.serve(&[&probe().display().to_string()]);
    let report = server.env("SUPERD_SESSION", "7").start().report();
    assert_eq!(report.env("SUPERD_SESSION"), None);
}
