//! What the program gets: variables, descriptors, signals, and how it is found.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use kit::run::PATH;
use kit::server::Report;
use kit::{Client, Server, address, both, compile, private_dir, probe, script};

// Variables

#[test]
fn these_variables_are_set_and_no_others() {
    let names = [
        "PATH",
        "PROTO",
        "TCPLOCALHOST",
        "TCPLOCALIP",
        "TCPLOCALPORT",
        "TCPREMOTEIP",
        "TCPREMOTEPORT",
    ];
    both(names.map(str::to_owned).to_vec(), |side| {
        Server::of(side).options(["-HRl0"]).start().report().names()
    });
}

#[test]
fn the_variables_tell_both_ends_of_the_connection() {
    both(true, |side| {
        let (host, source) = (address(), address());
        let server = Server::of(side).host(host).options(["-HRlname"]).start();
        let client = server.connect_from(source);
        let port = client.address().port();
        let report = Report::read(&client.text());
        let expected = [
            ("PROTO", "TCP".to_owned()),
            ("TCPLOCALIP", host.to_string()),
            ("TCPLOCALPORT", server.address().port().to_string()),
            ("TCPLOCALHOST", "name".to_owned()),
            ("TCPREMOTEIP", source.to_string()),
            ("TCPREMOTEPORT", port.to_string()),
        ];
        expected
            .iter()
            .all(|(name, value)| report.env(name).as_deref() == Some(value))
    });
}

#[test]
fn trap_03_what_is_not_known_is_unset_whatever_was_inherited() {
    let names = [
        "PATH",
        "PROTO",
        "TCPLOCALHOST",
        "TCPLOCALIP",
        "TCPLOCALPORT",
        "TCPREMOTEIP",
        "TCPREMOTEPORT",
    ];
    both(names.map(str::to_owned).to_vec(), |side| {
        let mut server = Server::of(side).options(["-HRl0"]);
        for name in [
            "TCPREMOTEHOST",
            "TCPREMOTEINFO",
            "TCPREMOTEIP",
            "TCPREMOTEPORT",
            "TCPLOCALHOST",
            "TCPLOCALIP",
            "TCPLOCALPORT",
            "PROTO",
        ] {
            server = server.env(name, "inherited");
        }
        let report = server.start().report();
        assert!(
            !report
                .all("env")
                .iter()
                .any(|entry| entry.contains("inherited"))
        );
        report.names()
    });
}

#[test]
fn other_variables_are_inherited() {
    both(Some("a=b\\012c\\377".to_owned()), |side| {
        use std::os::unix::ffi::OsStrExt;
        let value = std::ffi::OsStr::from_bytes(b"a=b\nc\xff");
        Server::of(side)
            .options(["-HRl0"])
            .env("MINE", value)
            .start()
            .report()
            .env("MINE")
    });
}

#[test]
fn an_empty_local_name_is_set_and_empty() {
    both(Some(String::new()), |side| {
        Server::of(side)
            .options(["-HRl", ""])
            .start()
            .report()
            .env("TCPLOCALHOST")
    });
}

#[test]
fn trap_04_variables_of_a_rule_override_the_built_in_ones() {
    both(
        ["forged", "1.2.3.4", "x y", "UDP"]
            .map(str::to_owned)
            .to_vec(),
        |side| {
            let dir = private_dir(0o755);
            let text = ":allow,TCPREMOTEHOST=\"forged\",TCPLOCALIP=\"1.2.3.4\",TCPREMOTEINFO='x y',PROTO=/UDP/\n";
            let cdb = compile(side, dir.path(), "rules.cdb", text);
            let report = Server::of(side)
                .options(["-HRl0", "-x", &cdb])
                .start()
                .report();
            ["TCPREMOTEHOST", "TCPLOCALIP", "TCPREMOTEINFO", "PROTO"]
                .iter()
                .map(|name| report.env(name).unwrap())
                .collect()
        },
    );
}

