//! relay-ctrl's programs, recordio and the others that talk little.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use kit::transcript::Transcript;
use kit::{Run, as_root, bin, private_dir};

#[test]
fn relay_and_small_programs() {
    // Who is not root hears nothing of being root.
    if !as_root("transcripts of relay-ctrl") {
        return;
    }
    let mut all = Transcript::new("relay");
    let dir = private_dir(0o755);
    all.hide(dir.path(), "<dir>");
    let store = dir.path().join("store");
    fs::create_dir(&store).unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o777)).unwrap();
    let run = |name: &str| {
        Run::new(bin(name))
            .env("RELAY_CTRL_DIR", &store)
            .env("RELAY_CTRL_CONFDIR", "/nonexistent")
    };
    let show = [
        "/bin/sh",
        "-c",
        "echo relay=${RELAYCLIENT-none}; ls \"$RELAY_CTRL_DIR\"",
    ];
    for ip in ["127.0.0.9", "", "x", "../x"] {
        all.run(
            &format!("relay-ctrl-check {ip:?}"),
            b"",
            run("relay-ctrl-check").args(show).env("TCPREMOTEIP", ip),
        );
        all.run(
            &format!("relay-ctrl-allow {ip:?}"),
            b"",
            run("relay-ctrl-allow")
                .args(show)
                .env("TCPREMOTEIP", ip)
                .env("USER", "joe"),
        );
        all.run(
            &format!("relay-ctrl-check {ip:?} again"),
            b"",
            run("relay-ctrl-check").args(show).env("TCPREMOTEIP", ip),
        );
    }
    all.run("relay-ctrl-age", b"", run("relay-ctrl-age"));
    for name in [
        "relay-ctrl-check",
        "relay-ctrl-allow",
        "relay-ctrl-chdir",
        "relay-ctrl-age",
        "superd-relay",
        "recordio",
        "splogger",
        "rblsmtpd",
        "pop3d",
        "imapd",
    ] {
        all.run(
            &format!("{name} without words and variables"),
            b"",
            Run::new(bin(name)),
        );
    }
    for (name, words) in [
        ("relay-ctrl-check", ["/nonexistent/program"]),
        ("relay-ctrl-chdir", ["true"]),
    ] {
        all.run(
            &format!("{name} without a store, {words:?}"),
            b"",
            run(name)
                .args(words)
                .env("RELAY_CTRL_DIR", "/nonexistent/store")
                .env("TCPREMOTEIP", "127.0.0.1"),
        );
    }
    all.run(
        "recordio",
        b"one\ntwo",
        Run::new(bin("recordio")).args(["sed", "s/^/>/"]),
    );
    all.check();
}
