//! superd's own lines, with rules, denials, limits and the end.

use std::net::Ipv4Addr;

use kit::transcript::Transcript;
use kit::{Run, Server, Side, bin, compile, private_dir};

const RULES: &str =
    "127.0.0.2:deny\n127.0.0.3:allow,WORD=\"a b\"\n127.0.0.4-5:deny\n=quiet.test:deny\n:allow\n";

#[test]
fn superd_connections() {
    let mut all = Transcript::new("superd");
    let dir = private_dir(0o755);
    all.hide(dir.path(), "<dir>");
    let cdb = compile(Side::Ours, dir.path(), "rules.cdb", RULES);
    let of = |last: u8| Ipv4Addr::new(127, 0, 0, last);
    let server = Server::under_name(bin("superd"))
        .options(["-vHRl0", "-c3", "-x", &cdb, "-Bwelcome\r\n"])
        .shell("printf '%s\\n' \"$WORD\"; cat; exit 3")
        .start();
    all.session_from(of(1), "allowed", &server, |talk| {
        talk.line();
        talk.send("hello\n");
        talk.finish();
    });
    all.session_from(of(2), "denied", &server, |_| {});
    all.session_from(of(3), "allowed, with a variable", &server, |talk| {
        talk.finish();
    });
    all.session_from(of(5), "denied by a range", &server, |_| {});
    let (code, log) = server.stop();
    all.title("the end");
    all.log(&log[log.len() - 1..]);
    assert_eq!(code, Some(0));
    let server = Server::under_name(bin("superd"))
        .options(["-vHRl0"])
        .shell("kill -9 $$")
        .start();
    all.session_from(of(1), "a program that is killed", &server, |_| {});
    drop(server);
    let server = Server::under_name(bin("superd"))
        .options(["-vHRl0"])
        .handler(["/nonexistent/program"])
        .start();
    all.session_from(of(1), "a program that is not there", &server, |_| {});
    drop(server);
    let server = Server::under_name(bin("superd"))
        .options(["-vHRl0", "-x", "/nonexistent/rules.cdb"])
        .start();
    all.session_from(of(1), "rules that are not there", &server, |_| {});
    drop(server);
    all.check();
}

#[test]
fn superd_command_lines() {
    let mut all = Transcript::new("superd-start");
    let dir = private_dir(0o755);
    all.hide(dir.path(), "<dir>");
    let superd: [&[&str]; 16] = [
        &[],
        &["-Z"],
        &["127.0.0.1"],
        &["127.0.0.1", "0"],
        &["-c", "x", "127.0.0.1", "0", "true"],
        &["-b", "x", "127.0.0.1", "0", "true"],
        &["-t"],
        &["-u", "nobody-here", "127.0.0.1", "0", "true"],
        &["-g", "nobody-here", "127.0.0.1", "0", "true"],
        &["127.0.0.1", "99999", "true"],
        &["127.0.0.1", "no-such-service", "true"],
        &["-RHl0", "192.0.2.1", "0", "true"],
        &["-U", "127.0.0.1", "0", "true"],
        &["--links"],
        &["--version"],
        &["--no-such-option"],
    ];
    for words in superd {
        all.run(
            &format!("superd {}", words.join(" ")),
            b"",
            Run::new(bin("superd")).args(words),
        );
    }
    let rules = |name: &str| Run::new(bin(name)).dir(dir.path());
    for (title, input) in [
        ("good", RULES),
        ("a line without verdict", "127.:allow\n127.0.0.1:perhaps\n"),
        ("a bad range", "127.0.0.5-2:deny\n"),
        ("a bad variable", "127.:allow,=x\n"),
        ("shadowed", "127.:allow\n127.:deny\n10:deny\n:allow\n"),
    ] {
        all.run(
            &format!("superd-rules, {title}"),
            input.as_bytes(),
            rules("superd-rules").args(["new.cdb", "new.tmp"]),
        );
        all.run(
            &format!("superd-rules --check, {title}"),
            input.as_bytes(),
            rules("superd-rules").arg("--check"),
        );
    }
    all.run("superd-rules without words", b"", rules("superd-rules"));
    compile(Side::Ours, dir.path(), "rules.cdb", RULES);
    for (ip, name) in [
        ("127.0.0.2", ""),
        ("127.0.0.3", ""),
        ("127.0.0.5", ""),
        ("10.0.0.1", "quiet.test"),
        ("10.0.0.1", ""),
        ("", ""),
    ] {
        let mut run = rules("superd-rulescheck").arg("rules.cdb");
        for (key, value) in [("TCPREMOTEIP", ip), ("TCPREMOTEHOST", name)] {
            if !value.is_empty() {
                run = run.env(key, value);
            }
        }
        all.run(&format!("superd-rulescheck ip={ip} name={name}"), b"", run);
    }
    all.run(
        "superd-rulescheck, no such file",
        b"",
        rules("superd-rulescheck")
            .arg("none.cdb")
            .env("TCPREMOTEIP", "127.0.0.1"),
    );
    all.check();
}