#[test]
fn of_two_equal_names_in_a_rule_the_later_wins() {
    both(Some("second".to_owned()), |side| {
        let dir = private_dir(0o755);
        let cdb = compile(
            side,
            dir.path(),
            "rules.cdb",
            ":allow,A=\"first\",A=\"second\"\n",
        );
        Server::of(side)
            .options(["-HRl0", "-x", &cdb])
            .start()
            .report()
            .env("A")
    });
}

#[test]
fn a_rule_may_set_a_variable_to_nothing() {
    both(Some(String::new()), |side| {
        let dir = private_dir(0o755);
        let cdb = compile(side, dir.path(), "rules.cdb", ":allow,RELAYCLIENT=\"\"\n");
        Server::of(side)
            .options(["-HRl0", "-x", &cdb])
            .start()
            .report()
            .env("RELAYCLIENT")
    });
}

#[test]
fn a_long_value_of_a_rule_arrives_whole() {
    both(Some(100_000), |side| {
        let dir = private_dir(0o755);
        let cdb = compile(
            side,
            dir.path(),
            "rules.cdb",
            &format!(":allow,LONG=\"{}\"\n", "x".repeat(100_000)),
        );
        Server::of(side)
            .options(["-HRl0", "-x", &cdb])
            .start()
            .report()
            .env("LONG")
            .map(|value| value.len())
    });
}

#[test]
fn variables_of_one_connection_do_not_leak_into_the_next() {
    both((Some("1".to_owned()), None), |side| {
        let dir = private_dir(0o755);
        let (marked, plain) = (address(), address());
        let cdb = compile(
            side,
            dir.path(),
            "rules.cdb",
            &format!("{marked}:allow,MARK=\"1\"\n:allow\n"),
        );
        let server = Server::of(side).options(["-HRl0", "-x", &cdb]).start();
        let from = |source: Ipv4Addr| Report::read(&server.talk_from(source)).env("MARK");
        (from(marked), from(plain))
    });
}

// Descriptors

#[test]
fn descriptors_0_and_1_are_the_connection_and_2_is_the_servers_log() {
    both((true, "to the log".to_owned()), |side| {
        let server = Server::of(side).options(["-HRl0"]).start();
        let fds = server.report().all("fd");
        let target = |number: &str| {
            fds.iter()
                .find_map(|fd| fd.strip_prefix(number))
                .unwrap()
                .to_owned()
        };
        assert!(target("2 ").starts_with("pipe:"), "{fds:?}");
        let same = target("0 ").starts_with("socket:") && target("0 ") == target("1 ");
        let server = Server::of(side)
            .options(["-HRl0"])
            .shell("echo to the log >&2")
            .start();
        server.talk();
        (same, server.wait_for("to the log"))
    });
}

#[test]
fn trap_15_descriptors_0_1_and_2_are_in_blocking_mode() {
    both(Vec::<String>::new(), |side| {
        Server::of(side)
            .options(["-HRl0"])
            .start()
            .report()
            .all("nonblocking")
    });
}

#[test]
fn trap_15_a_program_that_writes_faster_than_the_client_reads_loses_nothing() {
    both(3_000_000, |side| {
        let server = Server::of(side)
            .options(["-HRl0"])
            .shell("head -c 3000000 /dev/zero")
            .start();
        let client = server.connect();
        std::thread::sleep(Duration::from_millis(300));
        client.rest().len()
    });
}

#[test]
fn a_program_that_waits_for_input_is_not_told_to_try_again() {
    both("got late\n".to_owned(), |side| {
        let server = Server::of(side)
            .options(["-HRl0"])
            .shell("read line && echo got $line")
            .start();
        let mut client = server.connect();
        std::thread::sleep(Duration::from_millis(200));
        client.send("late\n");
        client.text()
    });
}

// Signals

