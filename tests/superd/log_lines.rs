//! Log lines to the byte: which come, in which order, and how their parts are cleaned.

use std::fs;

use kit::log::{normalise, normalise_all, pid_of};
use kit::{Server, address, both, compile, private_dir};

fn lines(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

#[test]
fn a_connection_gives_these_lines_in_this_order() {
    let expected = [
        "tcpserver: status: 0/40",
        "tcpserver: status: 1/40",
        "tcpserver: pid PID from 127.0.0.1",
        "tcpserver: ok PID local:127.0.0.1:PORT :127.0.0.1::PORT",
        "tcpserver: end PID status 0",
        "tcpserver: status: 0/40",
    ];
    both(lines(&expected), |side| {
        let server = Server::of(side).options(["-vHRllocal"]).start();
        server.talk();
        server.wait_for_ends(1);
        normalise_all(&server.stop().1)
    });
}

#[test]
fn the_ok_line_tells_the_ports_and_the_pid_of_the_program() {
    both(true, |side| {
        let server = Server::of(side)
            .options(["-vHRl0"])
            .shell("echo $$")
            .start();
        let mut client = server.connect();
        let port = client.address().port();
        let pid = client.line();
        server.wait_for_ends(1);
        let expected = format!(
            "tcpserver: ok {pid} 0:127.0.0.1:{} :127.0.0.1::{port}",
            server.address().port()
        );
        server.log().contains(&expected) && pid_of(&server.wait_for(": end ")).to_string() == pid
    });
}

#[test]
fn a_denied_client_is_counted_and_told_with_exit_code_100() {
    let expected = [
        "tcpserver: status: 0/40",
        "tcpserver: status: 1/40",
        "tcpserver: pid PID from 127.0.0.1",
        "tcpserver: deny PID 0:127.0.0.1:PORT :127.0.0.1::PORT",
        "tcpserver: end PID status 25600",
        "tcpserver: status: 0/40",
    ];
    both(lines(&expected), |side| {
        let dir = private_dir(0o755);
        let cdb = compile(side, dir.path(), "rules.cdb", ":deny\n");
        let server = Server::of(side).options(["-vHRl0", "-x", &cdb]).start();
        assert_eq!(server.talk(), "");
        server.wait_for_ends(1);
        let log = server.stop().1;
        assert_eq!(pid_of(&log[2]), pid_of(&log[3]));
        assert_eq!(pid_of(&log[2]), pid_of(&log[4]));
        normalise_all(&log)
    });
}

#[test]
fn a_missing_rules_file_gives_a_warning_and_no_verdict() {
    let expected = [
        "tcpserver: status: 0/40",
        "tcpserver: status: 1/40",
        "tcpserver: pid PID from 127.0.0.1",
        "tcpserver: warning: dropping connection, unable to read b.cdb: file does not exist",
        "tcpserver: end PID status 28416",
        "tcpserver: status: 0/40",
    ];
    both(lines(&expected), |side| {
        let dir = private_dir(0o755);
        let enter = format!("cd {}", dir.path().display());
        let server = Server::of(side)
            .after(&enter)
            .options(["-vHRl0", "-x", "b.cdb"])
            .start();
        assert_eq!(server.talk(), "");
        server.wait_for_ends(1);
        normalise_all(&server.stop().1)
    });
}

#[test]
fn a_program_that_cannot_be_run_is_told_after_the_ok_line() {
    let expected = [
        "tcpserver: status: 0/40",
        "tcpserver: status: 1/40",
        "tcpserver: pid PID from 127.0.0.1",
        "tcpserver: ok PID 0:127.0.0.1:PORT :127.0.0.1::PORT",
        "tcpserver: warning: dropping connection, unable to run /nonexist/prog: file does not exist",
        "tcpserver: end PID status 28416",
        "tcpserver: status: 0/40",
    ];
    both(lines(&expected), |side| {
        let server = Server::of(side)
            .options(["-vHRl0"])
            .handler(["/nonexist/prog"])
            .start();
        server.talk();
        server.wait_for_ends(1);
        normalise_all(&server.stop().1)
    });
}

#[test]
fn trap_02_end_tells_the_raw_wait_status() {
    for (text, status) in [
        ("exit 0", 0),
        ("exit 1", 256),
        ("exit 3", 768),
        ("exit 100", 25600),
        ("exit 111", 28416),
        ("kill -9 $$", 9),
        ("kill -15 $$", 15),
    ] {
        both(format!("tcpserver: end PID status {status}"), |side| {
            let server = Server::of(side).options(["-vHRl0"]).shell(text).start();
            server.talk();
            normalise(&server.wait_for(": end "))
        });
    }
}

#[test]
fn a_core_dump_is_seen_in_the_status() {
    // 11, or 139 where a core was written: that is the system's choice, and the same for both.
    both(true, |side| {
        let server = Server::of(side)
            .after("ulimit -c 0")
            .options(["-vHRl0"])
            .shell("kill -11 $$")
            .start();
        server.talk();
        ["11", "139"].contains(&server.wait_for(": end ").rsplit(' ').next().unwrap())
    });
}

#[test]
fn strange_bytes_of_a_part_become_question_marks() {
    both(
        "tcpserver: ok PID a??b??c:127.0.0.1:PORT :127.0.0.1::PORT".to_owned(),
        |side| {
            let server = Server::of(side).options(["-vHRl", "a%:b \nc"]).start();
            server.talk();
            normalise(&server.wait_for(": ok "))
        },
    );
    both(
        "tcpserver: ok PID ???~!:127.0.0.1:PORT :127.0.0.1::PORT".to_owned(),
        |side| {
            use std::os::unix::ffi::OsStrExt;
            let name = std::ffi::OsStr::from_bytes(b"\x7f\xc3\x01~!");
            let server = Server::of(side)
                .options([std::ffi::OsStr::new("-vHRl"), name])
                .start();
            server.talk();
            normalise(&server.wait_for(": ok "))
        },
    );
}

#[test]
fn parts_of_100_bytes_and_more_are_cut_and_marked() {
    for (length, shown) in [
        (99, "x".repeat(99)),
        (100, format!("{}...", "x".repeat(100))),
        (101, format!("{}...", "x".repeat(100))),
        (300, format!("{}...", "x".repeat(100))),
    ] {
        both(
            format!("tcpserver: ok PID {shown}:127.0.0.1:PORT :127.0.0.1::PORT"),
            |side| {
                let server = Server::of(side)
                    .options(["-vHRl", &"x".repeat(length)])
                    .start();
                server.talk();
                normalise(&server.wait_for(": ok "))
            },
        );
    }
}

#[test]
fn the_pid_line_tells_the_clients_address() {
    both(true, |side| {
        let source = address();
        let server = Server::of(side).options(["-vHRl0"]).start();
        server.talk_from(source);
        normalise(&server.wait_for(": pid ")) == format!("tcpserver: pid PID from {source}")
    });
}

#[test]
fn without_v_only_the_warnings_remain() {
    both(
        lines(&[
            "tcpserver: warning: dropping connection, unable to read DIR/none.cdb: file does not exist",
        ]),
        |side| {
            let dir = private_dir(0o755);
            let cdb = dir.path().join("none.cdb");
            let server = Server::of(side)
                .options(["-HRl0", "-x", cdb.to_str().unwrap()])
                .start();
            server.talk();
            let place = dir.path().to_str().unwrap().to_owned();
            server
                .stop()
                .1
                .iter()
                .map(|line| line.replace(&place, "DIR"))
                .collect()
        },
    );
}

#[test]
fn the_prefix_is_tcpserver_whatever_the_path_it_was_started_by() {
    both("tcpserver: status: 0/40".to_owned(), |side| {
        let dir = private_dir(0o755);
        let copy = dir.path().join("tcpserver");
        fs::hard_link(fs::canonicalize(side.program("tcpserver")).unwrap(), &copy).unwrap();
        Server::under_name(&copy)
            .options(["-vHRl0"])
            .start()
            .wait_for("status")
    });
}
