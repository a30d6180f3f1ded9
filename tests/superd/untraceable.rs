//! What a process of the same user may look into: nothing of ours that serves a connection.

use kit::place::attack;
use kit::process::{family, forkers, name};
use kit::smtp::House;
use kit::{Client, Run, Server, is_root, libexec};

/// The ways into process `pid` that are open to another one of that user.
fn open_ways(house: &House, pid: u32) -> Vec<String> {
    let done = Run::new(attack())
        .arg("look")
        .arg(house.user.to_string())
        .arg(house.group.to_string())
        .arg(pid.to_string())
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    let out = done.out();
    assert_eq!(out.lines().count(), 12, "{out}");
    let open = out.lines().filter_map(|line| line.strip_suffix(" open"));
    open.map(str::to_owned).collect()
}

/// The server with that program, as the house's user.
fn server(house: &House, words: &[&str]) -> Server {
    let path = libexec().join(words[0]);
    let mut server = Server::under_name(kit::bin("superd"))
        .options(["-vHRl0"])
        .env("SUPERD_HOME", house.path("home"))
        .env("SUPERD_LIBEXEC", libexec())
        .env("RBLSMTPD", "-not you");
    if is_root() {
        server = server.options([format!("-u{}", house.user), format!("-g{}", house.group)]);
    }
    match words {
        ["exec", program, rest @ ..] => {
            let path = libexec().join(program).display().to_string();
            let all = std::iter::once(path.as_str()).chain(rest.iter().copied());
            server.handler(all).start()
        }
        _ => {
            assert!(path.exists(), "{words:?}");
            server.handler(words).start()
        }
    }
}

fn greeted(server: &Server) -> Client {
    let mut client = server.connect();
    assert!(!client.line().is_empty());
    client
}

#[test]
fn nobody_of_the_user_of_u_looks_into_superd_its_forkers_or_a_session() {
    let house = House::new();
    for (words, expected) in [
        (
            &["smtpd"][..],
            &["smtpd", "superd", "superd-forker"] as &[&str],
        ),
        (&["exec", "smtpd"], &["smtpd", "superd"]),
        (&["exec", "lmtpd"], &["lmtpd", "superd"]),
        (
            &["exec", "popup", "h", "checkpw", "pop3d", "Maildir"],
            &["popup", "superd"],
        ),
        (
            &["exec", "imapup", "h", "checkpw", "imapd", "Maildir"],
            &["imapup", "superd"],
        ),
        (&["exec", "rblsmtpd", "smtpd"], &["rblsmtpd", "superd"]),
        (
            &["exec", "recordio", "rblsmtpd", "smtpd"],
            &["rblsmtpd", "recordio", "superd"],
        ),
    ] {
        let server = server(&house, words);
        // It tells its port before they are what they are to be.
        if expected.contains(&"superd-forker") {
            forkers(&server);
        }
        let _client = greeted(&server);
        let mut seen: Vec<String> = Vec::new();
        for pid in family(server.pid()) {
            seen.push(name(pid));
            let open = open_ways(&house, pid);
            assert_eq!(open, Vec::<String>::new(), "{} of {words:?}", name(pid));
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen, expected, "{words:?}");
    }
}

#[test]
fn a_program_that_is_not_ours_is_looked_into_as_ever() {
    let house = House::new();
    let mut builder = Server::under_name(kit::bin("superd")).options(["-vHRl0"]);
    if is_root() {
        builder = builder.options([format!("-u{}", house.user), format!("-g{}", house.group)]);
    }
    let server = builder.handler(["/bin/cat"]).start();
    let mut client = server.connect();
    client.send("here\n");
    assert_eq!(client.line(), "here");
    let all = family(server.pid());
    let cat = all.iter().find(|&&pid| name(pid) == "cat");
    let cat = *cat.unwrap_or_else(|| panic!("no cat among {all:?}"));
    if kit::ptrace_is_free() {
        assert_eq!(open_ways(&house, cat).len(), 12);
    }
}