#[test]
fn trap_14_term_pipe_and_chld_are_at_default_even_where_the_server_started_with_them_ignored() {
    for text in ["true", "trap '' TERM PIPE CHLD"] {
        both((Vec::<String>::new(), Vec::<String>::new()), |side| {
            // INT and QUIT are ignored where the tests themselves run in the background.
            let text = format!("{text}; exec \"$@\"");
            let launcher = [probe().to_str().unwrap(), "--default", "2", "3", "--"];
            let shell = ["/bin/sh", "-c", &text, "sh"];
            let report = Server::of(side)
                .launcher(launcher.into_iter().chain(shell))
                .options(["-HRl0"])
                .start()
                .report();
            (report.all("ignored"), report.all("blocked"))
        });
    }
}

#[test]
fn trap_14_a_program_whose_client_is_gone_dies_of_sigpipe() {
    both("tcpserver: end PID status 13".to_owned(), |side| {
        // The first line after the client has closed brings its reset, the second the signal.
        let text = "echo hello; read line; for n in 1 2 3 4 5; do echo more; sleep 0.1; done";
        let server = Server::of(side).options(["-vHRl0"]).shell(text).start();
        let mut client = server.connect();
        assert_eq!(client.line(), "hello");
        client.say("go");
        drop(client);
        let line = server.wait_for(": end ");
        kit::log::normalise(&line)
    });
}

#[test]
fn other_ignored_signals_stay_ignored() {
    // HUP, INT, QUIT, USR1, ALRM.
    both(
        ["1", "2", "3", "10", "14"].map(str::to_owned).to_vec(),
        |side| {
            let server = Server::of(side)
                .after("trap '' HUP INT QUIT USR1 ALRM")
                .options(["-HRl0"])
                .start();
            server.report().all("ignored")
        },
    );
}

#[test]
fn blocked_signals_stay_blocked_but_for_chld() {
    // USR1 and TERM; CHLD (17) is blocked at the start too and must not be in the program.
    both(["10", "15"].map(str::to_owned).to_vec(), |side| {
        let launcher = [probe().to_str().unwrap(), "--block", "10", "15", "17", "--"];
        Server::of(side)
            .launcher(launcher)
            .options(["-HRl0"])
            .start()
            .report()
            .all("blocked")
    });
}

// Finding the program

#[test]
fn the_program_is_found_along_the_servers_path() {
    both("here\n".to_owned(), |side| {
        let dir = private_dir(0o755);
        script(&dir.path().join("some-handler"), "#!/bin/sh\necho here\n");
        let path = format!("{}:{PATH}", dir.path().display());
        Server::of(side)
            .options(["-HRl0"])
            .env("PATH", path)
            .handler(["some-handler"])
            .start()
            .talk()
    });
}

#[test]
fn a_path_set_by_a_rule_reaches_the_program_but_does_not_find_it() {
    both(("/the/rule\n".to_owned(), String::new()), |side| {
        let dir = private_dir(0o755);
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        script(&dir.path().join("some-handler"), "#!/bin/sh\necho $PATH\n");
        script(&elsewhere.join("hidden-handler"), "#!/bin/sh\necho wrong\n");
        let path = format!("{}:{PATH}", dir.path().display());
        let cdb = compile(side, dir.path(), "rules.cdb", ":allow,PATH=\"/the/rule\"\n");
        let server = Server::of(side)
            .options(["-HRl0", "-x", &cdb])
            .env("PATH", &path);
        let found = server.handler(["some-handler"]).start().talk();
        let cdb = compile(
            side,
            dir.path(),
            "rules.cdb",
            &format!(":allow,PATH=\"{}\"\n", elsewhere.display()),
        );
        let server = Server::of(side)
            .options(["-HRl0", "-x", &cdb])
            .env("PATH", &path);
        (found, server.handler(["hidden-handler"]).start().talk())
    });
}

#[test]
fn without_a_path_programs_are_found_in_bin_and_usr_bin() {
    both("found\n".to_owned(), |side| {
        Server::of(side)
            .env_clear()
            .options(["-HRl0"])
            .handler(["echo", "found"])
            .start()
            .talk()
    });
}

#[test]
fn a_name_with_a_slash_is_used_as_it_is() {
    both("here\n".to_owned(), |side| {
        let dir = private_dir(0o755);
        script(&dir.path().join("some-handler"), "#!/bin/sh\necho here\n");
        let enter = format!("cd {}", dir.path().display());
        Server::of(side)
            .after(&enter)
            .options(["-HRl0"])
            .handler(["./some-handler"])
            .start()
            .talk()
    });
}

#[test]
fn a_program_that_cannot_be_run_is_a_warning_for_each_connection() {
    let reasons = [
        ("missing", "file does not exist"),
        ("plain", "access denied"),
        ("missing/inside", "file does not exist"),
    ];
    for (name, reason) in reasons {
        both(
            (
                String::new(),
                format!(
                    "tcpserver: warning: dropping connection, unable to run DIR/{name}: {reason}"
                ),
                "tcpserver: end PID status 28416".to_owned(),
            ),
            |side| {
                let dir = private_dir(0o755);
                fs::write(dir.path().join("plain"), "no program\n").unwrap();
                let path = dir.path().join(name);
                let server = Server::of(side)
                    .options(["-vHRl0"])
                    .handler([&path])
                    .start();
                let said = server.talk();
                server.wait_for_ends(1);
                let warning = server
                    .wait_for("warning")
                    .replace(dir.path().to_str().unwrap(), "DIR");
                (
                    said,
                    warning,
                    kit::log::normalise(&server.wait_for(": end ")),
                )
            },
        );
    }
}

#[test]
fn a_bare_name_that_is_nowhere_is_a_warning_for_each_connection() {
    let warning = "tcpserver: warning: dropping connection, unable to run no-such-program: file does not exist".to_owned();
    both(vec![warning.clone(), warning], |side| {
        let server = Server::of(side)
            .options(["-HRl0"])
            .handler(["no-such-program"])
            .start();
        server.talk();
        server.talk();
        server.stop().1
    });
}

#[test]
fn a_program_put_right_while_the_server_runs_is_run() {
    both(("".to_owned(), "here\n".to_owned()), |side| {
        let dir = private_dir(0o755);
        let path = dir.path().join("late-handler");
        let server = Server::of(side).options(["-HRl0"]).handler([&path]).start();
        let before = server.talk();
        script(&path, "#!/bin/sh\necho here\n");
        (before, server.talk())
    });
}

#[test]
fn the_directory_is_the_servers() {
    both(true, |side| {
        let dir = private_dir(0o755);
        let place = dir.path().canonicalize().unwrap();
        let enter = format!("cd {}", place.display());
        Server::of(side)
            .after(&enter)
            .options(["-HRl0"])
            .handler(["/bin/pwd"])
            .start()
            .talk()
            .trim_end()
            == place.to_str().unwrap()
    });
}

// The banner

#[test]
fn trap_06_a_denied_client_gets_the_banner() {
    both("go away\r\n".to_owned(), |side| {
        let dir = private_dir(0o755);
        let cdb = compile(side, dir.path(), "rules.cdb", ":deny\n");
        Server::of(side)
            .options(["-HRl0", "-x", &cdb, "-B", "go away\r\n"])
            .start()
            .talk()
    });
}

#[test]
fn a_client_that_is_gone_before_the_banner_is_a_warning() {
    both(
        [
            "tcpserver: warning: dropping connection, unable to print banner: connection reset",
            "tcpserver: end PID status 28416",
        ]
        .map(str::to_owned),
        |side| {
            let server = Server::of(side)
                .options(["-vHRl0", "-c1", "-B", "hello"])
                .shell("read line")
                .start();
            let mut first = server.connect();
            first.send("");
            server.wait_for(": ok ");
            // It waits in the kernel's queue, breaks off, and is accepted only then.
            let gone: Client = server.connect();
            gone.reset();
            first.say("go");
            let warning = server.wait_for("warning");
            [
                warning,
                kit::log::normalise(&server.wait_for_nth(2, ": end ")),
            ]
        },
    );
}
